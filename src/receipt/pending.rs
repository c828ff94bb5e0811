//! A receipt that is waited for, and its judgement when it comes (RFC 4130 sections 7.1 and 7.4).

use std::io::Read;
use std::time::SystemTime;

use bytes::Bytes;
use http::Response;

use crate::algorithm::DigestAlgorithm;
use crate::certificate::{Certificate, CertificateUse};
use crate::crypto::CryptoProvider;
use crate::error::{AuthenticationFault, ReceiveError, TransportFailure};
use crate::limits::Limits;
use crate::mdn::{Disposition, MicField};
use crate::name::{As2Name, MessageId};
use crate::note::Note;
use crate::partner::Partner;
use crate::profile::{CertificateTerms, Compression, PartnerProfile, ReceiptKind, ReceiptTerms, SignedForm};
use crate::receipt::evidence::{Evidence, Proof};
use crate::receipt::incoming::{IncomingMdn, SignedReport};
use crate::receipt::outcome::{Dispute, Outcome, SendOutcome};
use crate::response::{Rules, judge};
use crate::smime::mic::{Digests, Mic, MicScope};
use crate::smime::verify::{VerifyTerms, read_signature, verify_part};
use crate::stored::{FormatVersion, Instant, Octets};
use crate::trust::{Signers, Trust, UseTerms};

/// What a message's receipt will be checked against. Save it with the request, before the first octet leaves.
///
/// Its content is private and versioned: with feature `serde` it can be stored for as long as the receipt may take.
/// The terms are those of the day the message was sent, whatever the profile says later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[must_use = "without it the receipt cannot be judged"]
pub struct PendingReceipt {
    version: FormatVersion,
    message_id: MessageId,
    us: As2Name,
    them: As2Name,
    sent_at: Instant,
    subject: Option<String>,
    kind: ReceiptKind,
    asynchronous: bool,
    terms: ReceiptTerms,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    certificates: CertificateTerms,
    scope: MicScope,
    mics: Vec<Mic>,
    variants: Vec<Mic>,
    /// Header of the entity that the MIC covers, where that entity is this header and the payload.
    head: Option<Octets>,
}

/// What the builder knows of a message when it is complete.
pub(crate) struct Sent<'a> {
    pub(crate) message_id: MessageId,
    pub(crate) profile: &'a PartnerProfile,
    pub(crate) sent_at: SystemTime,
    pub(crate) mics: Vec<Mic>,
    pub(crate) variants: Vec<Mic>,
    pub(crate) scope: MicScope,
    pub(crate) head: Bytes,
    pub(crate) subject: Option<String>,
}

impl PendingReceipt {
    pub(crate) fn new(sent: Sent<'_>) -> Self {
        let wish = &sent.profile.send.receipt;
        let signs_compressed =
            sent.profile.send.sign.is_some() && sent.profile.send.compress == Compression::BeforeSigning;
        Self {
            version: FormatVersion,
            message_id: sent.message_id,
            us: sent.profile.us.clone(),
            them: sent.profile.them.clone(),
            sent_at: Instant(sent.sent_at),
            subject: sent.subject,
            kind: wish.kind,
            asynchronous: wish.asynchronous_url.is_some(),
            terms: sent.profile.expect.clone(),
            certificates: sent.profile.certificates.clone(),
            scope: sent.scope,
            mics: sent.mics,
            variants: sent.variants,
            head: (!signs_compressed && !sent.head.is_empty()).then_some(Octets(sent.head)),
        }
    }

    /// The message that waits.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Our AS2 name in this message.
    #[must_use]
    pub fn us(&self) -> &As2Name {
        &self.us
    }

    /// The partner's AS2 name in this message.
    #[must_use]
    pub fn them(&self) -> &As2Name {
        &self.them
    }

    /// When the message was built.
    #[must_use]
    pub fn sent_at(&self) -> SystemTime {
        self.sent_at.0
    }

    /// The subject of the message.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The integrity checks of what was sent, one for each digest that a receipt was expected to use.
    #[must_use]
    pub fn mics(&self) -> &[Mic] {
        &self.mics
    }

