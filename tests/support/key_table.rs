//! The table of key files that `tests/interop/keys.sh` writes: what each file holds, and how our reader sees it.
#![allow(dead_code, unreachable_pub)] // each binary uses its own part of it

use std::path::Path;

use as2_protocol::{Certificate, KeyEntry, KeyStore, KeyStoreError};

/// One row of `files.tsv`.
pub struct Row {
    pub file: String,
    pub octets: Vec<u8>,
    pub password: Option<String>,
    pub content: String,
}

pub fn rows(folder: &Path) -> Vec<Row> {
    let table = std::fs::read_to_string(folder.join("files.tsv")).unwrap();
    table
        .lines()
        .map(|line| {
            let [file, password, content] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            Row {
                file: file.to_owned(),
                octets: std::fs::read(folder.join(file)).unwrap(),
                password: (password != "-").then(|| password.to_owned()),
                content: content.to_owned(),
            }
        })
        .collect()
}

/// What the reader makes of a file, in the words of the table.
pub fn describe(file: &[u8], password: Option<&str>) -> Result<String, KeyStoreError> {
    match KeyStore::read(file, password) {
        Ok(store) => {
            let keys = store.entries().iter().map(key);
            let certificates = store
                .certificates()
                .iter()
                .map(|entry| format!("{}+({})", entry.alias().unwrap_or("-"), common_name(entry.certificate())));
            Ok(keys.chain(certificates).collect::<Vec<_>>().join(";"))
        }
        Err(KeyStoreError::Foreign { .. }) => Ok("foreign".to_owned()),
        Err(KeyStoreError::Nothing { .. }) => Ok("nothing".to_owned()),
        Err(error) => Err(error),
    }
}

fn key(entry: &KeyEntry) -> String {
    let chain: Vec<_> = entry.chain().iter().map(common_name).collect();
    if let Some(leaf) = entry.certificate() {
        assert!(entry.key().belongs_to(leaf));
    }
    format!("{}={}({})", entry.alias().unwrap_or("-"), entry.key().algorithm(), chain.join(","))
}

fn common_name(certificate: &Certificate) -> String {
    let name = certificate.subject().split("CN=").nth(1).unwrap();
    name.split(',').next().unwrap().to_owned()
}
