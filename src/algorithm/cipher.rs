//! Content encryption: names, sizes, and in which CMS object a cipher stands.

use const_oid::ObjectIdentifier;

/// Content encryption of EnvelopedData (CBC) or AuthEnvelopedData (all others) (RFC 3565, RFC 5084, RFC 8103, RFC 3370).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum CipherAlgorithm {
    /// AES-128 in CBC mode.
    Aes128Cbc,
    /// AES-192 in CBC mode.
    Aes192Cbc,
    /// AES-256 in CBC mode, the default: every product reads it.
    Aes256Cbc,
    /// AES-128 in GCM mode.
    Aes128Gcm,
    /// AES-192 in GCM mode.
    Aes192Gcm,
    /// AES-256 in GCM mode: what modern partners should agree on, since it is authenticated.
    Aes256Gcm,
    /// AES-128 in CCM mode. CCM needs the length of the content first, so it is kept in memory twice.
    Aes128Ccm,
    /// AES-192 in CCM mode.
    Aes192Ccm,
    /// AES-256 in CCM mode.
    Aes256Ccm,
    /// ChaCha20 with Poly1305 (RFC 8439): authenticated, and fast without AES instructions.
    #[cfg_attr(feature = "serde", serde(rename = "chacha20-poly1305"))]
    ChaCha20Poly1305,
    /// Triple DES with three keys in CBC mode: feature `legacy`, only where a profile names it, and only for content
    /// within [`Limits::legacy_cipher`](crate::Limits::legacy_cipher).
    #[cfg_attr(feature = "serde", serde(rename = "3des-cbc"))]
    TripleDesCbc,
    /// RC2 with 128 bits in CBC mode: as triple DES, and only read.
    #[cfg_attr(feature = "serde", serde(rename = "rc2-128-cbc"))]
    Rc2Cbc128,
    /// RC2 with 40 bits in CBC mode: as triple DES, and only read. It hides nothing from anybody.
    #[cfg_attr(feature = "serde", serde(rename = "rc2-40-cbc"))]
    Rc2Cbc40,
}

impl CipherAlgorithm {
    /// Every cipher that this crate knows, those of the past included.
    pub const ALL: [Self; 13] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
        Self::Aes128Ccm,
        Self::Aes192Ccm,
        Self::Aes256Ccm,
        Self::ChaCha20Poly1305,
        Self::TripleDesCbc,
        Self::Rc2Cbc128,
        Self::Rc2Cbc40,
    ];

    /// The usual name: `aes256-cbc`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes128-cbc",
            Self::Aes192Cbc => "aes192-cbc",
            Self::Aes256Cbc => "aes256-cbc",
            Self::Aes128Gcm => "aes128-gcm",
            Self::Aes192Gcm => "aes192-gcm",
            Self::Aes256Gcm => "aes256-gcm",
            Self::Aes128Ccm => "aes128-ccm",
            Self::Aes192Ccm => "aes192-ccm",
            Self::Aes256Ccm => "aes256-ccm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::TripleDesCbc => "3des-cbc",
            Self::Rc2Cbc128 => "rc2-128-cbc",
            Self::Rc2Cbc40 => "rc2-40-cbc",
        }
    }

    /// Length of the content-encryption key in octets.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm | Self::Aes128Ccm | Self::Rc2Cbc128 => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::Aes192Ccm | Self::TripleDesCbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm | Self::Aes256Ccm | Self::ChaCha20Poly1305 => 32,
            Self::Rc2Cbc40 => 5,
        }
    }

    /// Length of the IV (CBC) or nonce (all others) that is written, in octets. CCM counts its content in what the
    /// nonce leaves; keys are used once, so that the shortest one will do (RFC 5084 section 3.1).
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self {
            _ if self.is_ccm() => 7,
            _ if self.is_authenticated() => 12,
            _ => self.block_len(),
        }
    }

    /// Octets of a block, which padding fills up; 1 for the ciphers that need no padding.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::TripleDesCbc | Self::Rc2Cbc128 | Self::Rc2Cbc40 => 8,
            _ => 1,
        }
    }

    /// Whether the cipher authenticates what it encrypts.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        self.block_len() == 1
    }

    /// Whether the cipher is one of the past: never accepted unless a profile names it.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        self.block_len() == 8
    }

    /// Whether the cipher is GCM, which some products write into EnvelopedData.
    pub(crate) const fn is_gcm(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    /// Whether the cipher is CCM.
    pub(crate) const fn is_ccm(self) -> bool {
        matches!(self, Self::Aes128Ccm | Self::Aes192Ccm | Self::Aes256Ccm)
    }

    /// Whether anything is encrypted with it: RC2 is only read.
    pub(crate) const fn is_written(self) -> bool {
        !matches!(self, Self::Rc2Cbc128 | Self::Rc2Cbc40)
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"),
            Self::Aes192Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22"),
            Self::Aes256Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42"),
            Self::Aes128Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.6"),
            Self::Aes192Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.26"),
            Self::Aes256Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46"),
            Self::Aes128Ccm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.7"),
            Self::Aes192Ccm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.27"),
            Self::Aes256Ccm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.47"),
            Self::ChaCha20Poly1305 => ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.18"),
            Self::TripleDesCbc => ObjectIdentifier::new_unwrap("1.2.840.113549.3.7"),
            Self::Rc2Cbc128 | Self::Rc2Cbc40 => RC2_CBC,
        }
    }

    /// The cipher of an object identifier. RC2 has one for all lengths, which its parameters tell.
    pub(crate) fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.oid() == *oid)
    }
}

/// rc2-cbc (RFC 3370 section 5.2).
const RC2_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.2");

impl std::fmt::Display for CipherAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_are_read_back() {
        for cipher in CipherAlgorithm::ALL.into_iter().filter(|cipher| cipher.is_written()) {
            assert_eq!(CipherAlgorithm::from_oid(&cipher.oid()), Some(cipher));
        }
        assert_eq!(CipherAlgorithm::from_oid(&RC2_CBC), Some(CipherAlgorithm::Rc2Cbc128));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn profiles_spell_ciphers_as_people_do() {
        for cipher in CipherAlgorithm::ALL {
            assert_eq!(serde_json::to_value(cipher).unwrap(), cipher.name());
        }
    }
}
