//! The sending process: builds the message while it is sent, saves what must be saved in between, and repeats a broken
//! attempt with the same octets.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::Response;
use as2_protocol::{
    Delivery, NextStep, OutboundEnd, OutboundStream, Partner, PendingReceipt, RequestHead, SendOutcome,
    TransportFailure,
};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::progress::{Bar, Count, add, seconds};
use crate::records::{Records, Spool, send_spooled};
use crate::wire::{Closed, HTTP_BUFFER, Pieces, Wire, wire};
use crate::{BoxError, Fallible, with_causes};

/// Octets of the wire that are collected before they are handed on.
const PIECE: usize = 64 << 10;
/// What the layers add to a chunk at most before the next one.
const MARGIN: usize = 8 << 10;
/// Octets of an answer; receipts are far smaller.
const MAX_ANSWER: usize = 4 << 20;
/// How long nothing may move: longer than the receiver needs to bring the file onto a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);

type HttpClient = Client<HttpConnector, Wire>;

/// A document on its way, under one agreement.
pub(crate) struct Sender<'a> {
    pub(crate) partner: &'a Partner,
    pub(crate) records: &'a Records,
    pub(crate) chunk: usize,
    pub(crate) spool: bool,
    /// Octets of the document.
    pub(crate) size: u64,
}

/// An attempt, for those who want to know.
pub(crate) struct Attempt {
    pub(crate) octets: u64,
    pub(crate) time: Duration,
    pub(crate) spooled: bool,
    /// The status of the answer, or why there is none.
    pub(crate) answer: Result<u16, String>,
}

/// How it ended.
pub(crate) struct Sent {
    pub(crate) outcome: SendOutcome,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) pending: PendingReceipt,
}

type Answer = Result<Response<Bytes>, TransportFailure>;

impl Sender<'_> {
    /// Sends the message until its fate is known, or the agreement's patience is over.
    pub(crate) async fn send(&self, message: OutboundStream) -> Fallible<Sent> {
        let mut builder = Client::builder(TokioExecutor::new());
        let client = builder.http1_max_buf_size(HTTP_BUFFER).build_http();
        let head = message.head().clone();
        // The Message-ID is on record before the first octet leaves: a receipt may come early, and names it.
        self.records.save_head(&head)?;
        let mut delivery = Delivery::of_message();

        self.start(&mut delivery)?;
        let (Built { pending, spool }, first, answer) = self.build_and_send(&client, &head, message).await?;
        let mut attempts = vec![first];
        let mut outcome = self.judge(&pending, &answer, &mut delivery)?;
        loop {
            match delivery.next_step(self.partner.profile(), SystemTime::now()) {
                NextStep::WaitUntil(due) if spool.is_some() => {
                    tokio::time::sleep(due.duration_since(SystemTime::now()).unwrap_or_default()).await;
                }
                NextStep::WaitUntil(_) | NextStep::Send => {
                    let Some(spool) = &spool else {
                        let first = attempts.first().ok_or("no attempt")?;
                        return Err(without_spool(first, "it may have arrived: ask the receiver first"));
                    };
                    self.start(&mut delivery)?;
                    let (attempt, answer) = self.send_again(&client, &head, spool).await?;
                    attempts.push(attempt);
                    outcome = self.judge(&pending, &answer, &mut delivery)?;
                }
                _ => return Ok(Sent { outcome, attempts, pending }),
            }
        }
    }

    fn start(&self, delivery: &mut Delivery) -> Fallible<()> {
        delivery.sent(SystemTime::now());
        Ok(self.records.save_delivery(delivery)?)
    }

    fn judge(&self, pending: &PendingReceipt, answer: &Answer, delivery: &mut Delivery) -> Fallible<SendOutcome> {
        let now = SystemTime::now();
        let outcome = pending.on_response(answer.as_ref().map_err(Clone::clone), self.partner, now);
        delivery.answered(&outcome, self.partner, now);
        self.records.save_delivery(delivery)?;
        Ok(outcome)
    }

    /// The first attempt: the message is built while it is sent. With a spool it is completed there even if the
    /// connection breaks.
    async fn build_and_send(
        &self,
        client: &HttpClient,
        head: &RequestHead,
        message: OutboundStream,
    ) -> Fallible<(Built, Attempt, Answer)> {
        let (pieces, wire) = wire(head.content_length());
        let count = Count::default();
        let spool = if self.spool { Some(self.records.spool()?) } else { None };
        let assembly = Assembly {
            message,
            document: File::open(self.records.document())?,
            chunk: self.chunk,
            line: Line { pieces: Some(pieces), spool, count: count.clone() },
            records: self.records.clone(),
        };
        let _bar = Bar::show("sending", &count, head.content_length().unwrap_or(self.size));
        let work = tokio::task::spawn_blocking(move || assembly.run());
        let (attempt, answer) = post(client, head, wire, &count, false).await;
        match (work.await?, &answer) {
            (Ok(built), _) => Ok((built, attempt, answer)),
            (Err(Broken::Failed(error)), _) => Err(error),
            // Not even the end of the message was made, so nothing of it can count.
            (Err(Broken::Gone), _) => Err(without_spool(&attempt, "send the file anew, as another message")),
        }
    }

    /// A further attempt, with the octets of the first one.
    async fn send_again(&self, client: &HttpClient, head: &RequestHead, spool: &Path) -> Fallible<(Attempt, Answer)> {
        let length = spool.metadata()?.len();
        let (pieces, wire) = wire(head.content_length());
        let count = Count::default();
        let (path, counting) = (spool.to_owned(), count.clone());
        let _bar = Bar::show("again", &count, length);
        let work = tokio::task::spawn_blocking(move || send_spooled(&path, pieces, &counting));
        let sent = post(client, head, wire, &count, true).await;
        work.await??;
        Ok(sent)
    }
}

