//! TLS for both directions, as rustls configurations: whom a connection trusts, what it shows, and which certificate
//! was at fault when it failed (feature `tls`).
//!
//! The certificates here are those of TLS servers and clients. They are handed in apart from the certificates that
//! sign and encrypt AS2 messages, because they are issued, renewed and trusted apart.
//!
//! Cryptography and clock are the caller's: any rustls provider will do, and
//! [`DefaultTimeProvider`](rustls::time_provider::DefaultTimeProvider) is the clock of the system. No connection resumes
//! an earlier one, so that each is judged by today's dates. rustls, which the types here name, is outside this crate's
//! promise of stable versions.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig, Side, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;

mod error;
mod fault;
mod identity;
mod verify;

pub use error::TlsError;
pub use fault::{TlsFault, certificate_fault};
pub use identity::TlsIdentity;

use crate::certificate::Certificate;
use crate::note::Note;
use crate::profile::{EndpointTerms, Strictness, TlsTerms, TlsTrust, TlsVersion};
use fault::Refusals;
use verify::{Pins, Watched};

/// What TLS is computed with: a rustls provider and a clock. Cheap to clone.
#[derive(Clone)]
pub struct TlsBackend {
    crypto: Arc<rustls::crypto::CryptoProvider>,
    clock: Arc<dyn TimeProvider>,
}

impl TlsBackend {
    /// A backend of these parts.
    pub fn new(crypto: Arc<rustls::crypto::CryptoProvider>, clock: Arc<dyn TimeProvider>) -> Self {
        Self { crypto, clock }
    }
}

impl fmt::Debug for TlsBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsBackend").finish_non_exhaustive()
    }
}

/// Connections to one endpoint of a partner. Cheap to clone.
///
/// ```
/// use as2_protocol::tls::{TlsBackend, TlsClient};
/// use as2_protocol::{Certificate, PartnerProfile, TlsTrust, rustls};
/// use std::sync::Arc;
/// # let der = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-sign.crt"));
/// # let their_server = Certificate::from_pem(der)?;
/// let mut acme = PartnerProfile::new("Our Co".parse()?, "ACME".parse()?, "https://acme.example/as2".parse()?);
/// acme.endpoint.tls.trust = TlsTrust::Pinned;
///
/// let backend = TlsBackend::new(
///     Arc::new(rustls_graviola::default_provider()),
///     Arc::new(rustls::time_provider::DefaultTimeProvider),
/// );
/// let tls = TlsClient::new(&acme.endpoint, &[their_server], &[], &backend)?;
/// let mut config = rustls::ClientConfig::clone(tls.config());
/// config.alpn_protocols = vec![b"http/1.1".to_vec()];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    judge: Judge,
}

impl TlsClient {
    /// Connections under these terms: `profile.endpoint` for messages, `profile.receipt_endpoint` for receipts.
    ///
    /// `trusted` holds the roots, or the pinned certificates of the server, as `tls.trust` says. `identities` are ours;
    /// the one that `client_certificate` names is shown to the server, and none if it names none.
    ///
    /// # Errors
    /// [`TlsError`] if nothing is trusted, the named identity is not there, the terms contradict themselves, or the
    /// backend lacks the versions.
    pub fn new(
        terms: &EndpointTerms,
        trusted: &[Certificate],
        identities: &[TlsIdentity],
        backend: &TlsBackend,
    ) -> Result<Self, TlsError> {
        check_dates(&terms.tls)?;
        let refusals = Arc::<Refusals>::default();
        let verifier: Arc<dyn rustls::client::danger::ServerCertVerifier> = match terms.tls.trust {
            TlsTrust::Pinned => Arc::new(Pins::new(trusted, terms.tls.dates, &backend.crypto)?),
            TlsTrust::Roots => WebPkiServerVerifier::builder_with_provider(roots(trusted)?, backend.crypto.clone())
                .build()
                .map_err(|error| TlsError::Backend { reason: error.to_string() })?,
        };
        let builder = ClientConfig::builder_with_details(backend.crypto.clone(), backend.clock.clone())
            .with_protocol_versions(&versions(&terms.tls))
            .map_err(|error| TlsError::Backend { reason: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Watched::new(verifier, &refusals)));
        let own = terms.client_certificate.as_deref().map(|name| named(name, identities)).transpose()?;
        let mut config = match own {
            Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified_key()))),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let own = own.map(|own| own.certificate().clone());
        Ok(Self {
            config: Arc::new(config),
            judge: Judge { side: Side::Client, terms: terms.tls.clone(), own, refusals },
        })
    }

    /// The configuration. Clone what it points to in order to add ALPN protocols.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Which certificate was at fault when a connection of this configuration failed; `None` if none was.
    ///
    /// `error` may be the [`rustls::Error`] itself or any error that has it among its sources, such as the
    /// [`std::io::Error`] of a stream. A server refuses our certificate in TLS 1.3 only after our handshake is
    /// complete: the error then comes with the first read.
    #[must_use]
    pub fn fault(&self, error: &(dyn StdError + 'static)) -> Option<TlsFault> {
        self.judge.fault(error)
    }

    /// What should be looked at in a connection that succeeded: a pinned certificate outside its dates, if `tls.dates`
    /// is [`Strictness::Warn`].
    #[must_use]
    pub fn notes(&self, connection: &CommonState, now: SystemTime) -> Vec<Note> {
        self.judge.notes(connection, now)
    }
}

