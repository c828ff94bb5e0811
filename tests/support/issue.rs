//! Certificates made on the spot for the keys of the worked examples.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use std::sync::Arc;

use super::support::*;

use sha2::Digest as _;

use as2_protocol::crypto::{DigestValue, SignRequest, SigningKey};
use as2_protocol::*;

/// A self-signed certificate for the key `key` of the worked examples, valid in these years.
pub fn self_signed(key: &str, name: &str, years: std::ops::RangeInclusive<i32>) -> Certificate {
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(*years.start(), 1, 1);
    params.not_after = rcgen::date_time_ymd(*years.end(), 12, 31);
    params.serial_number = Some(rcgen::SerialNumber::from(vec![0x47, 0x11]));
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(b"key identifier".to_vec());
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let issued = params.self_signed(&Issuing::of(key)).unwrap();
    Certificate::from_der(issued.der().to_vec()).unwrap()
}

/// An authority: its certificate, and what it takes to issue others.
pub struct Authority {
    key: &'static str,
    params: rcgen::CertificateParams,
    pub certificate: Certificate,
}

impl Authority {
    /// A self-signed root with the key `key` of the worked examples.
    pub fn root(key: &'static str, name: &str) -> Self {
        Self::make(key, name, None, |_| ())
    }

    /// An authority below this one.
    pub fn below(&self, key: &'static str, name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        Self::make(key, name, Some(self), change)
    }

    fn make(
        key: &'static str,
        name: &str,
        by: Option<&Self>,
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Self {
        let mut params = params(name, key.as_bytes());
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let issued = match by {
            Some(by) => {
                let issuer = rcgen::Issuer::from_params(&by.params, Issuing::of(by.key));
                params.signed_by(&Issuing::of(key), &issuer)
            }
            None => params.self_signed(&Issuing::of(key)),
        };
        Self { key, params, certificate: Certificate::from_der(issued.unwrap().der().to_vec()).unwrap() }
    }

    /// A certificate for the key `key` of the worked examples, named `name`.
    pub fn issue(&self, key: &str, name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
        let mut params = params(name, b"leaf");
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let issuer = rcgen::Issuer::from_params(&self.params, Issuing::of(self.key));
        let issued = params.signed_by(&Issuing::of(key), &issuer).unwrap();
        Certificate::from_der(issued.der().to_vec()).unwrap()
    }
}

/// Parameters of a certificate that is valid from 2025 to 2027.
pub fn params(name: &str, key_id: &[u8]) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 12, 31);
    params.serial_number =
        Some(rcgen::SerialNumber::from(name.as_bytes().iter().copied().take(16).collect::<Vec<_>>()));
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key_id.to_vec());
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

/// A self-signed certificate as `change` makes it.
pub fn self_signed_as(key: &str, name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
    let mut params = params(name, b"self");
    change(&mut params);
    Certificate::from_der(params.self_signed(&Issuing::of(key)).unwrap().der().to_vec()).unwrap()
}

struct Issuing {
    key: Arc<RsaPrivateKey>,
    public_key: Vec<u8>,
}

impl Issuing {
    fn of(name: &str) -> Self {
        let certificate = worked_certificate(name);
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        let public_key = parsed.tbs_certificate.subject_pki.subject_public_key.data.to_vec();
        Self { key: worked_key(name), public_key }
    }
}

impl rcgen::PublicKeyData for Issuing {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Issuing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let digest = DigestValue::sha256(sha2::Sha256::digest(message).into());
        let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        Ok(self.key.sign(&SignRequest::new(scheme, digest)).unwrap())
    }
}
