//! The way out in one pass: an entity goes in piece by piece, its outermost layer comes out. Each layer is one of the
//! machines of [`compress`](super::compress), [`sign`](super::sign) and [`encrypt`](super::encrypt).

use crate::crypto::{CryptoProvider, DigestValue};
use crate::error::SendError;
use crate::smime::compress::Deflating;
use crate::smime::encrypt::{Envelope, EnvelopeTerms};
use crate::smime::head_block;
use crate::smime::mic::Digests;
use crate::smime::sign::Signature;
use crate::step::{Exclusive, Step};

/// Octets that go through all layers at a time: they stay in the cache from one to the next.
const CHUNK: usize = 32 << 10;

/// What is done to an entity, in this order.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) compress_first: bool,
    /// With the digests of what is signed.
    pub(crate) signature: Option<(Signature, Digests)>,
    pub(crate) compress_then: bool,
    pub(crate) envelope: Option<EnvelopeTerms>,
}

/// An entity on its way through the layers.
pub(crate) struct Outward {
    provider: CryptoProvider,
    inner: Option<Stage<Deflating>>,
    signature: Option<Stage<Signing>>,
    outer: Option<Stage<Deflating>>,
    envelope: Option<Stage<Envelope>>,
    begun: bool,
    /// What a compression gave, on its way to the next layer.
    packed: Vec<u8>,
}

/// The end of the way out.
pub(crate) struct Finished {
    /// Digests of what was signed, none where nothing was.
    pub(crate) signed: Vec<DigestValue>,
    /// The octets that were given, and the last ones behind them.
    pub(crate) wire: Vec<u8>,
}

/// A layer, and the header block of the entity in it.
struct Stage<T> {
    machine: T,
    head: Vec<u8>,
}

struct Signing {
    signature: Signature,
    digests: Digests,
    /// Octets behind the signed entity, if they were announced.
    closing: Option<u64>,
}

/// Header fields of an entity, and octets of its body if they are known.
pub(crate) struct Outside {
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Option<u64>,
}

impl Outside {
    /// The header block, and octets of the whole entity if they are known.
    fn entity(&self) -> Result<(Vec<u8>, Option<u64>), SendError> {
        let head = head_block(&self.fields)?;
        let whole = self.body.map(|body| body.saturating_add(octets(head.len())));
        Ok((head, whole))
    }
}

impl Outward {
    /// Layers over an entity of which `inside` is known; beside them, what is then known of the outermost.
    pub(crate) fn new(
        inside: Outside,
        layers: Layers,
        provider: &CryptoProvider,
    ) -> Result<(Self, Outside), SendError> {
        let mut outside = inside;
        let inner = layers.compress_first.then(|| deflating(&mut outside)).transpose()?;
        let signature = layers.signature.map(|signature| signing(signature, &mut outside)).transpose()?;
        let outer = layers.compress_then.then(|| deflating(&mut outside)).transpose()?;
        let envelope = layers.envelope.map(|terms| sealing(&terms, provider, &mut outside)).transpose()?;
        let (provider, packed) = (provider.clone(), Vec::new());
        Ok((Self { provider, inner, signature, outer, envelope, begun: false, packed }, outside))
    }

    /// Takes further octets of the entity's body, and appends what is complete.
    pub(crate) fn push(&mut self, body: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.begin(wire)?;
        body.chunks(CHUNK).try_for_each(|chunk| self.entity(chunk, wire))
    }

    /// Ends all layers: asks the signing key, and appends to `wire` what remains.
    pub(crate) fn finish(mut self, mut wire: Vec<u8>) -> Step<Result<Finished, SendError>> {
        let signing = self.begin(&mut wire).and_then(|()| self.end_entity(&mut wire));
        match signing {
            Err(error) => Step::Done(Err(error)),
            Ok(None) => Step::Done(self.end(None, &mut wire).map(|()| Finished { signed: Vec::new(), wire })),
            Ok(Some(Signing { signature, digests, closing: announced })) => {
                let digests = digests.finish();
                let asked = signature.close(&digests, None, &self.provider);
                let rest = Exclusive::new((self, wire));
                asked.map(move |closing| {
                    let (machine, mut wire) = rest.into_inner();
                    let closing = closing.and_then(|closing| as_announced(closing, announced))?;
                    machine.end(Some(&closing), &mut wire)?;
                    Ok(Finished { signed: digests, wire })
                })
            }
        }
    }

