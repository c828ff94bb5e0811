//! Agreements that cannot work, and files of agreements in their worst forms: everything that is wrong is told at once,
//! by its field or line.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/issue.rs"]
mod issue;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::*;

use as2_protocol::*;

type Change = fn(&mut PartnerProfile);

const NEVER: Duration = Duration::ZERO;

/// Each way in which a profile contradicts itself; those of endpoints, rules and announcements have tests of their own.
const CONTRADICTIONS: [(&str, Change); 20] = [
    ("us", |terms| terms.us = terms.them.clone()),
    ("message_id_domain", |terms| terms.message_id_domain = "two words".to_owned()),
    ("send.receipt.asynchronous_url", |terms| {
        terms.send.receipt.kind = ReceiptKind::None;
        terms.send.receipt.asynchronous_url = Some("https://alice.example/receipts".parse().unwrap());
    }),
    ("send.encrypt", |terms| terms.send.encrypt = Some(CipherAlgorithm::Rc2Cbc40)),
    ("send.key_transport", |terms| terms.send.key_transport = Some(KeyTransport::RsaOaepSha224)),
    ("send.originator_copy", |terms| (terms.send.originator_copy, terms.send.encrypt) = (true, None)),
    ("send.sign", |terms| terms.send.sign = Some(DigestAlgorithm::Md5)),
    ("accept.asynchronous_status", |terms| terms.accept.asynchronous_status = 201),
    ("accept.mdn_signature", |terms| terms.accept.mdn_signature = Some(DigestAlgorithm::Sha1)),
    ("pacing.wait", |terms| terms.pacing.wait = NEVER),
    ("pacing.longest_call", |terms| (terms.pacing.concurrency, terms.pacing.longest_call) = (1, NEVER)),
    ("pacing.interval", |terms| (terms.pacing.calls, terms.pacing.interval) = (1, NEVER)),
    ("delivery.retry.attempts", |terms| terms.delivery.retry.attempts = 0),
    ("delivery.retry.factor", |terms| terms.delivery.retry.factor = 0),
    ("delivery.retry.first_wait", |terms| terms.delivery.retry.first_wait = NEVER),
    ("delivery.retry.longest_wait", |terms| terms.delivery.retry.longest_wait = Duration::from_secs(1)),
    ("delivery.retry.jitter_percent", |terms| terms.delivery.retry.jitter_percent = 101),
    ("delivery.receipt_deadline", |terms| {
        terms.delivery.receipt_deadline = NEVER;
        terms.send.receipt.asynchronous_url = Some("https://alice.example/receipts".parse().unwrap());
    }),
    ("delivery.duplicates.keep", |terms| terms.delivery.duplicates.keep = NEVER),
    ("delivery.duplicates.busy_wait", |terms| terms.delivery.duplicates.busy_wait = NEVER),
];

fn told(terms: &PartnerProfile) -> Vec<String> {
    terms.contradictions().into_iter().map(|found| found.field).collect()
}

#[test]
fn every_contradiction_names_its_field_and_a_remedy() {
    for (field, change) in CONTRADICTIONS {
        let mut terms = profile(ALICE, BOB);
        assert_eq!(told(&terms), Vec::<String>::new());
        change(&mut terms);
        assert_eq!(told(&terms), [field]);
        let found = &terms.contradictions()[0];
        assert_eq!(found.to_string(), format!("`{field}`: {}; {}", found.problem, found.remedy));
        assert!(!found.problem.is_empty() && !found.remedy.is_empty(), "{found}");
    }
}

#[test]
fn all_contradictions_are_told_at_once_when_a_partner_is_made() {
    // Those that hide others stay out.
    let hiding = ["send.originator_copy", "send.receipt.asynchronous_url", "delivery.retry.attempts"];
    let together = |field: &str| !hiding.contains(&field) && field != "delivery.retry.longest_wait";
    let mut terms = profile(ALICE, BOB);
    let chosen: Vec<_> = CONTRADICTIONS.into_iter().filter(|(field, _)| together(field)).collect();
    chosen.iter().for_each(|(_, change)| change(&mut terms));
    terms.accept.signature = Requirement::Require;
    let nothing = Partner::builder(terms, CryptoProvider::rustcrypto());
    let Err(SetupError::Contradictions(found)) = nothing.build() else { panic!("built") };
    let fields: BTreeSet<_> = found.iter().map(|found| &*found.field).collect();
    let by_certificates = ["send.encrypt", "accept.signature", "send.receipt.kind"];
    let expected: BTreeSet<_> = chosen.iter().map(|(field, _)| *field).chain(by_certificates).collect();
    assert_eq!(fields, expected);
    let text = SetupError::Contradictions(found.clone()).to_string();
    assert!(found.iter().all(|found| text.contains(&found.to_string())), "{text}");
}

