//! The judgement of certificates during a handshake: pins by their octets, and a watch over what is refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use super::TlsError;
use super::fault::{NotPinned, Refusals};
use crate::certificate::Certificate;
use crate::cms::ber::{self, Cursor};
use crate::profile::{Strictness, TlsTrust};

/// Trusts exactly these certificates. Names, issuers and usages are not looked at: whoever holds the key of a pinned
/// certificate is meant. Works for certificates of the field, too: X.509 version 1, self-signed with CA:TRUE, odd serials.
#[derive(Debug)]
pub(super) struct Pins {
    pinned: Vec<Certificate>,
    dates: Strictness,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pins {
    pub(super) fn new(pinned: &[Certificate], dates: Strictness, crypto: &CryptoProvider) -> Result<Self, TlsError> {
        if pinned.is_empty() {
            return Err(TlsError::NothingTrusted { trust: TlsTrust::Pinned });
        }
        Ok(Self { pinned: pinned.to_vec(), dates, algorithms: crypto.signature_verification_algorithms })
    }

    fn find(&self, shown: &CertificateDer<'_>) -> Option<&Certificate> {
        self.pinned.iter().find(|pin| pin.der() == shown.as_ref())
    }

    fn check(&self, shown: &CertificateDer<'_>, time: UnixTime) -> Result<(), Error> {
        let Some(pin) = self.find(shown) else {
            let certificate = Certificate::from_der(shown.to_vec()).map_err(|_| CertificateError::BadEncoding)?;
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned(certificate)))).into());
        };
        let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
        if self.dates != Strictness::Refuse || now.is_some_and(|now| pin.is_valid_at(now)) {
            return Ok(());
        }
        Err(match now.is_some_and(|now| now < pin.not_before()) {
            true => CertificateError::NotValidYetContext { time, not_before: unix(pin.not_before()) },
            false => CertificateError::ExpiredContext { time, not_after: unix(pin.not_after()) },
        }
        .into())
    }

    /// The handshake is signed by the pinned key.
    fn check_tls12(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let pin = self.find(shown).ok_or(CertificateError::UnknownIssuer)?;
        let (algorithm, key) = key_of(pin).ok_or(CertificateError::BadEncoding)?;
        let scheme = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        // In TLS 1.2 a scheme of ECDSA names a digest only, not the curve.
        let (_, candidates) = scheme.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let fit = candidates.iter().find(|candidate| candidate.public_key_alg_id().as_ref() == algorithm);
        let fit = fit.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        match fit.verify_signature(key, message, signed.signature()) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(_) => Err(CertificateError::BadSignature.into()),
        }
    }

    fn check_tls13(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let pin = self.find(shown).ok_or(CertificateError::UnknownIssuer)?;
        let key = SubjectPublicKeyInfoDer::from(pin.spki_der());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// The content of the AlgorithmIdentifier, and the key bits (RFC 5280 section 4.1.2.7).
fn key_of(certificate: &Certificate) -> Option<(&[u8], &[u8])> {
    let spki = Cursor::new(certificate.spki_der(), SPKI_DEPTH).expect(ber::SEQUENCE, "a public key").ok()?;
    let mut cursor = Cursor::new(spki.content, SPKI_DEPTH);
    let algorithm = cursor.expect(ber::SEQUENCE, "an algorithm").ok()?;
    let bits = cursor.expect(ber::BIT_STRING, "key bits").ok()?;
    // No public key leaves bits of its last octet unused.
    Some((algorithm.content, bits.content.strip_prefix(&[0])?))
}

/// Nested elements of a SubjectPublicKeyInfo.
const SPKI_DEPTH: usize = 4;

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pins {
    /// No hints: clients show the certificate that they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A verifier whose refusals are remembered: the errors of rustls do not say which certificate they are about.
#[derive(Debug)]
pub(super) struct Watched<V: ?Sized> {
    refusals: Arc<Refusals>,
    inner: Arc<V>,
}

impl<V: ?Sized> Watched<V> {
    pub(super) fn new(inner: Arc<V>, refusals: &Arc<Refusals>) -> Self {
        Self { refusals: refusals.clone(), inner }
    }

    fn watch<T>(
        &self,
        verdict: Result<T, Error>,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<T, Error> {
        if let Err(Error::InvalidCertificate(error)) = &verdict {
            self.refusals.remember(error, leaf, others);
        }
        verdict
    }
}

impl ServerCertVerifier for Watched<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.watch(verdict, end_entity, intermediates)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.watch(self.inner.verify_tls12_signature(message, cert, dss), cert, &[])
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.watch(self.inner.verify_tls13_signature(message, cert, dss), cert, &[])
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Watched<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.inner.verify_client_cert(end_entity, intermediates, now);
        self.watch(verdict, end_entity, intermediates)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.watch(self.inner.verify_tls12_signature(message, cert, dss), cert, &[])
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.watch(self.inner.verify_tls13_signature(message, cert, dss), cert, &[])
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
