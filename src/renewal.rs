//! Successor certificates issued by ourselves: the same name, a new validity, mostly a new key.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, IsCa, KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData,
    SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::{Certificate, CertificateError};
use crate::cms::ber::{self, Cursor};
use crate::cms::write::tlv;
use crate::crypto::{CryptoError, CryptoProvider, KeyError, LoadKeyError, SignRequest, generate};
use crate::keystore::{KeyAlgorithm, KeyEntry, KeyStoreError, PrivateKey, from_p256_scalar, from_rsa_numbers};

/// Sizes of new RSA keys in bits.
const RSA_SIZES: [usize; 3] = [2048, 3072, 4096];
/// What stands in for the validity of a predecessor that makes no sense.
const TWO_YEARS: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);
/// Nested elements of a certificate.
const DEPTH: usize = 8;

/// Issues a self-signed certificate that takes the place of one that expires.
///
/// It has the same subject, octet for octet, a random serial number, and a key usage that fits its key:
/// digitalSignature with keyEncipherment (RSA) or keyAgreement (P-256). It is valid from the second of `now` on.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use as2_protocol::{Certificate, CryptoProvider, Renewal};
/// # let pem = include_bytes!("../tests/vectors/worked/keys/alice-enc.crt");
/// let (old, provider) = (Certificate::from_pem(pem)?, CryptoProvider::rustcrypto());
/// let now = SystemTime::now();
/// let new = Renewal::of(&old).valid_for(Duration::from_secs(730 * 86_400)).p256_key().issue(&provider, now)?;
/// let certificate = new.certificate().unwrap();
/// assert_eq!(certificate.subject(), old.subject());
/// assert!(certificate.is_valid_at(now) && new.key().belongs_to(certificate));
/// let for_the_partner = certificate.to_pem();
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Renewal<'a> {
    predecessor: &'a Certificate,
    key: KeyChoice<'a>,
    valid_for: Option<Duration>,
    alias: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum KeyChoice<'a> {
    LikeBefore,
    Rsa(usize),
    P256,
    Same(&'a PrivateKey),
}

/// Why no successor was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// New RSA keys have 2048, 3072 or 4096 bits.
    #[error("a new RSA key has 2048, 3072 or 4096 bits, not {0}")]
    RsaSize(usize),
    /// The key that was to be kept is of an algorithm that successors are not issued for.
    #[error("no certificate is issued for a key of the kind {0}, only for RSA and P-256")]
    Algorithm(KeyAlgorithm),
    /// The key that was to be kept does not belong to the predecessor.
    #[error(
        "the private key does not belong to the certificate of {subject}: give its own, or leave it out for a new one"
    )]
    KeyMismatch {
        /// Subject of the certificate.
        subject: String,
    },
    /// The validity does not begin after 1970 or does not end before the year 10000.
    #[error("the validity must lie between the years 1970 and 9999")]
    Validity,
    /// The provider refuses: no randomness, or no SHA-256.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] LoadKeyError),
    /// The key gave no signature.
    #[error("the key gave no signature: {0}")]
    Signature(#[from] KeyError),
    /// The certificate or the new key could not be put together.
    #[error("the certificate could not be put together: {0}")]
    Form(String),
}

impl RenewalError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RsaSize(_) => "RENEWAL_RSA_SIZE",
            Self::Algorithm(_) => "RENEWAL_ALGORITHM",
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::Validity => "RENEWAL_VALIDITY",
            Self::Crypto(_) => "CRYPTO",
            Self::Key(error) => error.code(),
            Self::Signature(_) => "SIGNING_KEY",
            Self::Form(_) => "RENEWAL_FORM",
        }
    }
}

impl<'a> Renewal<'a> {
    /// A successor of `predecessor`, with a new key of the same algorithm and size (RSA 2048 to 4096 bits; P-256 for
    /// all others), valid for as long as the predecessor was.
    pub fn of(predecessor: &'a Certificate) -> Self {
        Self { predecessor, key: KeyChoice::LikeBefore, valid_for: None, alias: None }
    }

    /// How long the successor is valid.
    pub fn valid_for(self, period: Duration) -> Self {
        Self { valid_for: Some(period), ..self }
    }

    /// A new RSA key of 2048, 3072 or 4096 bits.
    pub fn rsa_key(self, bits: usize) -> Self {
        Self { key: KeyChoice::Rsa(bits), ..self }
    }

