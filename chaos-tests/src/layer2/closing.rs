//! The end of a run: records of everything must be on the disks, where they are looked for.

use std::fs;
use std::time::Duration;

use acd::command::{ConfigCommand, Submission};
use acd::config::{Calendar, Interval};
use acd::ids::CalendarId;
use acd::limits::CALENDAR_INTERVALS_MAX;
use acd::rejection::Rejection;
use acd::text::Label;
use acd::time::LogTime;
use tokio::time::{Instant, sleep, timeout};

use super::Trouble;
use super::door::admin;
use super::inject::Injector;
use super::net::nodes;
use crate::history::Outcome;
use crate::workload::Door;

/// Calendars of 3,200 intervals, 50 KiB each: more log than nodes keep without a snapshot, and with
/// each snapshot the records of what is before it are written.
const CALENDARS: u64 = 3;
/// How long a healthy cluster may take for that.
const WITHIN: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const HOUR_MS: u64 = 3_600_000;

fn calendar(number: u64) -> Result<Calendar, Rejection> {
    let id = format!("every-other-hour-{number}");
    let hour = |n: u64| LogTime((n + 1) * HOUR_MS);
    let open = (0..CALENDAR_INTERVALS_MAX as u64)
        .map(|n| Interval { start: hour(2 * n), end: hour(2 * n + 1) })
        .collect();
    Ok(Calendar { id: CalendarId::new(&id)?, name: Label::new(&id)?, open, covers_until: hour(0) })
}

/// The segments of records that a node has.
fn segments(injector: &Injector, node: u64) -> Vec<std::ffi::OsString> {
    // There is no folder before there are records.
    let found = fs::read_dir(injector.cluster.data(node).join("records")).into_iter().flatten();
    let mut names: Vec<_> = found.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| name.to_string_lossy().ends_with(".seg"));
    names.sort();
    names
}

/// Writes into the log until every node has written records.
pub(super) async fn write_records(injector: &Injector) -> Result<(), Trouble> {
    let before: Vec<_> = nodes().map(|node| segments(injector, node)).collect();
    let until = Instant::now() + WITHIN;
    for number in 0..CALENDARS {
        let config = calendar(number).map_err(|rejection| Trouble(rejection.to_string()))?;
        let put = ConfigCommand::PutCalendar { config, expected: None };
        let put = Submission::new(admin(), put.into());
        let mut asked = nodes().cycle();
        loop {
            let node = asked.next().unwrap_or(1);
            let operation = injector.recorder.called("closer", node, put.clone());
            let outcome = timeout(PATIENCE, injector.door.submit(node, put.clone())).await;
            let outcome = outcome.unwrap_or(Outcome::Unknown);
            injector.recorder.returned(operation, outcome.clone());
            match outcome {
                Outcome::Committed { .. } => break,
                Outcome::Unavailable | Outcome::Unknown if Instant::now() < until => {}
                other => return Err(Trouble(format!("a calendar in the end: {other:?}"))),
            }
        }
    }
    for (node, before) in nodes().zip(before) {
        while segments(injector, node) == before {
            if Instant::now() > until {
                return Err(Trouble(format!("node {node} writes no records")));
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}
