//! Lines of bounded length: a file without line ends must not fill the memory.

use std::io::{self, BufRead, Read};

use super::CallLogError;

/// Bytes of a line. The longest of the bank has 140.
pub(super) const LINE_BYTES_MAX: usize = 4_096;

/// One line without its end (`\r\n` or `\n`).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RawLine<'a> {
    /// Text.
    Text(&'a str),
    /// More than [`LINE_BYTES_MAX`] bytes; they were passed over.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
}

/// Reads line by line.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Of the line read last; the first is 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<RawLine<'_>>, CallLogError> {
        self.number += 1;
        let number = self.number;
        let failed = |source| CallLogError::Io { line: number, source };
        self.line.clear();
        // The line and its end of two bytes fit, or it is too long.
        let bound = LINE_BYTES_MAX as u64 + 2;
        self.input.by_ref().take(bound).read_until(b'\n', &mut self.line).map_err(failed)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() as u64 == bound {
            pass_over_line(&mut self.input).map_err(failed)?;
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.line.len() > LINE_BYTES_MAX {
            return Ok(Some(RawLine::TooLong));
        }
        Ok(Some(str::from_utf8(&self.line).map_or(RawLine::NotUtf8, RawLine::Text)))
    }
}

/// Passes over the rest of a line, buffer by buffer.
fn pass_over_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, found) = match input.fill_buf() {
            Ok(buffer) => match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        input.consume(used);
        if found {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<String> {
        // A small buffer, so that a line spans several.
        let mut lines = Lines::new(io::BufReader::with_capacity(7, input));
        let mut found = Vec::new();
        while let Some(line) = lines.next().expect("reads from memory") {
            found.push(match line {
                RawLine::Text(text) => format!("{} bytes", text.len()),
                other => format!("{other:?}"),
            });
        }
        found
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_or_the_file() {
        assert_eq!(all(b"one\ntwo2\r\n\r\nthree"), ["3 bytes", "4 bytes", "0 bytes", "5 bytes"]);
        assert_eq!(all(b""), [""; 0]);
    }

    #[test]
    fn a_line_beyond_the_bound_is_passed_over_and_the_next_one_read() {
        let fits = "x".repeat(LINE_BYTES_MAX);
        for (end, extra) in [("\r\n", 0), ("\n", 1), ("\r\n", 1), ("\n", 2), ("\n", 100_000)] {
            let input = format!("{fits}{}{end}next", "x".repeat(extra));
            let first = if extra == 0 { "4096 bytes" } else { "TooLong" };
            assert_eq!(all(input.as_bytes()), [first, "4 bytes"], "{extra} over");
        }
        let unended = "x".repeat(LINE_BYTES_MAX + 3);
        assert_eq!(all(unended.as_bytes()), ["TooLong"]);
    }

    #[test]
    fn bytes_that_are_no_utf8_spoil_one_line() {
        assert_eq!(all(b"a\n\xff\xfe\nb"), ["1 bytes", "NotUtf8", "1 bytes"]);
    }
}
