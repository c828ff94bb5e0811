//! Digests of signed content that passes by, as it came and in its CRLF form.

use crate::algorithm::DigestAlgorithm;
use crate::crypto::content::DecryptStream;
use crate::crypto::{CryptoError, CryptoProvider};
use crate::mime::canonical::{Canonicalizer, has_bare_lf};
use crate::profile::SignedForm;
use crate::smime::mic::Digests;
use crate::smime::passed::FormDigests;

/// Octets that may wait for a digest: two chunks, since one may come with the rest of the one before.
const MOST_LATE: usize = 2 * super::CHUNK;

/// Digests under way. The CRLF form costs nothing until it is another one.
pub(super) struct Forms {
    raw: Digests,
    /// Inside an envelope: octets that the first digest of `raw` has not taken. It takes them while the next ones are
    /// decrypted, which costs less than one after the other.
    late: Option<Vec<u8>>,
    canonical: Canonical,
    after_cr: bool,
}

enum Canonical {
    /// It is not asked for.
    Unwanted,
    /// So far it is the same.
    Same,
    Other(Canonicalizer, Digests),
}

impl Forms {
    pub(super) fn start(
        provider: &CryptoProvider,
        algorithms: &[DigestAlgorithm],
        form: SignedForm,
        sealed: bool,
    ) -> Result<Self, CryptoError> {
        let raw = Digests::start(provider, algorithms)?;
        let canonical = match form {
            SignedForm::AsSent => Canonical::Unwanted,
            // A provider whose digests do not fork computes both from the start.
            _ if raw.fork().is_none() => Canonical::Other(Canonicalizer::new(), Digests::start(provider, algorithms)?),
            _ => Canonical::Same,
        };
        Ok(Self { raw, late: sealed.then(Vec::new), canonical, after_cr: false })
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        if matches!(self.canonical, Canonical::Same)
            && has_bare_lf(self.after_cr, chunk)
            && let Some(fork) = self.settled().fork()
        {
            self.canonical = Canonical::Other(Canonicalizer::after(self.after_cr), fork);
        }
        if let Canonical::Other(canonicalizer, digests) = &mut self.canonical {
            canonicalizer.push(chunk, &mut |piece| digests.update(piece));
        }
        self.digest(chunk);
        self.after_cr = chunk.last().map_or(self.after_cr, |octet| *octet == b'\r');
    }

    fn digest(&mut self, chunk: &[u8]) {
        let most = MOST_LATE.saturating_sub(chunk.len());
        if self.late.as_ref().is_none_or(|late| late.len() > most) {
            self.settled();
        }
        match &mut self.late {
            Some(late) if chunk.len() <= MOST_LATE => {
                late.extend_from_slice(chunk);
                self.raw.update_all_but_first(chunk);
            }
            _ => self.raw.update(chunk),
        }
    }

    /// The digests of all octets so far.
    fn settled(&mut self) -> &mut Digests {
        if let Some(late) = &mut self.late {
            self.raw.update_first(late);
            late.clear();
        }
        &mut self.raw
    }

    /// Decrypts the next octets, and digests meanwhile what was decrypted before.
    pub(super) fn decrypt(&mut self, stream: &mut DecryptStream, chunk: &[u8], plain: &mut Vec<u8>) {
        let Some(late) = &mut self.late else { return stream.push(chunk, plain) };
        self.raw.update_first_and_decrypt(late, stream, chunk, plain);
        late.clear();
    }

    pub(super) fn finish(mut self) -> FormDigests {
        self.settled();
        let canonical = match self.canonical {
            Canonical::Other(canonicalizer, digests) if canonicalizer.changed() => digests.finish(),
            _ => Vec::new(),
        };
        FormDigests { raw: self.raw.finish(), canonical }
    }
}

impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::algorithm::CipherAlgorithm;

    const DIGESTS: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha1];

    fn text(length: usize, bare_lf: Option<usize>) -> Vec<u8> {
        let mut text: Vec<u8> = b"order\r\n".iter().copied().cycle().take(length).collect();
        if let Some(at) = bare_lf {
            text.splice(at..at, *b"a\n");
        }
        text
    }

    /// Digests of `text` that passes by in chunks; where `sealed`, octets are decrypted before each chunk.
    fn digests(text: &[u8], chunk: usize, sealed: bool) -> [Vec<Vec<u8>>; 2] {
        let provider = CryptoProvider::rustcrypto();
        let mut forms = Forms::start(&provider, &DIGESTS, SignedForm::AsSentOrCrlf, sealed).unwrap();
        let decryptor = provider.ciphers().decryptor(CipherAlgorithm::Aes256Cbc, &[1; 32], &[2; 16], &[]).unwrap();
        let (mut stream, mut plain) = (DecryptStream::new(decryptor), Vec::new());
        for chunk in text.chunks(chunk) {
            if sealed {
                plain.clear();
                forms.decrypt(&mut stream, chunk, &mut plain);
            }
            forms.push(chunk);
            assert!(forms.late.as_ref().is_none_or(|late| late.len() <= MOST_LATE));
        }
        let FormDigests { raw, canonical } = forms.finish();
        [raw, canonical].map(|values| values.iter().map(|value| value.as_bytes().to_vec()).collect())
    }

    #[test]
    fn digests_that_wait_for_a_decryption_are_the_same() {
        for length in [0, 1, 63, 64, 65, 100_000, 200_000] {
            for bare_lf in [None, Some(0), Some(length / 2), Some(length)] {
                let text = text(length, bare_lf);
                let [raw, canonical] = digests(&text, text.len().max(1), false);
                let provider = CryptoProvider::rustcrypto();
                let expected = Digests::of(&provider, &DIGESTS, &[text.clone().into()]).unwrap();
                assert_eq!(raw, expected.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>());
                assert_eq!(canonical.is_empty(), bare_lf.is_none());
                for chunk in [1000, 32 << 10, MOST_LATE, MOST_LATE + 1] {
                    let same = digests(&text, chunk, true);
                    assert!(same == [raw.clone(), canonical.clone()], "{length} {bare_lf:?} by {chunk}");
                }
            }
        }
    }
}
