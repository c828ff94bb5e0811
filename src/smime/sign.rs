//! Signing: a MIME entity becomes multipart/signed with a detached CMS signature (RFC 8551 section 3.5.3).

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::signed::{self, SignedDataParts};
use crate::cms::{AlgorithmIdentifier, EntityIdRef, oid};
use crate::crypto::{CryptoProvider, DigestValue, KeyError, SecretBytes, SignRequest, SigningKey};
use crate::error::{SendError, SetupError};
use crate::identity::Signing;
use crate::mime::transfer::LineEncoder;
use crate::mime::write::boundary_token;
use crate::profile::{Embed, MicalgNames, Quirks, SignatureEncoding, SignerId};
use crate::smime::{Part, mic, scheme};
use crate::step::{KeyRequest, Step};

/// How a signature is made.
#[derive(Clone, Debug)]
pub(crate) struct SignTerms {
    pub(crate) scheme: SignatureScheme,
    pub(crate) quirks: Quirks,
    /// Written as signing-time.
    pub(crate) now: SystemTime,
}

/// Signs the entity in `pieces`. `digests` holds the digest of the same octets: nothing is hashed twice.
pub(crate) fn sign(
    pieces: Vec<Bytes>,
    digests: &[DigestValue],
    signing: &Signing,
    provider: &CryptoProvider,
    terms: SignTerms,
) -> Step<Result<Part, SendError>> {
    let signature = match Signature::begin(signing, provider, terms) {
        Ok(signature) => signature,
        Err(error) => return Step::Done(Err(error)),
    };
    let fields = vec![signature.content_type()];
    let start = Bytes::from(signature.delimiter());
    signature.ask(&pieces, digests, provider).and_then_ok(move |tail| {
        let body = std::iter::once(start).chain(pieces).chain([tail.into()]).collect();
        Step::Done(Ok(Part { fields, body }))
    })
}

/// The way to what follows a signed entity in its multipart/signed.
pub(crate) type SignatureStep = Step<Result<Vec<u8>, SendError>>;

/// A signature to be made, over an entity whose digest need not be known yet.
pub(crate) struct Signature {
    key: Arc<dyn SigningKey>,
    chain: Vec<Certificate>,
    terms: SignTerms,
    boundary: String,
    /// Digest and signature algorithm.
    identifiers: (AlgorithmIdentifier, AlgorithmIdentifier),
}

impl Signature {
    /// Settles everything that can fail before the content is looked at.
    pub(crate) fn begin(signing: &Signing, provider: &CryptoProvider, terms: SignTerms) -> Result<Self, SendError> {
        let unable = || SendError::SigningAlgorithm(terms.scheme);
        let identifiers = scheme::identifiers(terms.scheme).ok_or_else(unable)?;
        signing.leaf().map(|leaf| signer_id(leaf, terms.quirks.signer_id)).transpose()?;
        let mut random = [0; 16];
        provider.fill_random(&mut random)?;
        let boundary = boundary_token(&random);
        Ok(Self { key: Arc::clone(&signing.key), chain: signing.chain.clone(), terms, boundary, identifiers })
    }

    /// The header field of the multipart/signed.
    pub(crate) fn content_type(&self) -> (&'static str, String) {
        let boundary = &self.boundary;
        let micalg = self.terms.quirks.micalg_names.spell(self.terms.scheme.digest());
        let value = format!(
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg={micalg}; boundary=\"{boundary}\""
        );
        ("Content-Type", value)
    }

    /// What stands between that header and the signed entity.
    pub(crate) fn delimiter(&self) -> String {
        format!("--{}\r\n", self.boundary)
    }

    /// About how many octets follow the signed entity, rather too many than too few.
    pub(crate) fn tail_len(&self) -> usize {
        let certificates: usize = self.embedded().iter().map(|certificate| certificate.len()).sum();
        let issuer = self.chain.first().map_or(0, |leaf| leaf.issuer_der().len());
        let signature = self.key.signature_len(self.terms.scheme).unwrap_or(256).min(4096);
        // Base64 makes four octets of three, and line ends.
        (certificates + issuer + signature + 512) * 3 / 2 + 512
    }