#[test]
fn what_an_agreement_asks_of_certificates_is_missed_where_there_is_none() {
    let missed = |change: Change, builder: fn(PartnerBuilder) -> PartnerBuilder| {
        let mut terms = profile(ALICE, BOB);
        change(&mut terms);
        match builder(Partner::builder(terms, CryptoProvider::rustcrypto())).build() {
            Err(SetupError::Contradictions(found)) => found.into_iter().map(|found| found.field).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    };
    let require: Change = |terms| terms.accept.signature = Requirement::Require;
    assert_eq!(missed(require, |us| us), ["send.encrypt", "accept.signature", "send.receipt.kind"]);
    let encrypting = |us: PartnerBuilder| us.encrypt_to(worked_certificate("bob-enc"));
    assert_eq!(missed(|_| (), encrypting), ["send.receipt.kind"]);
    let verifying = |us: PartnerBuilder| us.verify_with(worked_certificate("bob-sign"));
    assert_eq!(missed(require, verifying), ["send.encrypt"]);
    let little: Change = |terms| (terms.send.encrypt, terms.send.receipt.kind) = (None, ReceiptKind::Unsigned);
    assert!(missed(little, |us| us).is_empty());
}

#[test]
fn keys_and_certificates_belong_together() {
    let builder = || Identity::builder(CryptoProvider::rustcrypto());
    let mixed = SetupError::KeyMismatch { subject: worked_certificate("alice-sign").subject().to_owned() };
    let signing = builder().signing(vec![worked_certificate("alice-sign")], worked_key("bob-sign"));
    assert_eq!(signing.build().unwrap_err(), mixed);
    let decrypting = builder().decrypting(worked_certificate("alice-sign"), worked_key("bob-sign"));
    assert_eq!(decrypting.build().unwrap_err(), mixed);
    assert!(mixed.to_string().contains("CN=alice signing"), "{mixed}");
    let alone = builder().signing(Vec::new(), worked_key("bob-sign")).build().unwrap_err();
    assert_eq!((alone.code(), alone), ("NO_SIGNING_KEY", SetupError::NoSigningKey));
}

/// Serial numbers below zero, zero and of 25 octets, an authority that stands for itself, X.509 version 1, and a modulus
/// that looks negative: all for one key.
#[test]
fn t01_certificates_with_oddities_sign_and_encrypt_where_they_are_pinned() {
    let file = |name: &str| std::fs::read(vectors("keys").join(name)).unwrap();
    let odd = Certificate::read_all(&file("odd.pem")).unwrap();
    assert_eq!(odd.len(), 6);
    let key = PrivateKey::read(&file("rsa-pkcs1.pem"), None).unwrap();
    for certificate in odd {
        let subject = certificate.subject().to_owned();
        let chain = vec![certificate.clone()];
        let us = Identity::builder(CryptoProvider::rustcrypto())
            .signing(chain, key.clone().into_signing().unwrap())
            .decrypting(certificate.clone(), key.clone().into_decrypting().unwrap())
            .build()
            .unwrap_or_else(|error| panic!("{subject}: {error}"));
        let partner = |us, them| {
            let mut terms = profile(us, them);
            terms.certificates.signing = Strictness::Ignore;
            terms.certificates.encryption = Strictness::Ignore;
            let builder = Partner::builder(terms, CryptoProvider::rustcrypto());
            builder.encrypt_to(certificate.clone()).verify_with(certificate.clone()).build().unwrap()
        };
        let (alice, bob) = (partner(BOB, ALICE), partner(ALICE, BOB));
        let sent = MessageBuilder::new(&us, &bob).build(Payload::x12("ISA"), now()).unwrap();
        let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now());
        let accepted = accepted.unwrap_or_else(|refused| panic!("{subject}: {}", refused.error()));
        assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: certificate.clone() });
        assert_eq!(accepted.decrypted_with().map(OwnCertificate::certificate), Some(&certificate));
        let reply = accepted.stored().build(now()).response.to_response();
        let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply), &bob, now()) else { panic!() };
        assert!(matches!(*outcome, Outcome::Deliver(_)), "{subject}: {outcome:?}");
    }
}

