//! Real TLS handshakes, in memory: who is let in, who is not, and what is said about the certificate at fault.
#![cfg(all(feature = "tls", feature = "rustcrypto"))]

#[path = "../support/tls.rs"]
mod made;
#[path = "../support/mod.rs"]
mod support;

mod values;

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::tls::*;
use as2_protocol::*;
use bytes::Bytes;
use made::*;
use rustls::{AlertDescription, ProtocolVersion};
use support::*;

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// How the client enters: pins, both versions, our certificate by the name `ours`.
fn pinned() -> EndpointTerms {
    let mut terms = EndpointTerms::default();
    terms.tls.trust = TlsTrust::Pinned;
    terms.client_certificate = Some("ours".to_owned());
    terms
}

fn versions(terms: &EndpointTerms, versions: &[TlsVersion]) -> EndpointTerms {
    let mut terms = terms.clone();
    terms.tls.versions = versions.to_vec();
    terms
}

/// Both sides of a connection to `bob.example`, each with the certificate of the other pinned unless told otherwise.
struct Scene {
    terms: EndpointTerms,
    client: Issued,
    server: Issued,
    trusted_by_client: Vec<Certificate>,
    trusted_by_server: Option<Vec<Certificate>>,
}

impl Scene {
    fn new(client: Issued, server: Issued) -> Self {
        let trusted_by_client = vec![server.certificate.clone()];
        let trusted_by_server = Some(vec![client.certificate.clone()]);
        Self { terms: pinned(), client, server, trusted_by_client, trusted_by_server }
    }

    fn good() -> Self {
        Self::new(self_signed("alice tls", 1, CURRENT), self_signed("bob.example", 2, CURRENT))
    }

    fn meet(&self) -> Meeting {
        self.meet_with(&self.terms, &self.terms.tls)
    }

    fn meet_with(&self, client: &EndpointTerms, server: &TlsTerms) -> Meeting {
        let ours = [self.client.identity("ours")];
        let client = TlsClient::new(client, &self.trusted_by_client, &ours, &backend()).unwrap();
        let trusted = self.trusted_by_server.as_deref();
        let server = TlsServer::new(server, &self.server.identity("server"), trusted, &backend()).unwrap();
        Meeting::of(client, server)
    }
}

struct Meeting {
    client: TlsClient,
    server: TlsServer,
    pair: Pair,
    met: Met,
}

impl Meeting {
    fn of(client: TlsClient, server: TlsServer) -> Self {
        let mut pair = Pair::new(client.config(), server.config(), "bob.example");
        let met = pair.pump();
        Self { client, server, pair, met }
    }

    #[track_caller]
    fn succeeded(&self) -> Option<ProtocolVersion> {
        assert!(self.met.client.is_ok() && self.met.server.is_ok(), "{:?}", self.met);
        assert!(!self.pair.client.is_handshaking() && !self.pair.server.is_handshaking());
        self.pair.client.protocol_version()
    }

    #[track_caller]
    fn client_fault(&self) -> TlsFault {
        let error = self.met.client.as_ref().unwrap_err();
        self.client.fault(error).unwrap_or_else(|| panic!("{error:?}"))
    }

    #[track_caller]
    fn server_fault(&self) -> TlsFault {
        let error = self.met.server.as_ref().unwrap_err();
        self.server.fault(error).unwrap_or_else(|| panic!("{error:?}"))
    }
}

#[track_caller]
fn validity(fault: TlsFault) -> ValidityError {
    match fault {
        TlsFault::Validity(error) => error,
        other => panic!("{other:?}"),
    }
}

fn year(at: SystemTime) -> u64 {
    1970 + at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / (365 * 24 * 3600 + 6 * 3600)
}

