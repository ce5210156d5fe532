//! What happens when nobody did anything in time.

use crate::agent::Presence;
use crate::centre::Centre;
use crate::command::{Command, ContactCommand, Subject};
use crate::contact::{Contact, Stage};
use crate::event::{AgentEvent, Alarm, Event, OfferEnd};
use crate::limits;
use crate::record::Outcome;
use crate::table::Slot;
use crate::timers::{Due, Owner};

impl Centre {
    /// Fires what is due, once per entry, at most [`limits::DEADLINES_PER_ENTRY_MAX`]; the rest
    /// leads the next entry. Each deadline is settled before the next one fires, as if it were a
    /// command. What they set is due later than now, so it does not fire here.
    pub(crate) fn fire_due(&mut self) {
        if self.entry.fired {
            return;
        }
        self.entry.fired = true;
        for _ in 0..limits::DEADLINES_PER_ENTRY_MAX {
            let Some(due) = self.timers.pop_due(self.clocks) else {
                break;
            };
            self.fire(due);
            self.settle();
            self.schedule_changed();
        }
    }

    /// Fires a contact's deadlines that are due but were left over: they come before a command
    /// on it. Whether there were any.
    pub(crate) fn fire_overdue(&mut self, slot: Slot<Contact>) -> bool {
        self.fire_overdue_of(Owner::Contact, slot.index())
    }

    /// The same for the agent, queue or site that a command is about.
    pub(crate) fn fire_overdue_subject(&mut self, command: &Command) {
        if self.next_deadline().is_none_or(|next| next > self.clocks.now) {
            return; // Nothing was left over.
        }
        let (owner, slot) = match command {
            Command::Agent(command) => {
                (Owner::Agent, self.agents.find(command.subject().as_str()).map(Slot::index))
            }
            Command::Contact(ContactCommand::Enqueue(enqueue)) => {
                (Owner::Queue, self.queues.find(enqueue.queue.as_str()).map(Slot::index))
            }
            Command::Site(command) => {
                let site = command.subject().and_then(|id| self.sites.find(id.as_str()));
                (Owner::Site, site.map(Slot::index))
            }
            Command::Config(command) => match command.subject() {
                Subject::Agent(id) => {
                    (Owner::Agent, self.agents.find(id.as_str()).map(Slot::index))
                }
                Subject::Queue(id) => {
                    (Owner::Queue, self.queues.find(id.as_str()).map(Slot::index))
                }
                Subject::Other => return,
            },
            Command::Contact(_) | Command::Work(_) | Command::Cluster(_) => return,
        };
        if let Some(slot) = slot {
            self.fire_overdue_of(owner, slot);
        }
    }

    fn fire_overdue_of(&mut self, owner: Owner, slot: usize) -> bool {
        let mut any = false;
        // What is gone has no deadlines.
        while let Some(due) = self.timers.take_due(owner, slot as u32, self.clocks) {
            any = true;
            self.fire(due);
            self.settle();
            self.schedule_changed();
        }
        any
    }

    fn fire(&mut self, due: Due) {
        match due.owner {
            Owner::Contact => {
                let slot = Slot::new(due.slot);
                // The entry is out of the heap: whatever happens, the timers are set anew.
                self.contacts.get_mut(slot);
                if due.attended { self.contact_deadline(slot) } else { self.review_contact(slot) }
            }
            Owner::Agent => {
                let slot = Slot::new(due.slot);
                self.agents.get_mut(slot);
                if !due.attended {
                    self.end_move(slot);
                } else if let Presence::Unreachable { .. } = self.agents.get(slot).presence {
                    self.go_offline(slot, AgentEvent::Offline);
                }
            }
            Owner::Queue => {
                let slot = Slot::new(due.slot);
                self.queues.get_mut(slot);
                self.reopen(slot);
            }
            Owner::Site => {
                let slot = Slot::new(due.slot);
                self.sites.get_mut(slot);
                self.review_site(slot);
            }
            Owner::Calendar => {
                let entry = self.calendars.get_mut(Slot::new(due.slot));
                entry.alarm = None;
                let calendar = entry.config.id.as_str().into();
                let at = entry.config.covers_until;
                self.events.push(Event::Alarm(Alarm::CalendarEnds { calendar, at }));
            }
        }
    }

    /// A deadline that asked something of somebody.
    fn contact_deadline(&mut self, slot: Slot<Contact>) {
        match self.contacts.get(slot).stage {
            Stage::Queued => self.give_up_waiting(slot, true),
            Stage::Stranded { .. } => self.close_unanswered(slot, Outcome::LostIngress),
            Stage::Offered { with, .. } => {
                let medium = self.contacts.get(slot).channel.medium();
                self.end_offer(slot, with, OfferEnd::Rona);
                self.punish_ringing(with.agent, medium);
                self.return_to_queue(slot);
            }
            Stage::Accepted { with, .. } => {
                self.end_offer(slot, with, OfferEnd::BridgeTimeout);
                if self.is_front_end_silent(slot) {
                    self.strand(slot);
                } else {
                    self.return_to_queue(slot);
                }
            }
            Stage::Connected { .. } | Stage::Held { .. } => {
                self.finish_talk(slot);
                self.close(slot, Outcome::Orphaned);
            }
            Stage::WrapUp { .. } => self.close(slot, Outcome::Handled),
            Stage::Scheduled { .. } => {}
        }
    }

    /// Whether the front end did not connect the contact to anybody time after time: it is as
    /// good as gone, and agents are not to be rung for it until it claims the contact.
    fn is_front_end_silent(&self, slot: Slot<Contact>) -> bool {
        let past = &self.contacts.get(slot).past_offers;
        let last = past.iter().rev().take(limits::BRIDGE_TIMEOUTS_MAX);
        past.len() >= limits::BRIDGE_TIMEOUTS_MAX
            && last.into_iter().all(|offer| offer.end == OfferEnd::BridgeTimeout)
    }

    /// A waiting contact demands something else now, or a scheduled one begins to wait.
    fn review_contact(&mut self, slot: Slot<Contact>) {
        match self.contacts.get(slot).stage {
            Stage::Queued => self.wait_anew(slot),
            Stage::Scheduled { .. } => {
                // Steps and waiting begin when its time has come.
                let contact = self.contacts.get(slot);
                let wait_deadline = self.wait_deadline(contact.queue, contact.channel);
                let contact = self.contacts.get_mut(slot);
                contact.review = None;
                contact.entered_queue = self.clocks.now;
                contact.wait_deadline = wait_deadline;
                (contact.step, contact.spilled) = (0, false);
                let queue = contact.queue;
                self.queues.get_mut(queue).length += 1;
                self.return_to_queue(slot);
            }
            _ => {}
        }
    }
}
