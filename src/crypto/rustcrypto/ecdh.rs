//! ECDH on the NIST curves (SEC 1, SP 800-56A) and X25519 (RFC 7748), and keys derived from shared secrets.

use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, Generate, PublicKey, SecretKey};
use hkdf::Hkdf;
use p256::elliptic_curve;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x25519_dalek::{StaticSecret, x25519};
use zeroize::Zeroizing;

use super::RngAdapter;
use crate::algorithm::{EcdhGroup, KeyTransport};
use crate::crypto::{Agreement, CryptoError, RandomError, SecretBytes, SecureRandom};

/// An ephemeral key and what it shares with `public_key`.
pub(super) fn ephemeral(
    group: EcdhGroup,
    public_key: &[u8],
    random: &dyn SecureRandom,
) -> Result<Agreement, CryptoError> {
    match group {
        EcdhGroup::P256 => on_curve::<p256::NistP256>(public_key, random),
        EcdhGroup::P384 => on_curve::<p384::NistP384>(public_key, random),
        EcdhGroup::P521 => on_curve::<p521::NistP521>(public_key, random),
        EcdhGroup::X25519 => {
            let mut scalar = Zeroizing::new([0; 32]);
            random.fill(&mut *scalar)?;
            let scalar = StaticSecret::from(*scalar);
            let public = x25519_dalek::PublicKey::from(&scalar).to_bytes().to_vec();
            let secret = x25519_secret(scalar.as_bytes(), public_key).ok_or(CryptoError::InvalidKey)?;
            Ok(Agreement::new(public, secret))
        }
    }
}

fn on_curve<C>(public_key: &[u8], random: &dyn SecureRandom) -> Result<Agreement, CryptoError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let theirs = point::<C>(public_key).ok_or(CryptoError::InvalidKey)?;
    let mut rng = RngAdapter::new(random);
    let ours = SecretKey::<C>::try_generate_from_rng(&mut rng).map_err(|_| CryptoError::Random(RandomError))?;
    Ok(Agreement::new(uncompressed(&ours.public_key()), shared(&ours, &theirs)))
}

/// Whether a public key is in its group, and the key without compression.
pub(super) fn check(group: EcdhGroup, public_key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match group {
        EcdhGroup::P256 => point::<p256::NistP256>(public_key).map(|point| uncompressed(&point)),
        EcdhGroup::P384 => point::<p384::NistP384>(public_key).map(|point| uncompressed(&point)),
        EcdhGroup::P521 => point::<p521::NistP521>(public_key).map(|point| uncompressed(&point)),
        // Every 32 octets are a key; those of small order show by what they lead to, whatever the private key is.
        EcdhGroup::X25519 => x25519_secret(&[0x55; 32], public_key).map(|_| public_key.to_vec()),
    }
    .ok_or(CryptoError::InvalidKey)
}

/// A point of the curve other than the one at infinity, compressed or not (SEC 1 section 2.3.4). Both curve and order
/// are checked: the cofactor is 1.
pub(super) fn point<C>(octets: &[u8]) -> Option<PublicKey<C>>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    matches!(octets.first(), Some(2..=4)).then(|| PublicKey::<C>::from_sec1_bytes(octets).ok()).flatten()
}

fn uncompressed<C>(key: &PublicKey<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    key.to_sec1_point(false).as_bytes().to_vec()
}

/// The x-coordinate of the shared point (SEC 1 section 3.3.1).
pub(super) fn shared<C: CurveArithmetic>(ours: &SecretKey<C>, theirs: &PublicKey<C>) -> SecretBytes {
    SecretBytes::new(ours.diffie_hellman(theirs).raw_secret_bytes().to_vec())
}

/// What X25519 gives; `None` for a public key of another length or of small order (RFC 7748 section 6.1).
pub(super) fn x25519_secret(scalar: &[u8; 32], public_key: &[u8]) -> Option<SecretBytes> {
    let secret = SecretBytes::new(x25519(*scalar, public_key.try_into().ok()?).to_vec());
    (!secret.is_zero()).then_some(secret)
}

/// The key derivation of a scheme.
pub(super) fn derive(scheme: KeyTransport, secret: &[u8], info: &[u8], len: usize) -> Result<SecretBytes, CryptoError> {
    let mut key = SecretBytes::new(vec![0; len]);
    let out = key.as_mut_bytes();
    let too_long = |_| CryptoError::TooLong;
    match scheme {
        KeyTransport::EcdhSha1 => x963::<Sha1>(secret, info, out),
        KeyTransport::EcdhSha224 => x963::<Sha224>(secret, info, out),
        KeyTransport::EcdhSha256 => x963::<Sha256>(secret, info, out),
        KeyTransport::EcdhSha384 => x963::<Sha384>(secret, info, out),
        KeyTransport::EcdhSha512 => x963::<Sha512>(secret, info, out),
        // Of all that derives keys this stands here too: RFC 9936 section 2.2.1 takes the same HKDF, also without salt.
        KeyTransport::EcdhHkdfSha256 | KeyTransport::MlKem768 | KeyTransport::MlKem1024 => {
            Hkdf::<Sha256>::new(None, secret).expand(info, out).map_err(too_long)?
        }
        KeyTransport::EcdhHkdfSha384 => Hkdf::<Sha384>::new(None, secret).expand(info, out).map_err(too_long)?,
        KeyTransport::EcdhHkdfSha512 => Hkdf::<Sha512>::new(None, secret).expand(info, out).map_err(too_long)?,
        _ => return Err(CryptoError::Unsupported),
    }
    Ok(key)
}

/// Hash(secret || counter || info), the counter from 1 (SEC 1 section 3.6.1).
fn x963<D: Digest>(secret: &[u8], info: &[u8], out: &mut [u8]) {
    for (chunk, counter) in out.chunks_mut(<D as Digest>::output_size()).zip(1u32..) {
        let block = D::new().chain_update(secret).chain_update(counter.to_be_bytes()).chain_update(info).finalize();
        let block: Zeroizing<Vec<u8>> = Zeroizing::new(block.to_vec());
        chunk.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
    }
}
