//! What the transport does around a message.

use super::receipt::*;
use super::support::*;
use super::*;

/// Liaison ECS and iSoft answer 411 to chunked requests.
#[test]
fn a1_69_the_length_of_every_request_is_known() {
    let changes: [fn(&mut PartnerProfile); 4] = [
        |_| (),
        |terms| terms.send.encrypt = None,
        |terms| (terms.send.encrypt, terms.send.sign) = (None, None),
        |terms| terms.send.compress = Compression::AfterSigning,
    ];
    for change in changes {
        let request = sent(change).0.request;
        assert_eq!(request.header("content-length"), Some(&*request.body().len().to_string()));
        assert_eq!(request.header("transfer-encoding"), None);
    }
}

#[test]
fn a1_70_headers_of_the_connection_are_left_to_the_http_client() {
    let request = sent(|_| ()).0.request;
    for name in ["host", "connection", "expect", "te", "keep-alive", "upgrade"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

#[test]
fn a1_71_every_success_means_that_the_message_was_taken() {
    let later = waiting(ReceiptKind::Signed, true);
    let never = waiting(ReceiptKind::None, false);
    for status in [200, 201, 202, 204, 206] {
        let response = ::http::Response::builder().status(status).body(Bytes::new()).unwrap();
        assert!(matches!(later.on_response(Ok(&response), &bob(), now()), SendOutcome::Awaiting), "{status}");
        assert!(matches!(never.on_response(Ok(&response), &bob(), now()), SendOutcome::Transferred), "{status}");
    }
}

/// OpenAS2 writes the status into the body where it has nothing else to say.
#[test]
fn a1_72_a_status_in_the_body_says_nothing() {
    let response = ::http::Response::new(Bytes::from_static(b"200 OK\r\n"));
    let answered = |pending: PendingReceipt| pending.on_response(Ok(&response), &bob(), now());
    assert!(matches!(answered(waiting(ReceiptKind::None, false)), SendOutcome::Transferred));
    assert!(matches!(answered(waiting(ReceiptKind::Signed, true)), SendOutcome::Awaiting));
    assert!(matches!(answered(waiting(ReceiptKind::Signed, false)), SendOutcome::NoReceipt { .. }));
}

/// Proxies repeat headers and add their own.
#[test]
fn a1_73_repeated_headers_are_read_if_they_agree() {
    let plain = ::http::Request::post("/as2")
        .header("as2-from", "\"Alice Corp\"")
        .header("as2-from", "\"Alice Corp\"")
        .header("as2-to", "bob")
        .header("message-id", "<1@a>")
        .header("message-id", " <1@a>")
        .header("content-type", "application/EDI-X12")
        .header("x-forwarded-for", "192.0.2.1")
        .body(Bytes::from_static(EDI))
        .unwrap();
    let accepted = envelope(plain).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    let repeated = |name: &str| Note::RepeatedHeader(name.to_owned());
    assert_eq!(accepted.notes(), [repeated("as2-from"), repeated("message-id")]);

    let mut contradiction = sent(|_| ()).0.request.to_request();
    contradiction.headers_mut().append("as2-from", "eve".parse().unwrap());
    let rejected = MessageParser::new(Limits::default()).parse(contradiction).unwrap_err();
    assert_eq!(rejected, Rejection::ContradictingHeader("as2-from"));
}
