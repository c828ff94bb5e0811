//! Chains of certificates (RFC 5280 section 6), walked by `rustls-webpki` with the signature algorithms of our provider.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
    alg_id,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::{Certificate, Whose};
use crate::cms::ber;
use crate::cms::write::tlv;
use crate::crypto::CryptoProvider;
use crate::error::{TrustError, ValidityError};
use crate::trust::{Candidate, TrustDelegate};

/// Trust in every certificate that an authority issued to a partner by name.
///
/// A signer's certificate that comes with the signature is taken if a chain leads from it to one of the anchors, each
/// certificate of the chain is within its dates, its extended key usage, if it has one, includes `emailProtection`, and
/// it carries a name that stands for the partner. Without such a name everybody with a certificate of that authority
/// could speak for the partner, so there is no chain trust without one.
///
/// Not vouched for by chains, and to be configured instead: self-signed certificates that are marked as
/// authorities, certificates of X.509 version 1, and certificates that are signed with SHA-1.
///
/// ```
/// # #[cfg(feature = "webpki")] {
/// use as2_protocol::{BoundName, Certificate, ChainTrust, Trust};
/// # let root = Certificate::from_pem(include_bytes!("../../tests/vectors/worked/keys/bob-sign.crt")).unwrap();
/// let chain = ChainTrust::new(vec![root], BoundName::common_name("POP000123")).unwrap();
/// let trust = Trust::chain(chain); // for PartnerBuilder::trust
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChainTrust {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    names: Vec<BoundName>,
    any_purpose: bool,
}

impl ChainTrust {
    /// Trust in what `anchors` issue, directly or through others, to whoever is named `bound`.
    ///
    /// # Errors
    /// [`TrustError::Anchor`] without a usable anchor, [`TrustError::Binding`] if the name is empty.
    pub fn new(anchors: Vec<Certificate>, bound: BoundName) -> Result<Self, TrustError> {
        if anchors.is_empty() {
            return Err(TrustError::Anchor("there is none".to_owned()));
        }
        for anchor in &anchors {
            let der = CertificateDer::from(anchor.der());
            webpki::anchor_from_trusted_cert(&der)
                .map_err(|error| TrustError::Anchor(format!("the certificate of {}: {error}", anchor.subject())))?;
        }
        let empty = Self { anchors, intermediates: Vec::new(), names: Vec::new(), any_purpose: false };
        empty.or_name(bound)
    }

    /// Another name that stands for the partner: one of them is enough.
    ///
    /// # Errors
    /// [`TrustError::Binding`] if the name is empty.
    pub fn or_name(mut self, bound: BoundName) -> Result<Self, TrustError> {
        if bound.is_empty() {
            return Err(TrustError::Binding("it is empty, which would bind nobody".to_owned()));
        }
        self.names.push(bound);
        Ok(self)
    }

    /// The certificate of an authority between the anchors and the partner, for signatures that do not bring it along.
    #[must_use]
    pub fn intermediate(mut self, certificate: Certificate) -> Self {
        self.intermediates.push(certificate);
        self
    }

    /// Leaves the extended key usage alone: for authorities that issue what partners sign with as certificates for TLS.
    #[must_use]
    pub fn any_purpose(mut self) -> Self {
        self.any_purpose = true;
        self
    }

    pub(crate) fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    fn check_name(&self, certificate: &Certificate) -> Result<(), TrustError> {
        if self.names.iter().any(|name| name.is_carried_by(certificate)) {
            return Ok(());
        }
        let wanted: Vec<_> = self.names.iter().map(ToString::to_string).collect();
        Err(TrustError::Name { subject: certificate.subject().to_owned(), wanted: wanted.join(" or ") })
    }

