//! The machine-readable part of a receipt (RFC 4130 section 7.4.3, RFC 8098 section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::algorithm::DigestAlgorithm;
use crate::mdn::disposition::{Disposition, strip_comments};
use crate::name::printable;

/// The fields of a message/disposition-notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Reporting-UA: the product that wrote the receipt.
    pub reporting_ua: Option<String>,
    /// MDN-Gateway.
    pub mdn_gateway: Option<String>,
    /// Original-Recipient.
    pub original_recipient: Option<Recipient>,
    /// Final-Recipient: the AS2 name that the message was sent to.
    pub final_recipient: Option<Recipient>,
    /// Original-Message-ID, as written.
    pub original_message_id: Option<String>,
    /// Disposition.
    pub disposition: Option<Disposition>,
    /// Received-content-MIC.
    pub mic: Option<MicField>,
    /// Failure fields.
    pub failures: Vec<String>,
    /// Error fields.
    pub errors: Vec<String>,
    /// Warning fields.
    pub warnings: Vec<String>,
    /// Fields of other names, in their order.
    pub extensions: Vec<(String, String)>,
}

/// A recipient field: `rfc822; "AS2 Name"`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// The address type, if one is written.
    pub address_type: Option<String>,
    /// The address, as written.
    pub address: String,
}

/// A Received-content-MIC field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MicField {
    /// A digest and the name of its algorithm.
    Mic(ReceivedMic),
    /// A value that cannot be read, as written.
    Unparsable(String),
}

/// The integrity check that a receipt reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedMic {
    /// The digest.
    pub digest: Vec<u8>,
    /// The name of the algorithm, as written.
    pub algorithm: String,
}

impl ReceivedMic {
    pub(crate) fn new(digest: &[u8], algorithm: &str) -> Self {
        Self { digest: digest.to_vec(), algorithm: algorithm.to_owned() }
    }

    /// The algorithm, if it is known.
    #[must_use]
    pub fn digest_algorithm(&self) -> Option<DigestAlgorithm> {
        DigestAlgorithm::from_micalg(&self.algorithm)
    }

    /// The digest in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.digest)
    }
}

/// Fields that are kept; more is no receipt of anybody's.
const MAX_FIELDS: usize = 256;

impl Report {
    /// Reads the fields in any order, case and spacing, folded or not. Lines that are no field are skipped, so that
    /// one oddity does not cost the whole receipt.
    pub(crate) fn read(octets: &[u8]) -> Self {
        let mut report = Self::default();
        for (name, value) in fields(&String::from_utf8_lossy(octets)).into_iter().take(MAX_FIELDS) {
            report.take(&name, value);
        }
        report
    }

    /// Of fields that stand once the first counts, but for the disposition.
    fn take(&mut self, name: &str, value: String) {
        let text = |slot: &mut Option<String>, value: String| {
            slot.get_or_insert(value);
        };
        match name.to_ascii_lowercase().as_str() {
            "reporting-ua" => text(&mut self.reporting_ua, value),
            "mdn-gateway" => text(&mut self.mdn_gateway, value),
            "original-recipient" => {
                self.original_recipient.get_or_insert_with(|| Recipient::parse(&value));
            }
            "final-recipient" => {
                self.final_recipient.get_or_insert_with(|| Recipient::parse(&value));
            }
            "original-message-id" => text(&mut self.original_message_id, value),
            "disposition" => {
                // A second opinion can only make it worse.
                let read = Disposition::parse(&value);
                if self.disposition.as_ref().is_none_or(|first| first.is_positive() && !read.is_positive()) {
                    self.disposition = Some(read);
                }
            }
            "received-content-mic" => {
                self.mic.get_or_insert_with(|| MicField::parse(&value));
            }
            "failure" => self.failures.push(value),
            "error" => self.errors.push(value),
            "warning" => self.warnings.push(value),
            _ => self.extensions.push((name.to_owned(), value)),
        }
    }

    /// Writes the fields in the order of RFC 4130 section 7.4.2, each on one line of ASCII.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = String::new();
        let mut field = |name: &str, value: &str| {
            out.push_str(&format!("{}: {}\r\n", printable(name), printable(value)));
        };
        let recipient = |recipient: &Recipient| match &recipient.address_type {
            Some(address_type) => format!("{address_type}; {}", recipient.address),
            None => recipient.address.clone(),
        };
        let single = [
            ("Reporting-UA", self.reporting_ua.clone()),
            ("MDN-Gateway", self.mdn_gateway.clone()),
            ("Original-Recipient", self.original_recipient.as_ref().map(recipient)),
            ("Final-Recipient", self.final_recipient.as_ref().map(recipient)),
            ("Original-Message-ID", self.original_message_id.clone()),
            ("Disposition", self.disposition.as_ref().map(ToString::to_string)),
        ];
        for (name, value) in single {
            if let Some(value) = value {
                field(name, &value);
            }
        }
        for (name, values) in [("Failure", &self.failures), ("Error", &self.errors), ("Warning", &self.warnings)] {
            values.iter().for_each(|value| field(name, value));
        }
        self.extensions.iter().for_each(|(name, value)| field(name, value));
        match &self.mic {
            Some(MicField::Mic(mic)) => {
                field("Received-content-MIC", &format!("{}, {}", mic.to_base64(), mic.algorithm))
            }
            Some(MicField::Unparsable(text)) => field("Received-content-MIC", text),
            None => {}
        }
        out.into_bytes()
    }
}

