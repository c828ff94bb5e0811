//! The onboarding sheet.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use as2_protocol::{
    AuthMethod, Certificate, CertificateWatch, DigestAlgorithm, EndpointTerms, ExpiryState, Identity, Partner,
    PartnerProfile, ReceiptKind, Requirement,
};

use crate::setup::Checked;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) fn write(checked: &Checked, now: SystemTime) -> String {
    let mut sheet = Sheet(String::new());
    if let Some(profile) = &checked.profile {
        sheet.title(&format!("{} and {}", profile.us, profile.them));
        sheet.ours(profile, checked.us.as_ref(), now);
        sheet.theirs(profile, checked.partner.as_ref(), now);
        sheet.expiry(checked, now);
    }
    sheet.0
}

struct Sheet(String);

impl Sheet {
    fn title(&mut self, text: &str) {
        let _ = writeln!(self.0, "AS2 agreement between {text}");
    }

    fn section(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}");
    }

    fn row(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "  {name:<28}{value}");
    }

    /// What the partner must be told.
    fn ours(&mut self, profile: &PartnerProfile, us: Option<&Identity>, now: SystemTime) {
        self.section("Send this to the partner");
        self.row("our AS2 ID", &profile.us);
        let receipt = &profile.send.receipt;
        if let Some(url) = &receipt.asynchronous_url {
            self.row("our URL for receipts", url);
        }
        self.row("we sign with", algorithm(profile.send.sign));
        self.row("we encrypt with", profile.send.encrypt.map_or_else(|| "nothing".to_owned(), |c| c.to_string()));
        self.row(
            "we ask for",
            match receipt.kind {
                ReceiptKind::None => "no receipt",
                ReceiptKind::Unsigned => "an unsigned receipt",
                _ => "a signed receipt",
            },
        );
        self.row("we accept signatures with", digests(&profile.accept.digests));
        self.row("we accept ciphers", profile.accept.ciphers.iter().map(|c| c.name()).collect::<Vec<_>>().join(", "));
        self.row(
            "messages to us are",
            format!(
                "signed: {}, encrypted: {}",
                requirement(profile.accept.signature),
                requirement(profile.accept.encryption)
            ),
        );
        let Some(us) = us else { return };
        if let Some(certificate) = us.signing_certificate(now) {
            self.certificate("our signing certificate", certificate);
        }
        for certificate in us.decrypting_certificates() {
            self.certificate("our encryption certificate", certificate);
        }
        let all = us.signing_certificate(now).into_iter().chain(us.decrypting_certificates());
        let mut texts: Vec<_> = all.map(Certificate::to_pem).collect();
        texts.dedup();
        texts.iter().for_each(|pem| self.0.push_str(&format!("\n{pem}")));
    }

    /// What we know of the partner.
    fn theirs(&mut self, profile: &PartnerProfile, partner: Option<&Partner>, now: SystemTime) {
        self.section("What we know of the partner");
        self.row("AS2 ID", &profile.them);
        self.row("URL for messages", &profile.url);
        self.row("access", access(&profile.endpoint));
        match &profile.accept.receipt_url {
            Some(url) => self.row("URL for receipts", url),
            None => self.row("URL for receipts", format!("as asked, on the host {}", profile.url.host())),
        }
        self.row("receipts are signed with", digests(&profile.expect.mdn_signatures));
        self.row(
            "attempts",
            format!(
                "{}, at most for {} hours",
                profile.delivery.retry.attempts,
                profile.delivery.retry.give_up_after.as_secs() / 3600
            ),
        );
        let Some(partner) = partner else { return };
        if let Some(certificate) = partner.encryption_certificate(now) {
            self.certificate("encryption certificate", certificate);
        }
        for note in partner.notes() {
            self.row("look at this", note);
        }
    }

    fn certificate(&mut self, name: &str, certificate: &Certificate) {
        self.row(name, certificate.subject());
        self.row("  serial number", certificate.serial_hex());
        self.row("  SHA-256 fingerprint", certificate.fingerprint_hex());
    }

    /// What expires when; at most what needs attention within a year.
    fn expiry(&mut self, checked: &Checked, now: SystemTime) {
        let mut watch = CertificateWatch::new();
        if let Some(us) = &checked.us {
            watch = watch.identity("us", us);
        }
        if let Some(partner) = &checked.partner {
            watch = watch.partner(partner);
        }
        let report = watch.expiring(now, YEAR);
        self.section("Certificates that expire within a year");
        if report.is_empty() {
            self.row("none", "");
        }
        for entry in report {
            let when = match entry.state {
                ExpiryState::Expired => format!("expired {} days ago", -entry.days_left),
                ExpiryState::NotYetValid => "is not valid yet".to_owned(),
                _ => format!("expires in {} days", entry.days_left),
            };
            self.row(&entry.who, format!("{}, for {}: {when}", entry.subject, entry.usage));
        }
    }
}

fn algorithm(digest: Option<DigestAlgorithm>) -> String {
    digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string())
}

fn digests(list: &[DigestAlgorithm]) -> String {
    list.iter().map(|digest| digest.name()).collect::<Vec<_>>().join(", ")
}

fn requirement(requirement: Requirement) -> &'static str {
    match requirement {
        Requirement::Require => "yes",
        Requirement::Forbid => "no",
        _ => "may be",
    }
}

fn access(terms: &EndpointTerms) -> String {
    let shown = match &terms.auth.method {
        AuthMethod::Basic { user, password } => format!("Basic, user {user}, password {}", password.name()),
        AuthMethod::Token { header, token, .. } => format!("token {} in {header}", token.name()),
        AuthMethod::Query { parameter, token } => format!("token {} in ?{parameter}=", token.name()),
        _ => "open".to_owned(),
    };
    match &terms.client_certificate {
        Some(name) => format!("{shown}, TLS client certificate {name}"),
        None => shown,
    }
}
