//! What an AS2 request, response or receipt is made of: every layer as far as it can be opened, each oddity with what
//! the standards say about it. For logs, support desks and saved traffic; nothing here decides anything.
//!
//! Broken octets are no error here: the tree says where they break.

mod cms;
mod entity;
mod http;
mod rule;
mod tree;

pub use tree::{Finding, Oddity};

use std::cell::Cell;
use std::ops::Deref;
use std::time::SystemTime;

use ::http::{Request, Response};
use bytes::Bytes;

use crate::crypto::CryptoProvider;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::message::wire_head::{read_request, read_response};
use crate::partner::Partner;
use crate::smime::compress::InflateBudget;

/// Looks into messages and receipts.
///
/// With an identity it opens envelopes, with a partner it says which of his certificates signed and what the
/// agreement's verdict is. Without either it shows what anybody can see.
///
/// ```
/// use as2_protocol::{CryptoProvider, Inspector, Limits};
/// # let saved = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/02-signed.http"));
/// let tree = Inspector::new(CryptoProvider::rustcrypto(), Limits::default()).wire(&saved[..]);
/// assert!(tree.to_string().contains("multipart/signed"));
/// ```
#[derive(Clone, Debug)]
pub struct Inspector {
    provider: CryptoProvider,
    limits: Limits,
    identity: Option<Identity>,
    partner: Option<Partner>,
    now: Option<SystemTime>,
}

impl Inspector {
    /// An inspector that computes digests with `provider` and looks no further than `limits` allow.
    #[must_use]
    pub fn new(provider: CryptoProvider, limits: Limits) -> Self {
        Self { provider, limits, identity: None, partner: None, now: None }
    }

    /// Opens envelopes with the keys of this identity; they are asked in this thread.
    #[must_use]
    pub fn with_identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Compares with the certificates and terms of this partner.
    #[must_use]
    pub fn with_partner(mut self, partner: &Partner) -> Self {
        self.partner = Some(partner.clone());
        self
    }

    /// The time at which certificates are judged; without it no verdict is given.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    fn look(&self) -> Look<'_> {
        Look { inspector: self, budget: Cell::new(Some(InflateBudget::new(&self.limits))) }
    }

    /// A request: a message, or a receipt that was posted.
    #[must_use]
    pub fn request(&self, request: &Request<Bytes>) -> Finding {
        http::request(&self.look(), request)
    }

    /// A response: a receipt, or whatever else came back.
    #[must_use]
    pub fn response(&self, response: &Response<Bytes>) -> Finding {
        http::response(&self.look(), response)
    }

    /// Octets as they were saved from the wire: a request, a response, a MIME entity or a CMS object, by how they begin.
    #[must_use]
    pub fn wire(&self, octets: impl Into<Bytes>) -> Finding {
        let octets = octets.into();
        let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default().trim_ascii_end();
        let unreadable = |error: &dyn std::fmt::Display| {
            Finding::new("octets that cannot be read").fact("octets", octets.len()).broken(error)
        };
        if octets.starts_with(b"HTTP/") {
            read_response(&octets, &self.limits).map_or_else(|error| unreadable(&error), |read| self.response(&read))
        } else if line.windows(6).any(|words| words == b" HTTP/") {
            read_request(&octets, &self.limits).map_or_else(|error| unreadable(&error), |read| self.request(&read))
        } else if octets.first() == Some(&0x30) {
            cms::object(&self.look(), octets, None, self.limits.nesting)
        } else {
            entity::whole(&self.look(), octets, self.limits.nesting)
        }
    }
}

/// One look at one message: the inspector, and what inflating may still cost over all layers and parts. A part that
/// cannot be inflated uses all of it up.
struct Look<'a> {
    inspector: &'a Inspector,
    budget: Cell<Option<InflateBudget>>,
}

impl Deref for Look<'_> {
    type Target = Inspector;

    fn deref(&self) -> &Inspector {
        self.inspector
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests;
