//! Signing and encrypting in one pass: octets are digested while they are encrypted (RFC 8551 section 3.7).
//!
//! The digest is known when the signed entity ends, and the signature follows it in the same ciphertext, so that each
//! octet of the payload is read once.

use crate::crypto::content::EncryptStream;
use crate::crypto::{CryptoError, DigestValue};
use crate::error::SendError;
use crate::smime::encrypt::Envelope;
use crate::smime::mic::Digests;
use crate::smime::sign::Signature;
use crate::smime::{Part, length};

/// Content on its way into an envelope, of which a part is signed: octets in, ciphertext out.
pub(crate) struct Outward {
    stream: EncryptStream,
    digests: Digests,
}

impl Outward {
    /// `digests` are those of the part that is signed.
    pub(crate) fn new(stream: EncryptStream, digests: Digests) -> Self {
        Self { stream, digests }
    }

    /// Takes octets of the signed entity.
    pub(crate) fn signed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.digests.update_and_encrypt(octets, &mut self.stream, out);
    }

    /// Takes octets before or behind it.
    pub(crate) fn unsigned(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.stream.push(octets, out);
    }

    /// Ends the signed entity.
    pub(crate) fn digests(&mut self) -> Vec<DigestValue> {
        std::mem::take(&mut self.digests).finish()
    }

    /// Ends the content: the tag, which is empty for CBC.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> Vec<u8> {
        self.stream.finish(out)
    }
}

/// A multipart/signed in an envelope that is made in one buffer.
pub(crate) struct SignedEnvelope {
    envelope: Envelope,
    outward: Outward,
    /// Room for the head of the envelope, which tells the length of all that follows, and the ciphertext so far.
    wire: Vec<u8>,
    room: usize,
    plain: usize,
}

impl SignedEnvelope {
    /// Writes what precedes an entity of `entity` octets.
    pub(crate) fn begin(
        (envelope, stream): (Envelope, EncryptStream),
        digests: Digests,
        signature: &Signature,
        entity: usize,
    ) -> Result<Self, SendError> {
        let start =
            Part { fields: vec![signature.content_type()], body: vec![signature.delimiter().into()] }.pieces()?;
        // What is too long for the cipher is so without the signature, or nearly so; nobody shall wait for it.
        envelope.head(entity)?;
        let plain = entity.saturating_add(length(&start)).saturating_add(signature.tail_len());
        let room = envelope.longest_head();
        let mut wire = Vec::with_capacity(envelope.reserve(plain).saturating_add(room));
        wire.resize(room, 0);
        let mut this = Self { envelope, outward: Outward::new(stream, digests), wire, room, plain: 0 };
        start.iter().for_each(|octets| this.unsigned(octets));
        Ok(this)
    }

    fn unsigned(&mut self, octets: &[u8]) {
        self.plain = self.plain.saturating_add(octets.len());
        self.outward.unsigned(octets, &mut self.wire);
    }

    /// Takes octets of the signed entity.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.plain = self.plain.saturating_add(octets.len());
        self.outward.signed(octets, &mut self.wire);
    }

    /// Ends the signed entity.
    pub(crate) fn digests(&mut self) -> Vec<DigestValue> {
        self.outward.digests()
    }

    /// Adds what follows the signed entity, and closes the envelope.
    pub(crate) fn finish(mut self, signature: &[u8]) -> Result<Part, CryptoError> {
        self.unsigned(signature);
        let Self { envelope, outward, mut wire, room, plain } = self;
        let tag = outward.finish(&mut wire);
        wire.extend_from_slice(&envelope.tail(&tag));
        let head = envelope.head(plain)?;
        // The head ends where the ciphertext begins; what it leaves of its room is skipped.
        let begin = room.checked_sub(head.len()).ok_or(CryptoError::TooLong)?;
        wire.get_mut(begin..room).ok_or(CryptoError::TooLong)?.copy_from_slice(&head);
        Ok(envelope.part(bytes::Bytes::from(wire).slice(begin..)))
    }
}

