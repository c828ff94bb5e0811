//! A bar that grows, on terminals only, and numbers for people.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WIDTH: u64 = 32;
const PAUSE: Duration = Duration::from_millis(100);

/// Octets that were worked on, counted by one thread and looked at by another.
pub(crate) type Count = Arc<AtomicU64>;

/// Adds to a count.
pub(crate) fn add(count: &Count, octets: usize) {
    count.fetch_add(u64::try_from(octets).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// A bar, as long as this lives.
pub(crate) struct Bar {
    alive: Option<Arc<()>>,
    drawing: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows on standard error how `count` grows to `total`. Elsewhere than on a terminal nothing is shown.
    pub(crate) fn show(label: &'static str, count: &Count, total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self { alive: None, drawing: None };
        }
        let alive = Arc::new(());
        let (watched, count) = (Arc::downgrade(&alive), count.clone());
        let drawing = std::thread::spawn(move || {
            let start = Instant::now();
            while watched.strong_count() > 0 {
                draw(&line(label, count.load(Ordering::Relaxed), total, start.elapsed()));
                std::thread::park_timeout(PAUSE);
            }
            draw("");
        });
        Self { alive: Some(alive), drawing: Some(drawing) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(drawing) = self.drawing.take() {
            drawing.thread().unpark();
            let _ = drawing.join();
        }
    }
}

fn draw(line: &str) {
    let mut terminal = io::stderr().lock();
    // Whatever stood there before is erased to the end of the line (ECMA-48 EL).
    let _ = write!(terminal, "\r{line}\x1b[K");
    let _ = terminal.flush();
}

fn line(label: &str, done: u64, total: u64, time: Duration) -> String {
    let done = done.min(total);
    let of = |whole: u64| u128::from(done) * u128::from(whole) / u128::from(total.max(1));
    let filled = usize::try_from(of(WIDTH)).unwrap_or_default();
    let empty = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(filled);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(empty));
    // The first moments tell nothing about the rate.
    let rate = if time < PAUSE { String::new() } else { format!(", {}", rate(done, time)) };
    format!("{label:10} [{bar}] {:3} %  {} of {}{rate}", of(100), size(done), size(total))
}

/// `1.50 GiB`
pub(crate) fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["octets", "KiB", "MiB", "GiB", "TiB"];
    let unit = UNITS.iter().enumerate().rev().find(|(power, _)| octets >> (10 * power) > 0);
    match unit {
        None | Some((0, _)) => format!("{octets} octets"),
        Some((power, unit)) => {
            let hundredths = (u128::from(octets) * 100) >> (10 * power);
            format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
        }
    }
}

/// `512 MB/s`, in powers of 1000 as network and disk are measured.
pub(crate) fn rate(octets: u64, time: Duration) -> String {
    let microseconds = time.as_micros().max(1);
    format!("{} MB/s", u128::from(octets) / microseconds)
}

/// `1.25 s`
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
