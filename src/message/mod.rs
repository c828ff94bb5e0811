//! The two verbs of the protocol: build a message to send, open one that was received.

pub(crate) mod authenticity;
pub(crate) mod builder;
pub(crate) mod diagnosis;
pub(crate) mod draft;
pub(crate) mod duplicate;
pub(crate) mod opening;
pub(crate) mod origin;
pub(crate) mod parser;
pub(crate) mod parts;
pub(crate) mod payload;
pub(crate) mod received;
pub(crate) mod refused;
pub(crate) mod spool;
pub(crate) mod stream;
pub(crate) mod verdict;
pub(crate) mod wire_head;
