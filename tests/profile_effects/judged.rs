//! What a profile changes about certificates that are outside their dates or not meant for their use, and which key signs.

use serde_json::json;

use crate::issue::{self_signed, self_signed_as};
use crate::support::*;
use crate::taken::turned;
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    let later = || json!("2027-01-01T00:00:00Z");
    let refusing = |usage: &str| json!({ format!("certificates.{usage}"): "refuse" });
    vec![
        row("certificates.signing", json!("warn"), signing, "CERT_HAS_EXPIRED", "sent CERT_HAS_EXPIRED"),
        row("certificates.encryption", json!("ignore"), encrypting, "CERT_HAS_EXPIRED", "sent "),
        row("certificates.verification", json!("refuse"), verifying, "accepted CERT_HAS_EXPIRED", "CERT_HAS_EXPIRED"),
        row(
            "certificates.receipts",
            json!("refuse"),
            settling,
            "delivered CERT_HAS_EXPIRED",
            "dispute CERT_HAS_EXPIRED",
        ),
        row("certificates.key_usage", json!("refuse"), unfit, "KEY_USAGE", "PROFILE_CONTRADICTION"),
        row("certificates.sign_with", json!("old"), signer, "new", "old"),
        row("certificates.allow_expired_until.signing", later(), signing, "CERT_HAS_EXPIRED", "sent CERT_HAS_EXPIRED"),
        row(
            "certificates.allow_expired_until.encryption",
            later(),
            encrypting,
            "CERT_HAS_EXPIRED",
            "sent CERT_HAS_EXPIRED",
        ),
        row(
            "certificates.allow_expired_until.verification",
            later(),
            verifying,
            "CERT_HAS_EXPIRED",
            "accepted CERT_HAS_EXPIRED",
        )
        .with(refusing("verification")),
        row("certificates.allow_expired_until.receipts", later(), settling, "dispute", "delivered CERT_HAS_EXPIRED")
            .with(refusing("receipts")),
    ]
}

fn expired(key: &str) -> Certificate {
    self_signed(key, "expired", 2020..=2025)
}

fn codes(notes: &[Note]) -> String {
    notes.iter().map(Note::code).collect::<Vec<_>>().join(" ")
}

fn sent(us: &Identity, encryption: Certificate, terms: &PartnerProfile) -> Result<Outbound, String> {
    let builder = Partner::builder(terms.clone(), CryptoProvider::rustcrypto());
    let bob = builder.encrypt_to(encryption).verify_with(worked_certificate("bob-sign")).build().unwrap();
    let built = MessageBuilder::new(us, &bob).build(Payload::x12(worked("payload.x12")), now());
    built.map_err(|error| error.code().to_owned())
}

fn told(sent: Result<Outbound, String>) -> String {
    sent.map_or_else(|code| code, |sent| format!("sent {}", codes(&sent.notes)))
}

fn signing(terms: &PartnerProfile) -> String {
    let builder = Identity::builder(CryptoProvider::rustcrypto());
    let us = builder.signing(vec![expired("alice-sign")], worked_key("alice-sign")).build().unwrap();
    told(sent(&us, worked_certificate("bob-enc"), terms))
}

fn encrypting(terms: &PartnerProfile) -> String {
    told(sent(&worked_identity("alice"), expired("bob-enc"), terms))
}

/// Bob has an expired certificate of Alice's.
fn verifying(terms: &PartnerProfile) -> String {
    let message = sent(&worked_identity("alice"), worked_certificate("bob-enc"), terms).unwrap();
    let builder = Partner::builder(turned(terms), CryptoProvider::rustcrypto());
    let alice = builder.encrypt_to(worked_certificate("alice-enc")).verify_with(expired("alice-sign")).build().unwrap();
    match envelope(message.request.to_request()).open(&worked_identity("bob"), Some(&alice), now()) {
        Ok(accepted) => format!("accepted {}", codes(accepted.notes())),
        Err(refused) => refused.error().code().to_owned(),
    }
}

/// Alice has an expired certificate of Bob's.
fn settling(terms: &PartnerProfile) -> String {
    let message = sent(&worked_identity("alice"), worked_certificate("bob-enc"), terms).unwrap();
    let alice = worked_partner(profile(BOB, ALICE), "alice");
    let opened = envelope(message.request.to_request()).open(&worked_identity("bob"), Some(&alice), now()).unwrap();
    let mdn = receipt_in(&opened.stored().build(now()).response.to_response());
    let builder = Partner::builder(terms.clone(), CryptoProvider::rustcrypto());
    let bob = builder.encrypt_to(worked_certificate("bob-enc")).verify_with(expired("bob-sign")).build().unwrap();
    match message.pending.settle(&mdn, &bob, now()) {
        Outcome::Deliver(evidence) => format!("delivered {}", codes(evidence.notes())),
        Outcome::Dispute(dispute, _) => format!("dispute {}", dispute.code()),
        other => panic!("{other:?}"),
    }
}

/// The certificate to encrypt to is one for signatures.
fn unfit(terms: &PartnerProfile) -> String {
    let certificate = self_signed_as("bob-enc", "unfit", |params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    });
    let builder = Partner::builder(terms.clone(), CryptoProvider::rustcrypto()).encrypt_to(certificate);
    let built = builder.verify_with(worked_certificate("bob-sign")).build();
    built.map_or_else(|error| error.code().to_owned(), |bob| codes(bob.notes()))
}

fn signer(terms: &PartnerProfile) -> String {
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing_named("old", vec![worked_certificate("alice-enc")], worked_key("alice-enc"), None)
        .signing_named("new", vec![worked_certificate("alice-sign")], worked_key("alice-sign"), Some(now()))
        .build()
        .unwrap();
    sent(&us, worked_certificate("bob-enc"), terms).unwrap().signed_with.unwrap().name().to_owned()
}
