//! Keys, partners and saved traffic for the integration tests.
// Each test binary uses its own part of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod der;
pub mod keys;
pub mod seen;
pub mod streamed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::crypto::{DecryptingKey, SigningKey};
use as2_protocol::*;
use bytes::Bytes;

use self::streamed::Received;

/// 2026-11-24T00:00:00Z: the certificates of the worked examples are valid then.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400)
}

pub fn vectors(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder)
}

pub fn worked(name: &str) -> Bytes {
    std::fs::read(vectors("worked").join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

pub fn worked_certificate(name: &str) -> Certificate {
    Certificate::from_pem(&worked(&format!("keys/{name}.crt"))).unwrap()
}

/// The backend under test: the one whose feature is on, else RustCrypto.
pub fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return CryptoProvider::aws_lc_rs();
    #[cfg(all(feature = "graviola", not(feature = "aws-lc-rs")))]
    return CryptoProvider::graviola();
    #[cfg(not(any(feature = "aws-lc-rs", feature = "graviola")))]
    CryptoProvider::rustcrypto()
}

/// A signing key out of a file, for the backend under test.
pub fn signing_key(file: &[u8]) -> Arc<dyn SigningKey> {
    PrivateKey::read(file, None).unwrap().into_signing_with(&provider()).unwrap()
}

/// A decrypting key out of a file, for the backend under test.
pub fn decrypting_key(file: &[u8]) -> Arc<dyn DecryptingKey> {
    PrivateKey::read(file, None).unwrap().into_decrypting_with(&provider()).unwrap()
}

pub fn worked_key(name: &str) -> Arc<RsaPrivateKey> {
    Arc::new(RsaPrivateKey::from_pkcs8_pem(&worked(&format!("keys/{name}.key"))).unwrap())
}

/// The identity of one of the two companies of the worked examples, `alice` or `bob`.
pub fn worked_identity(name: &str) -> Identity {
    let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
    Identity::builder(provider())
        .signing(vec![worked_certificate(&sign)], signing_key(&worked(&format!("keys/{sign}.key"))))
        .decrypting(worked_certificate(&encrypt), decrypting_key(&worked(&format!("keys/{encrypt}.key"))))
        .build()
        .unwrap()
}

pub const ALICE: &str = "Alice Corp";
pub const BOB: &str = "bob";

/// What `us` agreed with `them`; messages may come unsigned, too.
pub fn profile(us: &str, them: &str) -> PartnerProfile {
    let url = format!("https://{}.example/as2", them.split(' ').next().unwrap().to_lowercase());
    let mut profile = PartnerProfile::new(us.parse().unwrap(), them.parse().unwrap(), url.parse().unwrap());
    profile.accept.signature = Requirement::Allow;
    profile
}

/// A partner whose certificates are those of the worked examples.
pub fn worked_partner(profile: PartnerProfile, certificates: &str) -> Partner {
    Partner::builder(profile, provider())
        .encrypt_to(worked_certificate(&format!("{certificates}-enc")))
        .verify_with(worked_certificate(&format!("{certificates}-sign")))
        .build()
        .unwrap()
}

/// Alice as Bob sees her.
pub fn alice() -> Partner {
    worked_partner(profile(BOB, ALICE), "alice")
}

/// Bob as Alice sees him.
pub fn bob() -> Partner {
    worked_partner(profile(ALICE, BOB), "bob")
}

pub fn parse(request: http::Request<Bytes>) -> Inbound {
    MessageParser::new(Limits::default()).parse(request).unwrap()
}

/// A message; whoever opens it, opens it as a stream too.
pub fn envelope(request: http::Request<Bytes>) -> Received {
    match parse(request.clone()) {
        Inbound::Message(envelope) => Received::new(envelope, request, Limits::default()),
        other => panic!("not a message: {other:?}"),
    }
}

/// The receipt in an HTTP response.
pub fn receipt_in(response: &http::Response<Bytes>) -> IncomingMdn {
    let mut request = http::Request::post("/as2").body(response.body().clone()).unwrap();
    *request.headers_mut() = response.headers().clone();
    match parse(request) {
        Inbound::Mdn(receipt) => receipt,
        other => panic!("not a receipt: {other:?}"),
    }
}
