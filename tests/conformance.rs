//! `docs/conformance.md` names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The document, which is part of the package like the tests.
fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Paths and test names that stand as `path::name` between backticks.
fn named() -> Vec<(String, String)> {
    let text = document();
    let spans = text.split('`').skip(1).step_by(2);
    let mut named: Vec<_> = spans.filter_map(|span| span.split_once(".rs::")).collect();
    named.sort_unstable();
    named.dedup();
    assert!(named.len() > 100, "only {} tests are found in the document", named.len());
    named.into_iter().map(|(path, name)| (format!("{path}.rs"), name.to_owned())).collect()
}

/// Functions that stand under `#[test]` or in a `proptest!`, so that a helper of the same name does not count.
fn tests_in(source: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        match line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) {
            Some(name) if is_test => {
                found.insert(name);
                is_test = false;
            }
            // Other attributes may stand between.
            _ => is_test = line == "#[test]" || (is_test && line.starts_with("#[")),
        }
    }
    found
}

#[test]
fn every_test_that_the_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, name) in named() {
        files.entry(path).or_default().push(name);
    }
    for (path, names) in files {
        let inside = (path.starts_with("src/") || path.starts_with("tests/")) && !path.contains("..");
        let Some(source) = inside.then(|| std::fs::read_to_string(root.join(&path)).ok()).flatten() else {
            missing.push(format!("{path}: no such file"));
            continue;
        };
        let tests = tests_in(&source);
        missing
            .extend(names.iter().filter(|name| !tests.contains(name.as_str())).map(|name| format!("{path}::{name}")));
    }
    assert!(missing.is_empty(), "named in docs/conformance.md, but not there:\n{}", missing.join("\n"));
}

#[test]
fn every_line_of_the_document_is_short() {
    let text = document();
    let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 160).collect();
    assert!(long.is_empty(), "{long:#?}");
}