    /// Which octets the integrity checks cover.
    #[must_use]
    pub fn mic_scope(&self) -> MicScope {
        self.scope
    }

    /// Reads the HTTP answer to the message, or the failure to get one, as the agreement of today says.
    ///
    /// ```
    /// # use as2_protocol::{Partner, PendingReceipt, SendOutcome, TransportFailure};
    /// # use std::time::SystemTime;
    /// # fn show(pending: &PendingReceipt, acme: &Partner, now: SystemTime) {
    /// let answer = Err(TransportFailure::new("connection reset"));
    /// match pending.on_response(answer, acme, now) {
    ///     SendOutcome::Retry { reason } => assert_eq!(reason, "connection reset"),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # }
    /// ```
    pub fn on_response(
        &self,
        response: Result<&Response<Bytes>, TransportFailure>,
        partner: &Partner,
        now: SystemTime,
    ) -> SendOutcome {
        let response = match response {
            Ok(response) => response,
            Err(failure) => return failure.into(),
        };
        let profile = partner.profile();
        let rules = Rules::new(&profile.endpoint, &profile.pacing);
        // A receipt in the body settles the message whatever the status is: some servers send it with 4xx or 5xx.
        let read = IncomingMdn::read(response.headers(), response.body().clone(), &Limits::default());
        let (taken, reason) = match read {
            Ok(mdn) if self.kind != ReceiptKind::None => {
                return SendOutcome::Settled(Box::new(self.settle(&mdn, partner, now)));
            }
            Ok(_) => (judge(response, None, now), String::new()),
            Err(reason) => (judge(response, Some(rules), now), reason),
        };
        match taken {
            Err(trouble) => trouble.into(),
            Ok(()) => match self.kind {
                ReceiptKind::None => SendOutcome::Transferred,
                _ if self.asynchronous => SendOutcome::Awaiting,
                _ => SendOutcome::NoReceipt { status: response.status(), reason },
            },
        }
    }

    pub(crate) fn must_be_signed(&self) -> bool {
        self.kind == ReceiptKind::Signed
    }

    /// Judges a receipt: signature, message and parties, disposition, integrity check, in this order.
    ///
    /// Other names than those of the message are a dispute, unless the partner's signature and the integrity check are
    /// right: then they are noted ([`Evidence::notes`]).
    ///
    /// The signature may be by any current certificate of the partner, or by a retired one that was still in use
    /// when the message was sent.
    pub fn settle(&self, mdn: &IncomingMdn, partner: &Partner, now: SystemTime) -> Outcome {
        self.judge(mdn, &self.signers(partner), partner.provider(), now)
    }

    /// Judges a receipt whose digest was not kept, by hashing the payload again.
    ///
    /// # Errors
    /// Those of reading the payload. [`Outcome::NeedsMic`] comes back where the payload alone does not give the
    /// signed octets: it was compressed before it was signed, or it is one of several documents.
    pub fn settle_with(
        &self,
        mdn: &IncomingMdn,
        partner: &Partner,
        payload: &mut dyn Read,
        now: SystemTime,
    ) -> std::io::Result<Outcome> {
        let signers = self.signers(partner);
        let outcome = self.judge(mdn, &signers, partner.provider(), now);
        let (Outcome::NeedsMic { algorithm }, Some(head)) = (&outcome, &self.head) else { return Ok(outcome) };
        // mendelson answers unsigned messages with SHA-1 whatever was listed: without layers, the body alone is hashed.
        let head = if self.scope == MicScope::BodyOnly { &[][..] } else { &head.0 };
        let Some(mic) = recompute(partner.provider(), *algorithm, head, payload)? else { return Ok(outcome) };
        // The evidence holds what it was judged by, or it could not be verified again.
        let mics = self.mics.iter().cloned().chain([mic]).collect();
        Ok(Self { mics, ..self.clone() }.judge(mdn, &signers, partner.provider(), now))
    }

    /// The partner's signers, by the terms of the day and at the time the message was sent: a certificate may expire
    /// while the receipt is on its way.
    fn signers(&self, partner: &Partner) -> Signers {
        partner.signers(self.use_terms(), self.sent_at.0)
    }

