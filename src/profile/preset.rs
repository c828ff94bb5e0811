//! Starting points for partners whose product is known: what that product needs, each line with where it is known from.

use std::fmt;
use std::str::FromStr;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
use crate::profile::{
    Attachments, Compression, Embed, LateReceipt, MicalgNames, PartnerProfile, ReceiptKind, Requirement,
};

/// A product, service or set of rules on the other side. [`PartnerProfile::with_preset`] changes what it needs and
/// leaves everything else alone; what the partner's form says goes on top.
///
/// ```
/// use as2_protocol::{Embed, PartnerProfile, Preset};
/// let profile = PartnerProfile::new("POP000001".parse()?, "POP000002".parse()?, "https://ap.example/as2".parse()?)
///     .with_preset(Preset::Peppol);
/// assert_eq!((profile.send.encrypt, profile.quirks.embed), (None, Embed::Leaf));
/// assert_eq!("mendelson".parse(), Ok(Preset::Mendelson));
/// # Ok::<(), as2_protocol::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// OpenAS2, and products built on it.
    OpenAs2,
    /// mendelson AS2.
    Mendelson,
    /// IBM Sterling B2B Integrator, and IBM DataPower.
    Sterling,
    /// Amazon's vendor and seller gateways.
    Amazon,
    /// Microsoft BizTalk Server and Azure Logic Apps.
    BizTalk,
    /// AWS Transfer Family.
    AwsTransfer,
    /// Walmart.
    Walmart,
    /// The Peppol AS2 profile, version 2.
    Peppol,
    /// What the drafts of RFC 4130's successor ask for. Agree on it; do not assume it.
    Modern,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 9] = [
        Self::OpenAs2,
        Self::Mendelson,
        Self::Sterling,
        Self::Amazon,
        Self::BizTalk,
        Self::AwsTransfer,
        Self::Walmart,
        Self::Peppol,
        Self::Modern,
    ];

    /// The name to find it by: `openas2`, `aws-transfer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAs2 => "openas2",
            Self::Mendelson => "mendelson",
            Self::Sterling => "sterling",
            Self::Amazon => "amazon",
            Self::BizTalk => "biztalk",
            Self::AwsTransfer => "aws-transfer",
            Self::Walmart => "walmart",
            Self::Peppol => "peppol",
            Self::Modern => "modern",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset { name: name.to_owned() })
    }
}

/// There is no preset of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset `{name}`; there are {}", Preset::ALL.map(Preset::name).join(", "))]
pub struct UnknownPreset {
    name: String,
}

impl PartnerProfile {
    /// Changes what `preset` needs.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        match preset {
            Preset::OpenAs2 => openas2(&mut self),
            Preset::Mendelson => mendelson(&mut self),
            Preset::Sterling => sterling(&mut self),
            Preset::Amazon => amazon(&mut self),
            Preset::BizTalk => biztalk(&mut self),
            Preset::AwsTransfer => aws_transfer(&mut self),
            Preset::Walmart => walmart(&mut self),
            Preset::Peppol => peppol(&mut self),
            Preset::Modern => modern(&mut self),
        }
        self
    }
}

fn openas2(profile: &mut PartnerProfile) {
    // Its receipts must name a digest that it listed, or it sends again (RFC 4130 section 7.4.3 as it reads it):
    // the first one listed, so no digest of our own choice.
    profile.accept.mdn_signature = None;
    // It has no detection of duplicates (measured): a message that it took and that comes again is processed again.
    profile.delivery.late_receipt = LateReceipt::Alert;
}

fn mendelson(profile: &mut PartnerProfile) {
    // It writes the names of RFC 3851 itself (observed in its messages and receipts).
    profile.quirks.micalg_names = MicalgNames::Rfc3851;
    // It embeds the whole chain, and verifies against its own store (source of its signing utility).
    profile.quirks.embed = Embed::Chain;
    // Encrypted and unsigned, the content is the bare document without MIME header (measured; pyas2lib works around it).
    profile.accept.bare_content = true;
    // AES-GCM stands in EnvelopedData (source of its encryption utility, a stream generator of Bouncy Castle).
    profile.accept.gcm_in_enveloped_data = true;
    // It announces `multiple-attachments` in every message, and takes them.
    profile.send.attachments = Attachments::Allow;
    // The integrity check of unsigned messages is SHA-1 whatever was asked for (source of its message parser).
    allow(&mut profile.expect.mics, DigestAlgorithm::Sha1);
    // A Message-ID that it has seen is answered with `unexpected-processing-error` and the advice to use a new one.
    profile.delivery.late_receipt = LateReceipt::Alert;
}

fn sterling(profile: &mut PartnerProfile) {
    // Signatures with CMSAlgorithmProtection fail with "authentication failure" (switches for it exist in OpenAS2,
    // as2-lib and mendelson). Some installations refuse signed attributes altogether (pyas2-lib issue 76): set
    // `quirks.signed_attributes` to false for those.
    profile.quirks.algorithm_protection = false;
}

fn amazon(profile: &mut PartnerProfile) {
    // Failures with compression switched on are reported by users of OpenAS2 (its compatibility table).
    profile.send.compress = Compression::None;
    // Its messages are signed and encrypted.
    profile.accept.signature = Requirement::Require;
    profile.accept.encryption = Requirement::Require;
}

fn biztalk(profile: &mut PartnerProfile) {
    // Servers of that era know `sha1` and `md5` style names only; Logic Apps has a setting for each spelling.
    profile.quirks.micalg_names = MicalgNames::Rfc3851;
    // Receipts need the options of a signed one, and hold an integrity check of unsigned messages too.
    profile.send.receipt.kind = ReceiptKind::Signed;
}

