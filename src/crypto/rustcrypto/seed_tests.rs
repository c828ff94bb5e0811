//! Keys of ML-DSA and ML-KEM, and what they make.

use pkcs8::der::Decode;

use super::{LoadKeyError, MlDsaPrivateKey, MlKemPrivateKey};
use crate::algorithm::{DigestAlgorithm, KeyTransport, ML_DSA_65, ML_DSA_87, ML_KEM_768, ML_KEM_1024, SignatureScheme};
use crate::cms::ber;
use crate::cms::write::{integer, oid, tlv};
use crate::crypto::{
    AgreeRequest, CryptoError, CryptoProvider, DecapsulateRequest, DecryptingKey, DigestValue, KeyError, SignRequest,
    SigningKey, UnwrapRequest, VerifyError,
};
use crate::keystore::PrivateKey;

const DSA: [(const_oid::ObjectIdentifier, SignatureScheme, usize); 2] =
    [(ML_DSA_65, SignatureScheme::MlDsa65, 4032), (ML_DSA_87, SignatureScheme::MlDsa87, 4896)];
const KEM: [(const_oid::ObjectIdentifier, KeyTransport, usize); 2] =
    [(ML_KEM_768, KeyTransport::MlKem768, 2400), (ML_KEM_1024, KeyTransport::MlKem1024, 3168)];

/// PrivateKeyInfo around a key.
fn pkcs8(algorithm: const_oid::ObjectIdentifier, key: &[u8]) -> Vec<u8> {
    let algorithm = tlv(ber::SEQUENCE, &[&oid(&algorithm)]);
    tlv(ber::SEQUENCE, &[&integer(0), &algorithm, &tlv(ber::OCTET_STRING, &[key])])
}

fn both(seed: &[u8], expanded: &[u8]) -> Vec<u8> {
    tlv(ber::SEQUENCE, &[&tlv(ber::OCTET_STRING, &[seed]), &tlv(ber::OCTET_STRING, &[expanded])])
}

#[allow(deprecated)]
fn expanded(algorithm: const_oid::ObjectIdentifier, seed: &[u8]) -> Vec<u8> {
    use ::ml_kem::ExpandedKeyEncoding;
    match algorithm {
        ML_DSA_65 => {
            ml_dsa::ExpandedSigningKey::<ml_dsa::MlDsa65>::from_seed(seed.try_into().unwrap()).to_expanded().to_vec()
        }
        ML_DSA_87 => {
            ml_dsa::ExpandedSigningKey::<ml_dsa::MlDsa87>::from_seed(seed.try_into().unwrap()).to_expanded().to_vec()
        }
        ML_KEM_768 => ml_kem::DecapsulationKey768::from_seed(seed.try_into().unwrap()).to_expanded_bytes().to_vec(),
        _ => ml_kem::DecapsulationKey1024::from_seed(seed.try_into().unwrap()).to_expanded_bytes().to_vec(),
    }
}

#[test]
fn private_keys_are_seeds_alone_or_with_their_expanded_keys() {
    let kems = KEM.map(|(algorithm, _, len)| (algorithm, 64, len));
    for (algorithm, seed_len, len) in DSA.map(|(algorithm, _, len)| (algorithm, 32, len)).into_iter().chain(kems) {
        let load = |der: &[u8]| match seed_len {
            32 => MlDsaPrivateKey::from_pkcs8_der(der).map(|key| key.public_key().to_vec()),
            _ => MlKemPrivateKey::from_pkcs8_der(der).map(|key| key.public_key().to_vec()),
        };
        let seed: Vec<u8> = (0..seed_len).collect();
        let expanded = expanded(algorithm, &seed);
        assert_eq!(expanded.len(), len, "FIPS 203 table 3, FIPS 204 table 2");
        let alone = pkcs8(algorithm, &tlv(0x80, &[&seed]));
        let public = load(&alone).unwrap();
        assert_eq!(load(&pkcs8(algorithm, &both(&seed, &expanded))).as_ref(), Ok(&public));
        // What a key store read is what a backend loads.
        let stored = PrivateKey::read(&alone, None).unwrap();
        assert_eq!(stored.public_key(), Some(&public[..]));
        assert_eq!(stored.to_pkcs8_der().as_bytes(), alone);

        let other = [&expanded[..len - 1], &[expanded[len - 1] ^ 1]].concat();
        for malformed in [
            both(&seed, &other),
            both(&seed, &[]),
            both(&seed[1..], &expanded),
            tlv(0x80, &[&seed[1..]]),
            tlv(0x81, &[&seed]),
            seed.clone(),
            Vec::new(),
            [both(&seed, &expanded), vec![0]].concat(),
        ] {
            assert_eq!(load(&pkcs8(algorithm, &malformed)), Err(LoadKeyError::Malformed));
        }
        let without = pkcs8(algorithm, &tlv(ber::OCTET_STRING, &[&expanded]));
        assert_eq!(load(&without), Err(LoadKeyError::NoSeed));
        let stored = PrivateKey::read(&without, None).unwrap();
        let refused = if seed_len == 32 { stored.into_signing().err() } else { stored.into_decrypting().err() };
        assert_eq!(refused, Some(LoadKeyError::NoSeed));
        for end in 0..alone.len() {
            assert!(load(&alone[..end]).is_err());
        }
    }
}

