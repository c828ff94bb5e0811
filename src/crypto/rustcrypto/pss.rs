//! RSASSA-PSS (RFC 8017 sections 8.1 and 9.1).
//!
//! Signing is left to the `rsa` crate. It knows no MGF1 with another digest than that of the message, which Java
//! programs write (their default is MGF1 with SHA-1), so the padding is verified here.

use ::rsa::pss::Pss;
use ::rsa::{PrivateKey, PublicKey};
use sha2::{Sha256, Sha384, Sha512};

use super::RngAdapter;
use super::digest::Digests;
use super::rsa_public::{modulus_bits, open};
use crate::algorithm::{DigestAlgorithm, PssParameters};
use crate::crypto::{DigestProvider, DigestValue, VerifyError};

/// Signs a digest; `None` for parameters that are not written.
pub(super) fn sign(
    key: &PrivateKey,
    parameters: PssParameters,
    digest: &[u8],
    random: &mut RngAdapter<'_>,
) -> Option<::rsa::Result<Vec<u8>>> {
    if parameters.mgf1_digest() != parameters.digest() {
        return None;
    }
    let salt = parameters.salt_len();
    Some(match parameters.digest() {
        DigestAlgorithm::Sha256 => key.sign_with_rng(random, Pss::<Sha256>::new_blinded_with_salt(salt), digest),
        DigestAlgorithm::Sha384 => key.sign_with_rng(random, Pss::<Sha384>::new_blinded_with_salt(salt), digest),
        DigestAlgorithm::Sha512 => key.sign_with_rng(random, Pss::<Sha512>::new_blinded_with_salt(salt), digest),
        DigestAlgorithm::Md5 | DigestAlgorithm::Sha1 | DigestAlgorithm::Sha224 => return None,
    })
}

/// Verifies a signature over a digest.
pub(super) fn verify(
    key: &PublicKey,
    parameters: PssParameters,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let message_bits = modulus_bits(key) - 1;
    let encoded = open(key, signature, message_bits.div_ceil(8)).ok_or(VerifyError::InvalidSignature)?;
    for algorithm in [parameters.digest(), parameters.mgf1_digest()] {
        Digests.start(algorithm).ok_or(VerifyError::Unsupported)?;
    }
    match is_encoding(&encoded, message_bits, parameters, digest) {
        Some(true) => Ok(()),
        _ => Err(VerifyError::InvalidSignature),
    }
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2).
fn is_encoding(encoded: &[u8], bits: usize, parameters: PssParameters, digest: &[u8]) -> Option<bool> {
    let (trailer, rest) = encoded.split_last()?;
    let (masked, hash) = rest.split_at_checked(rest.len().checked_sub(parameters.digest().output_len())?)?;
    let padding_len = masked.len().checked_sub(parameters.salt_len().checked_add(1)?)?;
    let unused = u32::try_from((encoded.len() * 8).checked_sub(bits)?).ok()?;
    let used = 0xffu8.checked_shr(unused)?;
    if *trailer != 0xbc || masked.first()? & !used != 0 {
        return Some(false);
    }
    let mask = mgf1(parameters.mgf1_digest(), hash, masked.len())?;
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
    *block.first_mut()? &= used;
    let (padding, rest) = block.split_at_checked(padding_len)?;
    let (separator, salt) = rest.split_first()?;
    if *separator != 1 || padding.iter().any(|octet| *octet != 0) {
        return Some(false);
    }
    let expected = hash_of(parameters.digest(), &[&[0; 8], digest, salt])?;
    Some(expected.ct_eq(hash))
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mgf1(algorithm: DigestAlgorithm, seed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut mask = Vec::with_capacity(len + algorithm.output_len());
    for counter in 0u32.. {
        if mask.len() >= len {
            break;
        }
        mask.extend_from_slice(hash_of(algorithm, &[seed, &counter.to_be_bytes()])?.as_bytes());
    }
    mask.truncate(len);
    Some(mask)
}

fn hash_of(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Option<DigestValue> {
    let mut context = Digests.start(algorithm)?;
    parts.iter().for_each(|part| context.update(part));
    Some(context.finish())
}
