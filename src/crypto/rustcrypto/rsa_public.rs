//! RSA public keys, and PKCS#1 v1.5 signatures verified with them (RFC 8017).

use std::ops::RangeInclusive;

use ::rsa::hazmat::rsa_encrypt;
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, Null};
use pkcs8::der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

use crate::algorithm::{DigestAlgorithm, PssParameters};
use crate::crypto::{DigestValue, VerifyError};

/// Sizes of the modulus in bits that are calculated with. Below, a key protects nothing; above, a verification
/// costs a peer nothing and us a lot. What is good enough is for the policy to say.
pub(super) const MODULUS_BITS: RangeInclusive<usize> = 1024..=16384;

/// id-RSASSA-PSS (RFC 4055 section 1.2): keys for nothing else.
pub(super) const PSS_ALGORITHM: const_oid::ObjectIdentifier =
    const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// Verifies an RSASSA-PKCS1-v1_5 signature.
pub(super) fn verify_pkcs1v15(
    key: &PublicKey,
    algorithm: DigestAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    key.verify(signature_padding(algorithm), digest, signature).map_err(|_| VerifyError::InvalidSignature)
}

/// The digest that a signature under this key was made over; `None` if it was not made with it.
pub(super) fn recover_pkcs1v15(key: &PublicKey, signature: &[u8]) -> Option<DigestValue> {
    let encoded = open(key, signature, key.size())?;
    DigestAlgorithm::ALL.into_iter().find_map(|algorithm| {
        let info = digest_info(algorithm);
        let padding = encoded.len().checked_sub(info.len() + algorithm.output_len() + 3)?;
        let head = [&[0, 1], vec![0xff; padding].as_slice(), &[0], info].concat();
        DigestValue::new(algorithm, encoded.strip_prefix(head.as_slice())?)
    })
}

/// RSAVP1: the encoded message in `len` octets, which can be one fewer than those of the modulus.
pub(super) fn open(key: &PublicKey, signature: &[u8], len: usize) -> Option<Vec<u8>> {
    let value = BoxedUint::from_be_slice(signature, key.n_bits_precision()).ok()?;
    if signature.len() != key.size() || value >= *key.n().as_ref() {
        return None;
    }
    let octets = rsa_encrypt(key, &value).ok()?.to_be_bytes();
    let (zeros, encoded) = octets.split_at_checked(octets.len().checked_sub(len)?)?;
    zeros.iter().all(|octet| *octet == 0).then(|| encoded.to_vec())
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): the encoded message is built and compared as a whole, never parsed.
pub(super) fn signature_padding(algorithm: DigestAlgorithm) -> Pkcs1v15Sign {
    Pkcs1v15Sign { hash_len: Some(algorithm.output_len()), prefix: digest_info(algorithm).into() }
}

/// The DER of DigestInfo up to the digest (RFC 8017 section 9.2, note 1).
const fn digest_info(algorithm: DigestAlgorithm) -> &'static [u8] {
    match algorithm {
        DigestAlgorithm::Md5 => b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
        DigestAlgorithm::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        DigestAlgorithm::Sha224 => b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
        DigestAlgorithm::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        DigestAlgorithm::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        DigestAlgorithm::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    }
}

/// An RSA key for any use (rsaEncryption, RFC 3279 section 2.3.1).
pub(super) fn plain_key(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<PublicKey> {
    is_plain(spki).then(|| numbers(spki)).flatten()
}

fn is_plain(spki: &SubjectPublicKeyInfoRef<'_>) -> bool {
    // The parameters must be NULL, but certificates without them are about.
    let parameters_ok = spki.algorithm.parameters.is_none_or(|given| given == AnyRef::from(Null));
    spki.algorithm.oid == pkcs1::ALGORITHM_OID && parameters_ok
}

/// An RSA key that may have made signatures with these parameters of RSASSA-PSS (RFC 4055 sections 1.2 and 3.3).
pub(super) fn pss_key(spki: &SubjectPublicKeyInfoRef<'_>, used: PssParameters) -> Option<PublicKey> {
    permits_pss(spki, used).then(|| numbers(spki)).flatten()
}

fn permits_pss(spki: &SubjectPublicKeyInfoRef<'_>, used: PssParameters) -> bool {
    if spki.algorithm.oid != PSS_ALGORITHM {
        return is_plain(spki);
    }
    let permits = |restriction: &[u8]| PssParameters::from_der(restriction).is_ok_and(|given| given.permit(used));
    spki.algorithm.parameters.is_none_or(|given| given.to_der().is_ok_and(|restriction| permits(&restriction)))
}

/// The RSAPublicKey of a key of a usual size, which every backend takes: an odd modulus of 2048 to 8192 bits in whole
/// octets, an odd exponent from 3 up to 32 bits. `pss` are the parameters that it is used with.
#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
pub(in crate::crypto) fn usual_key<'a>(
    spki: &'a SubjectPublicKeyInfoRef<'_>,
    pss: Option<PssParameters>,
) -> Option<&'a [u8]> {
    let permitted = pss.map_or_else(|| is_plain(spki), |used| permits_pss(spki, used));
    let key = spki.subject_public_key.as_bytes().filter(|_| permitted)?;
    let (modulus, exponent) = integers(key)?;
    let full = modulus.first().is_some_and(|first| *first >= 0x80) && (256..=1024).contains(&modulus.len());
    let odd = [modulus, exponent].iter().all(|number| number.last().is_some_and(|last| last & 1 == 1));
    (full && odd && exponent.len() <= 4 && exponent != [1]).then_some(key)
}