#[test]
fn t04_mutual_tls_succeeds_with_pins_in_every_version() {
    let scene = Scene::good();
    let cases = [
        (&BOTH[..], &BOTH[..], ProtocolVersion::TLSv1_3),
        (&BOTH, &[TlsVersion::Tls12], ProtocolVersion::TLSv1_2),
        (&[TlsVersion::Tls12], &BOTH, ProtocolVersion::TLSv1_2),
        (&[TlsVersion::Tls13], &[TlsVersion::Tls13], ProtocolVersion::TLSv1_3),
    ];
    for (ours, theirs, agreed) in cases {
        let meeting = scene.meet_with(&versions(&scene.terms, ours), &versions(&scene.terms, theirs).tls);
        assert_eq!(meeting.succeeded(), Some(agreed));
        assert_eq!(shown(&meeting.pair.client).as_ref(), Some(&scene.server.certificate));
        assert_eq!(shown(&meeting.pair.server).as_ref(), Some(&scene.client.certificate), "the partner is known by it");
        assert!(meeting.client.notes(&meeting.pair.client, now()).is_empty());
    }
}

#[test]
fn t04_sides_without_a_common_version_do_not_meet_and_no_certificate_is_blamed() {
    let scene = Scene::good();
    for (ours, theirs) in [(TlsVersion::Tls12, TlsVersion::Tls13), (TlsVersion::Tls13, TlsVersion::Tls12)] {
        let meeting = scene.meet_with(&versions(&scene.terms, &[ours]), &versions(&scene.terms, &[theirs]).tls);
        let (client, server) = (meeting.met.client.unwrap_err(), meeting.met.server.unwrap_err());
        assert_eq!((meeting.client.fault(&client), meeting.server.fault(&server)), (None, None));
    }
}

#[test]
fn t04_mutual_tls_succeeds_under_roots() {
    let root = authority("Root", 9);
    let between = root.issue("Issuing CA", 8, CURRENT, true);
    let scene =
        Scene::new(between.issue("alice tls", 1, CURRENT, false), between.issue("bob.example", 2, CURRENT, false));
    let mut terms = scene.terms.clone();
    terms.tls.trust = TlsTrust::Roots;
    for version in BOTH {
        let terms = versions(&terms, &[version]);
        let ours = [scene.client.identity_with("ours", &[&between])];
        let client = TlsClient::new(&terms, root.alone(), &ours, &backend()).unwrap();
        let theirs = scene.server.identity_with("server", &[&between]);
        let server = TlsServer::new(&terms.tls, &theirs, Some(root.alone()), &backend()).unwrap();
        Meeting::of(client, server).succeeded();
    }
}

#[test]
fn t04_a_wrong_client_certificate_is_refused_and_told_on_both_sides() {
    let mut scene = Scene::good();
    scene.client = self_signed("mallory", 3, CURRENT);
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        let meeting = scene.meet_with(&terms, &terms.tls);
        let fault = meeting.server_fault();
        assert_eq!(fault.code(), "CERT_REFUSED");
        let print = scene.client.certificate.fingerprint_hex();
        assert_eq!(
            fault.to_string(),
            format!(
                "the partner's certificate for the TLS client (CN=mallory, serial 4703, SHA-256 {print}) \
                 is not accepted: another one is pinned"
            )
        );
        let told = meeting.client_fault();
        let TlsFault::Refused { whose: Whose::Ours, usage: CertificateUse::TlsClient, certificate, .. } = &told else {
            panic!("{told:?}")
        };
        assert!(certificate.as_ref().unwrap().starts_with("CN=mallory"));
        assert!(shown(&meeting.pair.server).is_none());
    }
}

#[test]
fn t06_an_expired_client_certificate_is_refused_and_told_on_both_sides() {
    let scene = Scene::new(self_signed("alice tls", 1, EXPIRED), self_signed("bob.example", 2, CURRENT));
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        let meeting = scene.meet_with(&terms, &terms.tls);
        for (fault, whose) in [(meeting.server_fault(), Whose::Partners), (meeting.client_fault(), Whose::Ours)] {
            assert_eq!(fault.code(), "CERT_HAS_EXPIRED");
            let error = validity(fault);
            assert_eq!((error.whose, error.usage), (whose, CertificateUse::TlsClient));
            assert_eq!(
                (error.subject.as_deref(), error.serial.as_deref(), year(error.not_after.unwrap())),
                (Some("CN=alice tls"), Some("4701"), 2024)
            );
        }
    }
    let identity = scene.client.identity("ours");
    assert_eq!(identity.check(CertificateUse::TlsClient, now()).unwrap_err().code(), "CERT_HAS_EXPIRED");
    assert!(Scene::good().client.identity("ours").check(CertificateUse::TlsClient, now()).is_ok());
}

