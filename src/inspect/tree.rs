//! What was found, as a tree that can be printed and stored.

use std::fmt;

use crate::inspect::rule::rule;
use crate::note::Note;

/// One thing that was found, with what is known of it and what it is made of.
///
/// It prints itself as an indented tree. Documents are told by size and digest, never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub title: String,
    /// What is known of it.
    pub facts: Vec<(String, String)>,
    /// What is not as the standards would have it.
    pub oddities: Vec<Oddity>,
    /// Where reading ended early, and why.
    pub broken: Option<String>,
    /// What it is made of.
    pub parts: Vec<Self>,
}

/// Something that is not as the standards would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Oddity {
    /// What is odd.
    pub what: String,
    /// What the standard says, with its section.
    pub rule: String,
}

/// Text of the peer's must not forge lines of the tree, or speak to a terminal.
fn shown(text: impl ToString) -> String {
    text.to_string().replace(char::is_control, "\u{fffd}")
}

impl Finding {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: shown(title.into()), ..Self::default() }
    }

    pub(super) fn fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.push((shown(name), shown(value)));
        self
    }

    pub(super) fn fact_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    pub(super) fn note(&mut self, note: &Note) {
        self.oddities.push(Oddity { what: shown(note), rule: rule(note).to_owned() });
    }

    pub(super) fn notes(mut self, notes: &[Note]) -> Self {
        notes.iter().for_each(|note| self.note(note));
        self
    }

    pub(super) fn odd(mut self, what: impl Into<String>, rule: &str) -> Self {
        self.oddities.push(Oddity { what: shown(what.into()), rule: rule.to_owned() });
        self
    }

    pub(super) fn broken(mut self, why: &dyn fmt::Display) -> Self {
        self.broken = Some(shown(why));
        self
    }

    pub(super) fn part(mut self, part: Self) -> Self {
        self.parts.push(part);
        self
    }

    /// Whether anything in the tree is odd or broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.oddities.is_empty() && self.broken.is_none() && self.parts.iter().all(Self::is_clean)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        writeln!(f, "{indent}{}", self.title)?;
        for (name, value) in &self.facts {
            writeln!(f, "{indent}  {name}: {value}")?;
        }
        for oddity in &self.oddities {
            writeln!(f, "{indent}  ! {} ({})", oddity.what, oddity.rule)?;
        }
        if let Some(why) = &self.broken {
            writeln!(f, "{indent}  X it breaks here: {why}")?;
        }
        self.parts.iter().try_for_each(|part| part.print(f, depth + 1))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0)
    }
}