impl Recipient {
    fn parse(value: &str) -> Self {
        match value.split_once(';') {
            Some((address_type, address)) => {
                Self { address_type: Some(address_type.trim().to_owned()), address: address.trim().to_owned() }
            }
            None => Self { address_type: None, address: value.to_owned() },
        }
    }
}

impl MicField {
    /// `base64, algorithm`, with white space anywhere, comments, and a stray semicolon behind it.
    fn parse(value: &str) -> Self {
        let plain = strip_comments(value);
        let unparsable = || Self::Unparsable(value.to_owned());
        let Some((digest, algorithm)) = plain.split_once([',', ';']) else { return unparsable() };
        let digest: String = digest.chars().filter(|character| !character.is_whitespace()).collect();
        let algorithm = algorithm.trim().trim_end_matches([';', ',']).trim().trim_matches('"');
        match LENIENT.decode(digest) {
            Ok(digest) if !digest.is_empty() && !algorithm.is_empty() => {
                Self::Mic(ReceivedMic::new(&digest, algorithm))
            }
            _ => unparsable(),
        }
    }
}

/// base64 with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// Names and unfolded values.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split('\n') {
        let line = line.trim_end_matches('\r');
        if line.starts_with([' ', '\t'])
            && let Some((_, value)) = fields.last_mut()
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.trim();
        if !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic()) {
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e03_fields_in_any_order_case_and_fold() {
        let report = Report::read(
            b"\r\nreceived-CONTENT-mic : 7v7F++fQaNB1sVLFtMRp+dF+eG4=,\r\n\tsha1\r\nnonsense\nX-Other: 1\n\
              DISPOSITION:automatic-action/MDN-sent-automatically;\r\n processed/Error:x\nError: one\nError: two\r\n\
              Original-Recipient: 0123\nFinal-Recipient: rfc822;\"AS2 Test\"\r\nOriginal-Message-ID: a@b\r\n",
        );
        assert_eq!(report.disposition, Some(Disposition::error("x")));
        let Some(MicField::Mic(mic)) = &report.mic else { panic!("{:?}", report.mic) };
        assert_eq!(
            (mic.to_base64().as_str(), mic.digest_algorithm()),
            ("7v7F++fQaNB1sVLFtMRp+dF+eG4=", Some(DigestAlgorithm::Sha1))
        );
        assert_eq!(report.errors, ["one", "two"]);
        assert_eq!(report.original_recipient.unwrap().address, "0123");
        assert_eq!(report.final_recipient.unwrap().address, "\"AS2 Test\"");
        assert_eq!(report.original_message_id.as_deref(), Some("a@b"));
        assert_eq!(report.extensions, [("X-Other".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_repeated_disposition_is_never_better_than_its_worst() {
        let (good, bad) = ("Disposition: a/b; processed\n", "Disposition: a/b; processed/error: x\n");
        for text in [format!("{good}{bad}"), format!("{bad}{good}")] {
            assert!(!Report::read(text.as_bytes()).disposition.unwrap().is_positive(), "{text}");
        }
    }

    #[test]
    fn k23_mic_fields_in_every_spelling() {
        for text in ["AQI=,sha1", "AQI= ,  SHA-1", "AQI=, sha1;", "A QI=, (c) sha-1", "AQI, \"sha1\"", "AQI=; sha1"] {
            let MicField::Mic(mic) = MicField::parse(text) else { panic!("{text}") };
            assert_eq!(
                (mic.digest.as_slice(), mic.digest_algorithm()),
                (&[1, 2][..], Some(DigestAlgorithm::Sha1)),
                "{text}"
            );
        }
        for bad in ["", "AQI=", ", sha1", "Q2hlY2sgSW50XwdyaXRIQ, sha1!!=", "A*==, sha1", "AQI=,"] {
            let field = MicField::parse(bad);
            assert!(matches!(field, MicField::Unparsable(_)) || bad.starts_with("Q2h"), "{bad}: {field:?}");
        }
    }

    #[test]
    fn d06_written_in_the_order_of_the_grammar_and_read_back() {
        let recipient = Recipient { address_type: Some("rfc822".to_owned()), address: "\"My Co\"".to_owned() };
        let report = Report {
            original_recipient: Some(recipient.clone()),
            final_recipient: Some(recipient),
            original_message_id: Some("<1@a>".to_owned()),
            disposition: Some(Disposition::warning("duplicate-document")),
            mic: Some(MicField::Mic(ReceivedMic::new(&[1, 2], "sha-256"))),
            warnings: vec!["late".to_owned()],
            ..Report::default()
        };
        let written = String::from_utf8(report.write()).unwrap();
        assert_eq!(
            written,
            "Original-Recipient: rfc822; \"My Co\"\r\nFinal-Recipient: rfc822; \"My Co\"\r\nOriginal-Message-ID: <1@a>\r\n\
             Disposition: automatic-action/MDN-sent-automatically; processed/warning: duplicate-document\r\n\
             Warning: late\r\nReceived-content-MIC: AQI=, sha-256\r\n"
        );
        assert_eq!(Report::read(written.as_bytes()), report);
    }

    #[test]
    fn d22_no_value_breaks_out_of_its_line() {
        let report =
            Report { original_message_id: Some("a\r\nDisposition: processed\u{e9}".to_owned()), ..Report::default() };
        assert_eq!(report.write(), b"Original-Message-ID: a??Disposition: processed?\r\n");
    }
}
