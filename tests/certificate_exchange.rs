//! Certificate exchange: documents as they are written and as others write them, and every way in which they are refused.
#![cfg(all(feature = "rustcrypto", feature = "serde", feature = "cem"))]

#[path = "support/issue.rs"]
mod issue;
mod support;

use std::time::{Duration, SystemTime};

use issue::*;
use support::*;

use as2_protocol::cem::*;
use as2_protocol::*;

const URL: &str = "https://alice.example/as2";

fn new_certificate() -> Certificate {
    self_signed("alice-enc", "Alice, new", 2026..=2028)
}

fn roles() -> [CertificateRole; 2] {
    [CertificateRole::DigitalSignature, CertificateRole::KeyEncipherment]
}

fn offer() -> CertificateOffer {
    CertificateOffer::new(new_certificate(), &roles(), URL.parse().unwrap()).respond_by(now() + DAY)
}

const DAY: Duration = Duration::from_secs(86_400);

fn request() -> (Outbound, CertificateExchange) {
    CertificateRequest::new().offer(offer()).build(&worked_identity("alice"), &bob(), now()).unwrap()
}

fn open(sent: &StoredRequest) -> Accepted {
    envelope(sent.to_request()).open(&worked_identity("bob"), Some(&alice()), now()).unwrap()
}

