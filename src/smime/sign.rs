//! Signing: a MIME entity becomes multipart/signed with a detached CMS signature (RFC 8551 section 3.5.3).

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::signed::{self, SignedDataParts};
use crate::cms::{AlgorithmIdentifier, EntityIdRef, oid};
use crate::crypto::{CryptoProvider, DigestValue, KeyError, SecretBytes, SignRequest};
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
    let prepared = match prepare(&pieces, digests, signing, provider, &terms) {
        Ok(prepared) => prepared,
        Err(error) => return Step::Done(Err(error)),
    };
    let key = Arc::clone(&signing.key);
    let chain = signing.chain.clone();
    Step::ask(
        KeyRequest::Sign { key, request: prepared.request.clone() },
        move |answer: Result<SecretBytes, KeyError>| {
            Step::Done(answer.map_err(SendError::Key).and_then(|signature| {
                let cms = prepared.signed_data(&chain, &terms, signature.as_bytes())?;
                Ok(prepared.assemble(pieces, &cms, &terms))
            }))
        },
    )
}

struct Prepared {
    attributes: Option<Vec<u8>>,
    request: SignRequest,
    boundary: String,
    /// Digest and signature algorithm.
    identifiers: (AlgorithmIdentifier, AlgorithmIdentifier),
}

fn prepare(
    pieces: &[Bytes],
    digests: &[DigestValue],
    signing: &Signing,
    provider: &CryptoProvider,
    terms: &SignTerms,
) -> Result<Prepared, SendError> {
    let scheme = terms.scheme;
    let unable = || SendError::SigningAlgorithm(scheme);
    let identifiers = scheme::identifiers(scheme).ok_or_else(unable)?;
    let content = mic::pick(digests, scheme.digest()).ok_or_else(unable)?;
    // Before the key is asked.
    signing.leaf().map(|leaf| signer_id(leaf, terms.quirks.signer_id)).transpose()?;
    let mut random = [0; 16];
    provider.fill_random(&mut random)?;
    let boundary = boundary_token(&random);
    if !terms.quirks.signed_attributes {
        let request = SignRequest::new(scheme, content.clone());
        // What is signed is the content itself: only a scheme that digests it once more gets a copy.
        let request = if scheme.signs_message() { request.with_message(pieces.concat()) } else { request };
        return Ok(Prepared { attributes: None, request, boundary, identifiers });
    }
    let protection = terms.quirks.algorithm_protection.then_some((&identifiers.0, &identifiers.1));
    let attributes = signed::signed_attributes(&oid::DATA, content.as_bytes(), Some(terms.now), protection);
    let tbs = signed::set_of(&attributes);
    let digest = provider.digest(scheme.digest(), &tbs)?;
    let request = SignRequest::new(scheme, digest).with_message(tbs);
    Ok(Prepared { attributes: Some(attributes), request, boundary, identifiers })
}

impl Prepared {
    fn signed_data(&self, chain: &[Certificate], terms: &SignTerms, signature: &[u8]) -> Result<Vec<u8>, SendError> {
        let leaf = chain.first().ok_or(SetupError::NoSigningKey)?;
        let embedded: Vec<&[u8]> = match terms.quirks.embed {
            Embed::None => Vec::new(),
            Embed::Leaf => vec![leaf.der()],
            Embed::Chain => chain.iter().map(Certificate::der).collect(),
        };
        Ok(signed::write_signed_data(&SignedDataParts {
            digest_algorithm: &self.identifiers.0,
            certificates: &embedded,
            sid: signer_id(leaf, terms.quirks.signer_id)?,
            signed_attributes: self.attributes.as_deref(),
            signature_algorithm: &self.identifiers.1,
            signature,
        }))
    }

    fn assemble(&self, pieces: Vec<Bytes>, cms: &[u8], terms: &SignTerms) -> Part {
        let boundary = &self.boundary;
        let micalg = terms.quirks.micalg_names.spell(terms.scheme.digest());
        let content_type = format!(
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg={micalg}; boundary=\"{boundary}\""
        );
        let mut body = Vec::with_capacity(pieces.len() + 2);
        body.push(Bytes::from(format!("--{boundary}\r\n")));
        body.extend(pieces);
        body.push(self.tail(cms, terms.quirks.signature_encoding).into());
        Part { fields: vec![("Content-Type", content_type)], body }
    }

    fn tail(&self, cms: &[u8], encoding: SignatureEncoding) -> Vec<u8> {
        let boundary = &self.boundary;
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
