//! The Disposition field (RFC 4130 sections 7.4.3 and 7.5, RFC 8098 section 3.2.6).

use std::fmt;

/// What became of a message, as its receipt says.
///
/// Every historic spelling is read; one is written.
///
/// ```
/// use as2_protocol::Disposition;
/// let read = Disposition::parse("Automatic-action/mdn-sent-automatically;processed/Error:decryption-failed");
/// assert_eq!(read, Disposition::error("decryption-failed"));
/// assert_eq!(read.to_string(), "automatic-action/MDN-sent-automatically; processed/error: decryption-failed");
/// assert!(!read.is_positive());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", from = "String"))]
#[non_exhaustive]
pub struct Disposition {
    /// How the receipt came about.
    pub mode: DispositionMode,
    /// What became of the message.
    pub kind: DispositionType,
    /// What qualifies it.
    pub modifier: Option<Modifier>,
}

/// How a receipt came about (RFC 8098 section 3.2.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispositionMode {
    /// `automatic-action/MDN-sent-automatically`
    Automatic,
    /// `manual-action/MDN-sent-manually`
    Manual,
    /// Anything else, as received.
    Other(String),
}

/// What became of a message (RFC 8098 section 3.2.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispositionType {
    /// `processed`: what the modifier does not take back.
    Processed,
    /// `failed`: the receipt itself could not be given as asked for.
    Failed,
    /// Anything else, such as `displayed` or `deleted`: no success in AS2.
    Other(String),
}

/// What qualifies a disposition: `error: decryption-failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Modifier {
    /// The kind.
    pub kind: ModifierKind,
    /// What follows the colon.
    pub text: Option<String>,
}

/// The kind of a modifier (RFC 4130 section 7.5.3 to 7.5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModifierKind {
    /// The message was refused.
    Error,
    /// The receipt could not be given as asked for.
    Failure,
    /// The message was taken, with a remark.
    Warning,
    /// Anything else.
    Other(String),
}

impl Disposition {
    /// The message was taken.
    #[must_use]
    pub fn processed() -> Self {
        Self { mode: DispositionMode::Automatic, kind: DispositionType::Processed, modifier: None }
    }

    /// The message was refused: `processed/error: …`.
    #[must_use]
    pub fn error(text: &str) -> Self {
        Self::modified(DispositionType::Processed, ModifierKind::Error, text)
    }

    /// The receipt could not be given as asked for: `failed/failure: …`.
    #[must_use]
    pub fn failure(text: &str) -> Self {
        Self::modified(DispositionType::Failed, ModifierKind::Failure, text)
    }

    /// The message was taken, with a remark: `processed/warning: …`.
    #[must_use]
    pub fn warning(text: &str) -> Self {
        Self::modified(DispositionType::Processed, ModifierKind::Warning, text)
    }

    fn modified(kind: DispositionType, modifier: ModifierKind, text: &str) -> Self {
        let text = Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { mode: DispositionMode::Automatic, kind, modifier: Some(Modifier { kind: modifier, text }) }
    }

    /// Reads a field value in any spelling. Nothing is refused: what is not understood is kept as it stands.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let value = strip_comments(value);
        let (mode, rest) = match value.split_once(';') {
            Some((mode, rest)) => (mode.trim(), rest.trim()),
            None => ("", value.trim()),
        };
        let (kind, modifier) = match rest.split_once('/') {
            Some((kind, modifier)) => (kind.trim(), Some(modifier.trim()).filter(|modifier| !modifier.is_empty())),
            None => (rest, None),
        };
        Self {
            mode: DispositionMode::parse(mode),
            kind: DispositionType::parse(kind),
            modifier: modifier.map(Modifier::parse),
        }
    }

    /// Whether the message was taken: `processed` without error or failure. Warnings are a success.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        let refused = |modifier: &Modifier| matches!(modifier.kind, ModifierKind::Error | ModifierKind::Failure);
        self.kind == DispositionType::Processed && !self.modifier.as_ref().is_some_and(refused)
    }

    /// Whether the receipt could not be given as asked for, whatever became of the message.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.kind == DispositionType::Failed
    }

    /// The remark of a message that was taken.
    #[must_use]
    pub fn warning_text(&self) -> Option<&str> {
        let modifier = self.modifier.as_ref().filter(|modifier| modifier.kind == ModifierKind::Warning)?;
        Some(modifier.text.as_deref().unwrap_or_default())
    }
}

