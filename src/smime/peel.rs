//! Opening a message layer by layer, until the payload: what each layer *is* decides, not what its label says.

mod documents;
mod policy;
mod wrapper;

use std::time::SystemTime;

use bytes::Bytes;

use crate::cms::compressed::CompressedData;
use crate::cms::content::{self, ContentInfo, ContentKind};
use crate::crypto::CryptoProvider;
use crate::error::{DecompressionFault, DecryptionFault, Exposure, ReceiveError};
use crate::identity::{Identity, OwnCertificate};
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::filename;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::mime::related::Document;
use crate::mime::transfer::{TransferEncoding, decode, decode_der};
use crate::note::Note;
use crate::profile::AcceptTerms;
use crate::smime::compress::{InflateBudget, is_zlib, unpack};
use crate::smime::decrypt::{OpenTerms, SealedEnvelope};
use crate::smime::layer::{
    Layer, boundary_note, declared_smime_type, is_head, micalg_note, repeated_head, smime_type_note, surroundings_notes,
};
use crate::smime::mic::{Digests, Mic, MicRule, MicScope, pick};
use crate::smime::verify::{SignedContent, Unverified, Verified, VerifyTerms, read_signature, verify, verify_part};
use crate::step::Step;
use crate::trust::Signers;

/// What opening needs to know.
#[derive(Clone, Debug)]
pub(crate) struct PeelTerms {
    pub(crate) us: Identity,
    pub(crate) provider: CryptoProvider,
    pub(crate) signers: Signers,
    pub(crate) accept: AcceptTerms,
    pub(crate) limits: Limits,
    pub(crate) now: SystemTime,
    pub(crate) mic: MicRule,
}

/// The outermost entity, or the one inside the layers opened so far.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) transfer: Option<Vec<u8>>,
    pub(crate) disposition: Option<Vec<u8>>,
    pub(crate) body: Bytes,
    /// Header and body as transmitted; `None` outermost, where the header is HTTP's.
    pub(crate) whole: Option<Bytes>,
}

/// A message whose layers are all open.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) filename: Option<String>,
    pub(crate) body: Bytes,
    /// The documents of a collection; empty where the payload is a single one.
    pub(crate) documents: Vec<Document>,
    pub(crate) trail: Trail,
    pub(crate) mic: Mic,
    pub(crate) mic_scope: MicScope,
}

/// What was met on the way in, whether or not the end was reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    pub(crate) layers: Vec<Layer>,
    pub(crate) notes: Vec<Note>,
    pub(crate) signature: Option<Verified<SignedContent>>,
    /// The signature part as received (CMS), for the archive.
    pub(crate) signature_cms: Option<Bytes>,
    pub(crate) envelope_key: Option<Vec<u8>>,
    /// The key of ours that decrypted, of the outermost envelope.
    pub(crate) decrypted_with: Option<OwnCertificate>,
    /// Whether the payload was protected by a verified authentication tag.
    pub(crate) sealed: bool,
}

/// A message that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: ReceiveError,
    pub(crate) exposure: Exposure,
    /// The MIC of the signed content, where it could be computed although the signature is bad.
    pub(crate) mic: Option<Mic>,
    pub(crate) trail: Trail,
}

/// Opens all layers of `outer`.
pub(crate) fn peel(outer: Current, terms: PeelTerms) -> Step<Result<Opened, Box<Failure>>> {
    let budget = InflateBudget::new(&terms.limits);
    let peel = Peel {
        terms,
        current: outer,
        trail: Trail::default(),
        exposure: Exposure::Open,
        taint: None,
        malleable: false,
        budget,
        digests: Vec::new(),
    };
    peel.without_wrapper().run()
}

struct Peel {
    terms: PeelTerms,
    current: Current,
    trail: Trail,
    exposure: Exposure,
    taint: Option<DecryptionFault>,
    /// Whether the signature may have been changed on the way without showing it.
    malleable: bool,
    budget: InflateBudget,
    /// Digests of the content of a signature that failed.
    digests: Vec<crate::crypto::DigestValue>,
}

enum Kind {
    Payload,
    MultipartSigned,
    Cms,
}

