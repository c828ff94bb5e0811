//! What to do when credentials are refused: fetch a refreshable secret anew once, then stop.

use crate::profile::{AuthTerms, SecretRef};
use crate::stored::FormatVersion;

/// Where the credentials of one message, or of one receipt, stand. A [`Delivery`](crate::Delivery) holds one; whoever
/// has a schedule of his own keeps it beside the stored request.
///
/// ```
/// use as2_protocol::{AuthState, AuthStep, AuthTerms};
/// fn refused(state: &mut AuthState, terms: &AuthTerms) {
///     match state.refused(terms) {
///         // Fetch a new token under this name, then authorize and send the same stored request.
///         AuthStep::Refresh(secret) => println!("fetch {} anew", secret.name()),
///         // Somebody must mend the credentials; sending again would only lock the account.
///         _ => println!("stop"),
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct AuthState {
    version: FormatVersion,
    refreshed: bool,
}

/// What to do about refused credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum AuthStep {
    /// Fetch this secret anew, then send the same octets again at once. A secret that was fetched since the request
    /// went out, for another message, is new enough.
    Refresh(SecretRef),
    /// Stop: [`Advice::FixAccess`](crate::Advice::FixAccess).
    FixAccess,
}

impl AuthState {
    /// A message that was not sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to an attempt was that the credentials are refused.
    pub fn refused(&mut self, terms: &AuthTerms) -> AuthStep {
        let step = self.next_step(terms);
        self.refreshed |= matches!(step, AuthStep::Refresh(_));
        step
    }

    /// What a refusal leads to.
    pub(crate) fn next_step(&self, terms: &AuthTerms) -> AuthStep {
        match terms.method.secret() {
            Some(secret) if terms.refreshable && !self.refreshed => AuthStep::Refresh(secret.clone()),
            _ => AuthStep::FixAccess,
        }
    }

    /// The secret has been fetched anew.
    pub(crate) fn refreshed(&mut self) {
        self.refreshed = true;
    }

    /// The answer to an attempt was any other: the credentials were good, and may be refreshed once more when a later
    /// attempt finds them expired. An attempt without answer tells nothing, and is not reported here.
    pub fn accepted(&mut self) {
        self.refreshed = false;
    }
}
