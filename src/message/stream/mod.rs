//! Messages whose octets pass by, in both directions.

pub(crate) mod accepted;
pub(crate) mod inbound;
