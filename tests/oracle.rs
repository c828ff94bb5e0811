//! What a sender can learn from the answers to changed encrypted messages: nothing (RFC 8551 section 6, RFC 3218).
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::der::Der;
use support::keys::fast_identity;
use support::seen::Seen;
use support::*;

use as2_protocol::crypto::UnwrapRequest;
use as2_protocol::*;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

const BLOCK: usize = 16;

/// A valid message to be changed, and who receives it under which terms.
struct Target {
    headers: HeaderMap,
    cms: Der,
    us: Identity,
    partner: Partner,
}

/// How a target is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Signed,
    BinarySignature,
    Compressed,
    SignedThenCompressed,
    Unsigned,
}

const SIGNED: [Shape; 4] = [Shape::Signed, Shape::BinarySignature, Shape::Compressed, Shape::SignedThenCompressed];

impl Shape {
    fn terms(self) -> PartnerProfile {
        let mut terms = profile(ALICE, BOB);
        match self {
            Self::Signed => {}
            Self::BinarySignature => {
                terms.quirks.signature_encoding = SignatureEncoding::Binary;
                terms.quirks.embed = Embed::None;
            }
            Self::Compressed => terms.send.compress = Compression::BeforeSigning,
            Self::SignedThenCompressed => terms.send.compress = Compression::AfterSigning,
            Self::Unsigned => terms.send.sign = None,
        }
        terms
    }
}

impl Target {
    fn new(shape: Shape) -> Self {
        Self::sent(shape.terms(), "alice", "bob", accepts(Requirement::Require))
    }

    /// A message under `terms`, signed by one company's key and encrypted to another's.
    fn sent(terms: PartnerProfile, signer: &str, recipient: &str, accepted: PartnerProfile) -> Self {
        let (parts, body) = sent(terms, signer, recipient).into_parts();
        let mut headers = parts.headers;
        headers.remove("content-length");
        let partner = worked_partner(accepted, "alice");
        Self { headers, cms: Der::read(&body), us: fast_identity("bob"), partner }
    }

    fn without_receipt(mut self) -> Self {
        self.headers.remove("disposition-notification-to");
        self
    }

    /// The content octets, encrypted.
    fn ciphertext(&self) -> Vec<u8> {
        self.cms.at(&CIPHERTEXT).octets().to_vec()
    }

    fn wrapped_key(&self) -> Vec<u8> {
        self.cms.at(&WRAPPED_KEY).octets().to_vec()
    }

    fn with(&self, path: &[usize], octets: Vec<u8>) -> Bytes {
        let mut cms = self.cms.clone();
        cms.replace(path, octets);
        cms.write().into()
    }

    fn open(&self, body: Bytes) -> Result<Accepted, Box<Refused>> {
        let mut request = Request::post("/as2").body(body).unwrap();
        *request.headers_mut() = self.headers.clone();
        envelope(request).open(&self.us, Some(&self.partner), now()).map_err(Box::new)
    }

    fn answer(&self, body: Bytes) -> Seen {
        match self.open(body) {
            Ok(accepted) => Seen::of(&accepted.stored().build(now())),
            Err(refused) => Seen::of(&refused.mdn().build(now())),
        }
    }

    /// The one answer to whatever fails inside the envelope.
    fn uniform(&self) -> Seen {
        let mut wrapped = self.wrapped_key();
        wrapped[100] ^= 1;
        let seen = self.answer(self.with(&WRAPPED_KEY, wrapped));
        if let Some(receipt) = &seen.receipt {
            assert!(receipt.disposition.ends_with("processed/error: decryption-failed"), "{receipt:?}");
            assert_eq!(receipt.mic, None);
            assert!(receipt.text.contains("Reference: ####"), "{}", receipt.text);
        }
        seen
    }

    /// All these ciphertexts are answered alike.
    fn assert_uniform(&self, what: &str, ciphertexts: impl IntoIterator<Item = Vec<u8>>) {
        let uniform = self.uniform();
        for (number, ciphertext) in ciphertexts.into_iter().enumerate() {
            let body = self.with(&CIPHERTEXT, ciphertext);
            let opened = self.open(body.clone());
            let outcome = opened.map_or_else(|refused| refused.error().to_string(), |_| "delivered".to_owned());
            assert!(self.answer(body) == uniform, "{what} {number}: {outcome}");
        }
    }
}

