//! The call log of the bank: one line per call, columns parted by tabs, the first line names them.
//!
//! Every data line either becomes a [`Call`] or is counted under a [`SkipReason`]; nothing is
//! lost without a name. What a call is, and what is done about dirt in it, stands in
//! `line.rs`; how its times of day become instants, in `clock.rs`.
//!
//! ```text
//! file → lines (bounded) → fields by column name → Call | SkipReason
//! ```
//!
//! Cost: one pass, one line in memory at a time, about 300 B for each call kept.

mod clock;
mod columns;
mod line;
mod lines;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead};

use acd::config::Priority;
use acd::ids::{AgentId, ContactId, QueueId};
use acd::rejection::Rejection;
use acd::time::{LogTime, Millis};
use serde::Serialize;

pub use clock::clock_time;
use columns::Columns;
use lines::{Lines, RawLine};

/// Lines of one log. A year of the bank has 450,000; ten of them are read, and a file that is
/// something else altogether ends here instead of filling the memory (5,000,000 × 300 B = 1.5 GB).
pub const DATA_LINES_MAX: u64 = 5_000_000;

/// What a caller wants; each type has its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallType {
    /// `PS`: regular business.
    Regular,
    /// `PE`: regular business in English.
    English,
    /// `IN`: support of the internet site.
    Internet,
    /// `NE`: stock trading.
    Trading,
    /// `NW`: new and potential customers.
    New,
    /// `TT`: left a number and was called back.
    Returned,
}

impl CallType {
    /// All types, in order.
    pub const ALL: [Self; 6] =
        [Self::Regular, Self::English, Self::Internet, Self::Trading, Self::New, Self::Returned];

    /// The type as the log writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Regular => "PS",
            Self::English => "PE",
            Self::Internet => "IN",
            Self::Trading => "NE",
            Self::New => "NW",
            Self::Returned => "TT",
        }
    }

    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "Regular",
            Self::English => "English",
            Self::Internet => "Internet support",
            Self::Trading => "Stock trading",
            Self::New => "New customers",
            Self::Returned => "Returned calls",
        }
    }

    /// The queue where calls of this type wait: the code in lower case.
    pub fn queue(self) -> Result<QueueId, Rejection> {
        QueueId::new(&self.code().to_ascii_lowercase())
    }
}

/// From `start` to `end`, both as written in the log, never backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant.
    pub start: LogTime,
    /// Last instant.
    pub end: LogTime,
}

impl Span {
    /// How long.
    pub fn length(self) -> Millis {
        self.end.since(self.start)
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An agent answered.
    Answered {
        /// Who; none: the log does not say.
        server: Option<AgentId>,
        /// The conversation; none: the log does not say.
        service: Option<Span>,
    },
    /// The caller hung up in the queue.
    HungUp,
}

/// One call that reached the queue or an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Line of the file; the header is line 1.
    pub line_number: u64,
    /// Line of the voice response unit, call id and date: together they are unique.
    pub id: ContactId,
    /// The customer; none: unknown.
    pub customer: Option<u64>,
    /// Priority: 2 is high; 0 and 1 are not.
    pub priority: Priority,
    /// What the caller wants.
    pub kind: CallType,
    /// The date in the log: the day on which the call began.
    pub date: jiff::civil::Date,
    /// When the voice response unit took the call.
    pub vru_entry: LogTime,
    /// When it let go of it.
    pub vru_exit: LogTime,
    /// The time in the queue; none: never queued, an agent was free.
    pub queued: Option<Span>,
    /// How it ended.
    pub ending: Ending,
}

impl Call {
    /// When the call asked for an agent: on entering the queue, or, if it never did, on leaving
    /// the voice response unit.
    pub fn arrival(&self) -> LogTime {
        self.queued.map_or(self.vru_exit, |span| span.start)
    }

    /// How long it waited for an agent, or until the caller hung up.
    pub fn waited(&self) -> Millis {
        self.queued.map_or(Millis::ZERO, Span::length)
    }

    /// When waiting ended.
    pub fn wait_end(&self) -> LogTime {
        self.arrival().plus(self.waited())
    }

    /// How long the caller is willing to wait; none: until answered.
    pub fn patience(&self) -> Option<Millis> {
        match self.ending {
            Ending::HungUp => Some(self.waited()),
            Ending::Answered { .. } => None,
        }
    }

    /// How long the conversation took, if there was one. An answered call whose conversation the
    /// log does not give took no time: it is known to have been answered, and nothing more.
    pub fn handle_time(&self) -> Option<Millis> {
        match &self.ending {
            Ending::HungUp => None,
            Ending::Answered { service, .. } => Some(service.map_or(Millis::ZERO, Span::length)),
        }
    }
}

