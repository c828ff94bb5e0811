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
    match Signature::begin(signing, provider, terms) {
        Ok(signature) => signature.enclose(pieces, digests, provider),
        Err(error) => Step::Done(Err(error)),
    }
}

/// A multipart/signed that is being written: its wrapper is known, its content is still to come.
pub(crate) struct Signature {
    terms: SignTerms,
    key: Arc<dyn SigningKey>,
    chain: Vec<Certificate>,
    boundary: String,
    /// Digest and signature algorithm.
    identifiers: (AlgorithmIdentifier, AlgorithmIdentifier),
}

impl Signature {
    pub(crate) fn begin(signing: &Signing, provider: &CryptoProvider, terms: SignTerms) -> Result<Self, SendError> {
        let identifiers = scheme::identifiers(terms.scheme).ok_or(SendError::SigningAlgorithm(terms.scheme))?;
        // Before the key is asked.
        signing.leaf().map(|leaf| signer_id(leaf, terms.quirks.signer_id)).transpose()?;
        let mut random = [0; 16];
        provider.fill_random(&mut random)?;
        let boundary = boundary_token(&random);
        let (key, chain) = (Arc::clone(&signing.key), signing.chain.clone());
        Ok(Self { terms, key, chain, boundary, identifiers })
    }

    /// Header of the multipart/signed.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let (boundary, micalg) = (&self.boundary, self.terms.quirks.micalg_names.spell(self.terms.scheme.digest()));
        let content_type = format!(
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg={micalg}; boundary=\"{boundary}\""
        );
        vec![("Content-Type", content_type)]
    }

    /// What stands before the signed entity.
    pub(crate) fn opening(&self) -> String {
        format!("--{}\r\n", self.boundary)
    }

    /// Whether the key needs all octets of the entity, not only their digest.
    pub(crate) fn signs_content(&self) -> bool {
        !self.terms.quirks.signed_attributes && self.terms.scheme.signs_message()
    }

    /// Octets behind the signed entity; `None` if signatures of this key differ in length.
    pub(crate) fn closing_len(&self) -> Result<Option<u64>, SendError> {
        let Some(length) = self.key.signature_len(self.terms.scheme) else { return Ok(None) };
        let digest = vec![0; self.terms.scheme.digest().output_len()];
        let cms = self.signed_data(self.attributes(&digest).as_deref(), &vec![0; length])?;
        Ok(u64::try_from(self.closing(&cms).len()).ok())
    }

    /// Signs an entity that is at hand as a whole.
    pub(crate) fn enclose(
        self,
        pieces: Vec<Bytes>,
        digests: &[DigestValue],
        provider: &CryptoProvider,
    ) -> Step<Result<Part, SendError>> {
        let fields = self.fields();
        let opening = Bytes::from(self.opening());
        // What is signed is the content itself: only a scheme that digests it once more gets a copy.
        let content = self.signs_content().then(|| Bytes::from(pieces.concat()));
        self.close(digests, content, provider).map(move |closing| {
            let mut body = Vec::with_capacity(pieces.len() + 2);
            body.push(opening);
            body.extend(pieces);
            body.push(Bytes::from(closing?));
            Ok(Part { fields, body })
        })
    }

    /// Asks the key, and gives what stands behind the signed entity. `content` is that entity, if the key needs it.
    pub(crate) fn close(
        self,
        digests: &[DigestValue],
        content: Option<Bytes>,
        provider: &CryptoProvider,
    ) -> Step<Result<Vec<u8>, SendError>> {
        let (attributes, request) = match self.request(digests, content, provider) {
            Ok(prepared) => prepared,
            Err(error) => return Step::Done(Err(error)),
        };
        let key = Arc::clone(&self.key);
        Step::ask(KeyRequest::Sign { key, request }, move |answer: Result<SecretBytes, KeyError>| {
            Step::Done(answer.map_err(SendError::Key).and_then(|signature| {
                let cms = self.signed_data(attributes.as_deref(), signature.as_bytes())?;
                Ok(self.closing(&cms))
            }))
        })
    }

    /// The signed attributes, and what the key is asked.
    fn request(
        &self,
        digests: &[DigestValue],
        content: Option<Bytes>,
        provider: &CryptoProvider,
    ) -> Result<(Option<Vec<u8>>, SignRequest), SendError> {
        let scheme = self.terms.scheme;
        let digest = mic::pick(digests, scheme.digest()).ok_or(SendError::SigningAlgorithm(scheme))?;
        let Some(attributes) = self.attributes(digest.as_bytes()) else {
            let request = SignRequest::new(scheme, digest.clone());
            return Ok((None, content.into_iter().fold(request, SignRequest::with_message)));
        };
        let tbs = signed::set_of(&attributes);
        let digest = provider.digest(scheme.digest(), &tbs)?;
        Ok((Some(attributes), SignRequest::new(scheme, digest).with_message(tbs)))
    }

    fn attributes(&self, digest: &[u8]) -> Option<Vec<u8>> {
        let (quirks, now) = (&self.terms.quirks, self.terms.now);
        let protection = quirks.algorithm_protection.then_some((&self.identifiers.0, &self.identifiers.1));
        quirks.signed_attributes.then(|| signed::signed_attributes(&oid::DATA, digest, Some(now), protection))
    }

    fn signed_data(&self, attributes: Option<&[u8]>, signature: &[u8]) -> Result<Vec<u8>, SendError> {
        let quirks = &self.terms.quirks;
        let leaf = self.chain.first().ok_or(SetupError::NoSigningKey)?;
        let embedded: Vec<&[u8]> = match quirks.embed {
            Embed::None => Vec::new(),
            Embed::Leaf => vec![leaf.der()],
            Embed::Chain => self.chain.iter().map(Certificate::der).collect(),
        };
        Ok(signed::write_signed_data(&SignedDataParts {
            digest_algorithm: &self.identifiers.0,
            certificates: &embedded,
            sid: signer_id(leaf, quirks.signer_id)?,
            signed_attributes: attributes,
            signature_algorithm: &self.identifiers.1,
            signature,
        }))
    }

    fn closing(&self, cms: &[u8]) -> Vec<u8> {
        let (boundary, encoding) = (&self.boundary, self.terms.quirks.signature_encoding);
        let name = match encoding {
            SignatureEncoding::Base64 => "base64",
            SignatureEncoding::Binary => "binary",
        };
        let mut closing = format!(
            "\r\n--{boundary}\r\n\
             Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: {name}\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        )
        .into_bytes();
        match encoding {
            SignatureEncoding::Base64 => {
                let mut encoder = LineEncoder::new(64);
                encoder.push(cms, &mut closing);
                // The encoder ends its last line; that line end is the one before the delimiter.
                encoder.finish(&mut closing);
            }
            SignatureEncoding::Binary => {
                closing.extend_from_slice(cms);
                closing.extend_from_slice(b"\r\n");
            }
        }
        closing.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        closing
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
