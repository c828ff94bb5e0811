//! Verifying: a detached CMS signature over octets as received (RFC 5652 section 5.6, RFC 8551 section 3.5).

use std::cell::{Cell, OnceCell};
use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureFamily, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::content::{self, ContentInfo};
use crate::cms::signed::{SignedAttributes, SignedData, SignerInfo};
use crate::crypto::{CryptoProvider, DigestValue, VerifyError};
use crate::error::{AuthenticationFault, ReceiveError, SIGNATURE};
use crate::limits::Limits;
use crate::note::{Note, SignedOctets};
use crate::profile::SignedForm;
use crate::smime::entity_id::{describe, names, ordered};
use crate::smime::forms::{OtherForm, Received, octets_of};
use crate::smime::mic::pick;
use crate::smime::passed::FormDigests;
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
    /// The octets that were signed; those as received where their CRLF form was signed, since the peers that sign it have
    /// never written it.
    pub(crate) octets: Bytes,
    /// Whether the octets passed by, and are not at hand.
    pub(crate) passed: bool,
    /// Digests of the form that was signed.
    pub(crate) digests: Vec<DigestValue>,
    /// The form that was signed.
    pub(crate) form: SignedOctets,
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

impl SignerFault {
    fn is_invalid_signature(&self) -> bool {
        matches!(self.error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. }))
    }
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
    verify_forms(Forms::new(octets, signed, terms)?, signed, terms, notes)
}

/// Verifies `signed` over content that passed by.
pub(crate) fn verify_passed(
    digests: FormDigests,
    signed: &SignedData,
    terms: &VerifyTerms,
    notes: &mut Vec<Note>,
) -> Result<Verified<SignedContent>, Unverified> {
    verify_forms(Forms::passed(digests), signed, terms, notes)
}

fn verify_forms(
    mut forms: Forms,
    signed: &SignedData,
    terms: &VerifyTerms,
    notes: &mut Vec<Note>,
) -> Result<Verified<SignedContent>, Unverified> {
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
            Ok(Verified {
                value: SignedContent {
                    octets: forms.delivered(valid.form),
                    passed: forms.passed,
                    digests: forms.digests(valid.form),
                    form: valid.form,
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
            Err(Unverified { error, digests: forms.received.values, under })
        }
    }
}

/// The signed octets in the forms that a signature may cover, digested at most once each.
struct Forms {
    octets: Bytes,
    /// Whether the octets passed by: there are digests only.
    passed: bool,
    algorithms: Vec<DigestAlgorithm>,
    received: Received,
    /// Forms beside the octets as received, once they were asked for.
    others: Option<Vec<OtherForm>>,
    /// How often the whole content may still be read by schemes that sign the message itself.
    readings: Cell<usize>,
}

impl Forms {
    fn new(octets: Bytes, signed: &SignedData, terms: &VerifyTerms) -> Result<Self, ReceiveError> {
        let mut algorithms: Vec<_> =
            signed.signers.iter().filter_map(|s| DigestAlgorithm::from_oid(&s.digest_algorithm.oid)).collect();
        algorithms.extend(&terms.wanted);
        // What the provider lacks fails where it is needed: another signer may do without.
        algorithms.retain(|algorithm| terms.provider.start_digest(*algorithm).is_ok());
        let received = Received::new(&terms.provider, &algorithms, &octets, terms.form).map_err(unsupported)?;
        let readings = Cell::new(MAX_READINGS);
        Ok(Self { octets, passed: false, algorithms, received, others: None, readings })
    }

    fn passed(digests: FormDigests) -> Self {
        let FormDigests { raw, canonical } = digests;
        let in_crlf = OtherForm { form: SignedOctets::InCrlf, values: canonical };
        Self {
            octets: Bytes::new(),
            passed: true,
            algorithms: Vec::new(),
            received: Received::passed(raw),
            others: Some(vec![in_crlf]),
            readings: Cell::new(MAX_READINGS),
        }
    }

    fn as_received(&self, algorithm: DigestAlgorithm) -> Option<&DigestValue> {
        pick(&self.received.values, algorithm)
    }

    /// The forms beside the octets as received, with one digest of each.
    fn others(
        &mut self,
        algorithm: DigestAlgorithm,
        terms: &VerifyTerms,
    ) -> impl Iterator<Item = (SignedOctets, &DigestValue)> {
        let others = self
            .others
            .get_or_insert_with(|| self.received.others(&terms.provider, &self.algorithms, &self.octets, terms.form));
        others.iter().filter_map(move |other| Some((other.form, pick(&other.values, algorithm)?)))
    }

    fn digests(&self, form: SignedOctets) -> Vec<DigestValue> {
        let other = self.others.iter().flatten().find(|other| other.form == form);
        other.map_or(&self.received.values, |other| &other.values).clone()
    }

    /// The content in a form, for a scheme that signs the message itself; `None` if it was read too often.
    fn read(&self, form: SignedOctets) -> Option<Bytes> {
        self.readings.set(self.readings.get().checked_sub(1)?);
        Some(octets_of(&self.octets, form))
    }

    fn delivered(&self, form: SignedOctets) -> Bytes {
        let kept = if form == SignedOctets::InCrlf { SignedOctets::AsReceived } else { form };
        octets_of(&self.octets, kept)
    }
}

/// Readings of the whole content for signatures over the message itself. Each signer of a message may want one for each
/// certificate and form; honest messages have one signer, who names his certificate.
const MAX_READINGS: usize = 16;

struct ValidSigner {
    certificate: Certificate,
    scheme: SignatureScheme,
    form: SignedOctets,
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
    let needs_content = scheme.signs_message() && signer.signed_attributes.is_none();
    if forms.passed && (needs_content || forms.as_received(scheme.digest()).is_none()) {
        let algorithm = format!("{scheme}, which cannot be verified in one pass over this message");
        return Err(ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm }.into());
    }
    if forms.as_received(scheme.digest()).is_none() {
        return Err(ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: algorithm() }.into());
    }
    let attempt = Attempt { signer, signed, scheme, terms, stranger: OnceCell::new() };
    let valid = match &signer.signed_attributes {
        Some(attributes) => {
            let claims = attribute_claims(attributes, signer, signed, forms, scheme, terms)?;
            attempt.authenticate(&claims, forms)
        }
        None => attempt.authenticate_content(forms),
    };
    valid.map(|mut valid| {
        valid.notes.extend(assumed);
        valid
    })
}