/// Connections of partners to us. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    judge: Judge,
}

impl TlsServer {
    /// Connections under these terms, with our certificate.
    ///
    /// With `clients` each client must show a certificate: one that a root among them issued, or one of them itself, as
    /// `terms.trust` says. Without, none is asked for. That a client was let in does not tell which partner it is:
    /// compare [`shown`] with the certificate of the partner that `AS2-From` names.
    ///
    /// # Errors
    /// [`TlsError`] if `clients` is empty, the terms contradict themselves, or the backend lacks the versions.
    pub fn new(
        terms: &TlsTerms,
        identity: &TlsIdentity,
        clients: Option<&[Certificate]>,
        backend: &TlsBackend,
    ) -> Result<Self, TlsError> {
        check_dates(terms)?;
        let refusals = Arc::<Refusals>::default();
        let builder = ServerConfig::builder_with_details(backend.crypto.clone(), backend.clock.clone())
            .with_protocol_versions(&versions(terms))
            .map_err(|error| TlsError::Backend { reason: error.to_string() })?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(trusted) => {
                let verifier: Arc<dyn rustls::server::danger::ClientCertVerifier> = match terms.trust {
                    TlsTrust::Pinned => Arc::new(Pins::new(trusted, terms.dates, &backend.crypto)?),
                    TlsTrust::Roots => {
                        WebPkiClientVerifier::builder_with_provider(roots(trusted)?, backend.crypto.clone())
                            .build()
                            .map_err(|error| TlsError::Backend { reason: error.to_string() })?
                    }
                };
                builder.with_client_cert_verifier(Arc::new(Watched::new(verifier, &refusals)))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let own = Some(identity.certificate().clone());
        Ok(Self { config: Arc::new(config), judge: Judge { side: Side::Server, terms: terms.clone(), own, refusals } })
    }

    /// The configuration. Clone what it points to in order to add ALPN protocols.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Which certificate was at fault when a connection of this configuration failed; see [`TlsClient::fault`].
    #[must_use]
    pub fn fault(&self, error: &(dyn StdError + 'static)) -> Option<TlsFault> {
        self.judge.fault(error)
    }

    /// What should be looked at in a connection that succeeded; see [`TlsClient::notes`].
    #[must_use]
    pub fn notes(&self, connection: &CommonState, now: SystemTime) -> Vec<Note> {
        self.judge.notes(connection, now)
    }
}

/// The certificate that the other side of a connection showed; `None` before the handshake, or if it showed none.
#[must_use]
pub fn shown(connection: &CommonState) -> Option<Certificate> {
    let leaf = connection.peer_certificates()?.first()?;
    Certificate::from_der(leaf.to_vec()).ok()
}

/// What either side of a connection knows about certificates after the fact.
#[derive(Clone, Debug)]
struct Judge {
    side: Side,
    terms: TlsTerms,
    own: Option<Certificate>,
    refusals: Arc<Refusals>,
}

impl Judge {
    fn fault(&self, error: &(dyn StdError + 'static)) -> Option<TlsFault> {
        let error = fault::in_chain(error)?;
        let certificate = match error {
            rustls::Error::InvalidCertificate(error) => self.refusals.find(error),
            _ => self.own.clone(),
        };
        certificate_fault(error, self.side, certificate.as_ref())
    }

    fn notes(&self, connection: &CommonState, now: SystemTime) -> Vec<Note> {
        let outside = |certificate: &Certificate| !certificate.is_valid_at(now);
        let warned = shown(connection).filter(|shown| self.terms.dates == Strictness::Warn && outside(shown));
        let note = warned.map(|certificate| Note::Validity {
            subject: certificate.subject().to_owned(),
            not_yet: now < certificate.not_before(),
        });
        note.into_iter().collect()
    }
}

/// A partner's profile is checked for this as a whole; terms that come alone are checked here.
fn check_dates(terms: &TlsTerms) -> Result<(), TlsError> {
    match (terms.trust, terms.dates) {
        (TlsTrust::Roots, Strictness::Ignore | Strictness::Warn) => Err(TlsError::DatesUnderRoots),
        _ => Ok(()),
    }
}

fn named<'a>(name: &str, identities: &'a [TlsIdentity]) -> Result<&'a TlsIdentity, TlsError> {
    let found = identities.iter().find(|identity| identity.name() == name);
    found.ok_or_else(|| TlsError::NoIdentity { name: name.to_owned() })
}

fn roots(trusted: &[Certificate]) -> Result<Arc<RootCertStore>, TlsError> {
    if trusted.is_empty() {
        return Err(TlsError::NothingTrusted { trust: TlsTrust::Roots });
    }
    let mut store = RootCertStore::empty();
    for root in trusted {
        let refused =
            |error: rustls::Error| TlsError::Root { subject: root.subject().to_owned(), reason: error.to_string() };
        store.add(CertificateDer::from(root.der())).map_err(refused)?;
    }
    Ok(Arc::new(store))
}

fn versions(terms: &TlsTerms) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &TlsVersion| match version {
        TlsVersion::Tls12 => &rustls::version::TLS12,
        TlsVersion::Tls13 => &rustls::version::TLS13,
    };
    terms.versions.iter().map(version).collect()
}
