//! From the words of the contract to the types of the crate, and back.

use std::sync::Arc;

use as2_protocol::{
    Accepted, Certificate, CipherAlgorithm, Compression, CryptoProvider, DigestAlgorithm, EcPrivateKey,
    Ed25519PrivateKey, Identity, IdentityBuilder, KeyTransport, Layer, Partner, PartnerProfile, ReceiveError, Refused,
    Requirement, RsaPrivateKey, RsaSignature, SignerId,
};
use serde_json::{Value, json};

use crate::{Options, Trouble};

/// Both parties, without terms.
pub(crate) struct Relation {
    pub(crate) us: Identity,
    names: (String, String),
    partner_certificate: Certificate,
}

impl Relation {
    pub(crate) fn read(options: &Options) -> Result<Self, Trouble> {
        let certificate = Certificate::from_pem(&std::fs::read(options.get("cert")?)?)?;
        let us = identity(&certificate, &std::fs::read(options.get("key")?)?)?.build()?;
        let names = (options.get("us")?.to_owned(), options.get("them")?.to_owned());
        let partner_certificate = Certificate::from_pem(&std::fs::read(options.get("partner-cert")?)?)?;
        Ok(Self { us, names, partner_certificate })
    }

    /// The defaults of the crate, towards `url`; no layer is required.
    pub(crate) fn profile(&self, url: &str) -> Result<PartnerProfile, Trouble> {
        let (us, them) = &self.names;
        let mut profile = PartnerProfile::new(us.parse()?, them.parse()?, url.parse()?);
        profile.accept.signature = Requirement::Allow;
        if cfg!(feature = "legacy") {
            profile.accept.ciphers = CipherAlgorithm::ALL.to_vec();
        }
        Ok(profile)
    }

    /// The terms for what comes in: the defaults, and what `--accept` names besides.
    pub(crate) fn receiving(&self, options: &Options) -> Result<PartnerProfile, Trouble> {
        let mut profile = self.profile("http://127.0.0.1/")?;
        for tolerance in options.get_or("accept", "").split(',').filter(|tolerance| !tolerance.is_empty()) {
            match tolerance {
                "sha-1" => profile.accept.digests.push(DigestAlgorithm::Sha1),
                "gcm-in-enveloped-data" => profile.accept.gcm_in_enveloped_data = true,
                other => return Err(Trouble::other(format!("--accept {other}"))),
            }
        }
        Ok(profile)
    }

    pub(crate) fn partner(&self, profile: PartnerProfile) -> Result<Partner, Trouble> {
        // Not every certificate that signs can be encrypted to.
        let encrypts = profile.send.encrypt.is_some();
        let mut partner = Partner::builder(profile, CryptoProvider::rustcrypto());
        if encrypts {
            partner = partner.encrypt_to(self.partner_certificate.clone());
        }
        Ok(partner.verify_with(self.partner_certificate.clone()).build()?)
    }
}

/// One key for everything that its kind can do.
fn identity(certificate: &Certificate, pem: &[u8]) -> Result<IdentityBuilder, Trouble> {
    let builder = Identity::builder(CryptoProvider::rustcrypto());
    let chain = vec![certificate.clone()];
    if let Ok(key) = EcPrivateKey::from_pkcs8_pem(pem) {
        return Ok(builder.signing(chain, Arc::new(key)));
    }
    if let Ok(key) = Ed25519PrivateKey::from_pkcs8_pem(pem) {
        return Ok(builder.signing(chain, Arc::new(key)));
    }
    let key = Arc::new(RsaPrivateKey::from_pkcs8_pem(pem)?);
    Ok(builder.signing(chain, key.clone()).decrypting(certificate.clone(), key))
}

/// How signatures are made, where the options say something about it.
pub(crate) fn set_signature(profile: &mut PartnerProfile, options: &Options) -> Result<(), Trouble> {
    profile.send.rsa_signature = match options.get_or("rsa-signature", "pkcs1-v1.5") {
        "pkcs1-v1.5" => RsaSignature::Pkcs1v15,
        "pss" => RsaSignature::Pss,
        other => return Err(Trouble::other(format!("rsa-signature {other}"))),
    };
    profile.quirks.signer_id = match options.get_or("signer-id", "issuer-serial") {
        "issuer-serial" => SignerId::IssuerSerial,
        "key-id" => SignerId::KeyId,
        other => return Err(Trouble::other(format!("signer-id {other}"))),
    };
    Ok(())
}

/// Sets the layers of what is sent.
pub(crate) fn set_layers(
    profile: &mut PartnerProfile,
    sign: &str,
    encrypt: &str,
    compress: &str,
) -> Result<(), Trouble> {
    profile.send.sign = match sign {
        "none" => None,
        name => match digest(name)? {
            DigestAlgorithm::Sha1 => return Err(Trouble::Unsupported("signing with SHA-1".to_owned())),
            strong => Some(strong),
        },
    };
    profile.send.encrypt = match encrypt {
        "none" => None,
        name => Some(cipher(name)?),
    };
    profile.send.compress = match compress {
        "none" => Compression::None,
        "before" => Compression::BeforeSigning,
        "after" => Compression::AfterSigning,
        other => return Err(Trouble::other(format!("compress {other}"))),
    };
    Ok(())
}

pub(crate) fn digest(name: &str) -> Result<DigestAlgorithm, Trouble> {
    DigestAlgorithm::from_micalg(name).ok_or_else(|| Trouble::Unsupported(format!("the digest {name}")))
}

fn cipher(name: &str) -> Result<CipherAlgorithm, Trouble> {
    let known = CipherAlgorithm::ALL.into_iter().find(|cipher| cipher.name() == name);
    known.ok_or_else(|| Trouble::Unsupported(format!("the cipher {name}")))
}

/// `auto`, or a name of the crate's.
pub(crate) fn key_transport(name: &str) -> Result<Option<KeyTransport>, Trouble> {
    let known = KeyTransport::ALL.into_iter().find(|transport| transport.name() == name);
    if known.is_none() && name != "auto" {
        return Err(Trouble::Unsupported(format!("the key transport {name}")));
    }
    Ok(known)
}

/// What became of a received message: the keys that `open` and the event `received` have in common.
pub(crate) fn verdict(result: &Result<Accepted, Refused>) -> Value {
    match result {
        Ok(accepted) => json!({
            "verdict": "accepted",
            "layers": layers(accepted.layers()),
            "mic": accepted.mic().to_base64(),
            "mic_alg": accepted.mic().algorithm().name(),
            "disposition": accepted.clone().stored().disposition().to_string(),
            "detail": notes(accepted.notes()),
        }),
        Err(refused) => json!({
            "verdict": "refused",
            "layers": layers(refused.layers()),
            "mic": null,
            "mic_alg": null,
            "disposition": refused.clone().mdn().disposition().to_string(),
            "detail": refused.error().to_string(),
            "unsupported": is_unsupported(refused.error()),
        }),
    }
}

/// Whether a message was refused for what the crate cannot do, rather than for what it must not do.
pub(crate) fn is_unsupported(error: &ReceiveError) -> bool {
    matches!(error, ReceiveError::UnsupportedAlgorithm { .. } | ReceiveError::UnsupportedContent(_))
}

fn layers(layers: &[Layer]) -> Vec<&'static str> {
    let name = |layer: &Layer| match layer {
        Layer::Signed(_) => "signed",
        Layer::Encrypted(..) => "encrypted",
        Layer::Compressed => "compressed",
        _ => "unknown",
    };
    layers.iter().map(name).collect()
}

fn notes(notes: &[as2_protocol::Note]) -> Option<String> {
    let texts: Vec<_> = notes.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}
