//! The crypto seam: what the protocol asks of a cryptographic backend, as object-safe traits.
//!
//! [`CryptoProvider`] bundles one implementation of each trait. [`CryptoProvider::rustcrypto`] (feature
//! `rustcrypto`, on by default) is in pure Rust; `CryptoProvider::graviola` and `CryptoProvider::aws_lc_rs`, behind
//! features of those names, are faster at some of it; every part can be put in place alone. Private keys are no part of
//! a provider: they implement [`SigningKey`] and [`DecryptingKey`] wherever they live, and a provider only tells how
//! those of files are loaded.
//!
//! Backends hold mechanism only. Which digests, ciphers and key sizes are good enough is decided above the seam.
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
pub(crate) mod content;
pub(crate) mod exchange;
#[cfg(feature = "graviola")]
mod graviola;
mod keys;
#[cfg(feature = "rustcrypto")]
mod loader;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;
mod value;
#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
mod whole;
mod wrapper;

use std::fmt;
use std::sync::Arc;

pub use exchange::{AgreeRequest, Agreement, DecapsulateRequest, Encapsulation, OaepParameters};
pub use keys::{DecryptingKey, KeyError, RemoteKey, SecretBytes, SignRequest, SigningKey, UnwrapRequest};
#[cfg(feature = "rustcrypto")]
pub(crate) use keys::{schemes_of, signature_len};
#[cfg(feature = "rustcrypto")]
pub use loader::KeyLoader;
#[cfg(feature = "renewal")]
pub(crate) use rustcrypto::generate;
#[cfg(feature = "pkcs12")]
pub(crate) use rustcrypto::password;
#[cfg(feature = "rustcrypto")]
pub use rustcrypto::{EcPrivateKey, Ed25519PrivateKey, LoadKeyError, RsaPrivateKey, X25519PrivateKey};
#[cfg(feature = "pq")]
pub use rustcrypto::{MlDsaPrivateKey, MlKemPrivateKey};
pub use value::{DigestValue, Tag};
pub use wrapper::{KeyWrap, KeyWrapper};

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, EcdhGroup, KeyTransport, SignatureScheme};

/// One implementation of every operation that needs no private key.
///
/// Cheap to clone. Parts are replaced by the `with_*` methods; the accessors give a wrapping implementation
/// what it wraps.
///
/// ```
/// use std::sync::Arc;
/// use as2_protocol::crypto::{CryptoProvider, RandomError, SecureRandom};
///
/// struct Hsm;
/// impl SecureRandom for Hsm {
///     fn fill(&self, _out: &mut [u8]) -> Result<(), RandomError> {
///         Err(RandomError) // a device that is out of order
///     }
/// }
///
/// let provider = CryptoProvider::rustcrypto().with_random(Arc::new(Hsm));
/// assert_eq!(provider.random().fill(&mut [0; 16]), Err(RandomError));
/// ```
#[derive(Clone)]
pub struct CryptoProvider {
    digests: Arc<dyn DigestProvider>,
    ciphers: Arc<dyn CipherProvider>,
    verifiers: Arc<dyn VerifierProvider>,
    key_wrapping: Arc<dyn KeyWrapper>,
    random: Arc<dyn SecureRandom>,
    #[cfg(feature = "rustcrypto")]
    key_loader: Arc<dyn KeyLoader>,
}

impl CryptoProvider {
    /// A provider of the given parts.
    #[must_use]
    pub fn new(
        digests: Arc<dyn DigestProvider>,
        ciphers: Arc<dyn CipherProvider>,
        verifiers: Arc<dyn VerifierProvider>,
        key_wrapping: Arc<dyn KeyWrapper>,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self {
            digests,
            ciphers,
            verifiers,
            key_wrapping,
            random,
            #[cfg(feature = "rustcrypto")]
            key_loader: Arc::new(rustcrypto::Loader),
        }
    }

    /// The backend over the RustCrypto crates and the random numbers of the operating system.
    #[cfg(feature = "rustcrypto")]
    #[must_use]
    pub fn rustcrypto() -> Self {
        rustcrypto::provider()
    }

