//! Octets that a step machine leaves undecided, until the next chunk.

/// What lies between two chunks: as much as the machine leaves, never more than a header or a delimiter.
#[derive(Debug, Default)]
pub(super) struct Carry(Vec<u8>);

/// Octets of a chunk that are put behind those carried over, at a time.
const TOP_UP: usize = 512;

impl Carry {
    /// Runs `step` over what was left and `chunk`. It tells how many octets it took, or `None` if it needs more.
    pub(super) fn drive<E>(
        &mut self,
        mut chunk: &[u8],
        mut step: impl FnMut(&[u8]) -> Result<Option<usize>, E>,
    ) -> Result<(), E> {
        while !chunk.is_empty() {
            if self.0.is_empty() {
                match step(chunk)? {
                    Some(taken) => chunk = chunk.get(taken..).unwrap_or_default(),
                    None => {
                        self.0.extend_from_slice(chunk);
                        return Ok(());
                    }
                }
                continue;
            }
            let carried = self.0.len();
            let (more, rest) = chunk.split_at(chunk.len().min(TOP_UP));
            self.0.extend_from_slice(more);
            match step(&self.0)? {
                None => chunk = rest,
                Some(taken) if taken >= carried => {
                    chunk = chunk.get(taken - carried..).unwrap_or_default();
                    self.0.clear();
                }
                Some(taken) => {
                    self.0.truncate(carried);
                    self.0.drain(..taken);
                }
            }
        }
        Ok(())
    }

    /// Runs `step` until it needs more than there is, and nothing will come any more.
    pub(super) fn end<E>(&mut self, mut step: impl FnMut(&[u8]) -> Result<Option<usize>, E>) -> Result<(), E> {
        while let Some(taken) = step(&self.0)? {
            self.0.drain(..taken.min(self.0.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that takes words and the blank behind them, as a whole.
    fn words(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut carry, mut seen) = (Carry::default(), Vec::new());
        let mut step = |input: &[u8]| {
            let end = input.iter().position(|octet| *octet == b' ').map(|at| at + 1);
            seen.extend(end.map(|end| input[..end].to_vec()));
            Ok::<_, ()>(end)
        };
        chunks.iter().for_each(|chunk| carry.drive(chunk, &mut step).unwrap());
        seen
    }

    #[test]
    fn chunks_of_any_length_show_the_machine_the_same_octets() {
        let text = [&b"a bc "[..], &b"d".repeat(2000), b" ", &b"e f ".repeat(300)].concat();
        let whole = words(&[&text]);
        assert_eq!((whole.len(), whole.concat().len()), (603, text.len()));
        for size in [1, 2, 3, 511, 512, 513, 1999] {
            let chunks: Vec<_> = text.chunks(size).collect();
            assert_eq!(words(&chunks), whole, "chunks of {size}");
        }
    }
}
