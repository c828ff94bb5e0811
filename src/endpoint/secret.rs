//! Secrets in the form in which they travel. Copies are wiped when they are dropped, but for one in a URL, whose
//! type belongs to `http`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::uri::{PathAndQuery, Uri};
use zeroize::Zeroizing;

use super::SecretFault;
use crate::crypto::SecretBytes;

/// The longest secret that is put into a request. Kerberos tickets and tokens with many claims stay below; servers
/// refuse longer headers.
const MAX_SECRET: usize = 64 << 10;

/// `scheme` and secret as a header value; the secret alone where the scheme is empty.
pub(super) fn in_header(scheme: &str, secret: &SecretBytes) -> Result<HeaderValue, SecretFault> {
    check_token(secret.as_bytes())?;
    let mut value = Zeroizing::new(Vec::with_capacity(scheme.len() + 1 + secret.len()));
    if !scheme.is_empty() {
        value.extend_from_slice(scheme.as_bytes());
        value.push(b' ');
    }
    value.extend_from_slice(secret.as_bytes());
    sensitive(value)
}

/// `Basic` credentials (RFC 7617 section 2), in UTF-8.
pub(super) fn basic(user: &str, password: &SecretBytes) -> Result<HeaderValue, SecretFault> {
    if password.len() > MAX_SECRET {
        return Err(SecretFault::TooLong);
    }
    let text = std::str::from_utf8(password.as_bytes()).map_err(|_| SecretFault::NotUtf8)?;
    check_controls(text.chars())?;
    let pair = Zeroizing::new([user.as_bytes(), b":", password.as_bytes()].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    sensitive(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat()))
}

/// The URI with one more query parameter.
pub(super) fn in_query(uri: &Uri, parameter: &str, token: &SecretBytes) -> Result<Uri, SecretFault> {
    check_token(token.as_bytes())?;
    // As long as it can become: a vector that grows leaves its old octets behind, unwiped.
    let before = uri.path().len() + uri.query().map_or(0, str::len);
    let mut target = Zeroizing::new(Vec::with_capacity(before + 3 * (parameter.len() + token.len()) + 3));
    target.extend_from_slice(uri.path().as_bytes());
    target.push(b'?');
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        target.extend_from_slice(query.as_bytes());
        target.push(b'&');
    }
    percent_encode(parameter.as_bytes(), &mut target);
    target.push(b'=');
    percent_encode(token.as_bytes(), &mut target);
    let mut parts = uri.clone().into_parts();
    // Paths and names were valid before; what remains to be wrong is the length.
    parts.path_and_query = Some(PathAndQuery::try_from(target.as_slice()).map_err(|_| SecretFault::TooLong)?);
    Uri::from_parts(parts).map_err(|_| SecretFault::TooLong)
}

/// Printable ASCII; blanks may stand inside.
fn check_token(token: &[u8]) -> Result<(), SecretFault> {
    if token.is_empty() {
        return Err(SecretFault::Empty);
    }
    if token.len() > MAX_SECRET {
        return Err(SecretFault::TooLong);
    }
    check_controls(token.iter().map(|octet| char::from(*octet)).filter(char::is_ascii))?;
    if !token.is_ascii() {
        return Err(SecretFault::NotAscii);
    }
    if token.first() == Some(&b' ') || token.last() == Some(&b' ') {
        return Err(SecretFault::Blank);
    }
    Ok(())
}

fn check_controls(characters: impl Iterator<Item = char> + Clone) -> Result<(), SecretFault> {
    if characters.clone().any(|character| matches!(character, '\r' | '\n')) {
        return Err(SecretFault::LineBreak);
    }
    if characters.clone().any(char::is_control) {
        return Err(SecretFault::Control);
    }
    Ok(())
}

/// A value that `Debug` does not show, HTTP/2 does not index, and whose memory is wiped with its last copy.
fn sensitive(value: Zeroizing<Vec<u8>>) -> Result<HeaderValue, SecretFault> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).map_err(|_| SecretFault::Control)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 3986 section 2.3: everything but unreserved characters is encoded.
fn percent_encode(octets: &[u8], out: &mut Vec<u8>) {
    for octet in octets {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(octet) {
            out.push(*octet);
        } else {
            let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'A' - 10 };
            out.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}
