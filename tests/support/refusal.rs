//! A message that Bob refuses, and the receipt that Alice gets for it, in the response and in a request of its own.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use super::support::streamed::Received;
use super::support::*;

use as2_protocol::*;
use bytes::Bytes;

/// Every message here has this identifier.
pub const ID: &str = "<case@alice.example>";
pub const ASYNC_URL: &str = "https://alice.example/receipts";
pub const OPTIONS: &str = "signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=required, sha-256";
/// What Bob says about whatever happens inside an envelope.
pub const UNIFORM_TEXT: &str = "The message could not be decrypted and verified.\r\n";

/// A message from Alice to Bob, and how Bob opens it.
#[derive(Clone)]
pub struct Case {
    request: http::Request<Bytes>,
    options: String,
    us: Identity,
    partner: Partner,
    limits: Limits,
}

/// What Alice is told.
#[derive(Clone, Copy)]
pub struct Told {
    code: &'static str,
    disposition: &'static str,
    uniform: bool,
    mic: bool,
    signed: bool,
}

impl Told {
    /// The error itself.
    pub fn exactly(code: &'static str, disposition: &'static str) -> Self {
        Self { code, disposition, uniform: false, mic: false, signed: true }
    }

    /// Nothing but that it could not be decrypted.
    pub fn uniformly(code: &'static str) -> Self {
        Self { code, disposition: "processed/error: decryption-failed", uniform: true, mic: false, signed: true }
    }

    /// The receipt carries the integrity check of what was received.
    pub fn with_mic(mut self) -> Self {
        self.mic = true;
        self
    }

    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }
}

impl Case {
    /// A message of any content.
    pub fn new(content_type: &str, body: &[u8]) -> Self {
        let request = http::Request::post("/as2")
            .header("as2-version", "1.2")
            .header("as2-from", "\"Alice Corp\"")
            .header("as2-to", "bob")
            .header("message-id", ID)
            .header("content-type", content_type)
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        Self::of(request)
    }

    /// The order as the library sends it, under changed terms.
    pub fn built(change: impl FnOnce(&mut PartnerProfile)) -> Self {
        let mut terms = profile(ALICE, BOB);
        change(&mut terms);
        terms.send.receipt.kind = ReceiptKind::None;
        let builder = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob"));
        let payload = Payload::x12(worked("payload.x12"));
        Self::of(builder.message_id(ID.parse().unwrap()).build(payload, now()).unwrap().request.to_request())
    }

    fn of(request: http::Request<Bytes>) -> Self {
        let options = OPTIONS.to_owned();
        Self { request, options, us: worked_identity("bob"), partner: alice(), limits: Limits::default() }
    }

