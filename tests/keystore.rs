//! Files of keys and certificates as other programs write them (tests/vectors/keys), whole and broken.
#![cfg(feature = "pkcs12")]

#[path = "support/key_table.rs"]
mod key_table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use as2_protocol::*;
use key_table::{describe, rows};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

#[test]
fn every_file_of_other_programs_is_read() {
    let rows = rows(&folder());
    assert!(rows.len() > 60);
    for row in rows {
        assert_eq!(describe(&row.octets, row.password.as_deref()), Ok(row.content), "{}", row.file);
    }
}

#[test]
fn a_wrong_and_a_missing_password_are_told() {
    let mut seen = 0;
    for row in rows(&folder()).into_iter().filter(|row| row.password.is_some() && row.content != "foreign") {
        let error = describe(&row.octets, Some("not it")).expect_err(&row.file);
        assert!(matches!(error, KeyStoreError::WrongPassword { .. }), "{}: {error}", row.file);
        let error = describe(&row.octets, None).expect_err(&row.file);
        assert!(matches!(error, KeyStoreError::PasswordNeeded { .. }), "{}: {error}", row.file);
        seen += 1;
    }
    assert!(seen > 35, "{seen}");
}

#[test]
fn a_password_that_nothing_needs_is_not_looked_at() {
    for name in ["rsa-pkcs8.pem", "ec-sec1.pem", "chain.p7b", "leaf.der"] {
        assert!(describe(&file(name), Some("whatever")).is_ok(), "{name}");
    }
}
