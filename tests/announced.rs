//! What both sides tell about themselves: AS2-Version, EDIINT-Features, AS2-Product, Subject and From.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use support::*;

use as2_protocol::*;

fn features(names: &[&str]) -> Vec<Feature> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn send(terms: &PartnerProfile, change: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Outbound {
    let message = change(MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms.clone(), "bob")));
    message.build(Payload::x12("x"), now()).unwrap()
}

/// Bob's receipt under terms of his that announce something.
fn receipt(announce: impl FnOnce(&mut AnnounceTerms), url: Option<&str>) -> Reply {
    let mut ours = profile(ALICE, BOB);
    ours.send.receipt.asynchronous_url = url.map(|url| url.parse().unwrap());
    let mut theirs = profile(BOB, ALICE);
    announce(&mut theirs.send.announce);
    let request = send(&ours, |message| message).request.to_request();
    let partner = worked_partner(theirs, "alice");
    envelope(request).open(&worked_identity("bob"), Some(&partner), now()).unwrap().stored().build(now())
}

#[test]
fn v04_v05_v06_messages_announce_what_the_profile_says() {
    let cases: [(&[&str], Option<As2Version>, &str); 5] = [
        (&[], None, "1.1"),
        (&["multiple-attachments", "CEM"], None, "1.2"),
        (&[], Some(As2Version::V1_0), "1.0"),
        (&[], Some(As2Version::V1_2), "1.2"),
        (&["CEM"], Some(As2Version::V1_3), "1.3"),
    ];
    for (names, version, written) in cases {
        let mut terms = profile(ALICE, BOB);
        terms.send.announce.features = features(names);
        terms.send.announce.version = version;
        terms.send.announce.product = (version == Some(As2Version::V1_3)).then(|| "my-lib:0.1.0".parse().unwrap());
        let request = send(&terms, |message| message).request;
        assert_eq!(request.header("as2-version"), Some(written));
        assert_eq!(request.header("ediint-features"), (!names.is_empty()).then(|| names.join(", ")).as_deref());
        assert_eq!(request.header("as2-product"), terms.send.announce.product.map(String::from).as_deref());
    }
}

#[test]
fn v06_receipts_announce_the_same_and_are_read() {
    let announce = |terms: &mut AnnounceTerms| {
        terms.features = features(&["multiple-attachments"]);
        terms.product = Some("bobs-server:2.0".parse().unwrap());
    };
    let here = receipt(announce, None).response.to_response();
    let FollowUp::Post(there) = receipt(announce, Some("https://alice.example/receipts")).follow_up else { panic!() };
    let there = match parse(there.request.to_request()) {
        Inbound::Mdn(there) => there,
        other => panic!("{other:?}"),
    };
    for mdn in [receipt_in(&here), there] {
        let parked: IncomingMdn = serde_json::from_str(&serde_json::to_string(&mdn).unwrap()).unwrap();
        for mdn in [mdn, parked] {
            let announced = mdn.announced();
            assert_eq!(announced.version(), Some(As2Version::V1_2));
            assert_eq!(announced.features(), [Feature::multiple_attachments()]);
            assert_eq!(announced.product().map(|product| product.name().to_owned()).as_deref(), Some("bobs-server"));
        }
    }
    let plain = receipt(|_| {}, None).response;
    assert_eq!((plain.header("as2-version"), plain.header("ediint-features")), (Some("1.1"), None));
}