    fn check_chain(&self, candidate: &Candidate<'_>) -> Result<(), TrustError> {
        let leaf = CertificateDer::from(candidate.certificate.der());
        let leaf = EndEntityCert::try_from(&leaf).map_err(|error| explain(&error))?;
        let ders: Vec<_> = self.anchors.iter().map(|anchor| CertificateDer::from(anchor.der())).collect();
        let anchors: Vec<TrustAnchor<'_>> =
            ders.iter().filter_map(|der| webpki::anchor_from_trusted_cert(der).ok()).collect();
        let others: Vec<_> = self.intermediates.iter().cloned().chain(candidate.others()).collect();
        let others: Vec<_> = others.iter().map(|other| CertificateDer::from(other.der())).collect();
        let algorithms = algorithms(candidate.provider);
        let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
            algorithms.iter().map(|known| -> &dyn SignatureVerificationAlgorithm { known }).collect();
        let at = candidate.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let purpose = Purpose { any: self.any_purpose };
        let path = leaf
            .verify_for_usage(&algorithms, &anchors, &others, UnixTime::since_unix_epoch(at), purpose, None, None)
            .map_err(|error| explain(&error))?;
        for authority in path.intermediate_certificates() {
            let authority = Certificate::from_der(authority.der().to_vec())
                .map_err(|error| TrustError::Chain(error.to_string()))?;
            candidate.check_authority(&authority)?;
        }
        Ok(())
    }
}

impl TrustDelegate for ChainTrust {
    fn judge(&self, candidate: &Candidate<'_>) -> Result<(), TrustError> {
        self.check_name(candidate.certificate)?;
        // Said first and exactly; the walk says it of every certificate alike.
        ValidityError::check(candidate.certificate, Whose::Partners, candidate.usage, candidate.at)
            .map_err(|error| TrustError::Certificate(error.into()))?;
        self.check_chain(candidate)
    }
}

/// A name in a certificate that stands for a partner. It is compared as the authority encoded it, never in the form
/// for people, which a clever subject could imitate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundName(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Subject(Certificate),
    CommonName(String),
    Email(String),
    Dns(String),
}

impl BoundName {
    /// The whole subject of this certificate, octet for octet: what a renewed certificate of the partner will have.
    #[must_use]
    pub fn subject_of(certificate: &Certificate) -> Self {
        Self(Kind::Subject(certificate.clone()))
    }

    /// The one common name of the subject, letter for letter, as Peppol identifies its access points.
    #[must_use]
    pub fn common_name(name: impl Into<String>) -> Self {
        Self(Kind::CommonName(name.into()))
    }

    /// An e-mail address among the subject alternative names.
    #[must_use]
    pub fn email(address: impl Into<String>) -> Self {
        Self(Kind::Email(address.into()))
    }

    /// A DNS name among the subject alternative names.
    #[must_use]
    pub fn dns(host: impl Into<String>) -> Self {
        Self(Kind::Dns(host.into()))
    }

    fn is_empty(&self) -> bool {
        match &self.0 {
            Kind::Subject(certificate) => certificate.subject_der().len() <= EMPTY_NAME,
            Kind::CommonName(name) | Kind::Dns(name) => name.trim().is_empty(),
            Kind::Email(address) => !address.contains('@'),
        }
    }

    fn is_carried_by(&self, certificate: &Certificate) -> bool {
        match &self.0 {
            Kind::Subject(other) => certificate.subject_der() == other.subject_der(),
            Kind::CommonName(name) => certificate.has_common_name(name),
            Kind::Email(address) => certificate.has_email(address),
            Kind::Dns(host) => certificate.has_dns_name(host),
        }
    }
}

/// Octets of a name without parts.
const EMPTY_NAME: usize = 2;

impl fmt::Display for BoundName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Subject(certificate) => write!(f, "the subject {}", certificate.subject()),
            Kind::CommonName(name) => write!(f, "the common name {name}"),
            Kind::Email(address) => write!(f, "the e-mail address {address}"),
            Kind::Dns(host) => write!(f, "the DNS name {host}"),
        }
    }
}