/// An order under `terms`, signed by one company's key and encrypted to another's.
fn sent(terms: PartnerProfile, signer: &str, recipient: &str) -> Request<Bytes> {
    MessageBuilder::new(&worked_identity(signer), &worked_partner(terms, recipient))
        .message_id("<1@alice.example>".parse().unwrap())
        .build(Payload::x12(worked("payload.x12")), now())
        .unwrap()
        .request
        .to_request()
}

/// What Bob accepts. Where unsigned messages are allowed, changed octets can make one of a signed message.
fn accepts(signature: Requirement) -> PartnerProfile {
    let mut terms = profile(BOB, ALICE);
    terms.accept.signature = signature;
    terms
}

/// Places in a ContentInfo with EnvelopedData or AuthEnvelopedData.
const WRAPPED_KEY: [usize; 5] = [1, 0, 1, 0, 3];
const CIPHERTEXT: [usize; 4] = [1, 0, 2, 2];
const TAG: [usize; 3] = [1, 0, 3];

#[test]
fn the_targets_are_valid() {
    for shape in SIGNED {
        let target = Target::new(shape);
        let accepted = target.open(target.cms.write().into()).unwrap();
        assert!(matches!(accepted.authenticity(), Authenticity::Signed { .. }), "{shape:?}");
    }
}

#[test]
fn u02_every_value_of_the_last_octets_is_answered_alike() {
    for shape in SIGNED {
        let target = Target::new(shape);
        let original = target.ciphertext();
        for from_end in [1, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1] {
            let place = original.len() - from_end;
            let changed = (0..=255).filter(|value| *value != original[place]).map(|value| {
                let mut ciphertext = original.clone();
                ciphertext[place] = value;
                ciphertext
            });
            target.assert_uniform(&format!("{shape:?}, {from_end} from the end:"), changed);
        }
    }
}

#[test]
fn u02_blocks_behind_the_message_tell_nothing_about_their_padding() {
    for shape in SIGNED {
        let target = Target::new(shape);
        let original = target.ciphertext();
        // One of the 256 pairs decrypts to good padding: the attack of Vaudenay.
        let appended = (0..=255).map(|value| {
            let mut chosen = [0x42; BLOCK];
            chosen[BLOCK - 1] = value;
            [&original[..], &chosen, &original[5 * BLOCK..6 * BLOCK]].concat()
        });
        target.assert_uniform(&format!("{shape:?}, appended pair"), appended);
    }
}

#[test]
fn u02_truncations_are_answered_alike() {
    for shape in SIGNED {
        let target = Target::new(shape);
        let original = target.ciphertext();
        let by_blocks = (0..original.len()).step_by(BLOCK).map(|length| original[..length].to_vec());
        target.assert_uniform(&format!("{shape:?}, truncated by blocks"), by_blocks);
        let end = original.len();
        let by_octets = (1..3 * BLOCK).chain(end - 3 * BLOCK..end).map(|length| original[..length].to_vec());
        target.assert_uniform(&format!("{shape:?}, truncated by octets"), by_octets);
        let longer = (1..BLOCK).map(|extra| [&original[..], &vec![7; extra]].concat());
        target.assert_uniform(&format!("{shape:?}, lengthened by octets"), longer);
    }
}

#[test]
fn u01_moved_blocks_are_answered_alike() {
    for shape in SIGNED {
        let target = Target::new(shape);
        let original = target.ciphertext();
        let blocks = original.len() / BLOCK;
        let block = |number: usize| &original[number * BLOCK..(number + 1) * BLOCK];
        for source in [0, 3, blocks / 2, blocks - 1] {
            let replaced = (0..blocks).filter(|at| block(*at) != block(source)).map(|at| {
                let mut ciphertext = original.clone();
                ciphertext[at * BLOCK..(at + 1) * BLOCK].copy_from_slice(block(source));
                ciphertext
            });
            target.assert_uniform(&format!("{shape:?}, block {source} put in place of"), replaced);
            let inserted = (0..=blocks).map(|at| {
                let (before, after) = original.split_at(at * BLOCK);
                [before, &[0x99; BLOCK], block(source), after].concat()
            });
            target.assert_uniform(&format!("{shape:?}, block {source} put in front of"), inserted);
        }
    }
}