#[test]
fn t03_messages_are_encrypted_to_the_certificate_that_was_activated_last() {
    let (old, new) = (worked_certificate("bob-enc"), issue::self_signed("bob-sign", "Bob, new", 2020..=2030));
    let day = Duration::from_secs(86_400);
    let to = |from: &[(&Certificate, i64)]| {
        let mut builder = Partner::builder(profile(ALICE, BOB), CryptoProvider::rustcrypto());
        for (certificate, days) in from {
            let at = if *days < 0 { now() - day } else { now() + day * u32::try_from(*days).unwrap() };
            builder = builder.encrypt_to_from((*certificate).clone(), Some(at));
        }
        let bob = builder.verify_with(worked_certificate("bob-sign")).build().unwrap();
        let sent = MessageBuilder::new(&worked_identity("alice"), &bob).build(Payload::x12("ISA"), now());
        sent.map(|sent| sent.encrypted_to)
    };
    assert_eq!(to(&[(&old, -1), (&new, 1)]), Ok(vec![old.clone()]));
    assert_eq!(to(&[(&old, -1), (&new, 0)]), Ok(vec![new.clone()]));
    assert_eq!(to(&[(&new, 0), (&old, -1)]), Ok(vec![new.clone()]), "in whatever order they are given");
    let error = to(&[(&old, 1), (&new, 2)]).unwrap_err();
    assert_eq!((error.code(), error), ("NO_ENCRYPTION_CERTIFICATE", SendError::NoEncryptionCertificate));
}

#[test]
fn t03_retired_certificates_count_for_what_was_sent_before() {
    let day = Duration::from_secs(86_400);
    let changed = |us, them, old: &str, new: &str| {
        let builder = Partner::builder(profile(us, them), CryptoProvider::rustcrypto());
        let new = issue::self_signed(new, "new", 2020..=2030);
        let builder = builder.encrypt_to(worked_certificate(&old.replace("sign", "enc"))).verify_with(new);
        builder.retired(worked_certificate(old), now() + 2 * day).build().unwrap()
    };
    let send = |at| MessageBuilder::new(&worked_identity("alice"), &bob()).build(Payload::x12("ISA"), at).unwrap();
    for (days, counts) in [(1, true), (2, true), (3, false)] {
        let at = now() + days * day;
        let sent = send(at);
        let order = |partner: &Partner| {
            envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(partner), at).map(Accepted::stored)
        };
        let refused = order(&changed(BOB, ALICE, "alice-sign", "bob-sign")).err();
        assert_eq!(refused.as_ref().map(|refused| refused.error().code()), (!counts).then_some("SIGNER_UNTRUSTED"));
        // The receipt comes much later; what counts is when its message was sent.
        let receipt = receipt_in(&order(&alice()).unwrap().build(at).response.to_response());
        let bob = changed(ALICE, BOB, "bob-sign", "alice-sign");
        let outcome = sent.pending.settle(&receipt, &bob, at + 30 * day);
        assert_eq!(matches!(outcome, Outcome::Deliver(_)), counts, "{outcome:?}");
    }
}

/// Everything that a profile may hold but for the other ways to show credentials.
fn full() -> Value {
    let mut terms = profile(ALICE, BOB);
    terms.send.subject = Some("Documents".to_owned());
    terms.send.from = Some("edi@alice.example".to_owned());
    terms.send.key_transport = Some(KeyTransport::RsaPkcs1v15);
    terms.send.receipt.asynchronous_url = Some("https://alice.example/receipts".parse().unwrap());
    terms.send.announce.version = Some(As2Version::V1_2);
    terms.send.announce.product = Some("a:1".parse().unwrap());
    terms.send.announce.features = vec![Feature::cem()];
    terms.accept.mdn_signature = Some(DigestAlgorithm::Sha256);
    terms.accept.receipt_url = Some("https://bob.example/receipts".parse().unwrap());
    terms.certificates.allow_expired_until.signing = Some(now());
    terms.certificates.sign_with = Some("2026".to_owned());
    terms.pacing.limited.path = Some("error".to_owned());
    let mut full = serde_json::to_value(terms).unwrap();
    let token = json!({ "header": "Authorization", "scheme": "Bearer", "token": "t" });
    full["endpoint"]["auth"]["method"] = json!({ "token": token });
    full["endpoint"]["headers"] = json!([{ "name": "x-a", "value": { "text": "a" } }]);
    full["endpoint"]["client_certificate"] = json!("tls");
    full
}

