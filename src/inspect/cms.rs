//! CMS objects: how they are encoded, whom they name, what they claim.

use bytes::Bytes;

use super::entity::Check;
use super::tree::Finding;
use super::{Look, entity};
use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::certificate::{Certificate, hex};
use crate::cms::content::{self, ContentInfo, Shape};
use crate::cms::enveloped::recipient::RecipientInfo;
use crate::cms::signed::{SignedData, SignerInfo};
use crate::cms::{AlgorithmIdentifier, EntityId};
use crate::error::ReceiveError;
use crate::identity::Identity;
use crate::mime::param::ContentType;
use crate::note::Note;
use crate::profile::AcceptTerms;
use crate::smime::compress::unpack;
use crate::smime::decrypt::{OpenTerms, SealedEnvelope};
use crate::smime::entity_id::{describe, names};
use crate::smime::layer::{micalg_note, smime_type_note};
use crate::stored::Instant;

/// A CMS object, and what is inside it.
pub(super) fn object(
    inspector: &Look<'_>,
    octets: Bytes,
    content_type: Option<&ContentType>,
    nesting: usize,
) -> Finding {
    let length = octets.len();
    let (info, shape) = match content::read(octets, &inspector.limits) {
        Ok(read) => read,
        Err(error) => return Finding::new("a CMS object").fact("octets", length).broken(&error),
    };
    let mut found = encoded(Finding::new(""), shape, length);
    if let Some(note) = content_type.and_then(|content_type| smime_type_note(Some(content_type), &info)) {
        found.note(&note);
    }
    match info {
        ContentInfo::Enveloped(data) => {
            found.title = "EnvelopedData".to_owned();
            let found = envelope(inspector, found, &data.recipients, &data.algorithm);
            let sealed = |terms: OpenTerms<'_>| SealedEnvelope::enveloped(data, terms);
            opened(inspector, found, sealed, nesting)
        }
        ContentInfo::AuthEnveloped(data) => {
            found.title = "AuthEnvelopedData".to_owned();
            let found = envelope(inspector, found, &data.recipients, &data.algorithm);
            let sealed = |terms: OpenTerms<'_>| SealedEnvelope::authenticated(data, terms);
            opened(inspector, found, sealed, nesting)
        }
        ContentInfo::Compressed(data) => {
            found.title = "CompressedData".to_owned();
            let found = found.fact("compressed octets", data.content.len());
            let Some(budget) = inspector.budget.take() else {
                return found.broken(&"what may be inflated is used up");
            };
            match unpack(&data, budget) {
                Ok((plain, left, note)) => {
                    inspector.budget.set(Some(left));
                    found.notes(note.as_slice()).part(entity::whole(inspector, plain.into(), nesting))
                }
                Err(fault) => found.broken(&fault),
            }
        }
        ContentInfo::Signed(data) => {
            found.title = "SignedData".to_owned();
            let found = signers(inspector, found, &data, data.content.as_ref(), None);
            match &data.content {
                Some(content) => found.part(entity::whole(inspector, content.clone(), nesting)),
                None => found,
            }
        }
    }
}

/// The signature part of multipart/signed, beside the content that it should cover.
pub(super) fn signature(inspector: &Look<'_>, octets: Bytes, content: &Bytes, micalg: Option<&str>) -> Finding {
    let length = octets.len();
    match content::read(octets, &inspector.limits) {
        Ok((ContentInfo::Signed(data), shape)) => {
            let found = encoded(Finding::new("SignedData"), shape, length);
            signers(inspector, found, &data, Some(content), micalg)
        }
        Ok(_) => Finding::new("the signature").fact("octets", length).broken(&"it is another CMS object"),
        Err(error) => Finding::new("the signature").fact("octets", length).broken(&error),
    }
}

