//! HTTP requests and responses from raw octets: for saved traffic, tests, and stacks that hand over the wire.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::error::Rejection;
use crate::limits::Limits;
use crate::mime::header::{Fields, HeadReader};
use crate::mime::{Error, ErrorKind};

/// Reads a saved HTTP/1 request: start line, header fields, body.
///
/// This is the only place where folded header fields are unfolded, since [`http::HeaderMap`] cannot hold folds.
/// The body is all that follows the header; chunked transfer coding must already be undone.
///
/// # Errors
/// [`Rejection::Head`] if the header block cannot be read or is larger than the limits.
pub fn read_request(octets: &Bytes, limits: &Limits) -> Result<Request<Bytes>, Rejection> {
    let (start, headers, body) = read(octets, limits)?;
    let mut words = start.split_ascii_whitespace();
    let mut request = Request::new(body);
    *request.method_mut() = words.next().and_then(|word| Method::from_bytes(word.as_bytes()).ok()).unwrap_or_default();
    *request.uri_mut() = words.next().and_then(|word| word.parse::<Uri>().ok()).unwrap_or_default();
    *request.headers_mut() = headers;
    Ok(request)
}

/// Reads a saved HTTP/1 response: status line, header fields, body.
///
/// # Errors
/// As for [`read_request`].
pub fn read_response(octets: &Bytes, limits: &Limits) -> Result<Response<Bytes>, Rejection> {
    let (start, headers, body) = read(octets, limits)?;
    let status = start.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<StatusCode>().ok());
    let mut response = Response::new(body);
    *response.status_mut() = status.unwrap_or_default();
    *response.headers_mut() = headers;
    Ok(response)
}

fn read(octets: &Bytes, limits: &Limits) -> Result<(String, HeaderMap, Bytes), Rejection> {
    let mut reader = HeadReader::new(limits);
    // A header that is cut off could be read as that of another, shorter message.
    let no_end = || Rejection::Head(Error::new(ErrorKind::NoBlankLine, octets.len()));
    let end = reader.push(octets).map_err(Rejection::Head)?.ok_or_else(no_end)?;
    let (block, body) = (octets.slice(..end), octets.slice(end..));
    let line_end = block.iter().position(|octet| *octet == b'\n').map_or(block.len(), |position| position + 1);
    let start = String::from_utf8_lossy(&block.slice(..line_end)).trim_end().to_owned();
    let fields = Fields::parse(block.slice(line_end..), limits)
        .map_err(|error| Rejection::Head(error.shifted(u64::try_from(line_end).unwrap_or(u64::MAX))))?;
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(&value)) {
            headers.append(name, value);
        }
    }
    Ok((start, headers, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_cut_off_is_no_message() {
        let whole = b"POST /as2 HTTP/1.1\r\nAS2-From: a\r\nAS2-To: b\r\n\r\n";
        assert!(read_request(&Bytes::from_static(whole), &Limits::default()).unwrap().body().is_empty());
        for end in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..end]);
            let error = read_request(&cut, &Limits::default()).unwrap_err();
            assert_eq!(error, Rejection::Head(Error::new(ErrorKind::NoBlankLine, end)));
            assert!(read_response(&cut, &Limits::default()).is_err());
        }
    }
}
