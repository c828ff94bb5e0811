//! What we tell the partner about ourselves in every message and receipt.

use crate::announce::{As2Version, Feature, Product};

/// What we tell the partner about ourselves: the same in messages and receipts (RFC 6017 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct AnnounceTerms {
    /// AS2-Version. Default: 1.1, which says that compression is understood, and 1.2 as soon as there are `features`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub version: Option<As2Version>,
    /// EDIINT-Features: what the partner may send us. Default none, and no header: a partner takes the list as a promise.
    pub features: Vec<Feature>,
    /// AS2-Product. Default none: which product runs where is nobody's business unless somebody asks for it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub product: Option<Product>,
}

impl AnnounceTerms {
    /// The version that is written.
    #[must_use]
    pub fn version(&self) -> As2Version {
        let least = if self.features.is_empty() { As2Version::V1_1 } else { As2Version::V1_2 };
        self.version.unwrap_or(least)
    }
}