/// RFC 8551 section 4.4.4: where purposes are listed, emailProtection or any purpose must be among them.
struct Purpose {
    any: bool,
}

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const EMAIL_PROTECTION: KeyPurposeId<'_> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 4]);
        const ANY: KeyPurposeId<'_> = KeyPurposeId::new(&[0x55, 0x1d, 0x25, 0]);
        let mut listed = false;
        for purpose in purposes {
            let purpose = purpose?;
            if purpose == EMAIL_PROTECTION || purpose == ANY {
                return Ok(());
            }
            listed = true;
        }
        // The walk gives its own words to whatever is said here.
        if listed && !self.any { Err(webpki::Error::EmptyEkuExtension) } else { Ok(()) }
    }
}

/// A signature scheme of our provider as the walk asks for it: by the identifiers in certificates.
#[derive(Debug)]
struct Bridge {
    provider: CryptoProvider,
    scheme: SignatureScheme,
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
}

/// Every scheme that certificates may be signed with.
fn algorithms(provider: &CryptoProvider) -> Vec<Bridge> {
    use alg_id::{ECDSA_P256, ECDSA_P384, ECDSA_P521, ED25519, RSA_ENCRYPTION};
    let mut known = vec![(SignatureScheme::Ed25519, ED25519, ED25519)];
    for (digest, pkcs1, pss, ecdsa) in [
        (DigestAlgorithm::Sha256, alg_id::RSA_PKCS1_SHA256, alg_id::RSA_PSS_SHA256, alg_id::ECDSA_SHA256),
        (DigestAlgorithm::Sha384, alg_id::RSA_PKCS1_SHA384, alg_id::RSA_PSS_SHA384, alg_id::ECDSA_SHA384),
        (DigestAlgorithm::Sha512, alg_id::RSA_PKCS1_SHA512, alg_id::RSA_PSS_SHA512, alg_id::ECDSA_SHA512),
    ] {
        let probabilistic = SignatureScheme::rsa_pss(digest);
        known.push((SignatureScheme::RsaPkcs1v15(digest), RSA_ENCRYPTION, pkcs1));
        // Keys for any use of RSA, and keys for this one only (RFC 4055 section 1.2).
        known.extend([(probabilistic, RSA_ENCRYPTION, pss), (probabilistic, pss, pss)]);
        known.extend([ECDSA_P256, ECDSA_P384, ECDSA_P521].map(|curve| (SignatureScheme::Ecdsa(digest), curve, ecdsa)));
    }
    known
        .into_iter()
        .map(|(scheme, key, signature)| Bridge { provider: provider.clone(), scheme, key, signature })
        .collect()
}

impl SignatureVerificationAlgorithm for Bridge {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let algorithm = tlv(ber::SEQUENCE, &[self.key.as_ref()]);
        let spki = tlv(ber::SEQUENCE, &[&algorithm, &tlv(ber::BIT_STRING, &[&[0], public_key])]);
        let digest = self.provider.digest(self.scheme.digest(), message).map_err(|_| InvalidSignature)?;
        let verifiers = self.provider.verifiers();
        verifiers.verify(self.scheme, &spki, &digest, Some(message), signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// The walk's errors in words of this crate.
fn explain(error: &webpki::Error) -> TrustError {
    use webpki::Error;
    let text = match error {
        Error::EmptyEkuExtension => return TrustError::Purpose,
        Error::CaUsedAsEndEntity => return TrustError::Leaf("the certificate is marked as one of an authority"),
        Error::UnsupportedCertVersion => return TrustError::Leaf("the certificate is not of X.509 version 3"),
        Error::UnknownIssuer => "the issuer is unknown",
        Error::CertExpired { .. } => "a certificate of the chain has expired",
        Error::CertNotValidYet { .. } => "a certificate of the chain is not valid yet",
        Error::EndEntityUsedAsCa => "a certificate of the chain is not one of an authority",
        Error::PathLenConstraintViolated => "an authority may not have authorities below it",
        Error::NameConstraintViolation => "an authority may not issue certificates for this name",
        Error::InvalidSignatureForPublicKey => "a certificate of the chain was not signed by its issuer",
        Error::UnsupportedCriticalExtension => "a critical extension is unknown",
        other => return TrustError::Chain(other.to_string()),
    };
    TrustError::Chain(text.to_owned())
}
