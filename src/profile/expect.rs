//! What the partner's receipts must be.

use crate::algorithm::DigestAlgorithm;

/// What the partner's receipts must be to count as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct ReceiptTerms {
    /// Digests accepted in the signature of a receipt. Default SHA-256, SHA-384, SHA-512.
    pub mdn_signatures: Vec<DigestAlgorithm>,
    /// Digests accepted for the MIC in a receipt. Default all, SHA-1 too: the MIC draws its strength from the signature around it.
    pub mics: Vec<DigestAlgorithm>,
}

impl Default for ReceiptTerms {
    fn default() -> Self {
        Self {
            mdn_signatures: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512],
            mics: DigestAlgorithm::ALL.to_vec(),
        }
    }
}
