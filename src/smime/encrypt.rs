//! Encrypting: a MIME entity becomes application/pkcs7-mime with EnvelopedData or AuthEnvelopedData (RFC 8551 section 3.3).

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::algorithm::{CipherAlgorithm, KeyTransport};
use crate::certificate::Certificate;
use crate::cms::enveloped::{self, Recipient};
use crate::cms::{AlgorithmIdentifier, EntityIdRef, oid};
use crate::crypto::content::{EncryptStream, ciphertext_len, max_plain_len};
use crate::crypto::{CryptoError, CryptoProvider};
use crate::smime::{Part, length};

/// Encrypts the entity in `pieces` to one recipient.
pub(crate) fn encrypt(
    pieces: &[Bytes],
    recipient: &Certificate,
    cipher: CipherAlgorithm,
    transport: KeyTransport,
    provider: &CryptoProvider,
) -> Result<Part, CryptoError> {
    let mut key = Zeroizing::new(vec![0; cipher.key_len()]);
    let mut iv = vec![0; cipher.iv_len()];
    provider.fill_random(&mut key)?;
    provider.fill_random(&mut iv)?;
    let wrapped = provider.wrap_key(transport, recipient.spki_der(), &key)?;
    let recipients = [Recipient {
        rid: EntityIdRef::IssuerAndSerial { issuer: recipient.issuer_der(), serial: recipient.serial_octets() },
        algorithm: &transport_identifier(transport),
        encrypted_key: &wrapped,
    }];
    let encryptor = provider.ciphers().encryptor(cipher, &key, &iv, &[])?;
    let sizes = Sizes::of(cipher, length(pieces))?;
    let algorithm = cipher_identifier(cipher, &iv);
    let mut wire = if cipher.is_authenticated() {
        enveloped::auth_enveloped_prefix(&recipients, &algorithm, sizes.content, TAG_LEN)
    } else {
        enveloped::enveloped_prefix(&recipients, &algorithm, sizes.content)
    };
    wire.reserve_exact(sizes.reserve);
    let mut stream = EncryptStream::new(encryptor);
    for piece in pieces {
        stream.push(piece, &mut wire);
    }
    let tag = stream.finish(&mut wire);
    if cipher.is_authenticated() {
        wire.extend_from_slice(&enveloped::auth_enveloped_suffix(&tag));
    }
    Ok(pkcs7_mime(if cipher.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" }, "smime.p7m", wire))
}

/// An application/pkcs7-mime entity around a CMS object (RFC 8551 section 3.2).
pub(crate) fn pkcs7_mime(smime_type: &str, name: &str, cms: Vec<u8>) -> Part {
    Part {
        fields: vec![
            ("Content-Type", format!("application/pkcs7-mime; smime-type={smime_type}; name=\"{name}\"")),
            ("Content-Transfer-Encoding", "binary".to_owned()),
            ("Content-Disposition", format!("attachment; filename=\"{name}\"")),
        ],
        body: vec![cms.into()],
    }
}

/// Octets of the GCM tag (RFC 5084 section 3.2): the longest, written explicitly.
const TAG_LEN: u64 = 16;

struct Sizes {
    content: u64,
    /// Content, tag and its header.
    reserve: usize,
}

impl Sizes {
    fn of(cipher: CipherAlgorithm, plain: usize) -> Result<Self, CryptoError> {
        let length = u64::try_from(plain).map_err(|_| CryptoError::TooLong)?;
        if length > max_plain_len(cipher) {
            return Err(CryptoError::TooLong);
        }
        let content = ciphertext_len(cipher, length);
        Ok(Self { content, reserve: usize::try_from(content).unwrap_or(plain).saturating_add(32) })
    }
}

fn cipher_identifier(cipher: CipherAlgorithm, iv: &[u8]) -> AlgorithmIdentifier {
    let parameters =
        if cipher.is_authenticated() { enveloped::gcm_parameters(iv, 16) } else { enveloped::cbc_parameters(iv) };
    AlgorithmIdentifier { oid: cipher.oid(), parameters: Some(parameters) }
}

fn transport_identifier(transport: KeyTransport) -> AlgorithmIdentifier {
    match transport {
        KeyTransport::RsaPkcs1v15 => {
            AlgorithmIdentifier { oid: oid::RSA_ENCRYPTION, parameters: Some(Bytes::from_static(&[5, 0])) }
        }
    }
}
