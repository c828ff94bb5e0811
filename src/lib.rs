//! AS2 (RFC 4130): electronic data interchange over HTTP, signed, encrypted, compressed and acknowledged.
//!
//! The crate is the protocol and nothing else. It opens no socket, reads no clock, starts no thread and touches no file:
//! [`http::Request`] and [`http::Response`] over [`bytes::Bytes`] go in and out, `now` is an argument, and
//! randomness is part of the [`CryptoProvider`]. Any HTTP stack can carry it.
//!
//! # In scope
//! Building messages and reading them ([`MessageBuilder`], [`MessageParser`]); signatures, encryption and
//! compression (RFC 8551, RFC 5402); receipts, synchronous and asynchronous, in both directions ([`MdnBuilder`],
//! [`PendingReceipt`]); the agreement with each partner as data ([`PartnerProfile`], [`Partner`], [`Identity`]), with the
//! life of its certificates ([`Trust`], [`CertificateWatch`], [`rollover_report`]); credentials, pace and attempts
//! ([`Partner::authorize`], [`Pacer`], [`Delivery`]); duplicates ([`Claim`]); evidence that can be archived and
//! verified again; keys in the process, in an HSM or in a key management service ([`Step`]); saved traffic shown
//! layer by layer ([`Inspector`]).
//!
//! # Out of scope
//! HTTP itself, storage, timers, and what the documents mean.
//!
//! # Sending
//! ```no_run
//! # use as2_protocol::*;
//! # use std::time::SystemTime;
//! # struct Store; impl Store { fn save(&self, _: &Outbound) {} fn archive(&self, _: &Evidence) {} }
//! # fn post(_: http::Request<bytes::Bytes>) -> Result<http::Response<bytes::Bytes>, TransportFailure> { todo!() }
//! # fn send(us: &Identity, acme: &Partner, order: Vec<u8>, store: &Store, now: SystemTime) -> Result<(), SendError> {
//! let sent = MessageBuilder::new(us, acme).subject("Purchase order 4711").build(Payload::x12(order), now)?;
//! store.save(&sent); // before the first octet leaves
//! let answer = post(sent.request.to_request()); // any HTTP client
//! match sent.pending.on_response(answer.as_ref().map_err(Clone::clone), acme, now) {
//!     SendOutcome::Settled(outcome) => match *outcome {
//!         Outcome::Deliver(evidence) => store.archive(&evidence),
//!         other => eprintln!("{:?}: {:?}", other.advice(), other.letter()),
//!     },
//!     SendOutcome::Awaiting => {} // the receipt will be posted to us
//!     other => eprintln!("{:?}", other.advice()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Receiving
//! ```no_run
//! # use as2_protocol::*;
//! # use std::time::SystemTime;
//! # trait Book {
//! #     fn find(&self, to: &ReceivedName, from: &ReceivedName) -> (&Identity, Option<&Partner>);
//! #     fn settle(&self, mdn: IncomingMdn) -> Reply;
//! # }
//! # fn put(_: &bytes::Bytes) {}
//! # fn receive(request: http::Request<bytes::Bytes>, book: &dyn Book, now: SystemTime) -> Reply {
//! match MessageParser::new(Limits::default()).parse(request) {
//!     Ok(Inbound::Message(envelope)) => {
//!         let (us, partner) = book.find(envelope.to(), envelope.from());
//!         match envelope.open(us, partner, now) {
//!             Ok(order) => {
//!                 put(order.payload().body()); // first store,
//!                 order.stored() // then acknowledge
//!             }
//!             Err(refused) => {
//!                 eprintln!("{}", refused.error()); // exact, for us
//!                 refused.mdn() // careful, for the partner
//!             }
//!         }
//!         .build(now)
//!     }
//!     Ok(Inbound::Mdn(receipt)) => book.settle(receipt),
//!     Err(rejection) => rejection.into(), // not AS2: a bare HTTP status
//! }
//! # }
//! ```
//!
//! # Messages that come again
//! A sender who missed the answer sends the same message again, and several replicas may take it at once. [`Claim`] tells
//! whose turn it is: [`Arrival`] names the message and digests its octets, [`InboxRecord`] is what a table keeps about it,
//! and [`InboxWrite`] the one conditional write that the table must offer.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `rustcrypto` | yes | [`CryptoProvider::rustcrypto`]: the pure-Rust backend, and key files |
//! | `serde` | yes | profiles, receipts, evidence and stored messages read and write themselves |
//! | `graviola` | no | `CryptoProvider::graviola`: a faster backend without C compiler |
//! | `aws-lc-rs` | no | `CryptoProvider::aws_lc_rs`: the fastest backend, which needs a C compiler |
//! | `pq` | no | ML-KEM-768/1024 to encrypt, ML-DSA-65/87 to sign; the crates behind it have not been audited |
//! | `legacy` | no | 3DES both ways, RC2 to read, SHA-224 and MD5 to verify: each only where a profile names it |
//! | `pkcs12` | no | password-protected keys: PKCS#12 and encrypted PKCS#8, read and written |
//! | `webpki` | no | chains of certificates that an authority issued to a partner by name |
//! | `renewal` | no | successor certificates, self-signed |
//! | `tls` | no | module `tls`: rustls configurations from a profile, and the reading of their certificate errors |
//! | `cem` | no | module `cem`: certificate exchange messages (EDIINT CEM) |
//! | `http-body` | no | [`OutboundStream`] as the body of an HTTP library that reads `http_body::Body` |
//! | `full` | no | all of the above but `graviola`, `aws-lc-rs` and `pq` |
//! | `internals` | no | wire readers made visible to the benches of the repository; no part of the public interface |

