//! Receipts (MDNs) in both directions: written for messages that we received, judged for messages that we sent.

pub(crate) mod builder;
pub(crate) mod evidence;
pub(crate) mod incoming;
pub(crate) mod outcome;
mod parked;
pub(crate) mod pending;
