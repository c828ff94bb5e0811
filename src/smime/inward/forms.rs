//! Digests of signed content that passes by, as it came and in its CRLF form.

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{CryptoError, CryptoProvider};
use crate::mime::canonical::{Canonicalizer, has_bare_lf};
use crate::profile::SignedForm;
use crate::smime::mic::Digests;
use crate::smime::passed::FormDigests;

/// Digests under way. The CRLF form costs nothing until it is another one.
pub(super) struct Forms {
    raw: Digests,
    canonical: Canonical,
    after_cr: bool,
}

enum Canonical {
    /// It is not asked for.
    Unwanted,
    /// So far it is the same.
    Same,
    Other(Canonicalizer, Digests),
}

impl Forms {
    pub(super) fn start(
        provider: &CryptoProvider,
        algorithms: &[DigestAlgorithm],
        form: SignedForm,
    ) -> Result<Self, CryptoError> {
        let raw = Digests::start(provider, algorithms)?;
        let canonical = match form {
            SignedForm::AsSent => Canonical::Unwanted,
            // A provider whose digests do not fork computes both from the start.
            _ if raw.fork().is_none() => Canonical::Other(Canonicalizer::new(), Digests::start(provider, algorithms)?),
            _ => Canonical::Same,
        };
        Ok(Self { raw, canonical, after_cr: false })
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        if matches!(self.canonical, Canonical::Same)
            && has_bare_lf(self.after_cr, chunk)
            && let Some(fork) = self.raw.fork()
        {
            self.canonical = Canonical::Other(Canonicalizer::after(self.after_cr), fork);
        }
        if let Canonical::Other(canonicalizer, digests) = &mut self.canonical {
            canonicalizer.push(chunk, &mut |piece| digests.update(piece));
        }
        self.raw.update(chunk);
        self.after_cr = chunk.last().map_or(self.after_cr, |octet| *octet == b'\r');
    }

    pub(super) fn finish(self) -> FormDigests {
        let canonical = match self.canonical {
            Canonical::Other(canonicalizer, digests) if canonicalizer.changed() => digests.finish(),
            _ => Vec::new(),
        };
        FormDigests { raw: self.raw.finish(), canonical }
    }
}

impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}
