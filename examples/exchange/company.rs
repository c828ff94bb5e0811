//! One company: what it does with the messages that it sends and receives. This file is the example; all others are
//! its surroundings.
//!
//! Three rules keep documents from getting lost or doubled:
//! - **save, then send**: request and pending receipt are on disk before the first octet leaves;
//! - **store, then acknowledge**: only a stored document gets a positive receipt;
//! - **answer a duplicate with the first answer**: a sender who missed the receipt gets the same one again.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{HeaderMap, Request, Response, StatusCode};
use as2_protocol::{
    Accepted, Authenticity, Delivery, Envelope, Evidence, FollowUp, Identity, Inbound, IncomingMdn, Layer, Limits,
    MessageBuilder, MessageParser, Mic, Outbound, Outcome, Partner, PendingMdn, PendingReceipt, ReceivedName, Refused,
    Reply, SendOutcome, TransportFailure,
};
use tokio::sync::mpsc;

use crate::Fallible;
use crate::options::Document;
use crate::store::{Store, StoredReply};

/// A company with its keys, its partner and its files.
pub(crate) struct Company {
    pub(crate) identity: Identity,
    /// The agreement with the partner; receipts come in the HTTP response.
    pub(crate) partner: Partner,
    /// The same, with receipts that are posted to us later.
    pub(crate) partner_later: Partner,
    pub(crate) store: Store,
    /// Taken while a message is worked on, so that a duplicate cannot overtake its original.
    turn: Mutex<()>,
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
    Message(Box<Arrival>),
    Receipt(Box<Settled>),
    Log(String),
}

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
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
        let (turn, sending) = (Mutex::new(()), Mutex::new(()));
        (Self { identity, partner, partner_later, store, turn, sending, events }, Events(receiver))
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
        let mime = answer.as_ref().map(|response| mime(response.headers(), response.body())).unwrap_or_default();
        let outcome = pending.on_response(answer, &self.partner, SystemTime::now());
        if let SendOutcome::Settled(outcome) = &outcome {
            self.archive(outcome, &mime)?;
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

    /// Takes a request of the partner: a message, or the receipt for one of ours.
    pub(crate) fn receive(&self, request: Request<Bytes>) -> Answer {
        let now = SystemTime::now();
        let (headers, body) = (request.headers().clone(), request.body().clone());
        match MessageParser::new(Limits::default()).parse(request) {
            Ok(Inbound::Message(envelope)) => self.take_message(envelope, now),
            Ok(Inbound::Mdn(receipt)) => self.take_receipt(&receipt, &mime(&headers, &body), now),
            Err(rejection) => {
                self.log(format!("no AS2 message: {rejection}"));
                Answer::from(Reply::from(rejection))
            }
        }
    }

    fn take_message(&self, envelope: Envelope, now: SystemTime) -> Answer {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let message_id = envelope.message_id().map(|id| id.bare()).unwrap_or_default();
        let from = envelope.from().as_str().to_owned();
        let partner = self.find_partner(envelope.to(), envelope.from());

        let start = Instant::now();
        let opened = envelope.open(&self.identity, partner, now);
        let opening = start.elapsed();

        let start = Instant::now();
        let (answer, finding) = match opened {
            Ok(message) => self.accept(message, &from, &message_id, now),
            Err(refused) => refuse(refused, now),
        };
        let answering = start.elapsed();
        self.tell(Event::Message(Box::new(Arrival { message_id, finding, opening, answering })));
        answer
    }

    /// The agreement between two names. A real application looks both up in its partner table.
    fn find_partner(&self, to: &ReceivedName, from: &ReceivedName) -> Option<&Partner> {
        let profile = self.partner.profile();
        (*to == profile.us && *from == profile.them).then_some(&self.partner)
    }

    /// First the document is stored, then the receipt is written. A document that cannot be stored now gets no
    /// receipt: the sender will try again.
    fn accept(&self, message: Accepted, from: &str, message_id: &str, now: SystemTime) -> (Answer, Finding) {
        // Duplicates are looked for only now: this is the partner's message, not somebody's with his Message-ID.
        match self.store.reply(from, message_id) {
            Ok(Some(first)) => return (Answer::from(first), Finding::Duplicate),
            Ok(None) => {}
            Err(error) => return defer(message, &error),
        }
        let path = match self.store.save_message(from, message_id, &message) {
            Ok(path) => path,
            Err(error) => return defer(message, &error),
        };
        let finding = Finding::Stored {
            layers: message.layers().to_vec(),
            authenticity: message.authenticity().clone(),
            mic: message.mic().clone(),
            size: message.payload().body().len(),
            path,
        };

        let reply = message.stored().build(now);
        if let FollowUp::Blocked { url, reason } = &reply.follow_up {
            self.log(format!("no receipt posted to {url}: {reason}"));
        }
        let reply = StoredReply::from(reply);
        // A negative answer is not kept: what it complains of may be mended when the message comes again.
        if reply.response.status().is_success()
            && let Err(error) = self.store.save_reply(from, message_id, &reply)
        {
            return (Answer::bare(StatusCode::SERVICE_UNAVAILABLE), Finding::Deferred { error: error.to_string() });
        }
        (Answer::from(reply), finding)
    }

    /// A receipt that is posted to us finds its message by the Message-ID that it names.
    fn take_receipt(&self, receipt: &IncomingMdn, mime: &[u8], now: SystemTime) -> Answer {
        let start = Instant::now();
        let message_id = receipt.original_message_id().map(|id| id.bare()).unwrap_or_default();
        let settled = match self.store.pending(&message_id) {
            Ok(Some(pending)) => {
                let outcome = pending.settle(receipt, &self.partner, now);
                let archived = self.archive(&outcome, mime);
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
    fn archive(&self, outcome: &Outcome, mime: &[u8]) -> std::io::Result<()> {
        let Some(evidence) = outcome.evidence() else { return Ok(()) };
        let (id, record) = (evidence.message_id().bare(), evidence.record());
        if self.store.evidence(id)?.is_some() {
            return Ok(());
        }
        match outcome {
            Outcome::Deliver(_) => self.store.save_evidence(id, mime, record)?,
            _ => self.store.save_complaint(id, mime, record)?,
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
    let layers = refused.layers().to_vec();
    let mdn = refused.mdn();
    let reference = mdn.reference().map(str::to_owned);
    (Answer::from(mdn.build(now)), Finding::Refused { code, error, layers, reference })
}

fn defer(message: Accepted, error: &std::io::Error) -> (Answer, Finding) {
    let reply = message.defer(Duration::from_secs(60));
    (Answer::from(reply), Finding::Deferred { error: error.to_string() })
}

/// A receipt as a file that mail tools and `openssl cms` read: the MIME header, and the body.
fn mime(headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let mut file = b"MIME-Version: 1.0\r\n".to_vec();
    if let Some(content_type) = headers.get("content-type") {
        file.extend_from_slice(b"Content-Type: ");
        file.extend_from_slice(content_type.as_bytes());
        file.extend_from_slice(b"\r\n");
    }
    file.extend_from_slice(b"\r\n");
    file.extend_from_slice(body);
    file
}

impl Answer {
    fn bare(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self { response, receipt: None }
    }
}

impl From<StoredReply> for Answer {
    fn from(reply: StoredReply) -> Self {
        Self { response: reply.response.to_response(), receipt: reply.receipt }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        StoredReply::from(reply).into()
    }
}

impl From<Reply> for StoredReply {
    fn from(reply: Reply) -> Self {
        let receipt = match reply.follow_up {
            FollowUp::Post(receipt) => Some(receipt),
            _ => None,
        };
        Self { response: reply.response, receipt }
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

/// How long an event is waited for: longer than the delivery of a receipt may take.
const EVENT_TIME: Duration = Duration::from_secs(30);
