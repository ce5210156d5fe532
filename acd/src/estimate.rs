//! Position and expected wait, on request.

use crate::agent::Presence;
use crate::centre::Centre;
use crate::contact::{Contact, Place, Stage};
use crate::ids::{ContactId, QueueId};
use crate::metrics::{QueueCounters, Ratio};
use crate::time::Millis;

/// Where a contact stands in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Contacts of the queue that wait in an earlier place.
    pub ahead: u32,
    /// Contacts of the queue that wait.
    pub waiting: u32,
}

/// What a contact that arrives now should expect. Both estimators, side by side; neither knows
/// skills or priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedWait {
    /// How long the first in line has been waiting (the head-of-line delay: Ibrahim and Whitt,
    /// "Real-Time Delay Estimation Based on Delay History", 2009). None: nobody waits.
    pub head_of_line: Option<Millis>,
    /// (Waiting + 1) × average handling time of the day / agents who are ready (the queue-length
    /// estimator of the same paper, with the service rate as measured). None: nobody is ready, or
    /// nothing has been handled today.
    pub queue_length: Option<Millis>,
}

impl Centre {
    /// Where a waiting contact stands; none: it does not wait. Costs one look at every contact.
    pub fn position(&self, id: &ContactId) -> Option<Position> {
        let contact = self.contacts.by_key(id.as_str())?;
        if contact.stage != Stage::Queued {
            return None;
        }
        let place = contact.place();
        let mut position = Position { ahead: 0, waiting: 0 };
        for other in self.contacts.iter() {
            if other.queue == contact.queue && other.stage == Stage::Queued {
                position.waiting += 1;
                position.ahead += u32::from(other.place() < place);
            }
        }
        Some(position)
    }

    /// What a contact that arrives in this queue now should expect; none: there is no such queue.
    /// Costs one look at every contact and every agent.
    pub fn expected_wait(&self, id: &QueueId) -> Option<ExpectedWait> {
        let slot = self.queues.find(id.as_str())?;
        let queue = self.queues.get(slot);
        let mut first: Option<(Place, Millis)> = None;
        let mut waiting = 0u64;
        let in_line = |c: &&Contact| c.queue == slot && c.stage == Stage::Queued;
        for contact in self.contacts.iter().filter(in_line) {
            waiting += 1;
            if first.is_none_or(|(earliest, _)| contact.place() < earliest) {
                first = Some((contact.place(), self.clocks.now.since(contact.entered_queue)));
            }
        }
        let ready = self.agents.iter().filter(|agent| {
            let serves = agent.queues().iter().any(|a| a.queue == *id);
            let takes = agent.session.is_some_and(|s| self.sites.get(s.site).state.takes_offers());
            serves && takes && agent.presence == Presence::Ready && agent.pending.is_none()
        });
        let ready = ready.count() as u64;
        let today = queue.metrics.at(self.clocks.now, &self.settings).today;
        let queue_length = by_queue_length(&today, waiting, ready);
        Some(ExpectedWait { head_of_line: first.map(|(_, waited)| waited), queue_length })
    }
}

/// The queue-length estimator: who waits and who is ready now, with the handling time of the day.
pub(crate) fn by_queue_length(today: &QueueCounters, waiting: u64, ready: u64) -> Option<Millis> {
    let handling = today.aht_ms();
    let per_agent = Ratio::new(handling.part, handling.of.saturating_mul(ready));
    per_agent.scaled(waiting + 1).map(Millis)
}
