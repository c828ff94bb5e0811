//! What a received message proves about its origin.

use crate::certificate::Certificate;

/// Who vouches for the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authenticity {
    /// Signed under a certificate that is configured for the partner, or that [`Trust`](crate::Trust) vouches for.
    Signed {
        /// That certificate.
        certificate: Certificate,
    },
    /// Unchanged since it was encrypted to us, by whoever holds our public certificate.
    SealedUnsigned,
    /// Nobody: it may have been written or changed by anyone.
    None,
}
