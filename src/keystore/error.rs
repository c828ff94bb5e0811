//! Why a file of keys and certificates could not be read, or nothing chosen from it.

use crate::certificate::CertificateError;
use crate::cms::Error as CmsError;

/// Why a file of keys and certificates could not be used. No part of a key or password is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The octets are of no form that is known.
    #[error(
        "not a file of keys or certificates: neither PEM, DER nor base64 ({octets} octets); export it in one of these"
    )]
    Unknown {
        /// Length of the file.
        octets: usize,
    },
    /// The file is of a known form and holds neither keys nor certificates.
    #[error("no key and no certificate in the file; it holds {found}: choose the file that has them")]
    Nothing {
        /// What it holds instead.
        found: String,
    },
    /// The file is larger than 8 MiB.
    #[error("the file is larger than {limit} octets: export what is needed alone")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// There are more keys and certificates than the limit.
    #[error("the file holds more than {limit} keys and certificates: export what is needed alone")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The file is damaged, or is not what it looks like.
    #[error("the file is damaged: {part}: {error}; copy it again, octet for octet, or export it anew")]
    Structure {
        /// What was being read.
        part: &'static str,
        /// What is wrong, and where.
        error: CmsError,
    },
    /// The file is damaged: a PEM section is not complete, or no base64.
    #[error("the file is damaged: the PEM section {label} {problem}; copy it again as a whole")]
    Pem {
        /// The label of the section.
        label: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A certificate in the file cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The private key is malformed in the named part.
    #[error("malformed private key: {0}; export it anew")]
    Key(&'static str),
    /// A part of the file is encrypted, and no password was given.
    #[error("{part} is encrypted: give its password")]
    PasswordNeeded {
        /// What is encrypted.
        part: &'static str,
    },
    /// The password does not fit. Where nothing else protects the file, damaged octets look the same.
    #[error("the password does not fit {part}: give the one that it was exported with")]
    WrongPassword {
        /// What it does not fit.
        part: &'static str,
    },
    /// Deriving the key would take longer than is allowed for one file.
    #[error(
        "the password derivation of {part} asks for {cost} iterations; at most {limit} are made for one file: export it \
         with fewer"
    )]
    TooExpensive {
        /// What is encrypted.
        part: &'static str,
        /// Iterations or their equivalent.
        cost: u64,
        /// The limit.
        limit: u64,
    },
    /// An algorithm or a construction that this crate does not read.
    #[error("{part} uses {what}, which is not supported; convert the file: {remedy}")]
    Unsupported {
        /// What uses it.
        part: &'static str,
        /// The algorithm, by name or object identifier.
        what: String,
        /// A command that converts the file.
        remedy: &'static str,
    },
    /// A store of another system.
    #[error("this is a {format} file; convert it: {command}")]
    Foreign {
        /// The format.
        format: &'static str,
        /// The command that converts it.
        command: &'static str,
    },
    /// The crate was built without a feature that the file needs.
    #[error("{part} can be read with the feature `{feature}` of this crate only")]
    Feature {
        /// What needs it.
        part: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// There is no entry of this alias.
    #[error("no entry {alias:?} in the key store; there are: {}", list(.known))]
    NoEntry {
        /// The alias that was asked for.
        alias: String,
        /// The aliases that there are.
        known: Vec<String>,
    },
    /// Several entries could be meant.
    #[error("several entries could be meant, choose one by its exact alias: {}", list(.known))]
    Ambiguous {
        /// Their aliases.
        known: Vec<String>,
    },
    /// The provider gave no random octets.
    #[error("the provider gave no random octets")]
    Random,
}

impl KeyStoreError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "KEYSTORE_UNKNOWN",
            Self::Nothing { .. } => "KEYSTORE_NOTHING",
            Self::TooLarge { .. } => "KEYSTORE_TOO_LARGE",
            Self::TooMany { .. } => "KEYSTORE_TOO_MANY",
            Self::Structure { .. } | Self::Pem { .. } => "KEYSTORE_DAMAGED",
            Self::Certificate(error) => error.code(),
            Self::Key(_) => "KEY_MALFORMED",
            Self::PasswordNeeded { .. } => "KEYSTORE_PASSWORD_NEEDED",
            Self::WrongPassword { .. } => "KEYSTORE_PASSWORD",
            Self::TooExpensive { .. } => "KEYSTORE_TOO_EXPENSIVE",
            Self::Unsupported { .. } => "KEYSTORE_UNSUPPORTED",
            Self::Foreign { .. } => "KEYSTORE_FOREIGN",
            Self::Feature { .. } => "KEYSTORE_FEATURE",
            Self::NoEntry { .. } => "KEYSTORE_NO_ENTRY",
            Self::Ambiguous { .. } => "KEYSTORE_AMBIGUOUS",
            Self::Random => "RANDOM",
        }
    }

    /// What a reader of structures makes of an error.
    pub(super) fn at(part: &'static str) -> impl Fn(CmsError) -> Self {
        move |error| Self::Structure { part, error }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
