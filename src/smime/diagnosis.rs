//! Why a signature does not count, as a value: which part of it differs, and what it claims against what is agreed.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureFamily};
use crate::certificate::{Certificate, hex};
use crate::error::{CertificateFault, TrustError};
use crate::note::SignedOctets;
use crate::stored::Instant;

/// A signature that was looked at in all its parts. [`fmt::Display`] says in a sentence, fit for a letter to the partner,
/// why it does not count.
///
/// [`Refused::diagnose_signature`](crate::Refused::diagnose_signature) makes it for messages,
/// [`PendingReceipt::diagnose_signature`](crate::PendingReceipt::diagnose_signature) for receipts. It explains and never
/// decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureDiagnosis {
    pub(crate) cms: Bytes,
    /// What is wrong before any signer is looked at.
    pub(crate) structure: Option<SignatureFault>,
    pub(crate) signers: Vec<SignerDiagnosis>,
    pub(crate) agreed: AgreedSigners,
}

/// What the agreement has for signatures at the time that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreedSigners {
    /// The configured certificates under which the partner may sign.
    pub certificates: Vec<Certificate>,
    /// Those that were retired before, each with the time.
    pub retired: Vec<(Certificate, SystemTime)>,
    /// Accepted digests.
    pub digests: Vec<DigestAlgorithm>,
    /// Accepted families of signatures.
    pub families: Vec<SignatureFamily>,
    /// The time that counts: when a message is opened; when the message was sent that a receipt is about.
    pub at: SystemTime,
}

/// One signer of a signature (RFC 5652 section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerDiagnosis {
    pub(crate) identifier: String,
    pub(crate) digest: Option<DigestAlgorithm>,
    pub(crate) algorithm: String,
    pub(crate) signed_at: Option<SystemTime>,
    pub(crate) named: NamedCertificate,
    pub(crate) content: SignedDigest,
    pub(crate) made_with: MadeWith,
    pub(crate) covers: SignatureCovers,
    pub(crate) fault: Option<SignatureFault>,
    pub(crate) agreed: AgreedSigners,
}

/// The certificate that a signer names by issuer and serial number, or by key identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamedCertificate {
    /// One that is configured for the partner.
    Agreed(Certificate),
    /// One that was retired.
    Retired(Certificate, SystemTime),
    /// One that came with the signature and is not configured.
    Embedded(Certificate),
    /// None that is at hand, but one of the same issuer as this configured one: an older or a newer one, perhaps.
    Sibling(Certificate),
    /// None that is at hand.
    Unknown,
}

/// What the signed attributes say about the content (RFC 5652 section 11.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedDigest {
    /// The signed digest is that of the content in this form.
    Fits(SignedOctets),
    /// It is that of no form of the content that arrived.
    Differs {
        /// The digest in the attributes.
        signed: Vec<u8>,
        /// The digest of the content as received.
        received: Vec<u8>,
    },
    /// There are no signed attributes, they hold no digest, or the digest is not supported.
    Unstated,
}

/// Whose key made a signature value, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MadeWith {
    /// The key of this certificate, which is configured.
    Agreed(Certificate),
    /// The key of this certificate, which was retired.
    Retired(Certificate, SystemTime),
    /// The key of this certificate, which came with the signature and is not configured.
    Embedded(Certificate),
    /// The key of none of them.
    AnotherKey,
    /// A signature value that fits nothing does not tell its key, but for RSASSA-PKCS1-v1_5.
    Unknown,
}

/// What a signature value was made over, if its key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureCovers {
    /// The signed attributes that came with it.
    Attributes,
    /// The content itself, in this form.
    Content(SignedOctets),
    /// Neither: attributes or content were changed since.
    SomethingElse,
    /// It cannot be told.
    Unknown,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The CMS object cannot be read.
    Unreadable(String),
    /// It has no signer.
    NoSigner,
    /// The algorithms are not accepted, not supported, or do not fit together.
    Algorithm(String),
    /// The content is not what was signed.
    Content,
    /// What was signed is the content in this form, which the agreement does not take.
    Form(SignedOctets),
    /// The signed attributes contradict the signature.
    Attributes(String),
    /// The key is known, but the signature value was not made over the signed attributes that came with it.
    AttributesChanged,
    /// It was made with another key than a configured one.
    Key,
    /// It was made with another key, or what it covers was changed: this kind of signature does not tell.
    Undetermined,
    /// It is valid, but the agreement does not let the certificate pass: dates, key usage, revocation.
    Certificate(CertificateFault),
    /// It is valid under a certificate that came along, and that one is not trusted.
    Untrusted(TrustError),
}