/// Bounds are checked before arithmetic.
fn numbers(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<PublicKey> {
    let (modulus, exponent) = integers(spki.subject_public_key.as_bytes()?)?;
    if modulus.len() > MODULUS_BITS.end() / 8 || exponent.len() > 8 {
        return None;
    }
    // Exponents must be odd, above 1 and below 2^33; the modulus odd.
    PublicKey::new_with_size_limits(uint(modulus)?, uint(exponent)?, MODULUS_BITS).ok()
}

/// The numbers of an RSAPublicKey without leading zeros. Old certificates leave out the zero before a first bit that is
/// set, which DER would read as a sign (interop: OpenAS2 meets such); so nothing here is negative.
fn integers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let sequence = AnyRef::from_der(key).ok().filter(|sequence| sequence.tag() == Tag::Sequence)?;
    let mut reader = SliceReader::new(sequence.value()).ok()?;
    let mut integer = || {
        let value = AnyRef::decode(&mut reader).ok().filter(|value| value.tag() == Tag::Integer)?.value();
        let zeros = value.iter().take_while(|octet| **octet == 0).count();
        value.get(zeros..).filter(|digits| !digits.is_empty())
    };
    let numbers = (integer()?, integer()?);
    reader.finish().ok()?;
    Some(numbers)
}

fn uint(octets: &[u8]) -> Option<BoxedUint> {
    let bits = u32::try_from(octets.len()).ok()?.checked_mul(8)?;
    BoxedUint::from_be_slice(octets, bits).ok()
}

