//! What each side tells about itself in every message and receipt: AS2-Version (RFC 4130 section 6.1),
//! EDIINT-Features (RFC 6017) and AS2-Product (draft of RFC 4130bis).

use std::fmt;
use std::str::FromStr;

use crate::name::printable;

/// The version of AS2 that is claimed. All of them mean the same protocol; the minor digit tells what is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum As2Version {
    /// RFC 4130 alone.
    #[cfg_attr(feature = "serde", serde(rename = "1.0"))]
    V1_0,
    /// Compression too (RFC 5402 section 6).
    #[cfg_attr(feature = "serde", serde(rename = "1.1"))]
    V1_1,
    /// Compression, and the header EDIINT-Features (RFC 6017 section 4).
    #[cfg_attr(feature = "serde", serde(rename = "1.2"))]
    V1_2,
    /// The algorithms of the draft of RFC 4130bis: between two sides that claim it nothing is made with MD5, SHA-1,
    /// triple DES or RC2.
    #[cfg_attr(feature = "serde", serde(rename = "1.3"))]
    V1_3,
}

impl As2Version {
    /// The value of the header: `1.1`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    /// RFC 4130 section 6.1: 1.0 to 1.9 are this protocol, and only the major digit decides.
    fn read(text: &str) -> Option<Self> {
        let minor = text.strip_prefix("1.").filter(|minor| minor.len() == 1)?;
        match minor.as_bytes() {
            b"0" => Some(Self::V1_0),
            b"1" => Some(Self::V1_1),
            b"2" => Some(Self::V1_2),
            [b'3'..=b'9'] => Some(Self::V1_3),
            _ => None,
        }
    }
}

impl fmt::Display for As2Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a feature or a product cannot be announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The feature is not a token of RFC 6017 section 2.
    #[error("`{0}` is not the name of a feature: write letters, digits and hyphens, as in multiple-attachments")]
    Feature(String),
    /// The product is not of the form `name:version`.
    #[error("`{0}` is not a product: write name:version, as in my-product:1.0.2")]
    Product(String),
}

impl AnnounceError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Feature(_) => "FEATURE_INVALID",
            Self::Product(_) => "PRODUCT_INVALID",
        }
    }
}

/// A feature token of EDIINT-Features (RFC 6017 section 2); tokens are compared without regard to case.
///
/// ```
/// use as2_protocol::Feature;
/// assert_eq!("cem".parse::<Feature>()?, Feature::cem());
/// assert!("two words".parse::<Feature>().is_err());
/// # Ok::<(), as2_protocol::AnnounceError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct Feature(String);

impl Feature {
    /// Several documents in one message (RFC 6362 section 2.2).
    #[must_use]
    pub fn multiple_attachments() -> Self {
        Self("multiple-attachments".to_owned())
    }

    /// Certificate exchange messages.
    #[must_use]
    pub fn cem() -> Self {
        Self("CEM".to_owned())
    }

    /// The token as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Feature {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Feature {}

impl FromStr for Feature {
    type Err = AnnounceError;

    fn from_str(token: &str) -> Result<Self, AnnounceError> {
        let valid = (1..=MAX_TOKEN).contains(&token.len())
            && token.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if valid { Ok(Self(token.to_owned())) } else { Err(AnnounceError::Feature(printable(token))) }
    }
}

impl TryFrom<String> for Feature {
    type Error = AnnounceError;

    fn try_from(token: String) -> Result<Self, AnnounceError> {
        token.parse()
    }
}

impl From<Feature> for String {
    fn from(feature: Feature) -> Self {
        feature.0
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A product and its version, as AS2-Product carries them: `my-product:1.0.2`.
///
/// The name has lower-case letters, digits and hyphens; the version has numbers with dots between them, and may end
/// with a hyphen or plus sign and letters, digits, hyphens and dots.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct Product {
    text: String,
    colon: usize,
}

impl Product {
    /// The name in front of the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// The version behind it.
    #[must_use]
    pub fn version(&self) -> &str {
        self.text.get(self.colon + 1..).unwrap_or_default()
    }
}

impl FromStr for Product {
    type Err = AnnounceError;

    fn from_str(text: &str) -> Result<Self, AnnounceError> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|o| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'-')
        };
        match text.split_once(':') {
            Some((name, version)) if text.len() <= MAX_TOKEN && is_name(name) && is_version(version) => {
                Ok(Self { text: text.to_owned(), colon: name.len() })
            }
            _ => Err(AnnounceError::Product(printable(text))),
        }
    }
}

fn is_version(version: &str) -> bool {
    let (numbers, suffix) = match version.find(['-', '+']) {
        Some(at) => (version.get(..at).unwrap_or_default(), version.get(at + 1..)),
        None => (version, None),
    };
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    let is_suffix = |suffix: &str| {
        !suffix.is_empty() && suffix.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-+.".contains(&octet))
    };
    numbers.split('.').all(is_number) && suffix.is_none_or(is_suffix)
}

