//! The parameters of RSASSA-PSS (RFC 4055 section 3.1), in signatures and in public keys.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, ContextSpecific, Null};
use der::{Decode, Encode, Reader, SliceReader, TagNumber, Tagged};

use super::DigestAlgorithm;

const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");

/// Octets of the longest salt that is calculated with: that of a modulus of 16384 bits.
const MAX_SALT: u16 = 2048;

/// Digest, mask generation and salt of an RSASSA-PSS signature (RFC 8017 section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PssParameters {
    digest: DigestAlgorithm,
    mgf1_digest: DigestAlgorithm,
    salt_len: usize,
}

/// Parameters that are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PssError {
    #[error("the parameters of rsa-pss cannot be read")]
    Malformed,
    #[error("rsa-pss has the digest {0}, which is not known")]
    Digest(ObjectIdentifier),
    #[error("rsa-pss has the mask generation function {0}, which is not MGF1")]
    MaskGeneration(ObjectIdentifier),
    #[error("rsa-pss has a salt of {0} octets, more than any key takes")]
    Salt(u16),
    #[error("rsa-pss has the trailer field {0}, the only one is 1")]
    Trailer(u16),
}

impl From<der::Error> for PssError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl PssParameters {
    /// The parameters that RFC 4056 section 3 asks for: MGF1 with the same digest, a salt as long as the digest.
    #[must_use]
    pub const fn new(digest: DigestAlgorithm) -> Self {
        Self { digest, mgf1_digest: digest, salt_len: digest.output_len() }
    }

    /// The digest that is signed.
    #[must_use]
    pub const fn digest(self) -> DigestAlgorithm {
        self.digest
    }

    /// The digest inside MGF1.
    #[must_use]
    pub const fn mgf1_digest(self) -> DigestAlgorithm {
        self.mgf1_digest
    }

    /// Octets of the salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        self.salt_len
    }

    /// Other parameters than the usual ones, as peers write them.
    #[must_use]
    pub const fn with_mgf1_digest(self, mgf1_digest: DigestAlgorithm) -> Self {
        Self { mgf1_digest, ..self }
    }

    /// The same with a salt of another length.
    #[must_use]
    pub const fn with_salt_len(self, salt_len: usize) -> Self {
        Self { salt_len, ..self }
    }

    /// Whether a key that is restricted to `self` may make signatures with `used` (RFC 4055 section 3.3).
    pub(crate) fn permit(self, used: Self) -> bool {
        self.digest == used.digest && self.mgf1_digest == used.mgf1_digest && used.salt_len >= self.salt_len
    }

    /// Reads RSASSA-PSS-params. What is absent has the defaults: SHA-1, MGF1 with SHA-1, 20 octets, trailer 1.
    pub(crate) fn from_der(octets: &[u8]) -> Result<Self, PssError> {
        let outer = AnyRef::from_der(octets)?;
        if outer.tag() != der::Tag::Sequence {
            return Err(PssError::Malformed);
        }
        let mut fields = SliceReader::new(outer.value())?;
        let digest = match explicit::<AnyRef<'_>>(&mut fields, 0)? {
            Some(algorithm) => digest_of(&algorithm)?,
            None => DigestAlgorithm::Sha1,
        };
        let mgf1_digest = match explicit::<AnyRef<'_>>(&mut fields, 1)? {
            Some(algorithm) => mask_digest(&algorithm)?,
            None => DigestAlgorithm::Sha1,
        };
        let salt = explicit::<u16>(&mut fields, 2)?.unwrap_or(20);
        let trailer = explicit::<u16>(&mut fields, 3)?.unwrap_or(1);
        fields.finish()?;
        if salt > MAX_SALT {
            return Err(PssError::Salt(salt));
        }
        if trailer != 1 {
            return Err(PssError::Trailer(trailer));
        }
        Ok(Self { digest, mgf1_digest, salt_len: usize::from(salt) })
    }

    /// Writes RSASSA-PSS-params. As RFC 4055 section 2.1 wants it, the digests have NULL parameters in here.
    pub(crate) fn to_der(self) -> Vec<u8> {
        self.write().unwrap_or_default()
    }

    fn write(self) -> der::Result<Vec<u8>> {
        let digest = |digest: DigestAlgorithm| sequence(&[digest.oid().to_der()?, Null.to_der()?]);
        let mask = sequence(&[MGF1.to_der()?, digest(self.mgf1_digest)?])?;
        let salt = u16::try_from(self.salt_len).map_err(|_| der::ErrorKind::Overflow)?.to_der()?;
        sequence(&[tagged(0, &digest(self.digest)?)?, tagged(1, &mask)?, tagged(2, &salt)?])
    }
}

impl std::fmt::Display for PssParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.digest.fmt(f)?;
        if self.mgf1_digest != self.digest {
            write!(f, ", MGF1 with {}", self.mgf1_digest)?;
        }
        if self.salt_len != self.digest.output_len() {
            write!(f, ", salt of {} octets", self.salt_len)?;
        }
        Ok(())
    }
}

fn explicit<'a, T: Decode<'a>>(fields: &mut SliceReader<'a>, tag: u32) -> Result<Option<T>, PssError> {
    let found = ContextSpecific::<T>::decode_explicit(fields, TagNumber(tag)).map_err(|_| PssError::Malformed)?;
    Ok(found.map(|field| field.value))
}

