//! Judging layers whose octets passed by.

use super::{Peel, without_content};
use crate::cms::content::ContentInfo;
use crate::error::ReceiveError;
use crate::smime::current::Inner;
use crate::smime::decrypt::SealedEnvelope;
use crate::smime::passed::{Content, Inside, Passed, PassedCms, PassedEnvelope, PassedPayload, SignedParts};

impl Passed {
    pub(super) fn into_signed(self) -> Result<SignedParts, ReceiveError> {
        match self {
            Self::Signed(parts) => Ok(parts),
            other => Err(other.unread()),
        }
    }

    pub(super) fn into_cms(self) -> Result<PassedCms, ReceiveError> {
        match self {
            Self::Cms(cms) => Ok(*cms),
            other => Err(other.unread()),
        }
    }

    pub(super) fn into_payload(self) -> Result<PassedPayload, ReceiveError> {
        match self {
            Self::Payload(payload) => Ok(payload),
            other => Err(other.unread()),
        }
    }

    /// Reader and judge go by the same rules, so this is met for a wrapper that holds something else only.
    fn unread(self) -> ReceiveError {
        match self {
            Self::Wrapped(Err(error)) => error,
            _ => ReceiveError::UnsupportedContent("not what its header says".to_owned()),
        }
    }
}

impl Peel {
    /// Goes on inside an object whose content was opened as it passed by.
    pub(super) fn passed(
        &mut self,
        info: ContentInfo,
        inside: Inside,
    ) -> Result<Option<Box<SealedEnvelope>>, ReceiveError> {
        match (info, inside) {
            (ContentInfo::Enveloped(mut data), Inside::Late(content)) => {
                data.content = content;
                return self.at_hand(ContentInfo::Enveloped(data));
            }
            (ContentInfo::AuthEnveloped(mut data), Inside::Late(content)) => {
                data.content = content;
                return self.at_hand(ContentInfo::AuthEnveloped(data));
            }
            (ContentInfo::Enveloped(_) | ContentInfo::AuthEnveloped(_), Inside::Sealed(envelope)) => {
                let PassedEnvelope { envelope_key, cipher, transport, own, opened } = envelope?;
                let opened = opened.map(|(entity, taint)| (Inner::Passed(entity), taint));
                self.unsealed(envelope_key, (cipher, transport, own), opened)?;
            }
            (ContentInfo::Compressed(_), Inside::Compressed(inflated)) => {
                self.inflates_once()?;
                let (entity, note) = inflated?;
                self.inflated(Inner::Passed(entity), note)?;
            }
            (ContentInfo::Signed(signed), Inside::Signed(content)) => {
                let inner = self.verify(Content::Passed(content), &signed, true)?;
                self.enter(inner)?;
            }
            _ => return Err(without_content()),
        }
        Ok(None)
    }
}
