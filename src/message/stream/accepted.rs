//! A message that passed by and fulfils the agreement.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::announce::Announcement;
use crate::identity::OwnCertificate;
use crate::message::authenticity::Authenticity;
use crate::message::duplicate::Arrival;
use crate::message::duplicate::claim::Claim;
use crate::message::duplicate::record::InboxRecord;
use crate::message::received::Accepted;
use crate::message::stream::claims::Claimable;
use crate::message::verdict::Verdict;
use crate::note::Note;
use crate::receipt::builder::{MdnBuilder, Reply};
use crate::rollover::Observation;
use crate::smime::inward::quarantine::DocumentHead;
use crate::smime::layer::Layer;
use crate::smime::mic::{Mic, MicScope};

/// A message that fulfils the agreement, and whose documents lie in the quarantine: they may leave it now. Only after
/// they did, and are safe, [`AcceptedStream::stored`] may be said.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct AcceptedStream {
    accepted: Accepted,
    documents: Vec<StreamedDocument>,
    signature: Option<Bytes>,
    claimable: Option<Claimable>,
}

/// One document in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamedDocument {
    head: DocumentHead,
    len: u64,
    is_root: bool,
}

impl StreamedDocument {
    /// Its type, name and identifier.
    #[must_use]
    pub fn head(&self) -> &DocumentHead {
        &self.head
    }

    /// Octets that went into the quarantine.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is the main document (RFC 2387 section 3.2), or the only one.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.is_root
    }
}

impl AcceptedStream {
    pub(super) fn new(accepted: Accepted, lengths: &[u64], claimable: Option<Claimable>) -> Self {
        let lengths = lengths.iter().copied().chain(std::iter::repeat(0));
        let documents = accepted.payloads().iter().zip(lengths).map(|(payload, len)| StreamedDocument {
            head: payload.head(),
            len,
            is_root: payload.is_root(),
        });
        let signature = accepted.signature_cms().cloned();
        Self { documents: documents.collect(), accepted, signature, claimable }
    }

    /// Name and digest of the message, if the stream was told to make them
    /// ([`InboundStream::for_claims`](crate::InboundStream::for_claims)).
    #[must_use]
    pub fn arrival(&self) -> Option<&Arrival> {
        self.claimable.as_ref().map(|claimable| &claimable.arrival)
    }

    /// Judges the message by what is on record about it, as [`Accepted::claim`] does; records are the same, however a message
    /// came. `None` without [`InboundStream::for_claims`](crate::InboundStream::for_claims).
    pub fn claim(&self, record: Option<&InboxRecord>, lease: Duration, now: SystemTime) -> Option<Claim> {
        let Claimable { arrival, payload } = self.claimable.as_ref()?;
        Some(self.accepted.claim_of(arrival, record, (lease, now), || *payload))
    }

    /// The documents, by the numbers under which the quarantine got them.
    #[must_use]
    pub fn documents(&self) -> &[StreamedDocument] {
        &self.documents
    }

    /// The main document: the root of several, or the only one.
    #[must_use]
    pub fn root(&self) -> Option<&StreamedDocument> {
        self.documents.iter().find(|document| document.is_root)
    }

    /// Who vouches for the documents.
    #[must_use]
    pub fn authenticity(&self) -> &Authenticity {
        self.accepted.authenticity()
    }

    /// The signature part of multipart/signed as received (CMS): to be archived beside the signed octets, by whoever
    /// must prove the origin later. Those octets passed by, so there is no [`OriginEvidence`](crate::OriginEvidence).
    #[must_use]
    pub fn signature(&self) -> Option<&Bytes> {
        self.signature.as_ref()
    }

    /// What the sender tells about itself.
    #[must_use]
    pub fn announced(&self) -> &Announcement {
        self.accepted.announced()
    }

    /// The layers that were opened, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        self.accepted.layers()
    }

    /// The integrity check that the receipt will carry.
    #[must_use]
    pub fn mic(&self) -> &Mic {
        self.accepted.mic()
    }

    /// Which octets the integrity check covers.
    #[must_use]
    pub fn mic_scope(&self) -> MicScope {
        self.accepted.mic_scope()
    }

    /// What was tolerated.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        self.accepted.notes()
    }

    /// SHA-256 of the wrapped content-encryption key: equal for every replay of this envelope.
    #[must_use]
    pub fn envelope_key(&self) -> Option<&[u8]> {
        self.accepted.envelope_key()
    }

    /// SHA-256 of the signature value: equal for every replay of this signature.
    #[must_use]
    pub fn signature_key(&self) -> Option<&[u8]> {
        self.accepted.signature_key()
    }

    /// The key of ours that decrypted the message, if it was encrypted.
    #[must_use]
    pub fn decrypted_with(&self) -> Option<&OwnCertificate> {
        self.accepted.decrypted_with()
    }

    /// The certificates that were seen at work; see [`Accepted::observations`].
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        self.accepted.observations()
    }

    /// The documents left the quarantine and are safe: the positive receipt may go out. There is no other way to one.
    pub fn stored(self) -> MdnBuilder {
        self.accepted.stored()
    }

    /// The application does not take the documents: the sender gets the verdict.
    pub fn failed(self, verdict: Verdict) -> MdnBuilder {
        self.accepted.failed(verdict)
    }

    /// The documents cannot be stored now: no receipt, status 503, and the sender tries again.
    pub fn defer(self, retry_after: Duration) -> Reply {
        self.accepted.defer(retry_after)
    }
}