/// AlgorithmIdentifier of a digest, with NULL or without parameters.
fn digest_of(algorithm: &AnyRef<'_>) -> Result<DigestAlgorithm, PssError> {
    let (oid, parameters) = algorithm_parts(algorithm)?;
    if parameters.is_some_and(|given| given != AnyRef::from(Null)) {
        return Err(PssError::Malformed);
    }
    DigestAlgorithm::from_oid(&oid).ok_or(PssError::Digest(oid))
}

fn mask_digest(algorithm: &AnyRef<'_>) -> Result<DigestAlgorithm, PssError> {
    let (oid, parameters) = algorithm_parts(algorithm)?;
    if oid != MGF1 {
        return Err(PssError::MaskGeneration(oid));
    }
    digest_of(&parameters.ok_or(PssError::Malformed)?)
}

fn algorithm_parts<'a>(algorithm: &AnyRef<'a>) -> Result<(ObjectIdentifier, Option<AnyRef<'a>>), PssError> {
    if algorithm.tag() != der::Tag::Sequence {
        return Err(PssError::Malformed);
    }
    let mut fields = SliceReader::new(algorithm.value())?;
    let oid = ObjectIdentifier::decode(&mut fields)?;
    let parameters = Option::<AnyRef<'_>>::decode(&mut fields)?;
    fields.finish()?;
    Ok((oid, parameters))
}

fn sequence(parts: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    AnyRef::new(der::Tag::Sequence, &parts.concat())?.to_der()
}

fn tagged(number: u32, inner: &[u8]) -> der::Result<Vec<u8>> {
    let tag = der::Tag::ContextSpecific { constructed: true, number: TagNumber(number) };
    AnyRef::new(tag, inner)?.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    /// `openssl cms -sign -md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32`: the parameters.
    const SHA256: &str = "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500\
         a203020120";

    fn read(der: &str) -> Result<PssParameters, PssError> {
        PssParameters::from_der(&hex(der))
    }

    #[test]
    fn x25_parameters_are_written_as_openssl_writes_them_and_read_back() {
        let parameters = PssParameters::new(DigestAlgorithm::Sha256);
        assert_eq!(parameters.to_der(), hex(SHA256));
        assert_eq!(read(SHA256), Ok(parameters));
        let odd = parameters.with_mgf1_digest(DigestAlgorithm::Sha1).with_salt_len(478);
        assert_eq!(PssParameters::from_der(&odd.to_der()), Ok(odd));
        assert_eq!(odd.to_string(), "sha-256, MGF1 with sha-1, salt of 478 octets");
    }

    #[test]
    fn x25_absent_parameters_are_those_of_sha1() {
        assert_eq!(read("3000"), Ok(PssParameters::new(DigestAlgorithm::Sha1)));
        assert_eq!(read("3005a303020101"), Ok(PssParameters::new(DigestAlgorithm::Sha1)), "a default written out");
        let without_null = read("300fa00d300b0609608648016503040201");
        assert_eq!(
            without_null,
            Ok(PssParameters { digest: DigestAlgorithm::Sha256, ..PssParameters::new(DigestAlgorithm::Sha1) }),
            "a digest without NULL"
        );
    }

    #[test]
    fn u27_parameters_that_mean_nothing_good_are_refused_by_name() {
        let text = |der: &str| read(der).map_err(|error| error.to_string());
        let refused = |text: &str| Err(text.to_owned());
        assert_eq!(text("3005a203020102"), Ok(PssParameters::new(DigestAlgorithm::Sha1).with_salt_len(2)));
        assert_eq!(text("3006a20402020801"), refused("rsa-pss has a salt of 2049 octets, more than any key takes"));
        assert_eq!(text("3005a303020102"), refused("rsa-pss has the trailer field 2, the only one is 1"));
        assert_eq!(
            text("300fa10d300b0609608648016503040201"),
            refused("rsa-pss has the mask generation function 2.16.840.1.101.3.4.2.1, which is not MGF1")
        );
        assert_eq!(text("3009a00730050603550408"), refused("rsa-pss has the digest 2.5.4.8, which is not known"));
        for malformed in [
            "",
            "0500",
            "3001",
            "300000",
            "3005a2030201ff",                     // a negative salt
            "3007a205020300ffff00",               // octets behind it
            "3006a10430020500",                   // no object identifier
            "300fa10d300b06092a864886f70d010108", // MGF1 without its digest
            "300aa303020101a203020114",           // out of order
            "300aa203020114a203020114",           // twice
        ] {
            assert_eq!(read(malformed), Err(PssError::Malformed), "{malformed}");
        }
    }

    #[test]
    fn t10_restricted_keys_permit_their_digests_and_longer_salts() {
        let key = PssParameters::new(DigestAlgorithm::Sha256);
        assert!(key.permit(key) && key.permit(key.with_salt_len(222)));
        assert!(!key.permit(key.with_salt_len(20)));
        assert!(!key.permit(key.with_mgf1_digest(DigestAlgorithm::Sha1)));
        assert!(!key.permit(PssParameters::new(DigestAlgorithm::Sha512)));
    }
}
