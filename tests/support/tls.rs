//! TLS in memory: certificates with P-256 keys made on the spot, and two connections that talk to each other.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use as2_protocol::tls::*;
use as2_protocol::*;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

/// A private key; equal seeds give equal keys.
#[derive(Clone)]
pub struct Key {
    secret: p256::SecretKey,
    public: Vec<u8>,
}

impl Key {
    pub fn new(seed: u8) -> Self {
        let secret = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
        let public = p256::ecdsa::SigningKey::from(&secret).verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { secret, public }
    }

    pub fn der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.secret.to_pkcs8_der().unwrap().as_bytes().to_vec()).into()
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::DerSignature = p256::ecdsa::SigningKey::from(&self.secret).sign(message);
        signature.as_bytes().to_vec()
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.sign(message))
    }
}

/// A certificate, the key of it, and what it was made from.
pub struct Issued {
    pub certificate: Certificate,
    pub key: Key,
    params: rcgen::CertificateParams,
}

/// Valid when the tests take place, in November 2026.
pub const CURRENT: RangeInclusive<i32> = 2026..=2027;
pub const EXPIRED: RangeInclusive<i32> = 2020..=2024;
pub const FUTURE: RangeInclusive<i32> = 2030..=2031;

fn params(name: &str, seed: u8, years: RangeInclusive<i32>) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(*years.start(), 1, 1);
    params.not_after = rcgen::date_time_ymd(*years.end(), 12, 31);
    params.serial_number = Some(rcgen::SerialNumber::from(vec![0x47, seed]));
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![seed; 20]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

fn read(issued: rcgen::Certificate, key: Key, params: rcgen::CertificateParams) -> Issued {
    Issued { certificate: Certificate::from_der(issued.der().to_vec()).unwrap(), key, params }
}

pub fn self_signed(name: &str, seed: u8, years: RangeInclusive<i32>) -> Issued {
    let (key, params) = (Key::new(seed), params(name, seed, years));
    read(params.self_signed(&key).unwrap(), key, params)
}

pub fn authority(name: &str, seed: u8) -> Issued {
    let (key, mut params) = (Key::new(seed), params(name, seed, CURRENT));
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    read(params.self_signed(&key).unwrap(), key, params)
}

impl Issued {
    /// The certificate as the only one that is trusted.
    pub fn alone(&self) -> &[Certificate] {
        std::slice::from_ref(&self.certificate)
    }

    pub fn issue(&self, name: &str, seed: u8, years: RangeInclusive<i32>, is_authority: bool) -> Self {
        let (key, mut params) = (Key::new(seed), params(name, seed, years));
        if is_authority {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        let issued = params.signed_by(&key, &issuer).unwrap();
        read(issued, key, params)
    }

    pub fn identity(&self, name: &str) -> TlsIdentity {
        self.identity_with(name, &[])
    }

    /// With further certificates of the chain behind it.
    pub fn identity_with(&self, name: &str, chain: &[&Self]) -> TlsIdentity {
        let others = chain.iter().map(|issued| issued.certificate.clone());
        let chain: Vec<_> = std::iter::once(self.certificate.clone()).chain(others).collect();
        TlsIdentity::new(name, &chain, self.key.der(), &backend()).unwrap()
    }
}

/// The time of the tests.
#[derive(Debug)]
struct Clock(SystemTime);

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

pub fn backend() -> TlsBackend {
    TlsBackend::new(Arc::new(rustls_graviola::default_provider()), Arc::new(Clock(super::support::now())))
}

/// What became of a handshake, on either side.
#[derive(Debug)]
pub struct Met {
    pub client: Result<(), rustls::Error>,
    pub server: Result<(), rustls::Error>,
}

pub struct Pair {
    pub client: ClientConnection,
    pub server: ServerConnection,
}

impl Pair {
    pub fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            server: ServerConnection::new(server.clone()).unwrap(),
        }
    }

    /// Carries records to and fro until nobody has more to say.
    pub fn pump(&mut self) -> Met {
        let mut met = Met { client: Ok(()), server: Ok(()) };
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while self.client.wants_write() {
                self.client.write_tls(&mut there).unwrap();
            }
            take(&mut there.as_slice(), &mut met.server, |wire| {
                self.server.read_tls(wire).unwrap();
                self.server.process_new_packets().map(drop)
            });
            while self.server.wants_write() {
                self.server.write_tls(&mut back).unwrap();
            }
            take(&mut back.as_slice(), &mut met.client, |wire| {
                self.client.read_tls(wire).unwrap();
                self.client.process_new_packets().map(drop)
            });
            if there.is_empty() && back.is_empty() {
                return met;
            }
        }
    }

    /// Sends these octets to the server, and gives what arrives there.
    pub fn carry_to_server(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut arrived = Vec::new();
        for chunk in octets.chunks(4096) {
            self.client.writer().write_all(chunk).unwrap();
            self.pump().server.unwrap();
            drain(&mut self.server.reader(), &mut arrived);
        }
        arrived
    }

    /// Sends these octets to the client, and gives what arrives there.
    pub fn carry_to_client(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut arrived = Vec::new();
        for chunk in octets.chunks(4096) {
            self.server.writer().write_all(chunk).unwrap();
            self.pump().client.unwrap();
            drain(&mut self.client.reader(), &mut arrived);
        }
        arrived
    }
}

fn take(
    wire: &mut &[u8],
    verdict: &mut Result<(), rustls::Error>,
    mut process: impl FnMut(&mut &[u8]) -> Result<(), rustls::Error>,
) {
    while !wire.is_empty() && verdict.is_ok() {
        *verdict = process(wire);
    }
}

fn drain(reader: &mut dyn Read, into: &mut Vec<u8>) {
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = reader.read(&mut chunk) {
        into.extend_from_slice(&chunk[..read]);
    }
}
