//! Private keys that live elsewhere and answer later: an HSM on another thread.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use support::*;

use as2_protocol::crypto::{DecryptingKey, KeyError, RandomError, RemoteKey, SecureRandom, SigningKey};
use as2_protocol::*;

type Answer = Result<Vec<u8>, KeyError>;

/// A thread that holds keys and answers requests for them.
struct Hsm {
    requests: mpsc::Sender<(KeyRequest, mpsc::Sender<Answer>)>,
}

impl Hsm {
    fn start(answer: impl Fn(&KeyRequest) -> Answer + Send + 'static) -> Self {
        let (requests, inbox) = mpsc::channel::<(KeyRequest, mpsc::Sender<Answer>)>();
        thread::spawn(move || {
            for (request, reply) in inbox {
                reply.send(answer(&request)).unwrap();
            }
        });
        Self { requests }
    }

    /// An HSM with the keys of Alice and Bob.
    fn of_everybody() -> Self {
        Self::start(|request| match request {
            KeyRequest::Sign { key, request } => {
                let held = ["alice-sign", "bob-sign"].map(worked_key);
                let held = held.iter().find(|held| SigningKey::public_key(held.as_ref()) == key.public_key());
                held.unwrap().sign(request)
            }
            KeyRequest::Unwrap { key, request } => {
                let held = worked_key("bob-enc");
                assert_eq!(DecryptingKey::public_key(held.as_ref()), key.public_key());
                held.unwrap_key(request).map(|secret| secret.as_bytes().to_vec())
            }
            other => panic!("{other:?}"),
        })
    }

    fn broken(error: KeyError) -> Self {
        Self::start(move |_| Err(error.clone()))
    }

    /// Carries requests and answers until the computation is done; tells how many there were.
    fn drive<T: Send + 'static>(&self, mut step: Step<T>) -> (T, usize) {
        let mut asked = 0;
        loop {
            match step {
                Step::Done(value) => return (value, asked),
                Step::Need(pending) => {
                    let (reply, answer) = mpsc::channel();
                    self.requests.send((pending.request().clone(), reply)).unwrap();
                    // Whoever waits for the answer goes on with the computation.
                    step = thread::spawn(move || pending.provide(answer.recv().unwrap())).join().unwrap();
                    asked += 1;
                }
            }
        }
    }
}

/// The same octets in every run, so that two runs can be compared; none is zero, which PKCS#1 v1.5 skips.
#[derive(Default)]
struct Counting(AtomicU8);

impl SecureRandom for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed) | 1);
        Ok(())
    }
}

fn provider() -> CryptoProvider {
    CryptoProvider::rustcrypto().with_random(Arc::new(Counting::default()))
}

/// One of the companies with its keys in this process.
fn near(name: &str) -> Identity {
    let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
    Identity::builder(provider())
        .signing(vec![worked_certificate(&sign)], worked_key(&sign))
        .decrypting(worked_certificate(&encrypt), worked_key(&encrypt))
        .build()
        .unwrap()
}

/// The same company with its keys in an HSM.
fn far(name: &str) -> Identity {
    let (sign, encrypt) = (worked_certificate(&format!("{name}-sign")), worked_certificate(&format!("{name}-enc")));
    let remote = |certificate: &Certificate| Arc::new(RemoteKey::new("hsm", certificate, [7; 32]));
    Identity::builder(provider())
        .signing(vec![sign.clone()], remote(&sign))
        .decrypting(encrypt.clone(), remote(&encrypt))
        .build()
        .unwrap()
}

fn builder(us: &Identity) -> MessageBuilder {
    MessageBuilder::new(us, &bob()).subject("Order")
}

fn order() -> Payload {
    Payload::x12(worked("payload.x12"))
}

#[test]
fn a_whole_exchange_with_an_hsm_equals_the_direct_one() {
    let hsm = Hsm::of_everybody();
    let direct = builder(&near("alice")).build(order(), now()).unwrap();
    let (sent, asked) = hsm.drive(builder(&far("alice")).steps(order(), now()));
    let sent = sent.unwrap();
    assert_eq!(asked, 1);
    assert_eq!((&sent.request, &sent.pending), (&direct.request, &direct.pending));

    let received = || envelope(sent.request.to_request());
    let opened = received().open(&near("bob"), Some(&alice()), now()).unwrap();
    let (accepted, asked) = hsm.drive(received().open_steps(&far("bob"), Some(&alice()), now()));
    let accepted = accepted.unwrap();
    assert_eq!(asked, 1);
    assert_eq!(accepted.payload().body(), &worked("payload.x12"));
    assert_eq!(accepted.payload().body(), opened.payload().body());
    assert_eq!((accepted.mic(), accepted.layers()), (opened.mic(), opened.layers()));
    assert_eq!(accepted.authenticity(), opened.authenticity());
    assert_eq!((accepted.notes(), accepted.envelope_key()), (opened.notes(), opened.envelope_key()));

    let answered = opened.stored().build(now());
    let (reply, asked) = hsm.drive(accepted.stored().steps(now()));
    assert_eq!(asked, 1);
    assert_eq!((&reply.response, &reply.follow_up), (&answered.response, &answered.follow_up));
    let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply.response.to_response()), &bob(), now())
    else {
        panic!("not settled")
    };
    assert_eq!(outcome.evidence().unwrap().proof(), Some(Proof::Signed));
}

