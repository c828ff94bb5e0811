//! Keys that answer later: what needs a private key is a [`Step`], not a call.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::crypto::{
    AgreeRequest, DecapsulateRequest, DecryptingKey, KeyError, SecretBytes, SignRequest, SigningKey, UnwrapRequest,
};

/// A computation that is done, or that waits for one private-key operation.
///
/// Every call of this crate that uses a private key comes in two forms. The short one (`build`, `open`)
/// asks the key and returns; the other one (`steps`, `open_steps`) hands the question out, so that an
/// HSM or a key management service can be asked with whatever I/O the application has.
///
/// ```
/// # use as2_protocol::{KeyRequest, Step};
/// # fn ask_kms(_: &KeyRequest) -> Result<Vec<u8>, as2_protocol::KeyError> { unimplemented!() }
/// fn finish<T>(mut step: Step<T>) -> T {
///     loop {
///         match step {
///             Step::Done(value) => return value,
///             Step::Need(pending) => {
///                 let answer = ask_kms(pending.request());
///                 step = pending.provide(answer);
///             }
///         }
///     }
/// }
/// ```
#[must_use = "a step does nothing until its keys have answered"]
pub enum Step<T> {
    /// The computation is complete.
    Done(T),
    /// A private key must answer first.
    Need(Pending<T>),
}

impl<T: 'static> Step<T> {
    /// Asks each key directly, in this thread.
    ///
    /// A key that [defers](KeyError::Deferred) its answer makes the computation fail as if it were unavailable.
    pub fn run(mut self) -> T {
        loop {
            match self {
                Self::Done(value) => return value,
                Self::Need(pending) => {
                    let answer = pending.request.ask();
                    self = pending.provide(answer);
                }
            }
        }
    }

    pub(crate) fn map<U: 'static>(self, f: impl FnOnce(T) -> U + Send + Sync + 'static) -> Step<U> {
        self.and_then(|value| Step::Done(f(value)))
    }

    pub(crate) fn and_then<U: 'static>(self, f: impl FnOnce(T) -> Step<U> + Send + Sync + 'static) -> Step<U> {
        match self {
            Self::Done(value) => f(value),
            Self::Need(Pending { request, resume }) => {
                Step::Need(Pending { request, resume: Box::new(move |answer| resume(answer).and_then(f)) })
            }
        }
    }

    /// The step that asks one key and goes on with its answer.
    pub(crate) fn ask(
        request: KeyRequest,
        resume: impl FnOnce(Result<SecretBytes, KeyError>) -> Self + Send + Sync + 'static,
    ) -> Self {
        Self::Need(Pending { request, resume: Box::new(resume) })
    }
}

impl<T: 'static, E: 'static> Step<Result<T, E>> {
    pub(crate) fn and_then_ok<U: 'static>(
        self,
        f: impl FnOnce(T) -> Step<Result<U, E>> + Send + Sync + 'static,
    ) -> Step<Result<U, E>> {
        self.and_then(|result| match result {
            Ok(value) => f(value),
            Err(error) => Step::Done(Err(error)),
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(value) => f.debug_tuple("Done").field(value).finish(),
            Self::Need(pending) => f.debug_tuple("Need").field(&pending.request).finish(),
        }
    }
}

/// A computation that waits for one private key: owned and `Send`, it can be moved to whoever asks the key.
pub struct Pending<T> {
    request: KeyRequest,
    resume: Resume<T>,
}

type Resume<T> = Box<dyn FnOnce(Result<SecretBytes, KeyError>) -> Step<T> + Send + Sync>;

impl<T> Pending<T> {
    /// What is asked, and of which key.
    #[must_use]
    pub fn request(&self) -> &KeyRequest {
        &self.request
    }

    /// Goes on with the key's answer: the signature, the unwrapped content-encryption key, or the shared secret.
    pub fn provide(self, answer: Result<Vec<u8>, KeyError>) -> Step<T> {
        (self.resume)(answer.map(SecretBytes::new))
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A value that is only ever reached by whoever owns it, or borrows it mutably: what need not be `Sync`, such as a
/// running digest of a provider, can so be part of what must be.
pub(crate) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One private-key operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyRequest {
    /// Sign a digest; the answer is the signature value.
    Sign {
        /// The key that shall sign; its public key tells an HSM which one it is.
        key: Arc<dyn SigningKey>,
        /// Scheme and digest.
        request: SignRequest,
    },
    /// Unwrap a content-encryption key; the answer is that key.
    Unwrap {
        /// The key that shall unwrap.
        key: Arc<dyn DecryptingKey>,
        /// Key transport and wrapped key.
        request: UnwrapRequest,
    },
    /// Agree with an ephemeral key; the answer is the shared secret.
    Agree {
        /// The key that shall agree.
        key: Arc<dyn DecryptingKey>,
        /// Group and ephemeral public key.
        request: AgreeRequest,
    },
    /// Decapsulate a secret; the answer is that secret.
    Decapsulate {
        /// The key that shall decapsulate.
        key: Arc<dyn DecryptingKey>,
        /// Mechanism and ciphertext.
        request: DecapsulateRequest,
    },
}

impl KeyRequest {
    /// Asks the key itself, in this thread.
    ///
    /// # Errors
    /// Those of the key; [`KeyError::Deferred`] where it only answers later.
    pub fn ask(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Sign { key, request } => key.sign(request),
            Self::Unwrap { key, request } => key.unwrap_key(request).map(|secret| secret.as_bytes().to_vec()),
            Self::Agree { key, request } => key.agree(request).map(|secret| secret.as_bytes().to_vec()),
            Self::Decapsulate { key, request } => key.decapsulate(request).map(|secret| secret.as_bytes().to_vec()),
        }
    }
}
