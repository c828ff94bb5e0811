//! What claims of messages need that pass by: digests of the wire and of each document.

use std::fmt;
use std::io;

use sha2::{Digest, Sha256};

use crate::message::duplicate::{Arrival, Fingerprint, digest_of, wire_digest};
use crate::message::parser::Head;
use crate::name::{ReceivedId, ReceivedName};
use crate::smime::inward::quarantine::{DocumentHead, Quarantine};

/// Digests under way.
pub(super) struct ClaimDigests {
    names: (ReceivedName, ReceivedName),
    message_id: Option<ReceivedId>,
    wire: Sha256,
    documents: Vec<Sha256>,
}

impl ClaimDigests {
    pub(super) fn start(head: &Head) -> Self {
        Self {
            names: (head.from.clone(), head.to.clone()),
            message_id: head.message_id.clone(),
            wire: wire_digest(&head.headers),
            documents: Vec::new(),
        }
    }

    pub(super) fn wire(&mut self, octets: &[u8]) {
        self.wire.update(octets);
    }

    pub(super) fn digesting<'a>(&'a mut self, quarantine: &'a mut dyn Quarantine) -> Digesting<'a> {
        Digesting { documents: &mut self.documents, quarantine }
    }

    pub(super) fn finish(self) -> Claimable {
        let Self { names: (from, to), message_id, wire, documents } = self;
        let arrival = Arrival::new((&from, &to), message_id.as_ref(), wire);
        Claimable { arrival, payload: digest_of(documents.into_iter()) }
    }
}

impl fmt::Debug for ClaimDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimDigests").finish_non_exhaustive()
    }
}

/// What names the message, and what its documents are compared by.
#[derive(Clone, Debug)]
pub(super) struct Claimable {
    pub(super) arrival: Arrival,
    pub(super) payload: Fingerprint,
}

/// A quarantine whose octets are digested on the way.
pub(super) struct Digesting<'a> {
    documents: &'a mut Vec<Sha256>,
    quarantine: &'a mut dyn Quarantine,
}

impl Quarantine for Digesting<'_> {
    fn begin(&mut self, number: usize, head: &DocumentHead) -> io::Result<()> {
        self.documents.push(Sha256::new());
        self.quarantine.begin(number, head)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if let Some(document) = self.documents.last_mut() {
            document.update(octets);
        }
        self.quarantine.write(octets)
    }
}
