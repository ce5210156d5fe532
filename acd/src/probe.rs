//! Decisions by themselves, without carrying them out: for benchmarks.

use crate::agent::Agent;
use crate::centre::Centre;
use crate::channel::{Media, Medium};
use crate::contact::Contact;
use crate::ids::{AgentId, ContactId};
use crate::table::Slot;

impl Centre {
    /// A contact, to be probed.
    #[doc(hidden)]
    pub fn probe_contact(&self, id: &ContactId) -> Option<Slot<Contact>> {
        self.contacts.find(id.as_str())
    }

    /// An agent, to be probed.
    #[doc(hidden)]
    pub fn probe_agent(&self, id: &AgentId) -> Option<Slot<Agent>> {
        self.agents.find(id.as_str())
    }

    /// The agent whom a contact with the demand of this one would get now.
    #[doc(hidden)]
    pub fn probe_best_agent(&self, contact: Slot<Contact>) -> Option<Slot<Agent>> {
        let key = self.demand_key(self.contacts.get(contact));
        self.matcher.probe_best_agent(&key, contact, self.view())
    }

    /// The contact that an agent would get who got rid of one of this medium now.
    #[doc(hidden)]
    pub fn probe_best_contact(&self, agent: Slot<Agent>, medium: Medium) -> Option<Slot<Contact>> {
        let media = Media::of(&[medium]);
        self.matcher.best_contact_of(agent, media, self.view())
    }
}
