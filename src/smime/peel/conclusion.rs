//! The end of all layers: the payload, its MIC, and the policy on what was actually unwrapped.

use bytes::Bytes;

use super::{Peel, mime};
use crate::crypto::DigestValue;
use crate::error::ReceiveError;
use crate::mime::param::ContentType;
use crate::mime::related::Document;
use crate::mime::transfer::decode;
use crate::smime::mic::{Digests, Mic, MicScope, pick};
use crate::smime::passed::{Body, PassedPayload};

/// What was found when all layers were open.
pub(super) struct Conclusion {
    /// `None` if it passed by.
    pub(super) body: Option<Bytes>,
    pub(super) documents: Vec<Document>,
    pub(super) mic: (Mic, MicScope),
}

impl Peel {
    /// The payload without its transfer encoding, the MIC, and the policy on what was actually unwrapped.
    pub(super) fn conclude(&mut self) -> Result<Conclusion, ReceiveError> {
        // Receipts are told from messages before they are opened; nothing describes one inside a security layer.
        if self.current.content_type.as_ref().is_some_and(ContentType::is_report) {
            return Err(ReceiveError::UnsupportedContent("a receipt inside a security layer".to_owned()));
        }
        let encoding = self.current.transfer_encoding().map_err(mime("payload"))?;
        let (body, mic, documents) = match std::mem::take(&mut self.current.body) {
            Body::Whole(body) => {
                let payload = decode(encoding, body).map_err(mime("payload"))?;
                let mic = self.mic(&payload, &[])?;
                (Some(payload), mic, None)
            }
            Body::Passed(passed) => {
                let PassedPayload { decoded, digests, documents } = passed.into_payload()?;
                decoded.map_err(mime("payload"))?;
                (None, self.mic(&Bytes::new(), &digests)?, Some(documents))
            }
        };
        self.check_policy()?;
        let documents = self.documents(body.as_ref(), documents)?;
        self.check_filenames(&documents)?;
        Ok(Conclusion { body, documents, mic })
    }

    /// RFC 4130 section 7.3.1, RFC 5402 section 4. `passed` holds the digests of octets that are not at hand.
    fn mic(&self, payload: &Bytes, passed: &[DigestValue]) -> Result<(Mic, MicScope), ReceiveError> {
        let (octets, scope, known) = match (&self.trail.signature, &self.current.whole) {
            (Some(signature), _) => (None, MicScope::SignedEntity, Some(signature)),
            (None, Some(whole)) => (Some(whole.clone()), MicScope::WholeEntity, None),
            (None, None) => (Some(payload.clone()), MicScope::BodyOnly, None),
        };
        let algorithm = self.terms.mic.choose(known.map(|signature| signature.scheme().digest()));
        let passed = known.map_or(passed, |signature| &signature.value().digests);
        if let Some(value) = pick(passed, algorithm) {
            return Ok((Mic::new(value), scope));
        }
        let octets = octets.or_else(|| known.map(|signature| signature.value().octets.clone())).unwrap_or_default();
        let values = Digests::of(&self.terms.provider, &[algorithm], &[octets])
            .map_err(|error| ReceiveError::UnsupportedMicAlgorithms(error.to_string()))?;
        let value = pick(&values, algorithm);
        value
            .map(|value| (Mic::new(value), scope))
            .ok_or_else(|| ReceiveError::UnsupportedMicAlgorithms(algorithm.to_string()))
    }
}
