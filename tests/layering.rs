//! The direction of dependencies: a module uses only modules that stand before it (docs/architecture.md).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every module of the crate, each after all that it may use. Wire layers know no keys; nothing knows `message`.
const ORDER: &[&str] = &[
    "algorithm",
    "limits",
    "note",
    "name",
    "announce",
    "url",
    "stored",
    "certificate",
    "crypto",
    "step",
    "mime",
    "cms",
    "mdn",
    "profile",
    "pacing",
    "error",
    "trust",
    "rollover",
    "identity",
    "partner",
    "expiry",
    "keystore",
    "renewal",
    "smime",
    "headers",
    "response",
    "receipt",
    "endpoint",
    "delivery",
    "message",
    "tls",
    "cem",
    "inspect",
    "internals",
    "fuzzing",
    "lib",
];

/// What must not be used however the order stands.
const NEVER: [(&str, &str); 9] = [
    ("mime", "crypto"),
    ("mime", "profile"),
    ("cms", "crypto"),
    ("cms", "mime"),
    ("mdn", "crypto"),
    ("mdn", "profile"),
    ("crypto", "mime"),
    ("smime", "partner"),
    ("profile", "crypto"),
];

#[test]
fn modules_use_only_what_stands_before_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut edges = BTreeSet::new();
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let is_test = relative.to_str().unwrap().ends_with("tests.rs") || relative.ends_with("fixtures.rs");
        if is_test {
            continue;
        }
        let module = module_of(relative);
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may look wherever they like.
        let code = text.split("\n#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if used != module && ORDER.contains(&used.as_str()) {
                    edges.insert((module.clone(), used));
                }
            }
        }
    }
    assert!(edges.len() > 40, "the source was read: {edges:?}");
    for (module, used) in &edges {
        let position = |name: &str| {
            ORDER.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} is not in the order"))
        };
        assert!(position(used) < position(module), "{module} must not use {used}");
        assert!(!NEVER.contains(&(module.as_str(), used.as_str())), "{module} must not use {used}");
    }
}

/// Only the backend names primitive crates, and only protocol modules and the stored forms name `http`.
#[test]
fn outside_crates_stay_where_they_belong() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let homes: [(&[&str], &[&str]); 7] = [
        (&["rsa::", "aes::", "cbc::", "ctr::", "ghash::", "sha1::", "::ml_dsa", "::ml_kem"], &["crypto/rustcrypto"]),
        (&["graviola::"], &["crypto/graviola"]),
        (&["aws_lc_rs::"], &["crypto/aws_lc_rs"]),
        (
            &["use http::", "http::Request", "http::Response"],
            &["message", "receipt", "response", "headers", "inspect", "stored", "url", "error", "endpoint", "lib"],
        ),
        (&["x509_parser"], &["certificate"]),
        (&["rustls::"], &["tls"]),
        (&["roxmltree"], &["cem", "profile", "response"]),
    ];
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for (crates, allowed) in homes {
            if allowed.iter().any(|home| relative.starts_with(home)) {
                continue;
            }
            for line in text.lines().filter(|line| line.trim_start().starts_with("use ")) {
                let named =
                    crates.iter().any(|name| line.contains(&format!("use {}", name.trim_start_matches("use "))));
                assert!(!named, "{relative}: {line}");
            }
        }
    }
}

#[test]
fn files_stay_short() {
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}
