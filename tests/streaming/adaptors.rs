//! The same message through keys that answer later, readers and bodies.

use super::*;

use std::io::{self, Read};
use std::sync::Mutex;

use as2_protocol::crypto::RemoteKey;

fn sealed() -> PartnerProfile {
    terms(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None)
}

fn begin(length: usize) -> OutboundStream {
    message(&sealed()).stream(PayloadHead::x12().with_len(u64::try_from(length).unwrap()), now()).unwrap()
}

/// Where a receipt is saved.
type Shelf = Arc<Mutex<Option<OutboundEnd>>>;

fn put(shelf: &Shelf) -> impl FnOnce(OutboundEnd) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + use<> {
    let shelf = Arc::clone(shelf);
    move |end| {
        *shelf.lock().unwrap() = Some(end);
        Ok(())
    }
}

#[test]
fn a_key_far_away_ends_a_stream_as_a_near_one_does() {
    let order = payload(100_000);
    let (expected, near) = drive(begin(100_000), &order, []);
    let certificate = worked_certificate("alice-sign");
    let key = Arc::new(RemoteKey::new("hsm", &certificate, [7; 32]));
    let us = Identity::builder(provider()).signing(vec![certificate], key).build().unwrap();
    let partner = worked_partner(sealed(), "bob");
    let begin = || {
        let head = PayloadHead::x12().with_len(100_000);
        MessageBuilder::new(&us, &partner).subject("Order").stream(head, now()).unwrap()
    };
    let mut stream = begin();
    let mut wire = Vec::new();
    stream.write(&order, &mut wire).unwrap();
    // All that stands between two calls can be moved to another thread, and shared.
    fn is_send_sync<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let Step::Need(pending) = is_send_sync(stream).finish_steps() else { panic!("a signature is needed") };
    let pending = is_send_sync(pending);
    let KeyRequest::Sign { request, .. } = pending.request() else { panic!("{pending:?}") };
    let signature = crypto::SigningKey::sign(&*worked_key("alice-sign"), request);
    let Step::Done(Ok((far, last))) = pending.provide(signature) else { panic!("not done") };
    assert!([wire, last].concat() == expected);
    assert_eq!((far.pending, far.encrypted_to), (near.pending, near.encrypted_to));

    let mut stream = begin();
    stream.write(&order, &mut Vec::new()).unwrap();
    let mut wire = Vec::new();
    assert_eq!(stream.finish(&mut wire).unwrap_err(), SendError::Key(KeyError::Deferred));
    assert!(wire.is_empty());
}

/// A payload that is read in odd pieces, and interrupted now and then.
struct Odd<'a>(&'a [u8], usize);

impl Read for Odd<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = out.len().min(1 + self.1 * 37 % 5000);
        self.0.read(&mut out[..length])
    }
}

#[test]
fn a_reader_gives_the_same_octets_and_the_receipt_before_the_last_of_them() {
    let order = payload(150_000);
    let (expected, end) = drive(begin(150_000), &order, []);
    for room in [1, 1000, 1 << 20] {
        let shelf = Shelf::default();
        let mut reader = begin(150_000).read_from(Odd(&order, 0), put(&shelf));
        let (mut body, mut out, mut saved_at) = (Vec::new(), vec![0; room], None);
        loop {
            let count = reader.read(&mut out).unwrap();
            if shelf.lock().unwrap().is_some() {
                saved_at.get_or_insert(body.len());
            }
            if count == 0 {
                break;
            }
            body.extend_from_slice(&out[..count]);
        }
        assert!(body == expected, "by {room}");
        assert!(saved_at.unwrap() < expected.len() - 1000, "by {room}: the signature alone is longer");
        assert_eq!(shelf.lock().unwrap().take().unwrap().pending, end.pending);
        assert_eq!(reader.read(&mut out).unwrap(), 0, "it stays at its end");
    }
}

/// The error inside an error of I/O.
fn stream_error(error: io::Error) -> StreamError {
    *error.into_inner().unwrap().downcast::<StreamError>().unwrap()
}

