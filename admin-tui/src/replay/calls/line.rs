//! One line becomes one call, or a reason why not.
//!
//! What is taken as it is, because a replay needs nothing of it:
//!
//! - A service that starts a second or more before the voice response unit or the queue let go:
//!   clocks of several machines. What counts is when the caller arrived and how long the agent
//!   was busy.
//! - A voice response unit that let go before it began (clock set back in between), or a service
//!   that was over before it let go: likewise.
//! - A caller who hung up at the very moment an agent answered: the log says `HANG` and a few
//!   seconds of service by nobody. The outcome counts.
//! - An answered call without service times: answered, and of no length that is known.
//! - An answered call without a server (`NO_SERVER`): any agent.
//! - A customer id that a spreadsheet turned into a power of ten: nobody knows who it was.
//!
//! What is refused: times in the queue or with the agent that run backwards, or that are not as
//! long as the log says they are. One of the three numbers is wrong, and nobody can say which.

use acd::config::Priority;
use acd::ids::{AgentId, ContactId};
use acd::time::{LogTime, Millis};

use super::clock::{midnight, nearest, parse_date, parse_time_of_day};
use super::columns::Fields;
use super::{Call, CallType, Ending, SkipReason, Span};

/// What the log writes where no server is known.
const NO_SERVER: &str = "NO_SERVER";

pub(super) fn parse(line_number: u64, fields: &Fields<'_>) -> Result<Call, SkipReason> {
    let outcome = parse_outcome(fields.outcome)?;
    let kind = CallType::ALL
        .into_iter()
        .find(|kind| kind.code() == fields.kind)
        .ok_or(SkipReason::UnknownType)?;
    let date = parse_date(fields.date)?;
    let id = parse_id(fields)?;
    let customer = parse_customer(fields.customer_id)?;
    let priority = u32::try_from(parse_number(fields.priority)?)
        .ok()
        .and_then(|number| Priority::new(number).ok())
        .ok_or(SkipReason::BadPriority)?;

    let midnight = midnight(date)?;
    let vru_entry = LogTime(midnight.0 + parse_time_of_day(fields.vru_entry)?);
    let vru_exit = nearest(midnight, parse_time_of_day(fields.vru_exit)?, vru_entry);
    let span = |start, exit, seconds, before| parse_span(midnight, before, start, exit, seconds);
    let queued = span(fields.queue_start, fields.queue_exit, fields.queue_seconds, vru_exit)?;
    let wait_end = queued.map_or(vru_exit, |span| span.end);
    let service =
        span(fields.service_start, fields.service_exit, fields.service_seconds, wait_end)?;

    let ending = match outcome {
        Outcome::Answered => Ending::Answered { server: parse_server(fields.server)?, service },
        Outcome::HungUp if queued.is_none() => return Err(SkipReason::HangBeforeQueue),
        Outcome::HungUp => Ending::HungUp,
    };
    Ok(Call {
        line_number,
        id,
        customer,
        priority,
        kind,
        date,
        vru_entry,
        vru_exit,
        queued,
        ending,
    })
}

/// Outcomes of lines that are calls.
enum Outcome {
    Answered,
    HungUp,
}

fn parse_outcome(text: &str) -> Result<Outcome, SkipReason> {
    match text {
        "AGENT" => Ok(Outcome::Answered),
        "HANG" => Ok(Outcome::HungUp),
        "PHANTOM" => Err(SkipReason::Phantom),
        _ => Err(SkipReason::UnknownOutcome),
    }
}

fn parse_number(text: &str) -> Result<u64, SkipReason> {
    // `parse` alone would take a plus sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| SkipReason::BadNumber)
    } else {
        Err(SkipReason::BadNumber)
    }
}

/// Line, call id and date. Call id and date are digits, so no two calls make the same text.
fn parse_id(fields: &Fields<'_>) -> Result<ContactId, SkipReason> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if fields.vru_line.is_empty() || !digits(fields.call_id) {
        return Err(SkipReason::BadId);
    }
    ContactId::new(&format!("{}-{}-{}", fields.vru_line, fields.call_id, fields.date))
        .map_err(|_| SkipReason::BadId)
}

/// The customer; 0 and what a spreadsheet made of a long number are unknown.
fn parse_customer(text: &str) -> Result<Option<u64>, SkipReason> {
    if let Some((mantissa, exponent)) = text.split_once("E+") {
        let digits_and_point = |b: u8| b.is_ascii_digit() || b == b'.';
        if !mantissa.is_empty() && mantissa.bytes().all(digits_and_point) {
            return parse_number(exponent).map(|_| None);
        }
    }
    parse_number(text).map(|id| (id != 0).then_some(id))
}

/// Start and exit, checked against the seconds between them; all zero: it did not take place.
fn parse_span(
    midnight: LogTime,
    before: LogTime,
    start: &str,
    exit: &str,
    seconds: &str,
) -> Result<Option<Span>, SkipReason> {
    let (start, exit) = (parse_time_of_day(start)?, parse_time_of_day(exit)?);
    let seconds = parse_number(seconds)?;
    if (start, exit, seconds) == (0, 0, 0) {
        return Ok(None);
    }
    let start = nearest(midnight, start, before);
    let span = Span { start, end: nearest(midnight, exit, start) };
    let said = seconds.checked_mul(1_000).map(Millis);
    if span.end < span.start || said != Some(span.length()) {
        return Err(SkipReason::ImpossibleTimes);
    }
    Ok(Some(span))
}

/// The server's name as an agent id: lower case, whatever no id may have as a hyphen.
fn parse_server(text: &str) -> Result<Option<AgentId>, SkipReason> {
    if text == NO_SERVER {
        return Ok(None);
    }
    let slug: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    AgentId::new(&slug).map(Some).map_err(|_| SkipReason::BadServer)
}