impl Peel {
    fn run(mut self) -> Step<Result<Opened, Box<Failure>>> {
        loop {
            let opened = match self.kind() {
                Kind::Payload => return Step::Done(self.finish()),
                _ if self.trail.layers.len() >= self.terms.limits.nesting => {
                    Err(ReceiveError::Limit { what: "nesting of layers", limit: as_u64(self.terms.limits.nesting) })
                }
                Kind::MultipartSigned => self.multipart_signed().map(|()| None),
                Kind::Cms => self.cms(),
            };
            match opened {
                Ok(None) => {}
                Ok(Some(envelope)) => return self.unwrap(envelope),
                Err(error) => return Step::Done(Err(self.fail(error))),
            }
        }
    }

    fn kind(&self) -> Kind {
        let Some(content_type) = &self.current.content_type else { return Kind::Payload };
        match content_type.essence() {
            "multipart/signed" => Kind::MultipartSigned,
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => Kind::Cms,
            // Partners who send encrypted files through generic stacks label them by name only (RFC 8551 section 3.10).
            "application/octet-stream" if self.has_smime_name() => Kind::Cms,
            _ => Kind::Payload,
        }
    }

    fn has_smime_name(&self) -> bool {
        let is_smime = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.ends_with(".p7m") || name.ends_with(".p7z")
        };
        let by_type = self.current.content_type.as_ref().and_then(|content_type| content_type.param("name"));
        by_type.is_some_and(is_smime) || self.filename().as_deref().is_some_and(is_smime)
    }

    fn filename(&self) -> Option<String> {
        filename::received(self.current.disposition.as_deref(), self.current.content_type.as_ref())
    }

    fn multipart_signed(&mut self) -> Result<(), ReceiveError> {
        let content_type = self.current.content_type.clone();
        let parameter = |name| content_type.as_ref().and_then(|content_type: &ContentType| content_type.param(name));
        let (boundary, micalg) = (parameter("boundary").unwrap_or_default(), parameter("micalg").unwrap_or_default());
        let body = std::mem::take(&mut self.current.body);
        let split = Multipart::split(&body, boundary, &self.terms.limits).map_err(mime("multipart/signed"))?;
        drop(body);
        self.trail.notes.extend(surroundings_notes(&split));
        self.trail.notes.extend(content_type.as_ref().and_then(boundary_note));
        let exact = split.exactly_consumed();
        let [content, signature] = <[Bytes; 2]>::try_from(split.parts).map_err(|parts| {
            ReceiveError::UnsupportedContent(format!("multipart/signed with {} parts instead of 2", parts.len()))
        })?;
        let cms = self.signature_part(signature)?;
        let signed = read_signature(cms.clone(), &self.terms.limits)?;
        // The outermost signature counts, as in `verify`.
        if self.trail.signature.is_none() {
            self.trail.signature_cms = Some(cms);
        }
        let verdict = verify_part(content.clone(), &signed, &self.verify_terms(), &mut self.trail.notes);
        let covered = self.judged(verdict, exact)?;
        // An empty document that was signed without its last line end keeps the blank line behind its header.
        let content = if is_head(&content) { content } else { covered };
        if self.exposure == Exposure::Sealed && !exact {
            // Blocks that were appended to the ciphertext would tell whether their padding is good.
            return Err(ReceiveError::UnsupportedContent("multipart/signed with octets behind its end".to_owned()));
        }
        let actual = self.trail.signature.as_ref().map(|signature| signature.scheme().digest());
        self.trail.notes.extend(actual.and_then(|actual| micalg_note(micalg, actual)));
        self.enter(content)
    }

    /// The signature of multipart/signed as CMS, whatever its transfer encoding (interop: OpenAS2 writes binary,
    /// Sterling binary without a label).
    fn signature_part(&mut self, part: Bytes) -> Result<Bytes, ReceiveError> {
        let entity = Entity::parse(part, &self.terms.limits).map_err(mime("signature part"))?;
        self.check_head(&entity, "signature part")?;
        let essence = match entity.content_type() {
            Some(Ok(content_type)) => content_type.essence().to_owned(),
            _ => String::new(),
        };
        match essence.as_str() {
            // RFC 4130 section 7.1 misprints the type with a second hyphen.
            "application/pkcs7-signature" | "application/x-pkcs7-signature" | "application/pkcs-7-signature" => {}
            "application/octet-stream" => {}
            other => {
                return Err(ReceiveError::UnsupportedContent(format!(
                    "multipart/signed with a signature of type {other}"
                )));
            }
        }
        let declared = entity.fields().get("content-transfer-encoding").map(|value| value.into_owned());
        let body = entity.into_body();
        self.decode_der(declared, body, "signature part")
    }

    fn verify_terms(&self) -> VerifyTerms {
        VerifyTerms {
            provider: self.terms.provider.clone(),
            signers: self.terms.signers.clone(),
            digests: self.terms.accept.digests.clone(),
            families: self.terms.accept.signatures.clone(),
            form: self.terms.accept.signed_form,
            limits: self.terms.limits.clone(),
            now: self.terms.now,
            wanted: self.terms.mic.listed.first().copied().into_iter().collect(),
        }
    }

    /// Keeps what a signature says, and hands out the octets that it covers.
    fn judged(
        &mut self,
        verdict: Result<Verified<SignedContent>, Unverified>,
        exact: bool,
    ) -> Result<Bytes, ReceiveError> {
        match verdict {
            Ok(verified) => {
                let octets = verified.value().octets.clone();
                self.trail.layers.push(Layer::Signed(verified.scheme().digest()));
                if exact && self.exposure == Exposure::Sealed && self.taint.is_none() {
                    self.exposure = Exposure::Authenticated;
                }
                self.trail.signature.get_or_insert(verified);
                Ok(octets)
            }
            Err(unverified) => {
                self.digests = unverified.digests;
                // Where octets follow the close delimiter, a changed message could still look like a valid one.
                self.malleable |= !exact;
                Err(unverified.error)
            }
        }
    }

    /// Opens a CMS object; an envelope is handed back, since its key must answer first.
    fn cms(&mut self) -> Result<Option<Box<SealedEnvelope>>, ReceiveError> {
        let mut declared = self.current.transfer.take();
        let mut body = std::mem::take(&mut self.current.body);
        self.current.whole = None;
        if let (Exposure::Open, Some(inner)) = (self.exposure, repeated_head(&body, &self.terms.limits)) {
            (declared, body) = inner;
            self.trail.notes.push(Note::Surroundings("the MIME header is repeated in the body".to_owned()));
        }
        let octets = self.decode_der(declared, body, "application/pkcs7-mime")?;
        if is_zlib(&octets) {
            return Err(ReceiveError::Decompression(DecompressionFault::BareZlib));
        }
        let kind = content::sniff(&octets);
        let (info, shape) = content::read(octets, &self.terms.limits).map_err(|error| match kind {
            Some(ContentKind::Signed) => ReceiveError::SignatureFormat(error),
            Some(ContentKind::Compressed) => ReceiveError::Decompression(DecompressionFault::Format(error)),
            _ if declared_smime_type(self.current.content_type.as_ref()).as_deref() == Some("compressed-data") => {
                ReceiveError::Decompression(DecompressionFault::Format(error))
            }
            _ => ReceiveError::EnvelopeFormat(error),
        })?;
        if shape.trailing > 0 {
            let text = format!("{} octets of padding follow the CMS object", shape.trailing);
            self.trail.notes.push(Note::Surroundings(text));
        }
        self.trail.notes.extend(smime_type_note(self.current.content_type.as_ref(), &info));
        let PeelTerms { us, provider, accept, limits, .. } = &self.terms;
        let terms = OpenTerms { us, provider, accept, limits };
        match info {
            ContentInfo::Enveloped(data) => SealedEnvelope::enveloped(data, terms).map(|s| Some(Box::new(s))),
            ContentInfo::AuthEnveloped(data) => SealedEnvelope::authenticated(data, terms).map(|s| Some(Box::new(s))),
            ContentInfo::Compressed(data) => {
                self.inflate(&data)?;
                Ok(None)
            }
            ContentInfo::Signed(signed) => {
                let Some(content) = signed.content.clone() else {
                    return Err(ReceiveError::UnsupportedContent("signed-data without content".to_owned()));
                };
                let verdict = verify(content, &signed, &self.verify_terms(), &mut self.trail.notes);
                let content = self.judged(verdict, true)?;
                self.enter(content)?;
                Ok(None)
            }
        }
    }

    fn inflate(&mut self, data: &CompressedData) -> Result<(), ReceiveError> {
        let failed = ReceiveError::Decompression;
        if self.trail.layers.contains(&Layer::Compressed) {
            return Err(failed(DecompressionFault::Twice));
        }
        let (content, budget, note) = unpack(data, self.budget.clone()).map_err(failed)?;
        self.budget = budget;
        self.trail.notes.extend(note);
        self.trail.layers.push(Layer::Compressed);
        self.enter(content.into())
    }

    fn unwrap(self, envelope: Box<SealedEnvelope>) -> Step<Result<Opened, Box<Failure>>> {
        Step::ask(envelope.request(), move |answer| {
            let mut peel = self;
            peel.trail.envelope_key.get_or_insert(envelope.envelope_key(&peel.terms.provider));
            let (cipher, transport, own) = (envelope.cipher, envelope.transport(), envelope.own.clone());
            let opened = envelope.open(answer, &peel.terms.provider).and_then(|opened| {
                peel.trail.layers.push(Layer::Encrypted(cipher, transport));
                peel.trail.decrypted_with.get_or_insert(own);
                peel.taint = peel.taint.or(opened.taint);
                peel.exposure = match peel.exposure {
                    Exposure::Open | Exposure::Authenticated if cipher.is_authenticated() => Exposure::Authenticated,
                    _ => Exposure::Sealed,
                };
                peel.trail.sealed = cipher.is_authenticated();
                peel.enter(opened.content)
            });
            match opened {
                Ok(()) => peel.run(),
                Err(error) => Step::Done(Err(peel.fail(error))),
            }
        })
    }

    /// Reads the entity inside a layer.
    fn enter(&mut self, content: Bytes) -> Result<(), ReceiveError> {
        let parsed = Entity::parse_after_blank_lines(&content, &self.terms.limits);
        match parsed {
            Ok(entity) if !entity.fields().is_empty() => {
                let content_type = match entity.content_type() {
                    Some(read) => Some(read.map_err(mime("inner entity"))?),
                    None => None,
                };
                if content_type.is_none() && !self.may_be_bare() {
                    return Err(ReceiveError::BareContent);
                }
                let field = |name: &str| entity.fields().get(name).map(|value| value.into_owned());
                self.current = Current {
                    content_type,
                    transfer: field("content-transfer-encoding"),
                    disposition: field("content-disposition"),
                    body: entity.body(),
                    whole: Some(content),
                };
                if !matches!(self.kind(), Kind::Payload) {
                    self.check_head(&entity, "inner entity")?;
                }
            }
            // mendelson encrypts unsigned payloads without any MIME header.
            _ if self.may_be_bare() => {
                self.trail.notes.push(Note::Other("the content inside a security layer has no MIME header".to_owned()));
                self.current = Current {
                    content_type: None,
                    transfer: None,
                    disposition: None,
                    body: content.clone(),
                    whole: Some(content),
                };
            }
            // EDI has no empty line, so bare content mostly shows as a header that never ends.
            Ok(_) | Err(_) => return Err(ReceiveError::BareContent),
        }
        Ok(())
    }

    /// A changed block of ciphertext becomes random octets. If a header in front of a signature could swallow them,
    /// the receipt would tell whether they hold a line end (RFC 8551 section 6).
    fn check_head(&self, entity: &Entity, part: &'static str) -> Result<(), ReceiveError> {
        if self.exposure != Exposure::Sealed || entity.has_plain_head() {
            return Ok(());
        }
        let kind = crate::mime::ErrorKind::FieldValue("a field".to_owned());
        Err(ReceiveError::Mime { part, error: crate::mime::Error::new(kind, 0) })
    }

    /// Content that names no type is taken only from somebody who proved who he is, or by agreement.
    fn may_be_bare(&self) -> bool {
        self.exposure != Exposure::Sealed || self.trail.signature.is_some() || self.terms.accept.bare_content
    }

    /// Octets of a CMS object; a false label is noted.
    fn decode_der(
        &mut self,
        declared: Option<Vec<u8>>,
        body: Bytes,
        part: &'static str,
    ) -> Result<Bytes, ReceiveError> {
        let sent = body.len();
        let (octets, fault) = decode_der(declared.as_deref(), body).map_err(mime(part))?;
        // Blocks of the document that an attacker moves into a certificate break base64. In binary they would come out
        // as the subject that a receipt names.
        self.malleable = octets.len() > sent / 4 * 3 + 3;
        self.trail.notes.extend(fault.map(|fault| Note::TransferEncoding(format!("{part}: {fault}"))));
        Ok(octets)
    }

    fn fail(self, error: ReceiveError) -> Box<Failure> {
        let wanted = self.terms.mic.choose(self.digests.first().map(crate::crypto::DigestValue::algorithm));
        let mic = match self.exposure {
            Exposure::Sealed => None,
            _ => pick(&self.digests, wanted).or(self.digests.first()).map(Mic::new),
        };
        let error = self.taint.map_or(error, ReceiveError::Decryption);
        let exposure = match self.exposure {
            Exposure::Sealed if self.malleable => Exposure::Malleable,
            exposure => exposure,
        };
        Box::new(Failure { error, exposure, mic, trail: self.trail })
    }

    fn finish(mut self) -> Result<Opened, Box<Failure>> {
        match self.conclude() {
            Ok((body, documents, mic, mic_scope)) if self.taint.is_none() => {
                let filename = self.filename();
                let content_type = self.current.content_type;
                Ok(Opened { content_type, filename, body, documents, trail: self.trail, mic, mic_scope })
            }
            Ok(_) => Err(self.fail(ReceiveError::Decryption(DecryptionFault::Padding))),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The payload without its transfer encoding, the MIC, and the policy on what was actually unwrapped.
    fn conclude(&mut self) -> Result<(Bytes, Vec<Document>, Mic, MicScope), ReceiveError> {
        // Receipts are told from messages before they are opened; nothing describes one inside a security layer.
        if self.current.content_type.as_ref().is_some_and(ContentType::is_report) {
            return Err(ReceiveError::UnsupportedContent("a receipt inside a security layer".to_owned()));
        }
        let encoding = match self.current.transfer.as_deref().map(TransferEncoding::read) {
            None => TransferEncoding::Binary,
            Some(Ok(encoding)) => encoding,
            Some(Err(error)) => return Err(ReceiveError::Mime { part: "payload", error }),
        };
        let body = std::mem::take(&mut self.current.body);
        let payload = decode(encoding, body).map_err(mime("payload"))?;
        let (mic, scope) = self.mic(&payload)?;
        self.check_policy()?;
        let documents = self.documents(&payload)?;
        self.check_filenames(&documents)?;
        Ok((payload, documents, mic, scope))
    }

    /// RFC 4130 section 7.3.1, RFC 5402 section 4.
    fn mic(&self, payload: &Bytes) -> Result<(Mic, MicScope), ReceiveError> {
        let (octets, scope, known) = match (&self.trail.signature, &self.current.whole) {
            (Some(signature), _) => (None, MicScope::SignedEntity, Some(signature)),
            (None, Some(whole)) => (Some(whole.clone()), MicScope::WholeEntity, None),
            (None, None) => (Some(payload.clone()), MicScope::BodyOnly, None),
        };
        let algorithm = self.terms.mic.choose(known.map(|signature| signature.scheme().digest()));
        if let Some(value) = known.and_then(|signature| pick(&signature.value().digests, algorithm)) {
            return Ok((Mic::new(value), scope));
        }
        let octets = octets.or_else(|| known.map(|signature| signature.value().octets.clone())).unwrap_or_default();
        let values = Digests::of(&self.terms.provider, &[algorithm], &[octets])
            .map_err(|error| ReceiveError::UnsupportedMicAlgorithms(error.to_string()))?;
        let value = pick(&values, algorithm);
        value
            .map(|value| (Mic::new(value), scope))
            .ok_or_else(|| ReceiveError::UnsupportedMicAlgorithms(algorithm.to_string()))
    }
}

fn mime(part: &'static str) -> impl Fn(crate::mime::Error) -> ReceiveError {
    move |error| ReceiveError::Mime { part, error }
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
