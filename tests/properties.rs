//! What is built is opened, whatever the payload, the names and the layers are.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::keys::fast_identity;
use support::*;

use as2_protocol::*;

static ALICE_KEYS: LazyLock<Identity> = LazyLock::new(|| worked_identity("alice"));
static BOB_KEYS: LazyLock<Identity> = LazyLock::new(|| fast_identity("bob"));

/// What a sender may send.
#[derive(Clone, Debug)]
struct Message {
    payload: Vec<u8>,
    filename: Option<String>,
    subject: Option<String>,
    names: (As2Name, As2Name),
    id: MessageId,
    terms: SendTerms,
    quirks: Quirks,
}

/// RFC 4130 section 6.2: 1 to 128 printable characters.
fn as2_name() -> impl Strategy<Value = As2Name> {
    prop_oneof!["[ -~]{1,128}", "[ \"\\\\a]{1,6}", "[A-Za-z0-9]{1,20}"].prop_map(|name| name.parse().unwrap())
}

fn message_id() -> impl Strategy<Value = MessageId> {
    "[!-;=?A-~]{1,60}@[a-z0-9.-]{1,60}".prop_map(|id| id.parse().unwrap())
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec!["\r\n", "\n", "\r", "--", "------=_as2_", ".", " ", "ISA*00*", "=", "\0"]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(lines, 0..60).prop_map(|lines| lines.concat().into_bytes()),
    ]
}

fn filename() -> impl Strategy<Value = String> {
    // Encoded words are decoded wherever they stand in a file name, since peers write them there; paths are not sent.
    prop_oneof!["[A-Za-z0-9._-]{1,40}", "[ -~]{1,40}", "\\PC{1,40}"].prop_filter("no encoded word", |name| {
        !name.contains("=?") && !name.contains(['/', '\\']) && !name.trim().is_empty()
    })
}

fn terms() -> impl Strategy<Value = SendTerms> {
    let sign = prop::option::of(prop::sample::select(vec![
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
    ]));
    let encrypt = prop::option::of(prop::sample::select(AcceptTerms::default().ciphers));
    let compress = prop::sample::select(vec![Compression::None, Compression::BeforeSigning, Compression::AfterSigning]);
    let receipt = prop::sample::select(vec![ReceiptKind::None, ReceiptKind::Unsigned, ReceiptKind::Signed]);
    (sign, encrypt, compress, receipt).prop_map(|(sign, encrypt, compress, receipt)| {
        let mut terms = SendTerms::default();
        (terms.sign, terms.encrypt, terms.compress, terms.receipt.kind) = (sign, encrypt, compress, receipt);
        if receipt == ReceiptKind::None {
            terms.receipt.micalgs.clear();
        }
        terms
    })
}

fn quirks() -> impl Strategy<Value = Quirks> {
    let encoding = prop::sample::select(vec![SignatureEncoding::Base64, SignatureEncoding::Binary]);
    let embed = prop::sample::select(vec![Embed::None, Embed::Leaf, Embed::Chain]);
    (encoding, embed, any::<[bool; 4]>()).prop_map(|(encoding, embed, [names, attributes, protection, header])| {
        let mut quirks = Quirks::default();
        (quirks.signature_encoding, quirks.embed) = (encoding, embed);
        quirks.micalg_names = if names { MicalgNames::Rfc3851 } else { MicalgNames::Rfc5751 };
        quirks.signed_attributes = attributes;
        quirks.algorithm_protection = protection && attributes;
        quirks.http_transfer_encoding = header;
        quirks
    })
}

fn message() -> impl Strategy<Value = Message> {
    let names = (as2_name(), as2_name()).prop_filter("an agreement is between two", |(us, them)| us != them);
    let parts = (payload(), prop::option::of(filename()), prop::option::of("\\PC{0,80}"));
    (parts, names, message_id(), terms(), quirks()).prop_map(
        |((payload, filename, subject), names, id, terms, quirks)| Message {
            payload,
            filename,
            subject,
            names,
            id,
            terms,
            quirks,
        },
    )
}

/// What one of the two agreed with the other; the certificates are those of the worked examples.
fn partner(us: &As2Name, them: &As2Name, message: &Message, certificates: &str) -> Partner {
    let mut profile = PartnerProfile::new(us.clone(), them.clone(), "https://partner.example/as2".parse().unwrap());
    profile.send = message.terms.clone();
    profile.quirks = message.quirks.clone();
    profile.accept.signature = Requirement::Allow;
    worked_partner(profile, certificates)
}

impl Message {
    fn build(&self, to: &Partner) -> Outbound {
        let mut payload = Payload::x12(self.payload.clone());
        if let Some(filename) = &self.filename {
            payload = payload.with_filename(filename);
        }
        let mut builder = MessageBuilder::new(&ALICE_KEYS, to).message_id(self.id.clone());
        if let Some(subject) = &self.subject {
            builder = builder.subject(subject);
        }
        builder.build(payload, now()).unwrap()
    }

    /// The layers that must be found, outermost first.
    fn layers(&self) -> Vec<Layer> {
        let sign = self.terms.sign.map(Layer::Signed);
        let encrypt = self.terms.encrypt.map(|cipher| Layer::Encrypted(cipher, KeyTransport::RsaPkcs1v15));
        let compress = (self.terms.compress != Compression::None).then_some(Layer::Compressed);
        let inner = match self.terms.compress {
            Compression::AfterSigning => [compress, sign],
            _ => [sign, compress],
        };
        encrypt.into_iter().chain(inner.into_iter().flatten()).collect()
    }

