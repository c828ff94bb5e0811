//! Which octets a partner hashed, when the integrity check of his receipt is not that of what was sent.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::CryptoProvider;
use crate::limits::Limits;
use crate::mdn::MicField;
use crate::message::parts::document;
use crate::message::payload::Payload;
use crate::mime::canonical::Canonicalizer;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::profile::FilenameStyle;
use crate::receipt::incoming::IncomingMdn;
use crate::receipt::pending::PendingReceipt;
use crate::smime::join;
use crate::smime::mic::Digests;
use crate::stored::StoredRequest;

/// What a receipt's integrity check was computed over. [`fmt::Display`] says it in a sentence fit for a letter to the partner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MicDiagnosis {
    /// Over what was sent, with the digest that the receipt names: there is no mismatch.
    Equal,
    /// Over other octets, or with another digest than the receipt names.
    Found {
        /// The octets.
        octets: HashedOctets,
        /// The digest that was used.
        algorithm: DigestAlgorithm,
        /// The name that the receipt gives to it.
        named: String,
    },
    /// Over another message of ours.
    OtherMessage {
        /// Its Message-ID.
        message_id: String,
    },
    /// Over nothing that could be thought of: the content was changed on its way, or another document was hashed.
    Unknown,
    /// The receipt has no integrity check, or one that cannot be read.
    Unreadable,
}

/// Octets that partners are known to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashedOctets {
    /// What the agreement says: RFC 4130 section 7.3.1, RFC 5402 section 4.
    AsAgreed,
    /// The payload part with its MIME header, as sent.
    Entity,
    /// The payload part with its MIME header, all line ends made CRLF.
    EntityInCrlf,
    /// The payload part with its MIME header, without its last line end.
    EntityWithoutLastLineEnd,
    /// The payload part with its MIME header and one more line end.
    EntityWithLineEnd,
    /// The payload without its MIME header.
    Payload,
    /// The payload without its MIME header, all line ends made CRLF.
    PayloadInCrlf,
    /// The payload in base64, in lines of 76 characters.
    PayloadInBase64,
    /// The first part of multipart/signed as sent: the compressed entity, if it was compressed before it was signed.
    SignedPart,
    /// The whole HTTP body.
    Body,
    /// No octets at all.
    Nothing,
}

impl fmt::Display for MicDiagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("The integrity check is that of what was sent."),
            Self::Found { octets, algorithm, named } => {
                write!(f, "The integrity check was computed over {octets} with {algorithm}")?;
                if DigestAlgorithm::from_micalg(named) != Some(*algorithm) {
                    write!(f, ", although the receipt names {}", crate::name::printable(named))?;
                }
                match octets {
                    HashedOctets::AsAgreed => f.write_str("."),
                    _ => f.write_str("; it should cover the entity that was signed, octet for octet as it was sent."),
                }
            }
            Self::OtherMessage { message_id } => {
                write!(f, "The integrity check is that of another message, {message_id}.")
            }
            Self::Unknown => f.write_str(
                "The integrity check fits neither what was sent nor any form of it that is known to be hashed by \
                 mistake: the content was changed on its way, or other content was hashed.",
            ),
            Self::Unreadable => f.write_str("The receipt has no integrity check that can be read."),
        }
    }
}

impl fmt::Display for HashedOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsAgreed => "what was sent",
            Self::Entity => "the document with its MIME header",
            Self::EntityInCrlf => "the document with its MIME header, with all line ends made CRLF",
            Self::EntityWithoutLastLineEnd => "the document with its MIME header, without its last line end",
            Self::EntityWithLineEnd => "the document with its MIME header and one line end more",
            Self::Payload => "the document without its MIME header",
            Self::PayloadInCrlf => "the document without its MIME header, with all line ends made CRLF",
            Self::PayloadInBase64 => "the document in base64",
            Self::SignedPart => "the first part of multipart/signed",
            Self::Body => "the whole HTTP body",
            Self::Nothing => "nothing at all",
        })
    }
}

