//! The content of a CMS object: decrypted, inflated or digested, and read as an entity.

use bytes::Bytes;

use super::entity::EntityStage;
use super::forms::Forms;
use super::payload::Decoding;
use super::{Answer, CHUNK, Context, Place, len_u64};
use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::compressed::CompressedData;
use crate::cms::enveloped::{AuthEnvelopedData, EnvelopedData};
use crate::cms::reader::{ContentKind, Structure};
use crate::cms::signed::digest_algorithms;
use crate::cms::{Error as CmsError, oid};
use crate::crypto::content::{DecryptStream, Finished};
use crate::error::{DecompressionFault, DecryptionFault, ReceiveError};
use crate::identity::OwnCertificate;
use crate::limits::Limits;
use crate::mime::transfer::TransferEncoding;
use crate::note::Note;
use crate::smime::compress::{InflateBudget, Inflater, base64_note, is_zlib_in_base64};
use crate::smime::decrypt::{EnvelopeHead, OpenTerms, SealedEnvelope, TagPlace, no_tag};
use crate::smime::passed::{Inside, PassedContent, PassedEntity, PassedEnvelope};
use crate::smime::peel::PeelTerms;

/// Content on its way in.
#[derive(Debug)]
pub(super) enum ContentStage {
    /// None so far.
    Nothing,
    /// An envelope that is not opened, and why.
    Refused(ReceiveError),
    /// An envelope whose key has not answered; what came in the meantime.
    Waiting {
        envelope: Box<SealedEnvelope>,
        tag: TagPlace,
        kept: Vec<u8>,
    },
    Decrypting(Box<Decrypting>),
    Inflating(Box<Inflating>),
    Signed(Box<(Forms, EntityStage)>),
}

impl ContentStage {
    pub(super) fn new(
        (kind, structure): (Option<ContentKind>, &Structure),
        place: Place,
        context: &mut Context<'_>,
    ) -> Self {
        let limits = &context.terms.limits;
        match kind {
            None => Self::Nothing,
            Some(ContentKind::Enveloped) => {
                let head = EnvelopedData::read(structure, Some(Bytes::new()), limits).map(EnvelopeHead::Enveloped);
                Self::envelope(head, context)
            }
            Some(ContentKind::AuthEnveloped) => {
                let head = AuthEnvelopedData::read_head(structure, limits).map(EnvelopeHead::Authenticated);
                Self::envelope(head, context)
            }
            Some(ContentKind::Compressed) => {
                let algorithm =
                    CompressedData::read(structure, Some(Bytes::new()), limits).map(|data| data.algorithm.oid);
                let algorithm = algorithm.map_err(DecompressionFault::Format);
                Self::Inflating(Box::new(Inflating::new(algorithm, place, limits)))
            }
            Some(ContentKind::Signed) => {
                let named = digest_algorithms(structure, limits.ber_depth);
                let named: Vec<_> = named.iter().filter_map(DigestAlgorithm::from_oid).collect();
                let (provider, form) = (&context.terms.provider, context.terms.accept.signed_form);
                match Forms::start(provider, &context.digests(&named), form, place.is_sealed()) {
                    Ok(forms) => Self::Signed(Box::new((forms, EntityStage::new(place.inside_signature(), limits)))),
                    Err(_) => Self::Nothing,
                }
            }
        }
    }

    /// Everything about an envelope is judged before its key is asked.
    fn envelope(head: Result<EnvelopeHead, CmsError>, context: &mut Context<'_>) -> Self {
        let PeelTerms { us, provider, accept, limits, .. } = context.terms;
        let terms = OpenTerms { us, provider, accept, limits };
        let sealed = head.map_err(ReceiveError::EnvelopeFormat).and_then(|head| SealedEnvelope::passing(&head, terms));
        match sealed {
            Ok((envelope, tag)) => {
                context.state.wanted = Some(envelope.request());
                Self::Waiting { envelope: Box::new(envelope), tag, kept: Vec::new() }
            }
            Err(error) => Self::Refused(error),
        }
    }

