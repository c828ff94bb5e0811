//! Private keys of ML-KEM and ML-DSA in PKCS#8: a seed, an expanded key, or both (RFC 9935 section 6, RFC 9881 section 6).

use const_oid::ObjectIdentifier;
use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::load::{LoadKeyError, private_key_info};

/// The seed of a PrivateKeyInfo for one of some algorithms, and the expanded key where that stands beside it.
pub(super) struct Seeded<'a> {
    pub(super) algorithm: ObjectIdentifier,
    pub(super) seed: &'a [u8],
    pub(super) expanded: Option<&'a [u8]>,
}

impl<'a> Seeded<'a> {
    /// Reads it. Expanded keys alone are refused: nothing tells whether their parts belong together.
    pub(super) fn read(der: &'a [u8], wanted: &[ObjectIdentifier]) -> Result<Self, LoadKeyError> {
        let info = private_key_info(der, wanted)?;
        if info.algorithm.parameters.is_some() {
            return Err(LoadKeyError::Malformed);
        }
        let algorithm = info.algorithm.oid;
        let key = AnyRef::from_der(info.private_key.as_bytes()).map_err(|_| LoadKeyError::Malformed)?;
        match key.tag() {
            Tag::ContextSpecific { constructed: false, number: TagNumber(0) } => {
                Ok(Self { algorithm, seed: key.value(), expanded: None })
            }
            Tag::OctetString => Err(LoadKeyError::NoSeed),
            Tag::Sequence => {
                let (seed, expanded) = both(key.value()).ok_or(LoadKeyError::Malformed)?;
                Ok(Self { algorithm, seed, expanded: Some(expanded) })
            }
            _ => Err(LoadKeyError::Malformed),
        }
    }

    /// Whether the expanded key, if there is one, is that of the seed.
    pub(super) fn agrees_with(&self, expanded: &[u8]) -> bool {
        self.expanded.is_none_or(|given| given == expanded)
    }
}

fn both(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(content).ok()?;
    let mut octets = || AnyRef::decode(&mut reader).ok().filter(|part| part.tag() == Tag::OctetString);
    let (seed, expanded) = (octets()?, octets()?);
    reader.finish().ok()?;
    Some((seed.value(), expanded.value()))
}

/// A SubjectPublicKeyInfo without parameters.
pub(super) fn spki_der(algorithm: ObjectIdentifier, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = pkcs8::AlgorithmIdentifierRef { oid: algorithm, parameters: None };
    let subject_public_key = pkcs8::der::asn1::BitStringRef::from_bytes(key).ok()?;
    pkcs8::SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
}

/// The key in a SubjectPublicKeyInfo of this algorithm.
pub(super) fn public_key<'a>(
    spki: &'a pkcs8::SubjectPublicKeyInfoRef<'_>,
    algorithm: ObjectIdentifier,
) -> Option<&'a [u8]> {
    let fits = spki.algorithm.oid == algorithm && spki.algorithm.parameters.is_none();
    spki.subject_public_key.as_bytes().filter(|_| fits)
}
