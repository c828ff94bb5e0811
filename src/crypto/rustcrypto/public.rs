//! Public keys that follow from private ones, for files that hold only those.

/// The public key of an X25519 private key (RFC 7748 section 6.1).
pub(crate) fn x25519(scalar: &[u8]) -> Option<Vec<u8>> {
    let scalar: [u8; 32] = scalar.try_into().ok()?;
    Some(x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(scalar)).to_bytes().to_vec())
}
