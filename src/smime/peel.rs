//! Opening a message layer by layer, until the payload: what each layer *is* decides, not what its label says.

mod conclusion;
mod documents;
mod passed;
mod policy;
pub(crate) mod whole;
pub(crate) mod wrapper;

use std::time::SystemTime;

use bytes::Bytes;

use self::conclusion::Conclusion;
use self::whole::read_cms;

use crate::algorithm::{CipherAlgorithm, KeyTransport};
use crate::cms::compressed::CompressedData;
use crate::cms::content::ContentInfo;
use crate::cms::signed::SignedData;
use crate::crypto::{CryptoProvider, DigestValue};
use crate::error::{DecompressionFault, DecryptionFault, Exposure, ReceiveError};
use crate::identity::{Identity, OwnCertificate};
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::param::ContentType;
use crate::mime::related::Document;
use crate::mime::transfer::decode_der;
use crate::note::Note;
use crate::profile::AcceptTerms;
use crate::smime::compress::{InflateBudget, unpack};
use crate::smime::current::{CMS_PART, Current, Inner, Kind};
use crate::smime::decrypt::{OpenTerms, SealedEnvelope};
use crate::smime::examine::Suspect;
use crate::smime::layer::{
    Layer, boundary_note, is_head, micalg_note, repeated_head, repeated_head_note, smime_type_note,
};
use crate::smime::mic::{Mic, MicRule, MicScope, pick};
use crate::smime::passed::{Body, CmsRead, Content, PassedCms, PassedContent, SignedParts};
use crate::smime::verify::{SignedContent, Verified, VerifyTerms, read_signature, verify, verify_passed};
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

/// A message whose layers are all open.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) filename: Option<String>,
    pub(crate) body: Bytes,
    /// Whether the body is here; else it passed by.
    pub(crate) at_hand: bool,
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
    /// The signature, where it is the reason.
    pub(crate) signature: Option<Box<Suspect>>,
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
        suspect: None,
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
    digests: Vec<DigestValue>,
    /// The signature that is being verified, until it is.
    suspect: Option<Box<Suspect>>,
}

