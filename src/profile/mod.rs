//! The trading agreement as plain data: names, URL, what is sent, what is accepted, what receipts must be.

mod accept;
mod announce;
mod certificates;
mod check;
mod delivery;
mod endpoint;
mod expect;
mod pacing;
mod path;
mod preset;
mod quirks;
mod send;
mod text;
mod tls;

pub use accept::{AcceptTerms, Explain, FilenameRule, Requirement, SignedForm, WeakReceipt};
pub use announce::AnnounceTerms;
pub use certificates::{AllowExpiredUntil, CertificateTerms, Strictness};
pub use check::Contradiction;
pub use delivery::{Changed, DeliveryTerms, DuplicateTerms, LateReceipt, Repeated, RetryTerms};
pub use endpoint::{AuthMethod, AuthTerms, EndpointTerms, ExtraHeader, HeaderText, SecretRef};
pub use expect::ReceiptTerms;
pub use pacing::{FailRule, Match, PacingTerms};
pub(crate) use path::BodyPath;
pub use preset::{Preset, UnknownPreset};
pub use quirks::{Embed, FilenameStyle, MicalgNames, Quirks, SignatureEncoding, SignerId};
pub use send::{Attachments, Compression, ReceiptKind, ReceiptWish, RsaSignature, SendTerms};
pub use tls::{TlsTerms, TlsTrust, TlsVersion};

use crate::name::As2Name;
use crate::stored::FormatVersion;
use crate::url::HttpUrl;

/// Everything that two parties agree on, except keys and certificates (those stand in [`Identity`](crate::Identity)
/// and [`Partner`](crate::Partner)).
///
/// [`PartnerProfile::new`] gives the defaults; set the public fields to change them. With feature `serde`
/// the profile reads and writes itself in any self-describing format; unknown fields are refused.
///
/// ```
/// use as2_protocol::{Compression, PartnerProfile};
/// let mut acme = PartnerProfile::new("Our Co".parse()?, "ACME".parse()?, "https://acme.example/as2".parse()?);
/// acme.send.compress = Compression::BeforeSigning;
/// # Ok::<(), as2_protocol::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PartnerProfile {
    pub(crate) version: FormatVersion,
    /// Our AS2 name towards this partner.
    pub us: As2Name,
    /// The partner's AS2 name.
    pub them: As2Name,
    /// Where messages to the partner are posted.
    pub url: HttpUrl,
    /// Right side of the Message-IDs that we write; the default `as2.invalid` should be replaced by a host name of ours.
    #[cfg_attr(feature = "serde", serde(default = "default_domain"))]
    pub message_id_domain: String,
    /// How messages are sent.
    #[cfg_attr(feature = "serde", serde(default))]
    pub send: SendTerms,
    /// What is accepted, and how it is answered.
    #[cfg_attr(feature = "serde", serde(default))]
    pub accept: AcceptTerms,
    /// What the partner's receipts must be.
    #[cfg_attr(feature = "serde", serde(default))]
    pub expect: ReceiptTerms,
    /// What is asked of certificates when they are used.
    #[cfg_attr(feature = "serde", serde(default))]
    pub certificates: CertificateTerms,
    /// How the endpoint for messages is entered.
    #[cfg_attr(feature = "serde", serde(default))]
    pub endpoint: EndpointTerms,
    /// How the endpoint for asynchronous receipts is entered. Nothing of `endpoint` is ever shown to it, and what
    /// stands here is shown only to the origin of `accept.receipt_url`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub receipt_endpoint: EndpointTerms,
    /// How fast the partner may be called.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pacing: PacingTerms,
    /// Repetition in both directions.
    #[cfg_attr(feature = "serde", serde(default))]
    pub delivery: DeliveryTerms,
    /// Deviations that a product on the other side needs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub quirks: Quirks,
}

impl PartnerProfile {
    /// The default agreement: signed with SHA-256, encrypted with AES-256-CBC, signed synchronous receipts.
    #[must_use]
    pub fn new(us: As2Name, them: As2Name, url: HttpUrl) -> Self {
        Self {
            version: FormatVersion,
            us,
            them,
            url,
            message_id_domain: default_domain(),
            send: SendTerms::default(),
            accept: AcceptTerms::default(),
            expect: ReceiptTerms::default(),
            certificates: CertificateTerms::default(),
            endpoint: EndpointTerms::default(),
            receipt_endpoint: EndpointTerms::default(),
            pacing: PacingTerms::default(),
            delivery: DeliveryTerms::default(),
            quirks: Quirks::default(),
        }
    }

    /// Whether a URL may be called that only the partner's word names: on the host of his own URL, or on a listed one.
    pub(crate) fn may_call(&self, url: &HttpUrl) -> bool {
        let host = url.host();
        self.url.host() == host || self.accept.receipt_hosts.iter().any(|listed| listed.eq_ignore_ascii_case(&host))
    }
}

fn default_domain() -> String {
    "as2.invalid".to_owned()
}
