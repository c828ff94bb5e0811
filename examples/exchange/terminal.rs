//! Aligned text for people. Colour only on a terminal, and not if `NO_COLOR` is set (<https://no-color.org>).

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

const WIDTH: usize = 104;
const LABEL: usize = 9;
const TIME: usize = 10;
const MARGIN: usize = 2;
/// Indentation of the second and further lines of an entry.
const HANGING: usize = 2;

/// Standard output.
pub(crate) struct Terminal {
    colour: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Good,
    Bad,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !unwanted }
    }

    /// The start of a section.
    pub(crate) fn heading(&self, text: impl Display) {
        self.line("");
        self.line(&self.paint(Style::Bold, &text.to_string()));
        self.line("");
    }

    /// A paragraph.
    pub(crate) fn paragraph(&self, text: &str) {
        for line in wrap(text, WIDTH - MARGIN) {
            self.line(&format!("{:MARGIN$}{line}", ""));
        }
    }

    pub(crate) fn blank(&self) {
        self.line("");
    }

    /// One step, and how long it took.
    pub(crate) fn step(&self, label: &str, text: impl Display, time: Option<Duration>) {
        self.entry(label, &text.to_string(), time, |line| line.to_owned());
    }

    /// A detail of the step above.
    pub(crate) fn detail(&self, text: impl Display) {
        self.entry("", &text.to_string(), None, |line| self.paint(Style::Dim, line));
    }

    /// How it ended.
    pub(crate) fn verdict(&self, label: &str, good: bool, text: impl Display, time: Option<Duration>) {
        let style = if good { Style::Good } else { Style::Bad };
        self.entry(label, &text.to_string(), time, |line| self.paint(style, line));
    }

    /// A table; columns of numbers are right-aligned.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column: usize| {
            let widest = rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
            widest.max(head.get(column).map_or(0, |title| title.chars().count()))
        };
        let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        let numeric = |column: usize| !rows.is_empty() && rows.iter().all(|row| is_number(&cell(row, column)));
        let line = |row: &[String]| {
            let pad = |column: usize| match (cell(row, column), width(column)) {
                (text, width) if numeric(column) => format!("{text:>width$}"),
                (text, width) => format!("{text:<width$}"),
            };
            let cells: Vec<_> = (0..head.len()).map(pad).collect();
            format!("{:MARGIN$}{}", "", cells.join("  ")).trim_end().to_owned()
        };
        let titles: Vec<_> = head.iter().map(ToString::to_string).collect();
        self.line(&self.paint(Style::Dim, &line(&titles)));
        for row in rows {
            self.line(&line(row));
        }
    }

    /// Label, text in as many lines as it needs, and the time at the right edge of the first one.
    fn entry(&self, label: &str, text: &str, time: Option<Duration>, paint: impl Fn(&str) -> String) {
        let room = WIDTH - MARGIN - LABEL - HANGING - time.map_or(0, |_| TIME);
        for (index, line) in wrap(text, room).iter().enumerate() {
            let (label, hanging) = if index == 0 { (label, 0) } else { ("", HANGING) };
            let label = self.paint(Style::Bold, &format!("{label:LABEL$}{:hanging$}", ""));
            let time = time.filter(|_| index == 0).map(|time| {
                let gap = TIME + HANGING + room.saturating_sub(line.chars().count());
                self.paint(Style::Dim, &format!("{:>gap$}", duration(time)))
            });
            let line = format!("{:MARGIN$}{label}{}{}", "", paint(line), time.unwrap_or_default());
            self.line(line.trim_end());
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        if self.colour && !text.trim().is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&self, text: &str) {
        // A reader that has gone, such as `head`, is no reason to stop the exchange.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}

/// Breaks a text at spaces. A word that is too long stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// `3.25 ms`, or `1.25 s` from a second on.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.000_01 => "<0.01 ms".to_owned(),
        ..1.0 => format!("{:.2} ms", seconds * 1000.0),
        _ => format!("{seconds:.2} s"),
    }
}

/// `1,152 octets`
pub(crate) fn octets(count: usize) -> String {
    format!("{} octets", number(count))
}

/// `1,152`
pub(crate) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
