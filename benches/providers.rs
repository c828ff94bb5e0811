//! The backends side by side, and at the end how many times as fast as RustCrypto each was in this run.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use as2_protocol::crypto::{AgreeRequest, DecryptingKey, SignRequest, SigningKey, UnwrapRequest};
use as2_protocol::*;
use criterion::{Criterion, criterion_group};

use common::support::{ALICE, BOB, now, profile, vectors, worked, worked_certificate};
use common::{order, received};

fn providers() -> Vec<(&'static str, CryptoProvider)> {
    vec![
        ("rustcrypto", CryptoProvider::rustcrypto()),
        #[cfg(feature = "graviola")]
        ("graviola", CryptoProvider::graviola()),
        #[cfg(feature = "aws-lc-rs")]
        ("aws-lc-rs", CryptoProvider::aws_lc_rs()),
    ]
}

/// The shortest time of one operation, by operation and backend.
static SHORTEST: Mutex<BTreeMap<(&str, &str), Duration>> = Mutex::new(BTreeMap::new());

fn measure<R>(c: &mut Criterion, operation: &'static str, backend: &'static str, mut run: impl FnMut() -> R) {
    c.benchmark_group(operation).bench_function(backend, |b| {
        b.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(run());
            }
            let taken = start.elapsed();
            let each = taken / u32::try_from(times).unwrap();
            let mut shortest = SHORTEST.lock().unwrap();
            shortest.entry((operation, backend)).and_modify(|known| *known = each.min(*known)).or_insert(each);
            taken
        });
    });
}

fn pem(folder: &str, name: &str) -> PrivateKey {
    PrivateKey::read(&std::fs::read(vectors(folder).join(format!("{name}.key"))).unwrap(), None).unwrap()
}

fn signatures(c: &mut Criterion) {
    let sha256 = DigestAlgorithm::Sha256;
    for (backend, provider) in providers() {
        for (sign, verify, folder, name, scheme) in [
            ("rsa2048-sign", "rsa2048-verify", "worked/keys", "alice-sign", SignatureScheme::RsaPkcs1v15(sha256)),
            ("p256-sign", "p256-verify", "ber", "ec", SignatureScheme::Ecdsa(sha256)),
        ] {
            let key: Arc<dyn SigningKey> = pem(folder, name).into_signing_with(&provider).unwrap();
            let message = vec![0x31; 200];
            let mut digest = provider.digests().start(sha256).unwrap();
            digest.update(&message);
            let digest = digest.finish();
            let request = SignRequest::new(scheme, digest.clone()).with_message(message.clone());
            let signature = key.sign(&request).unwrap();
            measure(c, sign, backend, || key.sign(&request).unwrap());
            measure(c, verify, backend, || {
                let spki = key.public_key();
                provider.verifiers().verify(scheme, spki, &digest, Some(&message), &signature).unwrap();
            });
        }
    }
}

fn keys(c: &mut Criterion) {
    for (backend, provider) in providers() {
        let key: Arc<dyn DecryptingKey> = pem("worked/keys", "bob-enc").into_decrypting_with(&provider).unwrap();
        for (operation, transport) in
            [("rsa2048-decrypt", KeyTransport::RsaPkcs1v15), ("rsa2048-decrypt-oaep", KeyTransport::RsaOaepSha256)]
        {
            let wrap = provider.key_wrapping();
            let wrapped = wrap.wrap(transport, key.public_key(), &[7; 32], &**provider.random()).unwrap();
            let request = UnwrapRequest::new(transport, wrapped);
            measure(c, operation, backend, || key.unwrap_key(&request).unwrap());
        }
        // How long a bad padding takes, beside a good one: what a sender could hope to measure.
        let bad = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![0x42; 256]);
        measure(c, "rsa2048-decrypt-bad", backend, || key.unwrap_key(&bad).is_ok());
        let key = pem("ber", "ec").into_decrypting_with(&provider).unwrap();
        let spki = key.public_key();
        let random = &**provider.random();
        let theirs = provider.key_wrapping().agree(EcdhGroup::P256, &spki[spki.len() - 65..], random).unwrap();
        let request = AgreeRequest::new(EcdhGroup::P256, theirs.public_key);
        measure(c, "p256-agree", backend, || key.agree(&request).unwrap());
    }
}

