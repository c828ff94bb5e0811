//! What the application says about a document that it does not take (RFC 4130 section 7.5.4).

use crate::mdn::Disposition;

/// Why the application does not take a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The file name cannot be used.
    IllegalFilename,
    /// A file of this name exists.
    DuplicateFilename,
    /// The document was received before: a warning, the sender counts it as delivered.
    DuplicateDocument,
    /// Anything else, told in words for the sender's operator. Write nothing secret here.
    ProcessingError(String),
}

impl Verdict {
    pub(crate) fn answer(self) -> (Disposition, String) {
        match self {
            Self::IllegalFilename => {
                (Disposition::error("illegal-filename"), "The file name cannot be used.".to_owned())
            }
            Self::DuplicateFilename => {
                (Disposition::error("duplicate-filename"), "A file of this name exists already.".to_owned())
            }
            Self::DuplicateDocument => {
                (Disposition::warning("duplicate-document"), "The document was received before.".to_owned())
            }
            Self::ProcessingError(text) => (Disposition::error("unexpected-processing-error"), text),
        }
    }
}
