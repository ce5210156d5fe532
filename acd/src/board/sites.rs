//! Sites and who works there.

use alloc::vec;
use alloc::vec::Vec;

use super::{AgentTally, Board};
use crate::contact::Stage;
use crate::ids::NodeId;
use crate::metrics::{Block, QueueCounters};
use crate::site::Site;
use crate::time::Millis;

/// A site.
#[derive(Clone, Debug)]
pub struct SiteRow<'a> {
    /// The site.
    pub site: &'a Site,
    /// Its nodes, by number.
    pub nodes: Vec<NodeId>,
    /// Agents who work there; offline ones where they belong.
    pub agents: AgentTally,
    /// Contacts that wait, or are stranded, with their media there.
    pub waiting: u32,
    /// Counters, as of now.
    pub metrics: Block<QueueCounters>,
    /// Time its agents had at least one contact, of the day, with what goes on.
    pub handling: Millis,
    /// Time its agents were ready without one, of the day, with what goes on.
    pub available: Millis,
}

#[derive(Clone, Copy, Default)]
struct Count {
    agents: AgentTally,
    waiting: u32,
    handling: u64,
    available: u64,
}

impl Board {
    /// The rows of all sites, by id. Costs one look at every agent and contact.
    pub fn site_rows(&self) -> Vec<SiteRow<'_>> {
        let mut counts = vec![Count::default(); self.sites.slots_max()];
        for contact in self.contacts() {
            let waits = matches!(contact.stage, Stage::Queued | Stage::Stranded { .. });
            counts[contact.site.index()].waiting += u32::from(waits);
        }
        let mut slots: Vec<_> = self.sites.slots().collect();
        slots.sort_unstable_by_key(|slot| self.site(*slot).id());
        for agent in self.agents() {
            let home = || {
                let at =
                    slots.binary_search_by_key(&agent.home_site(), |slot| self.site(*slot).id());
                at.ok().map(|at| slots[at])
            };
            let Some(site) = agent.session.map(|session| session.site).or_else(home) else {
                continue;
            };
            let count = &mut counts[site.index()];
            count.agents.add(agent);
            let mut metrics = agent.metrics;
            let (handling, available) = agent.spent(self.now);
            metrics.count(self.now, &self.settings, |c| c.spend(handling, available));
            count.handling = count.handling.saturating_add(metrics.today.handling_ms);
            count.available = count.available.saturating_add(metrics.today.available_ms);
        }
        let rows = slots.iter().map(|slot| {
            let site = self.site(*slot);
            let Count { agents, waiting, handling, available } = counts[slot.index()];
            SiteRow {
                site,
                nodes: self.nodes_of(*slot),
                agents,
                waiting,
                metrics: site.metrics.at(self.now, &self.settings),
                handling: Millis(handling),
                available: Millis(available),
            }
        });
        rows.collect()
    }
}
