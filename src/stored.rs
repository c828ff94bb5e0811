//! Requests and responses as values that outlive a process, and the text forms of their parts.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

/// A request that is complete but for credentials: store it before the first octet leaves, send the same octets at every attempt.
///
/// With feature `serde` it serialises in a versioned form, binary parts as base64.
///
/// ```
/// # fn show(stored: &as2_protocol::StoredRequest) {
/// let request: http::Request<bytes::Bytes> = stored.to_request();
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct StoredRequest {
    version: FormatVersion,
    url: String,
    headers: Vec<(String, Octets)>,
    body: Octets,
}

impl StoredRequest {
    pub(crate) fn new(url: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        RequestHead::new(url, headers).with_body(body)
    }

    /// The request to send: POST, absolute URI, exact `Content-Length`. The body is shared, not copied.
    #[must_use]
    pub fn to_request(&self) -> Request<Bytes> {
        request(&self.url, &self.headers, self.body.0.clone())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body.0
    }

    /// The value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

impl From<StoredRequest> for Request<Bytes> {
    fn from(stored: StoredRequest) -> Self {
        stored.to_request()
    }
}

/// The head of a request whose body is streamed: complete but for credentials, which
/// [`Partner::authorize_head`](crate::Partner::authorize_head) puts on at each attempt.
///
/// An attempt that fails is repeated with the same head and the same body. Save the head, and spool the octets of the
/// body as they are sent: another pass over the payload makes another message, with another signature and another key.
///
/// With feature `serde` it serialises in a versioned form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct RequestHead {
    version: FormatVersion,
    url: String,
    headers: Vec<(String, Octets)>,
}

impl RequestHead {
    pub(crate) fn new(url: &Uri, headers: &HeaderMap) -> Self {
        Self { version: FormatVersion, url: url.to_string(), headers: header_list(headers) }
    }

    /// The head as a request: POST, absolute URI, and `Content-Length` if it is known. Without it the body goes in
    /// chunks, which HTTP libraries do by themselves.
    #[must_use]
    pub fn to_request(&self) -> Request<()> {
        request(&self.url, &self.headers, ())
    }

    /// The request with its body, for one that was spooled and fits into memory.
    #[must_use]
    pub fn with_body(self, body: impl Into<Bytes>) -> StoredRequest {
        let Self { version, url, headers } = self;
        StoredRequest { version, url, headers, body: Octets(body.into()) }
    }

    /// The value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Octets of the body, if they are known.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// A response as a value: store it beside the message, send it again octet for octet to a duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct StoredResponse {
    version: FormatVersion,
    status: u16,
    headers: Vec<(String, Octets)>,
    body: Octets,
}

impl StoredResponse {
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        Self { version: FormatVersion, status: status.as_u16(), headers: header_list(headers), body: Octets(body) }
    }

    /// An answer without a body; `Content-Length: 0` is written, since some peers wait for it.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Self::new(status, &headers, Bytes::new())
    }

    pub(crate) fn with_header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), Octets(value.into())));
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The response to send. The body is shared, not copied.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.0.clone());
        *response.status_mut() = self.status();
        *response.headers_mut() = header_map(&self.headers);
        response
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body.0
    }

    /// The value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

impl From<StoredResponse> for Response<Bytes> {
    fn from(stored: StoredResponse) -> Self {
        stored.to_response()
    }
}

/// The version of every stored form, written as `1`; another number is refused when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "u32", try_from = "u32"))]
pub(crate) struct FormatVersion;

impl From<FormatVersion> for u32 {
    fn from(_: FormatVersion) -> Self {
        1
    }
}

impl TryFrom<u32> for FormatVersion {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == 1 { Ok(Self) } else { Err(format!("format version {version} is not known, this crate reads 1")) }
    }
}

/// Octets that serialise as base64 text, and show in logs by their number only.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub(crate) struct Octets(pub(crate) Bytes);

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&octets.0)
    }
}

impl TryFrom<String> for Octets {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).map(|octets| Self(octets.into()))
    }
}

/// A point in time that serialises as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub(crate) struct Instant(pub(crate) SystemTime);

