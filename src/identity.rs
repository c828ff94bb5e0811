//! Who we are: certificates with their private keys, and the crypto provider that works with them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::{Certificate, CertificateUse, KeyKind};
use crate::cms::ber::{self, Cursor};
use crate::crypto::{CryptoProvider, DecryptingKey, SigningKey};
use crate::error::{SendError, SetupError};
use crate::note::Note;
use crate::profile::{CertificateTerms, RsaSignature};
use crate::trust::{UseTerms, permits, purpose};

/// Our side of agreements: signing certificates with their keys, and the keys that decrypt.
///
/// There may be several of both, so that certificates can be changed while messages are on their way: of the signing
/// keys that are active the one activated last signs, unless the agreement with a partner names another
/// ([`CertificateTerms::sign_with`]); which key decrypts is what the sender chose.
///
/// Cheap to clone and to share; one identity serves any number of partners.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (pem_certificate, pem_key): (&[u8], &[u8]) = (b"", b"");
/// use as2_protocol::{Certificate, CryptoProvider, Identity, RsaPrivateKey};
/// let certificate = Certificate::from_pem(pem_certificate)?;
/// let key = std::sync::Arc::new(RsaPrivateKey::from_pkcs8_pem(pem_key)?);
/// let us = Identity::builder(CryptoProvider::rustcrypto())
///     .signing(vec![certificate.clone()], key.clone())
///     .decrypting(certificate, key)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    provider: CryptoProvider,
    signing: Vec<Signing>,
    decrypting: Vec<Decrypting>,
    notes: Vec<Note>,
}

#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) name: String,
    /// When it begins to be used; `None` for always.
    pub(crate) active_from: Option<SystemTime>,
    pub(crate) chain: Vec<Certificate>,
    pub(crate) key: Arc<dyn SigningKey>,
}

impl Signing {
    /// The certificate that belongs to the key.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    pub(crate) fn own(&self) -> Option<OwnCertificate> {
        self.leaf().map(|leaf| OwnCertificate { name: self.name.clone(), certificate: leaf.clone() })
    }

    /// How this key signs with `digest`: the family follows from the key, and for RSA from the agreement. Ed25519,
    /// ML-DSA and keys that are restricted to a digest bring their own.
    pub(crate) fn scheme(&self, digest: DigestAlgorithm, rsa: RsaSignature) -> Result<SignatureScheme, SendError> {
        let leaf = self.leaf().ok_or(SetupError::NoSigningKey)?;
        let scheme = match (leaf.key_kind(), rsa) {
            (KeyKind::Rsa { .. }, RsaSignature::Pkcs1v15) => SignatureScheme::RsaPkcs1v15(digest),
            (KeyKind::RsaPss { restriction: Some(own), .. }, _) => SignatureScheme::RsaPss(own),
            (KeyKind::Rsa { .. }, RsaSignature::Pss) | (KeyKind::RsaPss { .. }, _) => SignatureScheme::rsa_pss(digest),
            (KeyKind::Ec(_), _) => SignatureScheme::Ecdsa(digest),
            (KeyKind::Ed25519, _) => SignatureScheme::Ed25519,
            (KeyKind::MlDsa65, _) => SignatureScheme::MlDsa65,
            (KeyKind::MlDsa87, _) => SignatureScheme::MlDsa87,
            (kind @ (KeyKind::X25519 | KeyKind::Kem(_) | KeyKind::Other), _) => {
                let subject = leaf.subject().to_owned();
                return Err(SetupError::NotASigningKey { subject, key: kind.to_string() }.into());
            }
        };
        let offered = self.key.schemes().contains(&scheme);
        if offered { Ok(scheme) } else { Err(SendError::SigningAlgorithm(scheme)) }
    }
}

#[derive(Clone)]
pub(crate) struct Decrypting {
    pub(crate) name: String,
    pub(crate) certificate: Certificate,
    pub(crate) key: Arc<dyn DecryptingKey>,
}

impl Decrypting {
    pub(crate) fn own(&self) -> OwnCertificate {
        OwnCertificate { name: self.name.clone(), certificate: self.certificate.clone() }
    }
}