fn bulk(c: &mut Criterion) {
    const LEN: usize = 64 << 10;
    let mut octets = order(LEN).to_vec();
    for (backend, provider) in providers() {
        measure(c, "sha-256-64KB", backend, || {
            let mut digest = provider.digests().start(DigestAlgorithm::Sha256).unwrap();
            digest.update(&octets);
            digest.finish()
        });
        let (ciphers, key) = (provider.ciphers(), [1; 32]);
        for (encrypt, open, cipher) in [
            ("aes256-gcm-encrypt-64KB", "aes256-gcm-decrypt-64KB", CipherAlgorithm::Aes256Gcm),
            ("aes256-cbc-encrypt-64KB", "aes256-cbc-decrypt-64KB", CipherAlgorithm::Aes256Cbc),
        ] {
            let iv = vec![2; cipher.iv_len()];
            measure(c, encrypt, backend, || {
                let mut encryptor = ciphers.encryptor(cipher, &key, &iv, b"").unwrap();
                encryptor.update(&mut octets);
                encryptor.finish()
            });
            // The tag is wrong but for the first time, which takes as long.
            measure(c, open, backend, || {
                ciphers.decryptor(cipher, &key, &iv, b"").unwrap().open(&mut octets, &[0; 16]).is_ok()
            });
        }
    }
}

/// A signed and encrypted order of 4 KB, opened, acknowledged by a signed receipt, which is verified.
fn exchange(c: &mut Criterion) {
    let payload = order(4 << 10);
    for (backend, provider) in providers() {
        let company = |name: &str| {
            let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
            let key = |name: &str| PrivateKey::read(&worked(&format!("keys/{name}.key")), None).unwrap();
            Identity::builder(provider.clone())
                .signing(vec![worked_certificate(&sign)], key(&sign).into_signing_with(&provider).unwrap())
                .decrypting(worked_certificate(&encrypt), key(&encrypt).into_decrypting_with(&provider).unwrap())
                .build()
                .unwrap()
        };
        let partner = |profile, name: &str| {
            Partner::builder(profile, provider.clone())
                .encrypt_to(worked_certificate(&format!("{name}-enc")))
                .verify_with(worked_certificate(&format!("{name}-sign")))
                .build()
                .unwrap()
        };
        let (alice, bob) = (company("alice"), company("bob"));
        let (to_bob, from_alice) = (partner(profile(ALICE, BOB), "bob"), partner(profile(BOB, ALICE), "alice"));
        measure(c, "exchange-4KB", backend, || {
            let sent = MessageBuilder::new(&alice, &to_bob).build(Payload::x12(payload.clone()), now()).unwrap();
            let opened = common::support::envelope(received(&sent)).open(&bob, Some(&from_alice), now()).unwrap();
            let reply = opened.stored().build(now()).response.to_response();
            let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply), &to_bob, now()) else { panic!() };
            assert!(matches!(*outcome, Outcome::Deliver(_)));
        });
    }
}

fn table() {
    let shortest = SHORTEST.lock().unwrap();
    println!("\n{:<26}{:>16}  times as fast", "operation", "rustcrypto op/s");
    for ((operation, _), base) in shortest.iter().filter(|((_, backend), _)| *backend == "rustcrypto") {
        print!("{operation:<26}{:>16.0}", 1.0 / base.as_secs_f64());
        for (backend, _) in providers().iter().skip(1) {
            if let Some(time) = shortest.get(&(*operation, *backend)) {
                print!("  {backend} {:.2}", base.as_secs_f64() / time.as_secs_f64());
            }
        }
        println!();
    }
}

criterion_group!(name = benches; config = common::criterion(); targets = signatures, keys, bulk, exchange);

fn main() {
    benches();
    criterion::Criterion::default().configure_from_args().final_summary();
    table();
}