    /// The backend over graviola, in Rust and assembly for x86_64 and aarch64: signatures of RSA, P-256 and P-384 keys,
    /// and AES-GCM. All else, and all of it on a processor that graviola does not run on, is done as by
    /// [`rustcrypto`](Self::rustcrypto).
    #[cfg(feature = "graviola")]
    #[must_use]
    pub fn graviola() -> Self {
        graviola::provider()
    }

    /// The backend over AWS-LC: signatures, the unwrapping of keys with RSA, ECDH, and AES-GCM. All else is done as by
    /// [`rustcrypto`](Self::rustcrypto).
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub fn aws_lc_rs() -> Self {
        aws_lc_rs::provider()
    }

    /// Replaces the digests.
    #[must_use]
    pub fn with_digests(self, digests: Arc<dyn DigestProvider>) -> Self {
        Self { digests, ..self }
    }

    /// Replaces the content ciphers.
    #[must_use]
    pub fn with_ciphers(self, ciphers: Arc<dyn CipherProvider>) -> Self {
        Self { ciphers, ..self }
    }

    /// Replaces the signature verifiers.
    #[must_use]
    pub fn with_verifiers(self, verifiers: Arc<dyn VerifierProvider>) -> Self {
        Self { verifiers, ..self }
    }

    /// Replaces the wrapping of content-encryption keys.
    #[must_use]
    pub fn with_key_wrapping(self, key_wrapping: Arc<dyn KeyWrapper>) -> Self {
        Self { key_wrapping, ..self }
    }

    /// Replaces the source of random octets.
    #[must_use]
    pub fn with_random(self, random: Arc<dyn SecureRandom>) -> Self {
        Self { random, ..self }
    }

    /// Replaces how private keys of files are loaded.
    #[cfg(feature = "rustcrypto")]
    #[must_use]
    pub fn with_key_loader(self, key_loader: Arc<dyn KeyLoader>) -> Self {
        Self { key_loader, ..self }
    }

    /// The digests.
    #[must_use]
    pub fn digests(&self) -> &Arc<dyn DigestProvider> {
        &self.digests
    }

    /// The content ciphers.
    #[must_use]
    pub fn ciphers(&self) -> &Arc<dyn CipherProvider> {
        &self.ciphers
    }

    /// The signature verifiers.
    #[must_use]
    pub fn verifiers(&self) -> &Arc<dyn VerifierProvider> {
        &self.verifiers
    }

    /// The wrapping of content-encryption keys.
    #[must_use]
    pub fn key_wrapping(&self) -> &Arc<dyn KeyWrapper> {
        &self.key_wrapping
    }

    /// The source of random octets.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn SecureRandom> {
        &self.random
    }

    /// How private keys of files are loaded.
    #[cfg(feature = "rustcrypto")]
    #[must_use]
    pub fn key_loader(&self) -> &Arc<dyn KeyLoader> {
        &self.key_loader
    }

    /// Starts a digest.
    pub(crate) fn start_digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>, CryptoError> {
        self.digests.start(algorithm).ok_or(CryptoError::Unsupported)
    }

    /// Digests octets that are at hand as a whole.
    pub(crate) fn digest(&self, algorithm: DigestAlgorithm, data: &[u8]) -> Result<DigestValue, CryptoError> {
        let mut context = self.start_digest(algorithm)?;
        context.update(data);
        Ok(context.finish())
    }

    pub(crate) fn fill_random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        Ok(self.random.fill(out)?)
    }

    pub(crate) fn wrap_key(
        &self,
        transport: KeyTransport,
        spki_der: &[u8],
        key: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.key_wrapping.wrap(transport, spki_der, key, &*self.random)
    }

    pub(crate) fn encapsulate(&self, kem: KeyTransport, spki_der: &[u8]) -> Result<Encapsulation, CryptoError> {
        self.key_wrapping.encapsulate(kem, spki_der, &*self.random)
    }

    pub(crate) fn agree(&self, group: EcdhGroup, public_key: &[u8]) -> Result<Agreement, CryptoError> {
        self.key_wrapping.agree(group, public_key, &*self.random)
    }
}