#[test]
fn embedded_certificates_are_skipped_whatever_is_in_them() {
    let mut terms = profile(ALICE, BOB);
    terms.quirks.signature_encoding = SignatureEncoding::Binary;
    let target = Target::sent(terms.clone(), "alice", "bob", accepts(Requirement::Require));
    terms.send.encrypt = None;
    let (_, plain) = sent(terms, "alice", "bob").into_parts();
    let certificate = worked_certificate("alice-sign").der().to_vec();
    let start = plain.windows(certificate.len()).position(|octets| octets == certificate).unwrap();
    let (start_from_end, end_from_end) = (plain.len() - start, plain.len() - start - certificate.len());
    let original = target.ciphertext();
    // The padding is 1 to 16 octets, the header of the certificate 4, and a change spoils two blocks.
    let first = (original.len() - start_from_end + 4).div_ceil(BLOCK);
    let last = (original.len() - BLOCK - end_from_end) / BLOCK - 2;
    assert!(last - first > 40);
    for at in first..last {
        for value in [0x00, 0x5a, 0xff] {
            let mut ciphertext = original.clone();
            ciphertext[at * BLOCK..(at + 1) * BLOCK].fill(value);
            let accepted = target.open(target.with(&CIPHERTEXT, ciphertext)).unwrap();
            assert!(matches!(accepted.authenticity(), Authenticity::Signed { .. }));
        }
    }
}

/// Content-encryption keys, wrapped in every wrong way.
fn wrong_keys(target: &Target) -> Vec<Vec<u8>> {
    let original = target.wrapped_key();
    let key = decrypting_key(&worked("keys/bob-enc.key"));
    let public = key.public_key();
    let mut wrong: Vec<Vec<u8>> = (0..original.len())
        .map(|place| {
            let mut changed = original.clone();
            changed[place] ^= 0x10;
            changed
        })
        .collect();
    wrong.extend([vec![0; 256], vec![0xff; 256], vec![1], Vec::new(), original[1..].to_vec()]);
    wrong.extend([[&[0][..], &original].concat(), [&original[..], &[0]].concat(), vec![7; 4096]]);
    let provider = support::provider();
    // Good padding, keys of every other length; and one of the right length that is another key.
    wrong.extend((0..64).chain([128, 245]).map(|length| {
        let key = vec![0xc3; length];
        provider.key_wrapping().wrap(KeyTransport::RsaPkcs1v15, public, &key, &**provider.random()).unwrap()
    }));
    wrong.extend(bad_paddings().iter().map(|block| raw_rsa(public, block)));
    wrong
}

/// Encryption blocks that are not those of RFC 8017 section 7.2.1, around a key of 32 octets.
fn bad_paddings() -> Vec<Vec<u8>> {
    let key = [0x77; 32];
    let block = |start: [u8; 2], filler: &[u8], separator: u8| {
        let filler: Vec<u8> = filler.iter().copied().chain(std::iter::repeat(0xa5)).take(256 - 3 - key.len()).collect();
        [&start[..], &filler, &[separator], &key].concat()
    };
    let mut blocks = vec![
        block([0, 1], &[], 0),
        block([0, 0], &[], 0),
        block([0, 3], &[], 0),
        block([1, 2], &[], 0),
        // No separator at all, and one in each of the eight octets where none may stand.
        block([0, 2], &[], 0xa5),
    ];
    blocks.extend((0..8).map(|place| block([0, 2], &[&vec![0xa5; place][..], &[0]].concat(), 0xa5)));
    blocks
}

/// RSA without padding, with the exponent 65537.
fn raw_rsa(spki_der: &[u8], block: &[u8]) -> Vec<u8> {
    use rsa::pkcs8::DecodePublicKey as _;
    use rsa::traits::PublicKeyParts as _;
    let key = rsa::PublicKey::from_public_key_der(spki_der).unwrap();
    let number = rsa::BoxedUint::from_be_slice(block, 2048).unwrap();
    let power = (0..16).fold(number.clone(), |power, _| power.mul_mod(&power, key.n()));
    power.mul_mod(&number, key.n()).to_be_bytes().to_vec()
}

#[test]
fn the_wrong_keys_are_wrong_by_their_padding_alone() {
    let key = decrypting_key(&worked("keys/bob-enc.key"));
    let unwrap = |block: &[u8]| {
        let wrapped = raw_rsa(key.public_key(), block);
        key.unwrap_key(&UnwrapRequest::new(KeyTransport::RsaPkcs1v15, wrapped)).map(|key| key.as_bytes().to_vec())
    };
    let good = [&[0, 2][..], &[0xa5; 221], &[0], &[0x77; 32]].concat();
    assert_eq!(unwrap(&good), Ok(vec![0x77; 32]));
    for bad in bad_paddings() {
        assert_eq!(bad.len(), 256);
        assert_ne!(unwrap(&bad), Ok(vec![0x77; 32]));
    }
}

