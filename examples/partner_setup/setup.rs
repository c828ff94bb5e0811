//! Reading the folder. Whatever is wrong is collected, so that everything can be mended at once.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use as2_protocol::crypto::{DecryptingKey, SigningKey};
use as2_protocol::{
    Certificate, CryptoProvider, Identity, KeyEntry, KeyStore, MessageBuilder, Partner, PartnerProfile, Payload,
    SetupError,
};
use serde::Deserialize;

/// `setup.toml`: where keys and certificates are, and the profile.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    ours: Ours,
    theirs: Theirs,
    profile: PartnerProfile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ours {
    signing: KeyFile,
    decrypting: Vec<KeyFile>,
}

/// A file with a private key and its certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    file: String,
    /// The entry, if the file holds several.
    alias: Option<String>,
    /// Name of the environment variable that holds the password.
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theirs {
    encrypt_to: Vec<String>,
    verify_with: Vec<String>,
}

/// What was read, as far as it could be, and everything that is wrong.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) profile: Option<PartnerProfile>,
    pub(crate) us: Option<Identity>,
    pub(crate) partner: Option<Partner>,
    pub(crate) problems: Vec<String>,
}

/// Reads the folder, and builds a message on trial: keys, certificates and dates must allow it.
pub(crate) fn read(folder: &Path, now: SystemTime) -> Checked {
    let mut reader = Reader { folder, problems: Vec::new() };
    let Some(setup) = reader.setup() else {
        return Checked { problems: reader.problems, ..Checked::default() };
    };
    let us = reader.identity(&setup.ours);
    let partner = reader.partner(&setup.theirs, &setup.profile);
    if let (Some(us), Some(partner)) = (&us, &partner) {
        let trial = MessageBuilder::new(us, partner).build(Payload::octet_stream("trial"), now);
        reader.note("a message to the partner", trial);
    }
    Checked { profile: Some(setup.profile), us, partner, problems: reader.problems }
}

struct Reader<'a> {
    folder: &'a Path,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn setup(&mut self) -> Option<Setup> {
        let text = self.file("setup.toml")?;
        let text = self.note("setup.toml", String::from_utf8(text))?;
        self.note("setup.toml", toml::from_str(&text))
    }

    /// The octets of a file of the folder.
    fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let read = std::fs::read(self.folder.join(name));
        self.note(name, read)
    }

    fn identity(&mut self, ours: &Ours) -> Option<Identity> {
        let signing = self.entry(&ours.signing);
        let decrypting: Vec<_> = ours.decrypting.iter().map(|key| (key, self.entry(key))).collect();
        let mut builder = Identity::builder(CryptoProvider::rustcrypto());
        let (chain, key) = self.signing(&ours.signing.file, signing?)?;
        builder = builder.signing(chain, key);
        for (file, entry) in decrypting {
            let (certificate, key) = self.decrypting(&file.file, entry?)?;
            builder = builder.decrypting(certificate, key);
        }
        self.note("our keys", builder.build())
    }

    fn signing(&mut self, file: &str, entry: KeyEntry) -> Option<(Vec<Certificate>, Arc<dyn SigningKey>)> {
        let key = self.note(file, entry.key().clone().into_signing())?;
        Some((entry.chain().to_vec(), key))
    }

    fn decrypting(&mut self, file: &str, entry: KeyEntry) -> Option<(Certificate, Arc<dyn DecryptingKey>)> {
        let key = self.note(file, entry.key().clone().into_decrypting())?;
        Some((entry.certificate()?.clone(), key))
    }

    /// A private key with its certificate.
    fn entry(&mut self, key: &KeyFile) -> Option<KeyEntry> {
        let file = self.file(&key.file)?;
        let password = match &key.password {
            Some(variable) => {
                let missing = "holds the password, and is not set";
                Some(self.note(
                    &format!("{}: the environment variable {variable}", key.file),
                    std::env::var(variable).map_err(|_| missing),
                )?)
            }
            None => None,
        };
        let store = self.note(&key.file, KeyStore::read(&file, password.as_deref()))?;
        let entry = self.note(&key.file, store.entry(key.alias.as_deref()))?.clone();
        if entry.certificate().is_none() {
            self.problems.push(format!("{}: no certificate belongs to the key; add it to the file", key.file));
            return None;
        }
        Some(entry)
    }

    fn partner(&mut self, theirs: &Theirs, profile: &PartnerProfile) -> Option<Partner> {
        let before = self.problems.len();
        let mut builder = Partner::builder(profile.clone(), CryptoProvider::rustcrypto());
        for certificate in self.certificates(&theirs.encrypt_to) {
            builder = builder.encrypt_to(certificate);
        }
        for certificate in self.certificates(&theirs.verify_with) {
            builder = builder.verify_with(certificate);
        }
        match builder.build() {
            Ok(partner) => Some(partner),
            Err(SetupError::Contradictions(found)) => {
                // A certificate that could not be read is a problem already.
                let unread = self.problems.len() > before;
                let telling = found.iter().filter(|one| !(unread && one.problem.contains("certificate")));
                self.problems.extend(telling.map(ToString::to_string));
                None
            }
            Err(error) => self.note("the partner", Err(error)),
        }
    }

    fn certificates(&mut self, files: &[String]) -> Vec<Certificate> {
        let mut all = Vec::new();
        for name in files {
            let Some(file) = self.file(name) else { continue };
            all.extend(self.note(name, Certificate::read_all(&file)).unwrap_or_default());
        }
        all
    }

    fn note<T, E: Display>(&mut self, place: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(format!("{place}: {error}"));
                None
            }
        }
    }
}
