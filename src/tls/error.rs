//! Why no TLS configuration could be made.

use crate::profile::TlsTrust;

/// No TLS configuration can be made of what was given; found before any connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is no certificate to trust.
    #[error(
        "nothing is trusted: give {}",
        if *.trust == TlsTrust::Pinned { "the certificate of the other side, which `tls.trust` pins" }
        else { "root certificates, or pin the certificate of the other side with `tls.trust`" }
    )]
    NothingTrusted {
        /// What the terms ask for.
        trust: TlsTrust,
    },
    /// Dates are to be overlooked, and cannot be.
    #[error(
        "certificates under roots always count by their dates: pin the certificate with `tls.trust`, or leave `tls.dates` out"
    )]
    DatesUnderRoots,
    /// A root certificate cannot serve as one.
    #[error("the certificate of {subject} cannot be a root: {reason}")]
    Root {
        /// Its subject.
        subject: String,
        /// Why.
        reason: String,
    },
    /// The profile names a TLS identity that was not given.
    #[error(
        "there is no TLS identity by the name `{name}`, which `client_certificate` asks for: give it, or leave that out"
    )]
    NoIdentity {
        /// The name.
        name: String,
    },
    /// An identity has no certificate.
    #[error("the TLS identity `{name}` has no certificate: give its chain, leaf first")]
    NoCertificate {
        /// Name of the identity.
        name: String,
    },
    /// The backend cannot use a private key.
    #[error("the private key of the TLS identity `{name}` cannot be used: {reason}")]
    Key {
        /// Name of the identity.
        name: String,
        /// Why.
        reason: String,
    },
    /// A private key belongs to another certificate.
    #[error(
        "the private key of the TLS identity `{name}` does not belong to the certificate of {subject}: give the two that were made together"
    )]
    KeyMismatch {
        /// Name of the identity.
        name: String,
        /// Subject of the certificate.
        subject: String,
    },
    /// The backend cannot do what the terms ask for.
    #[error("the TLS backend: {reason}")]
    Backend {
        /// Why.
        reason: String,
    },
}

impl TlsError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingTrusted { .. } => "TLS_NOTHING_TRUSTED",
            Self::DatesUnderRoots => "TLS_DATES_UNDER_ROOTS",
            Self::Root { .. } => "TLS_ROOT",
            Self::NoIdentity { .. } => "TLS_NO_IDENTITY",
            Self::NoCertificate { .. } => "TLS_NO_CERTIFICATE",
            Self::Key { .. } => "TLS_KEY",
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::Backend { .. } => "TLS_BACKEND",
        }
    }
}
