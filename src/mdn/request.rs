//! The wish for a receipt: Disposition-Notification-To, -Options and Receipt-Delivery-Option (RFC 4130 section 7.3).

use crate::mdn::disposition::strip_comments;

/// The receipt that a sender asks for. Nothing in these headers can make a message unreadable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdnRequest {
    signed: Option<SignedReceiptRequest>,
    delivery: ReceiptDelivery,
}

/// The wish for a signed receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedReceiptRequest {
    protocols: Vec<String>,
    protocol_importance: Importance,
    micalgs: Vec<String>,
    micalg_importance: Importance,
    unknown_required: Vec<String>,
}

/// Whether a parameter must be understood (RFC 8098 section 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Importance {
    /// Without it, there shall be no receipt but a failure.
    Required,
    /// It may be ignored.
    #[default]
    Optional,
}

/// How a receipt is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptDelivery {
    /// In the HTTP response.
    Sync,
    /// In a request of its own to this URL, as the sender wrote it: it is his word only.
    Async(String),
    /// By a way that is not HTTP, such as `mailto:`.
    Unsupported(String),
}

impl MdnRequest {
    /// Reads the three header values. Without `Disposition-Notification-To` no receipt is asked for; its value means
    /// nothing (RFC 4130 section 7.3).
    pub(crate) fn read(to: Option<&[u8]>, options: Option<&[u8]>, delivery: Option<&[u8]>) -> Option<Self> {
        to?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
        let signed = options.map(text).and_then(|options| SignedReceiptRequest::read(&options));
        Some(Self { signed, delivery: ReceiptDelivery::read(&delivery.map(text).unwrap_or_default()) })
    }

    /// The wish for a signature, if there is one.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedReceiptRequest> {
        self.signed.as_ref()
    }

    /// How the receipt shall be delivered.
    #[must_use]
    pub fn delivery(&self) -> &ReceiptDelivery {
        &self.delivery
    }
}

impl ReceiptDelivery {
    /// BizTalk sends the header with an empty value and means a synchronous receipt.
    fn read(value: &str) -> Self {
        let url = value.trim_matches(['<', '>', '"']).trim();
        let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match scheme.as_str() {
            "" => Self::Sync,
            "http" | "https" => Self::Async(url.to_owned()),
            _ => Self::Unsupported(url.to_owned()),
        }
    }
}

impl SignedReceiptRequest {
    /// `None` if neither of the two parameters is there.
    fn read(options: &str) -> Option<Self> {
        let (mut request, mut any) = (Self::default(), false);
        for parameter in strip_comments(options).split(';') {
            let Some((name, values)) = parameter.split_once('=') else { continue };
            let (importance, values) = importance(values);
            match name.trim().to_ascii_lowercase().as_str() {
                "signed-receipt-protocol" => {
                    (request.protocols, request.protocol_importance, any) = (values, importance, true);
                }
                "signed-receipt-micalg" => {
                    (request.micalgs, request.micalg_importance, any) = (values, importance, true);
                }
                unknown if importance == Importance::Required => {
                    request.unknown_required.push(crate::name::printable(unknown));
                }
                _ => {}
            }
        }
        (any || !request.unknown_required.is_empty()).then_some(request)
    }

    /// The signature formats, as written.
    #[must_use]
    pub fn protocols(&self) -> &[String] {
        &self.protocols
    }

    /// The digests, as written, best first.
    #[must_use]
    pub fn micalgs(&self) -> &[String] {
        &self.micalgs
    }

    /// Parameters that must be understood, and are not known.
    #[must_use]
    pub fn unknown_required(&self) -> &[String] {
        &self.unknown_required
    }

    /// Whether one of the formats must be used.
    #[must_use]
    pub fn protocol_required(&self) -> bool {
        self.protocol_importance == Importance::Required
    }

    /// Whether one of the digests must be used.
    #[must_use]
    pub fn micalg_required(&self) -> bool {
        self.micalg_importance == Importance::Required
    }

    /// Whether S/MIME signatures are among the formats.
    #[must_use]
    pub fn supports_pkcs7(&self) -> bool {
        let named = |protocol: &String| {
            let protocol = protocol.to_ascii_lowercase();
            let bare = protocol.strip_prefix("application/").unwrap_or(&protocol);
            matches!(bare.strip_prefix("x-").unwrap_or(bare), "pkcs7-signature" | "pkcs-7-signature" | "pkcs7-mime")
        };
        self.protocols.iter().any(named)
    }

    /// Whether the receipt shall be signed: both parameters say so, and peers send either alone too.
    pub(crate) fn asks_for_pkcs7(&self) -> bool {
        self.supports_pkcs7() || (self.protocols.is_empty() && !self.micalgs.is_empty())
    }
}