    /// A new key on P-256. Not every partner's product knows elliptic curves.
    pub fn p256_key(self) -> Self {
        Self { key: KeyChoice::P256, ..self }
    }

    /// The key of the predecessor stays: partners who compare keys need to change nothing.
    pub fn same_key(self, key: &'a PrivateKey) -> Self {
        Self { key: KeyChoice::Same(key), ..self }
    }

    /// What the new entry is called in a key store.
    pub fn alias(self, alias: impl Into<String>) -> Self {
        Self { alias: Some(alias.into()), ..self }
    }

    /// Issues the certificate. A new RSA key takes from some tenths of a second to some seconds.
    ///
    /// # Errors
    /// [`RenewalError`] if the wishes cannot be met or the provider has no random octets.
    pub fn issue(&self, provider: &CryptoProvider, now: SystemTime) -> Result<KeyEntry, RenewalError> {
        let key = match self.key {
            KeyChoice::Same(key) if key.belongs_to(self.predecessor) => key.clone(),
            KeyChoice::Same(_) => {
                return Err(RenewalError::KeyMismatch { subject: self.predecessor.subject().to_owned() });
            }
            KeyChoice::Rsa(bits) => PrivateKey::generate_rsa(bits, provider)?,
            KeyChoice::P256 => PrivateKey::generate_p256(provider)?,
            KeyChoice::LikeBefore => match self.predecessor.key_kind().rsa_bits() {
                Some(bits) => PrivateKey::generate_rsa(like(bits), provider)?,
                None => PrivateKey::generate_p256(provider)?,
            },
        };
        let certificate = self.certificate(&key, provider, now)?;
        Ok(KeyEntry::new(self.alias.clone(), vec![certificate], key))
    }

    fn certificate(
        &self,
        key: &PrivateKey,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Certificate, RenewalError> {
        let template = self.template(key, provider, now)?;
        let tbs = self.name(&template, key).map_err(|error| RenewalError::Form(error.to_string()))?;
        let digest = provider.digest(DigestAlgorithm::Sha256, &tbs)?;
        let scheme = match key.algorithm() {
            KeyAlgorithm::Rsa { .. } => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256),
            _ => SignatureScheme::Ecdsa(DigestAlgorithm::Sha256),
        };
        let signature = key.clone().into_signing()?.sign(&SignRequest::new(scheme, digest))?;
        let outer = Cursor::new(&template, DEPTH).expect(ber::SEQUENCE, "a certificate");
        let algorithm = outer.and_then(|outer| {
            let mut parts = Cursor::new(outer.content, DEPTH);
            parts.expect(ber::SEQUENCE, "the certificate's content")?;
            parts.expect(ber::SEQUENCE, "a signature algorithm")
        });
        let algorithm = algorithm.map_err(|error| RenewalError::Form(error.to_string()))?;
        let signature = tlv(ber::BIT_STRING, &[&[0], &signature]);
        let der = tlv(ber::SEQUENCE, &[&tbs, algorithm.raw, &signature]);
        Certificate::from_der(der).map_err(|error: CertificateError| RenewalError::Form(error.to_string()))
    }

