//! Messages of any size in one pass and in bounded memory, in both directions: octets go in and come out piece by piece.

pub(crate) mod accepted;
#[cfg(feature = "http-body")]
pub(crate) mod body;
mod claims;
pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod reader;

#[cfg(feature = "rustcrypto")]
#[cfg(test)]
mod tests;
