//! One company: what it does with the messages that it sends and receives. This file is the example; all others are
//! its surroundings.
//!
//! Three rules keep documents from getting lost or doubled:
//! - **save, then send**: request and pending receipt are on disk before the first octet leaves;
//! - **store, then acknowledge**: only a stored document gets a positive receipt;
//! - **claim, then store**: a message that comes again gets the first answer again, or waits while it is worked on.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response, StatusCode};
use as2_protocol::{
    Accepted, Arrival, Authenticity, Claim, Delivery, Duplicate, Envelope, Evidence, FollowUp, Identity, Inbound,
    IncomingMdn, Layer, Limits, MessageBuilder, MessageParser, Mic, Outbound, Outcome, Partner, PendingMdn,
    PendingReceipt, ReceivedName, Refused, Reply, SendOutcome, TransportFailure, Work,
};
use tokio::sync::mpsc;

use crate::Fallible;
use crate::options::Document;
use crate::store::Store;

/// A company with its keys, its partner and its files.
pub(crate) struct Company {
    pub(crate) identity: Identity,
    /// The agreement with the partner; receipts come in the HTTP response.
    pub(crate) partner: Partner,
    /// The same, with receipts that are posted to us later.
    pub(crate) partner_later: Partner,
    pub(crate) store: Store,
    /// Taken while it is noted what happened to a message of ours.
    sending: Mutex<()>,
    events: mpsc::Sender<Event>,
}

/// What to answer, and the receipt to post afterwards.
pub(crate) struct Answer {
    pub(crate) response: Response<Bytes>,
    pub(crate) receipt: Option<PendingMdn>,
}

/// What happens at the server, for those who watch.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Box<Arrived>),
    Receipt(Box<Settled>),
    Log(String),
}

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) message_id: String,
    pub(crate) finding: Finding,
    /// Time to decrypt, verify and inflate.
    pub(crate) opening: Duration,
    /// Time to store the payload, to write the receipt and to store that.
    pub(crate) answering: Duration,
}

/// What became of a message that arrived.
#[derive(Debug)]
pub(crate) enum Finding {
    Stored { layers: Vec<Layer>, authenticity: Authenticity, mic: Mic, size: usize, path: PathBuf },
    Duplicate,
    Refused { code: &'static str, error: String, layers: Vec<Layer>, reference: Option<String> },
    Deferred { error: String },
}

/// A receipt that was posted to us, and judged.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) message_id: String,
    pub(crate) outcome: Outcome,
    pub(crate) judging: Duration,
}

impl Company {
    pub(crate) fn new(identity: Identity, [partner, partner_later]: [Partner; 2], store: Store) -> (Self, Events) {
        let (events, receiver) = mpsc::channel(256);
        (Self { identity, partner, partner_later, store, sending: Mutex::new(()), events }, Events(receiver))
    }

    /// Our name.
    pub(crate) fn name(&self) -> &str {
        self.partner.profile().us.as_str()
    }

    /// Builds a message: compressed, signed and encrypted, as the agreement says. Nothing is sent yet.
    pub(crate) fn build(&self, document: &Document, partner: &Partner) -> Fallible<Outbound> {
        let subject = format!("Document {}", document.name);
        let message = MessageBuilder::new(&self.identity, partner).subject(subject);
        Ok(message.build(document.payload()?, SystemTime::now())?)
    }