#[test]
fn u02_wrong_keys_are_answered_alike() {
    for (shape, signature) in [(Shape::Signed, Requirement::Require), (Shape::Unsigned, Requirement::Allow)] {
        let target = Target::sent(shape.terms(), "alice", "bob", accepts(signature));
        let uniform = target.uniform();
        for (number, wrapped) in wrong_keys(&target).into_iter().enumerate() {
            let seen = target.answer(target.with(&WRAPPED_KEY, wrapped));
            assert!(seen == uniform, "{shape:?}, wrong key {number}: {seen:?}");
        }
    }
}

#[test]
fn u02_wrong_keys_are_answered_alike_where_no_receipt_is_asked_for() {
    let target = Target::new(Shape::Signed).without_receipt();
    let uniform = target.uniform();
    assert_eq!((uniform.status, uniform.length), (StatusCode::BAD_REQUEST, 0));
    for (number, wrapped) in wrong_keys(&target).into_iter().enumerate().step_by(7) {
        assert_eq!(target.answer(target.with(&WRAPPED_KEY, wrapped)), uniform, "wrong key {number}");
    }
    let original = target.ciphertext();
    let truncated = (0..original.len()).step_by(BLOCK).map(|length| original[..length].to_vec());
    target.assert_uniform("no receipt, truncated by blocks", truncated);
}

/// Changes to an unsigned message that leave its length: some are delivered, which nothing can prevent.
#[test]
fn u01_failures_of_unsigned_messages_are_all_alike() {
    let target = Target::sent(Shape::Unsigned.terms(), "alice", "bob", accepts(Requirement::Allow));
    let (uniform, original) = (target.uniform(), target.ciphertext());
    let mut mutants: Vec<Vec<u8>> = (0..original.len())
        .flat_map(|place| [0x01, 0x80, 0xff].map(|mask| (place, mask)))
        .map(|(place, mask)| {
            let mut ciphertext = original.clone();
            ciphertext[place] ^= mask;
            ciphertext
        })
        .collect();
    mutants.extend((0..original.len()).map(|length| original[..length].to_vec()));
    mutants.extend((0..=255).map(|value| [&original[..], &[value; BLOCK], &original[..BLOCK]].concat()));
    let mut refused = 0;
    for (number, ciphertext) in mutants.into_iter().enumerate() {
        let body = target.with(&CIPHERTEXT, ciphertext);
        match target.open(body) {
            Ok(accepted) => assert_eq!(accepted.authenticity(), &Authenticity::None),
            Err(error) => {
                refused += 1;
                let exact = error.error().to_string();
                assert!(Seen::of(&error.mdn().build(now())) == uniform, "mutant {number}: {exact}");
            }
        }
    }
    assert!(refused > original.len());
}

#[test]
fn u03_a_missing_signature_is_no_answer_from_inside_the_envelope() {
    let target = Target::sent(Shape::Unsigned.terms(), "alice", "bob", accepts(Requirement::Require));
    let body = Bytes::from(target.cms.write());
    assert_eq!(target.open(body.clone()).unwrap_err().error().code(), "INSUFFICIENT_SECURITY");
    assert_eq!(target.answer(body), target.uniform());
    let original = target.ciphertext();
    let changed = (0..original.len()).map(|place| {
        let mut ciphertext = original.clone();
        ciphertext[place] ^= 0x01;
        ciphertext
    });
    target.assert_uniform("unsigned, octet", changed);
}

#[test]
fn u02_failures_of_authenticated_encryption_are_all_alike() {
    let mut terms = profile(ALICE, BOB);
    terms.send.encrypt = Some(CipherAlgorithm::Aes256Gcm);
    let target = Target::sent(terms, "alice", "bob", accepts(Requirement::Require));
    let (uniform, original) = (target.uniform(), target.ciphertext());
    let tag = target.cms.at(&TAG).octets().to_vec();
    let flipped = |octets: &[u8], place: usize| {
        let mut octets = octets.to_vec();
        octets[place] ^= 1;
        octets
    };
    for place in 0..original.len() {
        assert!(target.answer(target.with(&CIPHERTEXT, flipped(&original, place))) == uniform, "octet {place}");
        assert!(target.answer(target.with(&CIPHERTEXT, original[..place].to_vec())) == uniform, "{place} octets");
    }
    for place in 0..tag.len() {
        assert_eq!(target.answer(target.with(&TAG, flipped(&tag, place))), uniform, "tag octet {place}");
        assert_eq!(target.answer(target.with(&TAG, tag[..place].to_vec())), uniform, "tag of {place} octets");
    }
    for (number, wrapped) in wrong_keys(&target).into_iter().enumerate().step_by(5) {
        assert_eq!(target.answer(target.with(&WRAPPED_KEY, wrapped)), uniform, "wrong key {number}");
    }
}

