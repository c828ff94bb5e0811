//! Keys, terms and small builders for the tests of CMS structures and S/MIME transformations.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::cms::content::{self, ContentInfo, Shape};
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{AlgorithmIdentifier, EntityIdRef, ber, oid, signed};
use crate::crypto::{DigestValue, SignRequest, SigningKey};
use crate::error::ReceiveError;
use crate::note::Note;
use crate::profile::{AcceptTerms, CertificateTerms, SignedForm};
use crate::smime::decrypt::{OpenTerms, OpenedEnvelope, SealedEnvelope};
use crate::smime::verify::{SignedContent, Verified, VerifyTerms, read_signature, verify};
use crate::trust::{Signers, Trust, UseTerms};
use crate::{
    Certificate, CertificateUse, CryptoProvider, DigestAlgorithm, Identity, Limits, RsaPrivateKey, SignatureScheme,
};

/// 2026-11-24T00:00:00Z: the certificates under tests/vectors are valid then.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400)
}

macro_rules! vector {
    ($($path:literal),+) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/", $($path),+)).as_slice()
    };
}
pub(crate) use vector;

/// A certificate with its private key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: Certificate,
    pub(crate) key: Arc<RsaPrivateKey>,
}

impl Pair {
    pub(crate) fn new(certificate: &[u8], key: &[u8]) -> Self {
        let key = Arc::new(RsaPrivateKey::from_pkcs8_pem(key).unwrap());
        Self { certificate: Certificate::from_pem(certificate).unwrap(), key }
    }

    pub(crate) fn rid(&self) -> EntityIdRef<'_> {
        let (issuer, serial) = (self.certificate.issuer_der(), self.certificate.serial_octets());
        EntityIdRef::IssuerAndSerial { issuer, serial }
    }

    /// The DER of IssuerAndSerialNumber.
    pub(crate) fn issuer_and_serial(&self) -> Vec<u8> {
        let serial = tlv(ber::INTEGER, &[self.certificate.serial_octets()]);
        tlv(ber::SEQUENCE, &[self.certificate.issuer_der(), &serial])
    }

    /// The key identifier as SignerIdentifier or RecipientIdentifier has it.
    pub(crate) fn key_id(&self) -> Vec<u8> {
        tlv(ber::CONTEXT_0, &[self.certificate.subject_key_id().unwrap()])
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = sha256(message);
        let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        self.key.sign(&SignRequest::new(scheme, digest).with_message(message.to_vec())).unwrap()
    }
}

/// The RSA key of the BER corpus.
pub(crate) fn corpus_rsa() -> Pair {
    Pair::new(vector!("ber/rsa.crt"), vector!("ber/rsa.key"))
}

pub(crate) fn alice_sign() -> Pair {
    Pair::new(vector!("worked/keys/alice-sign.crt"), vector!("worked/keys/alice-sign.key"))
}

pub(crate) fn bob_sign() -> Pair {
    Pair::new(vector!("worked/keys/bob-sign.crt"), vector!("worked/keys/bob-sign.key"))
}

pub(crate) fn alice_enc() -> Pair {
    Pair::new(vector!("worked/keys/alice-enc.crt"), vector!("worked/keys/alice-enc.key"))
}

pub(crate) fn bob_enc() -> Pair {
    Pair::new(vector!("worked/keys/bob-enc.crt"), vector!("worked/keys/bob-enc.key"))
}

pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider::rustcrypto()
}

pub(crate) fn sha256(octets: &[u8]) -> DigestValue {
    provider().digest(DigestAlgorithm::Sha256, octets).unwrap()
}

/// An identity that decrypts with these keys.
pub(crate) fn decrypting(pairs: &[Pair]) -> Identity {
    let own = pairs.iter().map(|pair| (pair.certificate.clone(), Arc::clone(&pair.key)));
    own.fold(Identity::builder(provider()), |builder, (certificate, key)| builder.decrypting(certificate, key))
        .build()
        .unwrap()
}

pub(crate) fn terms(trusted: &[&Pair]) -> VerifyTerms {
    VerifyTerms {
        provider: provider(),
        signers: Signers {
            trusted: trusted.iter().map(|pair| pair.certificate.clone()).collect(),
            trust: Trust::Pin,
            terms: UseTerms::new(&CertificateTerms::default(), CertificateUse::Verification),
        },
        digests: AcceptTerms::default().digests,
        families: AcceptTerms::default().signatures,
        form: SignedForm::Tolerant,
        limits: Limits::default(),
        now: now(),
        wanted: Vec::new(),
    }
}

pub(crate) fn read(octets: impl Into<Bytes>) -> (ContentInfo, Shape) {
    content::read(octets.into(), &Limits::default()).unwrap()
}

/// Verifies a signature object over `octets`; the notes are part of the result.
pub(crate) fn check(
    octets: &[u8],
    cms: Vec<u8>,
    trusted: &[&Pair],
) -> Result<(Verified<SignedContent>, Vec<Note>), ReceiveError> {
    let signed = read_signature(cms.into(), &Limits::default())?;
    let mut notes = Vec::new();
    let verified = verify(Bytes::copy_from_slice(octets), &signed, &terms(trusted), &mut notes);
    verified.map(|verified| (verified, notes)).map_err(|unverified| unverified.error)
}

