//! The innermost body: without its transfer encoding into the quarantine.

use super::documents::Collection;
use super::entity::Labels;
use super::quarantine::DocumentHead;
use super::{Context, Place};
use crate::mime::Error as MimeError;
use crate::mime::filename;
use crate::mime::related::{Documents, is_collection};
use crate::mime::transfer::{Decoder, TransferEncoding};
use crate::smime::mic::Digests;
use crate::smime::passed::PassedPayload;
use crate::smime::peel::PeelTerms;

/// A payload on its way in.
#[derive(Debug)]
pub(super) struct PayloadStage {
    decoder: Decoding,
    covers: Covers,
    digests: Option<Digests>,
    outlet: Outlet,
}

/// What the MIC covers where nothing is signed (RFC 4130 section 7.3.1, RFC 5402 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    Entity,
    Payload,
}

#[derive(Debug)]
enum Outlet {
    /// One document that has not begun.
    New(DocumentHead),
    Single,
    Collection(Box<Collection>),
}

impl PayloadStage {
    pub(super) fn new(labels: Labels, place: Place, terms: &PeelTerms) -> Self {
        let Labels { content_type, transfer, disposition } = labels;
        let nesting = terms.limits.nesting.saturating_sub(place.depth);
        let outlet = match &content_type {
            Some(kind) if is_collection(Some(kind)) => {
                Outlet::Collection(Box::new(Collection::new(kind.clone(), &terms.limits, nesting)))
            }
            _ => {
                let filename = filename::received(disposition.as_deref(), content_type.as_ref());
                Outlet::New(DocumentHead::new(content_type, filename, None))
            }
        };
        let algorithm = terms.mic.choose(None);
        let digests = Digests::start(&terms.provider, &[algorithm]).ok().filter(|_| !place.signed);
        let covers = if place.outermost { Covers::Payload } else { Covers::Entity };
        let encoding = transfer.as_deref().map_or(Ok(TransferEncoding::Binary), TransferEncoding::read);
        Self { decoder: Decoding::new(encoding), covers, digests, outlet }
    }

    /// The header in front of the payload.
    pub(super) fn prefix(&mut self, octets: &[u8]) {
        if let (Covers::Entity, Some(digests)) = (self.covers, &mut self.digests) {
            digests.update(octets);
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        self.prefix(chunk);
        let Self { decoder, covers, digests, outlet } = self;
        decoder.push(chunk, &mut |octets| outlet.push(octets, *covers, digests, context));
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> PassedPayload {
        let Self { decoder, covers, digests, outlet } = &mut self;
        decoder.finish(&mut |octets| outlet.push(octets, *covers, digests, context));
        outlet.push(&[], *covers, digests, context);
        let documents = match self.outlet {
            Outlet::Collection(collection) => collection.finish(context),
            Outlet::New(_) | Outlet::Single => Ok(Documents::default()),
        };
        let digests = self.digests.map(Digests::finish).unwrap_or_default();
        PassedPayload { decoded: self.decoder.into_result(), digests, documents }
    }
}

impl Outlet {
    fn push(&mut self, octets: &[u8], covers: Covers, digests: &mut Option<Digests>, context: &mut Context<'_>) {
        if let (Covers::Payload, Some(digests)) = (covers, digests) {
            digests.update(octets);
        }
        if let Self::New(head) = self {
            context.begin(head);
            *self = Self::Single;
        }
        match self {
            Self::Collection(collection) => collection.push(octets, context),
            Self::New(_) | Self::Single => context.write(octets),
        }
    }
}

/// A transfer encoding that is taken off; after an error nothing comes out any more.
#[derive(Debug)]
pub(super) enum Decoding {
    Identity,
    Decoder { decoder: Decoder, window: Vec<u8> },
    Failed(MimeError),
}

impl Decoding {
    pub(super) fn new(encoding: Result<TransferEncoding, MimeError>) -> Self {
        match encoding {
            Ok(encoding) if encoding.is_identity() => Self::Identity,
            Ok(encoding) => Self::Decoder { decoder: Decoder::new(encoding), window: Vec::new() },
            Err(error) => Self::Failed(error),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], out: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Identity => out(chunk),
            Self::Decoder { decoder, window } => {
                let decoded = decoder.push(chunk, window);
                self.hand_out(decoded, out);
            }
            Self::Failed(_) => {}
        }
    }

    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) {
        if let Self::Decoder { decoder, window } = self {
            let decoded = decoder.finish(window);
            self.hand_out(decoded, out);
        }
    }

    fn hand_out(&mut self, decoded: Result<(), MimeError>, out: &mut dyn FnMut(&[u8])) {
        match (decoded, &mut *self) {
            (Ok(()), Self::Decoder { window, .. }) => {
                out(window);
                window.clear();
            }
            (Ok(()), _) => {}
            (Err(error), _) => *self = Self::Failed(error),
        }
    }

    pub(super) fn into_result(self) -> Result<(), MimeError> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Identity | Self::Decoder { .. } => Ok(()),
        }
    }
}