#[test]
fn nothing_is_asked_where_no_private_key_is_needed() {
    let mut terms = profile(ALICE, BOB);
    terms.send.sign = None;
    terms.send.receipt.kind = ReceiptKind::Unsigned;
    terms.send.encrypt = None;
    let hsm = Hsm::broken(KeyError::Rejected);
    let builder = MessageBuilder::new(&far("alice"), &worked_partner(terms, "bob"));
    let (sent, asked) = hsm.drive(builder.steps(order(), now()));
    let request = sent.unwrap().request.to_request();
    let (accepted, more) = hsm.drive(envelope(request).open_steps(&far("bob"), Some(&alice()), now()));
    let (reply, still_more) = hsm.drive(accepted.unwrap().stored().steps(now()));
    assert_eq!((asked, more, still_more, reply.response.status().as_u16()), (0, 0, 0, 200));
}

#[test]
fn a_key_that_is_away_fails_a_message_and_defers_a_reception() {
    let away = || KeyError::Unavailable("no session".to_owned());
    let hsm = Hsm::broken(away());
    let (sent, _) = hsm.drive(builder(&far("alice")).steps(order(), now()));
    assert_eq!(sent.unwrap_err(), SendError::Key(away()));

    let request = builder(&near("alice")).build(order(), now()).unwrap().request.to_request();
    let (refused, _) = hsm.drive(envelope(request.clone()).open_steps(&far("bob"), Some(&alice()), now()));
    let refused = refused.unwrap_err();
    assert_eq!(refused.error(), &ReceiveError::KeyUnavailable(away().to_string()));
    let (reply, asked) = hsm.drive(refused.mdn().steps(now()));
    assert_eq!((asked, reply.response.status().as_u16(), reply.response.header("retry-after")), (0, 503, Some("60")));

    let (accepted, _) = Hsm::of_everybody().drive(envelope(request).open_steps(&far("bob"), Some(&alice()), now()));
    let (reply, asked) = hsm.drive(accepted.unwrap().stored().steps(now()));
    assert_eq!((asked, reply.response.status().as_u16(), reply.response.header("retry-after")), (1, 503, Some("60")));
    assert_eq!((reply.response.body().len(), reply.follow_up), (0, FollowUp::None));
}

#[test]
fn the_short_calls_tell_that_the_key_answers_later() {
    let error = builder(&far("alice")).build(order(), now()).unwrap_err();
    assert_eq!(error, SendError::Key(KeyError::Deferred));
    assert_eq!(error.code(), "SIGNING_KEY");

    let request = builder(&near("alice")).build(order(), now()).unwrap().request.to_request();
    let refused = envelope(request.clone()).open(&far("bob"), Some(&alice()), now()).unwrap_err();
    assert_eq!(refused.error(), &ReceiveError::KeyUnavailable(KeyError::Deferred.to_string()));
    assert_eq!(refused.mdn().build(now()).response.status(), 503);

    let (accepted, _) = Hsm::of_everybody().drive(envelope(request).open_steps(&far("bob"), Some(&alice()), now()));
    let reply = accepted.unwrap().stored().build(now());
    assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (503, 0));
    assert_eq!(reply.notes.last(), Some(&Note::UnsignedReceipt("the key answers later".to_owned())));
}

#[test]
fn x14_a_refused_or_ill_sized_key_looks_like_changed_content() {
    let request = || read_request(&worked("03-encrypted.http"), &Limits::default()).unwrap();
    let answers: [fn() -> Answer; 4] =
        [|| Err(KeyError::Rejected), || Ok(Vec::new()), || Ok(vec![1; 16]), || Ok(vec![1; 256])];
    for answer in answers {
        let hsm = Hsm::start(move |_| answer());
        let (refused, asked) = hsm.drive(envelope(request()).open_steps(&far("bob"), Some(&alice()), now()));
        assert_eq!(asked, 1);
        assert_eq!(refused.unwrap_err().error(), &ReceiveError::Decryption(DecryptionFault::Padding));
    }
}

#[test]
fn requests_name_the_key_and_what_it_shall_do() {
    let Step::Need(pending) = builder(&far("alice")).steps(order(), now()) else { panic!("a signature is needed") };
    let KeyRequest::Sign { key, request } = pending.request() else { panic!("{pending:?}") };
    let own = worked_key("alice-sign");
    assert_eq!(key.public_key(), SigningKey::public_key(own.as_ref()));
    assert_eq!(request.scheme, SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256));
    // Key services that digest themselves get the octets, too.
    use sha2::Digest as _;
    assert_eq!(request.digest.as_bytes(), &sha2::Sha256::digest(request.message.as_ref().unwrap())[..]);

    let received = envelope(read_request(&worked("03-encrypted.http"), &Limits::default()).unwrap());
    let Step::Need(pending) = received.open_steps(&far("bob"), Some(&alice()), now()) else { panic!("encrypted") };
    let KeyRequest::Unwrap { request, .. } = pending.request() else { panic!("{pending:?}") };
    assert_eq!((request.transport, request.encrypted_key.len()), (KeyTransport::RsaPkcs1v15, 256));
}