/// One signer, for whom a certificate is looked for.
struct Attempt<'a> {
    signer: &'a SignerInfo,
    signed: &'a SignedData,
    scheme: SignatureScheme,
    terms: &'a VerifyTerms,
    /// The certificate beside the signature that the signer names, once it was looked for.
    stranger: OnceCell<Option<Certificate>>,
}

impl Attempt<'_> {
    /// Without signed attributes, the signature covers the content itself; Sterling signs so. Each form is a claim of
    /// its own, and the others are made only if the one as received does not hold.
    fn authenticate_content(&self, forms: &mut Forms) -> Result<ValidSigner, SignerFault> {
        let covered = || if self.scheme.signs_message() { Covered::Content } else { Covered::Digest };
        let claim = |form: SignedOctets, digest: &DigestValue| Claim {
            digest: digest.clone(),
            covered: covered(),
            form,
            notes: form.note().into_iter().collect(),
        };
        let algorithm = self.scheme.digest();
        let first = forms.as_received(algorithm).map(|digest| claim(SignedOctets::AsReceived, digest));
        let verdict = self.authenticate(first.as_slice(), forms);
        if !matches!(&verdict, Err(fault) if fault.is_invalid_signature()) {
            return verdict;
        }
        let others: Vec<_> = forms.others(algorithm, self.terms).map(|(form, digest)| claim(form, digest)).collect();
        match self.authenticate(&others, forms) {
            Err(fault) if fault.is_invalid_signature() => verdict,
            other => other,
        }
    }

    /// Looks for the certificate under which one of the claims holds: among the trusted ones, then beside the signature.
    fn authenticate(&self, claims: &[Claim], forms: &Forms) -> Result<ValidSigner, SignerFault> {
        let Self { signer, signed, scheme, terms, .. } = *self;
        let judged = |certificate: &Certificate| {
            claims.iter().find(|claim| claim.verdict(signer, certificate, scheme, terms, forms).is_ok())
        };
        let valid = |certificate: &Certificate, claim: &Claim, judged: Vec<Note>| {
            let notes = claim.notes.iter().cloned().chain(judged).collect();
            ValidSigner { certificate: certificate.clone(), scheme, form: claim.form, notes }
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
        let stranger = self.stranger.get_or_init(|| named_beside(signer, signed));
        if let Some((stranger, claim)) = stranger.as_ref().and_then(|stranger| Some((stranger, judged(stranger)?))) {
            let notes = vouched(stranger, signed, terms).map_err(ReceiveError::Authentication)?;
            return Ok(valid(stranger, claim, notes));
        }
        if forms.readings.get() == 0 {
            let (what, limit) = ("readings of the content for its signatures", MAX_READINGS);
            return Err(ReceiveError::Limit { what, limit: u64::try_from(limit).unwrap_or(u64::MAX) }.into());
        }
        // Post-quantum schemes are known, and need a feature or a provider that has them.
        let first = claims.first().zip(terms.signers.trusted.first());
        let verdict = first.map(|(claim, own)| claim.verdict(signer, own, scheme, terms, forms));
        if verdict == Some(Err(VerifyError::Unsupported)) {
            let algorithm = scheme.to_string();
            return Err(ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm }.into());
        }
        let signer = describe(&signer.sid);
        Err(ReceiveError::Authentication(AuthenticationFault::InvalidSignature { signer }).into())
    }
}