impl SignatureDiagnosis {
    /// Why the signature does not count: that of the first signer. `None` if one of its signers counts.
    #[must_use]
    pub fn fault(&self) -> Option<&SignatureFault> {
        let counts = self.signers.iter().any(|signer| signer.fault.is_none());
        let first = || self.signers.first().and_then(SignerDiagnosis::fault);
        self.structure.as_ref().or_else(|| if counts { None } else { first() })
    }

    /// Its signers, four at most.
    #[must_use]
    pub fn signers(&self) -> &[SignerDiagnosis] {
        &self.signers
    }

    /// What is agreed.
    #[must_use]
    pub fn agreed(&self) -> &AgreedSigners {
        &self.agreed
    }

    /// The signature as received: a CMS object, which `openssl cms -cmsout -print` shows. Nothing where it stands in one
    /// object with the content, which may have been decrypted and is not released.
    #[must_use]
    pub fn cms(&self) -> &Bytes {
        &self.cms
    }
}

impl SignerDiagnosis {
    /// Whom it names: issuer and serial number, or key identifier.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The digest algorithm that it names; `None` for an unknown one.
    #[must_use]
    pub fn digest(&self) -> Option<DigestAlgorithm> {
        self.digest
    }

    /// The signature algorithm in words, or its object identifier.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// When the signer says to have signed; his clock may be wrong.
    #[must_use]
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// The certificate that it names.
    #[must_use]
    pub fn named(&self) -> &NamedCertificate {
        &self.named
    }

    /// What it says about the content.
    #[must_use]
    pub fn content(&self) -> &SignedDigest {
        &self.content
    }

    /// Whose key made it.
    #[must_use]
    pub fn made_with(&self) -> &MadeWith {
        &self.made_with
    }

    /// What its key made it over.
    #[must_use]
    pub fn covers(&self) -> SignatureCovers {
        self.covers
    }

    /// Why it does not count; `None` if it does.
    #[must_use]
    pub fn fault(&self) -> Option<&SignatureFault> {
        self.fault.as_ref()
    }
}

impl fmt::Display for SignatureDiagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.structure {
            Some(SignatureFault::Unreadable(error)) => return write!(f, "The signature cannot be read: {error}."),
            Some(SignatureFault::NoSigner) => return f.write_str("The signature has no signer."),
            _ => {}
        }
        let counts = self.signers.iter().find(|signer| signer.fault.is_none());
        counts.or(self.signers.first()).map_or(Ok(()), |signer| signer.fmt(f))
    }
}

impl fmt::Display for SignerDiagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, algorithm, .. } = self;
        write!(f, "The signature of {identifier} ({algorithm}")?;
        if let Some(at) = self.signed_at {
            write!(f, ", signed at {}", Instant(at).text())?;
        }
        f.write_str(") ")?;
        match &self.fault {
            None => write!(f, "counts"),
            Some(SignatureFault::Unreadable(error) | SignatureFault::Algorithm(error)) => {
                write!(f, "is refused: {error}; accepted are {}", list(&self.agreed.digests))
            }
            Some(SignatureFault::NoSigner) => f.write_str("has no signer"),
            Some(SignatureFault::Content) => self.write_content(f),
            Some(SignatureFault::Form(form)) => {
                write!(f, "covers the content {form}, which the agreement does not take{}", Maker(&self.made_with))
            }
            Some(SignatureFault::Attributes(error)) => {
                write!(f, "has signed attributes that are not acceptable: {error}{}", Maker(&self.made_with))
            }
            Some(SignatureFault::AttributesChanged) => {
                let over = match self.covers {
                    SignatureCovers::Content(_) => "the content itself, although signed attributes came with it",
                    _ => "other signed attributes than those that came with it",
                };
                write!(f, "was made over {over}{}", Maker(&self.made_with))
            }
            Some(SignatureFault::Key) => self.write_key(f),
            Some(SignatureFault::Undetermined) => {
                f.write_str(
                    "fits no configured certificate: it was made with another key, or what it covers was changed; ",
                )?;
                self.write_named(f)
            }
            Some(SignatureFault::Certificate(fault)) => write!(f, "is valid, but {fault}"),
            Some(SignatureFault::Untrusted(fault)) => write!(f, "is not trusted: {fault}{}", Maker(&self.made_with)),
        }?;
        f.write_str(".")
    }
}

