//! Whom an identifier in a CMS structure names (RFC 5652 sections 5.3 and 6.2.1).

use crate::certificate::Certificate;
use crate::cms::EntityId;

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

/// Trusted certificates, those that the signer names first. The others follow: peers renew certificates under
/// the same key, and trying a public key tells nobody anything.
pub(crate) fn ordered<'a>(trusted: &'a [Certificate], sid: &'a EntityId) -> impl Iterator<Item = &'a Certificate> {
    let named = trusted.iter().filter(|certificate| names(sid, certificate));
    named.chain(trusted.iter().filter(|certificate| !names(sid, certificate)))
}
