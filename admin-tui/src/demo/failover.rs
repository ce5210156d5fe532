//! What is killed and restored when, and how long it takes until contacts are routed again.
//!
//! Measured from the kill to the first offer that a live session in another city receives, of a
//! contact whose media is in another city, too. What was on its way when the city died does not
//! count: the session must be told of it as of a log index behind the beginning of the next leader's
//! term, if the leader was killed, and otherwise behind all that anybody had seen of the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::args::{DemoArgs, Moment, Target};
use super::plan::CITIES;
use crate::failure::{ErrorCode, Failure};

/// Offers that are kept of a failover until it is known from which index on they count: one that does
/// is among the first that were made by the next leader.
const OFFERS_KEPT: usize = 1_024;

/// What to do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Kill,
    Restore,
}

/// The kills and restores of a run, in order.
pub(super) fn schedule(
    args: &DemoArgs,
    duration: Option<Duration>,
) -> Result<Vec<(Duration, Deed, Target)>, Failure> {
    let moments = |of: &[Moment], deed| {
        let moment = |m: &Moment| (Duration::from_millis(m.at.0.0), deed, m.city.clone());
        of.iter().map(moment).collect::<Vec<_>>()
    };
    let mut all = moments(&args.kill, Deed::Kill);
    all.extend(moments(&args.restore, Deed::Restore));
    all.sort_by_key(|(at, deed, _)| (*at, *deed == Deed::Restore));
    let bad = |why: String| Failure {
        code: ErrorCode::BadSchedule,
        what: "this cannot be done".into(),
        why,
        remedy: "kill a city while it runs, restore it later, both before the end: \
                 --duration 30s --kill lviv@10s --restore lviv@20s"
            .into(),
    };
    let mut down: Vec<&Target> = Vec::new();
    for (at, deed, target) in &all {
        if let Target::City(city) = target
            && !CITIES.contains(&city.as_str())
        {
            let cities = CITIES.join(", ");
            return Err(bad(format!("there is no city {city}; the cities are {cities}")));
        }
        if duration.is_some_and(|duration| *at >= duration) {
            return Err(bad(format!("at {at:?} it is over already")));
        }
        let at_down = down.iter().position(|other| *other == target);
        match (deed, at_down) {
            (Deed::Kill, None) => down.push(target),
            (Deed::Kill, Some(_)) => return Err(bad(format!("{target} is killed twice"))),
            (Deed::Restore, Some(at)) => drop(down.remove(at)),
            (Deed::Restore, None) => {
                return Err(bad(format!("{target} is restored before it is killed")));
            }
        }
    }
    Ok(all)
}

/// A failover, as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The city.
    pub site: String,
    /// When it was killed, since the beginning.
    pub killed_at: Duration,
    /// When its processes were started again.
    pub restored_at: Option<Duration>,
    /// Whether the leader was in it.
    pub had_leader: bool,
    /// How long it took until contacts were routed again elsewhere. None: they were not.
    pub routed_again: Option<Duration>,
}

struct Failover {
    site: String,
    killed: Instant,
    restored: Option<Instant>,
    had_leader: bool,
    /// The highest log index that anybody had seen.
    seen: u64,
    /// Index of the first entry of the next leader's term.
    next_term: Option<u64>,
    /// Offers elsewhere: index, and how long after the kill they came.
    offers: Vec<(u64, Duration)>,
}

impl Failover {
    fn routed_again(&self) -> Option<Duration> {
        let after = if self.had_leader { self.next_term? } else { self.seen };
        let counts = self.offers.iter().filter(|(index, _)| *index > after);
        counts.map(|(_, waited)| *waited).min()
    }
}

/// All failovers of a run.
#[derive(Default)]
pub struct Failovers {
    began: OnceLock<Instant>,
    seen: AtomicU64,
    all: Mutex<Vec<Failover>>,
}