    pub(super) fn push(&mut self, octets: &[u8], context: &mut Context<'_>) {
        match self {
            Self::Nothing | Self::Refused(_) => {}
            Self::Waiting { kept, .. } => kept.extend_from_slice(octets),
            Self::Decrypting(decrypting) => decrypting.push(octets, context),
            Self::Inflating(inflating) => inflating.push(octets, context),
            Self::Signed(signed) => {
                let (forms, entity) = &mut **signed;
                forms.push(octets);
                entity.push(octets, context);
            }
        }
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, place: Place, context: &mut Context<'_>) {
        match self {
            Self::Nothing | Self::Refused(_) => {}
            Self::Waiting { .. } => {
                let Self::Waiting { envelope, tag, kept } = std::mem::replace(self, Self::Nothing) else { return };
                let Some(answer) = answer.take() else { return };
                let stream = envelope.start(answer, &context.terms.provider);
                let mut decrypting = Decrypting::new(&envelope, stream, tag, place, context);
                decrypting.push(&kept, context);
                *self = Self::Decrypting(Box::new(decrypting));
            }
            Self::Decrypting(decrypting) => decrypting.entity.provide(answer, context),
            Self::Inflating(inflating) => inflating.entity.provide(answer, context),
            Self::Signed(signed) => signed.1.provide(answer, context),
        }
    }

    /// The digests under way of the outermost signature in here. One inside a further envelope works beside that.
    pub(super) fn forms(&mut self) -> Option<&mut Forms> {
        match self {
            Self::Nothing | Self::Refused(_) | Self::Waiting { .. } | Self::Decrypting(_) => None,
            Self::Inflating(inflating) => inflating.entity.forms(),
            Self::Signed(signed) => Some(&mut signed.0),
        }
    }

    /// `auth` is the object as a whole, if it is AuthEnvelopedData.
    pub(super) fn finish(self, auth: Option<&AuthEnvelopedData>, context: &mut Context<'_>) -> Inside {
        match self {
            Self::Nothing => Inside::Nothing,
            Self::Refused(error) => Inside::Sealed(Err(error)),
            Self::Waiting { kept, .. } => {
                context.state.wanted = None;
                Inside::Late(kept.into())
            }
            Self::Decrypting(decrypting) => Inside::Sealed(Ok(decrypting.finish(auth, context))),
            Self::Inflating(inflating) => Inside::Compressed(inflating.finish(context)),
            Self::Signed(signed) => {
                let (forms, entity) = *signed;
                Inside::Signed(PassedContent { digests: forms.finish(), entity: entity.finish(context) })
            }
        }
    }
}

/// Encrypted content on its way in.
#[derive(Debug)]
pub(super) struct Decrypting {
    envelope_key: Vec<u8>,
    cipher: CipherAlgorithm,
    transport: KeyTransport,
    own: OwnCertificate,
    stream: Result<DecryptStream, ReceiveError>,
    tag: TagPlace,
    /// Octets at the end that may be the tag.
    held: Vec<u8>,
    length: u64,
    limit: Option<(&'static str, u64)>,
    plain: Vec<u8>,
    entity: EntityStage,
}

impl Decrypting {
    fn new(
        envelope: &SealedEnvelope,
        stream: Result<DecryptStream, ReceiveError>,
        tag: TagPlace,
        place: Place,
        context: &Context<'_>,
    ) -> Self {
        let limits = &context.terms.limits;
        let exposure = place.exposure.inside(envelope.cipher);
        Self {
            envelope_key: envelope.envelope_key(&context.terms.provider),
            cipher: envelope.cipher,
            transport: envelope.transport(),
            own: envelope.own.clone(),
            stream,
            tag,
            held: Vec::new(),
            length: 0,
            limit: match envelope.cipher {
                cipher if cipher.is_legacy() => Some(("content in a cipher of the past", limits.legacy_cipher)),
                _ if envelope.needs_whole() => Some(("content in CCM, which is kept in memory", limits.kept_whole)),
                _ => None,
            },
            plain: Vec::new(),
            entity: EntityStage::new(Place { exposure, ..place.inside() }, limits),
        }
    }

    fn push(&mut self, octets: &[u8], context: &mut Context<'_>) {
        self.length = self.length.saturating_add(len_u64(octets));
        if let Some((what, limit)) = self.limit.filter(|(_, limit)| self.length > *limit) {
            self.stream = Err(ReceiveError::Limit { what, limit });
        }
        let TagPlace::Behind(tag_len) = self.tag else { return self.decrypt(octets, context) };
        self.held.extend_from_slice(octets);
        let ready = self.held.len().saturating_sub(tag_len);
        let ready: Vec<u8> = self.held.drain(..ready).collect();
        self.decrypt(&ready, context);
    }

    fn decrypt(&mut self, octets: &[u8], context: &mut Context<'_>) {
        let Ok(stream) = &mut self.stream else { return };
        for chunk in octets.chunks(CHUNK) {
            match self.entity.forms() {
                Some(forms) => forms.decrypt(stream, chunk, &mut self.plain),
                None => stream.push(chunk, &mut self.plain),
            }
            self.entity.push(&self.plain, context);
            self.plain.clear();
        }
    }

