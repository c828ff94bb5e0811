//! How content-encryption keys travel: RSA encryption, or a key wrapped under what was agreed on or encapsulated.

use const_oid::ObjectIdentifier;

use super::DigestAlgorithm;

/// How the content-encryption key travels to a recipient.
///
/// Key transport (RSA) encrypts it with the recipient's public key. Key agreement (ECDH) derives a key from an
/// ephemeral key and the recipient's, and wraps it with AES (RFC 5753, RFC 8418). Key encapsulation (ML-KEM) wraps it under
/// a key derived from a secret that only the recipient can decapsulate (RFC 9629, RFC 9936).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5 (RFC 8017 section 7.2), which every AS2 product reads.
    #[cfg_attr(feature = "serde", serde(rename = "rsa-pkcs1-v1.5"))]
    RsaPkcs1v15,
    /// RSAES-OAEP (RFC 8017 section 7.1) with SHA-1: read, not written. OAEP does not rest on collisions of its digest.
    RsaOaepSha1,
    /// RSAES-OAEP with SHA-224: read, not written.
    RsaOaepSha224,
    /// RSAES-OAEP with SHA-256: what modern partners with RSA keys should agree on.
    RsaOaepSha256,
    /// RSAES-OAEP with SHA-384: read, not written.
    RsaOaepSha384,
    /// RSAES-OAEP with SHA-512.
    RsaOaepSha512,
    /// ECDH, keys derived as in ANSI X9.63 with SHA-1: OpenSSL's default.
    EcdhSha1,
    /// ECDH, keys derived as in ANSI X9.63 with SHA-224.
    EcdhSha224,
    /// ECDH, keys derived as in ANSI X9.63 with SHA-256: the choice for P-256.
    EcdhSha256,
    /// ECDH, keys derived as in ANSI X9.63 with SHA-384: the choice for P-384.
    EcdhSha384,
    /// ECDH, keys derived as in ANSI X9.63 with SHA-512: the choice for P-521.
    EcdhSha512,
    /// ECDH, keys derived with HKDF and SHA-256 (RFC 8418): the choice for X25519.
    EcdhHkdfSha256,
    /// ECDH, keys derived with HKDF and SHA-384.
    EcdhHkdfSha384,
    /// ECDH, keys derived with HKDF and SHA-512.
    EcdhHkdfSha512,
    /// ML-KEM-768, keys derived with HKDF and SHA-256 (RFC 9936), with feature `pq`.
    #[cfg_attr(feature = "serde", serde(rename = "ml-kem-768"))]
    MlKem768,
    /// ML-KEM-1024, keys derived with HKDF and SHA-256 (RFC 9936), with feature `pq`.
    #[cfg_attr(feature = "serde", serde(rename = "ml-kem-1024"))]
    MlKem1024,
}

