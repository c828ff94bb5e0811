//! The example `exchange` as a program: what it prints, what it leaves behind, how it ends.
//!
//! Cargo builds examples before tests, except for `cargo test --test exchange_cli` alone: then the checks are skipped
//! unless the example was built before.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use as2_protocol::{CryptoProvider, EvidenceRecord, OriginRecord, Proof};

/// The program beside this test, if it was built.
fn program() -> Option<PathBuf> {
    let profile = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let path = profile.join("examples").join(format!("exchange{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        eprintln!("skipped: {} is not built", path.display());
        return None;
    }
    Some(path)
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exchange_cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(program: &Path, arguments: &[&str], working_folder: &Path) -> Output {
    Command::new(program).args(arguments).current_dir(working_folder).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// All files of this name in a folder and below, or all in folders of this name.
fn files(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, name));
        } else if path.file_name().unwrap() == name || path.parent().unwrap().file_name().unwrap() == name {
            found.push(path);
        }
    }
    found
}

/// The documents that a company received, in sorted order.
fn received(root: &Path) -> Vec<Vec<u8>> {
    let mut documents: Vec<_> =
        files(&root.join("inbox"), "payload").iter().map(|path| fs::read(path).unwrap()).collect();
    documents.sort();
    documents
}

#[test]
fn both_samples_arrive_unchanged_on_both_sides_with_proof() {
    let Some(program) = program() else { return };
    let folder = folder("samples");
    let output = run(&program, &[], &folder);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let told = text(&output.stdout);
    assert_eq!(told.matches("delivered; proof level: signed receipt, MIC equal").count(), 8, "{told}");
    assert!(!told.contains('\x1b'), "colour in a pipe");

    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/exchange");
    let (x12, edifact) = (fs::read(samples.join("po850.x12")).unwrap(), fs::read(samples.join("orders.edi")).unwrap());
    let mut expected = vec![x12.clone(), x12, edifact.clone(), edifact];
    expected.sort();
    for company in ["orchard", "harbour"] {
        let root = folder.join("exchange-out").join(company);
        assert_eq!(received(&root), expected, "{company}");
        check_evidence(&root, 4);
    }
}

/// Everything that was archived proves what it should, by itself.
fn check_evidence(root: &Path, count: usize) {
    let provider = CryptoProvider::rustcrypto();
    let receipts = files(root, "evidence.json");
    assert_eq!(receipts.len(), count);
    for path in receipts {
        let record: EvidenceRecord = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(record.verify(&provider).unwrap().proof(), Some(Proof::Signed));
    }
    let origins = files(root, "origin.json");
    assert_eq!(origins.len(), count);
    for path in origins {
        let record: OriginRecord = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        record.verify(&provider).unwrap();
    }
}

#[test]
fn any_octets_arrive_unchanged() {
    let Some(program) = program() else { return };
    let folder = folder("octets");
    let document: Vec<u8> = (0..100_000u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    fs::write(folder.join("Größe 1.bin"), &document).unwrap();
    for (file, content) in [("Größe 1.bin", document.as_slice()), ("empty", b"".as_slice())] {
        fs::write(folder.join(file), content).unwrap();
        let output = run(&program, &[file, "--out", "kept"], &folder);
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        for company in ["orchard", "harbour"] {
            assert_eq!(received(&folder.join("kept").join(company)), [content, content], "{company}, {file}");
        }
        fs::remove_dir_all(folder.join("kept")).unwrap();
    }
}

#[test]
fn every_failure_is_refused_with_its_error_and_its_answer() {
    let Some(program) = program() else { return };
    let folder = folder("failures");
    let output = run(&program, &["--show-failures", "--out", "kept"], &folder);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    let failures: Vec<_> = told.split("Failure: ").skip(1).collect();
    let expected: [(&str, &[&str]); 6] = [
        ("the answer gets lost", &["received before", "two equal receipts"]),
        ("encrypted to a wrong certificate", &["NO_RECIPIENT: ", "processed/error: decryption-failed"]),
        ("signed with a wrong certificate", &["SIGNER_UNTRUSTED: ", "processed/error: authentication-failed"]),
        ("an encrypted body is changed", &["Reference: ", "processed/error: decryption-failed"]),
        ("a signed body is changed", &["INTEGRITY_CHECK: ", "processed/error: integrity-check-failed"]),
        ("a sender whom nobody knows", &["UNKNOWN_PARTNER: ", "processed/error: unknown-trading-partner"]),
    ];
    assert_eq!(failures.len(), expected.len(), "{told}");
    for (failure, (title, signs)) in failures.iter().zip(expected) {
        assert!(failure.starts_with(title), "{failure}");
        for sign in signs {
            assert!(failure.contains(sign), "{sign} is missing in {failure}");
        }
    }
    // Two samples twice, and the message whose answer got lost, once. Nothing that was refused is there.
    assert_eq!(received(&folder.join("kept/harbour")).len(), 5);
    assert_eq!(files(&folder.join("kept/orchard"), "refusal.json").len(), 5);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let Some(program) = program() else { return };
    let folder = folder("unreadable");
    fs::create_dir(folder.join("directory")).unwrap();
    for file in ["missing.x12", "directory"] {
        let output = run(&program, &[file], &folder);
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert_eq!(text(&output.stdout), "", "{file}");
        let reason = fs::read(folder.join(file)).unwrap_err();
        assert_eq!(text(&output.stderr), format!("exchange: cannot read {file}: {reason}\n"));
    }
    assert!(!folder.join("exchange-out").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let Some(program) = program() else { return };
    let folder = folder("unwritable");
    fs::write(folder.join("file"), "").unwrap();
    let output = run(&program, &["--out", "file"], &folder);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("exchange: cannot write file"), "{stderr}");
}

#[test]
fn a_wrong_command_line_gets_the_usage() {
    let Some(program) = program() else { return };
    let folder = folder("usage");
    for (arguments, problem) in [
        (vec!["--frobnicate"], "unknown option --frobnicate"),
        (vec!["--out"], "--out needs the name of a folder"),
        (vec!["a", "b"], "one file at a time"),
    ] {
        let output = run(&program, &arguments, &folder);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(problem) && stderr.contains("Usage: exchange [FILE]"), "{stderr}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(&program, &["--help"], &folder);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("Usage: exchange [FILE]"));
}
