//! How fast a partner may be called, and how he says that it was too fast.

use std::num::NonZeroU32;
use std::time::Duration;

/// The pace of calls to the partner. The default sets no bounds, and waits a minute after status 429.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct PacingTerms {
    /// Which answers mean that we call too often. Default status 429, which stays unless `status` is written.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "FailRule::read_limited"))]
    pub limited: FailRule,
    /// How long to wait after such an answer, if it has no `Retry-After`. Default one minute, the interval that most
    /// limits are counted in.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub wait: Duration,
    /// The least time between the starts of two calls. Default none: few partners ask for one.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub min_gap: Duration,
    /// Calls in each interval, wherever the interval is taken to begin; 0 for any number. Default 0: AS2 knows no
    /// limit, a partner who has one says so.
    pub calls: u32,
    /// The interval of `calls`. Default one minute, as partners state their limits.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub interval: Duration,
    /// Calls under way at once; 0 for any number. Default 0: HTTP clients have a bound of their own.
    pub concurrency: u32,
    /// A call that has not ended after this time no longer counts as under way: its process is gone. Set it above the
    /// longest time limit of the HTTP client. Default ten minutes, longer than any common time limit.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub longest_call: Duration,
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
            longest_call: Duration::from_secs(600),
        }
    }
}

impl PacingTerms {
    /// The terms of one of several replicas that share nothing: together they keep `calls` in each interval and
    /// `concurrency`. `min_gap` is kept on the average only; where it must hold between replicas, let them share a
    /// [`Pacer`](crate::Pacer). Replicas count from 0.
    ///
    /// `None` for a replica for which nothing is left: it must not call.
    ///
    /// ```
    /// use as2_protocol::PacingTerms;
    /// let mut terms = PacingTerms::default();
    /// terms.calls = 5;
    /// let calls = |replica| terms.share(replica, 3.try_into().unwrap()).map(|share| share.calls);
    /// assert_eq!([calls(0), calls(1), calls(2), calls(3)], [Some(2), Some(2), Some(1), None]);
    /// ```
    #[must_use]
    pub fn share(&self, replica: u32, of: NonZeroU32) -> Option<Self> {
        if replica >= of.get() {
            return None;
        }
        // 0 stands for any number, so a share of nothing cannot be written as one.
        let part = |whole: u32| match whole {
            0 => Some(0),
            _ => Some(whole / of + u32::from(replica < whole % of)).filter(|part| *part > 0),
        };
        Some(Self {
            calls: part(self.calls)?,
            concurrency: part(self.concurrency)?,
            min_gap: self.min_gap.saturating_mul(of.get()),
            ..self.clone()
        })
    }
}

/// How an HTTP answer is recognised as a certain failure: by its status, or by a value in its body.
///
/// A body that is a receipt is never looked at. Of others the first 256 KiB are, and a document in JSON or XML that is
/// longer has no values.
///
/// ```
/// # use as2_protocol::PartnerProfile;
/// # let mut profile = PartnerProfile::new("us".parse().unwrap(), "them".parse().unwrap(), "https://b.example/".parse().unwrap());
/// // `{"errors": [{"code": "TOO_MANY"}]}` with any status, and status 429 as before.
/// profile.pacing.limited.path = Some("errors.code".to_owned());
/// profile.pacing.limited.values = vec!["TOO_MANY".to_owned()];
/// assert!(profile.contradictions().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FailRule {
    /// The statuses that mean it. They replace the default of the rule; an empty list means that no status does.
    pub status: Vec<u16>,
    /// Where in the body to look, whatever the status is: a JSON pointer (`/errors/0/code`), names and array indexes
    /// with dots (`errors.0.code`, `errors[0].code`; without index any element will do), or `$text` for the body as
    /// text. In a body that is XML, names are those of elements, the root's first: `Error.Code`. Default nowhere.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub path: Option<String>,
    /// The values at `path` that mean it: strings, numbers, true and false, written as text; of an array, any element. Of an XML element, its text.
    /// With `$text`, parts of the text as they stand there. An empty list, the default, means anything but null,
    /// false and the empty string; an array counts by its elements here, too, so that an empty one is nothing.
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

#[cfg(feature = "serde")]
mod written {
    use serde::{Deserialize, Deserializer};

    use super::{FailRule, Match};

    /// A rule as it is written: a status that is left out is not the same as an empty list.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename = "FailRule")]
    struct Written {
        status: Option<Vec<u16>>,
        path: Option<String>,
        #[serde(default)]
        values: Vec<String>,
        #[serde(default)]
        r#match: Match,
    }

    impl FailRule {
        pub(in crate::profile) fn read_limited<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
            Self::read(input, Self::too_many())
        }

        pub(in crate::profile) fn read_refused<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
            Self::read(input, Self::unauthorized())
        }

        fn read<'de, D: Deserializer<'de>>(input: D, usual: Self) -> Result<Self, D::Error> {
            let Written { status, path, values, r#match } = Written::deserialize(input)?;
            Ok(Self { status: status.unwrap_or(usual.status), path, values, r#match })
        }
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