impl KeyTransport {
    /// Every one that this crate knows.
    pub const ALL: [Self; 16] = [
        Self::RsaPkcs1v15,
        Self::RsaOaepSha1,
        Self::RsaOaepSha224,
        Self::RsaOaepSha256,
        Self::RsaOaepSha384,
        Self::RsaOaepSha512,
        Self::EcdhSha1,
        Self::EcdhSha224,
        Self::EcdhSha256,
        Self::EcdhSha384,
        Self::EcdhSha512,
        Self::EcdhHkdfSha256,
        Self::EcdhHkdfSha384,
        Self::EcdhHkdfSha512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// The name in profiles: `rsa-oaep-sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1v15 => "rsa-pkcs1-v1.5",
            Self::RsaOaepSha1 => "rsa-oaep-sha1",
            Self::RsaOaepSha224 => "rsa-oaep-sha224",
            Self::RsaOaepSha256 => "rsa-oaep-sha256",
            Self::RsaOaepSha384 => "rsa-oaep-sha384",
            Self::RsaOaepSha512 => "rsa-oaep-sha512",
            Self::EcdhSha1 => "ecdh-sha1",
            Self::EcdhSha224 => "ecdh-sha224",
            Self::EcdhSha256 => "ecdh-sha256",
            Self::EcdhSha384 => "ecdh-sha384",
            Self::EcdhSha512 => "ecdh-sha512",
            Self::EcdhHkdfSha256 => "ecdh-hkdf-sha256",
            Self::EcdhHkdfSha384 => "ecdh-hkdf-sha384",
            Self::EcdhHkdfSha512 => "ecdh-hkdf-sha512",
            Self::MlKem768 => "ml-kem-768",
            Self::MlKem1024 => "ml-kem-1024",
        }
    }

    /// The digest of OAEP or of the key derivation; PKCS#1 v1.5 has none.
    #[must_use]
    pub const fn digest(self) -> Option<DigestAlgorithm> {
        match self {
            Self::RsaPkcs1v15 => None,
            Self::RsaOaepSha1 | Self::EcdhSha1 => Some(DigestAlgorithm::Sha1),
            Self::RsaOaepSha224 | Self::EcdhSha224 => Some(DigestAlgorithm::Sha224),
            Self::RsaOaepSha256 | Self::EcdhSha256 | Self::EcdhHkdfSha256 | Self::MlKem768 | Self::MlKem1024 => {
                Some(DigestAlgorithm::Sha256)
            }
            Self::RsaOaepSha384 | Self::EcdhSha384 | Self::EcdhHkdfSha384 => Some(DigestAlgorithm::Sha384),
            Self::RsaOaepSha512 | Self::EcdhSha512 | Self::EcdhHkdfSha512 => Some(DigestAlgorithm::Sha512),
        }
    }

    /// Whether the key is agreed on with ECDH rather than encrypted with RSA.
    #[must_use]
    pub const fn is_agreement(self) -> bool {
        !matches!(self, Self::RsaPkcs1v15) && !self.is_oaep() && !self.is_encapsulation()
    }

    /// Whether a secret is encapsulated with ML-KEM.
    #[must_use]
    pub const fn is_encapsulation(self) -> bool {
        matches!(self, Self::MlKem768 | Self::MlKem1024)
    }

    /// Whether it is RSAES-OAEP.
    #[must_use]
    pub const fn is_oaep(self) -> bool {
        matches!(
            self,
            Self::RsaOaepSha1 | Self::RsaOaepSha224 | Self::RsaOaepSha256 | Self::RsaOaepSha384 | Self::RsaOaepSha512
        )
    }

    /// Whether messages are sent with it. SHA-1 and SHA-224 are left to those who have not moved on; OAEP is written
    /// in the two forms that products name in their settings.
    pub(crate) const fn is_written(self) -> bool {
        !matches!(
            self,
            Self::RsaOaepSha1 | Self::RsaOaepSha224 | Self::RsaOaepSha384 | Self::EcdhSha1 | Self::EcdhSha224
        )
    }

    /// OAEP with a digest.
    pub(crate) fn oaep(digest: DigestAlgorithm) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.is_oaep() && transport.digest() == Some(digest))
    }

    /// The key encapsulation mechanism of an identifier (RFC 9936 section 2.1, RFC 9935 section 3).
    pub(crate) fn encapsulation(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.encapsulation_oid().as_ref() == Some(oid))
    }

    /// The identifier of a key encapsulation mechanism, which is also that of its keys.
    pub(crate) const fn encapsulation_oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::MlKem768 => Some(ML_KEM_768),
            Self::MlKem1024 => Some(ML_KEM_1024),
            _ => None,
        }
    }

    /// Octets of a ciphertext of ML-KEM (FIPS 203 table 3).
    pub(crate) const fn ciphertext_len(self) -> Option<usize> {
        match self {
            Self::MlKem768 => Some(1088),
            Self::MlKem1024 => Some(1568),
            _ => None,
        }
    }

    /// The scheme of an ECDH agreement (RFC 5753 section 7.1.4, RFC 8418 section 2.3). Cofactor schemes compute the
    /// same: the cofactor of the NIST curves is 1, and that of X25519 is in its definition.
    pub(crate) fn agreement(oid: &ObjectIdentifier) -> Option<Self> {
        let schemes = AGREEMENTS.into_iter().chain(COFACTOR_AGREEMENTS);
        schemes.into_iter().find(|(known, _)| known == oid).map(|(_, transport)| transport)
    }

    /// The object identifier that is written for an agreement.
    pub(crate) fn agreement_oid(self) -> Option<ObjectIdentifier> {
        AGREEMENTS.into_iter().find(|(_, transport)| *transport == self).map(|(oid, _)| oid)
    }
}