#[test]
fn ml_dsa_signs_messages_and_only_those() {
    let provider = CryptoProvider::rustcrypto();
    for (algorithm, scheme, _) in DSA {
        let key = MlDsaPrivateKey::from_pkcs8_der(&pkcs8(algorithm, &tlv(0x80, &[&[7; 32]]))).unwrap();
        let digest = provider.digest(DigestAlgorithm::Sha512, b"order").unwrap();
        let request = SignRequest::new(scheme, digest.clone());
        assert_eq!(key.sign(&request), Err(KeyError::NeedsMessage));
        let request = request.with_message(&b"order"[..]);
        let signature = key.sign(&request).unwrap();
        assert_eq!(Some(signature.len()), key.signature_len(scheme));
        assert_ne!(key.sign(&request).unwrap(), signature, "hedged");
        let verify = |spki: &[u8], message: Option<&[u8]>, signature: &[u8]| {
            provider.verifiers().verify(scheme, spki, &digest, message, signature)
        };
        let spki = key.public_key();
        assert_eq!(verify(spki, Some(b"order"), &signature), Ok(()));
        assert_eq!(verify(spki, None, &signature), Err(VerifyError::NeedsMessage));
        let invalid = Err(VerifyError::InvalidSignature);
        assert_eq!(verify(spki, Some(b"other"), &signature), invalid);
        for bad in [&signature[1..], &[&signature[..], &[0]].concat(), b"", &vec![0xff; signature.len()]] {
            assert_eq!(verify(spki, Some(b"order"), bad), invalid);
        }
        for place in [0, 40, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            assert_eq!(verify(spki, Some(b"order"), &changed), invalid, "{place}");
        }
        let other = MlDsaPrivateKey::from_pkcs8_der(&pkcs8(algorithm, &tlv(0x80, &[&[8; 32]]))).unwrap();
        assert_eq!(verify(other.public_key(), Some(b"order"), &signature), invalid);
        for end in [0, 20, spki.len() - 1] {
            assert_eq!(verify(&spki[..end], Some(b"order"), &signature), Err(VerifyError::InvalidKey));
        }
        let rsa = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        assert_eq!(key.sign(&SignRequest::new(rsa, DigestValue::sha256([0; 32]))), Err(KeyError::Unsupported));
        assert_eq!(format!("{key:?}"), format!("MlDsaPrivateKey {{ scheme: {scheme:?}, .. }}"));
    }
}

#[test]
fn ml_kem_secrets_are_shared_with_the_holder_of_the_key() {
    let provider = CryptoProvider::rustcrypto();
    for ((algorithm, kem, _), other) in KEM.into_iter().zip([KeyTransport::MlKem1024, KeyTransport::MlKem768]) {
        let key = MlKemPrivateKey::from_pkcs8_der(&pkcs8(algorithm, &tlv(0x80, &[&[7; 64]]))).unwrap();
        let made = provider.encapsulate(kem, key.public_key()).unwrap();
        assert_eq!(Some(made.ciphertext.len()), kem.ciphertext_len());
        let ask = |ciphertext: &[u8]| key.decapsulate(&DecapsulateRequest::new(kem, ciphertext.to_vec()));
        assert_eq!(ask(&made.ciphertext).unwrap().as_bytes(), made.secret.as_bytes());
        assert_ne!(provider.encapsulate(kem, key.public_key()).unwrap().ciphertext, made.ciphertext);
        let mut changed = made.ciphertext.clone();
        changed[9] ^= 1;
        let secret = ask(&changed).unwrap();
        assert_ne!(secret.as_bytes(), made.secret.as_bytes(), "implicit rejection");
        assert_eq!(ask(&changed).unwrap().as_bytes(), secret.as_bytes(), "always the same");
        for bad in [&changed[1..], b"", &[&changed[..], &[0]].concat()] {
            assert_eq!(ask(bad).unwrap_err(), KeyError::Rejected);
        }
        let wrong = DecapsulateRequest::new(other, made.ciphertext.clone());
        assert_eq!(key.decapsulate(&wrong).unwrap_err(), KeyError::Unsupported);
        let unwrap = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![0; 256]);
        assert_eq!(key.unwrap_key(&unwrap).unwrap_err(), KeyError::Unsupported);
        let agree = AgreeRequest::new(crate::EcdhGroup::X25519, vec![9; 32]);
        assert_eq!(key.agree(&agree).unwrap_err(), KeyError::Unsupported);
        assert_eq!(key.rejection_secret().len(), 32);

        let refused = |kem, spki: &[u8]| provider.encapsulate(kem, spki).err();
        assert_eq!(refused(other, key.public_key()), Some(CryptoError::InvalidKey));
        assert_eq!(refused(KeyTransport::EcdhSha256, key.public_key()), Some(CryptoError::Unsupported));
        // A coefficient that is not below 3329 (FIPS 203 section 7.2).
        let mut bad = key.public_key().to_vec();
        let start =
            bad.len() - pkcs8::SubjectPublicKeyInfoRef::from_der(&bad).unwrap().subject_public_key.raw_bytes().len();
        bad[start..start + 2].fill(0xff);
        assert_eq!(refused(kem, &bad), Some(CryptoError::InvalidKey));
    }
}