fn received(accepted: &Accepted) -> ReceivedRequest {
    match CemMessage::read(accepted).unwrap() {
        Some(CemMessage::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Bob's response, as Alice reads it.
fn respond(sent: &StoredRequest, decision: Decision) -> ReceivedResponse {
    let answer = received(&open(sent)).answer(now(), |_| decision.clone());
    let [response] = &answer.build(&worked_identity("bob"), &alice(), now()).unwrap()[..] else { panic!("one place") };
    read_response(&response.request)
}

fn read_response(sent: &StoredRequest) -> ReceivedResponse {
    let accepted = envelope(sent.to_request()).open(&worked_identity("alice"), Some(&bob()), now()).unwrap();
    match CemMessage::read(&accepted).unwrap() {
        Some(CemMessage::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A request as somebody else writes it: prefixes, dates with zones, names in the order of OpenSSL, comments.
const FOREIGN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<tpcert:EDIINTCertificateExchangeRequest requestId="17@alice.example"
    xmlns:tpcert="urn:ietf:params:xml:ns:ediintcertificateexchange" xmlns:sig="http://www.w3.org/2000/09/xmldsig#">
  <tpcert:TradingPartnerInfo>
    <tpcert:Name qualifier="DUNS">4711</tpcert:Name>
    <tpcert:Name qualifier="AS2">Alice Corp</tpcert:Name>
    <tpcert:MessageOriginated>2026-11-23T19:00:00-05:00</tpcert:MessageOriginated>
  </tpcert:TradingPartnerInfo>
  <tpcert:TrustRequest>
    <tpcert:CertUsage>keyEncipherment</tpcert:CertUsage>
    <tpcert:RespondByDate>2026-12-01T00:00:00</tpcert:RespondByDate>
    <tpcert:ResponseURL> https://alice.example/cem </tpcert:ResponseURL>
    <tpcert:EndEntity>
      <tpcert:CertificateIdentifier>
        <sig:X509IssuerName>cn = Alice\, <!-- a comment -->new</sig:X509IssuerName>
        <sig:X509SerialNumber>18193</sig:X509SerialNumber>
      </tpcert:CertificateIdentifier>
      <tpcert:CertificateContentID>cert@alice.example</tpcert:CertificateContentID>
    </tpcert:EndEntity>
  </tpcert:TrustRequest>
</tpcert:EDIINTCertificateExchangeRequest>
"#;

/// A document in a message of Alice's, with her new certificate beside it.
fn message(document: impl Into<String>, terms: impl FnOnce(&mut PartnerProfile)) -> Accepted {
    let mut profile = profile(ALICE, BOB);
    terms(&mut profile);
    let certificates = Payload::new(
        "application/pkcs7-mime; smime-type=certs-only".parse().unwrap(),
        Certificate::to_p7c(&[new_certificate()]),
    );
    let nothing = Payload::new("application/pkcs7-mime".parse().unwrap(), "no certificate");
    let builder = MessageBuilder::new(&worked_identity("alice"), &worked_partner(profile, "bob"))
        .attach(certificates.with_content_id("cert@alice.example"))
        .attach(nothing.with_content_id("nothing@alice.example"));
    let root = Payload::new("application/ediint-cert-exchange+xml".parse().unwrap(), document.into());
    open(&builder.build(root, now()).unwrap().request)
}

fn refused(document: &str) -> CemError {
    CemMessage::read(&message(document, |_| {})).unwrap_err()
}

#[test]
fn ec1_ec2_a_request_as_it_is_written() {
    let (sent, exchange) = request();
    let accepted = open(&sent.request);
    let whole = accepted.payload().content_type().unwrap();
    assert_eq!(whole.essence(), "multipart/related");
    assert_eq!(whole.param("type"), Some("application/ediint-cert-exchange+xml"));
    let [root, part] = accepted.payloads() else { panic!("a document and a certificate") };
    let labels = part.content_type().unwrap();
    assert_eq!((labels.essence(), labels.param("smime-type")), ("application/pkcs7-mime", Some("certs-only")));
    assert_eq!(Certificate::read_all(part.body()).unwrap(), [new_certificate()]);
    let document = String::from_utf8(root.body().to_vec()).unwrap();
    let golden = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<EDIINTCertificateExchangeRequest xmlns="urn:ietf:params:xml:ns:ediintcertificateexchange" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" requestId="{}">
  <TradingPartnerInfo>
    <Name qualifier="AS2">Alice Corp</Name>
    <MessageOriginated>2026-11-24T00:00:00Z</MessageOriginated>
  </TradingPartnerInfo>
  <TrustRequest>
    <CertUsage>digitalSignature</CertUsage>
    <CertUsage>keyEncipherment</CertUsage>
    <RespondByDate>2026-11-25T00:00:00Z</RespondByDate>
    <ResponseURL>https://alice.example/as2</ResponseURL>
    <EndEntity>
      <CertificateIdentifier>
        <ds:X509IssuerName>CN=Alice\, new</ds:X509IssuerName>
        <ds:X509SerialNumber>18193</ds:X509SerialNumber>
      </CertificateIdentifier>
      <CertificateContentID>{}</CertificateContentID>
    </EndEntity>
  </TrustRequest>
</EDIINTCertificateExchangeRequest>
"#,
        exchange.request_id(),
        part.content_id().unwrap()
    );
    assert_eq!(document, golden);
    let read = received(&accepted);
    let [trust] = read.trust_requests() else { panic!("one offer") };
    assert_eq!((trust.certificate(), trust.roles()), (&new_certificate(), &roles()[..]));
    assert_eq!((trust.respond_by(), trust.response_url().to_string()), (Some(now() + DAY), URL.to_owned()));
    assert_eq!((read.request_id(), read.originated()), (exchange.request_id(), now()));
}

#[test]
fn ec1_chains_go_along() {
    let root = self_signed("bob-sign", "Root", 2020..=2030);
    let sent = CertificateRequest::new().offer(offer().with_chain(vec![root.clone()]));
    let (sent, _) = sent.build(&worked_identity("alice"), &bob(), now()).unwrap();
    let read = received(&open(&sent.request));
    assert_eq!(read.trust_requests()[0].chain(), [root]);
}

#[test]
fn ec3_ec4_a_response_as_it_is_written_and_where_it_goes() {
    let read = received(&message(FOREIGN, |_| {}));
    let answer = read.answer(now(), |_| Decision::Reject("no & never".to_owned()));
    assert!(answer.adoptions().is_empty());
    let [sent] = &answer.build(&worked_identity("bob"), &alice(), now()).unwrap()[..] else { panic!("one place") };
    assert_eq!(sent.request.to_request().uri(), "https://alice.example/cem");
    let accepted = envelope(sent.request.to_request()).open(&worked_identity("alice"), Some(&bob()), now()).unwrap();
    assert_eq!(accepted.payload().content_type().unwrap().essence(), "multipart/related");
    let [root] = accepted.payloads() else { panic!("a document alone") };
    let golden = r#"<?xml version="1.0" encoding="UTF-8"?>
<EDIINTCertificateExchangeResponse xmlns="urn:ietf:params:xml:ns:ediintcertificateexchange" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" requestId="17@alice.example">
  <TradingPartnerInfo>
    <Name qualifier="AS2">bob</Name>
    <MessageOriginated>2026-11-24T00:00:00Z</MessageOriginated>
  </TradingPartnerInfo>
  <TrustResponse>
    <CertStatus>Rejected</CertStatus>
    <ReasonForRejection>no &amp; never</ReasonForRejection>
    <CertificateReference>
      <ds:X509IssuerName>cn = Alice\, new</ds:X509IssuerName>
      <ds:X509SerialNumber>18193</ds:X509SerialNumber>
    </CertificateReference>
  </TrustResponse>
</EDIINTCertificateExchangeResponse>
"#;
    assert_eq!(String::from_utf8(root.body().to_vec()).unwrap(), golden);
    let read = read_response(&sent.request);
    assert_eq!((read.request_id(), read.answers().len()), ("17@alice.example", 1));
    assert_eq!(read.answers()[0].decision(), &Decision::Reject("no & never".to_owned()));
}

#[test]
fn ec4_each_place_gets_the_answers_that_are_asked_for_there() {
    let elsewhere = CertificateOffer::new(
        self_signed("alice-sign", "Second", 2026..=2027),
        &[CertificateRole::TlsServer],
        "https://alice.example/other".parse().unwrap(),
    );
    let sent = CertificateRequest::new().offer(offer()).offer(elsewhere).offer(offer());
    let (sent, mut exchange) = sent.build(&worked_identity("alice"), &bob(), now()).unwrap();
    let answer = received(&open(&sent.request)).answer(now(), |_| Decision::Accept);
    assert_eq!(answer.adoptions().len(), 3);
    let responses = answer.build(&worked_identity("bob"), &alice(), now()).unwrap();
    let places: Vec<_> = responses.iter().map(|sent| sent.request.to_request().uri().path().to_owned()).collect();
    assert_eq!(places, ["/as2", "/other"]);
    for response in &responses {
        assert!(!exchange.is_answered());
        exchange.settle(&read_response(&response.request)).unwrap();
    }
    assert!(exchange.is_answered() && exchange.offers().all(|(_, state)| *state == OfferState::Accepted));
}

#[test]
fn ec2_requests_of_others_are_read_whatever_prefixes_they_use() {
    let read = received(&message(FOREIGN, |_| {}));
    assert_eq!((read.request_id(), read.originated()), ("17@alice.example", now()));
    let [trust] = read.trust_requests() else { panic!("one offer") };
    assert_eq!((trust.certificate(), trust.roles()), (&new_certificate(), &[CertificateRole::KeyEncipherment][..]));
    assert_eq!(trust.respond_by(), Some(now() + 7 * DAY));
    let without = FOREIGN.replace("<tpcert:CertUsage>keyEncipherment</tpcert:CertUsage>", "");
    assert_eq!(received(&message(without, |_| {})).trust_requests()[0].roles().len(), 4, "nothing named is everything");
}

#[test]
fn ec5_every_violation_has_its_error() {
    let cases = [
        (">Alice Corp<", ">Mallory<", "CEM_NAME"),
        ("qualifier=\"AS2\"", "qualifier=\"EDI\"", "CEM_MISSING"),
        ("qualifier=\"DUNS\"", "qualifier=\"AS2\"", "CEM_REPEATED"),
        ("requestId=\"17@alice.example\"", "", "CEM_MISSING"),
        ("requestId=\"17@alice.example\"", "requestId=\"\"", "CEM_MISSING"),
        (">cert@alice.example<", ">other@alice.example<", "CEM_CONTENT_ID"),
        (">cert@alice.example<", "><", "CEM_MISSING"),
        (">cert@alice.example<", ">nothing@alice.example<", "CEM_CERTIFICATE"),
        (">18193<", ">18194<", "CEM_IDENTIFIER"),
        (">18193<", ">-18193<", "CEM_IDENTIFIER"),
        (">18193<", ">0x4711<", "CEM_VALUE"),
        (">18193<", ">-<", "CEM_VALUE"),
        ("cn = Alice", "cn = Mallory", "CEM_IDENTIFIER"),
        (">keyEncipherment<", ">everything<", "CEM_VALUE"),
        ("2026-12-01T00:00:00<", "soon<", "CEM_VALUE"),
        ("2026-11-23T19:00:00-05:00", "2026-11-23", "CEM_VALUE"),
        (" https://alice.example/cem ", "", "CEM_MISSING"),
        ("tpcert:EndEntity>", "tpcert:Other>", "CEM_MISSING"),
        ("tpcert:TrustRequest>", "tpcert:Other>", "CEM_MISSING"),
        ("tpcert:TradingPartnerInfo>", "tpcert:Other>", "CEM_MISSING"),
        ("tpcert:EDIINTCertificateExchangeRequest", "tpcert:Other", "CEM_ROOT"),
        ("ns:ediintcertificateexchange", "ns:other", "CEM_MISSING"),
        ("</tpcert:TrustRequest>", "", "CEM_XML"),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<!DOCTYPE a [<!ENTITY b \"c\">]>", "CEM_DOCTYPE"),
    ];
    for (old, new, code) in cases {
        assert!(FOREIGN.contains(old), "{old}");
        let error = refused(&FOREIGN.replace(old, new));
        assert_eq!(error.code(), code, "{old} -> {new}: {error}");
        assert!(error.to_string().bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{error}");
    }
    assert_eq!(refused("").code(), "CEM_XML");
    for leading in [">+18193<", ">0018193<", "> 18193\n<"] {
        assert!(CemMessage::read(&message(FOREIGN.replace(">18193<", leading), |_| {})).is_ok(), "{leading}");
    }
}

#[test]
fn ec7_the_number_of_certificates_is_limited() {
    let start = FOREIGN.find("  <tpcert:TrustRequest>").unwrap();
    let end = FOREIGN.find("</tpcert:EDIINT").unwrap();
    let (head, trust, tail) = (&FOREIGN[..start], &FOREIGN[start..end], &FOREIGN[end..]);
    let with = |count| format!("{head}{}{tail}", trust.repeat(count));
    assert_eq!(received(&message(with(64), |_| {})).trust_requests().len(), 64);
    assert!(matches!(refused(&with(65)), CemError::TooLarge { limit: 64, .. }));
}

#[test]
fn ec6_what_is_not_signed_is_refused() {
    let unsigned = message(FOREIGN, |terms| terms.send.sign = None);
    assert_eq!(CemMessage::read(&unsigned).unwrap_err(), CemError::Unsigned);
    let plain = message(FOREIGN, |terms| (terms.send.sign, terms.send.encrypt) = (None, None));
    assert_eq!(CemMessage::read(&plain).unwrap_err(), CemError::Unsigned);
}

#[test]
fn ec6_nothing_is_offered_without_signature_and_signed_receipt() {
    let build = |terms: fn(&mut PartnerProfile)| {
        let mut profile = profile(ALICE, BOB);
        terms(&mut profile);
        let partner = worked_partner(profile, "bob");
        CertificateRequest::new().offer(offer()).build(&worked_identity("alice"), &partner, now()).unwrap_err()
    };
    assert_eq!(build(|terms| terms.send.sign = None), CemError::Agreement { field: "send.sign" });
    let kind = |terms: &mut PartnerProfile| terms.send.receipt.kind = ReceiptKind::Unsigned;
    assert_eq!(build(kind), CemError::Agreement { field: "send.receipt.kind" });
    let nothing = CertificateRequest::new().build(&worked_identity("alice"), &bob(), now());
    assert_eq!(nothing.unwrap_err(), CemError::NothingOffered);
}

#[test]
fn u08_responses_go_to_hosts_of_the_agreement_only() {
    for url in
        ["http://169.254.169.254/", "file:///etc", "https://u:p@alice.example/", "http://[::1]/", "mailto:a@b", "x"]
    {
        let error = refused(&FOREIGN.replace("https://alice.example/cem", url));
        assert!(matches!(&error, CemError::ResponseUrl { url: told, .. } if told == url), "{error}");
    }
}

#[test]
fn documents_are_no_certificate_exchange() {
    let builder = MessageBuilder::new(&worked_identity("alice"), &bob());
    let sent = builder.build(Payload::xml("<EDIINTCertificateExchangeRequest/>"), now()).unwrap();
    assert!(CemMessage::read(&open(&sent.request)).unwrap().is_none());
}

#[test]
fn ec5_responses_must_answer_what_was_asked() {
    let (sent, exchange) = request();
    let accepted = respond(&sent.request, Decision::Accept);
    let rejected = respond(&sent.request, Decision::Reject("too short".to_owned()));

    let mut stored: CertificateExchange = serde_json::from_str(&serde_json::to_string(&exchange).unwrap()).unwrap();
    assert_eq!(stored, exchange);
    stored.settle(&accepted).unwrap();
    stored.settle(&accepted).unwrap();
    assert_eq!(stored.offers().next().unwrap().1, &OfferState::Accepted);
    let before = stored.clone();
    assert_eq!(stored.settle(&rejected), Err(CemError::Contradiction { serial: "18193".to_owned() }));
    assert_eq!(stored, before);

    let (_, mut other) = request();
    assert!(matches!(other.settle(&accepted), Err(CemError::UnknownRequest(id)) if id == exchange.request_id()));
}

/// A response as Bob might write it.
const RESPONSE: &str = r#"<c:EDIINTCertificateExchangeResponse requestId="ID"
    xmlns:c="urn:ietf:params:xml:ns:ediintcertificateexchange" xmlns="http://www.w3.org/2000/09/xmldsig#">
  <c:TradingPartnerInfo><c:Name qualifier="AS2">bob</c:Name>
    <c:MessageOriginated>2026-11-24T00:00:00Z</c:MessageOriginated></c:TradingPartnerInfo>
  <c:TrustResponse><c:CertStatus>Accepted</c:CertStatus><c:CertificateReference>
    <X509IssuerName>CN=Alice\, new</X509IssuerName><X509SerialNumber>18193</X509SerialNumber>
  </c:CertificateReference></c:TrustResponse>
</c:EDIINTCertificateExchangeResponse>"#;

#[test]
fn ec3_ec5_responses_of_others_are_read_or_refused() {
    let (_, exchange) = request();
    let settled = |old: &str, new: &str| {
        let document = RESPONSE.replace("ID\"", &format!("{}\"", exchange.request_id())).replace(old, new);
        let root = Payload::new("application/ediint-cert-exchange+xml".parse().unwrap(), document);
        let sent = MessageBuilder::new(&worked_identity("bob"), &alice()).build(root, now()).unwrap();
        let accepted =
            envelope(sent.request.to_request()).open(&worked_identity("alice"), Some(&bob()), now()).unwrap();
        let Some(CemMessage::Response(response)) = CemMessage::read(&accepted)? else { panic!("a response") };
        let mut exchange = exchange.clone();
        exchange.settle(&response).map(|()| exchange.offers().next().unwrap().1.clone())
    };
    assert_eq!(settled("", ""), Ok(OfferState::Accepted), "even without a multipart around it");
    assert_eq!(settled("Accepted", "accepted"), Ok(OfferState::Accepted));
    assert_eq!(settled("Accepted", "REJECTED"), Ok(OfferState::Rejected(String::new())));
    let cases = [
        (">Accepted<", ">Perhaps<", "CEM_VALUE"),
        (">Accepted<", "><", "CEM_MISSING"),
        ("c:TrustResponse>", "c:Other>", "CEM_MISSING"),
        ("c:CertificateReference>", "c:Other>", "CEM_MISSING"),
        (">18193<", ">18194<", "CEM_UNKNOWN_REFERENCE"),
        ("CN=Alice", "CN=Bob", "CEM_UNKNOWN_REFERENCE"),
        (">18193<", ">eighteen<", "CEM_VALUE"),
        (">bob<", ">carol<", "CEM_NAME"),
        ("requestId=\"", "requestId=\"other", "CEM_UNKNOWN_REQUEST"),
    ];
    for (old, new, code) in cases {
        assert_eq!(settled(old, new).unwrap_err().code(), code, "{old} -> {new}");
    }
}

#[test]
fn ec6_a_new_certificate_signs_when_all_have_accepted_or_the_date_has_passed() {
    let certificate = new_certificate();
    let ready =
        |exchanges: &[CertificateExchange], at: SystemTime| CertificateExchange::readiness(exchanges, &certificate, at);
    let (sent, open_one) = request();
    let on = || vec![BOB.parse().unwrap()];
    assert_eq!(ready(std::slice::from_ref(&open_one), now()), Readiness::Wait { on: on(), until: Some(now() + DAY) });
    assert_eq!(ready(std::slice::from_ref(&open_one), now() + DAY), Readiness::Due { without: on() });
    let mut accepted = open_one.clone();
    accepted.settle(&respond(&sent.request, Decision::Accept)).unwrap();
    assert_eq!(ready(&[accepted.clone()], now()), Readiness::Ready);
    let both = [accepted, open_one.clone()];
    assert_eq!(ready(&both, now()), Readiness::Wait { on: on(), until: Some(now() + DAY) });
    let mut rejected = open_one;
    rejected.settle(&respond(&sent.request, Decision::Reject("no".to_owned()))).unwrap();
    assert_eq!(ready(&[rejected], now() + 9 * DAY), Readiness::Wait { on: on(), until: None });

    let undated = CertificateOffer::new(certificate.clone(), &roles(), URL.parse().unwrap());
    let undated = CertificateRequest::new().offer(undated).build(&worked_identity("alice"), &bob(), now()).unwrap().1;
    assert_eq!(ready(&[undated], now() + 9 * DAY), Readiness::Wait { on: on(), until: None });
    let other_role = CertificateOffer::new(certificate.clone(), &[CertificateRole::TlsClient], URL.parse().unwrap());
    let other = CertificateRequest::new().offer(other_role).build(&worked_identity("alice"), &bob(), now()).unwrap().1;
    assert_eq!(ready(&[other], now()), Readiness::Ready, "it was not offered for signing");
}

#[test]
fn ec8_the_feature_is_announced_by_the_profile() {
    let mut terms = profile(ALICE, BOB);
    terms.send.announce.features = vec![Feature::cem()];
    let sent = CertificateRequest::new().offer(offer());
    let (sent, _) = sent.build(&worked_identity("alice"), &worked_partner(terms, "bob"), now()).unwrap();
    assert_eq!(
        (sent.request.header("ediint-features"), sent.request.header("as2-version")),
        (Some("CEM"), Some("1.2"))
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever becomes of a document on its way, it is read or refused.
    #[test]
    fn ec7_changed_documents_are_read_or_refused(
        at in 0..FOREIGN.len(),
        cut in 0..200usize,
        put in "[<>&;\"'!?a-z0-9:\\-\\[\\] \n]{0,12}",
    ) {
        let end = (at + cut).min(FOREIGN.len());
        let document = format!("{}{put}{}", &FOREIGN[..at], &FOREIGN[end..]);
        match CemMessage::read(&message(document, |_| {})) {
            Ok(Some(CemMessage::Request(request))) => {
                let [trust] = request.trust_requests() else { panic!("one offer") };
                assert_eq!(trust.certificate(), &new_certificate());
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(error.code().starts_with("CEM_")),
        }
    }
}
