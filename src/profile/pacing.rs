//! How fast a partner may be called, and how he says that it was too fast.

use std::time::Duration;

/// The pace of calls to the partner. The default sets no bounds, and waits a minute after status 429.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct PacingTerms {
    /// Which answers mean that we call too often. Default status 429.
    #[cfg_attr(feature = "serde", serde(default = "FailRule::too_many"))]
    pub limited: FailRule,
    /// How long to wait after such an answer, if it has no `Retry-After`. Default one minute.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub wait: Duration,
    /// The least time between the starts of two calls. Default none.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub min_gap: Duration,
    /// Calls in each interval; 0, the default, for any number.
    pub calls: u32,
    /// The interval of `calls`. Default one minute.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub interval: Duration,
    /// Calls under way at once; 0, the default, for any number.
    pub concurrency: u32,
}

impl Default for PacingTerms {
    fn default() -> Self {
        Self {
            limited: FailRule::too_many(),
            wait: Duration::from_secs(60),
            min_gap: Duration::ZERO,
            calls: 0,
            interval: Duration::from_secs(60),
            concurrency: 0,
        }
    }
}

/// How an HTTP answer is recognised as a certain failure: by its status, or by a value in its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct FailRule {
    /// The statuses that mean it. They replace the default of the rule; an empty list means that no status does.
    pub status: Vec<u16>,
    /// Where in the body to look, whatever the status is: a JSON pointer (`/error/code`), a dotted path
    /// (`error.code`), or `$text` for the text of the body. Default nowhere.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub path: Option<String>,
    /// The values at `path` that mean it; with `$text`, parts of the text. An empty list means any value but
    /// null, false and the empty string.
    pub values: Vec<String>,
    /// Whether one of status and body is enough. Default it is.
    pub r#match: Match,
}

impl FailRule {
    /// Status 401: credentials refused.
    pub(crate) fn unauthorized() -> Self {
        Self { status: vec![401], ..Self::default() }
    }

    /// Status 429: too many requests.
    pub(crate) fn too_many() -> Self {
        Self { status: vec![429], ..Self::default() }
    }
}

/// How the conditions of a [`FailRule`] go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Match {
    /// One of them is enough.
    #[default]
    Any,
    /// Both must hold.
    All,
}
