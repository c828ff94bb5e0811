//! Messages of any size in one pass and in bounded memory: octets go in and come out piece by piece.

#[cfg(feature = "http-body")]
pub(crate) mod body;
pub(crate) mod outbound;
pub(crate) mod reader;

#[cfg(feature = "rustcrypto")]
#[cfg(test)]
mod tests;
