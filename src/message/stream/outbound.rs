//! A message that is sent while it is built (RFC 4130 section 5).

use std::fmt;

use crate::certificate::Certificate;
use crate::error::SendError;
use crate::identity::OwnCertificate;
use crate::message::builder::observations;
use crate::message::draft::{Draft, Ready};
use crate::message::payload::PayloadHead;
use crate::name::MessageId;
use crate::note::Note;
use crate::receipt::pending::PendingReceipt;
use crate::rollover::Observation;
use crate::smime::head_block;
use crate::smime::mic::{Digests, Mic};
use crate::smime::outward::{Finished, Layers, Outside, Outward};
use crate::step::{Exclusive, Step};
use crate::stored::RequestHead;

/// A message whose payload goes in piece by piece, and whose body comes out piece by piece: one pass, and less than
/// 1 MiB of memory whatever its size.
///
/// ```no_run
/// # use as2_protocol::*;
/// # use std::io::{Read, Write};
/// # fn save_head(_: &RequestHead) {} fn save(_: &OutboundEnd) {}
/// # fn send(us: &Identity, acme: &Partner, mut file: std::fs::File, mut connection: impl Write, mut spool: impl Write)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// # let now = std::time::SystemTime::now();
/// let order = PayloadHead::x12().with_len(file.metadata()?.len());
/// let mut message = MessageBuilder::new(us, acme).stream(order, now)?;
/// save_head(message.head()); // the Message-ID is known before the first octet
/// let (mut plain, mut wire) = (vec![0; 64 << 10], Vec::new());
/// loop {
///     let count = file.read(&mut plain)?;
///     if count == 0 {
///         break;
///     }
///     message.write(&plain[..count], &mut wire)?;
///     spool.write_all(&wire)?; // what a second attempt would send
///     connection.write_all(&wire)?;
///     wire.clear();
/// }
/// let end = message.finish(&mut wire)?;
/// save(&end); // before the last octets leave: the receipt can be awaited from here on
/// spool.write_all(&wire)?;
/// connection.write_all(&wire)?;
/// # Ok(())
/// # }
/// ```
///
/// # What goes over the wire
/// The octets are the same however the payload is cut. They are those of [`MessageBuilder::build`], but for the length
/// form of what cannot be measured in advance: envelopes around a payload of unknown length, around anything compressed
/// and around ECDSA signatures, whose length varies, are written with indefinite lengths and segments of 64 KiB
/// (X.690 section 8.1.3.6), and so is what is compressed. Envelopes of 2^31-1 octets and more have that form in any
/// case, since Java peers refuse longer definite ones.
///
/// `Content-Length` is there, and exact, where the length of the payload was announced, nothing is compressed, and what
/// is signed is signed by RSA or Ed25519. Else the head has none, and the body goes in chunks (RFC 9112 section 7.1).
///
/// # Attempts
/// A second attempt sends the same octets as the first, which only a spool can give: another pass makes another message,
/// with another key and signature under the same Message-ID, and a partner who has taken the first would see a duplicate
/// that differs. Spool what comes out, or build anew with a fresh Message-ID where nothing of the first can have arrived.
///
/// # Errors on the way
/// After an error the message is void: every further call tells that error again. Break the connection off then, so
/// that the partner does not take a part for the whole.
///
/// [`MessageBuilder::build`]: crate::MessageBuilder::build
#[must_use = "a message that is not finished is none"]
pub struct OutboundStream {
    head: RequestHead,
    message_id: MessageId,
    core: Exclusive<Core>,
}

/// What a stream gives at its end: what [`Outbound`](crate::Outbound) holds beside the request. Save the receipt before
/// the last octets leave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundEnd {
    /// What the receipt will be checked against. It is there even if no receipt was asked for: it holds the MIC.
    pub pending: PendingReceipt,
    /// The key of ours that signed, and its certificate.
    pub signed_with: Option<OwnCertificate>,
    /// The certificates of the partner that the message is encrypted to.
    pub encrypted_to: Vec<Certificate>,
    /// What was tolerated, such as a certificate that has expired where the agreement lets that pass.
    pub notes: Vec<Note>,
}

impl OutboundEnd {
    /// The certificates at work, for [`rollover_report`](crate::rollover_report), as of [`Outbound`](crate::Outbound).
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        observations(&self.pending, self.signed_with.as_ref(), &self.encrypted_to)
    }
}

impl OutboundStream {
    pub(crate) fn begin(mut draft: Draft, payload: &PayloadHead) -> Result<Self, SendError> {
        let around = draft.around(payload)?;
        let signature = draft.signature()?;
        if signature.as_ref().is_some_and(|signature| signature.signs_content()) {
            return Err(SendError::NotStreamable("Ed25519 without signed attributes signs the message as a whole"));
        }
        if draft.profile().send.encrypt.is_some_and(|cipher| cipher.is_ccm()) {
            return Err(SendError::NotStreamable("AES-CCM must know the length first, and keeps the message"));
        }
        let signature = signature.map(|signature| Ok::<_, SendError>((signature, draft.digests()?))).transpose()?;
        let layers = Layers {
            compress_first: draft.compresses_first(),
            signature,
            compress_then: draft.compresses_then(),
            envelope: draft.envelope()?,
        };
        let unsigned = Unsigned::start(&draft, &head_block(&around.fields)?)?;
        let body = payload.announced_len().map(|length| length.saturating_add(around.len()));
        let inside = Outside { fields: around.fields, body };
        let (outward, outside) = Outward::new(inside, layers, draft.provider())?;
        let (head, message_id) = (draft.head(&outside)?, draft.message_id().clone());
        let before = around.before.concat();
        let payload = Counter { announced: payload.announced_len(), written: 0 };
        let core = Core { draft, outward, unsigned, before, after: around.after, payload, failed: None };
        Ok(Self { head, message_id, core: Exclusive::new(core) })
    }