impl Failovers {
    /// The run begins now.
    pub fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Failover>> {
        // What is in it is true after every statement.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody was told something of this log index.
    pub fn saw(&self, index: u64) {
        self.seen.fetch_max(index, Ordering::Relaxed);
    }

    /// A city is killed now.
    pub fn killed(&self, site: &str, had_leader: bool) {
        self.all().push(Failover {
            site: site.to_owned(),
            killed: Instant::now(),
            restored: None,
            had_leader,
            seen: self.seen.load(Ordering::Relaxed),
            next_term: None,
            offers: Vec::new(),
        });
    }

    /// A city is started again.
    pub fn restored(&self, site: &str) {
        let mut all = self.all();
        let last = all.iter_mut().rev().find(|failover| failover.site == site);
        if let Some(failover) = last {
            failover.restored = Some(Instant::now());
        }
    }

    /// A leader began its term with this log index.
    pub fn term_began(&self, index: u64) {
        for failover in self.all().iter_mut().filter(|failover| index > failover.seen) {
            failover.next_term.get_or_insert(index);
        }
    }

    /// A session at `site` was told of an offer, as of this log index, of a contact whose media is at
    /// `anchor`.
    pub fn offered(&self, site: &str, anchor: &str, index: u64) {
        for failover in self.all().iter_mut() {
            let elsewhere = failover.site != site && failover.site != anchor;
            if elsewhere && index > failover.seen && failover.offers.len() < OFFERS_KEPT {
                failover.offers.push((index, failover.killed.elapsed()));
            }
        }
    }

    /// What was measured.
    pub fn measured(&self) -> Vec<Measured> {
        let since = |at: Instant| self.began.get().map_or(Duration::ZERO, |began| at - *began);
        let all = self.all();
        let measured = all.iter().map(|failover| Measured {
            site: failover.site.clone(),
            killed_at: since(failover.killed),
            restored_at: failover.restored.map(since),
            had_leader: failover.had_leader,
            routed_again: failover.routed_again(),
        });
        measured.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn try_schedule(line: &str) -> Result<Vec<String>, String> {
        let line = Line::try_parse_from(["demo"].into_iter().chain(line.split(' ')));
        let args = line.map_err(|error| error.to_string())?.demo;
        let deeds = schedule(&args, Some(Duration::from_secs(30))).map_err(|error| error.why)?;
        Ok(deeds.iter().map(|(at, deed, city)| format!("{at:?} {deed:?} {city}")).collect())
    }

    #[test]
    fn deeds_are_done_in_the_order_of_their_times() {
        let line = "--restore lviv@20s --kill leader@15s --kill lviv@10s --restore leader@25s";
        let deeds = ["10s Kill lviv", "15s Kill leader", "20s Restore lviv", "25s Restore leader"];
        assert_eq!(try_schedule(line), Ok(deeds.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (line, why) in [
            ("--kill odesa@10s", "there is no city odesa"),
            ("--kill lviv@30s", "it is over already"),
            ("--kill lviv@1s --kill lviv@2s", "killed twice"),
            ("--restore lviv@2s", "before it is killed"),
            ("--kill lviv@3s --restore lviv@2s", "before it is killed"),
        ] {
            let refused = try_schedule(line).expect_err(line);
            assert!(refused.contains(why), "{line}: {refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn contacts_are_routed_again_with_the_first_offer_elsewhere_by_the_next_leader() {
        let failovers = Failovers::default();
        failovers.begin();
        failovers.saw(100);
        tokio::time::advance(Duration::from_secs(10)).await;
        failovers.killed("lviv", true);
        tokio::time::advance(Duration::from_millis(5)).await;
        failovers.offered("kyiv", "dnipro", 101); // The dead leader's last.
        tokio::time::advance(Duration::from_millis(400)).await;
        failovers.offered("lviv", "kyiv", 103);
        failovers.offered("kyiv", "lviv", 104);
        failovers.offered("dnipro", "kyiv", 105);
        assert_eq!(failovers.measured()[0].routed_again, None, "nobody leads yet");
        failovers.term_began(102);
        failovers.restored("lviv");
        let measured = Measured {
            site: "lviv".into(),
            killed_at: Duration::from_secs(10),
            restored_at: Some(Duration::from_millis(10_405)),
            had_leader: true,
            routed_again: Some(Duration::from_millis(405)),
        };
        assert_eq!(failovers.measured(), [measured]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_change_of_leader_the_next_offer_counts() {
        let failovers = Failovers::default();
        failovers.begin();
        failovers.saw(100);
        failovers.killed("lviv", false);
        tokio::time::advance(Duration::from_millis(30)).await;
        failovers.offered("kyiv", "kyiv", 100);
        tokio::time::advance(Duration::from_millis(30)).await;
        failovers.offered("kyiv", "kyiv", 101);
        assert_eq!(failovers.measured()[0].routed_again, Some(Duration::from_millis(60)));
    }
}
