//! The example `partner_setup` as a program. It is skipped where the example was not built, see `exchange_cli`.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(arguments: &[&Path]) -> Option<Output> {
    let profile = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let path = profile.join("examples").join(format!("partner_setup{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        eprintln!("skipped: {} is not built", path.display());
        return None;
    }
    Some(Command::new(path).args(arguments).output().unwrap())
}

fn shown(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A copy of the folder that comes along, with another `setup.toml`.
fn folder(name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("partner_setup_cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/partner_setup/acme");
    for entry in fs::read_dir(shipped).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let setup = folder.join("setup.toml");
    fs::write(&setup, change(fs::read_to_string(&setup).unwrap())).unwrap();
    folder
}

#[test]
fn the_folder_that_comes_along_is_a_working_agreement() {
    let Some(output) = run(&[]) else { return };
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    for expected in [
        "our AS2 ID                  OUR-COMPANY",
        "our signing certificate     O=Our Company, CN=as2.our.example",
        "-----BEGIN CERTIFICATE-----",
        "access                      token acme/as2-token in Authorization",
        "encryption certificate      O=Acme Corporation, CN=as2.acme.example",
        "The agreement can work.",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}

#[test]
fn everything_that_is_wrong_is_listed_with_its_remedy() {
    let folder = folder("wrong", |setup| {
        let setup = setup.replace("verify_with = [\"acme-2026.cer\"]", "verify_with = [\"acme-2031.cer\"]");
        let setup = setup.replace("them = \"ACME\"", "them = \"OUR-COMPANY\"");
        setup.replace("signing = { file = \"ours.pem\" }", "signing = { file = \"acme-2026.cer\" }")
            + "first_wait = \"3h\"\n"
    });
    let Some(output) = run(&[&folder]) else { return };
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("4 problems to solve before the agreement can work:"), "{text}");
    for expected in [
        "acme-2026.cer: no entry",
        "acme-2031.cer: ",
        "`us`: it is the same name as `them`; ",
        "`delivery.retry.longest_wait`: it is shorter than the first wait; make it at least as long",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn mistakes_in_the_file_are_told_with_line_and_field() {
    let folder = folder("misspelt", |setup| setup.replace("calls = 60", "call = 60"));
    let Some(output) = run(&[&folder]) else { return };
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("setup.toml: TOML parse error at line ") && text.contains("unknown field `call`"), "{text}");
}