impl Instant {
    /// Clamped to the years 1970 to 9999, outside of which neither a header nor a certificate can name a time.
    fn clamped(self) -> time::OffsetDateTime {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let since = since.min(Duration::from_secs(LAST_SECOND));
        i128::try_from(since.as_nanos())
            .ok()
            .and_then(|nanos| time::OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
    }

    /// RFC 3339 to the second, for people.
    pub(crate) fn text(self) -> String {
        let at = self.clamped();
        let whole = at.replace_nanosecond(0).unwrap_or(at);
        whole.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }

    /// A span of time later; the end of the year 9999 where there is no such time.
    pub(crate) fn after(self, span: Duration) -> Self {
        let last = Duration::from_secs(LAST_SECOND);
        self.0.checked_add(span).or_else(|| SystemTime::UNIX_EPOCH.checked_add(last)).map_or(self, Self)
    }

    /// Whether this time lies more than `span` after `now`. What should have happened in the past and has not was
    /// written under a clock that has been set back since.
    pub(crate) fn is_beyond(self, span: Duration, now: Self) -> bool {
        self > now.after(span)
    }

    /// This time, or `now` if it is beyond.
    pub(crate) fn unless_beyond(self, span: Duration, now: Self) -> Self {
        if self.is_beyond(span, now) { now } else { self }
    }

    /// Seconds since 1970; 0 before.
    pub(crate) fn seconds(self) -> u64 {
        self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
    }

    /// The `Date` header (RFC 9110 section 5.6.7).
    pub(crate) fn http_date(self) -> String {
        let at = self.clamped();
        let weekday = at.weekday().to_string();
        let month = at.month().to_string();
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            weekday.get(..3).unwrap_or_default(),
            at.day(),
            month.get(..3).unwrap_or_default(),
            at.year(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.clamped().format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }
}

impl TryFrom<String> for Instant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
            .map(|at| Self(at.into()))
            .map_err(|_| format!("'{text}' is not a date and time of RFC 3339"))
    }
}

/// A public [`SystemTime`] in the text form of [`Instant`].
#[cfg(feature = "serde")]
pub(crate) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Instant;

    pub(crate) fn serialize<S: Serializer>(value: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
        Instant(*value).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<SystemTime, D::Error> {
        Ok(Instant::deserialize(input)?.0)
    }

    pub(crate) mod option {
        use super::{Deserialize, Deserializer, Instant, Serialize, Serializer, SystemTime};

        pub(crate) fn serialize<S: Serializer>(value: &Option<SystemTime>, out: S) -> Result<S::Ok, S::Error> {
            value.map(Instant).serialize(out)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SystemTime>, D::Error> {
            Ok(Option::<Instant>::deserialize(input)?.map(|at| at.0))
        }
    }
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

pub(crate) fn header_list(headers: &HeaderMap) -> Vec<(String, Octets)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), Octets(Bytes::copy_from_slice(value.as_bytes()))))
        .collect()
}

pub(crate) fn header_map(headers: &[(String, Octets)]) -> HeaderMap {
    let mut all = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(&value.0)) {
            all.append(name, value);
        }
    }
    all
}

fn request<T>(url: &str, headers: &[(String, Octets)], body: T) -> Request<T> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    // Both were valid when they were written; a hand-edited store gives a request to nowhere, not a panic.
    *request.uri_mut() = url.parse().unwrap_or_default();
    *request.headers_mut() = header_map(headers);
    request
}

fn find<'a>(headers: &'a [(String, Octets)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(&value.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_nanosecond_and_are_shown_to_the_second() {
        let at = Instant(SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 1_500_000));
        assert_eq!(String::from(at), "1994-11-06T08:49:37.0015Z");
        assert_eq!(Instant::try_from(String::from(at)), Ok(at));
        assert_eq!(at.text(), "1994-11-06T08:49:37Z");
        assert_eq!(Instant::try_from("1994-11-06T09:49:37.0015+01:00".to_owned()), Ok(at));
        let last = Instant(SystemTime::UNIX_EPOCH).after(Duration::MAX);
        assert_eq!((last.text().as_str(), last.after(Duration::MAX)), ("9999-12-31T23:59:59Z", last));
    }

    #[test]
    fn dates_are_written_for_http() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(Instant(at).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND * 9);
        assert_eq!(Instant(far).http_date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn stored_requests_come_back_and_other_versions_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("as2-from", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let stored =
            StoredRequest::new(&"https://b.example/as2".parse().unwrap(), &headers, Bytes::from_static(b"\0\xff"));
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<StoredRequest>(&json).unwrap(), stored);
        assert_eq!(stored.to_request().headers(), &headers);
        let other = json.replace("\"version\":1", "\"version\":2");
        assert!(serde_json::from_str::<StoredRequest>(&other).unwrap_err().to_string().contains("format version 2"));
    }
}