/// The certificate beside a signature that its signer names. What is computed for a stranger is bounded.
fn named_beside(signer: &SignerInfo, signed: &SignedData) -> Option<Certificate> {
    let mut embedded = signed.certificates.iter().filter_map(|der| Certificate::from_der(der.clone()).ok());
    embedded.find(|certificate| names(&signer.sid, certificate)).filter(Certificate::is_small)
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
    covered: Covered,
    form: SignedOctets,
    notes: Vec<Note>,
}

/// What a scheme that signs the message itself needs beside the digest.
enum Covered {
    /// Nothing: it signs the digest.
    Digest,
    /// The signed attributes.
    Attributes(Bytes),
    /// The whole content, which may be large.
    Content,
}

impl Claim {
    fn verdict(
        &self,
        signer: &SignerInfo,
        certificate: &Certificate,
        scheme: SignatureScheme,
        terms: &VerifyTerms,
        forms: &Forms,
    ) -> Result<(), VerifyError> {
        let message = match &self.covered {
            Covered::Digest => None,
            Covered::Attributes(attributes) => Some(attributes.clone()),
            Covered::Content if !certificate.key_kind().permits(scheme) => return Err(VerifyError::InvalidKey),
            Covered::Content => Some(forms.read(self.form).ok_or(VerifyError::NeedsMessage)?),
        };
        let verifiers = terms.provider.verifiers();
        verifiers.verify(scheme, certificate.spki_der(), &self.digest, message.as_deref(), &signer.signature)
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
    let fits = |digest: &DigestValue| digest.ct_eq(expected);
    let form = if forms.as_received(algorithm).is_some_and(fits) {
        Some(SignedOctets::AsReceived)
    } else {
        forms.others(algorithm, terms).find(|(_, digest)| fits(digest)).map(|(form, _)| form)
    };
    let form = form.ok_or(ReceiveError::IntegrityCheck { algorithm })?;
    let content_type = attributes.content_type().map_err(|error| fault(error.to_string()))?;
    if content_type != signed.content_type {
        return Err(fault(format!("contentType is {content_type}, the content is {}", signed.content_type)));
    }
    check_protection(attributes, signer).map_err(fault)?;
    let received = attributes.as_received();
    let sorted = attributes.as_sorted_der().ok().filter(|der| Some(der) != received.as_ref());
    let mut claims = Vec::with_capacity(2);
    // BouncyCastle verifies over the sorted attributes, OpenSSL over those it received: either may have been signed.
    for (message, reordered) in [(received, false), (sorted, true)] {
        let Some(message) = message else { continue };
        let digest = terms.provider.digest(algorithm, &message).map_err(unsupported)?;
        let notes = form.note().into_iter().chain(reordered.then_some(Note::AttributeOrder)).collect();
        claims.push(Claim { digest, covered: Covered::Attributes(message.into()), form, notes });
    }
    Ok(claims)
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

fn unsupported(error: crate::crypto::CryptoError) -> ReceiveError {
    ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: error.to_string() }
}