impl fmt::Debug for CryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoProvider").finish_non_exhaustive()
    }
}

/// Message digests (FIPS 180-4).
pub trait DigestProvider: Send + Sync {
    /// Starts a digest; `None` if the provider lacks it.
    fn start(&self, algorithm: DigestAlgorithm) -> Option<Box<dyn DigestContext>>;
}

/// A digest that is being computed.
pub trait DigestContext: Send + Sync {
    /// Takes in more octets; how they are cut does not matter.
    fn update(&mut self, data: &[u8]);

    /// How many octets complete the block that is open, the whole block length where none is. A cipher may then
    /// take turns with the digest, block by block, and hide the one behind the other.
    ///
    /// `None`, the default, keeps pieces long: that is better wherever a call costs more than some nanoseconds.
    fn turn(&self) -> Option<usize> {
        None
    }

    /// A second digest that goes on from the octets taken in so far; `None`, the default, if the provider cannot do that.
    ///
    /// Where octets differ from their CRLF form only from some line on, what comes before is then digested once for both.
    fn fork(&self) -> Option<Box<dyn DigestContext>> {
        None
    }

    /// Ends the digest.
    fn finish(self: Box<Self>) -> DigestValue;
}

/// Content ciphers: AES in CBC (RFC 3565), GCM and CCM mode (RFC 5084), ChaCha20 with Poly1305 (RFC 8103), and what
/// feature `legacy` adds.
pub trait CipherProvider: Send + Sync {
    /// Starts an encryption. `iv` is the IV of CBC or the nonce of the others, `aad` what those authenticate
    /// besides the content (the attributes of RFC 5083 section 2.2; empty for CBC).
    ///
    /// # Errors
    /// [`CryptoError`] if the cipher is not provided or a parameter has the wrong length.
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError>;

    /// Starts a decryption, with the parameters of [`encryptor`](Self::encryptor).
    ///
    /// # Errors
    /// [`CryptoError`] if the cipher is not provided or a parameter has the wrong length.
    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError>;
}

/// An encryption under way. Padding is not its business: it is handed whole blocks.
pub trait ContentEncryptor: Send + Sync {
    /// What the lengths given to [`update`](Self::update) are multiples of: the block length of CBC, else 1.
    fn block_len(&self) -> usize;

    /// Encrypts in place. A length that is no multiple of the block length is a fault of the caller, whose
    /// last, incomplete block is left alone.
    fn update(&mut self, blocks: &mut [u8]);

    /// Digests some octets and encrypts others in place, neither depending on the other: the digest usually takes the
    /// plaintext that was copied to `blocks`. The lengths need not be the same.
    ///
    /// CBC encryption leaves most of a processor idle, since each block waits for the one before; a backend can hide
    /// the digest there. This default does one after the other.
    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        digest.update(digested);
        self.update(blocks);
    }

    /// Ends the encryption; the tag is empty for CBC and has 16 octets for the others.
    fn finish(self: Box<Self>) -> Tag;
}

/// A decryption under way; nothing that it yields may be used before [`finish`](Self::finish) has agreed.
pub trait ContentDecryptor: Send + Sync {
    /// What the lengths given to [`update`](Self::update) are multiples of: the block length of CBC, else 1.
    fn block_len(&self) -> usize;

    /// Decrypts in place, under the rules of [`ContentEncryptor::update`].
    fn update(&mut self, blocks: &mut [u8]);

    /// Digests some octets and decrypts others in place, neither depending on the other: the digest usually takes
    /// plaintext that came out of an earlier call. The lengths need not be the same.
    ///
    /// This default does one after the other.
    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        digest.update(digested);
        self.update(blocks);
    }

    /// Ends the decryption and compares the tag, in constant time. GCM takes tags of 12 to 16 octets and CCM
    /// those of every length that it defines (RFC 5084 section 3), CBC ignores the tag.
    ///
    /// # Errors
    /// [`TagMismatch`] if the content is not what was encrypted under this key.
    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch>;

    /// Decrypts all of the content in place at once, and ends.
    ///
    /// # Errors
    /// [`TagMismatch`] as of [`finish`](Self::finish).
    fn open(mut self: Box<Self>, content: &mut [u8], tag: &[u8]) -> Result<(), TagMismatch> {
        self.update(content);
        self.finish(tag)
    }
}

