//! The shells of CMS (RFC 5652, RFC 5083, RFC 3274) over raw octets: BER is read, DER is written.
//!
//! The structures are our own: signed attributes must stay in the order in which they came, and certificates with odd
//! serial numbers must not make a message unreadable.

pub(crate) mod ber;
pub(crate) mod certs_only;
pub(crate) mod compressed;
pub(crate) mod content;
#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod corpus_tests;
pub(crate) mod enveloped;
pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod signed;
pub(crate) mod write;

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::cms::ber::{Cursor, to_der};
use crate::cms::write::tlv;

/// A CMS structure that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at octet {offset}")]
pub struct Error {
    kind: ErrorKind,
    offset: u64,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, offset: u64) -> Self {
        Self { kind, offset }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Truncated => "CMS_TRUNCATED",
            ErrorKind::Length => "CMS_LENGTH",
            ErrorKind::Depth { .. } => "CMS_DEPTH",
            ErrorKind::TooLarge { .. } => "CMS_TOO_LARGE",
            ErrorKind::TooMany { .. } => "CMS_TOO_MANY",
            ErrorKind::Tag { .. } => "CMS_TAG",
            ErrorKind::Missing(_) => "CMS_MISSING",
            ErrorKind::Value(_) => "CMS_VALUE",
            ErrorKind::Extra(_) => "CMS_EXTRA",
            ErrorKind::Trailing => "CMS_TRAILING",
            ErrorKind::ContentType(_) => "CMS_CONTENT_TYPE",
            ErrorKind::Attribute(_) => "CMS_ATTRIBUTE",
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The octet at which it was found, from 0, counted in the structure that was read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// What is wrong with a CMS structure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The octets end inside an element.
    #[error("the structure ends early")]
    Truncated,
    /// A length does not fit the element around it, or no machine.
    #[error("a length does not fit")]
    Length,
    /// Elements are nested deeper than the limit.
    #[error("elements are nested deeper than {limit}")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// The structure outside the content is larger than the limit.
    #[error("the structure outside the content is larger than {limit} octets")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// There are more recipients or signers than the limit.
    #[error("more than {limit} recipients or signers")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// An element is of another kind than the structure has there.
    #[error("expected {expected}, found tag {found:#04x}")]
    Tag {
        /// What the structure has there.
        expected: &'static str,
        /// The identifier octet that was found.
        found: u8,
    },
    /// An element is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The value of an element is not allowed.
    #[error("{0} is not valid")]
    Value(&'static str),
    /// Elements follow where a structure has no more of them.
    #[error("{0} is followed by further elements")]
    Extra(&'static str),
    /// Octets other than white space follow the structure.
    #[error("octets follow the structure")]
    Trailing,
    /// The content type is none that this crate reads.
    #[error("the content type {0} is not known")]
    ContentType(String),
    /// A signed attribute that must be there once is missing, repeated, or has not exactly one value.
    #[error("the signed attribute {0} is not there exactly once with one value")]
    Attribute(&'static str),
}

/// AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier {
    pub(crate) oid: ObjectIdentifier,
    /// The parameters as one DER element.
    pub(crate) parameters: Option<Bytes>,
}

impl AlgorithmIdentifier {
    pub(crate) fn encode(&self) -> Vec<u8> {
        tlv(ber::SEQUENCE, &[&write::oid(&self.oid), self.parameters.as_deref().unwrap_or_default()])
    }

    /// Whether both name the same algorithm; NULL and absent parameters are the same (RFC 5754 section 2).
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let given = |algorithm: &Self| algorithm.parameters.clone().filter(|given| given.as_ref() != [5, 0]);
        self.oid == other.oid && given(self) == given(other)
    }

    /// Reads one from the content octets of its SEQUENCE.
    pub(crate) fn read(content: &[u8], depth: usize) -> Result<Self, Error> {
        let mut cursor = Cursor::new(content, depth);
        let oid = read_oid(cursor.expect(ber::OID, "an object identifier")?.content)?;
        let parameters = match cursor.next()? {
            Some(element) => Some(to_der(element.raw, depth)?.into()),
            None => None,
        };
        cursor.end("an algorithm")?;
        Ok(Self { oid, parameters })
    }
}

/// Whom a SignerInfo or RecipientInfo names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntityId {
    /// Issuer (the DER Name) and the content octets of the serial number.
    IssuerAndSerial { issuer: Bytes, serial: Bytes },
    /// The subject key identifier.
    SubjectKeyId(Bytes),
}

impl EntityId {
    pub(crate) fn read(element: &ber::Element<'_>, depth: usize) -> Result<Self, Error> {
        match element.tag {
            ber::SEQUENCE => {
                let mut cursor = Cursor::new(element.content, depth);
                let issuer = to_der(cursor.expect(ber::SEQUENCE, "an issuer name")?.raw, depth)?;
                let serial = cursor.expect(ber::INTEGER, "a serial number")?.content;
                cursor.end("issuer and serial number")?;
                Ok(Self::IssuerAndSerial { issuer: issuer.into(), serial: Bytes::copy_from_slice(serial) })
            }
            ber::CONTEXT_0 | ber::CONTEXT_0_CONSTRUCTED => Ok(Self::SubjectKeyId(element.octets(depth)?.into())),
            found => {
                Err(Error::new(ErrorKind::Tag { expected: "issuer and serial number or key identifier", found }, 0))
            }
        }
    }
}

/// The same to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EntityIdRef<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    SubjectKeyId(&'a [u8]),
}

impl EntityIdRef<'_> {
    fn encode(self) -> Vec<u8> {
        match self {
            Self::IssuerAndSerial { issuer, serial } => tlv(ber::SEQUENCE, &[issuer, &tlv(ber::INTEGER, &[serial])]),
            Self::SubjectKeyId(key_id) => tlv(ber::CONTEXT_0, &[key_id]),
        }
    }
}

pub(crate) fn read_oid(content: &[u8]) -> Result<ObjectIdentifier, Error> {
    ObjectIdentifier::from_bytes(content).map_err(|_| Error::new(ErrorKind::Value("an object identifier"), 0))
}

/// Object identifiers of CMS, PKCS #1 and PKCS #9.
pub(crate) mod oid {
    use const_oid::ObjectIdentifier;

    pub(crate) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    pub(crate) const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
    pub(crate) const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
    pub(crate) const COMPRESSED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.9");
    pub(crate) const AUTH_ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
    pub(crate) const ZLIB: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.8");

    pub(crate) const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
    pub(crate) const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
    pub(crate) const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
    pub(crate) const ALGORITHM_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.52");

    pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    pub(crate) const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
    pub(crate) const MD5_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4");
    pub(crate) const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
    pub(crate) const SHA1_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
    pub(crate) const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
    pub(crate) const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
    pub(crate) const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
    pub(crate) const SHA224_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.14");

    pub(crate) const ECDSA_WITH_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
    pub(crate) const ECDSA_WITH_SHA224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.1");
    pub(crate) const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    pub(crate) const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
    pub(crate) const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
    pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
}
