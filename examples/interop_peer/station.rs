//! The station behind the HTTP server: sends, receives, and remembers what it sent until the receipt is there.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use as2_protocol::bytes::Bytes;
use as2_protocol::http::Request;
use as2_protocol::{
    Accepted, Dispute, Evidence, Inbound, IncomingMdn, Limits, MessageBuilder, MessageParser, MicField, Outbound,
    Outcome, Partner, PartnerProfile, Payload, PendingReceipt, ReceiptKind, ReceiptWish, Refused, Reply, Requirement,
    SendOutcome,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::server::{HTTP_TIMEOUT, post};
use crate::terms::{Relation, digest, key_transport, set_layers, verdict};
use crate::{Options, Trouble};

/// One of our messages, and what its receipt is judged with.
struct Sent {
    pending: PendingReceipt,
    partner: Partner,
    payload: Bytes,
}

pub(crate) struct Station {
    relation: Relation,
    /// Who sends to us.
    partner: Partner,
    out: PathBuf,
    receipt_url: String,
    count: AtomicU64,
    /// Asynchronous receipts are handed to whoever waits for this Message-ID.
    waiting: Mutex<HashMap<String, oneshot::Sender<Box<IncomingMdn>>>>,
}

impl Station {
    pub(crate) fn new(options: &Options, port: u16) -> Result<Self, Trouble> {
        let relation = Relation::read(options)?;
        let mut profile = relation.receiving(options)?;
        for layer in options.get_or("require", "").split(',').filter(|layer| !layer.is_empty()) {
            match layer {
                "signed" => profile.accept.signature = Requirement::Require,
                "encrypted" => profile.accept.encryption = Requirement::Require,
                other => return Err(Trouble::other(format!("--require {other}"))),
            }
        }
        let out = PathBuf::from(options.get("out")?);
        std::fs::create_dir_all(&out)?;
        Ok(Self {
            partner: relation.partner(profile)?,
            relation,
            out,
            receipt_url: format!("http://127.0.0.1:{port}/mdn"),
            count: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    // Receiving

    pub(crate) fn receive(&self, request: Request<Bytes>) -> Result<Reply, Trouble> {
        let now = SystemTime::now();
        let envelope = match MessageParser::new(Limits::default()).parse(request) {
            Ok(Inbound::Message(envelope)) => envelope,
            Ok(Inbound::Mdn(mdn)) => return self.take_receipt(mdn),
            Err(rejection) => {
                emit("error", json!({"detail": rejection.to_string()}));
                return Ok(rejection.into());
            }
        };
        let message_id = envelope.message_id().map(|id| id.bare());
        let result = envelope.open(&self.relation.us, Some(&self.partner), now);
        let mut event = verdict(&result);
        set(&mut event, "message_id", json!(message_id));
        set(&mut event, "payload_file", json!(self.store(&result)?));
        set(&mut event, "content_type", json!(content_type(&result)));
        emit("received", event);
        Ok(match result {
            Ok(accepted) => accepted.stored(),
            Err(refused) => refused.mdn(),
        }
        .build(now))
    }

    /// The payload must be safe before the sender is told that it arrived.
    fn store(&self, result: &Result<Accepted, Refused>) -> Result<Option<String>, Trouble> {
        let Ok(accepted) = result else { return Ok(None) };
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.out.join(format!("{number}.payload"));
        std::fs::write(&path, accepted.payload().body())?;
        Ok(Some(path.to_string_lossy().into_owned()))
    }

    fn take_receipt(&self, mdn: IncomingMdn) -> Result<Reply, Trouble> {
        let id = mdn.original_message_id().map(|id| id.bare()).unwrap_or_default();
        let waiting = self.waiting().remove(&id);
        match waiting.map(|sender| sender.send(Box::new(mdn))) {
            Some(Ok(())) => Ok(Reply::received()),
            _ => Err(Trouble::other(format!("a receipt for {id:?}, which nobody waits for"))),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Box<IncomingMdn>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Sending

    pub(crate) async fn send(&self, order: &Value) -> Result<(), Trouble> {
        let (outbound, sent) = self.build(order)?;
        // An asynchronous receipt may overtake the HTTP response.
        let (sender, receiver) = oneshot::channel();
        let id = sent.pending.message_id().bare().to_owned();
        self.waiting().insert(id.clone(), sender);
        let response = post(outbound.request.to_request()).await;
        let now = SystemTime::now();
        let outcome = sent.pending.on_response(response.as_ref().map_err(Clone::clone), &sent.partner, now);
        let event = match outcome {
            SendOutcome::Settled(outcome) => sent.settled(*outcome),
            SendOutcome::Awaiting => match tokio::time::timeout(HTTP_TIMEOUT, receiver).await {
                Ok(Ok(mdn)) => sent.settle(&mdn)?,
                _ => sent.unsettled("invalid", &format!("no asynchronous receipt within {HTTP_TIMEOUT:?}")),
            },
            SendOutcome::Transferred => sent.unsettled("none", "no receipt was asked for"),
            SendOutcome::NoReceipt { reason, .. } => sent.unsettled("invalid", &reason),
            SendOutcome::Retry { reason } | SendOutcome::Stop { reason } => sent.unsettled("none", &reason),
            other => sent.unsettled("none", &format!("{other:?}")),
        };
        self.waiting().remove(&id);
        emit("outcome", event);
        Ok(())
    }

    fn build(&self, order: &Value) -> Result<(Outbound, Sent), Trouble> {
        let text = |key: &str| order.get(key).and_then(Value::as_str);
        let need = |key: &str| text(key).ok_or_else(|| Trouble::other(format!("the order has no {key:?}")));
        let layer = |key: &str| text(key).unwrap_or("none");
        let mut profile = self.relation.profile(need("to")?)?;
        set_layers(&mut profile, layer("sign"), layer("encrypt"), layer("compress"))?;
        profile.send.key_transport = key_transport(text("key_transport").unwrap_or("auto"))?;
        self.ask_receipt(&mut profile, layer("receipt"), text("receipt_micalg"))?;
        let partner = self.relation.partner(profile)?;
        let payload = Bytes::from(std::fs::read(need("file")?)?);
        let content_type = text("content_type").unwrap_or("application/edi-x12").parse()?;
        let mut document = Payload::new(content_type, payload.clone());
        if let Some(filename) = text("filename") {
            document = document.with_filename(filename);
        }
        let us = &self.relation.us;
        let outbound = MessageBuilder::new(us, &partner).subject("interop").build(document, SystemTime::now())?;
        let pending = outbound.pending.clone();
        Ok((outbound, Sent { pending, partner, payload }))
    }

    fn ask_receipt(&self, profile: &mut PartnerProfile, receipt: &str, micalg: Option<&str>) -> Result<(), Trouble> {
        let wish: &mut ReceiptWish = &mut profile.send.receipt;
        wish.asynchronous_url = match receipt {
            "none" | "sync" => None,
            "async" => Some(self.receipt_url.parse()?),
            other => return Err(Trouble::other(format!("receipt {other}"))),
        };
        wish.kind = match micalg {
            _ if receipt == "none" => ReceiptKind::None,
            None => ReceiptKind::Unsigned,
            Some(_) => ReceiptKind::Signed,
        };
        wish.micalgs = micalg.map(digest).transpose()?.into_iter().collect();
        Ok(())
    }
}

impl Sent {
    fn settle(&self, mdn: &IncomingMdn) -> Result<Value, Trouble> {
        let mut payload: &[u8] = &self.payload;
        Ok(self.settled(self.pending.settle_with(mdn, &self.partner, &mut payload, SystemTime::now())?))
    }

    /// The outcome of a receipt that was judged.
    fn settled(&self, outcome: Outcome) -> Value {
        let (word, detail) = match &outcome {
            Outcome::Deliver(_) => ("positive", None),
            Outcome::Refuse(..) => ("negative", outcome.letter()),
            Outcome::Dispute(Dispute::MicMissing, _) => ("mic-missing", outcome.letter()),
            Outcome::Dispute(Dispute::MicMismatch { .. }, _) => ("mic-mismatch", outcome.letter()),
            Outcome::Dispute(dispute, _) => ("invalid", Some(format!("{}: {dispute}", dispute.code()))),
            other => ("invalid", Some(format!("{other:?}"))),
        };
        let evidence = outcome.evidence();
        let mut event = self.with_receipt(evidence.map(Evidence::receipt));
        set(&mut event, "outcome", json!(word));
        set(&mut event, "receipt_signed", json!(evidence.is_some_and(|evidence| evidence.signer().is_some())));
        set(&mut event, "detail", json!(detail));
        event
    }

    /// There is no receipt to judge.
    fn unsettled(&self, outcome: &str, detail: &str) -> Value {
        let mut event = self.with_receipt(None);
        set(&mut event, "outcome", json!(outcome));
        set(&mut event, "receipt_signed", json!(false));
        set(&mut event, "detail", json!(detail));
        event
    }

    /// Our MIC beside the receipt's.
    fn with_receipt(&self, mdn: Option<&IncomingMdn>) -> Value {
        let received = match mdn.and_then(IncomingMdn::mic) {
            Some(MicField::Mic(mic)) => Some(mic),
            _ => None,
        };
        let mics = self.pending.mics();
        let named = received.map(|mic| mics.iter().find(|own| Some(own.algorithm()) == mic.digest_algorithm()));
        let own = named.unwrap_or(mics.first());
        let check = match (own, received) {
            (None, _) => "not-computed",
            (_, None) => "absent",
            (Some(own), Some(received)) if own.digest() == received.digest => "match",
            _ => "mismatch",
        };
        json!({
            "message_id": self.pending.message_id().bare(),
            "mic": own.map(|mic| mic.to_base64()),
            "mic_alg": own.map(|mic| mic.algorithm().name()),
            "disposition": mdn.and_then(IncomingMdn::disposition).map(ToString::to_string),
            "receipt_mic": received.map(|mic| mic.to_base64()),
            "receipt_mic_alg": received.map(|mic| mic.algorithm.clone()),
            "mic_check": check,
        })
    }
}

fn content_type(result: &Result<Accepted, Refused>) -> Option<String> {
    result.as_ref().ok()?.payload().content_type().map(ToString::to_string)
}

fn set(event: &mut Value, key: &str, value: Value) {
    if let Some(keys) = event.as_object_mut() {
        keys.insert(key.to_owned(), value);
    }
}

/// Prints an event as one line.
pub(crate) fn emit(event: &str, mut keys: Value) {
    set(&mut keys, "event", json!(event));
    let mut out = std::io::stdout().lock();
    // Nobody is left to be told that standard output is gone.
    let _ = writeln!(out, "{keys}").and_then(|()| out.flush());
}