    /// A certificate with everything but the names and the signature.
    fn template(&self, key: &PrivateKey, provider: &CryptoProvider, now: SystemTime) -> Result<Vec<u8>, RenewalError> {
        let (algorithm, second_use) = match key.algorithm() {
            KeyAlgorithm::Rsa { .. } => (&PKCS_RSA_SHA256, KeyUsagePurpose::KeyEncipherment),
            KeyAlgorithm::P256 => (&PKCS_ECDSA_P256_SHA256, KeyUsagePurpose::KeyAgreement),
            other => return Err(RenewalError::Algorithm(other.clone())),
        };
        let public_key = key.public_key().unwrap_or_default();
        let (not_before, not_after) = self.validity(now)?;
        let mut serial = [0; 16];
        provider.fill_random(&mut serial)?;
        // Positive, and of the same length always.
        serial[0] = serial[0] & 0x7f | 0x40;
        // The leftmost 160 bits of the SHA-256 of the key (RFC 7093 section 2).
        let identifier = provider.digest(DigestAlgorithm::Sha256, public_key)?;
        let identifier = identifier.as_bytes().get(..20).unwrap_or_default().to_vec();

        let mut parameters = CertificateParams::default();
        parameters.not_before = not_before;
        parameters.not_after = not_after;
        parameters.serial_number = Some(SerialNumber::from(serial.to_vec()));
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, second_use];
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
        let unsigned = parameters.self_signed(&Unsigned(algorithm));
        Ok(unsigned.map_err(|error| RenewalError::Form(error.to_string()))?.der().to_vec())
    }

    /// The content that is signed: rcgen's names hold no attribute twice, so those of the predecessor are put in place
    /// of its own, and the key as it was encoded.
    fn name(&self, template: &[u8], key: &PrivateKey) -> Result<Vec<u8>, crate::cms::Error> {
        let outer = Cursor::new(template, DEPTH).expect(ber::SEQUENCE, "a certificate")?;
        let content = Cursor::new(outer.content, DEPTH).expect(ber::SEQUENCE, "the certificate's content")?;
        let mut parts = Cursor::new(content.content, DEPTH);
        let version = parts.expect(ber::CONTEXT_0_CONSTRUCTED, "a version")?;
        let serial = parts.expect(ber::INTEGER, "a serial number")?;
        let algorithm = parts.expect(ber::SEQUENCE, "a signature algorithm")?;
        parts.expect(ber::SEQUENCE, "an issuer")?;
        let validity = parts.expect(ber::SEQUENCE, "a validity")?;
        parts.expect(ber::SEQUENCE, "a subject")?;
        parts.expect(ber::SEQUENCE, "a public key")?;
        let extensions = parts.expect(EXTENSIONS, "extensions")?;
        let name = self.predecessor.subject_der();
        let public_key = key.public_key().unwrap_or_default();
        let all = [version.raw, serial.raw, algorithm.raw, name, validity.raw, name, public_key, extensions.raw];
        Ok(tlv(ber::SEQUENCE, &all))
    }

    fn validity(&self, now: SystemTime) -> Result<(OffsetDateTime, OffsetDateTime), RenewalError> {
        let before = self.predecessor.not_after().duration_since(self.predecessor.not_before());
        let period = self.valid_for.unwrap_or_else(|| before.unwrap_or(TWO_YEARS));
        let seconds = |at: Duration| {
            let instant = i64::try_from(at.as_secs()).ok().map(OffsetDateTime::from_unix_timestamp);
            instant.and_then(Result::ok).filter(|instant| instant.year() <= 9999).ok_or(RenewalError::Validity)
        };
        let start = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| RenewalError::Validity)?;
        let end = start.checked_add(period).ok_or(RenewalError::Validity)?;
        Ok((seconds(start)?, seconds(end)?))
    }
}

/// The tag of the extensions of a certificate.
const EXTENSIONS: u8 = 0xa3;

/// The size of a new RSA key in place of one of `bits` bits.
fn like(bits: usize) -> usize {
    RSA_SIZES.into_iter().find(|size| *size >= bits).unwrap_or(4096)
}

impl PrivateKey {
    /// A new RSA key of 2048, 3072 or 4096 bits, out of the provider's randomness.
    ///
    /// # Errors
    /// [`RenewalError::RsaSize`] for another size, [`RenewalError::Crypto`] if the provider has no random octets.
    pub fn generate_rsa(bits: usize, provider: &CryptoProvider) -> Result<Self, RenewalError> {
        if !RSA_SIZES.contains(&bits) {
            return Err(RenewalError::RsaSize(bits));
        }
        let numbers = generate::rsa(bits, &**provider.random())?;
        from_rsa_numbers(&numbers.each_ref().map(|number| number.as_slice())).map_err(form)
    }

    /// A new key on P-256, out of the provider's randomness.
    ///
    /// # Errors
    /// [`RenewalError::Crypto`] if the provider has no random octets.
    pub fn generate_p256(provider: &CryptoProvider) -> Result<Self, RenewalError> {
        from_p256_scalar(&*generate::p256(&**provider.random())?).map_err(form)
    }
}

fn form(error: KeyStoreError) -> RenewalError {
    RenewalError::Form(error.to_string())
}

/// Stands in for the key while rcgen writes: the signature is made later, over the real names.
struct Unsigned(&'static SignatureAlgorithm);

impl PublicKeyData for Unsigned {
    fn der_bytes(&self) -> &[u8] {
        &[]
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0
    }
}

impl rcgen::SigningKey for Unsigned {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}