fn encoded(found: Finding, shape: Shape, length: usize) -> Finding {
    let form = if shape.indefinite { "BER with indefinite lengths" } else { "definite lengths" };
    let found = found.fact("octets", length).fact("encoding", format!("{form}, content in {} pieces", shape.segments));
    match shape.trailing {
        0 => found,
        count => found
            .odd(format!("{count} octets of padding follow"), "RFC 5652 section 3: ContentInfo is the whole object"),
    }
}

fn envelope(
    inspector: &Look<'_>,
    found: Finding,
    recipients: &[RecipientInfo],
    algorithm: &AlgorithmIdentifier,
) -> Finding {
    let cipher = CipherAlgorithm::from_oid(&algorithm.oid);
    let cipher = cipher.map_or_else(|| algorithm.oid.to_string(), |cipher| cipher.to_string());
    recipients.iter().fold(found.fact("cipher", cipher), |found, recipient| match recipient {
        RecipientInfo::KeyTransport { rid, algorithm, encrypted_key } => {
            named(inspector, found, rid, algorithm, encrypted_key)
        }
        RecipientInfo::KeyAgreement(agreement) => agreement
            .recipients
            .iter()
            .fold(found, |found, (rid, key)| named(inspector, found, rid, &agreement.algorithm, key)),
        RecipientInfo::KeyEncapsulation(sent) => named(inspector, found, &sent.rid, &sent.kem, &sent.encrypted_key),
        RecipientInfo::Other { .. } => found.fact("recipient", format!("{recipient:?}")),
    })
}

fn named(
    inspector: &Look<'_>,
    found: Finding,
    rid: &EntityId,
    algorithm: &AlgorithmIdentifier,
    encrypted_key: &Bytes,
) -> Finding {
    let ours = inspector.identity.iter().flat_map(Identity::decrypting_certificates);
    let ours = ours.filter(|certificate| names(rid, certificate)).count() > 0;
    let whose = match (ours, inspector.identity.is_some()) {
        (true, _) => ", which is ours",
        (false, true) => ", which is none of ours",
        (false, false) => "",
    };
    let key = format!("{} octets by {}", encrypted_key.len(), algorithm.oid);
    found.fact("recipient", format!("{}{whose}; key of {key}", describe(rid)))
}

