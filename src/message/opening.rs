//! Before a message is opened: who talks to whom, under which agreement, and what is asked for.

use std::time::SystemTime;

use crate::algorithm::DigestAlgorithm;
use crate::announce::Announcement;
use crate::certificate::CertificateUse;
use crate::error::{Answer, ReceiveError};
use crate::headers::CONTENT_TRANSFER_ENCODING;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::mdn::MdnRequest;
use crate::message::parser::Head;
use crate::message::refused::Refused;
use crate::mime::param::ContentType;
use crate::note::Note;
use crate::partner::Partner;
use crate::profile::{AcceptTerms, Explain, WeakReceipt};
use crate::receipt::builder::{Asked, MdnBuilder};
use crate::smime::current::Current;
use crate::smime::mic::{Mic, MicRule};
use crate::smime::passed::Body;
use crate::smime::peel::PeelTerms;
use crate::trust::UseTerms;

/// What opening a message needs, however its body comes.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) context: Context,
    pub(crate) terms: PeelTerms,
    /// The outermost entity, without its body.
    pub(crate) outer: Current,
}

impl Opening {
    pub(crate) fn new(
        head: Head,
        content_type: Option<ContentType>,
        limits: Limits,
        (us, partner): (&Identity, Option<&Partner>),
        now: SystemTime,
    ) -> Result<Self, Refused> {
        let context = Context::new(us, partner, &head);
        let agreed = partner.filter(|partner| {
            let profile = partner.profile();
            head.from == profile.them && head.to == profile.us
        });
        let Some(partner) = agreed else {
            let error = ReceiveError::UnknownPartner {
                from: crate::name::printable(head.from.as_str()),
                to: crate::name::printable(head.to.as_str()),
            };
            return Err(Refused::early(context.of_nobody(), error));
        };
        let accept = partner.profile().accept.clone();
        let mic = match check_receipt_request(head.receipt_request.as_ref(), &accept) {
            Ok(rule) => rule,
            Err(error) => return Err(Refused::early(context, error)),
        };
        let use_terms = UseTerms::new(&partner.profile().certificates, CertificateUse::Verification);
        let terms = PeelTerms {
            us: us.clone(),
            provider: partner.provider().clone(),
            signers: partner.signers(use_terms, now),
            accept,
            limits,
            now,
            mic,
        };
        let field = |name: &str| head.headers.get(name).map(|value| value.as_bytes().to_vec());
        let outer = Current {
            content_type,
            transfer: field(CONTENT_TRANSFER_ENCODING),
            disposition: field("content-disposition"),
            body: Body::default(),
            whole: None,
        };
        Ok(Self { context, terms, outer })
    }
}

/// Who talks to whom about which message: what every answer needs.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    us: Identity,
    pub(crate) partner: Option<Partner>,
    pub(crate) asked: Asked,
    pub(crate) announced: Announcement,
    pub(crate) notes: Vec<Note>,
}

impl Context {
    fn new(us: &Identity, partner: Option<&Partner>, head: &Head) -> Self {
        let text =
            |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            us: us.clone(),
            partner: partner.cloned(),
            asked: Asked {
                from: head.from.clone(),
                to: head.to.clone(),
                message_id: head.message_id.clone(),
                subject: text("subject"),
                date: text("date"),
                request: head.receipt_request.clone(),
            },
            announced: head.announced.clone(),
            notes: head.notes.clone(),
        }
    }

    /// The agreement does not cover these names, so none of its terms apply.
    fn of_nobody(mut self) -> Self {
        self.partner = None;
        self
    }

    pub(crate) fn explain(&self) -> Explain {
        self.partner.as_ref().map_or(Explain::Safe, |partner| partner.profile().accept.explain)
    }

    pub(crate) fn mdn(self, answer: Answer, mic: Option<Mic>, signature: Option<DigestAlgorithm>) -> MdnBuilder {
        MdnBuilder::new(self.us, self.partner, self.asked, answer, mic, signature, self.notes)
    }
}

/// Whether the receipt can be given as it is asked for (RFC 4130 sections 7.3 and 7.5.3).
fn check_receipt_request(request: Option<&MdnRequest>, accept: &AcceptTerms) -> Result<MicRule, ReceiveError> {
    let Some(signed) = request.and_then(MdnRequest::signed) else { return Ok(MicRule::default()) };
    let known_protocol = signed.protocols().is_empty() || signed.supports_pkcs7();
    if signed.protocol_required() && !known_protocol {
        return Err(ReceiveError::UnsupportedReceiptFormat(signed.protocols().join(", ")));
    }
    if let Some(attribute) = signed.unknown_required().first() {
        return Err(ReceiveError::UnsupportedReceiptFormat(attribute.clone()));
    }
    let names = signed.micalgs();
    let mut listed: Vec<_> = names.iter().filter_map(|name| DigestAlgorithm::from_micalg(name)).collect();
    // MD5 and SHA-224 count as unknown names, unless the agreement takes signatures with them.
    listed.retain(|digest| digest.is_usual() || accept.digests.contains(digest));
    let weak_only = !listed.is_empty() && !listed.iter().any(|digest| digest.is_strong());
    let hopeless = listed.is_empty() && !names.is_empty() && signed.micalg_required();
    if hopeless || (weak_only && accept.weak_receipt == WeakReceipt::Refuse) {
        return Err(ReceiveError::UnsupportedMicAlgorithms(names.join(", ")));
    }
    Ok(MicRule { listed })
}
