//! What a command that takes long says while it works.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A terminal is told this often, anything else when there is a milestone.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Tells what goes on, on standard error.
pub struct Progress<'a> {
    to: &'a mut dyn Write,
    /// Whether the last line is written over.
    in_place: bool,
    /// Whether there is a line that has no end yet.
    open: bool,
    told: Option<Instant>,
}

impl<'a> Progress<'a> {
    /// Writes to what stands for standard error.
    pub fn new(to: &'a mut dyn Write) -> Self {
        Self { to, in_place: io::stderr().is_terminal(), open: false, told: None }
    }

    /// A line that stays.
    pub fn say(&mut self, words: &str) {
        let start = if self.open { "\r\x1b[K" } else { "" };
        // Whoever closed standard error does not want to know.
        let _ = writeln!(self.to, "{start}{words}");
        let _ = self.to.flush();
        self.open = false;
    }

    /// A line that the next one replaces. Nothing where lines cannot be replaced.
    pub fn show(&mut self, words: impl FnOnce() -> String) {
        if !self.in_place || self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        // As above.
        let _ = write!(self.to, "\r\x1b[K{}", words());
        let _ = self.to.flush();
        self.open = true;
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.open {
            // As above.
            let _ = write!(self.to, "\r\x1b[K");
        }
    }
}
