//! `docs/interop.md` has a row for every peculiarity, and names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many peculiarities are known; rows are added at the end, and none goes away.
const PRODUCTS: usize = 76;
const LIBRARIES: usize = 24;

/// A row: its number, and the tests that it names, with their file.
struct Row {
    number: String,
    tests: Vec<(String, String)>,
}

/// The document is part of the package like the tests.
fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/interop.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut rows, mut file) = (Vec::new(), String::new());
    for line in text.lines() {
        if line.starts_with("## ") {
            file = line.split('`').nth(1).unwrap_or_default().to_owned();
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, _, _, named, _] = cells[..] else { continue };
        if !number.starts_with("A1-") && !number.starts_with("B2-") {
            continue;
        }
        let named = named.split('`').skip(1).step_by(2);
        let tests = named.map(|test| match test.split_once("::") {
            Some((path, name)) => (path.to_owned(), name.to_owned()),
            None => (file.clone(), test.to_owned()),
        });
        rows.push(Row { number: number.to_owned(), tests: tests.collect() });
    }
    rows
}

/// Functions under `#[test]`.
fn tests_in(path: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(source) = std::fs::read_to_string(root.join(path)) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        match line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) {
            Some(name) if is_test => {
                found.insert(name.to_owned());
                is_test = false;
            }
            _ => is_test = line == "#[test]" || (is_test && line.starts_with("#[")),
        }
    }
    found
}

#[test]
fn every_number_has_one_row_with_tests() {
    let rows = rows();
    let numbers: Vec<_> = rows.iter().map(|row| row.number.as_str()).collect();
    let products = (1..=PRODUCTS).map(|number| format!("A1-{number:02}"));
    let libraries = (1..=LIBRARIES).map(|number| format!("B2-{number:02}"));
    assert_eq!(numbers, products.chain(libraries).collect::<Vec<_>>());
    let bare: Vec<_> = rows.iter().filter(|row| row.tests.is_empty()).map(|row| &row.number).collect();
    assert!(bare.is_empty(), "without a test: {bare:?}");
}

#[test]
fn every_test_that_a_row_names_exists_and_every_test_has_its_row() {
    let rows = rows();
    let mut files = BTreeMap::<&str, BTreeSet<&str>>::new();
    for row in &rows {
        let mut own = row.tests.iter().filter(|(path, _)| path.starts_with("tests/peers/"));
        let prefix = row.number.to_lowercase().replace('-', "_") + "_";
        assert!(own.all(|(_, name)| name.starts_with(&prefix)), "{} names a test of another row", row.number);
        for (path, name) in &row.tests {
            files.entry(path).or_default().insert(name);
        }
    }
    let mut faults = Vec::new();
    for (path, named) in files {
        let there = tests_in(path);
        let missing = named.iter().filter(|name| !there.contains(**name));
        faults.extend(missing.map(|name| format!("{path}::{name} is not there")));
        let unnamed = there.iter().filter(|name| path.starts_with("tests/peers/") && !named.contains(name.as_str()));
        faults.extend(unnamed.map(|name| format!("{path}::{name} has no row")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
