//! The agreement between the two, seen from each side.

use std::time::Duration;

use as2_protocol::{
    Certificate, Compression, CryptoProvider, DigestAlgorithm, HttpUrl, Partner, PartnerProfile, Requirement,
};

use crate::Fallible;
use crate::options::Options;

pub(crate) const SENDER: &str = "Orchard Foods";
pub(crate) const RECEIVER: &str = "Harbour Supply";

/// What the sender agreed with the receiver: layers as the command line says, and a signed receipt in the answer.
pub(crate) fn of_sender(options: &Options, url: HttpUrl, certificate: Certificate) -> Fallible<Partner> {
    let mut profile = PartnerProfile::new(SENDER.parse()?, RECEIVER.parse()?, url);
    profile.message_id_domain = "orchard.example".to_owned();
    profile.send.sign = options.sign.then_some(DigestAlgorithm::Sha256);
    profile.send.encrypt = options.cipher;
    profile.send.compress = if options.compress { Compression::BeforeSigning } else { Compression::None };
    // Nobody wants to wait here; the defaults are made for hours and days.
    let retry = &mut profile.delivery.retry;
    (retry.attempts, retry.first_wait) = (3, Duration::from_millis(500));
    partner(profile, certificate)
}

/// What the receiver agreed with the sender.
pub(crate) fn of_receiver(options: &Options, url: HttpUrl, certificate: Certificate) -> Fallible<Partner> {
    let mut profile = PartnerProfile::new(RECEIVER.parse()?, SENDER.parse()?, url);
    profile.message_id_domain = "harbour.example".to_owned();
    profile.accept.signature = if options.sign { Requirement::Require } else { Requirement::Allow };
    profile.accept.encryption = if options.cipher.is_some() { Requirement::Require } else { Requirement::Allow };
    partner(profile, certificate)
}

fn partner(profile: PartnerProfile, certificate: Certificate) -> Fallible<Partner> {
    let builder = Partner::builder(profile, CryptoProvider::rustcrypto());
    Ok(builder.encrypt_to(certificate.clone()).verify_with(certificate).build()?)
}
