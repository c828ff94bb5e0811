//! A message that is refused: the exact error for us, the answer for the partner.

use http::StatusCode;

use crate::error::{Exposure, ReceiveError, answer};
use crate::message::opening::Context;
use crate::note::Note;
use crate::receipt::builder::{MdnBuilder, Reply};
use crate::smime::diagnosis::SignatureDiagnosis;
use crate::smime::examine::{Suspect, examine};
use crate::smime::layer::Layer;
use crate::smime::mic::Mic;
use crate::smime::peel::Failure;

/// A message that is refused: the exact error for us, the answer for the partner.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct Refused(Box<Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    context: Context,
    error: ReceiveError,
    exposure: Exposure,
    mic: Option<Mic>,
    layers: Vec<Layer>,
    signature: Option<Box<Suspect>>,
}

impl Refused {
    pub(crate) fn early(context: Context, error: ReceiveError) -> Self {
        Self(Box::new(Refusal {
            context,
            error,
            exposure: Exposure::Open,
            mic: None,
            layers: Vec::new(),
            signature: None,
        }))
    }

    pub(crate) fn new(mut context: Context, failure: Failure) -> Self {
        let Failure { error, exposure, mic, trail, signature } = failure;
        context.notes.extend(trail.notes);
        Self(Box::new(Refusal { context, error, exposure, mic, layers: trail.layers, signature }))
    }

    /// What exactly is wrong. It is for our log: what the partner may learn is less.
    #[must_use]
    pub fn error(&self) -> &ReceiveError {
        &self.0.error
    }

    /// The layers that were opened before it failed, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.0.layers
    }

    /// What was tolerated before it failed.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.0.context.notes
    }

    /// Why the signature does not count, if that is why the message is refused: which part of it differs, and what it
    /// claims against what is agreed.
    ///
    /// It is for our log, and as a sentence for a letter to the partner. The receipt is written without it, and what it
    /// says about the content of an envelope must not be answered to whoever sends messages.
    ///
    /// ```
    /// # use as2_protocol::{Refused, SignatureFault};
    /// # fn show(refused: &Refused) {
    /// if let Some(diagnosis) = refused.diagnose_signature() {
    ///     println!("{diagnosis}"); // The signature of issuer CN=acme, serial 05 (rsa-pkcs1-v1.5 with sha-256) does not ...
    ///     match diagnosis.fault() {
    ///         Some(SignatureFault::Key) => println!("has the partner renewed his certificate?"),
    ///         Some(SignatureFault::Content) => println!("something on the way changes documents"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn diagnose_signature(&self) -> Option<SignatureDiagnosis> {
        let suspect = self.0.signature.as_deref()?;
        let retired = self.0.context.partner.iter().flat_map(|partner| partner.retired_before(suspect.terms.now));
        Some(examine(suspect, retired.collect()))
    }

    /// The negative receipt. A key that is unavailable is no fault of the message: the reply is 503 then.
    pub fn mdn(self) -> MdnBuilder {
        let Refusal { context, error, exposure, mic, .. } = *self.0;
        let told = answer(&error, exposure, context.explain());
        // An envelope inside a malleable one may be the work of an attacker: even that our key is asked stays untold.
        let transient = matches!(error, ReceiveError::KeyUnavailable(_))
            && !matches!(exposure, Exposure::Sealed | Exposure::Malleable);
        let unknown = matches!(error, ReceiveError::UnknownPartner { .. });
        let mic = mic.filter(|_| !told.uniform);
        let mut builder = context.mdn(told, mic, None);
        if unknown {
            builder = builder.bare_status(StatusCode::FORBIDDEN).unsigned();
        }
        if transient { builder.transient() } else { builder }
    }

    /// A bare HTTP status instead of a receipt, such as 403, 404 or 422 for unknown partners.
    pub fn bare(self, status: StatusCode) -> Reply {
        Reply::bare(status, self.0.context.notes)
    }
}
