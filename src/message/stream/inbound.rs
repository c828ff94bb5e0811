//! Receiving in one pass: octets of the wire in, octets of the documents into a quarantine, and a verdict in the end.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::crypto::{KeyError, SecretBytes};
use crate::error::Rejection;
use crate::identity::Identity;
use crate::message::opening::{Context, Opening};
use crate::message::parser::{Head, Inbound};
use crate::message::received::Accepted;
use crate::message::refused::Refused;
use crate::message::stream::accepted::AcceptedStream;
use crate::message::stream::claims::ClaimDigests;
use crate::mime::param::ContentType;
use crate::partner::Partner;
use crate::receipt::builder::Reply;
use crate::receipt::incoming::{IncomingMdn, PEEK, is_receipt};
use crate::smime::current::Current;
use crate::smime::inward::Inward;
use crate::smime::inward::quarantine::Quarantine;
use crate::smime::passed::Body;
use crate::smime::peel::{PeelTerms, peel};
use crate::step::{KeyRequest, Step};

/// A request whose body passes by in chunks of any length. Memory stays bounded, whatever the body's length: some
/// buffers of 32 KiB for each layer. An envelope inside a compressed layer, which nobody is known to send, may besides hold
/// what one such buffer inflates to, until its key has answered.
///
/// Documents go into the caller's [`Quarantine`] while they arrive; whether they may be used, only
/// [`InboundStream::finish`] tells. A stream that is dropped has acknowledged nothing.
///
/// Everything that [`Envelope::open`](crate::Envelope::open) takes is taken here, with exceptions of what cannot be told in one pass:
/// - The digest of a detached signature is known when the content has passed. `micalg` announces it, and SHA-256 is
///   computed besides; a signature with another digest is refused.
/// - Ed25519 without signed attributes signs the content itself, and AuthEnvelopedData may authenticate attributes that
///   follow the content: both are refused. CCM is kept in memory, up to [`Limits::kept_whole`](crate::Limits::kept_whole).
/// - Of the [forms](crate::SignedOctets) that a signature may cover, the octets as received and their CRLF form are tried: the
///   others deliver other octets than those that passed by. A refused signature is not [diagnosed](crate::Refused::diagnose_signature).
/// - multipart/mixed that begins with multipart/signed is taken for a wrapper around that, and refused if more follows;
///   in memory it counts as a collection of unsigned documents.
/// - There is no [`OriginEvidence`](crate::OriginEvidence), since the signed octets are gone.
///
/// ```
/// # use as2_protocol::*;
/// # use std::time::{Duration, SystemTime};
/// # fn receive(head: Head, us: &Identity, partner: &Partner, body: impl Iterator<Item = Vec<u8>>, now: SystemTime)
/// # -> Reply {
/// let mut quarantine: Vec<Vec<u8>> = Vec::new(); // files, in a service
/// let mut stream = head.stream(us, Some(partner), now);
/// for chunk in body {
///     if let Err(error) = stream.write(&chunk, &mut quarantine) {
///         return error.into_reply(Duration::from_secs(60));
///     }
/// }
/// match stream.finish(&mut quarantine) {
///     Ok(InboundEnd::Accepted(order)) => {
///         // Move the documents to where they belong, then say so.
///         order.stored().build(now)
///     }
///     Ok(InboundEnd::Refused(refused)) => refused.mdn().build(now), // and delete what is in the quarantine
///     Ok(InboundEnd::Mdn(receipt)) => settle(receipt),
///     Err(error) => error.into_reply(Duration::from_secs(60)),
/// }
/// # }
/// # fn settle(_: Box<IncomingMdn>) -> Reply { unimplemented!() }
/// ```
#[must_use = "the partner is waiting for a reply"]
pub struct InboundStream {
    head: Head,
    content_type: Option<ContentType>,
    us: Identity,
    partner: Option<Partner>,
    now: SystemTime,
    received: u64,
    mode: Mode,
    /// Octets that wait for a key.
    pending: Vec<u8>,
    claims: Option<Box<ClaimDigests>>,
}

enum Mode {
    /// The start of a body that may turn out to be a receipt. Short ones never leave it.
    Start(Vec<u8>),
    Receipt(Vec<u8>),
    Passing(Box<Passing>),
    /// Refused by its head; the body is taken in all the same, since many senders read no answer before it is sent.
    Refused(Refused),
}

