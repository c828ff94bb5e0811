//! Our key among the recipients of an envelope.

use bytes::Bytes;

use crate::cms::enveloped::recipient::{KEY_AGREEMENT, KeyAgreement, KeyEncapsulation, RecipientInfo};
use crate::cms::{AlgorithmIdentifier, EntityId};
use crate::error::ReceiveError;
use crate::identity::Decrypting;
use crate::smime::entity_id::{describe, names};

/// The content-encryption key as it was sent to one recipient.
#[derive(Clone, Copy, Debug)]
pub(super) enum SentKey<'a> {
    Transported { algorithm: &'a AlgorithmIdentifier, wrapped: &'a Bytes },
    Agreed { agreement: &'a KeyAgreement, wrapped: &'a Bytes },
    Encapsulated(&'a KeyEncapsulation),
}

/// Finds our key: by issuer and serial number or key identifier, else by a serial number that is unique on both sides,
/// since some stacks re-encode the issuer's strings. Never by trying keys in turn: whether a PKCS#1 v1.5 unwrap
/// succeeded must not be observable.
pub(super) fn addressee<'a>(
    recipients: &'a [RecipientInfo],
    ours: &'a [Decrypting],
) -> Result<(&'a Decrypting, SentKey<'a>), ReceiveError> {
    let exact = sent_keys(recipients)
        .find_map(|(id, sent)| ours.iter().find(|own| names(id, &own.certificate)).map(|own| (own, sent)));
    let by_serial = || {
        let mut hits = sent_keys(recipients)
            .flat_map(|(id, sent)| ours.iter().filter(move |own| same_serial(id, own)).map(move |own| (own, sent)));
        hits.next().filter(|_| hits.next().is_none())
    };
    exact.or_else(by_serial).ok_or_else(|| ReceiveError::NoRecipient {
        encrypted_to: recipients.iter().flat_map(describe_recipient).collect(),
        ours: ours.iter().map(describe_own).collect(),
    })
}

fn sent_keys(recipients: &[RecipientInfo]) -> impl Iterator<Item = (&EntityId, SentKey<'_>)> {
    recipients.iter().flat_map(|recipient| {
        let (transported, agreed) = match recipient {
            RecipientInfo::KeyTransport { rid, algorithm, encrypted_key } => {
                (Some((rid, SentKey::Transported { algorithm, wrapped: encrypted_key })), None)
            }
            RecipientInfo::KeyAgreement(agreement) => (None, Some(agreement)),
            RecipientInfo::KeyEncapsulation(sent) => (Some((&sent.rid, SentKey::Encapsulated(sent))), None),
            RecipientInfo::Other { .. } => (None, None),
        };
        let agreed = agreed.into_iter().flat_map(|agreement| {
            let sent = move |wrapped| SentKey::Agreed { agreement, wrapped };
            agreement.recipients.iter().map(move |(rid, wrapped)| (rid, sent(wrapped)))
        });
        transported.into_iter().chain(agreed)
    })
}

fn same_serial(id: &EntityId, own: &Decrypting) -> bool {
    match id {
        EntityId::IssuerAndSerial { serial, .. } => serial.as_ref() == own.certificate.serial_octets(),
        EntityId::SubjectKeyId(_) => false,
    }
}

fn describe_recipient(recipient: &RecipientInfo) -> Vec<String> {
    match recipient {
        RecipientInfo::KeyTransport { rid, .. } => vec![describe(rid)],
        RecipientInfo::KeyAgreement(agreement) => agreement.recipients.iter().map(|(rid, _)| describe(rid)).collect(),
        RecipientInfo::KeyEncapsulation(sent) => vec![describe(&sent.rid)],
        RecipientInfo::Other { tag: KEY_AGREEMENT } => vec!["a key agreement that cannot be read".to_owned()],
        RecipientInfo::Other { tag: 0xa2 } => vec!["whoever holds a key encryption key".to_owned()],
        RecipientInfo::Other { tag: 0xa3 } => vec!["whoever knows a password".to_owned()],
        RecipientInfo::Other { tag } => vec![format!("a recipient of kind {tag}")],
    }
}

fn describe_own(own: &Decrypting) -> String {
    format!("issuer {}, serial {}", own.certificate.issuer(), own.certificate.serial_hex())
}
