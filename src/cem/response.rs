//! The response to a certificate exchange request: written and read.

use std::time::SystemTime;

use crate::cem::received::Decision;
use crate::cem::{CemError, Reference, envelope, write_head, xml};
use crate::identity::Identity;
use crate::message::builder::MessageBuilder;
use crate::message::payload::Payload;
use crate::name::printable;
use crate::partner::Partner;
use crate::stored::Instant;

/// The partner's answer to a request of ours; [`CertificateExchange::settle`](crate::cem::CertificateExchange::settle) takes it.
#[derive(Clone, Debug)]
pub struct ReceivedResponse {
    request_id: String,
    from: String,
    originated: SystemTime,
    answers: Vec<TrustResponse>,
}

impl ReceivedResponse {
    pub(super) fn new(request_id: String, from: String, originated: SystemTime, answers: Vec<TrustResponse>) -> Self {
        Self { request_id, from, originated, answers }
    }

    /// The request that is answered: the key to look its [`CertificateExchange`](crate::cem::CertificateExchange) up by.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When the partner wrote the document.
    #[must_use]
    pub fn originated(&self) -> SystemTime {
        self.originated
    }

    /// The answers, one for each certificate.
    #[must_use]
    pub fn answers(&self) -> &[TrustResponse] {
        &self.answers
    }

    /// AS2 name of the partner.
    pub(super) fn from(&self) -> &str {
        &self.from
    }
}

/// The answer about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustResponse {
    reference: Reference,
    decision: Decision,
}

impl TrustResponse {
    pub(super) fn new(reference: Reference, decision: Decision) -> Self {
        Self { reference, decision }
    }

    /// What the partner decided.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The issuer of the certificate, as the partner wrote it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.reference.issuer
    }

    /// The serial number of the certificate in decimal digits, as the partner wrote it.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.reference.serial
    }

    pub(super) fn reference(&self) -> &Reference {
        &self.reference
    }

    pub(super) fn read(node: roxmltree::Node<'_, '_>) -> Result<Self, CemError> {
        let status = xml::child_text(node, "CertStatus")?;
        let reason = match xml::optional(node, "ReasonForRejection")? {
            Some(reason) => xml::text(reason)?,
            None => String::new(),
        };
        let decision = match status.to_ascii_lowercase().as_str() {
            "accepted" => Decision::Accept,
            "rejected" => Decision::Reject(reason),
            _ => return Err(CemError::Value { element: "CertStatus", value: printable(&status) }),
        };
        Ok(Self { reference: Reference::read(xml::child(node, "CertificateReference")?)?, decision })
    }

    fn write(&self, writer: &mut xml::Writer) {
        writer.begin("TrustResponse");
        match &self.decision {
            Decision::Accept => writer.leaf("CertStatus", "Accepted"),
            Decision::Reject(reason) => {
                writer.leaf("CertStatus", "Rejected");
                writer.leaf("ReasonForRejection", reason);
            }
        }
        writer.begin("CertificateReference");
        self.reference.write(writer);
        writer.end();
        writer.end();
    }
}

/// A message with these answers.
pub(super) fn message(
    request_id: &str,
    answers: &[&TrustResponse],
    us: &Identity,
    partner: &Partner,
    now: SystemTime,
) -> Result<(MessageBuilder, Payload), CemError> {
    let mut writer = xml::Writer::new("EDIINTCertificateExchangeResponse", request_id);
    write_head(&mut writer, &partner.profile().us, Instant(now));
    for answer in answers {
        answer.write(&mut writer);
    }
    envelope(MessageBuilder::new(us, partner), partner, writer.finish())
}