/// One of our certificates, with the name that our configuration gives to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    name: String,
    certificate: Certificate,
}

impl OwnCertificate {
    /// The name of the key; the SHA-256 fingerprint of the certificate in hexadecimal if none was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl Identity {
    /// Starts an identity that computes with `provider`.
    pub fn builder(provider: CryptoProvider) -> IdentityBuilder {
        IdentityBuilder {
            inner: Inner { provider, signing: Vec::new(), decrypting: Vec::new(), notes: Vec::new() },
            weak_keys_allowed: false,
        }
    }

    /// The certificate that we sign with at `now`, unless the agreement with a partner names another one: of those
    /// that are active the one activated last.
    #[must_use]
    pub fn signing_certificate(&self, now: SystemTime) -> Option<&Certificate> {
        self.active_signing(now).and_then(Signing::leaf)
    }

    /// All certificates that we sign with, now, later or for some partners.
    pub fn signing_certificates(&self) -> impl Iterator<Item = OwnCertificate> {
        self.inner.signing.iter().filter_map(Signing::own)
    }

    /// The certificates that partners may encrypt to.
    pub fn decrypting_certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.inner.decrypting.iter().map(|own| &own.certificate)
    }

    /// What works, and should be looked at: certificates that are not meant for their use.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.inner.notes
    }

    /// The provider that this identity computes with.
    #[must_use]
    pub fn provider(&self) -> &CryptoProvider {
        &self.inner.provider
    }

    /// The key that signs for a partner with these terms, if they let its certificate be used now.
    pub(crate) fn usable_signing(
        &self,
        terms: &CertificateTerms,
        now: SystemTime,
    ) -> Result<(&Signing, Vec<Note>), SetupError> {
        let signing = match &terms.sign_with {
            Some(name) => self.signing_named(name)?,
            None => self.active_signing(now).ok_or_else(|| self.no_active_signing())?,
        };
        let leaf = signing.leaf().ok_or(SetupError::NoSigningKey)?;
        let notes = UseTerms::new(terms, CertificateUse::Signing).judge(leaf, now)?;
        Ok((signing, notes))
    }

    fn active_signing(&self, now: SystemTime) -> Option<&Signing> {
        let active = |signing: &&Signing| signing.active_from.is_none_or(|from| from <= now);
        self.inner.signing.iter().filter(active).max_by_key(|signing| signing.active_from)
    }

    fn signing_named(&self, name: &str) -> Result<&Signing, SetupError> {
        let found = self.inner.signing.iter().find(|signing| signing.name == name);
        found.ok_or_else(|| SetupError::UnknownSigningKey {
            name: name.to_owned(),
            known: self.inner.signing.iter().map(|signing| signing.name.clone()).collect(),
        })
    }

    fn no_active_signing(&self) -> SetupError {
        let first = self.inner.signing.iter().filter_map(|signing| signing.active_from).min();
        first.map_or(SetupError::NoSigningKey, |from| SetupError::NoActiveSigningKey { from })
    }

    pub(crate) fn all_signing(&self) -> &[Signing] {
        &self.inner.signing
    }

    /// Of the certificates that decrypt and are valid now the one that became valid last: copies for ourselves go to it.
    pub(crate) fn newest_decrypting(&self, now: SystemTime) -> Option<&Certificate> {
        self.decrypting_certificates().filter(|own| own.is_valid_at(now)).max_by_key(|own| own.not_before())
    }

    pub(crate) fn decrypting(&self) -> &[Decrypting] {
        &self.inner.decrypting
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signing: Vec<_> = self.inner.signing.iter().filter_map(Signing::leaf).map(Certificate::subject).collect();
        let decrypting: Vec<_> = self.decrypting_certificates().map(Certificate::subject).collect();
        f.debug_struct("Identity").field("signing", &signing).field("decrypting", &decrypting).finish_non_exhaustive()
    }
}

/// Collects certificates and keys; see [`Identity::builder`].
#[must_use]
pub struct IdentityBuilder {
    inner: Inner,
    weak_keys_allowed: bool,
}

