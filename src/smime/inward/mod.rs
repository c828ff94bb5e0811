//! Opening a message whose octets pass by: each layer is a push machine that hands on what it unwraps, and keeps what
//! is needed to judge it in the end.
//!
//! Nothing is decided here that the sender could see. A layer that cannot be opened takes in the rest of its octets all
//! the same; whether what passed by may be used, and what is answered, [`peel`](super::peel) says.

mod carry;
mod cms;
mod content;
mod documents;
mod entity;
mod forms;
mod payload;
pub(crate) mod quarantine;
mod signed;

use std::io;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{KeyError, SecretBytes};
use crate::error::Exposure;
use crate::smime::current::Current;
use crate::smime::inward::entity::{BodyStage, Labels};
use crate::smime::inward::quarantine::{DocumentHead, Quarantine};
use crate::smime::passed::Passed;
use crate::smime::peel::PeelTerms;
use crate::step::KeyRequest;

/// Octets that are worked on at a time: all buffers of all layers follow from it.
const CHUNK: usize = 32 << 10;

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Inward {
    body: BodyStage,
    state: State,
}

/// What all layers share.
#[derive(Debug, Default)]
struct State {
    /// The key that must answer before the innermost open layer can go on.
    wanted: Option<KeyRequest>,
    /// Octets of each document so far.
    lengths: Vec<u64>,
    /// Why the quarantine took no more.
    fault: Option<io::Error>,
}

/// What a layer works with.
struct Context<'a> {
    terms: &'a PeelTerms,
    sink: &'a mut dyn Quarantine,
    state: &'a mut State,
}

/// Where a layer stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// As it will be if all layers around turn out to be good.
    exposure: Exposure,
    /// Whether a signature stands around.
    signed: bool,
    compressed: bool,
    outermost: bool,
    /// Layers around.
    depth: usize,
}

impl Place {
    const OUTERMOST: Self =
        Self { exposure: Exposure::Open, signed: false, compressed: false, outermost: true, depth: 0 };

    /// Whether an envelope stands around.
    fn is_sealed(self) -> bool {
        self.exposure != Exposure::Open
    }

    fn inside(self) -> Self {
        Self { outermost: false, depth: self.depth + 1, ..self }
    }

    fn inside_signature(self) -> Self {
        let exposure = if self.exposure == Exposure::Sealed { Exposure::Authenticated } else { self.exposure };
        Self { signed: true, exposure, ..self.inside() }
    }
}

impl Context<'_> {
    fn begin(&mut self, head: &DocumentHead) {
        let number = self.state.lengths.len();
        self.state.lengths.push(0);
        if self.state.fault.is_none() {
            self.state.fault = self.sink.begin(number, head).err();
        }
    }

    fn write(&mut self, octets: &[u8]) {
        if let Some(length) = self.state.lengths.last_mut() {
            *length = length.saturating_add(len_u64(octets));
        }
        if self.state.fault.is_none() && !octets.is_empty() {
            self.state.fault = self.sink.write(octets).err();
        }
    }

    /// The digests to run over signed content: those that are announced and accepted. The receipt's comes with them,
    /// and SHA-256, since it is what most signatures use whose announcement is wrong (interop: `sha1` over SHA-256).
    fn digests(&self, announced: &[DigestAlgorithm]) -> Vec<DigestAlgorithm> {
        let accepted = &self.terms.accept.digests;
        let mut digests: Vec<_> = announced.iter().copied().filter(|digest| accepted.contains(digest)).collect();
        if digests.is_empty() {
            digests.extend(accepted);
        }
        digests.extend(accepted.iter().filter(|digest| **digest == DigestAlgorithm::Sha256));
        digests.extend(self.terms.mic.wanted());
        digests.retain(|digest| self.terms.provider.start_digest(*digest).is_ok());
        digests
    }
}

impl Inward {
    /// A machine for the body that `outer` describes; what stands in `outer` as a body is not looked at.
    pub(crate) fn new(outer: &Current, terms: &PeelTerms) -> Self {
        let labels = Labels {
            content_type: outer.content_type.clone(),
            transfer: outer.transfer.clone(),
            disposition: outer.disposition.clone(),
        };
        Self { body: BodyStage::new(labels, Place::OUTERMOST, terms), state: State::default() }
    }

    /// Takes in octets, until a key must answer ([`Inward::wanted`]); how many.
    pub(crate) fn push(&mut self, octets: &[u8], terms: &PeelTerms, sink: &mut dyn Quarantine) -> io::Result<usize> {
        let Self { body, state } = self;
        let mut taken = 0;
        for chunk in octets.chunks(CHUNK) {
            if state.wanted.is_some() {
                break;
            }
            body.push(chunk, &mut Context { terms, sink, state });
            taken += chunk.len();
        }
        state.fault.take().map_or(Ok(taken), Err)
    }

    /// The key that must answer.
    pub(crate) fn wanted(&self) -> Option<&KeyRequest> {
        self.state.wanted.as_ref()
    }

    /// Goes on with the key's answer.
    pub(crate) fn provide(
        &mut self,
        answer: Result<SecretBytes, KeyError>,
        terms: &PeelTerms,
        sink: &mut dyn Quarantine,
    ) -> io::Result<()> {
        let Self { body, state } = self;
        state.wanted = None;
        body.provide(&mut Some(answer), &mut Context { terms, sink, state });
        self.state.fault.take().map_or(Ok(()), Err)
    }

    /// What passed by, and how long each document was.
    pub(crate) fn finish(self, terms: &PeelTerms, sink: &mut dyn Quarantine) -> io::Result<(Passed, Vec<u64>)> {
        let Self { body, mut state } = self;
        let passed = body.finish(&mut Context { terms, sink, state: &mut state });
        state.fault.map_or(Ok((passed, state.lengths)), Err)
    }
}

/// An answer on its way to the layer that waits for it.
type Answer = Option<Result<SecretBytes, KeyError>>;

fn len_u64(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}