    /// What stands before the first octet of the entity's body, from the outside in.
    fn begin(&mut self, wire: &mut Vec<u8>) -> Result<(), SendError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if let Some(Stage { machine, head }) = &mut self.envelope {
            machine.begin(wire);
            let head = std::mem::take(head);
            self.sealed(&head, wire)?;
        }
        if let Some(Stage { machine, head }) = &mut self.outer {
            let (mut shell, head) = (Vec::new(), std::mem::take(head));
            machine.begin(&mut shell);
            self.sealed(&shell, wire)?;
            self.wrapped(&head, wire)?;
        }
        if let Some(Stage { machine, head }) = &mut self.signature {
            let (opening, head) = (machine.signature.opening(), std::mem::take(head));
            self.wrapped(opening.as_bytes(), wire)?;
            self.signed(&head, wire)?;
        }
        if let Some(Stage { machine, head }) = &mut self.inner {
            let (mut shell, head) = (Vec::new(), std::mem::take(head));
            machine.begin(&mut shell);
            self.signed(&shell, wire)?;
            self.entity(&head, wire)?;
        }
        Ok(())
    }

    fn entity(&mut self, octets: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        let Some(Stage { machine, .. }) = &mut self.inner else { return self.signed(octets, wire) };
        let mut packed = std::mem::take(&mut self.packed);
        machine.push(octets, &mut packed);
        self.signed(&packed, wire)?;
        self.keep(packed);
        Ok(())
    }

    fn signed(&mut self, octets: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        match (&mut self.signature, &mut self.envelope) {
            (Some(signing), Some(envelope)) if self.outer.is_none() => {
                envelope.machine.push_digesting(&mut signing.machine.digests, octets, wire)?;
                return Ok(());
            }
            (Some(signing), _) => signing.machine.digests.update(octets),
            (None, _) => {}
        }
        self.wrapped(octets, wire)
    }

    fn wrapped(&mut self, octets: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        let Some(Stage { machine, .. }) = &mut self.outer else { return self.sealed(octets, wire) };
        let mut packed = std::mem::take(&mut self.packed);
        machine.push(octets, &mut packed);
        self.sealed(&packed, wire)?;
        self.keep(packed);
        Ok(())
    }

    fn sealed(&mut self, octets: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        match &mut self.envelope {
            Some(Stage { machine, .. }) => machine.push(octets, wire)?,
            None => wire.extend_from_slice(octets),
        }
        Ok(())
    }

    /// The buffer is used again: a message is compressed before or after signing, never both.
    fn keep(&mut self, mut packed: Vec<u8>) {
        packed.clear();
        self.packed = packed;
    }

    /// The end of the entity; gives the signature that is now to be made.
    fn end_entity(&mut self, wire: &mut Vec<u8>) -> Result<Option<Signing>, SendError> {
        if let Some(Stage { machine, .. }) = self.inner.take() {
            let mut packed = std::mem::take(&mut self.packed);
            machine.finish(&mut packed);
            self.signed(&packed, wire)?;
        }
        Ok(self.signature.take().map(|stage| stage.machine))
    }

    /// The end of all that lies around the entity.
    fn end(mut self, closing: Option<&[u8]>, wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.wrapped(closing.unwrap_or_default(), wire)?;
        if let Some(Stage { machine, .. }) = self.outer.take() {
            let mut packed = std::mem::take(&mut self.packed);
            machine.finish(&mut packed);
            self.sealed(&packed, wire)?;
        }
        if let Some(Stage { machine, .. }) = self.envelope {
            machine.finish(wire);
        }
        Ok(())
    }
}

fn deflating(outside: &mut Outside) -> Result<Stage<Deflating>, SendError> {
    let machine = Deflating::new();
    let (head, _) = outside.entity()?;
    *outside = Outside { fields: machine.fields(), body: None };
    Ok(Stage { machine, head })
}

fn signing((signature, digests): (Signature, Digests), outside: &mut Outside) -> Result<Stage<Signing>, SendError> {
    let (head, entity) = outside.entity()?;
    let closing = signature.closing_len()?;
    let around = closing.map(|closing| closing.saturating_add(octets(signature.opening().len())));
    let body = around.zip(entity).map(|(around, entity)| around.saturating_add(entity));
    *outside = Outside { fields: signature.fields(), body };
    Ok(Stage { machine: Signing { signature, digests, closing }, head })
}

fn sealing(
    terms: &EnvelopeTerms,
    provider: &CryptoProvider,
    outside: &mut Outside,
) -> Result<Stage<Envelope>, SendError> {
    let (head, entity) = outside.entity()?;
    let machine = Envelope::new(entity, terms, provider)?;
    *outside = Outside { fields: machine.fields(), body: machine.total() };
    Ok(Stage { machine, head })
}

/// A signature that is longer or shorter than its key had said would not fit the lengths written before it.
fn as_announced(closing: Vec<u8>, announced: Option<u64>) -> Result<Vec<u8>, SendError> {
    let written = octets(closing.len());
    match announced {
        Some(announced) if announced != written => Err(SendError::SignatureLength { announced, written }),
        _ => Ok(closing),
    }
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
