//! A fresh RSA key and a self-signed certificate for each company, in pure Rust.
//!
//! Real partners exchange certificates once, over a channel that they trust; [`Credentials::certificate`] is that part.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::{Certificate, CryptoProvider, Identity, RsaPrivateKey};
use getrandom::SysRng;
use rcgen::{CertificateParams, DnType, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::signature::{SignatureEncoding, Signer};
use sha2::{Digest, Sha256};

use crate::Fallible;

const RSA_BITS: usize = 2048;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A private key with its certificate: one pair signs and decrypts, as it is common in AS2.
pub(crate) struct Credentials {
    /// What the partner gets.
    pub(crate) certificate: Certificate,
    /// The same, as text.
    pub(crate) pem: String,
    key: Arc<RsaPrivateKey>,
}

impl Credentials {
    /// Makes a key and a certificate that is valid for a year.
    pub(crate) fn generate(organization: &str, now: SystemTime) -> Fallible<Self> {
        let signer = CertificateSigner::new(rsa::PrivateKey::new(&mut SysRng, RSA_BITS)?)?;
        let certificate = params(organization, &signer, now)?.self_signed(&signer)?;
        Ok(Self {
            certificate: Certificate::from_der(certificate.der().to_vec())?,
            pem: certificate.pem(),
            key: Arc::new(RsaPrivateKey::from_pkcs1_der(signer.key.to_pkcs1_der()?.as_bytes())?),
        })
    }

    /// The identity that signs and decrypts with this pair; it is checked here that both halves belong together.
    pub(crate) fn identity(&self) -> Fallible<Identity> {
        let identity = Identity::builder(CryptoProvider::rustcrypto())
            .signing(vec![self.certificate.clone()], self.key.clone())
            .decrypting(self.certificate.clone(), self.key.clone())
            .build()?;
        Ok(identity)
    }
}

fn params(organization: &str, signer: &CertificateSigner, now: SystemTime) -> Fallible<CertificateParams> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    serial[0] &= 0x7f; // a serial number is positive (RFC 5280 section 4.1.2.2)
    let key_id = Sha256::digest(&signer.public_key);

    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, format!("{organization} AS2"));
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.not_before = (now - DAY).into(); // a partner's clock may be late
    params.not_after = (now + 365 * DAY).into();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.iter().take(20).copied().collect());
    Ok(params)
}

/// What rcgen needs of a key that it did not make itself.
struct CertificateSigner {
    key: rsa::PrivateKey,
    public_key: Vec<u8>,
}

impl CertificateSigner {
    fn new(key: rsa::PrivateKey) -> Fallible<Self> {
        let public_key = key.to_public_key().to_pkcs1_der()?.into_vec();
        Ok(Self { key, public_key })
    }
}

impl PublicKeyData for CertificateSigner {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for CertificateSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let key = rsa::pkcs1v15::SigningKey::<Sha256>::new(self.key.clone());
        key.try_sign(message).map(|signature| signature.to_vec()).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