impl TryFrom<String> for Product {
    type Error = AnnounceError;

    fn try_from(text: String) -> Result<Self, AnnounceError> {
        text.parse()
    }
}

impl From<Product> for String {
    fn from(product: Product) -> Self {
        product.text
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the other side told about itself. All of it is a claim: nothing signs HTTP headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Announcement {
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    version: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    features: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    product: Option<String>,
}

impl Announcement {
    pub(crate) fn new(version: Option<String>, features: Option<String>, product: Option<String>) -> Self {
        Self { version, features, product }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The version, by its major digit: 1.0 where the header is missing, 1.3 for what is later; `None` for what is
    /// not a version 1.
    #[must_use]
    pub fn version(&self) -> Option<As2Version> {
        self.version_text().map_or(Some(As2Version::V1_0), As2Version::read)
    }

    /// AS2-Version as received.
    #[must_use]
    pub fn version_text(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The features that are announced; what is no token is skipped. The partner can be sent what they name.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        self.tokens().filter_map(|token| token.parse().ok()).take(MAX_FEATURES).collect()
    }

    /// Whether a feature is announced.
    #[must_use]
    pub fn announces(&self, feature: &Feature) -> bool {
        self.tokens().any(|token| token.eq_ignore_ascii_case(feature.as_str()))
    }

    /// EDIINT-Features as received.
    #[must_use]
    pub fn features_text(&self) -> Option<&str> {
        self.features.as_deref()
    }

    /// The product, if AS2-Product names one in the right form.
    #[must_use]
    pub fn product(&self) -> Option<Product> {
        self.product_text()?.parse().ok()
    }

    /// AS2-Product as received.
    #[must_use]
    pub fn product_text(&self) -> Option<&str> {
        self.product.as_deref()
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.features_text().unwrap_or_default().split(',').map(str::trim)
    }
}

/// Longest feature or product that is taken; real ones are shorter than 30 characters.
const MAX_TOKEN: usize = 128;
/// Features that are told; agents announce three.
const MAX_FEATURES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str) -> Announcement {
        Announcement::new(None, Some(text.to_owned()), None)
    }

    #[test]
    fn v02_only_the_major_digit_of_a_version_decides() {
        let read = |text: &str| Announcement::new(Some(text.to_owned()), None, None).version();
        let known = [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "1.2"), ("1.3", "1.3"), ("1.9", "1.3")];
        for (text, version) in known {
            assert_eq!(read(text).map(As2Version::name), Some(version), "{text}");
        }
        for text in ["2.0", "1", "1.", "1.10", "1.x", "", "one"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Announcement::default().version(), Some(As2Version::V1_0), "V-03: absence is 1.0");
    }

    #[test]
    fn v07_features_are_tokens_in_any_case_with_white_space_around_commas() {
        let read = features("CEM ,multiple-attachments");
        assert_eq!(read.features(), [Feature::cem(), Feature::multiple_attachments()]);
        assert!(read.announces(&"Multiple-Attachments".parse().unwrap()) && !read.announces(&"x".parse().unwrap()));
        for bad in ["", "two words", "x_y", "a,b", "a\r\nb", "ü", &"x".repeat(129)] {
            assert!(matches!(bad.parse::<Feature>(), Err(AnnounceError::Feature(_))), "{bad:?}");
        }
    }

    #[test]
    fn v08_what_is_no_token_is_skipped() {
        let read = features("foo-bar, CEM, , x_y");
        assert_eq!(read.features(), ["foo-bar".parse().unwrap(), Feature::cem()]);
        assert_eq!(read.features_text(), Some("foo-bar, CEM, , x_y"));
        assert_eq!(features(&"a,".repeat(10_000)).features().len(), MAX_FEATURES);
    }

    #[test]
    fn v11_products_have_a_name_and_a_version() {
        for good in ["my-lib:0.1.0", "x9:1", "as2:2.0-beta.1", "as2:1.0+build7"] {
            assert_eq!(good.parse::<Product>().unwrap().to_string(), good);
        }
        let product: Product = "my-lib:0.1.0".parse().unwrap();
        assert_eq!((product.name(), product.version()), ("my-lib", "0.1.0"));
        for bad in ["My Lib:1", "my-lib", "my-lib:", ":1", "a:1.", "a:.1", "a:b", "a:1-", "a:1 0", "a:1:2", "a:1\n"] {
            assert!(matches!(bad.parse::<Product>(), Err(AnnounceError::Product(_))), "{bad:?}");
        }
        let odd = Announcement::new(None, None, Some("My Lib 1".to_owned()));
        assert_eq!((odd.product(), odd.product_text()), (None, Some("My Lib 1")));
    }
}
