//! What the partner's receipts must be.

use crate::algorithm::{DigestAlgorithm, SignatureFamily};

/// What the partner's receipts must be to count as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct ReceiptTerms {
    /// Digests accepted in the signature of a receipt. Default SHA-256, SHA-384, SHA-512; others are weak.
    pub mdn_signatures: Vec<DigestAlgorithm>,
    /// Families of signatures accepted on a receipt. Default all.
    pub mdn_signature_families: Vec<SignatureFamily>,
    /// Digests accepted for the MIC in a receipt. Default SHA-1 and SHA-2: the MIC draws its strength from the signature around it.
    pub mics: Vec<DigestAlgorithm>,
}

impl Default for ReceiptTerms {
    fn default() -> Self {
        Self {
            mdn_signatures: DigestAlgorithm::STRONG.to_vec(),
            mdn_signature_families: SignatureFamily::ALL.to_vec(),
            mics: DigestAlgorithm::MICS.to_vec(),
        }
    }
}