/// The tag does not fit the content. It carries no reason on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authentication tag does not fit the content")]
pub struct TagMismatch;

/// Verification of signatures.
pub trait VerifierProvider: Send + Sync {
    /// Verifies a signature over a digest. `spki_der` is the signer's SubjectPublicKeyInfo; `message` holds the
    /// digested octets where they are at hand, for schemes that sign the message itself.
    ///
    /// # Errors
    /// [`VerifyError`] if the signature is not good, the key is not usable or the scheme is not provided.
    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        digest: &DigestValue,
        message: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), VerifyError>;

    /// Reads the digest out of an RSASSA-PKCS1-v1_5 signature that was made with this key, whatever it was made over.
    /// It serves to explain signatures that do not verify; no verdict is drawn from it.
    ///
    /// # Errors
    /// [`VerifyError::InvalidSignature`] if it was made with another key, [`VerifyError::InvalidKey`] if the key is of
    /// another kind, [`VerifyError::Unsupported`], the default, if the provider does not tell.
    fn recover_digest(&self, spki_der: &[u8], signature: &[u8]) -> Result<DigestValue, VerifyError> {
        let _ = (spki_der, signature);
        Err(VerifyError::Unsupported)
    }
}

/// Why a signature was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The provider does not know the scheme.
    #[error("unsupported signature scheme")]
    Unsupported,
    /// The public key is malformed, out of bounds or of another algorithm.
    #[error("the public key cannot be used for this signature scheme")]
    InvalidKey,
    /// The scheme signs the message itself, and that is not at hand.
    #[error("the signature covers the message itself, which is not at hand")]
    NeedsMessage,
    /// The signature is not one over this digest under this key.
    #[error("invalid signature")]
    InvalidSignature,
}

/// A cryptographically secure source of random octets.
pub trait SecureRandom: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// [`RandomError`] if the source fails; the buffer is then not used.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError>;
}

/// The source of random octets failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random octets available")]
pub struct RandomError;

/// Why a cipher or a key wrapping could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The provider does not know the algorithm.
    #[error("unsupported algorithm")]
    Unsupported,
    /// The key is malformed, has the wrong length or is out of bounds.
    #[error("the key cannot be used for this algorithm")]
    InvalidKey,
    /// An IV or nonce of the wrong length, or additional data for a cipher that takes none.
    #[error("invalid algorithm parameters")]
    InvalidParameters,
    /// The content is longer than the cipher may take under one key.
    #[error("the content is too long for this cipher")]
    TooLong,
    /// The source of random octets failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl CryptoError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported => "CRYPTO_UNSUPPORTED",
            Self::InvalidKey => "CRYPTO_KEY",
            Self::InvalidParameters => "CRYPTO_PARAMETERS",
            Self::TooLong => "CRYPTO_TOO_LONG",
            Self::Random(_) => "CRYPTO_RANDOM",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Octets of a hexadecimal string; white space is skipped.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    #[cfg(feature = "rustcrypto")]
    #[test]
    fn a_part_of_the_provider_can_be_replaced() {
        struct NoDigests;
        impl DigestProvider for NoDigests {
            fn start(&self, _: DigestAlgorithm) -> Option<Box<dyn DigestContext>> {
                None
            }
        }
        let provider = CryptoProvider::rustcrypto();
        assert!(provider.digest(DigestAlgorithm::Sha256, b"abc").is_ok());
        let other = provider.clone().with_digests(Arc::new(NoDigests));
        assert_eq!(other.digest(DigestAlgorithm::Sha256, b"abc"), Err(CryptoError::Unsupported));
        let same = CryptoProvider::new(
            provider.digests().clone(),
            provider.ciphers().clone(),
            provider.verifiers().clone(),
            provider.key_wrapping().clone(),
            provider.random().clone(),
        );
        assert!(same.digest(DigestAlgorithm::Sha1, b"").is_ok());
        assert_eq!(format!("{same:?}"), "CryptoProvider { .. }");
    }
}