impl DispositionMode {
    fn parse(text: &str) -> Self {
        let folded: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        match folded.as_str() {
            "automatic-action/mdn-sent-automatically" => Self::Automatic,
            "manual-action/mdn-sent-manually" => Self::Manual,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl DispositionType {
    fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "processed" => Self::Processed,
            "failed" => Self::Failed,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl Modifier {
    /// `kind: text`; libas2 writes an equals sign instead of the colon.
    fn parse(text: &str) -> Self {
        let (kind, rest) = match text.find([':', '=']) {
            Some(position) => (text.get(..position).unwrap_or_default(), text.get(position + 1..)),
            None => (text, None),
        };
        let text = rest.map(str::trim).filter(|rest| !rest.is_empty()).map(str::to_owned);
        let kind = match kind.trim().to_ascii_lowercase().as_str() {
            "error" => ModifierKind::Error,
            "failure" | "failed" => ModifierKind::Failure,
            "warning" => ModifierKind::Warning,
            _ => ModifierKind::Other(kind.trim().to_owned()),
        };
        Self { kind, text }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match &self.mode {
            DispositionMode::Automatic => "automatic-action/MDN-sent-automatically",
            DispositionMode::Manual => "manual-action/MDN-sent-manually",
            DispositionMode::Other(other) => other,
        };
        let kind = match &self.kind {
            DispositionType::Processed => "processed",
            DispositionType::Failed => "failed",
            DispositionType::Other(other) => other,
        };
        write!(f, "{mode}; {kind}")?;
        let Some(modifier) = &self.modifier else { return Ok(()) };
        let name = match &modifier.kind {
            ModifierKind::Error => "error",
            ModifierKind::Failure => "failure",
            ModifierKind::Warning => "warning",
            ModifierKind::Other(other) => other,
        };
        match &modifier.text {
            Some(text) => write!(f, "/{name}: {text}"),
            None => write!(f, "/{name}"),
        }
    }
}

impl From<Disposition> for String {
    fn from(disposition: Disposition) -> Self {
        disposition.to_string()
    }
}

impl From<String> for Disposition {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

/// Drops RFC 5322 comments, nested ones too.
pub(crate) fn strip_comments(text: &str) -> String {
    let (mut plain, mut depth) = (String::with_capacity(text.len()), 0u32);
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    // A parenthesis that never closes is text.
    if depth > 0 { text.to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e05_every_construction_of_rfc_4130_section_7_5_6() {
        let auto = "automatic-action/MDN-sent-automatically;";
        let cases = [
            ("processed", Disposition::processed(), true),
            ("processed/error: decryption-failed", Disposition::error("decryption-failed"), false),
            ("processed/Error:decryption-failed", Disposition::error("decryption-failed"), false),
            ("processed/error", Disposition::error(""), false),
            ("processed/warning: duplicate-document", Disposition::warning("duplicate-document"), true),
            ("processed/Warning", Disposition::warning(""), true),
            ("failed/failure: sender-equals-receiver", Disposition::failure("sender-equals-receiver"), false),
            ("failed/Failure: unsupported MIC-algorithms", Disposition::failure("unsupported MIC-algorithms"), false),
            ("failed/failure=bad: x", Disposition::failure("bad: x"), false),
        ];
        for (text, expected, positive) in cases {
            let read = Disposition::parse(&format!("{auto} {text}"));
            assert_eq!(read, expected, "{text}");
            assert_eq!(read.is_positive(), positive, "{text}");
            assert_eq!(Disposition::parse(&read.to_string()), read, "what is written is read back");
        }
        assert!(Disposition::parse(&format!("{auto} failed")).is_failure());
    }

    #[test]
    fn e04_e13_unknown_words_are_kept_and_never_a_success_by_mistake() {
        assert!(Disposition::parse("automatic-action/MDN-sent-automatically; processed/foo, bar").is_positive());
        for negative in [
            "displayed",
            "a/b; deleted",
            "dispatched",
            "denied",
            "",
            ";",
            "processed2",
            "failed",
            "manual-action/MDN-sent-manually",
        ] {
            assert!(!Disposition::parse(negative).is_positive(), "{negative:?}");
        }
        let odd = Disposition::parse(" (c) Automatic-Action / MDN-sent-Automatically ;processed / error : x (why) ");
        assert_eq!(odd, Disposition::error("x"));
    }

    #[test]
    fn z19_failures_take_any_text() {
        let text = "x".repeat(500);
        let read = Disposition::parse(&format!("automatic-action/MDN-sent-automatically; failed/failure: {text}"));
        assert_eq!(read, Disposition::failure(&text));
    }
}
