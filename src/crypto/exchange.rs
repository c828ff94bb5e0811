//! What keys are asked so that a content-encryption key comes out: parameters of RSAES-OAEP, agreement, encapsulation.

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

use super::SecretBytes;
use crate::algorithm::{DigestAlgorithm, EcdhGroup, KeyTransport};
use crate::certificate::{Certificate, KeyKind};

/// What RSAES-OAEP is told beside its digest (RFC 4055 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OaepParameters {
    /// The digest inside the mask generation function MGF1. Java takes SHA-1 whatever the other digest is.
    pub mask_digest: DigestAlgorithm,
    /// The label, which nearly everybody leaves empty.
    pub label: Bytes,
}

impl OaepParameters {
    /// Both digests alike, no label: what is written.
    #[must_use]
    pub fn usual(digest: DigestAlgorithm) -> Self {
        Self { mask_digest: digest, label: Bytes::new() }
    }

    /// Parameters as a sender chose them.
    #[must_use]
    pub fn new(mask_digest: DigestAlgorithm, label: impl Into<Bytes>) -> Self {
        Self { mask_digest, label: label.into() }
    }
}

/// What a [`DecryptingKey`](super::DecryptingKey) is asked to agree on: ECDH with an ephemeral public key (RFC 5753).
///
/// The key is derived and unwrapped on this side, so any device that computes ECDH will do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreeRequest {
    /// The group of both keys.
    pub group: EcdhGroup,
    /// The sender's ephemeral public key: an uncompressed point (SEC 1 section 2.3.3), or the 32 octets of X25519.
    /// Where the request comes from an opened message, the point has been found to be on the curve.
    pub public_key: Bytes,
}

impl AgreeRequest {
    /// A request for one shared secret.
    #[must_use]
    pub fn new(group: EcdhGroup, public_key: impl Into<Bytes>) -> Self {
        Self { group, public_key: public_key.into() }
    }

    /// The public key as DER SubjectPublicKeyInfo, which some key services ask for (RFC 5480, RFC 8410).
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        spki_der(self.group, &self.public_key)
    }
}

/// An ephemeral key and the secret that it shares with a recipient.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Agreement {
    /// The ephemeral public key, encoded as in [`AgreeRequest::public_key`].
    pub public_key: Vec<u8>,
    /// The x-coordinate of the shared point, or what X25519 gives (RFC 8418 section 2).
    pub secret: SecretBytes,
}

impl Agreement {
    /// The outcome of an agreement.
    #[must_use]
    pub fn new(public_key: Vec<u8>, secret: SecretBytes) -> Self {
        Self { public_key, secret }
    }
}

/// What a [`DecryptingKey`](super::DecryptingKey) is asked to decapsulate (RFC 9629).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecapsulateRequest {
    /// The key encapsulation mechanism: ML-KEM-768 or ML-KEM-1024.
    pub kem: KeyTransport,
    /// The ciphertext, `kemct` of the KEMRecipientInfo. Where the request comes from an opened message, it has the length
    /// that the mechanism wants.
    pub ciphertext: Bytes,
}

impl DecapsulateRequest {
    /// A request for one shared secret.
    #[must_use]
    pub fn new(kem: KeyTransport, ciphertext: impl Into<Bytes>) -> Self {
        Self { kem, ciphertext: ciphertext.into() }
    }
}

/// A secret, and its encapsulation for a recipient.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Encapsulation {
    /// What travels to the recipient.
    pub ciphertext: Vec<u8>,
    /// What both share then.
    pub secret: SecretBytes,
}

impl Encapsulation {
    /// The outcome of an encapsulation.
    #[must_use]
    pub fn new(ciphertext: Vec<u8>, secret: SecretBytes) -> Self {
        Self { ciphertext, secret }
    }
}

/// The DER of a public key in a group.
pub(crate) fn spki_der(group: EcdhGroup, public_key: &[u8]) -> Vec<u8> {
    // Nothing of this has a length that DER could not write.
    let encode = || {
        let (algorithm, curve) = group.oids();
        let curve = curve.map(|curve| curve.to_der()).transpose()?.unwrap_or_default();
        let algorithm = sequence(&[algorithm.to_der()?, curve].concat())?;
        sequence(&[algorithm, BitStringRef::from_bytes(public_key)?.to_der()?].concat())
    };
    encode().unwrap_or_default()
}

/// Group and public key of a SubjectPublicKeyInfo; `None` if it is no key for ECDH.
pub(crate) fn ecdh_key(spki_der: &[u8]) -> Option<(EcdhGroup, &[u8])> {
    let spki = AnyRef::from_der(spki_der).ok().filter(|outer| outer.tag() == Tag::Sequence)?;
    let mut reader = SliceReader::new(spki.value()).ok()?;
    let algorithm = AnyRef::decode(&mut reader).ok().filter(|inner| inner.tag() == Tag::Sequence)?;
    let bits = AnyRef::decode(&mut reader).ok().filter(|inner| inner.tag() == Tag::BitString)?;
    let mut algorithm = SliceReader::new(algorithm.value()).ok()?;
    let oid = ObjectIdentifier::decode(&mut algorithm).ok()?;
    let curve = if algorithm.is_finished() { None } else { Some(ObjectIdentifier::decode(&mut algorithm).ok()?) };
    let group = EcdhGroup::ALL.into_iter().find(|group| group.oids() == (oid, curve))?;
    // The first octet counts unused bits; keys are whole octets.
    Some((group, bits.value().strip_prefix(&[0])?))
}

/// How a key travels to the holder of a certificate: as is wanted, or as suits its key where nothing is. `None` if what
/// is wanted does not fit the key, or the key is not one to encrypt to.
pub(crate) fn transport_to(certificate: &Certificate, wanted: Option<KeyTransport>) -> Option<KeyTransport> {
    let usual = match certificate.key_kind() {
        KeyKind::Rsa { .. } => KeyTransport::RsaPkcs1v15,
        KeyKind::Kem(kem) => kem,
        _ => ecdh_key(certificate.spki_der())?.0.usual_scheme(),
    };
    match wanted {
        None => Some(usual),
        // Of key encapsulation the key has one kind alone.
        Some(wanted) if wanted.is_encapsulation() || usual.is_encapsulation() => (wanted == usual).then_some(wanted),
        Some(wanted) => (wanted.is_agreement() == usual.is_agreement()).then_some(wanted),
    }
}

fn sequence(content: &[u8]) -> Result<Vec<u8>, der::Error> {
    AnyRef::new(Tag::Sequence, content)?.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn public_keys_are_encoded_as_in_certificates() {
        let certificate = Certificate::from_pem(include_bytes!("../../tests/vectors/ber/ec.crt")).unwrap();
        let spki = certificate.spki_der();
        let request = AgreeRequest::new(EcdhGroup::P256, spki[spki.len() - 65..].to_vec());
        assert_eq!(request.spki_der(), spki);
        assert_eq!(ecdh_key(spki), Some((EcdhGroup::P256, request.public_key.as_ref())));
        for end in 0..spki.len() {
            assert_eq!(ecdh_key(&spki[..end]), None);
        }
        // RFC 8410 section 10.2 has the header for Ed25519, which differs in the last arc.
        let request = AgreeRequest::new(EcdhGroup::X25519, vec![9; 32]);
        assert_eq!(request.spki_der()[..12], [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0]);
    }
}