#[cfg(feature = "rustcrypto")]
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::SignatureScheme;
    use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
    use crate::crypto::{CryptoProvider, RandomError, SecureRandom};
    use crate::identity::Signing;
    use crate::profile::{Embed, Quirks, SignatureEncoding};
    use crate::smime::encrypt::encrypt;
    use crate::smime::fixtures::{alice_sign, bob_enc, now};
    use crate::smime::join;
    use crate::smime::sign::{SignTerms, sign};

    /// The same octets in every run: 1, 2, 3 ...
    struct Counting(AtomicU8);

    impl SecureRandom for Counting {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            out.iter_mut().for_each(|octet| *octet = self.0.fetch_add(1, Ordering::Relaxed).max(1));
            Ok(())
        }
    }

    fn counting() -> CryptoProvider {
        CryptoProvider::rustcrypto().with_random(Arc::new(Counting(AtomicU8::new(1))))
    }

    fn signing() -> Signing {
        let alice = alice_sign();
        Signing { name: String::new(), active_from: None, chain: vec![alice.certificate.clone()], key: alice.key }
    }

    fn terms(digest: DigestAlgorithm, quirks: &Quirks) -> SignTerms {
        SignTerms { scheme: SignatureScheme::RsaPkcs1v15(digest), quirks: quirks.clone(), now: now() }
    }

    fn one_after_the_other(
        entity: &[Bytes],
        digests: &[DigestAlgorithm],
        cipher: CipherAlgorithm,
        quirks: &Quirks,
    ) -> Part {
        let provider = counting();
        let values = Digests::of(&provider, digests, entity).unwrap();
        let signed = sign(entity.to_vec(), &values, &signing(), &provider, terms(digests[0], quirks)).run().unwrap();
        let to = bob_enc().certificate;
        encrypt(&signed.pieces().unwrap(), &[&to], cipher, None, &provider).unwrap()
    }

    /// The same at once, and how much room was too much.
    fn at_once(
        entity: &[Bytes],
        digests: &[DigestAlgorithm],
        cipher: CipherAlgorithm,
        quirks: &Quirks,
    ) -> (Part, Vec<DigestValue>, usize) {
        let provider = counting();
        let signature = Signature::begin(&signing(), &provider, terms(digests[0], quirks)).unwrap();
        let begun = Envelope::begin(&[&bob_enc().certificate], cipher, None, &provider).unwrap();
        let running = Digests::start(&provider, digests).unwrap();
        let mut envelope = SignedEnvelope::begin(begun, running, &signature, length(entity)).unwrap();
        entity.iter().for_each(|piece| envelope.push(piece));
        let (values, room) = (envelope.digests(), envelope.wire.capacity());
        let tail = signature.ask(entity, &values, &provider).run().unwrap();
        let part = envelope.finish(&tail).unwrap();
        let spare = room.checked_sub(length(&part.body)).expect("nothing was moved");
        (part, values, spare)
    }

    #[test]
    fn one_pass_writes_what_two_write() {
        use DigestAlgorithm::{Sha1, Sha256, Sha384, Sha512};
        let several: [&[DigestAlgorithm]; 4] = [&[Sha256], &[Sha384], &[Sha512, Sha1], &[Sha256, Sha512, Sha1]];
        let ciphers = CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy());
        for (at, cipher) in ciphers.enumerate() {
            for (len, digests) in [0, 1, 63, 64, 4099, 70_001].into_iter().zip(several.iter().cycle().skip(at)) {
                let content: Vec<u8> = (0..len).map(|octet| u8::try_from(octet % 251).unwrap()).collect();
                let entity: Vec<_> = content.chunks(len / 3 + 1).map(Bytes::copy_from_slice).collect();
                let expected = one_after_the_other(&entity, digests, cipher, &Quirks::default());
                let (part, values, _) = at_once(&entity, digests, cipher, &Quirks::default());
                assert_eq!(part.fields, expected.fields);
                assert!(join(part.body) == join(expected.body), "{cipher} {digests:?} {len}");
                assert_eq!(values, Digests::of(&counting(), digests, &entity).unwrap());
            }
        }
    }

    /// The buffer is of the right size at once: it is neither moved nor mostly empty.
    #[test]
    fn the_length_of_the_signature_is_known_well_enough() {
        let entity = [Bytes::from_static(b"an order")];
        for embed in [Embed::None, Embed::Leaf, Embed::Chain] {
            for encoding in [SignatureEncoding::Base64, SignatureEncoding::Binary] {
                for (protection, attributes) in [(true, true), (false, true), (false, false)] {
                    let quirks = Quirks {
                        embed,
                        signature_encoding: encoding,
                        algorithm_protection: protection,
                        signed_attributes: attributes,
                        ..Quirks::default()
                    };
                    let cipher = CipherAlgorithm::Aes256Cbc;
                    let (_, _, spare) = at_once(&entity, &[DigestAlgorithm::Sha512], cipher, &quirks);
                    assert!(spare < 2048, "{spare} octets of {quirks:?}");
                }
            }
        }
    }

    #[cfg(feature = "legacy")]
    #[test]
    fn what_is_too_long_for_a_cipher_is_refused_before_the_key_is_asked() {
        let provider = counting();
        let signature = Signature::begin(&signing(), &provider, terms(DigestAlgorithm::Sha256, &Quirks::default()));
        let (cipher, limit) = (CipherAlgorithm::TripleDesCbc, crate::Limits::default().legacy_cipher);
        for (entity, fits) in [(limit / 2, true), (limit, false)] {
            let begun = Envelope::begin(&[&bob_enc().certificate], cipher, None, &provider).unwrap();
            let entity = usize::try_from(entity).unwrap();
            let begun = SignedEnvelope::begin(begun, Digests::default(), signature.as_ref().ok().unwrap(), entity);
            assert_eq!(begun.is_ok(), fits);
        }
    }
}
