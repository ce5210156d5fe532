//! The roster: agents are created, changed, deleted, and moved between queues.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::configure::{check_revision, check_room};
use super::{Outcome, unknown};
use crate::agent::{Agent, Presence, TemporaryMove};
use crate::centre::Centre;
use crate::config::agent::{limit, unique};
use crate::config::queue::check_deadline;
use crate::config::{AgentConfig, Assignment};
use crate::event::{AgentEvent, ObjectKind};
use crate::ids::{AgentId, QueueId, Revision, SiteId};
use crate::limits;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::table::Slot;
use crate::time::Millis;

impl Centre {
    pub(crate) fn put_agent(&mut self, config: AgentConfig, expected: Option<Revision>) -> Outcome {
        let mut config = config.normalise()?;
        // The tables' own ids: the whole roster shares the texts.
        config.home_site = self.sites.get(self.find_site(&config.home_site)?).id().clone();
        for (skill, _) in &mut config.skills {
            let known = self.skills.by_key(skill.as_str());
            *skill = known.ok_or_else(|| unknown("skill", skill.as_str()))?.id.clone();
        }
        self.check_assignments(&mut config.queues)?;
        let id = config.id.clone();
        let revision = match self.agents.find(id.as_str()) {
            Some(slot) => {
                check_revision(id.as_str(), expected, Some(self.agents.get(slot).revision))?;
                let agent = self.agents.get_mut(slot);
                agent.set_config(config);
                let revision = agent.revision;
                self.reclassify(slot);
                revision
            }
            None => {
                check_revision(id.as_str(), expected, None)?;
                check_room(&self.agents, "agents", limits::AGENTS_MAX)?;
                let seq = self.next_seq();
                self.agents.insert(Agent::new(config, seq, self.clocks.now));
                Revision(1)
            }
        };
        self.revised(ObjectKind::Agent, id.as_str(), revision)
    }

    /// Checks that these queues exist, and shares the texts of their ids.
    fn check_assignments(&self, queues: &mut [Assignment]) -> Result<(), Rejection> {
        for assignment in queues {
            let slot = self.find_queue(&assignment.queue)?;
            assignment.queue = self.queues.get(slot).id().clone();
        }
        Ok(())
    }

    pub(crate) fn delete_agent(&mut self, id: &AgentId, expected: Option<Revision>) -> Outcome {
        let slot = self.find_agent(id)?;
        let agent = self.agents.get(slot);
        check_revision(id.as_str(), expected, Some(agent.revision))?;
        if agent.presence != Presence::Offline || agent.is_busy() {
            return Err(Rejection::AgentBusy { agent: id.as_str().into() });
        }
        self.agents.remove(slot);
        self.deleted(ObjectKind::Agent, id.as_str())
    }

    pub(crate) fn move_agent(
        &mut self,
        id: &AgentId,
        mut queues: Vec<Assignment>,
        home_site: Option<SiteId>,
        duration: Option<Millis>,
        expected: Option<Revision>,
    ) -> Outcome {
        let slot = self.find_agent(id)?;
        check_revision(id.as_str(), expected, Some(self.agents.get(slot).revision))?;
        queues.sort();
        limit("queues of an agent", queues.len(), limits::QUEUES_PER_AGENT_MAX)?;
        unique("queue", queues.iter().map(|a| a.queue.as_str()))?;
        self.check_assignments(&mut queues)?;
        if let Some(site) = &home_site {
            self.find_site(site)?;
        }
        let until = match duration {
            Some(duration) => {
                check_deadline(duration)?;
                Some(self.clocks.now.plus(duration))
            }
            None => None,
        };
        let agent = self.agents.get_mut(slot);
        match until {
            Some(until) => {
                let home_site = home_site.unwrap_or_else(|| agent.home_site().clone());
                agent.moved = Some(Box::new(TemporaryMove { queues, home_site, until }));
                agent.revision.0 += 1;
            }
            None => {
                let mut config = (*agent.config).clone();
                config.queues = queues;
                config.home_site = home_site.unwrap_or(config.home_site);
                agent.set_config(config);
                agent.moved = None;
            }
        }
        let revision = agent.revision;
        self.tell_agent(slot, AgentEvent::Moved { until });
        self.reclassify(slot);
        self.revised(ObjectKind::Agent, id.as_str(), revision)
    }

    pub(crate) fn end_move_now(&mut self, id: &AgentId, expected: Option<Revision>) -> Outcome {
        let slot = self.find_agent(id)?;
        check_revision(id.as_str(), expected, Some(self.agents.get(slot).revision))?;
        if self.agents.get(slot).moved.is_none() {
            return Err(Rejection::InvalidConfig { what: "the agent is not moved for a while" });
        }
        self.end_move(slot);
        Ok(Reply::Revised { revision: self.agents.get(slot).revision })
    }

    /// Back to the usual queues.
    pub(crate) fn end_move(&mut self, slot: Slot<Agent>) {
        let agent = self.agents.get_mut(slot);
        if agent.moved.take().is_none() {
            return;
        }
        agent.revision.0 += 1;
        let (id, revision) = (agent.id().clone(), agent.revision);
        self.tell_agent(slot, AgentEvent::MoveEnded);
        self.tell_revision(ObjectKind::Agent, id.as_str(), revision);
        self.reclassify(slot);
    }

    /// An agent who serves a queue that goes away serves its successor, at the better grade.
    pub(crate) fn replace_assignment(&mut self, slot: Slot<Agent>, from: &QueueId, to: &QueueId) {
        let agent = self.agents.get(slot);
        let serves = |queues: &[Assignment]| queues.iter().any(|a| a.queue == *from);
        let moved = agent.moved.as_ref().is_some_and(|m| serves(&m.queues));
        if !moved && !serves(&agent.config.queues) {
            return;
        }
        let agent = self.agents.get_mut(slot);
        if let Some(moved) = &mut agent.moved {
            moved.queues = redirect(&moved.queues, from, to);
        }
        let mut config = (*agent.config).clone();
        config.queues = redirect(&config.queues, from, to);
        agent.set_config(config);
        let (id, revision) = (agent.id().clone(), agent.revision);
        self.reclassify(slot);
        self.tell_revision(ObjectKind::Agent, id.as_str(), revision);
    }
}

fn redirect(queues: &[Assignment], from: &QueueId, to: &QueueId) -> Vec<Assignment> {
    let renamed = queues.iter().map(|a| {
        let queue = if a.queue == *from { to } else { &a.queue };
        Assignment { queue: queue.clone(), grade: a.grade }
    });
    let mut renamed: Vec<Assignment> = renamed.collect();
    // By queue, then grade: the better one stays.
    renamed.sort();
    renamed.dedup_by(|b, a| a.queue == b.queue);
    renamed
}
