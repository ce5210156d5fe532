//! The person at the terminal: asking, and saying what goes on.

use std::io::{self, BufRead, IsTerminal, Read, Write};

/// Bytes of an answer that are read: a reason, with room.
const ANSWER_BYTES_MAX: u64 = 1_024;

/// What has fewer parts is over at once, and needs no progress.
const PROGRESS_MIN: usize = 100;

/// The terminal of the person who started the program.
pub(crate) trait Terminal {
    /// Whether somebody is there to answer.
    fn is_attended(&self) -> bool;

    /// Shows a text, which may be empty, and asks a question; the answer, without the space around
    /// it. Empty: nothing was said.
    fn ask(&mut self, text: &str, question: &str) -> io::Result<String>;

    /// Shows a text and asks a question; whether the answer is yes.
    fn confirm(&mut self, text: &str, question: &str) -> io::Result<bool> {
        Ok(is_yes(&self.ask(text, &format!("{question} [y/N]"))?))
    }

    /// Says a line, whether somebody is there or not.
    fn say(&mut self, line: &str);

    /// Says how far something has come.
    fn progress(&mut self, done: usize, all: usize);
}

/// Standard input and standard error.
pub(crate) struct StandardTerminal;

impl Terminal for StandardTerminal {
    fn is_attended(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn ask(&mut self, text: &str, question: &str) -> io::Result<String> {
        let mut err = io::stderr().lock();
        if !text.is_empty() {
            writeln!(err, "{text}")?;
        }
        write!(err, "{question} ")?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    fn say(&mut self, line: &str) {
        // Whoever closed it does not want to know.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    fn progress(&mut self, done: usize, all: usize) {
        let mut err = io::stderr().lock();
        if all >= PROGRESS_MIN && err.is_terminal() {
            let end = if done == all { "\n" } else { "" };
            // Whoever closed it does not want to know.
            let _ = write!(err, "\r{done} of {all}{end}").and_then(|()| err.flush());
        }
    }
}

/// Whether somebody said yes. Everything else is no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_yes_is_no() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yess\n", "т\n", "1\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
