//! Credentials and further headers, put on a stored request at each attempt, for the origin that they belong to.
//!
//! What is stored for a retry holds none of this: a token that was fetched anew goes out with the same message.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Uri};

mod error;
mod refresh;
mod secret;

pub use error::{AuthorizeError, SecretFault};
pub use refresh::{AuthState, AuthStep};

use crate::crypto::SecretBytes;
use crate::partner::Partner;
use crate::profile::{AuthMethod, EndpointTerms, HeaderText, SecretRef};
use crate::receipt::builder::PendingMdn;
use crate::stored::{RequestHead, StoredRequest};
use crate::url::{HttpUrl, Origin};

impl Partner {
    /// The request of a message as it goes out now: with the headers and credentials of `profile().endpoint`.
    ///
    /// `secrets` resolves a secret by its name; secrets that are kept behind a network are fetched before, see
    /// [`EndpointTerms::secrets`](crate::EndpointTerms::secrets). Call this anew for each attempt. Values that were
    /// secret are marked as sensitive headers, which `Debug` does not show; a token in the query stands in the URI,
    /// so that requests to such an endpoint must not be logged.
    ///
    /// Follow no redirect with this request: it would carry the credentials elsewhere.
    ///
    /// ```
    /// use as2_protocol::crypto::SecretBytes;
    /// use as2_protocol::{AuthorizeError, Partner, SecretRef, StoredRequest};
    /// fn attempt(acme: &Partner, stored: &StoredRequest) -> Result<http::Request<bytes::Bytes>, AuthorizeError> {
    ///     let vault = |name: &SecretRef| std::env::var(name.name()).ok().map(|s| SecretBytes::new(s.into_bytes()));
    ///     acme.authorize(stored, vault)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AuthorizeError::OtherOrigin`] if there is something to put on and the request does not go to scheme, host
    /// and port of `profile().url`: the profile has changed since the message was built. Otherwise a secret is
    /// missing, or cannot travel in the place where it belongs.
    pub fn authorize(
        &self,
        request: &StoredRequest,
        secrets: impl Fn(&SecretRef) -> Option<SecretBytes>,
    ) -> Result<Request<Bytes>, AuthorizeError> {
        let profile = self.profile();
        let endpoint = Endpoint { place: "endpoint", terms: &profile.endpoint, secrets };
        endpoint.authorize(request.to_request(), &profile.url)
    }

    /// The head of a streamed message as it goes out now, with headers and credentials as in
    /// [`authorize`](Self::authorize); its body is streamed beside it.
    ///
    /// # Errors
    /// Those of [`authorize`](Self::authorize).
    pub fn authorize_head(
        &self,
        head: &RequestHead,
        secrets: impl Fn(&SecretRef) -> Option<SecretBytes>,
    ) -> Result<Request<()>, AuthorizeError> {
        let profile = self.profile();
        let endpoint = Endpoint { place: "endpoint", terms: &profile.endpoint, secrets };
        endpoint.authorize(head.to_request(), &profile.url)
    }

    /// The request of an asynchronous receipt as it goes out now: with the headers and credentials of
    /// `profile().receipt_endpoint`, as in [`authorize`](Self::authorize).
    ///
    /// They belong to the origin of `accept.receipt_url`. Without that URL receipts go where the partner asks, and
    /// carry nothing.
    ///
    /// # Errors
    /// Those of [`authorize`](Self::authorize), with the origin of `accept.receipt_url`.
    pub fn authorize_receipt(
        &self,
        receipt: &PendingMdn,
        secrets: impl Fn(&SecretRef) -> Option<SecretBytes>,
    ) -> Result<Request<Bytes>, AuthorizeError> {
        let profile = self.profile();
        let request = receipt.request.to_request();
        let Some(url) = &profile.accept.receipt_url else { return Ok(request) };
        Endpoint { place: "receipt_endpoint", terms: &profile.receipt_endpoint, secrets }.authorize(request, url)
    }
}

/// One endpoint, and the resolver of its secrets.
struct Endpoint<'a, F> {
    /// Its field in the profile.
    place: &'static str,
    terms: &'a EndpointTerms,
    secrets: F,
}

impl<F: Fn(&SecretRef) -> Option<SecretBytes>> Endpoint<'_, F> {
    fn authorize<B>(&self, mut request: Request<B>, url: &HttpUrl) -> Result<Request<B>, AuthorizeError> {
        if self.terms.adds_nothing() {
            return Ok(request);
        }
        self.check_origin(request.uri(), url)?;
        for (at, header) in self.terms.headers.iter().enumerate() {
            let field = format!("{}.headers[{at}]", self.place);
            match &header.value {
                HeaderText::Text(text) => insert(request.headers_mut(), &header.name, text.parse().ok(), field)?,
                HeaderText::Secret(name) => self.show("", name, &header.name, field, request.headers_mut())?,
            }
        }
        self.authenticate(&mut request)?;
        Ok(request)
    }

    fn authenticate<B>(&self, request: &mut Request<B>) -> Result<(), AuthorizeError> {
        let field = |name: &str| format!("{}.auth.method.{name}", self.place);
        match &self.terms.auth.method {
            AuthMethod::None => Ok(()),
            AuthMethod::Basic { user, password: name } => {
                let field = field("basic.password");
                let password = self.resolve(name, &field)?;
                let value = secret::basic(user, &password).map_err(|fault| invalid(&field, name, fault))?;
                insert(request.headers_mut(), "authorization", Some(value), field)
            }
            AuthMethod::Token { header, scheme, token } => {
                self.show(scheme, token, header, field("token.token"), request.headers_mut())
            }
            AuthMethod::Query { parameter, token: name } => {
                let field = field("query.token");
                let token = self.resolve(name, &field)?;
                let uri = secret::in_query(request.uri(), parameter, &token);
                *request.uri_mut() = uri.map_err(|fault| invalid(&field, name, fault))?;
                Ok(())
            }
        }
    }

    /// A secret as the value of a header, behind its scheme.
    fn show(
        &self,
        scheme: &str,
        name: &SecretRef,
        header: &str,
        field: String,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeError> {
        let secret = self.resolve(name, &field)?;
        let value = secret::in_header(scheme, &secret).map_err(|fault| invalid(&field, name, fault))?;
        insert(headers, header, Some(value), field)
    }

    fn resolve(&self, name: &SecretRef, field: &str) -> Result<SecretBytes, AuthorizeError> {
        let missing = || AuthorizeError::MissingSecret { field: field.to_owned(), secret: name.clone() };
        (self.secrets)(name).ok_or_else(missing)
    }

    fn check_origin(&self, request: &Uri, url: &HttpUrl) -> Result<(), AuthorizeError> {
        let (asked, own) = (Origin::of(request), url.origin());
        if asked.is_some() && asked == own {
            return Ok(());
        }
        let text =
            |origin: Option<Origin>| origin.map_or_else(|| "(no origin)".to_owned(), |origin| origin.to_string());
        Err(AuthorizeError::OtherOrigin { place: self.place, request: text(asked), configured: text(own) })
    }
}

fn insert(
    headers: &mut HeaderMap,
    name: &str,
    value: Option<http::HeaderValue>,
    field: String,
) -> Result<(), AuthorizeError> {
    match (name.parse::<HeaderName>(), value) {
        (Ok(name), Some(value)) => {
            headers.insert(name, value);
            Ok(())
        }
        _ => Err(AuthorizeError::Header { field }),
    }
}

fn invalid(field: &str, secret: &SecretRef, fault: SecretFault) -> AuthorizeError {
    AuthorizeError::InvalidSecret { field: field.to_owned(), secret: secret.clone(), fault }
}