/// Pointers to every object (`true`) and to every other value.
fn places(value: &Value, at: &str, found: &mut Vec<(String, bool)>) {
    found.push((at.to_owned(), value.is_object()));
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found)),
        Value::Array(all) => all.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), found)),
        _ => {}
    }
}

fn all_places() -> (Value, Vec<(String, bool)>) {
    let (full, mut found) = (full(), Vec::new());
    places(&full, "", &mut found);
    assert!(found.len() > 130, "{}", found.len());
    (full, found)
}

/// The line of `text` that an error speaks of.
fn line<'a>(text: &'a str, error: &str) -> &'a str {
    let number = error.split("line ").nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap_or_default();
    number.parse().ok().and_then(|number: usize| text.lines().nth(number - 1)).unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn unknown_fields_are_refused_by_name_and_line_wherever_they_stand() {
    let (full, places) = all_places();
    for (at, _) in places.iter().filter(|(_, is_object)| *is_object) {
        let mut terms = full.clone();
        terms.pointer_mut(at).unwrap()["zz_unknown"] = json!(1);
        let text = serde_json::to_string_pretty(&terms).unwrap();
        let error = serde_json::from_str::<PartnerProfile>(&text).unwrap_err().to_string();
        // Of an alternative one is chosen: a second name is too much, whatever it is.
        let alternative = at.ends_with("/method") || at.ends_with("/value");
        assert!(alternative || error.contains("unknown field `zz_unknown`"), "{at}: {error}");
        assert!(alternative || line(&text, &error).contains("zz_unknown"), "{at}: {error}");
        let text = toml::to_string(&terms).unwrap();
        let error = toml::from_str::<PartnerProfile>(&text).unwrap_err().to_string();
        assert!(alternative || error.contains("zz_unknown"), "{at}: {error}");
        assert!(!line(&text, &error).is_empty(), "{at}: {error}");
    }
}

#[test]
fn values_in_their_worst_forms_are_refused_at_their_line_or_harmless() {
    let (full, places) = all_places();
    let worst = [
        json!({ "zz": 1 }),
        json!([[]]),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!(" "),
        json!("\u{0}\r\nX-Evil: 1"),
        json!("ü\u{202e}"),
        json!("x".repeat(100_000)),
        json!("http://user:s3cret@host/"),
    ];
    for (at, _) in places.iter().filter(|(at, _)| !at.is_empty()) {
        let (mut refused, name) = (0, at.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap());
        for value in &worst {
            let mut terms = full.clone();
            *terms.pointer_mut(at).unwrap() = value.clone();
            let text = serde_json::to_string_pretty(&terms).unwrap();
            match serde_json::from_str::<PartnerProfile>(&text) {
                Ok(read) => {
                    let _ = read.contradictions();
                    let again = serde_json::to_string(&read).unwrap();
                    assert_eq!(serde_json::from_str::<PartnerProfile>(&again).unwrap(), read, "{at}");
                }
                Err(error) => {
                    refused += 1;
                    let error = error.to_string();
                    assert!(!line(&text, &error).is_empty(), "{at}: {error}");
                    let is_url = name.ends_with("url") && value.is_string();
                    assert!(!is_url || !error.contains("s3cret"), "{at}: {error}");
                }
            }
            // As TOML writes it the error shows the line, and in it the field.
            let Ok(text) = toml::to_string(&terms) else { continue };
            if let Err(error) = toml::from_str::<PartnerProfile>(&text) {
                let error = error.to_string();
                assert!(error.contains(name) || error.contains("zz"), "{at}: {error}");
            }
        }
        assert!(refused > 5, "{at}: only {refused} of {} are refused", worst.len());
    }
}