/// Bits of the modulus, as the policy counts them.
pub(super) fn modulus_bits(key: &impl PublicKeyParts) -> usize {
    usize::try_from(key.n().as_ref().bit_width_vartime()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::SignatureScheme;
    use crate::certificate::Certificate;
    use crate::crypto::rustcrypto::verify::Verifiers;
    use crate::crypto::tests::hex;
    use crate::crypto::{CryptoProvider, RsaPrivateKey, SignRequest, SigningKey, VerifierProvider};

    const SHA256: SignatureScheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);

    /// Modulus of a key with the exponent 3: `openssl genrsa -3 2048`.
    const MODULUS_E3: &str = "d076918ca67c71e6ae3fe8efd5766fb587296211a953fe9451b25b22def48a9fd11b4a181bd8ac698f1cda1eef5f8909\
         f51b61bd3024c71fb7da5e020a620ca7e910d596074aa740578088bd51387522fc469f51c8e109d2f97fb8fa00cd519d\
         fa348a7eade7229ac6c7e24b5766c2072eaf3cccda6b24e503c1cefa71e674d5a9cb32519c2b9b4f0ed5a5cfac6043c4\
         c7e4275cd227bc8004b4a06d05bb1440a67bdf4e2eed4afa616a8b57a0142524d02ca95399e8ae6b3733c8a7cf7bc343\
         3b816d1796a1fe15a57c6939c497c71da768d598dd270393405b4520b5b252433e539a31608e28681a813eef2c9fe3f3\
         4bb91b4998d17a24909d06180e3638e5";

    /// `printf abc | openssl dgst -sha256 -sign e3.key`
    const SIGNATURE_E3: &str = "3d538082a8ae8722e45bfcb7cb36a0c31a517aa891a871fd9542d6ad83fbd63419b88675aef14c8ffa1bc3077aca58c2\
         e9461c074aa0f63a2af7dc2506cca96fdcd434534d20e22649fe3a5c09ede7dc42aa75ffcf9be329ee8607c58de6b7ec\
         2290ca7e66601690bd9d312c4d8fb1e64ef331e724679821fd05907b69d2a00945ae3bad3a47090978dcad8275469ca9\
         9a6517655552e1bf148cc3365943cf47354c73e24200a0999c834aec6f5bfa6230e4ebfa76e597526d9c7744ef2eca4b\
         62486c05ea740fbe333241fbaa744cd9a5886a86f057404962d0460e94e18fa803180a2f3cae462e8d4c95f09bf7fca9\
         2ed2e237a18269825466838f81188822";

    /// A cube root of 00 01 FF*8 00 DigestInfo(SHA-256, "abc") and then garbage.
    const GARBAGE_BEHIND: &str = "32cbfd4a7adc7905583d767520f51640759176d37826f2ef63ae3dc7ac4893b328c7d34855b9d88e8f1aadd585e8a727\
         e27fc4dac78de7718b53df67e59360102b3afe9bc6322ff58102bd72bafacc01ff6530500f";

    /// A cube root of 00 01 FF*8, garbage, 00 DigestInfo(SHA-256, "message 0").
    const GARBAGE_BEFORE: &str = "32cbfd4a7adc7905583bde74c893dd07f6cf2ae3fac7166326f6f5cf93cd34d25330d758f9031c70a3f781a7333a2935\
         c3504e9b3f0b23c0356b8ae4fca42afa8b88f17e1387231cad50da752325adb7b7e3026ce5";

    fn sha256(message: &[u8]) -> DigestValue {
        CryptoProvider::rustcrypto().digest(DigestAlgorithm::Sha256, message).unwrap()
    }

    fn verify(spki: &[u8], digest: &DigestValue, signature: &[u8]) -> Result<(), VerifyError> {
        Verifiers.verify(SignatureScheme::RsaPkcs1v15(digest.algorithm()), spki, digest, None, signature)
    }

    fn alice() -> (RsaPrivateKey, Certificate) {
        let key = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.key");
        let certificate = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.crt");
        (RsaPrivateKey::from_pkcs8_pem(key).unwrap(), Certificate::from_pem(certificate).unwrap())
    }

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        let header = match (high, low) {
            (0, 0..=127) => vec![tag, low],
            (0, _) => vec![tag, 0x81, low],
            _ => vec![tag, 0x82, high, low],
        };
        [header, content.to_vec()].concat()
    }

    fn integer(octets: &[u8]) -> Vec<u8> {
        let sign: &[u8] = if octets[0] & 0x80 != 0 { &[0] } else { &[] };
        tlv(2, &[sign, octets].concat())
    }

    /// A SubjectPublicKeyInfo; `algorithm` is the content of its AlgorithmIdentifier.
    fn spki_of(algorithm: &str, modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let key = tlv(0x30, &[integer(modulus), integer(exponent)].concat());
        let bits = tlv(3, &[&[0], &key[..]].concat());
        tlv(0x30, &[tlv(0x30, &hex(algorithm)), bits].concat())
    }

    fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        spki_of("06092a864886f70d0101010500", modulus, exponent)
    }

    fn padded(signature: &str) -> Vec<u8> {
        let octets = hex(signature);
        [vec![0; 256 - octets.len()], octets].concat()
    }

    #[test]
    fn u28_exponent_three_does_not_let_forgeries_pass() {
        let key = spki(&hex(MODULUS_E3), &[3]);
        assert_eq!(verify(&key, &sha256(b"abc"), &hex(SIGNATURE_E3)), Ok(()), "the key itself is in order");
        let invalid = Err(VerifyError::InvalidSignature);
        assert_eq!(verify(&key, &sha256(b"abc"), &padded(GARBAGE_BEHIND)), invalid);
        assert_eq!(verify(&key, &sha256(b"message 0"), &padded(GARBAGE_BEFORE)), invalid);
    }

    #[test]
    fn the_digest_is_read_out_of_signatures_by_the_key_alone() {
        let key = spki(&hex(MODULUS_E3), &[3]);
        assert_eq!(Verifiers.recover_digest(&key, &hex(SIGNATURE_E3)), Ok(sha256(b"abc")));
        let invalid = Err(VerifyError::InvalidSignature);
        for other in [padded(GARBAGE_BEHIND), padded(GARBAGE_BEFORE), hex(SIGNATURE_E3)[1..].to_vec(), vec![0xff; 256]]
        {
            assert_eq!(Verifiers.recover_digest(&key, &other), invalid);
        }
        let (_, alice) = alice();
        assert_eq!(Verifiers.recover_digest(alice.spki_der(), &hex(SIGNATURE_E3)), invalid);
        assert_eq!(Verifiers.recover_digest(b"no key", &hex(SIGNATURE_E3)), Err(VerifyError::InvalidKey));
    }

    #[test]
    fn signatures_must_be_of_the_length_of_the_modulus_and_below_it() {
        let key = spki(&hex(MODULUS_E3), &[3]);
        let signature = hex(SIGNATURE_E3);
        let mut above = vec![0; 256];
        let mut carry = 0;
        for (at, modulus) in hex(MODULUS_E3).iter().enumerate().rev() {
            let sum = u16::from(*modulus) + u16::from(signature[at]) + carry;
            above[at] = sum.to_be_bytes()[1];
            carry = sum >> 8;
        }
        let longer = [&[0], &signature[..]].concat();
        for bad in [&b""[..], &signature[1..], &signature[..255], &longer, &[0; 256], &[0xff; 256], &above] {
            assert_eq!(verify(&key, &sha256(b"abc"), bad), Err(VerifyError::InvalidSignature));
        }
    }

    #[test]
    fn every_digest_signs_and_verifies() {
        let (key, certificate) = alice();
        for scheme in key.schemes() {
            let digest = CryptoProvider::rustcrypto().digest(scheme.digest(), b"abc").unwrap();
            let signature = key.sign(&SignRequest::new(scheme, digest.clone())).unwrap();
            let verify = |digest| Verifiers.verify(scheme, certificate.spki_der(), digest, None, &signature);
            assert_eq!(verify(&digest), Ok(()), "{scheme}");
            let other = CryptoProvider::rustcrypto().digest(scheme.digest(), b"abd").unwrap();
            assert_eq!(verify(&other), Err(VerifyError::InvalidSignature));
        }
    }

    #[test]
    fn the_digest_must_be_the_one_of_the_scheme() {
        let (key, certificate) = alice();
        let signature = key.sign(&SignRequest::new(SHA256, sha256(b"abc"))).unwrap();
        let sha384 = CryptoProvider::rustcrypto().digest(DigestAlgorithm::Sha384, b"abc").unwrap();
        let result = Verifiers.verify(SHA256, certificate.spki_der(), &sha384, None, &signature);
        assert_eq!(result, Err(VerifyError::InvalidSignature));
    }

    #[test]
    fn u15_moduli_are_bounded() {
        let modulus = |bits: usize| {
            let mut octets = vec![0xff; bits.div_ceil(8)];
            octets[0] >>= bits.div_ceil(8) * 8 - bits;
            octets
        };
        for (bits, expected) in [
            (512, VerifyError::InvalidKey),
            (1023, VerifyError::InvalidKey),
            (1024, VerifyError::InvalidSignature),
            (16384, VerifyError::InvalidSignature),
            (16385, VerifyError::InvalidKey),
            (65536, VerifyError::InvalidKey),
        ] {
            let key = spki(&modulus(bits), &[1, 0, 1]);
            let signature = vec![1; bits.div_ceil(8)];
            assert_eq!(verify(&key, &sha256(b"abc"), &signature), Err(expected), "{bits} bits");
        }
    }

    #[test]
    fn u15_exponents_are_odd_above_one_and_below_two_to_the_33() {
        let mut even = hex(MODULUS_E3);
        even[255] &= 0xfe;
        let modulus = hex(MODULUS_E3);
        for (modulus, exponent, usable) in [
            (&modulus, &[1][..], false),
            (&modulus, &[2], false),
            (&modulus, &[3], true),
            (&modulus, &[1, 0, 0], false),
            (&modulus, &[1, 0xff, 0xff, 0xff, 0xff], true),
            (&modulus, &[2, 0, 0, 0, 1], false),
            (&modulus, &[1, 0, 0, 0, 0, 0, 0, 0, 1], false),
            (&even, &[3], false),
        ] {
            let expected = if usable { VerifyError::InvalidSignature } else { VerifyError::InvalidKey };
            let result = verify(&spki(modulus, exponent), &sha256(b"abc"), &[1; 256]);
            assert_eq!(result, Err(expected), "{exponent:?}");
        }
    }

    #[test]
    fn only_plain_rsa_keys_are_taken() {
        let modulus = hex(MODULUS_E3);
        let verify = |spki: &[u8]| verify(spki, &sha256(b"abc"), &hex(SIGNATURE_E3));
        assert_eq!(verify(&spki_of("06092a864886f70d010101", &modulus, &[3])), Ok(()), "NULL may be absent");
        let invalid = Err(VerifyError::InvalidKey);
        for algorithm in [
            "06092a864886f70d01010a",                 // id-RSASSA-PSS: no PKCS#1 v1.5 with such a key
            "06092a864886f70d0101013000",             // parameters that are not NULL
            "06072a8648ce3d020106082a8648ce3d030107", // an elliptic curve
        ] {
            assert_eq!(verify(&spki_of(algorithm, &modulus, &[3])), invalid, "{algorithm}");
        }
        let good = spki(&modulus, &[3]);
        for end in 0..good.len() {
            assert_eq!(verify(&good[..end]), invalid);
        }
        assert_eq!(verify(&[&good[..], &[0]].concat()), invalid);
    }
}
