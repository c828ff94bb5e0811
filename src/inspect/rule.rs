//! What the standards say about each thing that is tolerated.

use crate::note::Note;

/// The rule that a note is about.
pub(super) fn rule(note: &Note) -> &'static str {
    match note {
        Note::OddName { .. } => {
            "RFC 4130 section 6.2: 1 to 128 printable characters, quoted only where a space needs it"
        }
        Note::RepeatedHeader(_) => "RFC 9110 section 5.3: a field that may stand once is not repeated",
        Note::Version(_) => "RFC 4130 section 6.1: AS2-Version is 1.0 to 1.9; only the major digit decides",
        Note::TransferEncoding(_) => "RFC 2045 section 6: Content-Transfer-Encoding says how the body is encoded",
        Note::SmimeType { .. } => "RFC 8551 section 3.2.2: smime-type names the CMS content type",
        Note::CanonicalForm => "RFC 1847 section 2.1: the octets that were signed are the octets that are sent",
        Note::Micalg { .. } => "RFC 1847 section 2.1: micalg names the digest of the signature",
        Note::Surroundings(_) => "RFC 4130 section 5.2.2: multiparts carry nothing around their parts",
        Note::AttributeOrder => "RFC 5652 section 5.4: the DER encoding of the attributes is what is signed",
        Note::Validity { .. } => "RFC 5280 section 4.1.2.5: a certificate is used within its dates",
        Note::KeyUsage { .. } => "RFC 5280 section 4.2.1.3: the key usage names what the key is for",
        Note::OtherSigner(_) => "RFC 5652 section 5: further signers say nothing about the partner",
        Note::ReceiptUrl { .. } => "RFC 4130 section 7.3: Receipt-Delivery-Option is the sender's wish",
        Note::WeakReceipt { .. } => "RFC 8551 appendix B: SHA-1 and MD5 are historic",
        Note::UnsignedReceipt(_) => "RFC 4130 section 7.3.1: a signed receipt is signed if it is asked for",
        Note::Receipt(_) => "RFC 4130 section 7.4, RFC 8098 section 3: the form of a receipt",
        Note::Plaintext(_) => "RFC 4130 section 2.3.1: confidentiality by encryption or by TLS",
        Note::Filename { .. } => "RFC 2183 section 2.3: a file name is a suggestion, without any path",
        Note::Attachments(_) => "RFC 6362 section 2, RFC 2387 section 3: several documents in multipart/related",
        Note::Layering(_) => "RFC 5402 section 3: the layers of a compressed message",
        _ => "no standard knows this form",
    }
}