/// The commonest everyday fault: the partner has a new signing certificate. It is told, since only somebody who can
/// sign can cause it.
#[test]
fn a_valid_signature_by_an_unknown_certificate_is_told_exactly() {
    for shape in SIGNED.into_iter().filter(|shape| *shape != Shape::BinarySignature) {
        let target = Target::sent(shape.terms(), "bob", "bob", accepts(Requirement::Require));
        let seen = target.answer(target.cms.write().into());
        let receipt = seen.receipt.clone().unwrap();
        assert!(receipt.disposition.ends_with("processed/error: authentication-failed"), "{receipt:?}");
        assert!(receipt.text.contains("bob signing"), "{}", receipt.text);
        // But what is changed on the way is not told apart.
        let original = target.ciphertext();
        let appended = (0..=255).map(|value| [&original[..], &[value; BLOCK], &original[..BLOCK]].concat());
        target.assert_uniform(&format!("{shape:?}, unknown signer, appended pair"), appended);
        let changed = (0..original.len()).step_by(5).map(|place| {
            let mut ciphertext = original.clone();
            ciphertext[place] ^= 0x80;
            ciphertext
        });
        target.assert_uniform(&format!("{shape:?}, unknown signer, octet"), changed);
    }
}

#[test]
fn a_message_encrypted_to_somebody_else_is_told_exactly() {
    let target = Target::sent(Shape::Signed.terms(), "alice", "alice", accepts(Requirement::Require));
    let body = Bytes::from(target.cms.write());
    assert_eq!(target.open(body.clone()).unwrap_err().error().code(), "NO_RECIPIENT");
    let receipt = target.answer(body).receipt.unwrap();
    assert!(receipt.disposition.ends_with("processed/error: decryption-failed"), "{receipt:?}");
    assert!(receipt.text.contains("encrypted to issuer"), "{}", receipt.text);
}

#[test]
fn nothing_is_told_exactly_where_the_agreement_says_so() {
    let mut accepted = accepts(Requirement::Require);
    accepted.accept.explain = Explain::Uniform;
    for (signer, recipient) in [("bob", "bob"), ("alice", "alice")] {
        let target = Target::sent(Shape::Signed.terms(), signer, recipient, accepted.clone());
        let receipt = target.answer(target.cms.write().into()).receipt.unwrap();
        assert_eq!(receipt, target.uniform().receipt.unwrap());
        assert!(receipt.text.starts_with("The message could not be decrypted and verified."), "{}", receipt.text);
    }
}

/// In binary, an attacker can move blocks of the document into the embedded certificate: what it says is not told.
#[test]
fn u02_the_certificate_in_a_binary_signature_is_not_told() {
    let mut terms = profile(ALICE, BOB);
    terms.quirks.signature_encoding = SignatureEncoding::Binary;
    let target = Target::sent(terms.clone(), "bob", "bob", accepts(Requirement::Require));
    let refused = target.open(target.cms.write().into()).unwrap_err();
    assert_eq!(refused.error().code(), "SIGNER_UNTRUSTED", "our log is exact");
    assert!(Seen::of(&refused.mdn().build(now())) == target.uniform());
    // The subject lies in the middle of a block of its own; the document fills it.
    terms.send.encrypt = None;
    let plain = sent(terms, "bob", "bob").into_parts().1;
    let at = plain.windows(11).rposition(|octets| octets == b"bob signing").unwrap();
    let original = target.ciphertext();
    let from_end = plain.len() - at;
    let moved = ((original.len() - from_end) / BLOCK - 4..(original.len() - from_end) / BLOCK + 4).map(|block| {
        let mut ciphertext = original.clone();
        ciphertext[block * BLOCK..(block + 1) * BLOCK].copy_from_slice(&original[20 * BLOCK..21 * BLOCK]);
        ciphertext
    });
    target.assert_uniform("block moved into the certificate", moved);
}