/// Opens an envelope with any algorithm that there is: this is for our own eyes.
fn opened(
    inspector: &Look<'_>,
    found: Finding,
    sealed: impl FnOnce(OpenTerms<'_>) -> Result<SealedEnvelope, ReceiveError>,
    nesting: usize,
) -> Finding {
    let Some(us) = &inspector.identity else { return found };
    let accept = AcceptTerms {
        ciphers: CipherAlgorithm::ALL.to_vec(),
        key_transports: KeyTransport::ALL.to_vec(),
        gcm_in_enveloped_data: true,
        ..AcceptTerms::default()
    };
    let terms = OpenTerms { us, provider: us.provider(), accept: &accept, limits: &inspector.limits };
    let envelope = match sealed(terms) {
        Ok(envelope) => envelope,
        Err(error) => return found.broken(&error),
    };
    let answer = envelope.request().ask().map(crate::crypto::SecretBytes::new);
    match envelope.open(answer, us.provider()) {
        Ok(opened) => {
            let found = found.fact("opened with", us_named(us));
            match opened.taint {
                Some(fault) => found.broken(&format!("{fault}: a wrong key, or changed octets")),
                None => found.part(entity::whole(inspector, opened.content, nesting)),
            }
        }
        Err(error) => found.broken(&error),
    }
}

fn us_named(us: &Identity) -> String {
    us.decrypting_certificates().map(Certificate::subject).collect::<Vec<_>>().join(" or ")
}

fn signers(
    inspector: &Look<'_>,
    found: Finding,
    data: &SignedData,
    content: Option<&Bytes>,
    micalg: Option<&str>,
) -> Finding {
    let mut found = found;
    for der in &data.certificates {
        found = match Certificate::from_der(der.clone()) {
            Ok(certificate) => found.part(embedded(inspector, &certificate)),
            Err(error) => found.part(Finding::new("a certificate that came along").broken(&error)),
        };
    }
    if data.signers.is_empty() {
        found = found.odd("there is no signer", "RFC 5652 section 5.1: each signature has a SignerInfo");
    }
    // Once for all signers, however many there are.
    let digests: Vec<_> = data.signers.iter().filter_map(digest_of).collect();
    let checks = content.map(|content| entity::checks(inspector, content, &digests)).unwrap_or_default();
    data.signers.iter().fold(found, |found, info| found.part(signer(info, &checks, micalg)))
}

fn embedded(inspector: &Look<'_>, certificate: &Certificate) -> Finding {
    let known = inspector.partner.as_ref().map(|partner| partner.verifies_with(certificate));
    let found = Finding::new("a certificate that came along")
        .fact("subject", certificate.subject())
        .fact("issuer", certificate.issuer())
        .fact("serial number", certificate.serial_hex())
        .fact("valid from", String::from(Instant(certificate.not_before())))
        .fact("valid until", String::from(Instant(certificate.not_after())))
        .fact("SHA-256 fingerprint", certificate.fingerprint_hex())
        .fact_if("configured for the partner", known.map(|known| if known { "yes" } else { "no" }));
    match inspector.now.filter(|now| !certificate.is_valid_at(*now)) {
        Some(now) => {
            let not_yet = now < certificate.not_before();
            found.notes(&[Note::Validity { subject: certificate.subject().to_owned(), not_yet }])
        }
        None => found,
    }
}

fn digest_of(info: &SignerInfo) -> Option<DigestAlgorithm> {
    DigestAlgorithm::from_oid(&info.digest_algorithm.oid)
}

fn signer(info: &SignerInfo, checks: &[Check], micalg: Option<&str>) -> Finding {
    let digest = digest_of(info);
    let named = digest.map_or_else(|| info.digest_algorithm.oid.to_string(), |digest| digest.to_string());
    let mut found = Finding::new("a signer")
        .fact("named by", describe(&info.sid))
        .fact("digest", named)
        .fact("signature algorithm", info.signature_algorithm.oid)
        .fact("octets of the signature", info.signature.len());
    if let Some(note) = micalg.zip(digest).and_then(|(micalg, digest)| micalg_note(micalg, digest)) {
        found.note(&note);
    }
    let Some(attributes) = &info.signed_attributes else {
        return found.fact("signed attributes", "none: the signature covers the content itself");
    };
    found =
        found.fact_if("signed at, as the signer says", attributes.signing_time().map(|at| String::from(Instant(at))));
    match attributes.message_digest() {
        Ok(expected) => compared(found, expected, digest, checks),
        Err(error) => found.broken(&error),
    }
}

/// Which form of the content has the digest that was signed.
fn compared(found: Finding, expected: &[u8], digest: Option<DigestAlgorithm>, checks: &[Check]) -> Finding {
    let checks: Vec<_> = checks.iter().filter(|check| Some(check.mic.algorithm()) == digest).collect();
    if checks.is_empty() {
        return found;
    }
    let fits = |check: &&&Check| check.mic.digest() == expected;
    let matching = checks.iter().find(fits).map(|check| check.form.as_str());
    let shown = checks.iter().filter(|check| !check.is_rare || fits(check));
    let found = shown.fold(found, |found, check| found.fact(&format!("MIC of the content {}", check.form), &check.mic));
    match matching {
        Some("as sent") => found.fact("the signed digest is that of", "the content as sent"),
        Some(form) => found.odd(
            format!("the signed digest is that of the content {form}"),
            "RFC 1847 section 2.1: the octets that were signed are the octets that are sent",
        ),
        None => found.broken(&format!("the signed digest is that of none of these, it is {}", hex(expected))),
    }
}
