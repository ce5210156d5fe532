//! How current an answer is, said with every answer.

use std::time::{SystemTime, UNIX_EPOCH};

use proto::api::v1 as api;
use serde::Serialize;

use super::{duration, plain, time};
use crate::client::CURRENT_MS_MAX;
use crate::failure::{ErrorCode, Failure};

/// A log time that is further than this from the clock of this machine is worth a word.
const CLOCK_DIFFERENCE_MS_MIN: u64 = 5_000;

/// How current an answer is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Freshness {
    /// The cluster's name.
    pub cluster: String,
    /// The node that answered.
    pub node: u64,
    /// Its site.
    pub site: String,
    /// What part it plays: leader, follower or learner.
    pub part: &'static str,
    /// Raft's term.
    pub term: u64,
    /// Who leads; null: nobody it knows of.
    pub leader: Option<u64>,
    /// The last index it has applied.
    pub applied: u64,
    /// Entries known to be committed that it has not applied.
    pub lag: u64,
    /// How long ago it heard the leader or, on the leader, a quorum; null: not since it started.
    pub age_ms: Option<u64>,
    /// Log time of what is told.
    pub now_ms: u64,
    /// Why the node has stopped; null: it runs.
    pub halted: Option<String>,
}

impl Freshness {
    /// What an answer says of itself. One that says nothing is no answer: it could be of any age.
    pub(crate) fn of(stored: Option<api::Freshness>) -> Result<Self, Failure> {
        let Some(stored) = stored else {
            return Err(incomplete("does not say how current it is"));
        };
        let part = match stored.part() {
            api::Part::Leader => "leader",
            api::Part::Follower => "follower",
            api::Part::Learner => "learner",
            api::Part::Unspecified => "unknown",
        };
        let api::Freshness {
            cluster,
            node,
            site,
            term,
            leader,
            applied,
            lag,
            age_ms,
            now_ms,
            halted,
            ..
        } = stored;
        Ok(Self { cluster, node, site, part, term, leader, applied, lag, age_ms, now_ms, halted })
    }

    /// The entries known to be committed.
    pub(crate) fn committed(&self) -> u64 {
        self.applied.saturating_add(self.lag)
    }

    /// The line under a table, with a louder one before it if the node has stopped or leads nobody
    /// to the truth.
    pub(crate) fn line(&self) -> String {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 compares with nothing.
        self.line_at(wall.map_or(self.now_ms, |wall| wall.as_millis() as u64))
    }

    fn line_at(&self, wall_ms: u64) -> String {
        let Self { node, site, part, lag, now_ms, .. } = self;
        let age = match self.age_ms {
            Some(ms) if ms < 10_000 => format!("as of {}.{} s ago", ms / 1_000, ms % 1_000 / 100),
            Some(ms) => format!("as of {} ago", duration(ms)),
            None => "of unknown age".into(),
        };
        let mut line = format!("{age}, lag {lag}, {part} node {node} ({})", plain(site));
        if now_ms.abs_diff(wall_ms) > CLOCK_DIFFERENCE_MS_MIN {
            let side = if *now_ms < wall_ms { "behind" } else { "ahead of" };
            let by = duration(now_ms.abs_diff(wall_ms));
            line += &format!(", log time {} ({by} {side} this machine's clock)", time(*now_ms));
        }
        line.push('\n');
        let warning = match (self.leader, self.age_ms) {
            (None, _) => Some(format!("NO LEADER that node {node} knows of")),
            (Some(_), Some(ms)) if ms <= CURRENT_MS_MAX => None,
            // The leader hears a majority, the others hear the leader.
            (Some(leader), _) if leader == *node => {
                Some(format!("STALE: node {node} leads and hears no majority"))
            }
            (Some(leader), _) => {
                Some(format!("STALE: node {node} hears no leader, not node {leader}"))
            }
        };
        if let Some(warning) = warning {
            line = format!("{warning}: this may be out of date\n{line}");
        }
        if let Some(why) = &self.halted {
            line = format!(
                "HALTED: node {node} ({}) has stopped ({}); what it tells is not to be trusted\n\
                 {line}",
                plain(site),
                plain(why)
            );
        }
        line
    }
}

/// An answer that lacks what the contract promises.
pub(crate) fn incomplete(what: &str) -> Failure {
    Failure {
        code: ErrorCode::NodeFailed,
        what: "the answer cannot be used".into(),
        why: format!("it {what}"),
        remedy: "the node and this program may be of different releases: upgrade the older one"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> api::Freshness {
        api::Freshness {
            cluster: "Three cities".into(),
            node: 1,
            site: "kyiv".into(),
            part: api::Part::Follower.into(),
            term: 7,
            leader: Some(2),
            applied: 100,
            lag: 14,
            age_ms: Some(234),
            now_ms: 1_801_476_000_000,
            ..api::Freshness::default()
        }
    }

    fn line(stored: api::Freshness, wall_ms: u64) -> String {
        Freshness::of(Some(stored)).expect("complete").line_at(wall_ms)
    }

    #[test]
    fn an_answer_says_how_old_it_is_and_of_whom() {
        let now = fresh().now_ms;
        assert_eq!(line(fresh(), now), "as of 0.2 s ago, lag 14, follower node 1 (kyiv)\n");
        let old = api::Freshness { age_ms: Some(125_000), ..fresh() };
        assert_eq!(
            line(old, now),
            "STALE: node 1 hears no leader, not node 2: this may be out of date\n\
             as of 2m 05s ago, lag 14, follower node 1 (kyiv)\n"
        );
        let never = api::Freshness { age_ms: None, leader: Some(1), ..fresh() };
        assert!(line(never.clone(), now).contains("\nof unknown age, "), "{}", line(never, now));
        assert!(Freshness::of(None).is_err());
    }

    #[test]
    fn what_is_not_to_be_trusted_is_said_first() {
        let now = fresh().now_ms;
        let halted = api::Freshness {
            halted: Some("its state\u{1b}[2J differs".into()),
            leader: None,
            ..fresh()
        };
        let text = line(halted, now);
        let mut lines = text.lines();
        let first = lines.next().expect("a line");
        assert!(first.starts_with("HALTED: node 1 (kyiv) has stopped (its state"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(lines.next().is_some_and(|line| line.starts_with("NO LEADER")), "{text}");
    }

    #[test]
    fn log_time_that_is_not_the_clocks_is_told() {
        let now = fresh().now_ms;
        let text = line(fresh(), now + 65_000);
        assert!(
            text.contains("log time 2027-02-01 10:00:00Z (1m 05s behind this machine's clock)"),
            "{text}"
        );
        assert!(!line(fresh(), now + 5_000).contains("log time"));
    }
}