#[test]
fn files_of_other_versions_and_of_nothing_are_refused() {
    let text = toml::to_string(&full()).unwrap();
    assert!(toml::from_str::<PartnerProfile>(&text).is_ok());
    for (bad, said) in [
        (text.replace("version = 1\n", "version = 2\n"), "version"),
        (text.replace("version = 1\n", "version = \"1\"\n"), "version"),
        (text.replace("version = 1\n", ""), "missing field `version`"),
        (text.replace("them = \"bob\"\n", ""), "missing field `them`"),
        (String::new(), "missing field"),
        ("[[[".to_owned(), "line 1"),
        ("us = \"a\"\nus = \"b\"".to_owned(), "line 2"),
    ] {
        let error = toml::from_str::<PartnerProfile>(&bad).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Fields in which two profiles differ, each with its value in the second.
fn differences(before: &Value, after: &Value, at: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let nothing = Value::Null;
                let [before, after] = [before, after].map(|fields| fields.get(name).unwrap_or(&nothing));
                differences(before, after, &path, found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("{at}={after}").replace('"', "")),
    }
}

const PRESETS: [(Preset, &str); 9] = [
    (Preset::OpenAs2, "accept.mdn_signature=null delivery.late_receipt=alert"),
    (
        Preset::Mendelson,
        "accept.bare_content=true accept.gcm_in_enveloped_data=true delivery.late_receipt=alert \
         expect.mics=[sha-256,sha-1] quirks.embed=chain quirks.micalg_names=rfc3851 send.attachments=allow",
    ),
    (Preset::Sterling, "quirks.algorithm_protection=false"),
    (Preset::Amazon, "accept.encryption=require accept.signature=require send.compress=none"),
    (Preset::BizTalk, "quirks.micalg_names=rfc3851 send.receipt.kind=signed"),
    (
        Preset::AwsTransfer,
        "accept.ciphers=[aes128-cbc,aes192-cbc,aes256-cbc] send.encrypt=aes256-cbc send.key_transport=null \
         send.receipt.kind=signed send.rsa_signature=pkcs1-v1.5",
    ),
    (Preset::Walmart, "accept.encryption=require accept.signature=require send.receipt.kind=signed"),
    (
        Preset::Peppol,
        "accept.digests=[sha-256] accept.encryption=forbid accept.signature=require expect.mdn_signatures=[sha-256] \
         quirks.embed=leaf send.compress=none send.encrypt=none send.receipt.asynchronous_url=null \
         send.receipt.kind=signed send.receipt.micalgs=[sha-256] send.receipt.required=true send.sign=sha-256",
    ),
    (
        Preset::Modern,
        "accept.digests=[sha-256,sha-384,sha-512] accept.encryption=require accept.signature=require \
         accept.weak_receipt=refuse expect.mdn_signatures=[sha-256,sha-384,sha-512] send.encrypt=aes256-gcm \
         send.receipt.micalgs=[sha-512] send.sign=sha-256",
    ),
];

/// What each preset makes of a profile in which everything that presets know is set otherwise.
#[test]
fn presets_change_what_their_product_needs() {
    let mut contrary = profile(ALICE, BOB);
    contrary.send.sign = Some(DigestAlgorithm::Sha512);
    contrary.send.encrypt = Some(CipherAlgorithm::ChaCha20Poly1305);
    contrary.send.compress = Compression::BeforeSigning;
    contrary.send.rsa_signature = RsaSignature::Pss;
    contrary.send.key_transport = Some(KeyTransport::RsaOaepSha256);
    contrary.send.receipt.kind = ReceiptKind::Unsigned;
    contrary.send.receipt.micalgs = vec![DigestAlgorithm::Sha512, DigestAlgorithm::Sha1];
    contrary.send.receipt.asynchronous_url = Some("https://alice.example/receipts".parse().unwrap());
    contrary.accept.mdn_signature = Some(DigestAlgorithm::Sha512);
    contrary.accept.digests.push(DigestAlgorithm::Sha1);
    contrary.expect.mdn_signatures.push(DigestAlgorithm::Sha1);
    contrary.expect.mics = vec![DigestAlgorithm::Sha256];
    contrary.quirks.algorithm_protection = true;
    contrary.quirks.embed = Embed::None;
    let before = serde_json::to_value(&contrary).unwrap();
    assert_eq!(PRESETS.map(|(preset, _)| preset), Preset::ALL);
    for (preset, expected) in PRESETS {
        let mut found = Vec::new();
        differences(&before, &serde_json::to_value(contrary.clone().with_preset(preset)).unwrap(), "", &mut found);
        assert_eq!(found.join(" "), expected, "{preset}");
    }
}