    fn finish(mut self, auth: Option<&AuthEnvelopedData>, context: &mut Context<'_>) -> PassedEnvelope {
        let tag = match (self.tag, auth) {
            (TagPlace::Behind(tag_len), _) if self.held.len() < tag_len => Err(no_tag()),
            (TagPlace::Behind(_), _) => Ok(Bytes::from(self.held)),
            (TagPlace::Mac, Some(auth)) => SealedEnvelope::late_tag(auth),
            (TagPlace::Mac, None) | (TagPlace::Nowhere, _) => Ok(Bytes::new()),
        };
        let finished = self.stream.and_then(|stream| Ok(stream.finish(&tag?, &mut self.plain)));
        self.entity.push(&self.plain, context);
        let entity = self.entity.finish(context);
        let opened = finished.and_then(|finished| match finished {
            Finished { tag: Some(false), .. } => Err(ReceiveError::Decryption(DecryptionFault::Tag)),
            Finished { padding_ok, .. } => Ok((entity, (!padding_ok).then_some(DecryptionFault::Padding))),
        });
        let Self { envelope_key, cipher, transport, own, .. } = self;
        PassedEnvelope { envelope_key, cipher, transport, own, opened }
    }
}

/// Compressed content on its way in.
#[derive(Debug)]
pub(super) struct Inflating {
    /// The first two octets, which tell whether the stream is in base64.
    start: Option<Vec<u8>>,
    decoding: Decoding,
    base64: bool,
    inflater: Result<Box<Inflater>, DecompressionFault>,
    plain: Vec<u8>,
    entity: EntityStage,
}

impl Inflating {
    fn new(algorithm: Result<const_oid::ObjectIdentifier, DecompressionFault>, place: Place, limits: &Limits) -> Self {
        let inflater = algorithm.and_then(|algorithm| match algorithm {
            _ if place.compressed => Err(DecompressionFault::Twice),
            oid::ZLIB => Ok(Box::new(Inflater::new(InflateBudget::new(limits)))),
            other => Err(DecompressionFault::Algorithm(other.to_string())),
        });
        Self {
            start: Some(Vec::new()),
            decoding: Decoding::Identity,
            base64: false,
            inflater,
            plain: Vec::new(),
            entity: EntityStage::new(Place { compressed: true, ..place.inside() }, limits),
        }
    }

    fn push(&mut self, octets: &[u8], context: &mut Context<'_>) {
        let Some(start) = &mut self.start else { return self.decode(octets, context) };
        start.extend_from_slice(octets);
        if start.len() >= 2 {
            self.begin(context);
        }
    }

    fn begin(&mut self, context: &mut Context<'_>) {
        let Some(start) = self.start.take() else { return };
        self.base64 = is_zlib_in_base64(&start);
        if self.base64 {
            self.decoding = Decoding::new(Ok(TransferEncoding::Base64));
        }
        self.decode(&start, context);
    }

    fn decode(&mut self, octets: &[u8], context: &mut Context<'_>) {
        let Self { decoding, inflater, plain, entity, .. } = self;
        decoding.push(octets, &mut |octets| inflate(inflater, octets, plain, entity, context));
    }

    fn finish(mut self, context: &mut Context<'_>) -> Result<(PassedEntity, Option<Note>), ReceiveError> {
        self.begin(context);
        let Self { mut decoding, mut inflater, mut plain, mut entity, base64, .. } = self;
        decoding.finish(&mut |octets| inflate(&mut inflater, octets, &mut plain, &mut entity, context));
        let finished = inflater.and_then(|inflater| inflater.finish(&mut plain));
        entity.push(&plain, context);
        let entity = entity.finish(context);
        let decoded = decoding.into_result().map_err(|_| DecompressionFault::Base64);
        decoded.and(finished).map_err(ReceiveError::Decompression)?;
        Ok((entity, base64.then(base64_note)))
    }
}

fn inflate(
    inflater: &mut Result<Box<Inflater>, DecompressionFault>,
    octets: &[u8],
    plain: &mut Vec<u8>,
    entity: &mut EntityStage,
    context: &mut Context<'_>,
) {
    let Ok(machine) = inflater else { return };
    let inflated = machine.push_each(octets, plain, &mut |plain| entity.push(plain, context));
    if let Err(fault) = inflated {
        *inflater = Err(fault);
    }
}