impl IdentityBuilder {
    /// A key that signs messages and receipts, and its certificate chain, leaf first. It is active at once; of several
    /// such keys the one given last signs.
    pub fn signing(self, chain: Vec<Certificate>, key: Arc<dyn SigningKey>) -> Self {
        let name = chain.first().map(Certificate::fingerprint_hex).unwrap_or_default();
        self.signing_named(name, chain, key, None)
    }

    /// As [`signing`](Self::signing), with a name that agreements and results call the key by, and a time from which on
    /// it signs. A key that is announced to partners weeks before makes the change one of a moment; a partner who is
    /// late keeps the old one by [`CertificateTerms::sign_with`].
    pub fn signing_named(
        mut self,
        name: impl Into<String>,
        chain: Vec<Certificate>,
        key: Arc<dyn SigningKey>,
        active_from: Option<SystemTime>,
    ) -> Self {
        self.inner.signing.push(Signing { name: name.into(), active_from, chain, key });
        self
    }

    /// A key that decrypts, with the certificate that partners encrypt to. Call it once for each key; old ones stay
    /// useful until every partner has changed over.
    pub fn decrypting(self, certificate: Certificate, key: Arc<dyn DecryptingKey>) -> Self {
        self.decrypting_named(certificate.fingerprint_hex(), certificate, key)
    }

    /// As [`decrypting`](Self::decrypting), with a name that results call the key by.
    pub fn decrypting_named(
        mut self,
        name: impl Into<String>,
        certificate: Certificate,
        key: Arc<dyn DecryptingKey>,
    ) -> Self {
        self.inner.decrypting.push(Decrypting { name: name.into(), certificate, key });
        self
    }

    /// Takes RSA keys of fewer than 2048 bits, down to 1024. Without it they are refused: they no longer protect
    /// anything, and serve only until a partner's old product is replaced.
    pub fn allow_weak_keys(mut self) -> Self {
        self.weak_keys_allowed = true;
        self
    }

    /// Checks that each key belongs to its certificate and is long enough.
    ///
    /// # Errors
    /// [`SetupError::KeyMismatch`] if a certificate holds another public key; [`SetupError::NoSigningKey`] if a
    /// signing key comes without certificate; [`SetupError::DuplicateName`] if two signing or two decrypting keys have
    /// the same name; [`SetupError::WeakKey`] for an RSA key of fewer than 2048 bits.
    pub fn build(mut self) -> Result<Identity, SetupError> {
        for signing in &self.inner.signing {
            let leaf = signing.leaf().ok_or(SetupError::NoSigningKey)?;
            check_pair(leaf, signing.key.public_key())?;
        }
        for own in &self.inner.decrypting {
            check_pair(&own.certificate, own.key.public_key())?;
        }
        check_names(self.inner.signing.iter().map(|signing| &*signing.name))?;
        check_names(self.inner.decrypting.iter().map(|own| &*own.name))?;
        if !self.weak_keys_allowed {
            let signing = self.inner.signing.iter().filter_map(Signing::leaf);
            let decrypting = self.inner.decrypting.iter().map(|own| &own.certificate);
            signing.chain(decrypting).try_for_each(SetupError::check_strength)?;
        }
        self.inner.notes = self.inner.unfit();
        Ok(Identity { inner: Arc::new(self.inner) })
    }
}

impl Inner {
    fn unfit(&self) -> Vec<Note> {
        let signing = self.signing.iter().filter_map(Signing::leaf).map(|leaf| (leaf, CertificateUse::Signing));
        // What our own certificate does not allow, careful partners will not do.
        let decrypting = self.decrypting.iter().map(|own| (&own.certificate, CertificateUse::Encryption));
        let unfit = signing.chain(decrypting).filter(|(certificate, usage)| !permits(certificate, *usage));
        unfit
            .map(|(certificate, usage)| Note::KeyUsage {
                subject: certificate.subject().to_owned(),
                purpose: purpose(usage).to_owned(),
            })
            .collect()
    }
}

fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), SetupError> {
    let mut known = std::collections::BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(SetupError::DuplicateName(name.to_owned()));
        }
    }
    Ok(())
}

impl fmt::Debug for IdentityBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityBuilder").field("keys", &"[elided]").finish()
    }
}

fn check_pair(certificate: &Certificate, public_key: &[u8]) -> Result<(), SetupError> {
    if same_key(certificate.spki_der(), public_key) {
        return Ok(());
    }
    Err(SetupError::KeyMismatch { subject: certificate.subject().to_owned() })
}

/// Whether two SubjectPublicKeyInfos hold the same key: some certificates leave out the NULL parameters of RSA keys, or
/// the zero before their modulus.
pub(crate) fn same_key(one: &[u8], other: &[u8]) -> bool {
    let same = |one: (&[u8], &[u8]), other: (&[u8], &[u8])| {
        let numbers = || numbers(one.1).is_some_and(|known| numbers(other.1) == Some(known));
        one == other || (one.0 == other.0 && numbers())
    };
    one == other || matches!((public_bits(one), public_bits(other)), (Ok(one), Ok(other)) if same(one, other))
}

/// The integers of an RSAPublicKey in a BIT STRING, without leading zeros; `None` for every other key.
fn numbers(bits: &[u8]) -> Option<[&[u8]; 2]> {
    let sequence = Cursor::new(bits.strip_prefix(&[0])?, SPKI_DEPTH).expect(ber::SEQUENCE, "a public key").ok()?;
    let mut cursor = Cursor::new(sequence.content, SPKI_DEPTH);
    let mut integer = || {
        let content = cursor.expect(ber::INTEGER, "an integer").ok()?.content;
        content.get(content.iter().take_while(|octet| **octet == 0).count()..)
    };
    let numbers = [integer()?, integer()?];
    matches!(cursor.next(), Ok(None)).then_some(numbers)
}

/// Algorithm and key bits of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). EC keys have their curve in the
/// parameters, but points of different curves differ in the bits.
fn public_bits(spki: &[u8]) -> Result<(&[u8], &[u8]), crate::cms::Error> {
    let sequence = Cursor::new(spki, SPKI_DEPTH).expect(ber::SEQUENCE, "a public key")?;
    let mut cursor = Cursor::new(sequence.content, SPKI_DEPTH);
    let algorithm = cursor.expect(ber::SEQUENCE, "an algorithm")?;
    let bits = cursor.expect(ber::BIT_STRING, "key bits")?;
    let oid = Cursor::new(algorithm.content, SPKI_DEPTH).expect(ber::OID, "an object identifier")?;
    Ok((oid.content, bits.content))
}

/// Nested elements of a SubjectPublicKeyInfo.
const SPKI_DEPTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::write::tlv;

    #[test]
    fn keys_are_the_same_with_and_without_null_parameters() {
        let spki = |parameters: &[u8], bits: &[u8]| {
            let algorithm = tlv(ber::SEQUENCE, &[&[6, 3, 42, 3, 4], parameters]);
            tlv(ber::SEQUENCE, &[&algorithm, &tlv(ber::BIT_STRING, &[bits])])
        };
        let null = spki(&[5, 0], &[0, 1, 2]);
        assert!(same_key(&null, &null) && same_key(&null, &spki(&[], &[0, 1, 2])));
        assert!(!same_key(&null, &spki(&[], &[0, 1, 3])));
        assert!(!same_key(&null, b"") && !same_key(b"\x30", b"\x31"));
        let rsa = |modulus: &[u8]| {
            let numbers = tlv(ber::SEQUENCE, &[&tlv(ber::INTEGER, &[modulus]), &tlv(ber::INTEGER, &[&[3]])]);
            spki(&[5, 0], &[&[0], numbers.as_slice()].concat())
        };
        assert!(same_key(&rsa(&[0, 0x81]), &rsa(&[0x81])), "without the zero before the first bit");
        assert!(!same_key(&rsa(&[0, 0x81]), &rsa(&[0x82])));
    }
}
