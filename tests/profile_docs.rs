//! The profiles that `docs/profiles.md` shows are those of the crate: every field is there with its default.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

use std::collections::BTreeSet;

use as2_protocol::{PartnerProfile, Preset};
use serde_json::Value;

/// Blocks of TOML with this mark behind the language.
fn blocks(mark: &str) -> Vec<String> {
    let text = include_str!("../docs/profiles.md");
    let start = format!("```toml {mark}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn default() -> PartnerProfile {
    let url = "https://as2.acme.example/receive".parse().unwrap();
    PartnerProfile::new("OUR-COMPANY".parse().unwrap(), "ACME".parse().unwrap(), url)
}

/// Dotted names of all fields.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        fields(value, &path, found);
        found.insert(path);
    }
}

fn fields_of(toml: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    fields(&serde_json::to_value(toml::from_str::<toml::Value>(toml).unwrap()).unwrap(), "", &mut found);
    found
}

#[test]
fn the_whole_profile_is_the_default_one() {
    let [full] = <[String; 1]>::try_from(blocks("full")).unwrap();
    assert_eq!(toml::from_str::<PartnerProfile>(&full).unwrap(), default());
    let [minimal] = <[String; 1]>::try_from(blocks("minimal")).unwrap();
    assert_eq!(toml::from_str::<PartnerProfile>(&minimal).unwrap(), default());
}

#[test]
fn the_whole_profile_shows_every_field() {
    let [full] = <[String; 1]>::try_from(blocks("full")).unwrap();
    // A line such as `# subject = "EDI"` is a field that is not set; prose does not look like one.
    let is_field = |line: &&str| {
        let name = line.split_once(" = ").map(|(name, _)| name);
        line.starts_with('[') || name.is_some_and(|name| name.bytes().all(|o| o.is_ascii_lowercase() || o == b'_'))
    };
    let uncommented: Vec<_> =
        full.lines().map(|line| line.strip_prefix("# ").filter(is_field).unwrap_or(line)).collect();
    let shown = fields_of(&uncommented.join("\n"));
    let mut there = BTreeSet::new();
    fields(&serde_json::to_value(default()).unwrap(), "", &mut there);
    let missing: Vec<_> = there.difference(&shown).collect();
    assert!(missing.is_empty(), "docs/profiles.md does not show {missing:?}");
    // What is commented out is a field with a value that it can have.
    let set: PartnerProfile = toml::from_str(&uncommented.join("\n")).unwrap();
    assert_ne!(set, default());
}

#[test]
fn the_parts_shown_can_be_read() {
    let parts = blocks("part");
    assert_eq!(parts.len(), 2);
    for part in parts {
        let whole = format!("{}\n{part}", blocks("minimal")[0]);
        let profile: PartnerProfile = toml::from_str(&whole).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(profile.contradictions(), Vec::new());
        assert_ne!(profile, default());
    }
}

#[test]
fn every_preset_is_listed() {
    let text = include_str!("../docs/profiles.md");
    for preset in Preset::ALL {
        assert!(text.contains(&format!("| `{preset}` |")), "{preset}");
    }
}
