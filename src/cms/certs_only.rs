//! Certificates alone: SignedData without content and signers (RFC 8551 section 3.8).

use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{ber, oid};

/// Writes certificates, each in DER, as one object.
#[cfg_attr(not(any(feature = "rustcrypto", feature = "cem")), allow(dead_code))]
pub(crate) fn write(certificates: &[&[u8]]) -> Vec<u8> {
    let content = tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]);
    let none = tlv(ber::SET, &[]);
    let certificates = tlv(ber::CONTEXT_0_CONSTRUCTED, certificates);
    let signed = tlv(ber::SEQUENCE, &[&integer(1), &none, &content, &certificates, &none]);
    let explicit = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&signed]);
    tlv(ber::SEQUENCE, &[&write_oid(&oid::SIGNED_DATA), &explicit])
}

/// The certificates of a whole SignedData, whatever else is in it, each as received.
#[cfg(feature = "cem")]
pub(crate) fn read(
    octets: bytes::Bytes,
    limits: &crate::limits::Limits,
) -> Result<Vec<bytes::Bytes>, crate::cms::Error> {
    use crate::cms::content::{ContentInfo, read};
    match read(octets, limits)?.0 {
        ContentInfo::Signed(signed) => Ok(signed.certificates),
        _ => Err(crate::cms::Error::new(crate::cms::ErrorKind::Value("the content type"), 0)),
    }
}

#[cfg(all(test, feature = "cem"))]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn ec1_certificates_come_back() {
        for certificates in [&[][..], &[&b"\x30\x03\x02\x01\x07"[..]], &[b"\x30\0", b"\x30\x01\x05"]] {
            let read = read(write(certificates).into(), &Limits::default()).unwrap();
            assert_eq!(read, certificates);
        }
        assert!(read(Bytes::from_static(b"\x30\x03\x02\x01\x07"), &Limits::default()).is_err());
    }
}