/// An attempt that failed, and cannot be repeated.
fn without_spool(attempt: &Attempt, advice: &str) -> BoxError {
    let why = match &attempt.answer {
        Ok(status) => format!("the answer was {status}"),
        Err(reason) => reason.clone(),
    };
    let (octets, time) = (attempt.octets, seconds(attempt.time));
    format!(
        "not delivered: the attempt failed after {octets} octets and {time}: {why}; \
         without --spool the same octets cannot be sent again; {advice}"
    )
    .into()
}

/// A message that is complete.
struct Built {
    pending: PendingReceipt,
    /// Where its octets are.
    spool: Option<PathBuf>,
}

/// Why a message was not completed.
enum Broken {
    /// Nobody takes its octets any more.
    Gone,
    Failed(BoxError),
}

impl<E: Into<BoxError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The building of a message, in a thread that may wait for the disk and for the key.
struct Assembly {
    message: OutboundStream,
    document: File,
    chunk: usize,
    line: Line,
    records: Records,
}

impl Assembly {
    fn run(self) -> Result<Built, Broken> {
        let Self { mut message, mut document, chunk, mut line, records } = self;
        let (mut plain, mut wire) = (vec![0; chunk], Vec::with_capacity(PIECE + MARGIN));
        loop {
            let length = document.read(&mut plain)?;
            if length == 0 {
                break;
            }
            message.write(&plain[..length], &mut wire)?;
            if wire.len() >= PIECE / 2 {
                line.put(std::mem::replace(&mut wire, Vec::with_capacity(PIECE + MARGIN)))?;
            }
        }
        // Here the key signs. The last octets leave when the receipt is on record that answers them.
        let OutboundEnd { pending, .. } = message.finish(&mut wire)?;
        records.save_pending(&pending)?;
        Ok(Built { pending, spool: line.end(wire)? })
    }
}

/// Where octets go: into the spool, then to the receiver as long as he takes them.
struct Line {
    pieces: Option<Pieces>,
    spool: Option<Spool>,
    count: Count,
}

impl Line {
    fn put(&mut self, octets: Vec<u8>) -> Result<(), Broken> {
        if let Some(spool) = &mut self.spool {
            spool.write(&octets)?;
        }
        self.send(octets)
    }

    fn send(&mut self, octets: Vec<u8>) -> Result<(), Broken> {
        let Some(pieces) = &self.pieces else { return Ok(()) };
        let length = octets.len();
        match pieces.send(Bytes::from(octets)) {
            Ok(()) => add(&self.count, length),
            // What is spooled completely can be sent again.
            Err(Closed) if self.spool.is_some() => self.pieces = None,
            Err(Closed) => return Err(Broken::Gone),
        }
        Ok(())
    }

    /// The spool is safe before the last octets leave: from then on the receiver may have the message.
    fn end(mut self, last: Vec<u8>) -> Result<Option<PathBuf>, Broken> {
        let spool = match self.spool.take() {
            Some(mut spool) => {
                spool.write(&last)?;
                Some(spool.complete()?)
            }
            None => None,
        };
        if let Some(pieces) = self.pieces.take() {
            let length = last.len();
            if pieces.send(Bytes::from(last)).is_ok() {
                add(&self.count, length);
                let _ = pieces.end();
            }
        }
        Ok(spool)
    }
}

/// Posts a body and reads the answer, or says why there is none.
async fn post(client: &HttpClient, head: &RequestHead, body: Wire, count: &Count, spooled: bool) -> (Attempt, Answer) {
    let start = Instant::now();
    let answer = tokio::select! {
        answer = exchange(client, head, body) => answer,
        () = stalled(count) => Err(TransportFailure::new(format!("nothing moved for {} s", PATIENCE.as_secs()))),
    };
    let told = answer.as_ref().map(|answer| answer.status().as_u16()).map_err(ToString::to_string);
    (Attempt { octets: count.load(Relaxed), time: start.elapsed(), spooled, answer: told }, answer)
}

async fn exchange(client: &HttpClient, head: &RequestHead, body: Wire) -> Answer {
    let failure = |error: &(dyn std::error::Error + 'static)| TransportFailure::new(with_causes(error));
    let response = client.request(head.to_request().map(|()| body)).await.map_err(|error| failure(&error))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| failure(error.as_ref()))?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Ends when nothing was sent for long, and no answer came.
async fn stalled(count: &Count) {
    let mut before = None;
    loop {
        let now = count.load(Relaxed);
        if before.replace(now) == Some(now) {
            return;
        }
        tokio::time::sleep(PATIENCE).await;
    }
}