/// Decrypts an envelope with the keys of `us`.
pub(crate) fn open(info: ContentInfo, us: &Identity) -> Result<OpenedEnvelope, ReceiveError> {
    open_under(info, us, &AcceptTerms::default())
}

/// Decrypts an envelope with the keys of `us`, under terms.
pub(crate) fn open_under(
    info: ContentInfo,
    us: &Identity,
    accept: &AcceptTerms,
) -> Result<OpenedEnvelope, ReceiveError> {
    let terms = OpenTerms { us, provider: &provider(), accept, limits: &Limits::default() };
    let sealed = match info {
        ContentInfo::Enveloped(data) => SealedEnvelope::enveloped(data, terms)?,
        ContentInfo::AuthEnveloped(data) => SealedEnvelope::authenticated(data, terms)?,
        other => panic!("not an envelope: {other:?}"),
    };
    let answer = sealed.request().ask().map(crate::crypto::SecretBytes::new);
    sealed.open(answer, &provider())
}

pub(crate) fn null() -> Option<Bytes> {
    Some(Bytes::from_static(&[5, 0]))
}

pub(crate) fn algorithm(oid: ObjectIdentifier, parameters: Option<Bytes>) -> AlgorithmIdentifier {
    AlgorithmIdentifier { oid, parameters }
}

pub(crate) fn attribute(oid: &ObjectIdentifier, values: &[&[u8]]) -> Vec<u8> {
    tlv(ber::SEQUENCE, &[&write_oid(oid), &tlv(ber::SET, values)])
}

pub(crate) fn content_type() -> Vec<u8> {
    attribute(&oid::CONTENT_TYPE, &[&write_oid(&oid::DATA)])
}

pub(crate) fn message_digest(content: &[u8]) -> Vec<u8> {
    attribute(&oid::MESSAGE_DIGEST, &[&tlv(ber::OCTET_STRING, &[sha256(content).as_bytes()])])
}

/// One SignerInfo, each element of which can be changed before it is written.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) version: u8,
    /// The DER SignerIdentifier.
    pub(crate) sid: Vec<u8>,
    pub(crate) digest: AlgorithmIdentifier,
    /// Content of the signed attributes, as it is written.
    pub(crate) attributes: Option<Vec<u8>>,
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) signature: Vec<u8>,
}

impl Signer {
    /// The usual SignerInfo of `pair` with the given signature value.
    pub(crate) fn new(pair: &Pair, attributes: Option<Vec<u8>>, signature: Vec<u8>) -> Self {
        Self {
            version: 1,
            sid: pair.issuer_and_serial(),
            digest: algorithm(DigestAlgorithm::Sha256.oid(), None),
            attributes,
            algorithm: algorithm(oid::RSA_ENCRYPTION, null()),
            signature,
        }
    }

    /// One with these attributes, written and signed in this order.
    pub(crate) fn over(pair: &Pair, attributes: &[Vec<u8>]) -> Self {
        let content = attributes.concat();
        let signature = pair.sign(&signed::set_of(&content));
        Self::new(pair, Some(content), signature)
    }

    /// One with contentType and messageDigest, sorted.
    pub(crate) fn usual(pair: &Pair, content: &[u8]) -> Self {
        Self::over(pair, &[content_type(), message_digest(content)])
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let attributes = self.attributes.as_ref().map(|content| tlv(ber::CONTEXT_0_CONSTRUCTED, &[content]));
        tlv(
            ber::SEQUENCE,
            &[
                &integer(self.version),
                &self.sid,
                &self.digest.encode(),
                attributes.as_deref().unwrap_or_default(),
                &self.algorithm.encode(),
                &tlv(ber::OCTET_STRING, &[&self.signature]),
            ],
        )
    }
}

/// A detached signature; `extra` stands between the content and the signers: certificates and revocation lists.
pub(crate) fn signed_data(signers: &[&Signer], extra: &[u8]) -> Vec<u8> {
    let infos: Vec<_> = signers.iter().map(|signer| signer.encode()).collect();
    let infos: Vec<_> = infos.iter().map(Vec::as_slice).collect();
    let version = signers.iter().map(|signer| signer.version).max().unwrap_or(1);
    let content = [
        integer(version),
        tlv(ber::SET, &[&algorithm(DigestAlgorithm::Sha256.oid(), None).encode()]),
        tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]),
        extra.to_vec(),
        tlv(ber::SET, &infos),
    ];
    content_info(&oid::SIGNED_DATA, &content.concat())
}

/// A ContentInfo around the content of its SEQUENCE.
pub(crate) fn content_info(kind: &ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    let inner = tlv(ber::SEQUENCE, &[content]);
    tlv(ber::SEQUENCE, &[&write_oid(kind), &tlv(ber::CONTEXT_0_CONSTRUCTED, &[&inner])])
}

/// One DER element.
#[derive(Clone, Debug)]
pub(crate) struct Der(pub(crate) Vec<u8>);

impl Der {
    pub(crate) fn content(&self) -> &[u8] {
        ber::Cursor::new(&self.0, 8).next().unwrap().unwrap().content
    }
}

/// The elements one after the other.
pub(crate) fn children(octets: &[u8]) -> Vec<Der> {
    let (mut cursor, mut all) = (ber::Cursor::new(octets, 8), Vec::new());
    while let Some(child) = cursor.next().unwrap() {
        all.push(Der(child.raw.to_vec()));
    }
    all
}