impl SignerDiagnosis {
    fn write_content(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("does not cover the content that arrived")?;
        if let (SignedDigest::Differs { signed, received }, Some(digest)) = (&self.content, self.digest) {
            write!(f, ": the {digest} digest of that is {}, the signed one is {}", hex(received), hex(signed))?;
        }
        write!(f, "{}", Maker(&self.made_with))
    }

    fn write_key(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.made_with {
            MadeWith::Retired(certificate, at) => {
                let at = date(*at);
                write!(f, "was made with the key of {}, which is retired since {at}", Described(certificate))
            }
            MadeWith::Embedded(certificate) => {
                write!(f, "was made with the key of {}, which came along and is not configured", Described(certificate))
            }
            _ => {
                f.write_str("was made with another key than a configured one; ")?;
                return self.write_named(f);
            }
        }?;
        self.write_agreed(f)
    }

    /// Whom it names, and what is configured if that is anything else.
    fn write_named(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            NamedCertificate::Agreed(certificate) => {
                return write!(f, "it names a configured certificate, {}", Described(certificate));
            }
            NamedCertificate::Retired(certificate, at) => {
                let at = date(*at);
                write!(f, "it names {}, which is retired since {at}", Described(certificate))
            }
            NamedCertificate::Embedded(certificate) => {
                write!(f, "it names {}, which came along and is not configured", Described(certificate))
            }
            NamedCertificate::Sibling(_) => {
                f.write_str("it names another certificate of the issuer of a configured one")
            }
            NamedCertificate::Unknown => f.write_str("it names a certificate that is not configured"),
        }?;
        self.write_agreed(f)
    }

    fn write_agreed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agreed = self.agreed.certificates.iter();
        let all: Vec<_> = agreed.map(|certificate| Described(certificate).to_string()).collect();
        match all.as_slice() {
            [] => f.write_str("; nothing is configured"),
            [one] => write!(f, "; configured is {one}"),
            several => write!(f, "; configured are {}", several.join(" and ")),
        }
    }
}

fn list(digests: &[DigestAlgorithm]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A day: nobody compares certificates by the hour.
fn date(at: SystemTime) -> String {
    Instant(at).text().chars().take(10).collect()
}

/// A certificate as two administrators compare it. What its fields do not tell apart, the fingerprint does.
struct Described<'a>(&'a Certificate);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(certificate) = self;
        let (subject, serial, key) = (certificate.subject(), certificate.serial_hex(), certificate.key_kind());
        let (from, until) = (date(certificate.not_before()), date(certificate.not_after()));
        let fingerprint: String = certificate.fingerprint_hex().chars().take(16).collect();
        write!(f, "{subject} (serial {serial}, SHA-256 fingerprint {fingerprint}..., {key}, {from} to {until})")
    }
}

/// Whose key it was, as an addition to something else that is wrong.
struct Maker<'a>(&'a MadeWith);

impl fmt::Display for Maker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (certificate, which) = match self.0 {
            MadeWith::Agreed(certificate) => (certificate, "configured"),
            MadeWith::Retired(certificate, _) => (certificate, "retired"),
            MadeWith::Embedded(certificate) => (certificate, "not configured"),
            MadeWith::AnotherKey => return f.write_str("; nor was it made with a key that is configured"),
            MadeWith::Unknown => return Ok(()),
        };
        write!(f, "; it was made with the key of {}, which is {which}", Described(certificate))
    }
}