    pub fn body(mut self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let body = change(self.request.body());
        self.request.headers_mut().insert("content-length", body.len().into());
        *self.request.body_mut() = body.into();
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Bob's terms.
    pub fn accepting(mut self, change: impl FnOnce(&mut AcceptTerms)) -> Self {
        let mut terms = self.partner.profile().clone();
        change(&mut terms.accept);
        self.partner = worked_partner(terms, "alice");
        self
    }

    pub fn partner(mut self, partner: Partner) -> Self {
        self.partner = partner;
        self
    }

    pub fn us(mut self, us: Identity) -> Self {
        self.us = us;
        self
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The value of `Disposition-Notification-Options`.
    pub fn options(mut self, options: &str) -> Self {
        self.options = options.to_owned();
        self
    }

    /// Opens the message, with these further headers.
    pub fn open(&self, headers: &[(&'static str, &str)]) -> Result<Accepted, Refused> {
        self.received(headers).open(&self.us, Some(&self.partner), now())
    }

    /// Opens it in memory alone, for those who count what that takes.
    pub fn open_in_memory(&self) -> Result<Accepted, Refused> {
        let asked = [("disposition-notification-to", "x"), ("disposition-notification-options", &*self.options)];
        self.received(&asked).open_steps(&self.us, Some(&self.partner), now()).run()
    }

    fn received(&self, headers: &[(&'static str, &str)]) -> Received {
        let mut request = self.request.clone();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match MessageParser::new(self.limits.clone()).parse(request.clone()).unwrap() {
            Inbound::Message(envelope) => Received::new(envelope, request, self.limits.clone()),
            other => panic!("not a message: {other:?}"),
        }
    }

    pub fn open_sync(&self) -> Result<Accepted, Refused> {
        self.open(&[("disposition-notification-to", "x"), ("disposition-notification-options", &self.options)])
    }

    pub fn open_async(&self, url: &str) -> Result<Accepted, Refused> {
        self.open(&[
            ("disposition-notification-to", "x"),
            ("disposition-notification-options", &self.options),
            ("receipt-delivery-option", url),
        ])
    }

    /// The message, which must be accepted.
    pub fn accepted(&self) -> Accepted {
        self.open_sync().unwrap_or_else(|refused| panic!("{}", refused.error()))
    }

    /// The error of the message, which must be refused and answered as `told`: without receipt, with one in the
    /// response, and with one in a request of its own.
    pub fn refused(self, told: Told) -> ReceiveError {
        if told.disposition.starts_with("processed") {
            let bare = self.open(&[]).unwrap_err().mdn().build(now());
            assert_eq!((bare.response.status().as_u16(), bare.response.body().len()), (400, 0), "{}: R-09", told.code);
            assert_eq!((bare.response.header("content-length"), &bare.follow_up), (Some("0"), &FollowUp::None));
        }

        let refused = self.open_sync().unwrap_err();
        let error = refused.error().clone();
        let (reply, reference) = build(refused, told);
        assert_eq!((reply.response.status().as_u16(), &reply.follow_up), (200, &FollowUp::None), "{}: R-02", told.code);
        let response = reply.response.to_response();
        assert_eq!(response.headers()["as2-from"], "bob");
        assert_eq!(response.headers()["as2-to"], "\"Alice Corp\"");
        match pending().on_response(Ok(&response), &bob(), now()) {
            SendOutcome::Settled(outcome) => check(&outcome, &error, told, reference.as_deref()),
            other => panic!("{}: {other:?}", told.code),
        }

        let refused = self.open_async(ASYNC_URL).unwrap_err();
        assert_eq!(refused.error(), &error, "the way of the receipt changes nothing");
        let (reply, reference) = build(refused, told);
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (200, 0), "{}: R-03", told.code);
        let FollowUp::Post(posted) = reply.follow_up else { panic!("{}: {:?}", told.code, reply.follow_up) };
        let request = posted.request.to_request();
        assert_eq!(request.uri(), ASYNC_URL);
        let Inbound::Mdn(receipt) = parse(request) else { panic!("{}: not a receipt", told.code) };
        check(&pending().settle(&receipt, &bob(), now()), &error, told, reference.as_deref());
        error
    }
}

/// The reply, and the reference to our log that it carries.
fn build(refused: Refused, told: Told) -> (Reply, Option<String>) {
    assert_eq!(refused.error().code(), told.code, "{:?}", refused.error());
    let builder = refused.mdn();
    let reference = builder.reference().map(str::to_owned);
    assert_eq!(reference.is_some(), told.uniform, "{}", told.code);
    (builder.build(now()), reference)
}

fn check(outcome: &Outcome, error: &ReceiveError, told: Told, reference: Option<&str>) {
    let code = told.code;
    let Outcome::Refuse(disposition, evidence) = outcome else { panic!("{code}: {outcome:?}") };
    assert_eq!(disposition.to_string(), format!("automatic-action/MDN-sent-automatically; {}", told.disposition));
    let signer = told.signed.then(|| worked_certificate("bob-sign"));
    assert_eq!(evidence.signer(), signer.as_ref(), "{code}: D-13");
    assert_eq!(evidence.proof(), None, "{code}");
    let receipt = evidence.receipt();
    assert_eq!(receipt.mic().is_some(), told.mic, "{code}: K-25");
    let text = receipt.text().unwrap();
    if told.uniform {
        assert!(text.starts_with(UNIFORM_TEXT), "{code}: {text}");
        assert!(!text.contains(&error.to_string()), "{code}: {text}");
    } else {
        assert!(text.starts_with(&error.to_string()), "{code}: {text}");
    }
    assert!(reference.is_none_or(|reference| text.contains(reference)), "{code}: {text}");
}

/// What Alice waits for.
pub fn pending() -> PendingReceipt {
    let builder = MessageBuilder::new(&worked_identity("alice"), &bob()).message_id(ID.parse().unwrap());
    builder.build(Payload::x12("x"), now()).unwrap().pending
}