#[test]
fn a_reader_never_ends_a_message_that_is_not_whole() {
    let order = payload(80_000);
    let (expected, _) = drive(begin(80_000), &order, []);
    let (shelf, mut body) = (Shelf::default(), Vec::new());
    let mut short = begin(80_000).read_from(&order[..79_999], put(&shelf));
    let error = stream_error(short.read_to_end(&mut body).unwrap_err());
    assert!(matches!(error, StreamError::Send(SendError::PayloadLength { written: 79_999, .. })), "{error}");
    assert_eq!(error.code(), "PAYLOAD_LENGTH");
    assert!(expected.starts_with(&body) && body.len() < expected.len() && shelf.lock().unwrap().is_none());
    let again = stream_error(short.read_to_end(&mut body).unwrap_err());
    assert_eq!((again.code(), again.to_string()), ("VOID", "an earlier error has made the message void".to_owned()));

    let mut body = Vec::new();
    let full = |_| Err("the disk is full".into());
    let error = stream_error(begin(80_000).read_from(&*order, full).read_to_end(&mut body).unwrap_err());
    assert_eq!(error.code(), "SAVE");
    assert!(error.to_string().contains("the disk is full"));
    assert!(expected.starts_with(&body) && body.len() < expected.len(), "the end is missing");

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no such sector"))
        }
    }
    let mut body = Vec::new();
    let mut reader = begin(80_000).read_from((&order[..50_000]).chain(Broken), put(&shelf));
    let error = stream_error(reader.read_to_end(&mut body).unwrap_err());
    assert_eq!((error.code(), error.to_string()), ("PAYLOAD", "the payload cannot be read: no such sector".to_owned()));
    assert!(expected.starts_with(&body) && shelf.lock().unwrap().is_none());
}

#[cfg(feature = "http-body")]
mod body {
    use super::*;

    use http_body::Body as _;
    use http_body_util::{BodyExt as _, Full};

    /// Runs a body to its end without a runtime: its payload is always ready.
    async fn collect<B>(mut body: OutboundBody<B>) -> (Vec<u8>, Option<StreamError>)
    where
        B: http_body::Body,
        B::Data: Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.into_data().unwrap();
                    assert!(!data.is_empty() && data.len() < 256 << 10, "{} octets at a time", data.len());
                    all.extend_from_slice(&data);
                }
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(body.is_end_stream());
        (all, None)
    }

    #[tokio::test]
    async fn a_body_gives_the_same_octets_in_small_frames_and_the_receipt() {
        let order = payload(1 << 20);
        let (expected, end) = drive(begin(1 << 20), &order, []);
        let shelf = Shelf::default();
        let body = begin(1 << 20).into_body(Full::new(Bytes::from(order.clone())), put(&shelf));
        assert_eq!(body.size_hint().exact(), Some(u64::try_from(expected.len()).unwrap()));
        let (all, error) = collect(body).await;
        assert!(all == expected && error.is_none());
        assert_eq!(shelf.lock().unwrap().take().unwrap().pending, end.pending);

        let unknown = message(&sealed()).stream(PayloadHead::x12(), now()).unwrap();
        let body = unknown.into_body(Full::new(Bytes::from(order)), put(&shelf));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (None, false));
        assert!(collect(body).await.1.is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_never_ends_well() {
        let order = Bytes::from(payload(80_000));
        let (expected, _) = drive(begin(80_000), &order, []);
        let frames = [
            Ok(http_body::Frame::data(order.slice(..50_000))),
            Err(io::Error::other("the connection to the archive is gone")),
        ];
        let shelf = Shelf::default();
        let mut body = begin(80_000).into_body(Frames(frames.into_iter()), put(&shelf));
        let mut all = Vec::new();
        let error = loop {
            match body.frame().await.expect("an error, not an end") {
                Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), "PAYLOAD");
        assert!(expected.starts_with(&all) && shelf.lock().unwrap().is_none());
        assert_eq!(body.frame().await.unwrap().unwrap_err().code(), "VOID");
        assert!(!body.is_end_stream());
    }

    /// Frames as a body.
    struct Frames<I>(I);

    impl<I: Iterator<Item = io::Result<http_body::Frame<Bytes>>> + Unpin> http_body::Body for Frames<I> {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<I::Item>> {
            std::task::Poll::Ready(self.0.next())
        }
    }
}
