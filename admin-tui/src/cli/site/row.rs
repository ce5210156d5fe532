//! What is shown of a site.

use acd::metrics::Ratio;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use crate::cli::words;
use crate::output::{AgentCounts, QueueMetrics, Table, ahead, left, percent, right, share};

/// A site.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct SiteRow {
    /// The id.
    pub id: String,
    /// The name people see.
    pub name: String,
    /// active, suspect, lost, returning, draining, drained.
    pub state: &'static str,
    /// Whether the leader has not heard of it for a moment.
    pub silent: bool,
    /// For a site that returns: when it goes into service by itself. Null: by hand, or not at all.
    pub returns_ms: Option<u64>,
    /// A drain that goes on, or whose cordon still stands.
    pub drain: Option<Drain>,
    /// Where the leader should be: 0 to 100.
    pub leader_priority: u32,
    /// Revision, for plans.
    pub revision: u64,
    /// Its nodes.
    pub nodes: Vec<u64>,
    /// Agents who have a session there.
    pub agents: u64,
    /// The same by what they do; offline: of those who belong there.
    pub agents_by_state: AgentCounts,
    /// Contacts and offers that agents working there have.
    pub engaged: u32,
    /// Contacts waiting with their media there.
    pub waiting: u32,
    /// Handling / (handling + available) of the day.
    pub occupancy: Option<f64>,
    /// Counters.
    pub metrics: QueueMetrics,
    #[serde(skip)]
    pub(super) load: Ratio,
}

/// A drain.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Drain {
    /// When what is still being offered there goes back.
    pub(super) deadline_ms: u64,
    /// When the cordon is lifted by itself.
    expiry_ms: u64,
    /// Calls and chats that wait there at the deadline are called back instead.
    callback: bool,
    /// Conversations are cut at the deadline.
    force: bool,
    /// The deadline has passed.
    pub(super) deadline_passed: bool,
    /// The expiry has passed while the site was not well.
    expired: bool,
}

impl Drain {
    pub(super) fn of(stored: stored::Drain) -> Self {
        let stored::Drain { deadline_ms, expiry_ms, callback, force, deadline_passed, expired } =
            stored;
        Self { deadline_ms, expiry_ms, callback, force, deadline_passed, expired }
    }

    pub(super) fn words(&self, now_ms: u64) -> String {
        let deadline = match self.deadline_passed {
            true => "deadline has passed".into(),
            false => format!("deadline {}", ahead(self.deadline_ms, now_ms)),
        };
        let expiry = match self.expired {
            true => "EXPIRED while the site was not well: its cordon stays".into(),
            false => format!("cordon lifts {}", ahead(self.expiry_ms, now_ms)),
        };
        let callback = if self.callback { "; who waits is called back then" } else { "" };
        let force = if self.force { "; conversations are cut then" } else { "" };
        format!("{deadline}{callback}{force}; {expiry}")
    }
}

impl SiteRow {
    pub(in crate::cli) fn of(stored: api::SiteStatus) -> Self {
        let state = words::site_state(stored.state.as_ref());
        let returns_ms = match stored.state.and_then(|state| state.state) {
            Some(stored::site_state::State::Returning(returning)) => returning.until_ms,
            _ => None,
        };
        let api::SiteStatus {
            id,
            name,
            state: _,
            silent,
            drain,
            leader_priority,
            revision,
            nodes,
            agents,
            engaged,
            waiting,
            metrics,
            handling_ms,
            available_ms,
        } = stored;
        let agents = AgentCounts::of(agents);
        let load = Ratio::new(handling_ms, handling_ms.saturating_add(available_ms));
        Self {
            id,
            name,
            state,
            silent,
            returns_ms,
            drain: drain.map(Drain::of),
            leader_priority,
            revision,
            nodes,
            agents: agents.logged_in(),
            agents_by_state: agents,
            engaged,
            waiting,
            occupancy: share(load),
            metrics: QueueMetrics::of(metrics),
            load,
        }
    }

    pub(super) fn state_text(&self) -> String {
        // Suspect and lost say it already.
        let is_told = matches!(self.state, "suspect" | "lost");
        let silent = if self.silent && !is_told { ", silent" } else { "" };
        format!("{}{silent}", self.state)
    }

    pub(in crate::cli) fn table(sites: &[Self]) -> String {
        let mut table = Table::new([
            left("SITE"),
            left("NAME"),
            left("STATE"),
            right("AGENTS"),
            right("FREE"),
            right("ENGAGED"),
            right("WAITING"),
            right("OCCUPANCY"),
            right("LEADER PRIORITY"),
            left("NODES"),
        ]);
        for site in sites {
            table.row([
                site.id.clone(),
                site.name.clone(),
                site.state_text(),
                site.agents.to_string(),
                site.agents_by_state.free.to_string(),
                site.engaged.to_string(),
                site.waiting.to_string(),
                percent(site.load),
                site.leader_priority.to_string(),
                site.nodes_text(),
            ]);
        }
        table.text("no sites")
    }

    pub(super) fn nodes_text(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(u64::to_string).collect();
        nodes.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stored::site_state::{Active, Returning, State};

    fn stored(state: State) -> api::SiteStatus {
        let agents =
            api::AgentCounts { free: 2, busy: 3, not_ready: 1, unreachable: 4, offline: 9 };
        api::SiteStatus {
            id: "lviv".into(),
            state: Some(stored::SiteState { state: Some(state) }),
            silent: true,
            agents: Some(agents),
            handling_ms: 3,
            available_ms: 1,
            ..api::SiteStatus::default()
        }
    }

    #[test]
    fn agents_of_a_site_are_those_with_a_session_there() {
        let row = SiteRow::of(stored(State::Active(Active {})));
        assert_eq!((row.agents, row.agents_by_state.unreachable), (6, 4));
        assert_eq!((row.occupancy, row.state_text()), (Some(0.75), "active, silent".into()));
    }

    #[test]
    fn a_site_that_returns_says_when() {
        let until_ms = Some(5);
        let row = SiteRow::of(stored(State::Returning(Returning { until_ms })));
        assert_eq!((row.state, row.returns_ms), ("returning", Some(5)));
    }

    #[test]
    fn a_drain_says_what_comes_next() {
        let drain = Drain::of(stored::Drain {
            deadline_ms: 600_000,
            expiry_ms: 3_600_000,
            callback: true,
            ..stored::Drain::default()
        });
        let text = drain.words(0);
        assert!(text.contains("in 10m; who waits is called back then; cordon lifts"), "{text}");
        let late = Drain { deadline_passed: true, expired: true, ..drain };
        assert!(late.words(0).contains("EXPIRED"), "{}", late.words(0));
    }
}