    /// Asks the key. The answer becomes all that follows the signed entity, whose digest is among `digests`.
    pub(crate) fn ask(self, pieces: &[Bytes], digests: &[DigestValue], provider: &CryptoProvider) -> SignatureStep {
        let (attributes, request) = match self.request(pieces, digests, provider) {
            Ok(question) => question,
            Err(error) => return Step::Done(Err(error)),
        };
        let key = Arc::clone(&self.key);
        Step::ask(KeyRequest::Sign { key, request }, move |answer: Result<SecretBytes, KeyError>| {
            Step::Done(answer.map_err(SendError::Key).and_then(|signature| {
                let cms = self.signed_data(attributes.as_deref(), signature.as_bytes())?;
                Ok(self.tail(&cms))
            }))
        })
    }

    /// The signed attributes, if there are to be any, and what the key is asked.
    fn request(
        &self,
        pieces: &[Bytes],
        digests: &[DigestValue],
        provider: &CryptoProvider,
    ) -> Result<(Option<Vec<u8>>, SignRequest), SendError> {
        let SignTerms { scheme, quirks, now } = &self.terms;
        let scheme = *scheme;
        let content = mic::pick(digests, scheme.digest()).ok_or(SendError::SigningAlgorithm(scheme))?;
        if !quirks.signed_attributes {
            let request = SignRequest::new(scheme, content.clone());
            // What is signed is the content itself: only a scheme that digests it once more gets a copy.
            let whole = (scheme == SignatureScheme::Ed25519).then(|| pieces.concat());
            return Ok((None, whole.into_iter().fold(request, SignRequest::with_message)));
        }
        let protection = quirks.algorithm_protection.then_some((&self.identifiers.0, &self.identifiers.1));
        let attributes = signed::signed_attributes(&oid::DATA, content.as_bytes(), Some(*now), protection);
        let tbs = signed::set_of(&attributes);
        let digest = provider.digest(scheme.digest(), &tbs)?;
        Ok((Some(attributes), SignRequest::new(scheme, digest).with_message(tbs)))
    }

    fn embedded(&self) -> Vec<&[u8]> {
        let count = match self.terms.quirks.embed {
            Embed::None => 0,
            Embed::Leaf => 1,
            Embed::Chain => self.chain.len(),
        };
        self.chain.iter().take(count).map(Certificate::der).collect()
    }

    fn signed_data(&self, attributes: Option<&[u8]>, signature: &[u8]) -> Result<Vec<u8>, SendError> {
        let leaf = self.chain.first().ok_or(SetupError::NoSigningKey)?;
        Ok(signed::write_signed_data(&SignedDataParts {
            digest_algorithm: &self.identifiers.0,
            certificates: &self.embedded(),
            sid: signer_id(leaf, self.terms.quirks.signer_id)?,
            signed_attributes: attributes,
            signature_algorithm: &self.identifiers.1,
            signature,
        }))
    }

    fn tail(&self, cms: &[u8]) -> Vec<u8> {
        let (boundary, encoding) = (&self.boundary, self.terms.quirks.signature_encoding);
        let name = match encoding {
            SignatureEncoding::Base64 => "base64",
            SignatureEncoding::Binary => "binary",
        };
        let mut tail = format!(
            "\r\n--{boundary}\r\n\
             Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: {name}\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        )
        .into_bytes();
        match encoding {
            SignatureEncoding::Base64 => {
                let mut encoder = LineEncoder::new(64);
                encoder.push(cms, &mut tail);
                // The encoder ends its last line; that line end is the one before the delimiter.
                encoder.finish(&mut tail);
            }
            SignatureEncoding::Binary => {
                tail.extend_from_slice(cms);
                tail.extend_from_slice(b"\r\n");
            }
        }
        tail.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        tail
    }
}

fn signer_id(leaf: &Certificate, how: SignerId) -> Result<EntityIdRef<'_>, SetupError> {
    match how {
        SignerId::IssuerSerial => {
            Ok(EntityIdRef::IssuerAndSerial { issuer: leaf.issuer_der(), serial: leaf.serial_octets() })
        }
        SignerId::KeyId => {
            let missing = || SetupError::NoKeyIdentifier { subject: leaf.subject().to_owned() };
            leaf.subject_key_id().map(EntityIdRef::SubjectKeyId).ok_or_else(missing)
        }
    }
}

impl MicalgNames {
    /// The list for `Disposition-Notification-Options`.
    pub(crate) fn list(self, digests: &[DigestAlgorithm]) -> Vec<&'static str> {
        digests.iter().map(|digest| self.spell(*digest)).collect()
    }
}
