//! What we announce against what we do (RFC 4130 section 6.1, RFC 6017 section 4, draft of RFC 4130bis).

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
use crate::announce::{As2Version, Feature};
use crate::profile::check::Found;
use crate::profile::{Compression, PartnerProfile};

impl PartnerProfile {
    pub(super) fn check_announcement(&self, found: &mut Found) {
        let announce = &self.send.announce;
        let (version, field) = (announce.version(), "send.announce.version");
        found.unless(
            version >= As2Version::V1_2 || announce.features.is_empty(),
            field,
            format!("it is {version}, and there are features, which 1.2 brought"),
            "leave the version out, or write \"1.2\"",
        );
        found.unless(
            version >= As2Version::V1_1 || self.send.compress == Compression::None,
            field,
            "it is 1.0, which does not know compression, and `send.compress` is set",
            "leave the version out, or send uncompressed",
        );
        let repeated = |(at, feature): (usize, &Feature)| announce.features.iter().take(at).any(|f| f == feature);
        found.unless(
            !announce.features.iter().enumerate().any(repeated),
            "send.announce.features",
            "a feature is listed twice",
            "list each once",
        );
        if version >= As2Version::V1_3 {
            self.check_modern(found);
        }
    }

    /// AS2-Version 1.3 promises that nothing is made with the algorithms of the time of RFC 4130.
    fn check_modern(&self, found: &mut Found) {
        found.unless(
            self.send.announce.product.is_some(),
            "send.announce.product",
            "AS2-Version 1.3 asks for one",
            "name our product and its version, as in my-product:1.0.2",
        );
        let remedy = "agree on SHA-2 and AES, or announce an earlier version";
        let digests = [("send.sign", self.send.sign), ("accept.mdn_signature", self.accept.mdn_signature)];
        let listed = self.send.receipt.micalgs.iter().map(|digest| ("send.receipt.micalgs", Some(*digest)));
        for (field, digest) in digests.into_iter().chain(listed) {
            let problem = format!("AS2-Version 1.3 excludes {}", digest.map_or("it", DigestAlgorithm::name));
            found.unless(!digest.is_some_and(is_outdated_digest), field, problem, remedy);
        }
        let cipher = self.send.encrypt;
        let problem = format!("AS2-Version 1.3 excludes {}", cipher.map_or("it", CipherAlgorithm::name));
        found.unless(!cipher.is_some_and(is_outdated_cipher), "send.encrypt", problem, remedy);
    }
}

/// MD5 and SHA-1.
fn is_outdated_digest(digest: DigestAlgorithm) -> bool {
    matches!(digest.name(), "md5" | "sha-1")
}

/// Triple DES and RC2.
fn is_outdated_cipher(cipher: CipherAlgorithm) -> bool {
    ["3des", "rc2"].iter().any(|name| cipher.name().starts_with(name))
}
