//! What we show: a certificate chain for TLS and its private key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsBackend, TlsError};
use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::error::ValidityError;
use crate::identity::same_key;

/// Our certificate for TLS, as a server or as a client, with its private key. Cheap to clone.
#[derive(Clone)]
pub struct TlsIdentity {
    name: String,
    leaf: Certificate,
    certified: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// An identity by the name that profiles call it in `client_certificate`. The chain begins with the certificate of
    /// the key; roots are left out of it.
    ///
    /// # Errors
    /// [`TlsError`] if the chain is empty, the backend cannot use the key, or the key belongs to another certificate.
    pub fn new(
        name: impl Into<String>,
        chain: &[Certificate],
        key: PrivateKeyDer<'static>,
        backend: &TlsBackend,
    ) -> Result<Self, TlsError> {
        let name = name.into();
        match backend.crypto.key_provider.load_private_key(key) {
            Ok(key) => Self::with_key(name, chain, key),
            Err(error) => Err(TlsError::Key { name, reason: error.to_string() }),
        }
    }

    /// As [`new`](Self::new), with a key that lives in an HSM or a key service, behind the trait of rustls. It is checked
    /// against the certificate if it knows its public key.
    ///
    /// # Errors
    /// [`TlsError`] if the chain is empty, or the key belongs to another certificate.
    pub fn with_key(
        name: impl Into<String>,
        chain: &[Certificate],
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, TlsError> {
        let name = name.into();
        let Some(leaf) = chain.first().cloned() else { return Err(TlsError::NoCertificate { name }) };
        if key.public_key().is_some_and(|public| !same_key(leaf.spki_der(), &public)) {
            return Err(TlsError::KeyMismatch { name, subject: leaf.subject().to_owned() });
        }
        let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
        Ok(Self { name, leaf, certified: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// The name that profiles call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificate of the key.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.leaf
    }

    /// Whether the certificate may be shown by a server or a client at `now`: asked before a connection, it spares the refusal.
    ///
    /// # Errors
    /// [`ValidityError`] if it has expired or is not valid yet.
    pub fn check(&self, usage: CertificateUse, now: SystemTime) -> Result<(), ValidityError> {
        ValidityError::check(&self.leaf, Whose::Ours, usage, now)
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("name", &self.name).field("certificate", &self.leaf).finish_non_exhaustive()
    }
}
