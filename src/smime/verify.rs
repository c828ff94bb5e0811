//! Verifying: a detached CMS signature over octets as received (RFC 5652 section 5.6, RFC 8551 section 3.5).

use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureFamily, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::EntityId;
use crate::cms::content::{self, ContentInfo};
use crate::cms::signed::{SignedAttributes, SignedData, SignerInfo};
use crate::crypto::{CryptoProvider, DigestValue, VerifyError};
use crate::error::{AuthenticationFault, ReceiveError, SIGNATURE};
use crate::limits::Limits;
use crate::mime::canonical::Canonicalizer;
use crate::note::Note;
use crate::profile::SignedForm;
use crate::smime::mic::{Digests, pick};
use crate::smime::scheme;
use crate::trust::{Candidate, Signers};

/// Proof that a signature over `T` verified under a trusted certificate. Only [`verify`] can make one.
#[derive(Clone, Debug)]
pub(crate) struct Verified<T> {
    value: T,
    certificate: Certificate,
    scheme: SignatureScheme,
}

impl<T> Verified<T> {
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// The trusted certificate under which the signature verified.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(crate) fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// What a signature covers.
#[derive(Clone, Debug)]
pub(crate) struct SignedContent {
    /// The octets as received.
    pub(crate) octets: Bytes,
    /// Digests of the form that was signed.
    pub(crate) digests: Vec<DigestValue>,
    /// Whether the CRLF form was signed rather than the octets as received.
    pub(crate) canonical: bool,
    /// When the signer says to have signed.
    pub(crate) signed_at: Option<SystemTime>,
    /// Digest of the signature value: the same for every copy of this signature.
    pub(crate) signature_key: Vec<u8>,
}

/// How signatures are judged.
#[derive(Clone, Debug)]
pub(crate) struct VerifyTerms {
    pub(crate) provider: CryptoProvider,
    /// Who may sign for the sender.
    pub(crate) signers: Signers,
    pub(crate) digests: Vec<DigestAlgorithm>,
    pub(crate) families: Vec<SignatureFamily>,
    pub(crate) form: SignedForm,
    pub(crate) limits: Limits,
    pub(crate) now: SystemTime,
    /// Digests that are wanted beside those of the signature, from the same pass.
    pub(crate) wanted: Vec<DigestAlgorithm>,
}

/// A signature that does not verify; the digests of the content as received are still told.
#[derive(Clone, Debug)]
pub(crate) struct Unverified {
    pub(crate) error: ReceiveError,
    pub(crate) digests: Vec<DigestValue>,
    /// The partner's certificate under which the signature is valid nevertheless, if the agreement refuses that one.
    pub(crate) under: Option<Certificate>,
}

impl From<ReceiveError> for Unverified {
    fn from(error: ReceiveError) -> Self {
        Self { error, digests: Vec::new(), under: None }
    }
}

/// Why one signer does not count.
struct SignerFault {
    error: ReceiveError,
    under: Option<Certificate>,
}

impl From<ReceiveError> for SignerFault {
    fn from(error: ReceiveError) -> Self {
        Self { error, under: None }
    }
}

/// Reads a detached signature.
pub(crate) fn read_signature(cms: Bytes, limits: &Limits) -> Result<SignedData, ReceiveError> {
    match content::read(cms, limits).map_err(ReceiveError::SignatureFormat)? {
        (ContentInfo::Signed(signed), _) => Ok(signed),
        _ => Err(ReceiveError::UnsupportedContent("a signature part without a signature".to_owned())),
    }
}

/// Verifies `signed` over `octets`.
///
/// At least one signer must verify under a trusted certificate; others are noted. The digest is judged
/// before the signer: changed content is an integrity failure whoever signed it.
pub(crate) fn verify(
    octets: Bytes,
    signed: &SignedData,
    terms: &VerifyTerms,
    notes: &mut Vec<Note>,
) -> Result<Verified<SignedContent>, Unverified> {
    let mut forms = Forms::new(octets, signed, terms)?;
    let mut first_fault = None;
    let mut found = None;
    for signer in &signed.signers {
        match check_signer(signer, signed, &mut forms, terms) {
            Ok(valid) if found.is_none() => found = Some((valid, signer)),
            Ok(_) => {}
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    match (found, first_fault) {
        (Some((valid, signer)), other) => {
            notes.extend(valid.notes);
            let refused = |fault: SignerFault| format!("another signer was not accepted: {}", fault.error);
            notes.extend(other.map(|fault| Note::OtherSigner(refused(fault))));
            let signature_key = terms.provider.digest(DigestAlgorithm::Sha256, &signer.signature);
            let digests = forms.digests(valid.canonical);
            Ok(Verified {
                value: SignedContent {
                    octets: forms.octets,
                    digests,
                    canonical: valid.canonical,
                    signed_at: signer.signed_attributes.as_ref().and_then(SignedAttributes::signing_time),
                    signature_key: signature_key.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
                },
                certificate: valid.certificate,
                scheme: valid.scheme,
            })
        }
        (None, fault) => {
            let none = || ReceiveError::Authentication(AuthenticationFault::NoSigner).into();
            let SignerFault { error, under } = fault.unwrap_or_else(none);
            Err(Unverified { error, digests: forms.raw, under })
        }
    }
}

/// The signed octets in the forms that a signature may cover, digested at most once each.
struct Forms {
    octets: Bytes,
    algorithms: Vec<DigestAlgorithm>,
    raw: Vec<DigestValue>,
    /// The CRLF form; empty until it is asked for, and when it is the same as the octets as received.
    canonical: Option<Vec<DigestValue>>,
    /// The content in CRLF form, once a scheme that signs the message itself has asked for it.
    canonical_content: Option<Bytes>,
}

impl Forms {
    fn new(octets: Bytes, signed: &SignedData, terms: &VerifyTerms) -> Result<Self, ReceiveError> {
        let mut algorithms: Vec<_> =
            signed.signers.iter().filter_map(|s| DigestAlgorithm::from_oid(&s.digest_algorithm.oid)).collect();
        algorithms.extend(&terms.wanted);
        // What the provider lacks fails where it is needed: another signer may do without.
        algorithms.retain(|algorithm| terms.provider.start_digest(*algorithm).is_ok());
        let raw = Digests::of(&terms.provider, &algorithms, std::slice::from_ref(&octets)).map_err(unsupported)?;
        Ok(Self { octets, algorithms, raw, canonical: None, canonical_content: None })
    }

    fn raw(&self, algorithm: DigestAlgorithm) -> Option<&DigestValue> {
        pick(&self.raw, algorithm)
    }

    fn canonical(&mut self, algorithm: DigestAlgorithm, terms: &VerifyTerms) -> Option<&DigestValue> {
        if terms.form == SignedForm::AsSent {
            return None;
        }
        if self.canonical.is_none() {
            let mut digests = Digests::start(&terms.provider, &self.algorithms).ok()?;
            let mut canonicalizer = Canonicalizer::new();
            canonicalizer.push(&self.octets, &mut |piece| digests.update(piece));
            self.canonical = Some(if canonicalizer.changed() { digests.finish() } else { Vec::new() });
        }
        self.canonical.as_deref().and_then(|values| pick(values, algorithm))
    }

    /// The content in one of its forms, for a scheme that signs the message itself.
    fn content(&mut self, canonical: bool) -> Bytes {
        if !canonical {
            return self.octets.clone();
        }
        let octets = &self.octets;
        let in_crlf = || {
            let mut content = Vec::with_capacity(octets.len());
            Canonicalizer::new().push(octets, &mut |piece| content.extend_from_slice(piece));
            content.into()
        };
        self.canonical_content.get_or_insert_with(in_crlf).clone()
    }

    fn digests(&mut self, canonical: bool) -> Vec<DigestValue> {
        let chosen = if canonical { self.canonical.take() } else { None };
        chosen.unwrap_or_else(|| std::mem::take(&mut self.raw))
    }
}

struct ValidSigner {
    certificate: Certificate,
    scheme: SignatureScheme,
    canonical: bool,
    notes: Vec<Note>,
}

fn check_signer(
    signer: &SignerInfo,
    signed: &SignedData,
    forms: &mut Forms,
    terms: &VerifyTerms,
) -> Result<ValidSigner, SignerFault> {
    let (scheme, assumed) = scheme::read(signer)?;
    let algorithm = || scheme.to_string();
    if !terms.digests.contains(&scheme.digest()) || !terms.families.contains(&scheme.family()) {
        return Err(ReceiveError::ForbiddenAlgorithm { what: SIGNATURE, algorithm: algorithm() }.into());
    }
    if forms.raw(scheme.digest()).is_none() {
        return Err(ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: algorithm() }.into());
    }
    let claims = match &signer.signed_attributes {
        Some(attributes) => attribute_claims(attributes, signer, signed, forms, scheme, terms)?,
        None => content_claims(forms, scheme, terms),
    };
    let judged = |certificate: &Certificate| {
        claims.iter().find(|claim| claim.verdict(signer, certificate, scheme, terms).is_ok())
    };
    let valid = |certificate: &Certificate, claim: &Claim, judged: Vec<Note>| {
        let notes = claim.notes.iter().chain(&assumed).cloned().chain(judged).collect();
        ValidSigner { certificate: certificate.clone(), scheme, canonical: claim.canonical, notes }
    };
    let mut refused = None;
    for certificate in ordered(&terms.signers.trusted, &signer.sid) {
        let Some(claim) = judged(certificate) else { continue };
        // The key may have another certificate that passes.
        match terms.signers.terms.judge(certificate, terms.now) {
            Ok(notes) => return Ok(valid(certificate, claim, notes)),
            Err(fault) => {
                let error = ReceiveError::Authentication(AuthenticationFault::Certificate(fault));
                refused.get_or_insert(SignerFault { error, under: Some(certificate.clone()) });
            }
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    // What is computed for a stranger is bounded.
    let mut embedded = signed.certificates.iter().filter_map(|der| Certificate::from_der(der.clone()).ok());
    let stranger = embedded.find(|certificate| names(&signer.sid, certificate)).filter(Certificate::is_small);
    if let Some((stranger, claim)) = stranger.as_ref().and_then(|stranger| Some((stranger, judged(stranger)?))) {
        let notes = vouched(stranger, signed, terms).map_err(ReceiveError::Authentication)?;
        return Ok(valid(stranger, claim, notes));
    }
    // Post-quantum schemes are known, and need a feature or a provider that has them.
    let first = claims.first().zip(terms.signers.trusted.first());
    let lacks = |(claim, own): (&Claim, _)| claim.verdict(signer, own, scheme, terms) == Err(VerifyError::Unsupported);
    if first.is_some_and(lacks) {
        return Err(ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: algorithm() }.into());
    }
    Err(ReceiveError::Authentication(AuthenticationFault::InvalidSignature { signer: describe(&signer.sid) }).into())
}

/// Whether somebody vouches for an embedded certificate under which the signature is valid. With pinned trust
/// nobody does: the certificate serves to tell "signed by somebody else" from "not signed by anybody".
fn vouched(stranger: &Certificate, signed: &SignedData, terms: &VerifyTerms) -> Result<Vec<Note>, AuthenticationFault> {
    let (subject, fingerprint) = (stranger.subject().to_owned(), stranger.fingerprint_hex());
    let Some(delegate) = terms.signers.trust.as_delegate() else {
        return Err(AuthenticationFault::UntrustedSigner { subject, fingerprint });
    };
    let candidate = Candidate {
        certificate: stranger,
        embedded: &signed.certificates,
        usage: terms.signers.terms.usage,
        at: terms.now,
        provider: &terms.provider,
        revocation: terms.signers.terms.revocation(),
    };
    let judged = || Ok(terms.signers.terms.judge(stranger, terms.now)?);
    let verdict = delegate.judge(&candidate).and_then(|()| judged());
    verdict.map_err(|error| AuthenticationFault::Untrusted { subject, fingerprint, error: Box::new(error) })
}

/// One reading of what the signature value was computed over.
struct Claim {
    digest: DigestValue,
    message: Option<Bytes>,
    canonical: bool,
    notes: Vec<Note>,
}

impl Claim {
    fn verdict(
        &self,
        signer: &SignerInfo,
        certificate: &Certificate,
        scheme: SignatureScheme,
        terms: &VerifyTerms,
    ) -> Result<(), VerifyError> {
        terms.provider.verifiers().verify(
            scheme,
            certificate.spki_der(),
            &self.digest,
            self.message.as_deref(),
            &signer.signature,
        )
    }
}

/// With signed attributes, the signature covers them, and they hold the digest of the content (RFC 5652 section 5.4).
fn attribute_claims(
    attributes: &SignedAttributes,
    signer: &SignerInfo,
    signed: &SignedData,
    forms: &mut Forms,
    scheme: SignatureScheme,
    terms: &VerifyTerms,
) -> Result<Vec<Claim>, ReceiveError> {
    let fault = |text: String| ReceiveError::Authentication(AuthenticationFault::Attributes(text));
    let expected = attributes.message_digest().map_err(|error| fault(error.to_string()))?;
    let algorithm = scheme.digest();
    let raw = forms.raw(algorithm).is_some_and(|digest| digest.ct_eq(expected));
    let canonical = !raw && forms.canonical(algorithm, terms).is_some_and(|digest| digest.ct_eq(expected));
    if !raw && !canonical {
        return Err(ReceiveError::IntegrityCheck { algorithm });
    }
    let content_type = attributes.content_type().map_err(|error| fault(error.to_string()))?;
    if content_type != signed.content_type {
        return Err(fault(format!("contentType is {content_type}, the content is {}", signed.content_type)));
    }
    check_protection(attributes, signer).map_err(fault)?;
    let received = attributes.as_received();
    let sorted = attributes.as_sorted_der().ok().filter(|der| Some(der) != received.as_ref());
    let form_note = canonical.then_some(Note::CanonicalForm);
    let mut claims = Vec::with_capacity(2);
    // BouncyCastle verifies over the sorted attributes, OpenSSL over those it received: either may have been signed.
    for (message, reordered) in [(received, false), (sorted, true)] {
        let Some(message) = message else { continue };
        let digest = terms.provider.digest(algorithm, &message).map_err(unsupported)?;
        let notes = form_note.iter().cloned().chain(reordered.then_some(Note::AttributeOrder)).collect();
        claims.push(Claim { digest, message: Some(message.into()), canonical, notes });
    }
    Ok(claims)
}

/// Without signed attributes, the signature covers the content itself; Sterling signs so.
fn content_claims(forms: &mut Forms, scheme: SignatureScheme, terms: &VerifyTerms) -> Vec<Claim> {
    let algorithm = scheme.digest();
    let raw = forms.raw(algorithm).cloned().map(|digest| (digest, false));
    let canonical = forms.canonical(algorithm, terms).cloned().map(|digest| (digest, true));
    raw.into_iter()
        .chain(canonical)
        .map(|(digest, canonical)| Claim {
            digest,
            message: scheme.signs_message().then(|| forms.content(canonical)),
            canonical,
            notes: canonical.then_some(Note::CanonicalForm).into_iter().collect(),
        })
        .collect()
}

/// RFC 6211 section 3: the attribute must name the algorithms that the SignerInfo uses.
fn check_protection(attributes: &SignedAttributes, signer: &SignerInfo) -> Result<(), String> {
    let Some(protection) = attributes.algorithm_protection().map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let same_digest = protection.digest.is_same(&signer.digest_algorithm);
    // The signature algorithm must be named in SignedData.
    let same_signature = protection.signature.is_some_and(|named| named.is_same(&signer.signature_algorithm));
    if same_digest && same_signature {
        return Ok(());
    }
    Err("CMSAlgorithmProtection names other algorithms".to_owned())
}

/// Trusted certificates, those that the signer names first. The others follow: peers renew certificates under
/// the same key, and trying a public key tells nobody anything.
fn ordered<'a>(trusted: &'a [Certificate], sid: &'a EntityId) -> impl Iterator<Item = &'a Certificate> {
    let named = trusted.iter().filter(|certificate| names(sid, certificate));
    named.chain(trusted.iter().filter(|certificate| !names(sid, certificate)))
}

/// Whether an identifier in a CMS structure names `certificate`.
pub(crate) fn names(id: &EntityId, certificate: &Certificate) -> bool {
    match id {
        EntityId::IssuerAndSerial { issuer, serial } => {
            issuer.as_ref() == certificate.issuer_der() && serial.as_ref() == certificate.serial_octets()
        }
        EntityId::SubjectKeyId(key_id) => certificate.subject_key_id() == Some(key_id.as_ref()),
    }
}

/// An identifier in words, for errors.
pub(crate) fn describe(id: &EntityId) -> String {
    match id {
        EntityId::IssuerAndSerial { issuer, serial } => {
            format!("issuer {}, serial {}", crate::certificate::name_text(issuer), crate::certificate::hex(serial))
        }
        EntityId::SubjectKeyId(key_id) => format!("subject key identifier {}", crate::certificate::hex(key_id)),
    }
}

fn unsupported(error: crate::crypto::CryptoError) -> ReceiveError {
    ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: error.to_string() }
}
