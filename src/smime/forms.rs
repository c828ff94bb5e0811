//! The forms of signed content that are compared with a signature when its octets as received do not fit.
//!
//! Products sign what they have before a mail library writes it, count the line end before the boundary among the
//! content, or leave one out. The list is closed, and its forms differ from what came in line ends alone.

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{CryptoError, CryptoProvider, DigestValue};
use crate::mime::canonical::{Canonicalizer, body_in_lf, without_last_line_end};
use crate::note::SignedOctets;
use crate::profile::SignedForm;
use crate::smime::mic::Digests;

/// Octets as received, digested once.
pub(crate) struct Received {
    pub(crate) values: Vec<DigestValue>,
    /// The digests as they stood before the last line end, and behind all octets.
    without: Option<Digests>,
    all: Option<Digests>,
}

/// A form beside the octets as received.
#[derive(Clone, Debug)]
pub(crate) struct OtherForm {
    pub(crate) form: SignedOctets,
    pub(crate) values: Vec<DigestValue>,
}

impl Received {
    /// Digests `octets` in one pass, which serves the forms that differ at the end as well.
    pub(crate) fn new(
        provider: &CryptoProvider,
        algorithms: &[DigestAlgorithm],
        octets: &[u8],
        allowed: SignedForm,
    ) -> Result<Self, CryptoError> {
        let mut digests = Digests::start(provider, algorithms)?;
        if allowed != SignedForm::Tolerant {
            digests.update(octets);
            return Ok(Self { values: digests.finish(), without: None, all: None });
        }
        let (short, end) = at_last_line_end(octets);
        digests.update(short);
        let without = digests.fork();
        digests.update(end);
        let all = digests.fork();
        Ok(Self { values: digests.finish(), without, all })
    }

    /// Octets that passed by.
    pub(crate) fn passed(values: Vec<DigestValue>) -> Self {
        Self { values, without: None, all: None }
    }

    /// The other forms that are allowed, each digested, in the order in which they are tried.
    ///
    /// One pass gives the CRLF form and the one with a body in line feeds. It takes all octets whatever they are, so the
    /// work tells nothing about them but that the form as received does not fit.
    pub(crate) fn others(
        &mut self,
        provider: &CryptoProvider,
        algorithms: &[DigestAlgorithm],
        octets: &[u8],
        allowed: SignedForm,
    ) -> Vec<OtherForm> {
        let mut forms = Vec::new();
        let mut add = |form, digests: Option<Digests>| {
            forms.extend(digests.map(|digests| OtherForm { form, values: digests.finish() }));
        };
        if allowed == SignedForm::AsSent {
            return forms;
        }
        add(SignedOctets::InCrlf, in_crlf(provider, algorithms, octets));
        if allowed == SignedForm::Tolerant {
            let (short, end) = at_last_line_end(octets);
            let digest = |octets| started(provider, algorithms, octets);
            // A provider whose digests cannot be forked takes the octets once more.
            let without = self.without.take().or_else(|| digest(short));
            add(SignedOctets::WithoutLastLineEnd, without.filter(|_| !end.is_empty()));
            let mut with = self.all.take().or_else(|| digest(octets));
            with.iter_mut().for_each(|digests| digests.update(b"\r\n"));
            add(SignedOctets::WithLineEnd, with);
            add(SignedOctets::BodyInLf, in_lf(provider, algorithms, octets));
        }
        forms
    }
}

/// The octets of one form; those of another form than the first are made where they are not a part of `octets`.
pub(crate) fn octets_of(octets: &Bytes, form: SignedOctets) -> Bytes {
    let mut made = Vec::new();
    match form {
        SignedOctets::AsReceived => return octets.clone(),
        SignedOctets::WithoutLastLineEnd => return octets.slice_ref(at_last_line_end(octets).0),
        SignedOctets::InCrlf => Canonicalizer::new().push(octets, &mut |piece| made.extend_from_slice(piece)),
        SignedOctets::WithLineEnd => made = [octets, &b"\r\n"[..]].concat(),
        SignedOctets::BodyInLf => {
            body_in_lf(octets, &mut |piece| made.extend_from_slice(piece));
        }
    }
    made.into()
}

fn at_last_line_end(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = without_last_line_end(octets).map_or(octets.len(), <[u8]>::len);
    octets.split_at_checked(end).unwrap_or((octets, &[]))
}

fn started(provider: &CryptoProvider, algorithms: &[DigestAlgorithm], octets: &[u8]) -> Option<Digests> {
    let mut digests = Digests::start(provider, algorithms).ok()?;
    digests.update(octets);
    Some(digests)
}

/// `None` where it is the form as received.
fn in_crlf(provider: &CryptoProvider, algorithms: &[DigestAlgorithm], octets: &[u8]) -> Option<Digests> {
    let mut digests = Digests::start(provider, algorithms).ok()?;
    let mut canonicalizer = Canonicalizer::new();
    canonicalizer.push(octets, &mut |piece| digests.update(piece));
    canonicalizer.changed().then_some(digests)
}

/// `None` where it is no form of its own.
fn in_lf(provider: &CryptoProvider, algorithms: &[DigestAlgorithm], octets: &[u8]) -> Option<Digests> {
    let mut digests = Digests::start(provider, algorithms).ok()?;
    body_in_lf(octets, &mut |piece| digests.update(piece)).then_some(digests)
}

#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::{DigestContext, DigestProvider};

    const SHA: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];

    /// Digests that cannot be forked.
    struct Plain(CryptoProvider);
    struct PlainContext(Box<dyn DigestContext>);

    impl DigestProvider for Plain {
        fn start(&self, algorithm: DigestAlgorithm) -> Option<Box<dyn DigestContext>> {
            let context = self.0.digests().start(algorithm)?;
            Some(Box::new(PlainContext(context)))
        }
    }

    impl DigestContext for PlainContext {
        fn update(&mut self, data: &[u8]) {
            self.0.update(data);
        }

        fn finish(self: Box<Self>) -> DigestValue {
            self.0.finish()
        }
    }

    #[test]
    fn c05_each_form_has_the_digest_of_its_octets() {
        let forking = CryptoProvider::rustcrypto();
        let plain = forking.clone().with_digests(Arc::new(Plain(forking.clone())));
        let contents: [&[u8]; 7] =
            [b"", b"\n", b"A: b\r\n\r\nc\r\n", b"A: b\n\nc\n", b"A: b\r\n\r\nc\nd", b"A: b\n\nc\r\nd\n\r\n", b"\0\r"];
        for (provider, octets) in [&forking, &plain].into_iter().flat_map(|p| contents.map(|octets| (p, octets))) {
            let of = |form| Digests::of(&forking, &SHA, &[octets_of(&Bytes::copy_from_slice(octets), form)]).unwrap();
            for (allowed, most) in [(SignedForm::AsSent, 0), (SignedForm::AsSentOrCrlf, 1), (SignedForm::Tolerant, 4)] {
                let mut received = Received::new(provider, &SHA, octets, allowed).unwrap();
                assert_eq!(received.values, of(SignedOctets::AsReceived));
                let others = received.others(provider, &SHA, octets, allowed);
                assert!(others.len() <= most, "{octets:?}: {others:?}");
                for other in &others {
                    assert_eq!(other.values, of(other.form), "{octets:?}: {:?}", other.form);
                    assert_ne!(other.values, received.values, "{octets:?}: {:?}", other.form);
                }
                assert_eq!(others.iter().any(|other| other.form == SignedOctets::WithLineEnd), most == 4);
            }
        }
    }
}