/// `required, a, b`; a missing importance means that the parameter is optional.
fn importance(values: &str) -> (Importance, Vec<String>) {
    let mut values = values.split(',').map(|value| value.trim().trim_matches('"').trim()).peekable();
    let importance = match values.peek().map(|first| first.to_ascii_lowercase()).as_deref() {
        Some("required") => Importance::Required,
        Some("optional") => Importance::Optional,
        _ => return (Importance::Optional, collect(values)),
    };
    values.next();
    (importance, collect(values))
}

fn collect<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

/// The value of `Disposition-Notification-Options` that we write.
pub(crate) fn options_value(protocol: &str, micalgs: &[&str], importance: Importance) -> String {
    let importance = match importance {
        Importance::Required => "required",
        Importance::Optional => "optional",
    };
    format!(
        "signed-receipt-protocol={importance}, {protocol}; signed-receipt-micalg={importance}, {}",
        micalgs.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(options: &str) -> Option<SignedReceiptRequest> {
        MdnRequest::read(Some(b"x"), Some(options.as_bytes()), None)?.signed
    }

    #[test]
    fn q01_q05_the_request_is_disposition_notification_to() {
        assert!(MdnRequest::read(None, Some(b"signed-receipt-protocol=optional, pkcs7-signature"), None).is_none());
        for value in [&b"x"[..], b"http://evil/", b""] {
            let request = MdnRequest::read(Some(value), None, None).unwrap();
            assert_eq!((request.signed(), request.delivery()), (None, &ReceiptDelivery::Sync), "Q-02");
        }
    }

    #[test]
    fn q04_q06_delivery() {
        let delivery = |url: &str| MdnRequest::read(Some(b"x"), None, Some(url.as_bytes())).unwrap().delivery;
        assert_eq!(delivery("http://a/mdn"), ReceiptDelivery::Async("http://a/mdn".to_owned()));
        assert_eq!(delivery(" <HTTPS://a/> "), ReceiptDelivery::Async("HTTPS://a/".to_owned()));
        assert_eq!(delivery("mailto:a@b"), ReceiptDelivery::Unsupported("mailto:a@b".to_owned()));
        assert_eq!(delivery("nonsense"), ReceiptDelivery::Unsupported("nonsense".to_owned()));
        assert_eq!(delivery("  "), ReceiptDelivery::Sync);
    }

    #[test]
    fn q07_q08_options_in_every_form() {
        let forms = [
            (
                "signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=required, sha-256, sha1",
                "sha-256,sha1",
            ),
            ("signed-receipt-protocol=optional,pkcs7-signature;signed-receipt-micalg=optional,sha1,md5", "sha1,md5"),
            ("signed-receipt-micalg=optional, sha1; signed-receipt-protocol=optional, pkcs7-signature", "sha1"),
            ("SIGNED-RECEIPT-PROTOCOL=Optional, PKCS7-signature; Signed-Receipt-Micalg=OPTIONAL, SHA1;", "SHA1"),
            ("signed-receipt-protocol=optional, \"pkcs7-signature\"; signed-receipt-micalg=optional, \"sha1\"", "sha1"),
            ("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=sha1", "sha1"),
            ("signed-receipt-protocol = optional , pkcs7-signature ;", ""),
            ("signed-receipt-protocol=optional, application/pkcs7-signature", ""),
            ("signed-receipt-micalg=optional, sha-256", "sha-256"),
        ];
        for (form, micalgs) in forms {
            let request = signed(form).unwrap_or_else(|| panic!("{form}"));
            assert!(request.asks_for_pkcs7(), "{form}");
            assert_eq!(request.micalgs().join(","), micalgs, "{form}");
            assert_eq!(request.micalg_required(), form.contains("micalg=required"), "{form}");
        }
        for none in ["", ";;", "foo=optional,x", "pkcs7-signature"] {
            assert_eq!(signed(none), None, "{none}");
        }
    }

    #[test]
    fn q09_q13_what_cannot_be_fulfilled_is_seen() {
        let other =
            signed("signed-receipt-protocol=required, pgp-signature; signed-receipt-micalg=optional, md2").unwrap();
        assert!(!other.supports_pkcs7() && !other.asks_for_pkcs7() && other.protocol_required());
        assert_eq!(signed("foo=required,x").unwrap().unknown_required(), ["foo"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let request = signed(&options_value("pkcs7-signature", &["sha-256", "sha1"], Importance::Optional)).unwrap();
        assert_eq!((request.protocols().len(), request.micalgs().join(",")), (1, "sha-256,sha1".to_owned()));
    }
}