/// id-alg-ml-kem-768 and id-alg-ml-kem-1024.
pub(crate) const ML_KEM_768: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.2");
pub(crate) const ML_KEM_1024: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.3");

/// dhSinglePass-stdDH-...
const AGREEMENTS: [(ObjectIdentifier, KeyTransport); 8] = [
    (ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.2"), KeyTransport::EcdhSha1),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.0"), KeyTransport::EcdhSha224),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.1"), KeyTransport::EcdhSha256),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.2"), KeyTransport::EcdhSha384),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.3"), KeyTransport::EcdhSha512),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.19"), KeyTransport::EcdhHkdfSha256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.20"), KeyTransport::EcdhHkdfSha384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.21"), KeyTransport::EcdhHkdfSha512),
];

/// dhSinglePass-cofactorDH-...
const COFACTOR_AGREEMENTS: [(ObjectIdentifier, KeyTransport); 5] = [
    (ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.3"), KeyTransport::EcdhSha1),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.0"), KeyTransport::EcdhSha224),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.1"), KeyTransport::EcdhSha256),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.2"), KeyTransport::EcdhSha384),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.3"), KeyTransport::EcdhSha512),
];

impl std::fmt::Display for KeyTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A group of elliptic-curve Diffie-Hellman.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EcdhGroup {
    /// NIST P-256, also called secp256r1 and prime256v1.
    P256,
    /// NIST P-384, also called secp384r1.
    P384,
    /// NIST P-521, also called secp521r1.
    P521,
    /// X25519 (RFC 7748).
    X25519,
}

impl EcdhGroup {
    pub(crate) const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::X25519];

    /// Octets of a shared secret.
    #[must_use]
    pub const fn secret_len(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The scheme that is written to a key of this group where the agreement names none: the digest is as strong as
    /// the group (RFC 5753 section 8).
    pub(crate) const fn usual_scheme(self) -> KeyTransport {
        match self {
            Self::P256 => KeyTransport::EcdhSha256,
            Self::P384 => KeyTransport::EcdhSha384,
            Self::P521 => KeyTransport::EcdhSha512,
            Self::X25519 => KeyTransport::EcdhHkdfSha256,
        }
    }

    /// Algorithm and parameters of a public key: `id-ecPublicKey` with a named curve (RFC 5480), or `id-X25519` (RFC 8410).
    pub(crate) const fn oids(self) -> (ObjectIdentifier, Option<ObjectIdentifier>) {
        let curve = match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
            Self::X25519 => return (ObjectIdentifier::new_unwrap("1.3.101.110"), None),
        };
        (EC_PUBLIC_KEY, Some(curve))
    }
}

/// id-ecPublicKey (RFC 5480 section 2.1.1).
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

impl std::fmt::Display for EcdhGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::X25519 => "X25519",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x27_schemes_are_told_by_their_identifiers() {
        for transport in KeyTransport::ALL {
            let oid = transport.agreement_oid();
            assert_eq!(oid.is_some(), transport.is_agreement(), "{transport}");
            assert_eq!(oid.and_then(|oid| KeyTransport::agreement(&oid)), oid.map(|_| transport));
            let oid = transport.encapsulation_oid();
            assert_eq!(oid.is_some(), transport.is_encapsulation(), "{transport}");
            assert_eq!(oid.and_then(|oid| KeyTransport::encapsulation(&oid)), oid.map(|_| transport));
        }
        for group in EcdhGroup::ALL {
            assert!(group.usual_scheme().is_agreement() && group.usual_scheme().is_written());
        }
        let mqv = ObjectIdentifier::new_unwrap("1.3.132.1.15.1");
        assert_eq!(KeyTransport::agreement(&mqv), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn profiles_spell_transports_by_name() {
        for transport in KeyTransport::ALL {
            assert_eq!(serde_json::to_value(transport).unwrap(), transport.name());
        }
    }
}