impl PendingReceipt {
    /// Finds out which octets the integrity check of a receipt was computed over, and with which digest.
    ///
    /// `payload` is the document as it was given to the builder, `request` the message as it was sent, if it is still
    /// at hand. `others` are further messages that wait: receipts are mixed up, too. Each form is hashed once for each
    /// digest of the right length.
    #[must_use]
    pub fn diagnose(
        &self,
        receipt: &IncomingMdn,
        payload: &Payload,
        request: Option<&StoredRequest>,
        others: &[Self],
        provider: &CryptoProvider,
    ) -> MicDiagnosis {
        let Some(MicField::Mic(received)) = receipt.mic() else { return MicDiagnosis::Unreadable };
        let named = received.digest_algorithm();
        if let Some(mic) = self.mics().iter().find(|mic| mic.digest() == received.digest) {
            let (algorithm, octets) = (mic.algorithm(), HashedOctets::AsAgreed);
            if named == Some(algorithm) {
                return MicDiagnosis::Equal;
            }
            return MicDiagnosis::Found { octets, algorithm, named: received.algorithm.clone() };
        }
        let fits = |other: &&Self| other.mics().iter().any(|mic| mic.digest() == received.digest);
        if let Some(other) = others.iter().find(fits) {
            return MicDiagnosis::OtherMessage { message_id: other.message_id().to_string() };
        }
        let mut algorithms: Vec<_> =
            DigestAlgorithm::ALL.into_iter().filter(|known| known.output_len() == received.digest.len()).collect();
        algorithms.sort_by_key(|known| Some(*known) != named);
        for (octets, form) in forms(payload, request) {
            let values = Digests::of(provider, &algorithms, &form).unwrap_or_default();
            if let Some(value) = values.iter().find(|value| value.as_bytes() == received.digest) {
                return MicDiagnosis::Found { octets, algorithm: value.algorithm(), named: received.algorithm.clone() };
            }
        }
        MicDiagnosis::Unknown
    }
}

/// Every form of a message that is known to be hashed, the likeliest first.
fn forms(payload: &Payload, request: Option<&StoredRequest>) -> Vec<(HashedOctets, Vec<Bytes>)> {
    let body = payload.body().clone();
    let mut forms = vec![(HashedOctets::Nothing, Vec::new())];
    // However the file name was written; without one there is one form only.
    let styles: &[_] = match payload.filename() {
        Some(_) => &[FilenameStyle::Quoted, FilenameStyle::Bare, FilenameStyle::None],
        None => &[FilenameStyle::None],
    };
    for style in styles {
        let written = document(payload.clone(), *style, None).and_then(|part| Ok(join(part.pieces()?)));
        let Ok(entity) = written else { continue };
        let more = [entity.clone(), Bytes::from_static(b"\r\n")].to_vec();
        forms.push((HashedOctets::Entity, vec![entity.clone()]));
        forms.extend(in_crlf(&entity).map(|form| (HashedOctets::EntityInCrlf, vec![form])));
        let short = entity.strip_suffix(b"\r\n").or_else(|| entity.strip_suffix(b"\n"));
        forms.extend(short.map(|short| (HashedOctets::EntityWithoutLastLineEnd, vec![entity.slice_ref(short)])));
        forms.push((HashedOctets::EntityWithLineEnd, more));
    }
    forms.push((HashedOctets::Payload, vec![body.clone()]));
    forms.extend(in_crlf(&body).map(|form| (HashedOctets::PayloadInCrlf, vec![form])));
    forms.push((HashedOctets::PayloadInBase64, vec![in_base64(&body)]));
    if let Some(request) = request {
        forms.extend(signed_part(request).map(|part| (HashedOctets::SignedPart, vec![part])));
        forms.push((HashedOctets::Body, vec![request.body().clone()]));
    }
    forms
}

/// The CRLF form, where it is another one.
fn in_crlf(octets: &Bytes) -> Option<Bytes> {
    let (mut form, mut canonicalizer) = (Vec::with_capacity(octets.len()), Canonicalizer::new());
    canonicalizer.push(octets, &mut |piece| form.extend_from_slice(piece));
    canonicalizer.changed().then(|| form.into())
}

fn in_base64(octets: &[u8]) -> Bytes {
    let mut lines = Vec::new();
    for line in STANDARD.encode(octets).as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines.into()
}

fn signed_part(request: &StoredRequest) -> Option<Bytes> {
    let content_type = ContentType::read(request.header("content-type")?.as_bytes()).ok()?;
    let boundary = content_type.param("boundary").filter(|_| content_type.essence() == "multipart/signed")?;
    Multipart::split(request.body(), boundary, &Limits::default()).ok()?.parts.into_iter().next()
}