    fn use_terms(&self) -> UseTerms {
        UseTerms::new(&self.certificates, CertificateUse::Receipts)
    }

    /// Judges a receipt again under the certificate that it was judged by.
    pub(crate) fn judge_again(
        &self,
        mdn: &IncomingMdn,
        signer: Option<&Certificate>,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Outcome {
        let trusted = signer.into_iter().cloned().collect();
        let signers = Signers { trusted, trust: Trust::Pin, terms: self.use_terms() };
        self.judge(mdn, &signers, provider, now)
    }

    fn judge(&self, mdn: &IncomingMdn, signers: &Signers, provider: &CryptoProvider, now: SystemTime) -> Outcome {
        let disposition = mdn.disposition();
        let mut signer = match mdn.signed().map(|signed| self.verify(signed, signers, provider)) {
            None => Signer::default(),
            Some(Ok(signer)) => signer,
            Some(Err((dispute, under))) => {
                return self.dispute(dispute, mdn, Signer { certificate: under, notes: Vec::new() }, now);
            }
        };
        if let Err(dispute) = self.check_message(mdn) {
            return self.dispute(dispute, mdn, signer, now);
        }
        if let Err(dispute) = self.check_parties(mdn) {
            match self.check_mic(mdn) {
                // Gateways write names of their own, or swap them. Who signs the right identifier and the right
                // integrity check leaves no doubt about what he received.
                Ok(MicVerdict::Equal) if signer.certificate.is_some() => {
                    signer.notes.push(Note::Receipt(dispute.to_string()));
                }
                Ok(MicVerdict::Unknown(algorithm)) if signer.certificate.is_some() => {
                    return Outcome::NeedsMic { algorithm };
                }
                _ => return self.dispute(dispute, mdn, signer, now),
            }
        }
        let Some(disposition) = disposition else { return self.dispute(Dispute::NoDisposition, mdn, signer, now) };
        if let Some(refusal) = refusal(disposition, mdn) {
            return Outcome::Refuse(refusal, Evidence::new(self, mdn, signer, None, now));
        }
        if signer.certificate.is_none() && self.kind == ReceiptKind::Signed {
            return self.dispute(Dispute::Unsigned, mdn, signer, now);
        }
        let proof = match self.check_mic(mdn) {
            Ok(MicVerdict::Equal) if signer.certificate.is_some() => Proof::Signed,
            Ok(MicVerdict::Equal) => Proof::UnsignedWithMic,
            Ok(MicVerdict::Missing) if signer.certificate.is_none() => Proof::UnsignedNoMic,
            Ok(MicVerdict::Missing) => return self.dispute(Dispute::MicMissing, mdn, signer, now),
            Ok(MicVerdict::Unknown(algorithm)) => return Outcome::NeedsMic { algorithm },
            Err(dispute) => return self.dispute(dispute, mdn, signer, now),
        };
        Outcome::Deliver(Evidence::new(self, mdn, signer, Some(proof), now))
    }

    fn dispute(&self, dispute: Dispute, mdn: &IncomingMdn, signer: Signer, now: SystemTime) -> Outcome {
        Outcome::Dispute(dispute, Evidence::new(self, mdn, signer, None, now))
    }

    fn verify(
        &self,
        signed: &SignedReport,
        signers: &Signers,
        provider: &CryptoProvider,
    ) -> Result<Signer, (Dispute, Option<Certificate>)> {
        let terms = VerifyTerms {
            provider: provider.clone(),
            signers: signers.clone(),
            digests: self.terms.mdn_signatures.clone(),
            families: self.terms.mdn_signature_families.clone(),
            form: SignedForm::AsSentOrCrlf,
            limits: Limits::default(),
            now: self.sent_at.0,
            wanted: Vec::new(),
        };
        let data = read_signature(signed.cms.clone(), &terms.limits).map_err(|error| (error.into(), None))?;
        let mut notes = Vec::new();
        let verified = verify_part(signed.content.clone(), &data, &terms, &mut notes);
        let verified = verified.map_err(|failed| (failed.error.into(), failed.under))?;
        Ok(Signer { certificate: Some(verified.certificate().clone()), notes })
    }

    fn check_message(&self, mdn: &IncomingMdn) -> Result<(), Dispute> {
        let about = mdn.original_message_id();
        if about.as_ref().is_none_or(|id| *id != self.message_id) {
            let found = about.map_or_else(|| "(none)".to_owned(), |id| id.to_string());
            return Err(Dispute::OtherMessage { found });
        }
        Ok(())
    }

    /// The names, if they are there: some peers leave them out of synchronous receipts.
    fn check_parties(&self, mdn: &IncomingMdn) -> Result<(), Dispute> {
        let other =
            |name: Option<&crate::name::ReceivedName>, expected: &As2Name| name.is_some_and(|n| *n != *expected);
        if other(mdn.from(), &self.them) || other(mdn.to(), &self.us) {
            let text = |name: Option<&crate::name::ReceivedName>| name.map(ToString::to_string).unwrap_or_default();
            return Err(Dispute::OtherParties { from: text(mdn.from()), to: text(mdn.to()) });
        }
        Ok(())
    }

    fn check_mic(&self, mdn: &IncomingMdn) -> Result<MicVerdict, Dispute> {
        let received = match mdn.mic() {
            None => return Ok(MicVerdict::Missing),
            Some(MicField::Unparsable(text)) => return Err(Dispute::MicUnreadable(text.clone())),
            Some(MicField::Mic(received)) => received,
        };
        let algorithm = received
            .digest_algorithm()
            .ok_or_else(|| Dispute::MicUnreadable(format!("unknown digest {}", received.algorithm)))?;
        if !self.terms.mics.contains(&algorithm) {
            return Err(Dispute::MicAlgorithm(algorithm));
        }
        let ours = self.mics.iter().find(|mic| mic.algorithm() == algorithm);
        let Some(ours) = ours else { return Ok(MicVerdict::Unknown(algorithm)) };
        let variants = self.variants.iter().filter(|mic| mic.algorithm() == algorithm);
        if std::iter::once(ours).chain(variants).any(|mic| mic.digest() == received.digest) {
            return Ok(MicVerdict::Equal);
        }
        Err(Dispute::MicMismatch { ours: ours.clone(), received: received.to_base64() })
    }
}

/// Who signed a receipt, if somebody did, and what was tolerated.
#[derive(Default)]
pub(crate) struct Signer {
    pub(crate) certificate: Option<Certificate>,
    pub(crate) notes: Vec<Note>,
}

impl From<ReceiveError> for Dispute {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Authentication(AuthenticationFault::Certificate(fault)) => Self::Certificate(fault),
            error => Self::Signature(error),
        }
    }
}

enum MicVerdict {
    Equal,
    Missing,
    Unknown(DigestAlgorithm),
}

/// What takes a success back: the disposition, or a field of its own beside plain `processed`, as peers of the
/// RFC 3798 school write it.
fn refusal(disposition: &Disposition, mdn: &IncomingMdn) -> Option<Disposition> {
    if !disposition.is_positive() {
        return Some(disposition.clone());
    }
    let report = mdn.report();
    let failure = report.failures.first().map(|text| Disposition::failure(text));
    failure.or_else(|| report.errors.first().map(|text| Disposition::error(text)))
}

#[cfg(feature = "serde")]
fn is_default(terms: &CertificateTerms) -> bool {
    *terms == CertificateTerms::default()
}

fn recompute(
    provider: &CryptoProvider,
    algorithm: DigestAlgorithm,
    head: &[u8],
    payload: &mut dyn Read,
) -> std::io::Result<Option<Mic>> {
    let Ok(mut digests) = Digests::start(provider, &[algorithm]) else { return Ok(None) };
    digests.update(head);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = payload.read(&mut chunk)?;
        if read == 0 {
            return Ok(digests.finish().first().map(Mic::new));
        }
        digests.update(chunk.get(..read).unwrap_or_default());
    }
}