#[test]
fn v02_v03_v08_v11_nothing_that_is_announced_is_a_failure() {
    let received = |headers: &[(&'static str, &str)]| {
        let mut request = send(&profile(ALICE, BOB), |message| message).request.to_request();
        request.headers_mut().remove("as2-version");
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
        (accepted.announced().clone(), accepted.notes().iter().map(Note::code).collect::<Vec<_>>())
    };
    let (missing, notes) = received(&[]);
    assert_eq!((missing.version(), missing.version_text(), notes), (Some(As2Version::V1_0), None, vec![]));
    let (later, notes) = received(&[("as2-version", "1.9")]);
    assert_eq!((later.version_text(), notes), (Some("1.9"), vec![]));
    for odd in ["2.0", "garbage", ""] {
        let (odd, notes) = received(&[("as2-version", odd)]);
        assert_eq!((odd.version(), notes), (None, vec!["VERSION"]));
    }
    let (odd, _) = received(&[
        ("ediint-features", "foo-bar, CEM, , x_y"),
        ("ediint-features", "multiple-attachments"),
        ("as2-product", "Some Product 1"),
    ]);
    assert_eq!(odd.features(), features(&["foo-bar", "cem", "multiple-attachments"]), "V-09: surfaced");
    assert_eq!((odd.product(), odd.product_text()), (None, Some("Some Product 1")));
}

type Change = fn(&mut PartnerProfile);

#[test]
fn v05_v10_v11_announcements_that_contradict_the_rest_are_told() {
    let fields = |change: Change| {
        let mut terms = profile(ALICE, BOB);
        change(&mut terms);
        terms.contradictions().into_iter().map(|found| found.field).collect::<Vec<_>>()
    };
    let modern: Change = |terms| {
        terms.send.announce.version = Some(As2Version::V1_3);
        terms.send.announce.product = Some("a:1".parse().unwrap());
    };
    assert!(fields(modern).is_empty());
    let cases: [(Change, &[&str]); 8] = [
        (
            |terms| {
                terms.send.announce.version = Some(As2Version::V1_1);
                terms.send.announce.features = vec![Feature::cem()];
            },
            &["send.announce.version"],
        ),
        (
            |terms| {
                terms.send.announce.version = Some(As2Version::V1_0);
                terms.send.compress = Compression::BeforeSigning;
            },
            &["send.announce.version"],
        ),
        (
            |terms| terms.send.announce.features = vec![Feature::cem(), "cem".parse().unwrap()],
            &["send.announce.features"],
        ),
        (|terms| terms.send.announce.version = Some(As2Version::V1_3), &["send.announce.product"]),
        (
            |terms| {
                terms.send.announce.version = Some(As2Version::V1_3);
                terms.send.announce.product = Some("a:1".parse().unwrap());
                terms.send.receipt.micalgs = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Sha1];
            },
            &["send.receipt.micalgs"],
        ),
        (
            |terms| {
                terms.send.announce.version = Some(As2Version::V1_3);
                terms.send.announce.product = Some("a:1".parse().unwrap());
                terms.send.encrypt = Some(CipherAlgorithm::TripleDesCbc);
            },
            &["send.encrypt"],
        ),
        (|terms| terms.send.subject = Some("a\r\nBcc: x".to_owned()), &["send.subject"]),
        (|terms| terms.send.from = Some("ü@alice.example".to_owned()), &["send.from"]),
    ];
    for (change, expected) in cases {
        assert_eq!(fields(change), expected);
    }
}

#[test]
fn v07_v11_profiles_refuse_what_is_no_token() {
    let error = |announce: serde_json::Value| {
        let mut json = serde_json::to_value(profile(ALICE, BOB)).unwrap();
        json["send"]["announce"] = announce;
        serde_json::from_value::<PartnerProfile>(json).unwrap_err().to_string()
    };
    assert!(
        error(serde_json::json!({ "features": ["two words"] })).contains("`two words` is not the name of a feature")
    );
    assert!(error(serde_json::json!({ "product": "My Lib:1" })).contains("`My Lib:1` is not a product"));
    assert!(error(serde_json::json!({ "version": "2.0" })).contains("unknown variant `2.0`"));
}

#[test]
fn h16_subjects_and_senders_come_from_the_profile_where_the_message_has_none() {
    let mut terms = profile(ALICE, BOB);
    terms.send.subject = Some("Aufträge".to_owned());
    terms.send.from = Some("edi@alice.example".to_owned());
    let sent = send(&terms, |message| message);
    assert_eq!(sent.request.header("subject"), Some("=?utf-8?Q?Auftr=C3=A4ge?="));
    assert_eq!(sent.pending.subject(), Some("Aufträge"));
    assert_eq!(sent.request.header("from"), Some("edi@alice.example"));
    let sent =
        send(&terms, |message| message.subject("Order 1").header("From", "other@alice.example").header("X-A", "b"));
    let header = |name: &str| sent.request.header(name).unwrap().to_owned();
    assert_eq!(
        (header("subject"), header("from"), header("x-a")),
        ("Order 1".into(), "other@alice.example".into(), "b".into())
    );
}