struct Passing {
    context: Context,
    terms: PeelTerms,
    outer: Current,
    inward: Inward,
}

/// How a request ended whose body passed by.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub enum InboundEnd {
    /// A message that fulfils the agreement: its documents may leave the quarantine.
    Accepted(Box<AcceptedStream>),
    /// A message that is refused: its documents must not leave the quarantine.
    Refused(Refused),
    /// A receipt.
    Mdn(Box<IncomingMdn>),
}

/// A stream that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboundError {
    /// The quarantine took no more: the message is not received.
    #[error("the quarantine: {0}")]
    Quarantine(#[from] io::Error),
    /// The request is no AS2 message.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl InboundError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Quarantine(_) => "QUARANTINE",
            Self::Rejected(rejection) => rejection.code(),
        }
    }

    /// The answer: 503 if the message cannot be kept, so that the sender comes again after this time; else that of the
    /// [`Rejection`].
    pub fn into_reply(self, retry_after: Duration) -> Reply {
        match self {
            Self::Quarantine(_) => Reply::deferred(retry_after, Vec::new()),
            Self::Rejected(rejection) => rejection.into(),
        }
    }
}

impl Head {
    /// Takes the body as it arrives. `partner` is the one that the head names, if it is known.
    pub fn stream(self, us: &Identity, partner: Option<&Partner>, now: SystemTime) -> InboundStream {
        InboundStream {
            content_type: self.content_type(),
            head: self,
            us: us.clone(),
            partner: partner.cloned(),
            now,
            received: 0,
            mode: Mode::Start(Vec::new()),
            pending: Vec::new(),
            claims: None,
        }
    }
}

/// Octets that are taken in at a time.
const PIECE: usize = 32 << 10;

impl InboundStream {
    /// Digests the wire and the documents besides, so that the message can be claimed
    /// ([`AcceptedStream::claim`]). That is two passes of SHA-256 more; to be called before the first octet.
    pub fn for_claims(mut self) -> Self {
        self.claims = Some(Box::new(ClaimDigests::start(&self.head)));
        self
    }

    /// Takes in the next octets of the body. The decrypting key is asked in this thread.
    ///
    /// # Errors
    /// [`InboundError`] if the quarantine fails or the request is no AS2 message; nothing more is to be written then.
    pub fn write(&mut self, wire: &[u8], quarantine: &mut dyn Quarantine) -> Result<(), InboundError> {
        // What waits while the key is asked is a piece, however much the caller hands over.
        for piece in wire.chunks(PIECE) {
            let mut wanted = self.write_steps(piece, quarantine)?;
            while let Some(request) = wanted {
                wanted = self.provide(request.ask(), quarantine)?;
            }
        }
        Ok(())
    }

    /// Takes in the next octets of the body; the decrypting key may answer later. If a key is asked for, all octets were
    /// taken in, and [`InboundStream::provide`] must follow before the next ones: else that key is asked in this thread.
    /// Octets that cannot be read without the key are copied and kept until it answers: hand over some KiB at a time.
    ///
    /// # Errors
    /// As for [`InboundStream::write`].
    pub fn write_steps(
        &mut self,
        wire: &[u8],
        quarantine: &mut dyn Quarantine,
    ) -> Result<Option<KeyRequest>, InboundError> {
        while let Some(request) = self.wanted() {
            self.provide(request.ask(), quarantine)?;
        }
        if let Some(claims) = &mut self.claims {
            claims.wire(wire);
        }
        self.digesting(quarantine, |this, quarantine| this.push(wire, quarantine))?;
        Ok(self.wanted())
    }

    fn push(&mut self, wire: &[u8], quarantine: &mut dyn Quarantine) -> Result<(), InboundError> {
        self.received = self.received.saturating_add(u64::try_from(wire.len()).unwrap_or(u64::MAX));
        self.head.check_size(self.received)?;
        let mut rest = wire;
        if let Mode::Start(start) = &mut self.mode {
            let (now, later) = wire.split_at(PEEK.saturating_sub(start.len()).min(wire.len()));
            start.extend_from_slice(now);
            if start.len() < PEEK && may_be_receipt(self.content_type.as_ref()) {
                return Ok(());
            }
            self.pending = std::mem::take(start);
            self.begin()?;
            self.go_on(quarantine)?;
            rest = later;
        }
        let taken = if self.pending.is_empty() { self.take(rest, quarantine)? } else { 0 };
        self.pending.extend_from_slice(rest.get(taken..).unwrap_or_default());
        Ok(())
    }