#[test]
fn t06_an_expired_server_certificate_is_refused_and_told_on_both_sides() {
    let scene = Scene::new(self_signed("alice tls", 1, CURRENT), self_signed("bob.example", 2, EXPIRED));
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        let meeting = scene.meet_with(&terms, &terms.tls);
        for (fault, whose) in [(meeting.client_fault(), Whose::Partners), (meeting.server_fault(), Whose::Ours)] {
            let text = fault.to_string();
            let error = validity(fault);
            assert_eq!(
                (error.code(), error.whose, error.usage),
                ("CERT_HAS_EXPIRED", whose, CertificateUse::TlsServer)
            );
            assert_eq!(error.not_after.unwrap(), scene.server.certificate.not_after());
            assert_eq!(
                text,
                format!(
                    "{whose} certificate for the TLS server (CN=bob.example, serial 4702) \
                     has expired on 2024-12-31T00:00:00Z"
                )
            );
        }
    }
}

#[test]
fn t06_certificates_that_are_not_valid_yet_have_their_own_code() {
    let scene = Scene::new(self_signed("alice tls", 1, CURRENT), self_signed("bob.example", 2, FUTURE));
    let error = validity(scene.meet().client_fault());
    assert_eq!((error.code(), error.not_yet, year(error.not_before.unwrap())), ("CERT_NOT_YET_VALID", true, 2030));
}

#[test]
fn t06_dates_under_roots_name_the_certificate_of_the_chain_that_has_expired() {
    let root = authority("Root", 9);
    let old_ca = root.issue("Old CA", 8, EXPIRED, true);
    let current_ca = root.issue("Current CA", 7, CURRENT, true);
    for (ca, leaf_years, named, serial) in
        [(&old_ca, CURRENT, "CN=Old CA", "4708"), (&current_ca, EXPIRED, "CN=bob.example", "4702")]
    {
        let leaf = ca.issue("bob.example", 2, leaf_years, false);
        let server = TlsServer::new(&TlsTerms::default(), &leaf.identity_with("s", &[ca]), None, &backend()).unwrap();
        let client = TlsClient::new(&EndpointTerms::default(), root.alone(), &[], &backend()).unwrap();
        let meeting = Meeting::of(client, server);
        let error = validity(meeting.client_fault());
        assert_eq!(
            (error.code(), error.subject.as_deref(), error.serial.as_deref()),
            ("CERT_HAS_EXPIRED", Some(named), Some(serial))
        );
        assert_eq!(
            (error.whose, error.usage, year(error.not_after.unwrap())),
            (Whose::Partners, CertificateUse::TlsServer, 2024)
        );
    }
}

#[test]
fn t09_under_roots_strangers_and_other_names_are_refused_by_what_they_showed() {
    let (root, stranger) = (authority("Root", 9), authority("Stranger", 6));
    for (leaf, reason) in [
        (stranger.issue("bob.example", 2, CURRENT, false), "UnknownIssuer"),
        (root.issue("carol.example", 2, CURRENT, false), "not valid for name"),
    ] {
        let server = TlsServer::new(&TlsTerms::default(), &leaf.identity("s"), None, &backend()).unwrap();
        let client = TlsClient::new(&EndpointTerms::default(), root.alone(), &[], &backend()).unwrap();
        let fault = Meeting::of(client, server).client_fault();
        let TlsFault::Refused { whose: Whose::Partners, certificate, reason: found, .. } = &fault else {
            panic!("{fault:?}")
        };
        assert!(certificate.as_ref().unwrap().starts_with(leaf.certificate.subject()), "{fault}");
        assert!(found.contains(reason), "{fault}");
    }
}

