//! Which field of a line is which: by the names in the header, in whatever order they stand.

use super::lines::RawLine;
use super::{CallLogError, SkipReason};

/// Names of the columns that are read, in the order of [`Fields`]. Others are passed over; of the
/// bank's, that is `vru_time`, which says nothing that entry and exit do not.
const NAMES: [&str; COUNT] = [
    "vru+line",
    "call_id",
    "customer_id",
    "priority",
    "type",
    "date",
    "vru_entry",
    "vru_exit",
    "q_start",
    "q_exit",
    "q_time",
    "outcome",
    "ser_start",
    "ser_exit",
    "ser_time",
    "server",
];
const COUNT: usize = 16;

/// The fields of one line, without surrounding spaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub vru_line: &'a str,
    pub call_id: &'a str,
    pub customer_id: &'a str,
    pub priority: &'a str,
    pub kind: &'a str,
    pub date: &'a str,
    pub vru_entry: &'a str,
    pub vru_exit: &'a str,
    pub queue_start: &'a str,
    pub queue_exit: &'a str,
    pub queue_seconds: &'a str,
    pub outcome: &'a str,
    pub service_start: &'a str,
    pub service_exit: &'a str,
    pub service_seconds: &'a str,
    pub server: &'a str,
}

/// Positions of the columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// By position in a line: which of [`NAMES`] it is, if any.
    roles: Vec<Option<usize>>,
}

impl Columns {
    /// Reads the header. All of [`NAMES`] have to be there, each once.
    pub(super) fn from_header(header: Option<RawLine<'_>>) -> Result<Self, CallLogError> {
        let text = match header {
            Some(RawLine::Text(text)) => text,
            Some(RawLine::TooLong) => {
                return Err(CallLogError::UnreadableHeader { what: "longer than 4,096 bytes" });
            }
            Some(RawLine::NotUtf8) => {
                return Err(CallLogError::UnreadableHeader { what: "not UTF-8 text" });
            }
            None => return Err(CallLogError::Empty),
        };
        // Spreadsheets put a byte order mark before the first name.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let role = |field: &str| NAMES.iter().position(|name| *name == field.trim());
        let roles: Vec<_> = text.split('\t').map(role).collect();
        let mut missing = Vec::new();
        for (index, name) in NAMES.into_iter().enumerate() {
            match roles.iter().filter(|role| **role == Some(index)).count() {
                0 => missing.push(name),
                1 => {}
                _ => return Err(CallLogError::ColumnTwice { name }),
            }
        }
        if missing.is_empty() {
            Ok(Self { roles })
        } else {
            Err(CallLogError::ColumnsMissing { names: missing })
        }
    }

    /// The fields of a line, which must have as many as the header.
    pub(super) fn fields<'a>(&self, line: &'a str) -> Result<Fields<'a>, SkipReason> {
        let mut values = [""; COUNT];
        let mut rest = line.split('\t');
        for role in &self.roles {
            let field = rest.next().ok_or(SkipReason::WrongColumnCount)?;
            if let Some(index) = role {
                values[*index] = field.trim();
            }
        }
        if rest.next().is_some() {
            return Err(SkipReason::WrongColumnCount);
        }
        let [
            vru_line,
            call_id,
            customer_id,
            priority,
            kind,
            date,
            vru_entry,
            vru_exit,
            queue_start,
            queue_exit,
            queue_seconds,
            outcome,
            service_start,
            service_exit,
            service_seconds,
            server,
        ] = values;
        Ok(Fields {
            vru_line,
            call_id,
            customer_id,
            priority,
            kind,
            date,
            vru_entry,
            vru_exit,
            queue_start,
            queue_exit,
            queue_seconds,
            outcome,
            service_start,
            service_exit,
            service_seconds,
            server,
        })
    }
}
