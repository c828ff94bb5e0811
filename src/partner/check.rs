//! What is wrong, and what should be looked at, in an agreement together with its certificates.

use super::Inner;
use crate::algorithm::CipherAlgorithm;
use crate::certificate::{Certificate, CertificateUse};
use crate::crypto::CryptoError;
use crate::crypto::exchange::transport_to;
use crate::note::Note;
use crate::profile::{Contradiction, EndpointTerms, ReceiptKind, Requirement, Strictness};
use crate::trust::{permits, purpose};
use crate::url::HttpUrl;

pub(super) fn notes(inner: &Inner) -> Vec<Note> {
    let mut notes = Vec::new();
    if inner.profile.certificates.key_usage == Strictness::Warn {
        notes.extend(unfit(inner).map(|(certificate, usage)| Note::KeyUsage {
            subject: certificate.subject().to_owned(),
            purpose: purpose(usage).to_owned(),
        }));
    }
    if inner.profile.send.encrypt.is_none() && !inner.profile.url.is_https() {
        notes.push(Note::Plaintext("messages are sent unencrypted to an http URL".to_owned()));
    }
    let profile = &inner.profile;
    notes.extend(bare_credentials("endpoint", &profile.endpoint, Some(&profile.url)));
    notes.extend(bare_credentials("receipt_endpoint", &profile.receipt_endpoint, profile.accept.receipt_url.as_ref()));
    notes
}

/// Basic credentials and tokens can be read and used by anybody on the way, unless TLS hides them.
fn bare_credentials(place: &str, terms: &EndpointTerms, url: Option<&HttpUrl>) -> Option<Note> {
    let bare = !terms.secrets().is_empty() && url.is_some_and(|url| !url.is_https());
    bare.then(|| Note::Plaintext(format!("the credentials of `{place}` are sent unencrypted to an http URL")))
}

/// Certificates whose key usage does not allow what they are configured for.
fn unfit(inner: &Inner) -> impl Iterator<Item = (&Certificate, CertificateUse)> {
    let encryption = inner.recipients().map(|certificate| (certificate, CertificateUse::Encryption));
    let verification = inner.verification.iter().map(|own| (&own.certificate, CertificateUse::Verification));
    encryption.chain(verification).filter(|(certificate, usage)| !permits(certificate, *usage))
}

pub(super) fn contradictions(inner: &Inner) -> Vec<Contradiction> {
    let (profile, mut found) = (&inner.profile, inner.profile.contradictions());
    let verifies = !inner.verification.is_empty() || !inner.trust.is_pin();
    let mut claim = |holds: bool, field: &str, problem: &str, remedy: &str| {
        if !holds {
            found.push(Contradiction::new(field, problem, remedy));
        }
    };
    claim(
        profile.send.encrypt.is_none() || !inner.encryption.is_empty(),
        "send.encrypt",
        "it is set, but there is no certificate of the partner to encrypt to",
        "ask the partner for his encryption certificate, or write \"none\"",
    );
    claim(
        profile.accept.signature != Requirement::Require || verifies,
        "accept.signature",
        "it is \"require\", but there is no certificate of the partner to verify with",
        "ask the partner for his signing certificate",
    );
    claim(
        profile.send.receipt.kind != ReceiptKind::Signed || verifies,
        "send.receipt.kind",
        "it is \"signed\", but there is no certificate of the partner to verify receipts with",
        "ask the partner for his signing certificate",
    );
    if profile.certificates.key_usage == Strictness::Refuse {
        for (certificate, usage) in unfit(inner) {
            claim(
                false,
                "certificates.key_usage",
                &format!(
                    "it is \"refuse\", and the certificate of {} does not allow {}",
                    certificate.subject(),
                    purpose(usage)
                ),
                "ask the partner for another one, or write \"warn\"",
            );
        }
    }
    let encryption = inner.encryption.iter().map(|own| &own.certificate);
    for certificate in inner.recipients() {
        claim(
            transport_to(certificate, None).is_some(),
            "send.encrypt",
            &format!(
                "the certificate of {} to encrypt to does not hold an RSA, EC, X25519 or ML-KEM key",
                certificate.subject()
            ),
            "ask the partner for another one",
        );
    }
    for (certificate, transport) in encryption.zip(profile.send.key_transport.iter().cycle()) {
        claim(
            transport_to(certificate, None).is_none() || transport_to(certificate, Some(*transport)).is_some(),
            "send.key_transport",
            &format!("{transport} does not fit the key in the certificate of {}", certificate.subject()),
            "leave it out: what suits the key is chosen",
        );
    }
    check_encapsulation(inner, &mut claim);
    check_ciphers(inner, &mut claim);
    found
}

/// Key encapsulation that the provider lacks: it needs a feature.
fn check_encapsulation(inner: &Inner, claim: &mut impl FnMut(bool, &str, &str, &str)) {
    for certificate in inner.recipients() {
        let Some(kem) = transport_to(certificate, None).filter(|transport| transport.is_encapsulation()) else {
            continue;
        };
        let tried = inner.provider.encapsulate(kem, certificate.spki_der());
        claim(
            tried.err() != Some(CryptoError::Unsupported),
            "send.encrypt",
            &format!(
                "the crypto provider does not encrypt with {kem}, for which the key of {} is",
                certificate.subject()
            ),
            "switch on the feature `pq`, or ask the partner for another certificate",
        );
    }
}

/// Ciphers that the provider lacks: those of the past need a feature.
fn check_ciphers(inner: &Inner, claim: &mut impl FnMut(bool, &str, &str, &str)) {
    let ciphers = inner.provider.ciphers();
    let parameters = |cipher: CipherAlgorithm| (vec![0x5a; cipher.key_len()], vec![0; cipher.iv_len()]);
    let remedy = "leave it out, or switch on the feature `legacy` where it is 3DES or RC2";
    if let Some(cipher) = inner.profile.send.encrypt.filter(|cipher| cipher.is_written()) {
        let (key, iv) = parameters(cipher);
        let lacks = ciphers.encryptor(cipher, &key, &iv, &[]).err() == Some(CryptoError::Unsupported);
        claim(!lacks, "send.encrypt", &format!("the crypto provider does not encrypt with {cipher}"), remedy);
    }
    for cipher in inner.profile.accept.ciphers.iter().filter(|cipher| cipher.is_legacy()) {
        let (key, iv) = parameters(*cipher);
        let lacks = ciphers.decryptor(*cipher, &key, &iv, &[]).err() == Some(CryptoError::Unsupported);
        claim(!lacks, "accept.ciphers", &format!("the crypto provider does not read {cipher}"), remedy);
    }
}