#[test]
fn t04_an_unpinned_server_certificate_is_refused() {
    let mut scene = Scene::good();
    // The same name and the same key in another certificate: only the octets count.
    scene.trusted_by_client = vec![self_signed("bob.example", 2, 2026..=2028).certificate];
    let meeting = scene.meet();
    let fault = meeting.client_fault();
    assert_eq!(fault.code(), "CERT_REFUSED");
    assert!(fault.to_string().contains(&scene.server.certificate.fingerprint_hex()), "{fault}");
    assert_eq!(meeting.server_fault().code(), "CERT_REFUSED");
    // A root does not pin what it issued.
    let root = authority("Root", 9);
    scene.server = root.issue("bob.example", 2, CURRENT, false);
    scene.trusted_by_client = vec![root.certificate];
    assert_eq!(scene.meet().client_fault().code(), "CERT_REFUSED");
}

#[test]
fn t09_a_pinned_certificate_may_name_anything_and_its_dates_are_a_matter_of_the_profile() {
    let mut scene = Scene::new(self_signed("alice tls", 1, CURRENT), self_signed("legacy-box", 2, EXPIRED));
    let note = Note::Validity { subject: "CN=legacy-box".to_owned(), not_yet: false };
    for (dates, notes) in [(Strictness::Ignore, vec![]), (Strictness::Warn, vec![note])] {
        scene.terms.tls.dates = dates;
        let meeting = scene.meet();
        meeting.succeeded();
        assert_eq!(meeting.client.notes(&meeting.pair.client, now()), notes);
        assert!(meeting.server.notes(&meeting.pair.server, now()).is_empty(), "the client's is in order");
    }
    scene.terms.tls.dates = Strictness::Refuse;
    assert_eq!(scene.meet().client_fault().code(), "CERT_HAS_EXPIRED");
}

#[test]
fn t04_a_client_without_certificate_is_refused_where_one_is_asked_for() {
    let scene = Scene::good();
    let mut silent = scene.terms.clone();
    silent.client_certificate = None;
    let meeting = scene.meet_with(&silent, &scene.terms.tls);
    assert_eq!(
        meeting.server_fault().to_string(),
        "the partner's certificate for the TLS client is asked for, and was not shown"
    );
    assert_eq!(
        meeting.client_fault().to_string(),
        "our certificate for the TLS client is asked for, and was not shown"
    );
    assert_eq!(meeting.client_fault().code(), "CERT_MISSING");
}

#[test]
fn t04_our_certificate_is_shown_only_where_the_profile_names_it_and_only_if_asked_for() {
    let mut scene = Scene::good();
    scene.trusted_by_server = None;
    let meeting = scene.meet();
    meeting.succeeded();
    assert!(shown(&meeting.pair.server).is_none(), "nobody asked");
    // Of several identities the named one is shown.
    let scene = Scene::good();
    let other = self_signed("other", 5, CURRENT).identity("other");
    let ours = [other, scene.client.identity("ours")];
    let client = TlsClient::new(&scene.terms, &scene.trusted_by_client, &ours, &backend()).unwrap();
    let clients = scene.trusted_by_server.as_deref();
    let server = TlsServer::new(&scene.terms.tls, &scene.server.identity("s"), clients, &backend()).unwrap();
    Meeting::of(client, server).succeeded();
}

