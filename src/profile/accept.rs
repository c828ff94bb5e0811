//! What is accepted from the partner, and how it is answered.

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport, SignatureFamily};
use crate::url::HttpUrl;

/// What is accepted from the partner, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct AcceptTerms {
    /// Whether messages must be signed. Default [`Requirement::Require`].
    pub signature: Requirement,
    /// Whether messages must be encrypted. Default [`Requirement::Allow`]: over TLS many agreements go without, and a
    /// signature is what protects the document itself.
    pub encryption: Requirement,
    /// Digests accepted in signatures. Default SHA-256, SHA-384, SHA-512; SHA-1, and with feature `legacy` SHA-224 and
    /// MD5, are read only where they are named here.
    pub digests: Vec<DigestAlgorithm>,
    /// Families of signatures accepted. Default all, since none of them is weak: RSA with PKCS#1 v1.5 and with PSS,
    /// ECDSA, Ed25519, and with feature `pq` ML-DSA.
    pub signatures: Vec<SignatureFamily>,
    /// Ciphers accepted; checked before the private key is used. Default every AES mode and ChaCha20-Poly1305; those of
    /// the past (3DES, RC2) must be named.
    pub ciphers: Vec<CipherAlgorithm>,
    /// Key transports, agreements and encapsulations accepted; checked before the private key is used. Default all: the sender had to
    /// know our certificate, and its key decides what he can use.
    pub key_transports: Vec<KeyTransport>,
    /// Which form of the content a signature may cover. Default [`SignedForm::Tolerant`]: products sign the CRLF form
    /// and send another one, or count a line end more or less. All forms differ in line ends alone.
    pub signed_form: SignedForm,
    /// Digest of the signature of our receipts. Default: the first acceptable one that the sender listed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mdn_signature: Option<DigestAlgorithm>,
    /// Where asynchronous receipts are posted, whatever the sender asks for. Default: where he asks, if his host is allowed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receipt_url: Option<HttpUrl>,
    /// Hosts to which asynchronous receipts may be posted, beside the host of the partner's URL. Default none: the wish
    /// stands in an unprotected header, and could send us anywhere.
    pub receipt_hosts: Vec<String>,
    /// How much a negative receipt says about what failed inside an envelope. Default [`Explain::Safe`]: all that helps
    /// an honest sender and no attacker.
    pub explain: Explain,
    /// What happens when only SHA-1 is listed for the receipt. Default [`WeakReceipt::Serve`]: partners of the time of
    /// RFC 4130 list nothing else, and the signature around it is stronger.
    pub weak_receipt: WeakReceipt,
    /// Status of the answer to a message whose receipt goes out later: 200, 202 or 204. Default 200, which deployed
    /// products look for.
    pub asynchronous_status: u16,
    /// Whether decrypted content without MIME headers is delivered although nothing authenticates it. Default no.
    /// mendelson encrypts unsigned payloads in this form.
    pub bare_content: bool,
    /// What happens to file names that cannot be used as they are: paths, device names, control characters, more than
    /// 255 characters. Default [`FilenameRule::Mend`]: the document matters more than its name.
    pub filenames: FilenameRule,
    /// Whether GCM is read in EnvelopedData, its tag behind the content, and counts as authenticated. Default no: the
    /// place is not that of RFC 5084. Products on Bouncy Castle and on Node write it so.
    pub gcm_in_enveloped_data: bool,
}

impl Default for AcceptTerms {
    fn default() -> Self {
        Self {
            signature: Requirement::Require,
            encryption: Requirement::Allow,
            digests: DigestAlgorithm::STRONG.to_vec(),
            signatures: SignatureFamily::ALL.to_vec(),
            ciphers: CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy()).collect(),
            key_transports: KeyTransport::ALL.to_vec(),
            signed_form: SignedForm::Tolerant,
            mdn_signature: None,
            receipt_url: None,
            receipt_hosts: Vec::new(),
            explain: Explain::Safe,
            weak_receipt: WeakReceipt::Serve,
            asynchronous_status: 200,
            bare_content: false,
            filenames: FilenameRule::Mend,
            gcm_in_enveloped_data: false,
        }
    }
}

/// What happens to file names that cannot be used as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum FilenameRule {
    /// [`ReceivedPayload::filename`](crate::ReceivedPayload::filename) tells a safe name, a note the difference.
    Mend,
    /// The message is refused with `error: illegal-filename`.
    Refuse,
}

/// What a message must, may or must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Requirement {
    /// Without it the message is refused.
    Require,
    /// It may be there.
    Allow,
    /// With it the message is refused.
    Forbid,
}

/// Which form of the signed content is compared with the signature's digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SignedForm {
    /// The octets as sent; else the form with CRLF line ends; else the octets without their last line end or with one
    /// more; else with CRLF in the header and bare line feeds in the body. What matched is told in a note.
    #[default]
    Tolerant,
    /// The octets as sent, or the form with CRLF line ends: BouncyCastle and JavaMail sign the latter and send the former.
    /// Receipts are read as under `Tolerant`: libas2 signs them without their last line end.
    AsSentOrCrlf,
    /// Only the octets as sent, in receipts too.
    AsSent,
}

/// How much a negative receipt says. Whatever is chosen, our own error stays exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Explain {
    /// Everything that fails on an encrypted message is answered `decryption-failed`.
    Uniform,
    /// As `Uniform`, but what an attacker cannot turn into an oracle is told: no recipient information for
    /// our key, anything behind a verified authentication tag, a valid signature by an unknown certificate.
    Safe,
}

/// What happens when a sender lists only digests that are weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum WeakReceipt {
    /// The MIC is computed as asked; the receipt is signed with at least SHA-256.
    Serve,
    /// The message is refused with `failed/failure: unsupported MIC-algorithms`.
    Refuse,
}
