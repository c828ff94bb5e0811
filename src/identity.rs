//! Who we are: certificates with their private keys, and the crypto provider that works with them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::certificate::Certificate;
use crate::cms::ber::{self, Cursor};
use crate::crypto::{CryptoProvider, DecryptingKey, SigningKey};
use crate::error::{SetupError, ValidityError};

/// Our side of agreements: a signing certificate with its key, and the keys that decrypt.
///
/// Cheap to clone and to share; one identity serves any number of partners.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (pem_certificate, pem_key): (&[u8], &[u8]) = (b"", b"");
/// use as2_protocol::{Certificate, CryptoProvider, Identity, RsaPrivateKey};
/// let certificate = Certificate::from_pem(pem_certificate)?;
/// let key = std::sync::Arc::new(RsaPrivateKey::from_pkcs8_pem(pem_key)?);
/// let us = Identity::builder(CryptoProvider::rustcrypto())
///     .signing(vec![certificate.clone()], key.clone())
///     .decrypting(certificate, key)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    provider: CryptoProvider,
    signing: Option<Signing>,
    decrypting: Vec<Decrypting>,
}

#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) chain: Vec<Certificate>,
    pub(crate) key: Arc<dyn SigningKey>,
}

impl Signing {
    /// The certificate that belongs to the key.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }
}

#[derive(Clone)]
pub(crate) struct Decrypting {
    pub(crate) certificate: Certificate,
    pub(crate) key: Arc<dyn DecryptingKey>,
}

impl Identity {
    /// Starts an identity that computes with `provider`.
    pub fn builder(provider: CryptoProvider) -> IdentityBuilder {
        IdentityBuilder { inner: Inner { provider, signing: None, decrypting: Vec::new() } }
    }

    /// The certificate that we sign with.
    #[must_use]
    pub fn signing_certificate(&self) -> Option<&Certificate> {
        self.inner.signing.as_ref().and_then(Signing::leaf)
    }

    /// The certificates that partners may encrypt to.
    pub fn decrypting_certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.inner.decrypting.iter().map(|own| &own.certificate)
    }

    /// The provider that this identity computes with.
    #[must_use]
    pub fn provider(&self) -> &CryptoProvider {
        &self.inner.provider
    }

    /// The signing key, if its certificate may be used now.
    pub(crate) fn usable_signing(&self, now: SystemTime) -> Result<&Signing, SetupError> {
        let signing = self.inner.signing.as_ref().ok_or(SetupError::NoSigningKey)?;
        match signing.leaf() {
            Some(leaf) => ValidityError::check(leaf, "our", "signing", now)?,
            None => return Err(SetupError::NoSigningKey),
        }
        Ok(signing)
    }

    pub(crate) fn decrypting(&self) -> &[Decrypting] {
        &self.inner.decrypting
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decrypting: Vec<_> = self.decrypting_certificates().map(Certificate::subject).collect();
        f.debug_struct("Identity")
            .field("signing", &self.signing_certificate().map(Certificate::subject))
            .field("decrypting", &decrypting)
            .finish_non_exhaustive()
    }
}

/// Collects certificates and keys; see [`Identity::builder`].
#[must_use]
pub struct IdentityBuilder {
    inner: Inner,
}

impl IdentityBuilder {
    /// The key that signs messages and receipts, and its certificate chain, leaf first.
    pub fn signing(mut self, chain: Vec<Certificate>, key: Arc<dyn SigningKey>) -> Self {
        self.inner.signing = Some(Signing { chain, key });
        self
    }

    /// A key that decrypts, with the certificate that partners encrypt to. Call it once for each key; old ones stay
    /// useful until every partner has changed over.
    pub fn decrypting(mut self, certificate: Certificate, key: Arc<dyn DecryptingKey>) -> Self {
        self.inner.decrypting.push(Decrypting { certificate, key });
        self
    }

    /// Checks that each key belongs to its certificate.
    ///
    /// # Errors
    /// [`SetupError::KeyMismatch`] if a certificate holds another public key; [`SetupError::NoSigningKey`] if a
    /// signing key comes without certificate.
    pub fn build(self) -> Result<Identity, SetupError> {
        if let Some(signing) = &self.inner.signing {
            let leaf = signing.leaf().ok_or(SetupError::NoSigningKey)?;
            check_pair(leaf, signing.key.public_key())?;
        }
        for own in &self.inner.decrypting {
            check_pair(&own.certificate, own.key.public_key())?;
        }
        Ok(Identity { inner: Arc::new(self.inner) })
    }
}

impl fmt::Debug for IdentityBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityBuilder").field("keys", &"[elided]").finish()
    }
}

fn check_pair(certificate: &Certificate, public_key: &[u8]) -> Result<(), SetupError> {
    if same_key(certificate.spki_der(), public_key) {
        return Ok(());
    }
    Err(SetupError::KeyMismatch { subject: certificate.subject().to_owned() })
}

/// Whether two SubjectPublicKeyInfos hold the same key: some certificates leave out the NULL parameters of RSA keys.
pub(crate) fn same_key(one: &[u8], other: &[u8]) -> bool {
    one == other || matches!((public_bits(one), public_bits(other)), (Ok(one), Ok(other)) if one == other)
}

/// Algorithm and key bits of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). EC keys have their curve in the
/// parameters, but points of different curves differ in the bits.
fn public_bits(spki: &[u8]) -> Result<(&[u8], &[u8]), crate::cms::Error> {
    let sequence = Cursor::new(spki, SPKI_DEPTH).expect(ber::SEQUENCE, "a public key")?;
    let mut cursor = Cursor::new(sequence.content, SPKI_DEPTH);
    let algorithm = cursor.expect(ber::SEQUENCE, "an algorithm")?;
    let bits = cursor.expect(ber::BIT_STRING, "key bits")?;
    let oid = Cursor::new(algorithm.content, SPKI_DEPTH).expect(ber::OID, "an object identifier")?;
    Ok((oid.content, bits.content))
}

/// Nested elements of a SubjectPublicKeyInfo.
const SPKI_DEPTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::write::tlv;

    #[test]
    fn keys_are_the_same_with_and_without_null_parameters() {
        let spki = |parameters: &[u8], bits: &[u8]| {
            let algorithm = tlv(ber::SEQUENCE, &[&[6, 3, 42, 3, 4], parameters]);
            tlv(ber::SEQUENCE, &[&algorithm, &tlv(ber::BIT_STRING, &[bits])])
        };
        let null = spki(&[5, 0], &[0, 1, 2]);
        assert!(same_key(&null, &null) && same_key(&null, &spki(&[], &[0, 1, 2])));
        assert!(!same_key(&null, &spki(&[], &[0, 1, 3])));
        assert!(!same_key(&null, b"") && !same_key(b"\x30", b"\x31"));
    }
}