    /// Lets what goes into the quarantine be digested, if claims were asked for.
    fn digesting<T>(
        &mut self,
        quarantine: &mut dyn Quarantine,
        work: impl FnOnce(&mut Self, &mut dyn Quarantine) -> T,
    ) -> T {
        let mut claims = self.claims.take();
        let done = match &mut claims {
            Some(claims) => work(self, &mut claims.digesting(quarantine)),
            None => work(self, quarantine),
        };
        self.claims = claims;
        done
    }

    /// Goes on with the key's answer; another key may be asked for, of an envelope inside.
    ///
    /// # Errors
    /// As for [`InboundStream::write`].
    pub fn provide(
        &mut self,
        answer: Result<Vec<u8>, KeyError>,
        quarantine: &mut dyn Quarantine,
    ) -> Result<Option<KeyRequest>, InboundError> {
        self.digesting(quarantine, |this, quarantine| {
            if let Mode::Passing(passing) = &mut this.mode {
                passing.inward.provide(answer.map(SecretBytes::new), &passing.terms, quarantine)?;
            }
            this.go_on(quarantine)
        })?;
        Ok(self.wanted())
    }

    /// The body is complete. The decrypting key of a short message is asked in this thread.
    ///
    /// # Errors
    /// As for [`InboundStream::write`].
    pub fn finish(self, quarantine: &mut dyn Quarantine) -> Result<InboundEnd, InboundError> {
        self.finish_steps(quarantine)?.run().deliver(quarantine)
    }

    /// The body is complete; the decrypting key of a short message may answer later. [`Undelivered::deliver`] follows.
    ///
    /// # Errors
    /// As for [`InboundStream::write`].
    pub fn finish_steps(mut self, quarantine: &mut dyn Quarantine) -> Result<Step<Undelivered>, InboundError> {
        while let Some(request) = self.wanted() {
            self.provide(request.ask(), quarantine)?;
        }
        self.head.check_length(self.received)?;
        let Self { head, us, partner, now, mode, mut claims, .. } = self;
        match mode {
            Mode::Start(body) => head.short(body.into(), (&us, partner.as_ref()), claims, now),
            Mode::Receipt(body) => {
                let mdn = IncomingMdn::read(&head.headers, body.into(), &head.limits).map_err(Rejection::Receipt)?;
                Ok(Step::Done(Undelivered(Verdict::Mdn(Box::new(mdn)))))
            }
            Mode::Refused(refused) => Ok(Step::Done(Undelivered(Verdict::Refused(refused)))),
            Mode::Passing(passing) => {
                let Passing { context, terms, outer, inward } = *passing;
                let (passed, lengths) = match &mut claims {
                    Some(claims) => inward.finish(&terms, &mut claims.digesting(quarantine))?,
                    None => inward.finish(&terms, quarantine)?,
                };
                let outer = Current { body: Body::Passed(Box::new(passed)), ..outer };
                Ok(peel(outer, terms).map(move |peeled| match peeled {
                    Ok(opened) => {
                        let passed = (!opened.at_hand).then_some(lengths);
                        Undelivered::accepted(Accepted::new(context, opened, now), passed, claims)
                    }
                    Err(failure) => Undelivered(Verdict::Refused(Refused::new(context, *failure))),
                }))
            }
        }
    }

    fn wanted(&self) -> Option<KeyRequest> {
        match &self.mode {
            Mode::Passing(passing) => passing.inward.wanted().cloned(),
            Mode::Start(_) | Mode::Receipt(_) | Mode::Refused(_) => None,
        }
    }

    /// Takes in what waited.
    fn go_on(&mut self, quarantine: &mut dyn Quarantine) -> Result<(), InboundError> {
        let mut pending = std::mem::take(&mut self.pending);
        let taken = self.take(&pending, quarantine)?;
        pending.drain(..taken);
        self.pending = pending;
        Ok(())
    }

    /// Takes in octets until a key is asked for; how many.
    fn take(&mut self, octets: &[u8], quarantine: &mut dyn Quarantine) -> Result<usize, InboundError> {
        match &mut self.mode {
            Mode::Refused(_) => {}
            Mode::Passing(passing) => return Ok(passing.inward.push(octets, &passing.terms, quarantine)?),
            Mode::Start(body) | Mode::Receipt(body) => {
                // One octet more than is taken tells that it is too long.
                let limit = usize::try_from(self.head.limits.report).unwrap_or(usize::MAX);
                let room = limit.saturating_add(1).saturating_sub(body.len());
                body.extend_from_slice(octets.get(..room).unwrap_or(octets));
            }
        }
        Ok(octets.len())
    }