fn aws_transfer(profile: &mut PartnerProfile) {
    // Its documentation lists AES in CBC mode only, and no RSAES-OAEP or PSS.
    profile.send.rsa_signature = super::RsaSignature::Pkcs1v15;
    profile.send.key_transport = None;
    let cbc = [CipherAlgorithm::Aes128Cbc, CipherAlgorithm::Aes192Cbc, CipherAlgorithm::Aes256Cbc];
    profile.accept.ciphers = cbc.to_vec();
    if !profile.send.encrypt.is_some_and(|cipher| cbc.contains(&cipher)) {
        profile.send.encrypt = Some(CipherAlgorithm::Aes256Cbc);
    }
    // Receipts by e-mail do not exist there, and signed ones do (the same documentation).
    profile.send.receipt.kind = ReceiptKind::Signed;
}

fn walmart(profile: &mut PartnerProfile) {
    // Its connection guide: signed and encrypted over HTTPS, with signed receipts. Some connections still sent
    // 3DES in 2024: name it in `accept.ciphers` only if yours does.
    profile.accept.signature = Requirement::Require;
    profile.accept.encryption = Requirement::Require;
    profile.send.receipt.kind = ReceiptKind::Signed;
}

fn peppol(profile: &mut PartnerProfile) {
    // Signed with SHA-256, never encrypted, over TLS (profile version 2, 2019).
    profile.send.sign = Some(DigestAlgorithm::Sha256);
    profile.send.encrypt = None;
    profile.send.compress = Compression::None;
    profile.accept.signature = Requirement::Require;
    profile.accept.encryption = Requirement::Forbid;
    profile.accept.digests = vec![DigestAlgorithm::Sha256];
    profile.expect.mdn_signatures = vec![DigestAlgorithm::Sha256];
    // The receipt is signed and comes in the response; both of its parameters are `required`.
    profile.send.receipt.kind = ReceiptKind::Signed;
    profile.send.receipt.asynchronous_url = None;
    profile.send.receipt.micalgs = vec![DigestAlgorithm::Sha256];
    profile.send.receipt.required = true;
    // The receiver finds the access point's certificate in the signature.
    profile.quirks.embed = Embed::Leaf;
}

fn modern(profile: &mut PartnerProfile) {
    // Its section 7 (text of January 2026): SHA-256 and AES, GCM recommended; nothing is made with SHA-1 or MD5.
    profile.send.sign = Some(DigestAlgorithm::Sha256);
    profile.send.encrypt = Some(CipherAlgorithm::Aes256Gcm);
    profile.accept.signature = Requirement::Require;
    profile.accept.encryption = Requirement::Require;
    let (send, accept, expect) = (&mut profile.send, &mut profile.accept, &mut profile.expect);
    for list in [&mut send.receipt.micalgs, &mut accept.digests, &mut expect.mdn_signatures, &mut expect.mics] {
        list.retain(|digest| !matches!(digest, DigestAlgorithm::Sha1 | DigestAlgorithm::Md5));
    }
    // An agreement of SHA-1 alone would now take nothing. An empty `micalgs` means the digest of our signature.
    for list in [&mut accept.digests, &mut expect.mdn_signatures, &mut expect.mics] {
        if list.is_empty() {
            list.push(DigestAlgorithm::Sha256);
        }
    }
    // Its section 8.3: the digest of a receipt is one that was listed, or there is no signed receipt.
    profile.accept.weak_receipt = super::WeakReceipt::Refuse;
}

fn allow(list: &mut Vec<DigestAlgorithm>, digest: DigestAlgorithm) {
    if !list.contains(&digest) {
        list.push(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> PartnerProfile {
        PartnerProfile::new("A".parse().unwrap(), "B".parse().unwrap(), "https://b.example/as2".parse().unwrap())
    }

    #[test]
    fn presets_have_names_and_contradict_nothing() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
            assert_eq!(new().with_preset(preset).contradictions(), Vec::new(), "{preset}");
        }
        let unknown = "sap".parse::<Preset>().unwrap_err().to_string();
        assert!(unknown.starts_with("there is no preset `sap`; there are openas2, mendelson, "), "{unknown}");
    }

    #[test]
    fn modern_leaves_no_list_empty() {
        let mut profile = new();
        profile.accept.digests = vec![DigestAlgorithm::Sha1];
        profile.expect.mdn_signatures = vec![DigestAlgorithm::Sha1];
        profile.expect.mics = vec![DigestAlgorithm::Md5];
        let modern = profile.with_preset(Preset::Modern);
        for list in [&modern.accept.digests, &modern.expect.mdn_signatures, &modern.expect.mics] {
            assert_eq!(*list, [DigestAlgorithm::Sha256]);
        }
    }

    #[test]
    fn presets_keep_what_they_do_not_need() {
        let mut profile = new();
        profile.message_id_domain = "a.example".to_owned();
        profile.send.encrypt = Some(CipherAlgorithm::Aes128Cbc);
        for preset in [Preset::OpenAs2, Preset::Mendelson, Preset::AwsTransfer, Preset::Walmart] {
            let with = profile.clone().with_preset(preset);
            assert_eq!(with.send.encrypt, Some(CipherAlgorithm::Aes128Cbc), "{preset}");
            assert_eq!(with.message_id_domain, "a.example");
        }
    }
}