/// Why a line is no [`Call`]. The names are stable: they are keys of the JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// `PHANTOM`: the log's own mark for "not a call".
    Phantom,
    /// The caller hung up in the voice response unit and never waited for an agent.
    HangBeforeQueue,
    /// Nothing on the line.
    Blank,
    /// Longer than a line of this log can be.
    LineTooLong,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// More or fewer fields than the header names: a broken or truncated line.
    WrongColumnCount,
    /// Line or call id that make no contact id.
    BadId,
    /// Not a date `yymmdd`.
    BadDate,
    /// Not a time `h:mm:ss`.
    BadTime,
    /// Not a whole number.
    BadNumber,
    /// A priority above 9.
    BadPriority,
    /// A server whose name makes no agent id.
    BadServer,
    /// A type of call nobody knows.
    UnknownType,
    /// An outcome nobody knows.
    UnknownOutcome,
    /// Queue or service that ends before it starts, or lasts longer or shorter than it says.
    ImpossibleTimes,
    /// Another line of the file is this call.
    DuplicateId,
}

impl SkipReason {
    /// The stable name.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Phantom => "phantom",
            Self::HangBeforeQueue => "hang-before-queue",
            Self::Blank => "blank",
            Self::LineTooLong => "line-too-long",
            Self::NotUtf8 => "not-utf8",
            Self::WrongColumnCount => "wrong-column-count",
            Self::BadId => "bad-id",
            Self::BadDate => "bad-date",
            Self::BadTime => "bad-time",
            Self::BadNumber => "bad-number",
            Self::BadPriority => "bad-priority",
            Self::BadServer => "bad-server",
            Self::UnknownType => "unknown-type",
            Self::UnknownOutcome => "unknown-outcome",
            Self::ImpossibleTimes => "impossible-times",
            Self::DuplicateId => "duplicate-id",
        }
    }
}

/// Why a file is no call log.
#[derive(Debug, thiserror::Error)]
pub enum CallLogError {
    /// The file cannot be read (any further).
    #[error("line {line}: {source}")]
    Io {
        /// The line that was being read.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// There is not even a header.
    #[error("the file is empty")]
    Empty,
    /// The first line is no text of bearable length.
    #[error("the first line is {what}")]
    UnreadableHeader {
        /// What it is instead.
        what: &'static str,
    },
    /// The header names a column twice.
    #[error("the first line names the column {name:?} twice")]
    ColumnTwice {
        /// The column.
        name: &'static str,
    },
    /// The header does not name a column.
    #[error("the first line does not name the column {}", .names.join(", "))]
    ColumnsMissing {
        /// The columns.
        names: Vec<&'static str>,
    },
    /// More than [`DATA_LINES_MAX`].
    #[error("more than {DATA_LINES_MAX} lines")]
    TooManyLines,
}

/// What a call log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    /// The calls, in order of arrival, ties by line.
    pub calls: Vec<Call>,
    /// Lines after the header; the calls and the skipped lines add up to it.
    pub data_lines: u64,
    /// Lines that are no call, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
}

impl CallLog {
    /// Reads a whole log. Dirty lines are counted; only a file that is no call log at all, or
    /// cannot be read to its end, is an error.
    pub fn read(input: impl BufRead) -> Result<Self, CallLogError> {
        let mut lines = Lines::new(input);
        let columns = Columns::from_header(lines.next()?)?;
        let mut log = Self::default();
        let mut ids = HashSet::new();
        while let Some(raw) = lines.next()? {
            if log.data_lines == DATA_LINES_MAX {
                return Err(CallLogError::TooManyLines);
            }
            log.data_lines += 1;
            // The header is line 1.
            match read_call(raw, log.data_lines + 1, &columns, &mut ids) {
                Ok(call) => log.calls.push(call),
                Err(reason) => *log.skipped.entry(reason).or_default() += 1,
            }
        }
        log.calls.sort_by_key(|call| (call.arrival(), call.line_number));
        debug_assert_eq!(
            log.calls.len() as u64 + log.skipped.values().sum::<u64>(),
            log.data_lines,
            "every line is a call or counted"
        );
        Ok(log)
    }
}

fn read_call(
    raw: RawLine<'_>,
    number: u64,
    columns: &Columns,
    ids: &mut HashSet<ContactId>,
) -> Result<Call, SkipReason> {
    let text = match raw {
        RawLine::Text(text) => text,
        RawLine::TooLong => return Err(SkipReason::LineTooLong),
        RawLine::NotUtf8 => return Err(SkipReason::NotUtf8),
    };
    if text.trim().is_empty() {
        return Err(SkipReason::Blank);
    }
    let call = line::parse(number, &columns.fields(text)?)?;
    if ids.insert(call.id.clone()) { Ok(call) } else { Err(SkipReason::DuplicateId) }
}

#[cfg(test)]
mod tests;