    /// Enough is there to tell messages and receipts apart.
    fn begin(&mut self) -> Result<(), InboundError> {
        let start = Bytes::copy_from_slice(&self.pending);
        if is_receipt(self.content_type.as_ref(), &start, &self.head.limits) {
            self.mode = Mode::Receipt(Vec::new());
            return Ok(());
        }
        self.head.check_message()?;
        let (head, limits) = (self.head.clone(), self.head.limits.clone());
        let opening =
            Opening::new(head, self.content_type.clone(), limits, (&self.us, self.partner.as_ref()), self.now);
        self.mode = match opening {
            Ok(Opening { context, terms, outer }) => {
                let inward = Inward::new(&outer, &terms);
                Mode::Passing(Box::new(Passing { context, terms, outer, inward }))
            }
            Err(refused) => Mode::Refused(refused),
        };
        Ok(())
    }
}

/// Whether more than the header is needed to tell a message from a receipt.
fn may_be_receipt(content_type: Option<&ContentType>) -> bool {
    content_type.is_some_and(|known| known.essence() == "multipart/signed")
}

impl fmt::Debug for InboundStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundStream")
            .field("head", &self.head)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Head {
    /// A body that never left the start: opened in memory.
    fn short(
        self,
        body: Bytes,
        (us, partner): (&Identity, Option<&Partner>),
        claims: Option<Box<ClaimDigests>>,
        now: SystemTime,
    ) -> Result<Step<Undelivered>, InboundError> {
        Ok(match self.body(body)? {
            Inbound::Mdn(mdn) => Step::Done(Undelivered(Verdict::Mdn(Box::new(mdn)))),
            Inbound::Message(envelope) => envelope.open_steps(us, partner, now).map(move |opened| match opened {
                Ok(accepted) => Undelivered::accepted(accepted, None, claims),
                Err(refused) => Undelivered(Verdict::Refused(refused)),
            }),
        })
    }
}

/// A body that was judged; the documents of a short message are still here.
#[derive(Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct Undelivered(Verdict);

#[derive(Debug)]
enum Verdict {
    /// With the lengths of the documents, if they passed by.
    Accepted(Box<Accepted>, Option<Vec<u64>>, Option<Box<ClaimDigests>>),
    Refused(Refused),
    Mdn(Box<IncomingMdn>),
}

impl Undelivered {
    fn accepted(accepted: Accepted, passed: Option<Vec<u64>>, claims: Option<Box<ClaimDigests>>) -> Self {
        Self(Verdict::Accepted(Box::new(accepted), passed, claims))
    }

    /// Puts the documents into the quarantine, if they are not there yet.
    ///
    /// # Errors
    /// [`InboundError::Quarantine`] if it does not take them.
    pub fn deliver(self, quarantine: &mut dyn Quarantine) -> Result<InboundEnd, InboundError> {
        let (accepted, passed, mut claims) = match self.0 {
            Verdict::Refused(refused) => return Ok(InboundEnd::Refused(refused)),
            Verdict::Mdn(mdn) => return Ok(InboundEnd::Mdn(mdn)),
            Verdict::Accepted(accepted, passed, claims) => (accepted, passed, claims),
        };
        let lengths = match (passed, &mut claims) {
            (Some(lengths), _) => lengths,
            (None, Some(claims)) => put(&accepted, &mut claims.digesting(quarantine))?,
            (None, None) => put(&accepted, quarantine)?,
        };
        let claimable = claims.map(|claims| claims.finish());
        Ok(InboundEnd::Accepted(Box::new(AcceptedStream::new(*accepted, &lengths, claimable))))
    }
}

fn put(accepted: &Accepted, quarantine: &mut dyn Quarantine) -> io::Result<Vec<u64>> {
    let mut lengths = Vec::with_capacity(accepted.payloads().len());
    for (number, payload) in accepted.payloads().iter().enumerate() {
        quarantine.begin(number, &payload.head())?;
        quarantine.write(payload.body())?;
        lengths.push(u64::try_from(payload.body().len()).unwrap_or(u64::MAX));
    }
    Ok(lengths)
}