#![forbid(unsafe_code)]
// What a peer sends must never make this crate panic; tests, benches and examples may.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)
)]

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;

mod algorithm;
mod announce;
#[cfg(feature = "cem")]
pub mod cem;
mod certificate;
mod cms;
pub mod crypto;
mod delivery;
mod endpoint;
mod error;
mod expiry;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod identity;
mod inspect;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
#[cfg(feature = "rustcrypto")]
mod keystore;
mod limits;
mod mdn;
mod message;
mod mime;
mod name;
mod note;
mod pacing;
mod partner;
mod profile;
mod receipt;
#[cfg(feature = "renewal")]
mod renewal;
mod response;
mod rollover;
mod smime;
mod step;
mod stored;
#[cfg(feature = "tls")]
pub mod tls;
mod trust;
mod url;

// The public interface is:
pub use algorithm::{
    CipherAlgorithm, DigestAlgorithm, EcCurve, EcdhGroup, KeyTransport, PssParameters, SignatureFamily, SignatureScheme,
};
pub use announce::{AnnounceError, Announcement, As2Version, Feature, Product};
pub use bytes;
pub use certificate::{Certificate, CertificateError, CertificateUse, KeyUsage, Whose};
pub use cms::{Error as CmsError, ErrorKind as CmsErrorKind};
pub use crypto::{CryptoProvider, KeyError, RemoteKey};
#[cfg(feature = "rustcrypto")]
pub use crypto::{EcPrivateKey, Ed25519PrivateKey, RsaPrivateKey, X25519PrivateKey};
pub use delivery::{Delivery, GiveUp, NextStep};
pub use endpoint::{AuthState, AuthStep, AuthorizeError, SecretFault};
pub use error::{
    AuthenticationFault, CertificateFault, DecompressionFault, DecryptionFault, ReceiveError, Rejection, SendError,
    SetupError, TransportFailure, TrustError, ValidityError,
};
pub use expiry::{CertificateWatch, ExpiryEntry, ExpiryState};
pub use http;
pub use identity::{Identity, IdentityBuilder, OwnCertificate};
pub use inspect::{Finding, Inspector, Oddity};
#[cfg(feature = "rustcrypto")]
pub use keystore::{CertificateEntry, KeyAlgorithm, KeyEntry, KeyStore, KeyStoreError, PrivateKey};
pub use limits::Limits;
pub use mdn::{
    Disposition, DispositionMode, DispositionType, Importance, MdnRequest, MicField, Modifier, ModifierKind,
    ReceiptDelivery, ReceivedMic, Recipient, Report, SignedReceiptRequest,
};
pub use message::authenticity::Authenticity;
pub use message::builder::{MessageBuilder, Outbound};
pub use message::diagnosis::{HashedOctets, MicDiagnosis};
pub use message::duplicate::claim::{Claim, Duplicate, Work};
pub use message::duplicate::record::{InboxRecord, InboxWrite};
pub use message::duplicate::{Arrival, MessageKey};
pub use message::origin::{OriginEvidence, OriginRecord};
pub use message::parser::{Head, Inbound, MessageParser};
pub use message::payload::{Payload, PayloadHead, ReceivedPayload};
pub use message::received::{Accepted, Envelope};
pub use message::refused::Refused;
pub use message::spool::SpooledMessage;
pub use message::stream::accepted::{AcceptedStream, StreamedDocument};
#[cfg(feature = "http-body")]
pub use message::stream::body::OutboundBody;
pub use message::stream::inbound::{InboundEnd, InboundError, InboundStream, Undelivered};
pub use message::stream::outbound::{OutboundEnd, OutboundStream};
pub use message::stream::reader::{OutboundReader, StreamError};
pub use message::verdict::Verdict;
pub use message::wire_head::{read_request, read_response};
pub use mime::param::ContentType;
pub use mime::{Error as MimeError, ErrorKind as MimeErrorKind};
pub use name::{As2Name, MessageId, NameError, ReceivedId, ReceivedName};
pub use note::{Note, SignedOctets};
pub use pacing::{Call, Pacer, Turn};
pub use partner::{Partner, PartnerBuilder};
pub use profile::{
    AcceptTerms, AllowExpiredUntil, AnnounceTerms, Attachments, AuthMethod, AuthTerms, CertificateTerms, Changed,
    Compression, Contradiction, DeliveryTerms, DuplicateTerms, Embed, EndpointTerms, Explain, ExtraHeader, FailRule,
    FilenameRule, FilenameStyle, HeaderText, LateReceipt, Match, MicalgNames, PacingTerms, PartnerProfile, Preset,
    Quirks, ReceiptKind, ReceiptTerms, ReceiptWish, Repeated, Requirement, RetryTerms, RsaSignature, SecretRef,
    SendTerms, SignatureEncoding, SignedForm, SignerId, Strictness, TlsTerms, TlsTrust, TlsVersion, UnknownPreset,
    WeakReceipt,
};
pub use receipt::builder::{FollowUp, MdnBuilder, PendingMdn, Reply};
pub use receipt::evidence::{Evidence, EvidenceError, EvidenceRecord, Proof};
pub use receipt::incoming::IncomingMdn;
pub use receipt::outcome::{Advice, Dispute, Outcome, SendOutcome};
pub use receipt::pending::PendingReceipt;
#[cfg(feature = "renewal")]
pub use renewal::{Renewal, RenewalError};
pub use rollover::{
    Observation, ObservedUse, RolloverEntry, RolloverReport, RolloverState, last_seen, rollover_report,
};
#[cfg(feature = "tls")]
pub use rustls;
pub use smime::diagnosis::{
    AgreedSigners, MadeWith, NamedCertificate, SignatureCovers, SignatureDiagnosis, SignatureFault, SignedDigest,
    SignerDiagnosis,
};
pub use smime::inward::quarantine::{DocumentHead, Quarantine, SingleDocument};
pub use smime::layer::Layer;
pub use smime::mic::{Mic, MicScope};
pub use step::{KeyRequest, Pending, Step};
pub use stored::{RequestHead, StoredRequest, StoredResponse};
#[cfg(feature = "webpki")]
pub use trust::{BoundName, ChainTrust};
pub use trust::{Candidate, Revocation, RevocationStatus, Trust, TrustDelegate};
pub use url::HttpUrl;
