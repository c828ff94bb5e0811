//! Setups, errors that are read through other libraries, and a whole message over mutual TLS.

use super::*;

#[test]
fn t04_setups_that_cannot_work_are_refused_before_any_connection() {
    let scene = Scene::good();
    let ours = [scene.client.identity("ours")];
    let mut terms = EndpointTerms::default();
    let none = TlsClient::new(&terms, &[], &ours, &backend()).unwrap_err();
    assert_eq!(none, TlsError::NothingTrusted { trust: TlsTrust::Roots });
    terms.tls.dates = Strictness::Warn;
    let error = TlsClient::new(&terms, &scene.trusted_by_client, &ours, &backend()).unwrap_err();
    assert_eq!((error.code(), error), ("TLS_DATES_UNDER_ROOTS", TlsError::DatesUnderRoots));
    assert_eq!(TlsServer::new(&terms.tls, &ours[0], None, &backend()).unwrap_err(), TlsError::DatesUnderRoots);
    terms.tls.trust = TlsTrust::Pinned;
    let none = TlsServer::new(&terms.tls, &ours[0], Some(&[]), &backend()).unwrap_err();
    assert_eq!((none.code(), none), ("TLS_NOTHING_TRUSTED", TlsError::NothingTrusted { trust: TlsTrust::Pinned }));
    terms.client_certificate = Some("renewed".to_owned());
    let error = TlsClient::new(&terms, &scene.trusted_by_client, &ours, &backend()).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("`renewed`")), ("TLS_NO_IDENTITY", true));
    terms.tls.versions.clear();
    let error = TlsServer::new(&terms.tls, &ours[0], None, &backend()).unwrap_err();
    assert_eq!(error.code(), "TLS_BACKEND");

    let new = |chain: &[Certificate], key| TlsIdentity::new("ours", chain, key, &backend()).unwrap_err().code();
    assert_eq!(new(&[], scene.client.key.der()), "TLS_NO_CERTIFICATE");
    assert_eq!(new(scene.server.alone(), scene.client.key.der()), "KEY_MISMATCH");
    let garbage = rustls::pki_types::PrivatePkcs8KeyDer::from(b"secret-octets-9f3a".to_vec());
    let error = TlsIdentity::new("ours", scene.client.alone(), garbage.into(), &backend()).unwrap_err();
    assert_eq!(error.code(), "TLS_KEY");
    assert!(!format!("{error} {error:?}").contains("9f3a"));
}

#[test]
fn nothing_secret_is_shown_by_tls_values() {
    let scene = Scene::good();
    let meeting = scene.meet();
    let secret = scene.client.key.der();
    let inner = &secret.secret_der()[36..68];
    assert_eq!(inner, [1; 32], "the scalar");
    let hex: String = inner.iter().map(|octet| format!("{octet:02x}")).collect();
    let decimal = format!("{inner:?}");
    for shown in [
        format!("{:?}", scene.client.identity("ours")),
        format!("{:?} {:?} {:?}", meeting.client, meeting.server, backend()),
    ] {
        assert!(!shown.contains(&hex) && !shown.contains(decimal.trim_matches(['[', ']'])), "{shown}");
    }
}

