//! Names in a certificate that may stand for a partner: the subject as encoded, its common name, and the
//! alternative names. They are compared in these forms only; the text for people can be forged.

use x509_parser::prelude::{FromDer, X509Name};

use super::Certificate;
use super::der::Reader;

/// Tags of GeneralName (RFC 5280 section 4.2.1.6).
const RFC822_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;

impl Certificate {
    /// The whole subject name, as encoded: two certificates name the same subject if these octets are equal.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.slice(&self.0.fields.subject)
    }

    /// Whether the subject has exactly one common name, and it is this one, letter for letter.
    #[must_use]
    pub fn has_common_name(&self, name: &str) -> bool {
        let Ok((_, subject)) = X509Name::from_der(self.subject_der()) else { return false };
        let mut names = subject.iter_common_name();
        names.next().is_some_and(|only| only.as_str() == Ok(name)) && names.next().is_none()
    }

    /// Whether an alternative name is this e-mail address: the domain in any case, the rest letter for letter.
    #[must_use]
    pub fn has_email(&self, address: &str) -> bool {
        let split = |text: &str| text.rsplit_once('@').map(|(user, host)| (user.to_owned(), host.to_ascii_lowercase()));
        self.has_alternative(RFC822_NAME, |name| split(name).is_some_and(|parts| Some(parts) == split(address)))
    }

    /// Whether an alternative name is this DNS name, in any case; wildcards stand for themselves.
    #[must_use]
    pub fn has_dns_name(&self, host: &str) -> bool {
        self.has_alternative(DNS_NAME, |name| name.eq_ignore_ascii_case(host))
    }

    fn has_alternative(&self, tag: u8, is_meant: impl Fn(&str) -> bool) -> bool {
        let Some(range) = &self.0.fields.subject_alt_name else { return false };
        let names = self.slice(range);
        let mut names = Reader::new(names);
        while let Ok(name) = names.next("subjectAltName") {
            let text = || std::str::from_utf8(names.octets(&name.content)).ok();
            if names.octets(&name.whole).first() == Some(&tag) && text().is_some_and(&is_meant) {
                return true;
            }
        }
        false
    }
}