    /// Reads the answer to a message of ours, and archives the receipt if it is in there.
    pub(crate) fn conclude(
        &self,
        pending: &PendingReceipt,
        answer: Result<&Response<Bytes>, TransportFailure>,
    ) -> Fallible<SendOutcome> {
        let now = SystemTime::now();
        let outcome = pending.on_response(answer, &self.partner, now);
        match &outcome {
            SendOutcome::Settled(outcome) => self.archive(outcome)?,
            SendOutcome::Awaiting => {
                if let Some(early @ Outcome::Deliver(_)) = self.settle_parked(pending, now)? {
                    return Ok(SendOutcome::Settled(Box::new(early)));
                }
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Notes what happened to a message of ours. The receipt and the answer may come at the same time.
    pub(crate) fn progress(&self, message_id: &str, happened: impl FnOnce(&mut Delivery)) -> std::io::Result<Delivery> {
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut delivery = self.store.delivery(message_id)?;
        happened(&mut delivery);
        self.store.save_delivery(message_id, &delivery)?;
        Ok(delivery)
    }

    /// Judges the receipts that were put aside before the message was on record: another replica may have taken one, or
    /// the record may come out of a backup.
    fn settle_parked(&self, pending: &PendingReceipt, now: SystemTime) -> std::io::Result<Option<Outcome>> {
        let parked = self.store.parked(pending.message_id().bare())?;
        let outcome = pending.settle_parked(&parked, &self.partner, now);
        if let Some(outcome) = &outcome {
            self.archive(outcome)?;
            self.progress(pending.message_id().bare(), |delivery| {
                delivery.receipt(outcome);
            })?;
        }
        Ok(outcome)
    }

    /// Takes a request of the partner: a message, or the receipt for one of ours.
    pub(crate) fn receive(&self, request: Request<Bytes>) -> Answer {
        let now = SystemTime::now();
        match MessageParser::new(Limits::default()).parse(request) {
            Ok(Inbound::Message(envelope)) => self.take_message(envelope, now),
            Ok(Inbound::Mdn(receipt)) => self.take_receipt(&receipt, now),
            Err(rejection) => {
                self.log(format!("no AS2 message: {rejection}"));
                Answer::from(Reply::from(rejection))
            }
        }
    }

    fn take_message(&self, envelope: Envelope, now: SystemTime) -> Answer {
        let start = Instant::now();
        let arrival = envelope.arrival();
        let message_id = arrival.key().message_id().to_owned();
        let partner = self.find_partner(envelope.to(), envelope.from());
        let known = match partner.map(|partner| self.known(&arrival, partner, now)).transpose() {
            Ok(known) => known.flatten(),
            Err(error) => {
                self.log(format!("the record of {message_id} cannot be read: {error}"));
                return Answer::bare(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        let (opening, answered) = match known {
            Some(reply) => (start.elapsed(), given_again(reply)),
            None => {
                let opened = envelope.open(&self.identity, partner, now);
                let opening = start.elapsed();
                let answered = match opened {
                    Ok(message) => self.accept(message, &arrival, now),
                    Err(refused) => refuse(refused, now),
                };
                (opening, answered)
            }
        };
        let answering = start.elapsed() - opening;
        let (answer, finding) = answered;
        self.tell(Event::Message(Box::new(Arrived { message_id, finding, opening, answering })));
        answer
    }

    /// The answer to octets that were answered before: there is nothing to open.
    fn known(&self, arrival: &Arrival, partner: &Partner, now: SystemTime) -> std::io::Result<Option<Reply>> {
        Ok(arrival.known(self.store.record(arrival.key())?.as_ref(), partner, now))
    }

    /// The agreement between two names. A real application looks both up in its partner table.
    fn find_partner(&self, to: &ReceivedName, from: &ReceivedName) -> Option<&Partner> {
        let profile = self.partner.profile();
        (*to == profile.us && *from == profile.them).then_some(&self.partner)
    }

    /// Claims the message: of all who have it at the same time, one stores the document. Only now, since this is the
    /// partner's message, and not somebody's with his Message-ID.
    fn accept(&self, message: Accepted, arrival: &Arrival, now: SystemTime) -> (Answer, Finding) {
        for _ in 0..CLAIMS {
            let answered = self.store.record(arrival.key()).and_then(|record| {
                match message.claim(arrival, record.as_ref(), LEASE, now) {
                    Claim::New(work) => self.keep(&message, arrival, &work, now),
                    Claim::Duplicate(duplicate) => self.repeat(&duplicate, now),
                    Claim::Replay(reply) | Claim::Busy(reply) => Ok(Some(given_again(reply))),
                }
            });
            match answered {
                Ok(Some(answered)) => return answered,
                Ok(None) => {} // another one was faster: look again
                Err(error) => return defer(message, error.to_string()),
            }
        }
        defer(message, "others work on the message".to_owned())
    }

    /// First the document is stored, then the receipt is written and put on record, then it is sent. A document that
    /// cannot be stored now gets no receipt: the sender will try again. `None` if the claim is lost.
    fn keep(&self, message: &Accepted, arrival: &Arrival, work: &Work, now: SystemTime) -> Kept {
        if !self.store.write_record(work.write())? {
            return Ok(None);
        }
        let path = match self.store.save_message(arrival.key(), message) {
            Ok(path) => path,
            Err(error) => {
                let reply = message.clone().defer(PAUSE);
                self.store.write_record(&work.settle(&reply, now))?;
                return Ok(Some((Answer::from(reply), Finding::Deferred { error: error.to_string() })));
            }
        };
        let finding = Finding::Stored {
            layers: message.layers().to_vec(),
            authenticity: message.authenticity().clone(),
            mic: message.mic().clone(),
            size: message.payload().body().len(),
            path,
        };
        let reply = message.clone().stored().build(now);
        if let FollowUp::Blocked { url, reason } = &reply.follow_up {
            self.log(format!("no receipt posted to {url}: {reason}"));
        }
        let ours = self.store.write_record(&work.settle(&reply, now))?;
        Ok(ours.then(|| (Answer::from(reply), finding)))
    }

    /// A message that the sender built anew, or another document under a Message-ID that was used.
    fn repeat(&self, duplicate: &Duplicate, now: SystemTime) -> Kept {
        let reply = duplicate.receipt().build(now);
        let written = match duplicate.settle(&reply, now) {
            Some(write) => self.store.write_record(&write)?,
            None => true,
        };
        Ok(written.then(|| (Answer::from(reply), Finding::Duplicate)))
    }

    /// A receipt that is posted to us finds its message by the Message-ID that it names.
    fn take_receipt(&self, receipt: &IncomingMdn, now: SystemTime) -> Answer {
        let start = Instant::now();
        let message_id = receipt.original_message_id().map(|id| id.bare()).unwrap_or_default();
        let settled = match self.store.pending(&message_id) {
            Ok(Some(pending)) => {
                let outcome = pending.settle(receipt, &self.partner, now);
                let archived = self.archive(&outcome);
                let noted = archived.and_then(|()| {
                    self.progress(&message_id, |delivery| {
                        delivery.receipt(&outcome);
                    })
                });
                noted.map(|_| Some(outcome))
            }
            Ok(None) => self.store.park(receipt).map(|_| None),
            Err(error) => Err(error),
        };
        match settled {
            Ok(Some(outcome)) => {
                self.tell(Event::Receipt(Box::new(Settled { message_id, outcome, judging: start.elapsed() })));
                Answer::from(Reply::received())
            }
            Ok(None) => {
                self.log(format!("a receipt for the unknown message {message_id} was put aside"));
                Answer::from(Reply::received())
            }
            Err(error) => {
                // Not stored, so not taken: the partner posts it again.
                self.log(format!("a receipt could not be stored: {error}"));
                Answer::bare(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// Keeps a judged receipt. Proof of delivery is final: nothing that comes later replaces it.
    fn archive(&self, outcome: &Outcome) -> std::io::Result<()> {
        let Some(evidence) = outcome.evidence() else { return Ok(()) };
        let id = evidence.message_id().bare();
        if self.store.evidence(id)?.is_some() {
            return Ok(());
        }
        match outcome {
            Outcome::Deliver(_) => self.store.save_evidence(id, evidence)?,
            _ => self.store.save_complaint(id, evidence)?,
        };
        Ok(())
    }

    /// Reads archived evidence from its file and verifies all of it again, as in a dispute years later.
    pub(crate) fn audit(&self, message_id: &str) -> Fallible<Evidence> {
        let record = self.store.evidence(message_id)?.ok_or("there is no evidence for this message")?;
        Ok(record.verify(self.identity.provider())?)
    }

    pub(crate) fn log(&self, text: String) {
        self.tell(Event::Log(text));
    }

    fn tell(&self, event: Event) {
        // Nobody may be watching, or not fast enough; the work goes on.
        let _ = self.events.try_send(event);
    }
}

/// The exact error is for us. The receipt says what the partner may know.
fn refuse(refused: Refused, now: SystemTime) -> (Answer, Finding) {
    let (code, error) = (refused.error().code(), refused.error().to_string());
    let error = refused.diagnose_signature().map_or(error, |diagnosis| diagnosis.to_string());
    let layers = refused.layers().to_vec();
    let mdn = refused.mdn();
    let reference = mdn.reference().map(str::to_owned);
    (Answer::from(mdn.build(now)), Finding::Refused { code, error, layers, reference })
}

fn defer(message: Accepted, error: String) -> (Answer, Finding) {
    (Answer::from(message.defer(PAUSE)), Finding::Deferred { error })
}

/// What is on record as the answer, or that the message is being worked on.
fn given_again(reply: Reply) -> (Answer, Finding) {
    let finding = match reply.response.status() {
        StatusCode::SERVICE_UNAVAILABLE => Finding::Deferred { error: "the message is being worked on".to_owned() },
        _ => Finding::Duplicate,
    };
    (Answer::from(reply), finding)
}

impl Answer {
    fn bare(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self { response, receipt: None }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let receipt = match reply.follow_up {
            FollowUp::Post(receipt) => Some(receipt),
            _ => None,
        };
        Self { response: reply.response.to_response(), receipt }
    }
}

/// The watcher's end of a company's events.
pub(crate) struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event that `wanted` takes; `None` when it does not come in time. Others are handed to `log`.
    pub(crate) async fn next<T>(
        &mut self,
        mut wanted: impl FnMut(Event) -> Result<T, Event>,
        mut log: impl FnMut(String),
    ) -> Option<T> {
        let search = async {
            while let Some(event) = self.0.recv().await {
                match wanted(event) {
                    Ok(found) => return Some(found),
                    Err(Event::Log(text)) => log(text),
                    Err(_) => {}
                }
            }
            None
        };
        tokio::time::timeout(EVENT_TIME, search).await.ok().flatten()
    }
}

/// An answer, unless the claim to the message is lost.
type Kept = std::io::Result<Option<(Answer, Finding)>>;

/// How long a claim holds: far longer than a document takes to be stored.
const LEASE: Duration = Duration::from_secs(300);
/// Claims to one message before its sender is told to come again.
const CLAIMS: u32 = 4;
/// What a sender is told to wait when we cannot store.
const PAUSE: Duration = Duration::from_secs(60);
/// How long an event is waited for: longer than the delivery of a receipt may take.
const EVENT_TIME: Duration = Duration::from_secs(30);
