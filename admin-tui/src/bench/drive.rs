//! Keeps a system loaded: with so many units under way, or with so many a second.
//!
//! A unit is a command, or a whole contact. With a fixed number under way (*closed loop*) a slow
//! system is asked less often; so the latencies at half load come from units that begin at even
//! intervals whatever becomes of those before (*open loop*), and each latency counts from when its
//! unit should have begun.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::histogram::Latencies;
use crate::failure::{ErrorCode, Failure};

/// A system in which nothing is answered for so long is stuck.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Units under way in an open loop; more begin late, and their latencies say so.
const OPEN_IN_FLIGHT_MAX: u64 = 65_536;

/// Something that can be loaded.
pub(super) trait Load {
    /// Begins a unit, which should have begun at `due`. It is sent with the next flush.
    fn begin(&mut self, due: Instant);

    /// Sends what was begun.
    async fn flush(&mut self) -> Result<(), Failure>;

    /// Waits until something is answered; how many units are done by that. May be given up and
    /// called again.
    async fn next(&mut self) -> Result<u64, Failure>;

    /// What was counted.
    fn counts(&mut self) -> &mut Counts;
}

/// What is counted while a load runs.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// Of one command, from handing it over (or when it should have been) to having its answer.
    pub(super) commands: Latencies,
    /// Of one routed contact, from handing it over to having the answer that it is completed.
    pub(super) routed: Latencies,
    /// Contacts put in.
    pub(super) contacts: u64,
    /// Commands that were carried out.
    pub(super) committed: u64,
    /// Commands that were refused, by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Commands that did not get into the log.
    pub(super) unavailable: u64,
    /// Commands whose outcome is not known.
    pub(super) unknown: u64,
}

impl Counts {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            commands: Latencies::new(),
            routed: Latencies::new(),
            contacts: 0,
            committed: 0,
            refused: BTreeMap::new(),
            unavailable: 0,
            unknown: 0,
        }
    }
}

/// How hard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So many units under way.
    InFlight(u64),
    /// So many units a second.
    PerSecond(f64),
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) time: Duration,
    pub(super) units: u64,
}

/// What a run came to.
pub(super) struct Run {
    /// From the first unit to the end of the last.
    pub(super) elapsed: Duration,
    pub(super) units: u64,
    pub(super) counts: Counts,
}

impl Run {
    /// Units a second.
    pub(super) fn rate(&self) -> f64 {
        per_second(self.units, self.elapsed)
    }
}

/// So many in that time, a second.
pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

/// Runs a load until the limit, and until everything that was begun is done.
pub(super) async fn drive(
    load: &mut impl Load,
    pace: Pace,
    limit: Limit,
    mut progress: impl FnMut(Duration, u64),
) -> Result<Run, Failure> {
    *load.counts() = Counts::new();
    let first = Instant::now();
    let (mut begun, mut done) = (0, 0);
    loop {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(first);
        let over = elapsed >= limit.time || begun >= limit.units;
        while !over && begun < limit.units {
            let due = match pace {
                Pace::InFlight(most) if begun - done < most => now,
                Pace::PerSecond(rate) if begun - done < OPEN_IN_FLIGHT_MAX => {
                    first + Duration::from_secs_f64(begun as f64 / rate)
                }
                _ => break,
            };
            if due > now {
                break;
            }
            load.begin(due);
            begun += 1;
        }
        load.flush().await?;
        if over && begun == done {
            break;
        }
        progress(elapsed, done);
        // In an open loop the next unit does not wait for an answer.
        let wake = match pace {
            Pace::PerSecond(rate) if !over => {
                let next = first + Duration::from_secs_f64(begun as f64 / rate);
                Some(next.saturating_duration_since(Instant::now()))
            }
            _ => None,
        };
        match timeout(wake.unwrap_or(STALLED_AFTER), load.next()).await {
            Ok(more) => done += more?,
            Err(_) if wake.is_some() => {}
            Err(_) => return Err(stalled(begun - done)),
        }
    }
    let elapsed = first.elapsed();
    let counts = std::mem::replace(load.counts(), Counts::new());
    Ok(Run { elapsed, units: done, counts })
}

fn stalled(missing: u64) -> Failure {
    Failure {
        code: ErrorCode::NoResult,
        what: "the benchmark came to no result".into(),
        why: format!("nothing was answered for {STALLED_AFTER:?}, {missing} are under way"),
        remedy: "with enough agents for what is under way, see the logs of the nodes".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers everything at once, as many as wait.
    struct Echo {
        counts: Counts,
        begun: u64,
        most: u64,
        dues: Vec<Instant>,
    }

    impl Echo {
        fn new() -> Self {
            Self { counts: Counts::new(), begun: 0, most: 0, dues: Vec::new() }
        }
    }

    impl Load for Echo {
        fn begin(&mut self, due: Instant) {
            self.begun += 1;
            self.most = self.most.max(self.begun);
            self.dues.push(due);
        }

        async fn flush(&mut self) -> Result<(), Failure> {
            Ok(())
        }

        async fn next(&mut self) -> Result<u64, Failure> {
            match std::mem::take(&mut self.begun) {
                0 => std::future::pending().await,
                some => Ok(some),
            }
        }

        fn counts(&mut self) -> &mut Counts {
            &mut self.counts
        }
    }

    #[tokio::test]
    async fn a_closed_loop_never_has_more_under_way_and_ends_with_all_done() {
        let mut echo = Echo::new();
        let limit = Limit { time: Duration::from_secs(60), units: 1_001 };
        let run = drive(&mut echo, Pace::InFlight(16), limit, |_, _| {}).await.expect("a run");
        assert_eq!((run.units, echo.most), (1_001, 16));
    }

    #[tokio::test]
    async fn an_open_loop_begins_at_even_intervals() {
        let mut echo = Echo::new();
        let limit = Limit { time: Duration::from_secs(60), units: 50 };
        let run =
            drive(&mut echo, Pace::PerSecond(1_000.0), limit, |_, _| {}).await.expect("a run");
        assert_eq!(run.units, 50);
        for pair in echo.dues.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(
                apart.abs_diff(Duration::from_millis(1)) < Duration::from_micros(1),
                "{apart:?}"
            );
        }
        assert!(run.elapsed >= Duration::from_millis(49), "none begins before its time");
    }
}