    /// The head of the request. Save it before the first octet leaves: a second attempt needs it, and a receipt that
    /// comes early names its Message-ID.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The Message-ID, as it stands in the head.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Takes further octets of the payload, and appends to `wire` what can be sent now.
    ///
    /// `wire` grows by about as much as `plain` has; nothing in it is looked at, so it may be emptied between the calls.
    ///
    /// # Errors
    /// [`SendError::PayloadLength`] if the payload is longer than announced; [`SendError::Crypto`] if it is longer than
    /// the cipher may take. The message is void then.
    pub fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.core.get_mut().guarded(|core| core.write(plain, wire))
    }

    /// Ends the message: asks the signing key in this thread, and appends to `wire` its last octets.
    ///
    /// Save the receipt that comes with them before they leave.
    ///
    /// # Errors
    /// [`SendError::PayloadLength`] if the payload is shorter than announced; [`SendError::Key`] if the key gives no
    /// signature. The message is void then, and `wire` is as it was.
    pub fn finish(self, wire: &mut Vec<u8>) -> Result<OutboundEnd, SendError> {
        let (end, mut last) = self.finish_steps().run()?;
        wire.append(&mut last);
        Ok(end)
    }

    /// Ends the message; the signing key may answer later. Beside the end there are the last octets for the wire.
    pub fn finish_steps(self) -> Step<Result<(OutboundEnd, Vec<u8>), SendError>> {
        self.core.into_inner().finish()
    }
}

impl fmt::Debug for OutboundStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundStream").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// A message on its way.
struct Core {
    draft: Draft,
    outward: Outward,
    unsigned: Unsigned,
    /// What precedes the payload in the body, until it is written.
    before: Vec<u8>,
    after: Vec<bytes::Bytes>,
    payload: Counter,
    failed: Option<SendError>,
}

/// Octets of the payload.
struct Counter {
    announced: Option<u64>,
    written: u64,
}

/// Integrity checks of a message that is not signed.
struct Unsigned {
    /// Of the entity with its header.
    entity: Option<Digests>,
    body: Option<Digests>,
}

impl Core {
    /// Does nothing any more once something has failed: the layers are in an unknown state.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, SendError>) -> Result<T, SendError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        work(self).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.payload.take(plain.len())?;
        let before = std::mem::take(&mut self.before);
        self.push(&before, wire)?;
        self.push(plain, wire)
    }

    fn push(&mut self, body: &[u8], wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.unsigned.update(body);
        self.outward.push(body, wire)
    }

    fn finish(mut self) -> Step<Result<(OutboundEnd, Vec<u8>), SendError>> {
        let mut wire = Vec::new();
        if let Err(error) = self.guarded(|core| core.end_body(&mut wire)) {
            return Step::Done(Err(error));
        }
        let Self { mut draft, outward, unsigned, .. } = self;
        unsigned.finish(&mut draft);
        outward.finish(wire).map(|finished| {
            let Finished { signed, wire } = finished?;
            let Ready { pending, signed_with, encrypted_to, notes } = draft.with_mics_of(&signed).ready();
            Ok((OutboundEnd { pending, signed_with, encrypted_to, notes }, wire))
        })
    }

    fn end_body(&mut self, wire: &mut Vec<u8>) -> Result<(), SendError> {
        self.payload.end()?;
        self.write(&[], wire)?;
        let after = std::mem::take(&mut self.after);
        after.iter().try_for_each(|piece| self.push(piece, wire))
    }
}

impl Counter {
    /// Counts further octets, unless they are too many.
    fn take(&mut self, octets: usize) -> Result<(), SendError> {
        let written = self.written.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        match self.announced {
            Some(announced) if written > announced => Err(SendError::PayloadLength { announced, written }),
            _ => {
                self.written = written;
                Ok(())
            }
        }
    }

    fn end(&self) -> Result<(), SendError> {
        match self.announced {
            Some(announced) if announced != self.written => {
                Err(SendError::PayloadLength { announced, written: self.written })
            }
            _ => Ok(()),
        }
    }
}

impl Unsigned {
    /// `head` is the header block of the entity.
    fn start(draft: &Draft, head: &[u8]) -> Result<Self, SendError> {
        let (entity, body) = draft.unsigned_scopes();
        let mut entity = entity.then(|| draft.digests()).transpose()?;
        entity.iter_mut().for_each(|digests| digests.update(head));
        Ok(Self { entity, body: body.then(|| draft.digests()).transpose()? })
    }

    fn update(&mut self, body: &[u8]) {
        for digests in self.entity.iter_mut().chain(&mut self.body) {
            digests.update(body);
        }
    }

    fn finish(self, draft: &mut Draft) {
        let mics = |digests: Digests| digests.finish().iter().map(Mic::new).collect();
        draft.set_unsigned(self.entity.map(mics), self.body.map(mics));
    }
}