impl Peel {
    fn run(mut self) -> Step<Result<Opened, Box<Failure>>> {
        loop {
            let opened = match self.current.kind() {
                Kind::Payload => return Step::Done(self.finish()),
                _ if self.trail.layers.len() >= self.terms.limits.nesting => Err(too_deep(&self.terms.limits)),
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

    fn multipart_signed(&mut self) -> Result<(), ReceiveError> {
        let content_type = self.current.content_type.clone();
        let parameter = |name| content_type.as_ref().and_then(|content_type: &ContentType| content_type.param(name));
        let (boundary, micalg) = (parameter("boundary").unwrap_or_default(), parameter("micalg").unwrap_or_default());
        let SignedParts { notes, exact, parts } = match std::mem::take(&mut self.current.body) {
            Body::Whole(body) => SignedParts::split(body, boundary, &self.terms.limits)?,
            Body::Passed(passed) => passed.into_signed()?,
        };
        self.trail.notes.extend(notes);
        self.trail.notes.extend(content_type.as_ref().and_then(boundary_note));
        let (content, signature) = parts?;
        let cms = self.signature_part(signature)?;
        let signed = read_signature(cms.clone(), &self.terms.limits);
        self.suspect(&content, cms.clone(), signed.clone());
        let signed = signed?;
        // The outermost signature counts, as in `verify`.
        if self.trail.signature.is_none() {
            self.trail.signature_cms = Some(cms);
        }
        let inner = self.verify(content, &signed, exact)?;
        if self.exposure == Exposure::Sealed && !exact {
            // Blocks that were appended to the ciphertext would tell whether their padding is good.
            return Err(ReceiveError::UnsupportedContent("multipart/signed with octets behind its end".to_owned()));
        }
        let actual = self.trail.signature.as_ref().map(|signature| signature.scheme().digest());
        self.trail.notes.extend(actual.and_then(|actual| micalg_note(micalg, actual)));
        self.enter(inner)
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

    /// Verifies, and gives back what is inside the signature, in the form that was signed.
    fn verify(&mut self, content: Content, signed: &SignedData, exact: bool) -> Result<Inner, ReceiveError> {
        let terms = self.verify_terms();
        let notes = &mut self.trail.notes;
        let (verified, inner) = match content {
            Content::Whole(octets) => {
                // libas2 signs an empty document without its last line end: the blank line behind its header.
                let head = is_head(&octets).then(|| Inner::Whole(octets.clone()));
                (verify(octets, signed, &terms, notes), head)
            }
            Content::Passed(PassedContent { digests, entity }) => {
                (verify_passed(digests, signed, &terms, notes), Some(Inner::Passed(entity)))
            }
        };
        match verified {
            Ok(verified) => {
                self.trail.layers.push(Layer::Signed(verified.scheme().digest()));
                if exact && self.exposure == Exposure::Sealed && self.taint.is_none() {
                    self.exposure = Exposure::Authenticated;
                }
                self.suspect = None;
                let content = verified.value().octets.clone();
                self.trail.signature.get_or_insert(verified);
                Ok(inner.unwrap_or(Inner::Whole(content)))
            }
            Err(unverified) => {
                self.digests = unverified.digests;
                // Where octets follow the close delimiter, a changed message could still look like a valid one.
                self.malleable |= !exact;
                Err(unverified.error)
            }
        }
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

    /// Keeps what a diagnosis of the signature takes; of content that passed by there is none.
    fn suspect(&mut self, content: &Content, cms: Bytes, signed: Result<SignedData, ReceiveError>) {
        self.suspect = match content {
            Content::Whole(content) => {
                Some(Box::new(Suspect { content: content.clone(), cms, signed, terms: self.verify_terms() }))
            }
            Content::Passed(_) => None,
        };
    }

    /// Opens a CMS object; an envelope is handed back, since its key must answer first.
    fn cms(&mut self) -> Result<Option<Box<SealedEnvelope>>, ReceiveError> {
        self.current.whole = None;
        let (CmsRead { info, trailing }, inside) = match std::mem::take(&mut self.current.body) {
            Body::Whole(body) => {
                let octets = self.cms_octets(body)?;
                (read_cms(octets, self.current.content_type.as_ref(), &self.terms.limits)?, None)
            }
            Body::Passed(passed) => {
                let PassedCms { notes, text, read, inside } = passed.into_cms()?;
                self.trail.notes.extend(notes);
                self.malleable = !text;
                (read?, Some(inside))
            }
        };
        if trailing > 0 {
            let text = format!("{trailing} octets of padding follow the CMS object");
            self.trail.notes.push(Note::Surroundings(text));
        }
        self.trail.notes.extend(smime_type_note(self.current.content_type.as_ref(), &info));
        match inside {
            Some(inside) => self.passed(info, inside),
            None => self.at_hand(info),
        }
    }

    /// The octets of a CMS object, without a header that is repeated in front of them and without transfer encoding.
    fn cms_octets(&mut self, mut body: Bytes) -> Result<Bytes, ReceiveError> {
        let mut declared = self.current.transfer.take();
        if let (Exposure::Open, Some(inner)) = (self.exposure, repeated_head(&body, &self.terms.limits)) {
            (declared, body) = inner;
            self.trail.notes.push(repeated_head_note());
        }
        self.decode_der(declared, body, CMS_PART)
    }

    fn at_hand(&mut self, info: ContentInfo) -> Result<Option<Box<SealedEnvelope>>, ReceiveError> {
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
                let content = Content::Whole(signed.content.clone().ok_or_else(without_content)?);
                self.suspect(&content, Bytes::new(), Ok(signed.clone()));
                let inner = self.verify(content, &signed, true)?;
                self.enter(inner)?;
                Ok(None)
            }
        }
    }

    fn inflate(&mut self, data: &CompressedData) -> Result<(), ReceiveError> {
        self.inflates_once()?;
        let (content, budget, note) = unpack(data, self.budget.clone()).map_err(ReceiveError::Decompression)?;
        self.budget = budget;
        self.inflated(Inner::Whole(content.into()), note)
    }

    fn inflates_once(&self) -> Result<(), ReceiveError> {
        let twice = self.trail.layers.contains(&Layer::Compressed);
        if twice { Err(ReceiveError::Decompression(DecompressionFault::Twice)) } else { Ok(()) }
    }

    fn inflated(&mut self, inner: Inner, note: Option<Note>) -> Result<(), ReceiveError> {
        self.trail.notes.extend(note);
        self.trail.layers.push(Layer::Compressed);
        self.enter(inner)
    }

    fn unwrap(self, envelope: Box<SealedEnvelope>) -> Step<Result<Opened, Box<Failure>>> {
        Step::ask(envelope.request(), move |answer| {
            let mut peel = self;
            let key = envelope.envelope_key(&peel.terms.provider);
            let (cipher, transport, own) = (envelope.cipher, envelope.transport(), envelope.own.clone());
            let opened = envelope.open(answer, &peel.terms.provider);
            let opened = opened.map(|opened| (Inner::Whole(opened.content), opened.taint));
            match peel.unsealed(key, (cipher, transport, own), opened) {
                Ok(()) => peel.run(),
                Err(error) => Step::Done(Err(peel.fail(error))),
            }
        })
    }

    /// An envelope whose key has answered.
    fn unsealed(
        &mut self,
        key: Vec<u8>,
        (cipher, transport, own): (CipherAlgorithm, KeyTransport, OwnCertificate),
        opened: Result<(Inner, Option<DecryptionFault>), ReceiveError>,
    ) -> Result<(), ReceiveError> {
        self.trail.envelope_key.get_or_insert(key);
        let (inner, taint) = opened?;
        self.trail.layers.push(Layer::Encrypted(cipher, transport));
        self.trail.decrypted_with.get_or_insert(own);
        self.taint = self.taint.or(taint);
        self.exposure = self.exposure.inside(cipher);
        self.trail.sealed = cipher.is_authenticated();
        self.enter(inner)
    }

    /// Reads the entity inside a layer.
    fn enter(&mut self, inner: Inner) -> Result<(), ReceiveError> {
        match inner.parse(&self.terms.limits) {
            (Some(entity), body, whole) => {
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
                    body,
                    whole: Some(whole),
                };
                if !matches!(self.current.kind(), Kind::Payload) {
                    self.check_head(&entity, "inner entity")?;
                }
            }
            // mendelson encrypts unsigned payloads without any MIME header.
            (None, body, whole) if self.may_be_bare() => {
                self.trail.notes.push(Note::Other("the content inside a security layer has no MIME header".to_owned()));
                let whole = Some(whole);
                self.current = Current { content_type: None, transfer: None, disposition: None, body, whole };
            }
            // EDI has no empty line, so bare content mostly shows as a header that never ends.
            (None, ..) => return Err(ReceiveError::BareContent),
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
        let wanted = self.terms.mic.choose(self.digests.first().map(DigestValue::algorithm));
        let mic = match self.exposure {
            Exposure::Sealed => None,
            _ => pick(&self.digests, wanted).or(self.digests.first()).map(Mic::new),
        };
        // Wrong padding, and not the signature, is the reason then.
        let signature = self.suspect.filter(|_| self.taint.is_none());
        let error = self.taint.map_or(error, ReceiveError::Decryption);
        let exposure = match self.exposure {
            Exposure::Sealed if self.malleable => Exposure::Malleable,
            exposure => exposure,
        };
        Box::new(Failure { error, exposure, mic, trail: self.trail, signature })
    }

    fn finish(mut self) -> Result<Opened, Box<Failure>> {
        match self.conclude() {
            Ok(Conclusion { body, documents, mic: (mic, mic_scope) }) if self.taint.is_none() => {
                let filename = self.current.filename();
                let content_type = self.current.content_type;
                let (at_hand, body) = (body.is_some(), body.unwrap_or_default());
                Ok(Opened { content_type, filename, body, at_hand, documents, trail: self.trail, mic, mic_scope })
            }
            Ok(_) => Err(self.fail(ReceiveError::Decryption(DecryptionFault::Padding))),
            Err(error) => Err(self.fail(error)),
        }
    }
}

/// An error in this part of the message.
pub(crate) fn mime(part: &'static str) -> impl Fn(crate::mime::Error) -> ReceiveError {
    move |error| ReceiveError::Mime { part, error }
}

pub(crate) fn too_deep(limits: &Limits) -> ReceiveError {
    ReceiveError::Limit { what: "nesting of layers", limit: u64::try_from(limits.nesting).unwrap_or(u64::MAX) }
}

fn without_content() -> ReceiveError {
    ReceiveError::UnsupportedContent("signed-data without content".to_owned())
}