#[test]
fn errors_are_read_through_the_layers_of_http_clients() {
    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Layer(#[source] Box<dyn std::error::Error + Send + Sync>);
    let scene = Scene::new(self_signed("alice tls", 1, CURRENT), self_signed("bob.example", 2, EXPIRED));
    let meeting = scene.meet();
    let error = std::io::Error::new(std::io::ErrorKind::InvalidData, meeting.met.client.clone().unwrap_err());
    let mut error = Layer(Box::new(error));
    for _ in 0..3 {
        error = Layer(Box::new(error));
    }
    assert!(error.source().is_some());
    assert_eq!(meeting.client.fault(&error).unwrap().code(), "CERT_HAS_EXPIRED");
    for other in [std::io::Error::other("refused"), std::io::Error::from(std::io::ErrorKind::ConnectionReset)] {
        assert_eq!(meeting.client.fault(&other), None);
    }
    // Errors that wrap each other without end are given up.
    let mut deep = Layer(Box::new(meeting.met.client.unwrap_err()));
    for _ in 0..50 {
        deep = Layer(Box::new(deep));
    }
    assert_eq!(meeting.client.fault(&deep), None);
}

/// Configurations that were made without this crate give less context, and the same codes.
#[test]
fn foreign_errors_are_classified_as_far_as_they_tell() {
    use rustls::pki_types::UnixTime;
    use rustls::{CertificateError, Error, Side};
    let expired = self_signed("bob.example", 2, EXPIRED).certificate;
    let at = |time: SystemTime| UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let context = |not_after| {
        Error::InvalidCertificate(CertificateError::ExpiredContext { time: at(now()), not_after: at(not_after) })
    };
    let code = |error: Error, side| certificate_fault(&error, side, None).map(|fault| fault.code());
    assert_eq!(code(CertificateError::Expired.into(), Side::Client), Some("CERT_HAS_EXPIRED"));
    assert_eq!(code(CertificateError::NotValidYet.into(), Side::Client), Some("CERT_NOT_YET_VALID"));
    assert_eq!(code(CertificateError::Revoked.into(), Side::Server), Some("CERT_REFUSED"));
    assert_eq!(code(CertificateError::UnknownIssuer.into(), Side::Server), Some("CERT_REFUSED"));
    assert_eq!(code(Error::NoCertificatesPresented, Side::Server), Some("CERT_MISSING"));
    assert_eq!(code(Error::AlertReceived(AlertDescription::UnknownCA), Side::Client), Some("CERT_REFUSED"));
    assert_eq!(code(Error::AlertReceived(AlertDescription::HandshakeFailure), Side::Client), None);
    assert_eq!(code(Error::DecryptError, Side::Client), None);
    // A certificate is blamed only if it has the date that the error tells.
    let known = certificate_fault(&context(expired.not_after()), Side::Client, Some(&expired)).unwrap();
    assert_eq!(validity(known).subject.as_deref(), Some("CN=bob.example"));
    let other = certificate_fault(&context(now() - Duration::from_secs(1)), Side::Client, Some(&expired)).unwrap();
    assert_eq!(other.to_string(), "the partner's certificate for the TLS server has expired");
}

/// Two refusals that look alike must not be mixed up.
#[test]
fn a_certificate_that_is_not_known_for_sure_is_not_named() {
    let (root, stranger) = (authority("Root", 9), authority("Stranger", 6));
    let client = TlsClient::new(&EndpointTerms::default(), root.alone(), &[], &backend()).unwrap();
    let meet = |name: &str, seed| {
        let leaf = stranger.issue(name, seed, CURRENT, false);
        let server = TlsServer::new(&TlsTerms::default(), &leaf.identity("s"), None, &backend()).unwrap();
        Meeting::of(client.clone(), server).client_fault()
    };
    assert!(meet("bob.example", 2).to_string().contains("CN=bob.example"));
    let TlsFault::Refused { certificate: None, .. } = meet("mallory.example", 3) else { panic!("ambiguous") };
}

#[test]
fn connections_do_not_resume_earlier_ones() {
    let scene = Scene::good();
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        let first = scene.meet_with(&terms, &terms.tls);
        first.succeeded();
        let again = Meeting::of(first.client.clone(), first.server.clone());
        again.succeeded();
        assert_eq!(again.pair.client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

/// One whole order: signed and encrypted, over mutual TLS, answered by a signed receipt in the same connection.
#[test]
fn t04_a_message_and_its_receipt_travel_over_mutual_tls() {
    let mut meeting = Scene::good().meet();
    meeting.succeeded();
    let order = Bytes::from(b"ISA*00*          *00*".repeat(700));
    let sent =
        MessageBuilder::new(&worked_identity("alice"), &bob()).build(Payload::x12(order.clone()), now()).unwrap();
    let request = sent.request.to_request();

    let mut wire = format!("POST {} HTTP/1.1\r\nhost: bob.example\r\n", request.uri().path()).into_bytes();
    write_fields(request.headers(), &mut wire);
    wire.extend_from_slice(request.body());
    let arrived = Bytes::from(meeting.pair.carry_to_server(&wire));
    assert_eq!(arrived, wire);

    let envelope = envelope(read_request(&arrived, &Limits::default()).unwrap());
    let accepted = envelope.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    assert_eq!(accepted.payload().body(), &order);
    let response = accepted.stored().build(now()).response.to_response();

    let mut wire = b"HTTP/1.1 200 OK\r\n".to_vec();
    write_fields(response.headers(), &mut wire);
    wire.extend_from_slice(response.body());
    let answer = read_response(&Bytes::from(meeting.pair.carry_to_client(&wire)), &Limits::default()).unwrap();
    let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&answer), &bob(), now()) else { panic!() };
    let Outcome::Deliver(evidence) = *outcome else { panic!("{outcome:?}") };
    assert_eq!(evidence.proof(), Some(Proof::Signed));
}

fn write_fields(headers: &http::HeaderMap, wire: &mut Vec<u8>) {
    for (name, value) in headers {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
}