/// A copied certificate without its key: the signature of the handshake gives it away.
#[test]
fn t04_a_pinned_certificate_proves_nothing_without_its_key() {
    /// Signs with one key and will not say which.
    #[derive(Debug)]
    struct Forger(Arc<dyn rustls::sign::SigningKey>);
    impl rustls::sign::SigningKey for Forger {
        fn choose_scheme(&self, offered: &[rustls::SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
            self.0.choose_scheme(offered)
        }
        fn algorithm(&self) -> rustls::SignatureAlgorithm {
            self.0.algorithm()
        }
    }
    let scene = Scene::good();
    let provider = rustls_graviola::default_provider();
    let forger = |issued: &Issued| {
        let key = provider.key_provider.load_private_key(Key::new(77).der()).unwrap();
        TlsIdentity::with_key("ours", issued.alone(), Arc::new(Forger(key))).unwrap()
    };
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        let clients = scene.trusted_by_server.as_deref();
        let meet = |client: TlsIdentity, server: TlsIdentity| {
            let client = TlsClient::new(&terms, &scene.trusted_by_client, &[client], &backend()).unwrap();
            Meeting::of(client, TlsServer::new(&terms.tls, &server, clients, &backend()).unwrap())
        };
        let meeting = meet(scene.client.identity("ours"), forger(&scene.server));
        assert_eq!(meeting.client_fault().code(), "CERT_REFUSED");
        let meeting = meet(forger(&scene.client), scene.server.identity("s"));
        assert_eq!(meeting.server_fault().code(), "CERT_REFUSED", "{:?}", meeting.met);
        meet(scene.client.identity("ours"), scene.server.identity("s")).succeeded();
    }
}

/// As old appliances have them: version 1, no extensions.
#[test]
fn t01_an_x509_version_1_certificate_can_be_pinned() {
    use support::der::Der;
    let mut server = self_signed("bob.example", 2, CURRENT);
    let Der::Constructed(tag, mut parts) = Der::read(server.certificate.der()) else { panic!() };
    let Der::Constructed(tbs_tag, mut tbs) = parts.remove(0) else { panic!() };
    tbs.retain(|field| !matches!(field, Der::Constructed(0xa0 | 0xa3, _)));
    let tbs = Der::Constructed(tbs_tag, tbs);
    let signature = [vec![0], server.key.sign(&tbs.write())].concat();
    let whole = Der::Constructed(tag, vec![tbs, parts.remove(0), Der::Primitive(0x03, signature)]);
    server.certificate = Certificate::from_der(whole.write()).unwrap();
    let scene = Scene::new(self_signed("alice tls", 1, CURRENT), server);
    for version in BOTH {
        let terms = versions(&scene.terms, &[version]);
        scene.meet_with(&terms, &terms.tls).succeeded();
    }
}

/// OpenSSL writes CA:TRUE into self-signed certificates: no server certificate by the rules of the web.
#[test]
fn t01_a_self_signed_certificate_with_ca_true_is_refused_under_roots_and_can_be_pinned() {
    let mut scene = Scene::new(self_signed("alice tls", 1, CURRENT), authority("bob.example", 2));
    scene.meet().succeeded();
    scene.trusted_by_server = None;
    let text = scene.meet_with(&EndpointTerms::default(), &scene.terms.tls).client_fault().to_string();
    assert!(text.contains("(CN=bob.example, serial 4702, ") && text.ends_with("CaUsedAsEndEntity"), "{text}");
}

/// RSA signs with PSS in TLS 1.3, and mostly in TLS 1.2.
#[test]
fn t01_rsa_certificates_can_be_pinned() {
    use rustls::pki_types::pem::PemObject as _;
    let key =
        |name: &str| rustls::pki_types::PrivateKeyDer::from_pem_slice(&worked(&format!("keys/{name}.key"))).unwrap();
    let identity = |name: &str| TlsIdentity::new("ours", &[worked_certificate(name)], key(name), &backend()).unwrap();
    for version in BOTH {
        let terms = versions(&pinned(), &[version]);
        let trusted = [worked_certificate("bob-sign")];
        let client = TlsClient::new(&terms, &trusted, &[identity("alice-sign")], &backend()).unwrap();
        let clients = [worked_certificate("alice-sign")];
        let server = TlsServer::new(&terms.tls, &identity("bob-sign"), Some(&clients), &backend()).unwrap();
        Meeting::of(client, server).succeeded();
    }
}
