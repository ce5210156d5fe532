//! What is said while something takes long, and what is printed.

use std::io::{self, Write};

use crate::failure::{ErrorCode, Failure};

/// What standard error is told while something takes long.
pub(super) struct Progress<'a> {
    pub err: &'a mut dyn Write,
    pub quiet: bool,
}

impl Progress<'_> {
    pub fn say(&mut self, what: &str) {
        if !self.quiet {
            // Whoever closed stderr does not want to know.
            let _ = writeln!(self.err, "{what}");
        }
    }
}

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(no_output(&error)),
        _ => Ok(()),
    }
}

pub(super) fn no_output(error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::Output,
        what: "what happens could not be written".into(),
        why: error.to_string(),
        remedy: "look at where standard output goes, and run the command again".into(),
    }
}