    fn is_signed(&self) -> bool {
        self.terms.sign.is_some()
    }

    fn is_sealed(&self) -> bool {
        self.terms.encrypt.is_some_and(CipherAlgorithm::is_authenticated)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn n01_i01_what_is_built_is_opened_and_acknowledged(message in message()) {
        let (alice, bob) = &message.names;
        let (at_alice, at_bob) = (partner(alice, bob, &message, "bob"), partner(bob, alice, &message, "alice"));
        let sent = message.build(&at_alice);
        let received = envelope(sent.request.to_request());
        prop_assert_eq!(received.from(), alice);
        prop_assert_eq!(received.to(), bob);
        prop_assert_eq!(received.message_id().unwrap().raw(), message.id.as_str().as_bytes());

        let accepted = received.open(&BOB_KEYS, Some(&at_bob), now()).unwrap();
        prop_assert_eq!(accepted.payload().body(), &message.payload);
        prop_assert_eq!(accepted.payload().raw_filename(), message.filename.as_deref());
        prop_assert_eq!(accepted.payload().content_type().unwrap().essence(), "application/edi-x12");
        prop_assert_eq!(accepted.layers(), message.layers());
        let vouched = match accepted.authenticity() {
            Authenticity::Signed { .. } => (true, message.is_sealed()),
            Authenticity::SealedUnsigned => (false, true),
            Authenticity::None => (false, false),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(vouched, (message.is_signed(), message.is_sealed()));
        prop_assert_eq!(accepted.mic_scope(), sent.pending.mic_scope());
        prop_assert!(sent.pending.mics().contains(accepted.mic()));

        let response = accepted.stored().build(now()).response.to_response();
        match message.terms.receipt.kind {
            ReceiptKind::None => prop_assert!(response.body().is_empty()),
            _ => {
                let receipt = receipt_in(&response);
                prop_assert_eq!(receipt.original_message_id().unwrap(), message.id.clone());
                prop_assert_eq!(receipt.from().unwrap(), bob);
                prop_assert_eq!(receipt.to().unwrap(), alice);
                prop_assert_eq!(receipt.is_signed(), message.terms.receipt.kind == ReceiptKind::Signed);
            }
        }
        if message.terms.receipt.kind == ReceiptKind::Unsigned {
            let settled = sent.pending.on_response(Ok(&response), &at_alice, now());
            let delivered = matches!(&settled, SendOutcome::Settled(outcome) if matches!(**outcome, Outcome::Deliver(_)));
            prop_assert!(delivered, "{settled:?}");
        }
    }
}

proptest! {
    #[test]
    fn n03_n04_names_come_back_from_their_header(name in as2_name()) {
        let header = name.to_header();
        prop_assert!(header.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        prop_assert!(header.len() <= 258);
        let bare = name.as_str().bytes().all(|octet| octet != b' ' && octet != b'"' && octet != b'\\');
        prop_assert_eq!(header.starts_with('"'), !bare);
        prop_assert_eq!(received_names(&header), Ok((name.as_str().to_owned(), Vec::new())));
    }

    #[test]
    fn n02_n10_other_names_are_not_written(text in "\\PC{0,140}|[\\x00-\\x20\\x7f]{0,4}") {
        let valid = (1..=128).contains(&text.len()) && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        prop_assert_eq!(text.parse::<As2Name>().is_ok(), valid);
    }

    #[test]
    fn i01_message_ids_match_with_and_without_brackets(id in message_id(), other in message_id()) {
        prop_assert!(id.as_str().len() <= 998);
        prop_assert_eq!(id.as_str(), format!("<{}>", id.bare()));
        prop_assert_eq!(id.bare().parse::<MessageId>(), Ok(id.clone()));
        for written in [id.as_str().to_owned(), id.bare().to_owned(), format!(" {} ", id.as_str())] {
            let received = received_id(&written);
            prop_assert_eq!(&received, &id);
            prop_assert_eq!(received == other, id == other);
        }
    }

    #[test]
    fn i04_other_message_ids_are_not_written(text in "[ -~]{0,12}|[!-~]{0,3}@[!-~]{0,3}") {
        if let Ok(id) = text.parse::<MessageId>() {
            let (left, right) = id.bare().split_once('@').unwrap();
            prop_assert!(!left.is_empty() && !right.is_empty());
            prop_assert!(id.bare().bytes().all(|octet| octet.is_ascii_graphic() && !b"<>".contains(&octet)));
        }
    }
}

fn request(from: &str, id: &str) -> http::Request<bytes::Bytes> {
    http::Request::post("/as2")
        .header("as2-from", from)
        .header("as2-to", "bob")
        .header("message-id", id)
        .body(bytes::Bytes::new())
        .unwrap()
}

fn received_names(header: &str) -> Result<(String, Vec<Note>), Rejection> {
    let head = MessageParser::new(Limits::default()).head(&request(header, "<1@a>").into_parts().0)?;
    Ok((head.from().as_str().to_owned(), head.from().notes().to_vec()))
}

fn received_id(header: &str) -> ReceivedId {
    envelope(request("alice", header)).message_id().unwrap().clone()
}
