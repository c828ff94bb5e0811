//! Which octets a partner hashed, when the integrity check of his receipt is not that of what was sent.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{CryptoProvider, DigestValue};
use crate::limits::Limits;
use crate::mdn::MicField;
use crate::message::parts::document;
use crate::message::payload::Payload;
use crate::mime::canonical::{self, Canonicalizer};
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::profile::FilenameStyle;
use crate::receipt::incoming::IncomingMdn;
use crate::receipt::pending::PendingReceipt;
use crate::smime::mic::{Mic, MicScope};
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
        /// What it should cover.
        scope: MicScope,
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
            Self::Found { octets, algorithm, named, scope } => {
                write!(f, "The integrity check was computed over {octets} with {algorithm}")?;
                if DigestAlgorithm::from_micalg(named) != Some(*algorithm) {
                    write!(f, ", although the receipt names {}", crate::name::printable(named))?;
                }
                match octets {
                    HashedOctets::AsAgreed => f.write_str("."),
                    _ => write!(f, "; it should cover {}, octet for octet as it was sent.", agreed(*scope)),
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

/// What is hashed by agreement (RFC 4130 section 7.3.1, RFC 5402 section 4).
fn agreed(scope: MicScope) -> &'static str {
    match scope {
        MicScope::SignedEntity => "the entity that was signed",
        MicScope::WholeEntity => "the document with its MIME header, before it was compressed or encrypted",
        MicScope::BodyOnly => "the document without its MIME header",
    }
}

impl PendingReceipt {
    /// Finds out which octets the integrity check of a receipt was computed over, and with which digest.
    ///
    /// `payload` is the document as it was given to the builder, `request` the message as it was sent, if it is still
    /// at hand. `others` are further messages that wait: receipts are mixed up, too. Each form is hashed once, and none is
    /// copied.
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
        let fits = |mic: &&Mic| mic.digest() == received.digest;
        // What settles the message is no mismatch: OpenAS2 and mendelson leave the header of compressed documents out.
        if self.mics().iter().chain(self.variants()).filter(fits).any(|mic| named == Some(mic.algorithm())) {
            return MicDiagnosis::Equal;
        }
        // No two digests have the same length.
        let Some(algorithm) =
            DigestAlgorithm::ALL.into_iter().find(|known| known.output_len() == received.digest.len())
        else {
            return MicDiagnosis::Unknown;
        };
        let found = |octets| {
            let (named, scope) = (received.algorithm.clone(), self.mic_scope());
            MicDiagnosis::Found { octets, algorithm, named, scope }
        };
        if self.mics().iter().any(|mic| fits(&mic)) {
            return found(HashedOctets::AsAgreed);
        }
        let is_theirs = |other: &&Self| other.mics().iter().chain(other.variants()).any(|mic| fits(&mic));
        if let Some(other) = others.iter().find(is_theirs) {
            return MicDiagnosis::OtherMessage { message_id: other.message_id().to_string() };
        }
        let fits =
            |form: &Form| form.digest(provider, algorithm).is_some_and(|value| value.as_bytes() == received.digest);
        forms(payload, request)
            .into_iter()
            .find(|(_, form)| fits(form))
            .map_or(MicDiagnosis::Unknown, |(octets, _)| found(octets))
    }
}

/// Octets to be hashed: pieces that are shared with the message, and what is done to them on the way.
enum Form {
    AsTheyAre(Vec<Bytes>),
    InCrlf(Vec<Bytes>),
    InBase64(Bytes),
}

impl Form {
    /// `None` where it is no form of its own, or the digest is not provided.
    fn digest(&self, provider: &CryptoProvider, algorithm: DigestAlgorithm) -> Option<DigestValue> {
        let mut digest = provider.start_digest(algorithm).ok()?;
        match self {
            Self::AsTheyAre(pieces) => pieces.iter().for_each(|piece| digest.update(piece)),
            Self::InCrlf(pieces) => {
                let mut canonicalizer = Canonicalizer::new();
                for piece in pieces {
                    canonicalizer.push(piece, &mut |octets| digest.update(octets));
                }
                if !canonicalizer.changed() {
                    return None;
                }
            }
            Self::InBase64(octets) => {
                for line in octets.chunks(BASE64_LINE) {
                    digest.update(STANDARD.encode(line).as_bytes());
                    digest.update(b"\r\n");
                }
            }
        }
        Some(digest.finish())
    }
}

/// Octets that a line of 76 characters in base64 holds (RFC 2045 section 6.8).
const BASE64_LINE: usize = 57;

/// Every form of a message that is known to be hashed, the likeliest first.
fn forms(payload: &Payload, request: Option<&StoredRequest>) -> Vec<(HashedOctets, Form)> {
    let body = payload.body();
    let mut forms = vec![(HashedOctets::Nothing, Form::AsTheyAre(Vec::new()))];
    // However the file name was written; without one there is one form only.
    let styles: &[_] = match payload.filename() {
        Some(_) => &[FilenameStyle::Quoted, FilenameStyle::Bare, FilenameStyle::None],
        None => &[FilenameStyle::None],
    };
    for style in styles {
        let written = document(payload.clone(), *style, None).and_then(|part| Ok(part.pieces()?));
        let Ok(entity) = written else { continue };
        let more = entity.iter().cloned().chain([Bytes::from_static(b"\r\n")]).collect();
        forms.push((HashedOctets::Entity, Form::AsTheyAre(entity.clone())));
        forms.push((HashedOctets::EntityInCrlf, Form::InCrlf(entity.clone())));
        let short = without_last_line_end(entity);
        forms.extend(short.map(|short| (HashedOctets::EntityWithoutLastLineEnd, Form::AsTheyAre(short))));
        forms.push((HashedOctets::EntityWithLineEnd, Form::AsTheyAre(more)));
    }
    forms.push((HashedOctets::Payload, Form::AsTheyAre(vec![body.clone()])));
    forms.push((HashedOctets::PayloadInCrlf, Form::InCrlf(vec![body.clone()])));
    forms.push((HashedOctets::PayloadInBase64, Form::InBase64(body.clone())));
    if let Some(request) = request {
        forms.extend(signed_part(request).map(|part| (HashedOctets::SignedPart, Form::AsTheyAre(vec![part]))));
        forms.push((HashedOctets::Body, Form::AsTheyAre(vec![request.body().clone()])));
    }
    forms
}

/// The pieces without the line end of the last one that has octets, if it has one.
fn without_last_line_end(mut pieces: Vec<Bytes>) -> Option<Vec<Bytes>> {
    let last = pieces.iter_mut().rfind(|piece| !piece.is_empty())?;
    *last = last.slice_ref(canonical::without_last_line_end(last)?);
    Some(pieces)
}

fn signed_part(request: &StoredRequest) -> Option<Bytes> {
    let content_type = ContentType::read(request.header("content-type")?.as_bytes()).ok()?;
    let boundary = content_type.param("boundary").filter(|_| content_type.essence() == "multipart/signed")?;
    Multipart::split(request.body(), boundary, &Limits::default()).ok()?.parts.into_iter().next()
}
