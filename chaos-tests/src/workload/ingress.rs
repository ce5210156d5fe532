//! A front end: puts contacts in, connects them to agents, loses its stream and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acd::channel::Channel;
use acd::command::{ContactCommand, Enqueue, HeldContact, Submission};
use acd::config::{Priority, Requirements};
use acd::event::{ContactEvent, Event};
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId};
use acd::text::{Attributes, Label};
use acd::time::Millis;
use openraft_rt::{AsyncRuntime, Select2};

use super::client::Client;
use super::view::View;
use super::{Door, Phase, Seen, setup};
use crate::history::Place;

/// Something to be done at its time.
#[derive(Clone, Debug)]
enum Act {
    Arrive,
    HangUp(ContactId),
    CallBack(ContactId),
    Bridge(ContactId, OfferToken),
    BridgeFails(ContactId, OfferToken),
    Opinion(ContactId),
    /// The stream breaks, or is moved.
    Detach,
    Attach,
    /// While everybody goes home: look who is left.
    LookAgain,
}

struct FrontEnd<D: Door> {
    client: Client<D>,
    principal: PrincipalId,
    view: View<D>,
    /// Contacts that it believes it has.
    live: BTreeSet<ContactId>,
    diary: BTreeMap<(u64, u64), Act>,
    noted: u64,
    arrived: u64,
    past: Vec<Submission>,
    is_finishing: bool,
}

/// Works until it is over.
pub(super) async fn work<D: Door, RT: AsyncRuntime>(client: Client<D>, at: usize) {
    // Front ends are named after sites, which are slugs.
    let principal = PrincipalId::new(&client.name).expect("a front end's name is a slug");
    let view = View::new(&client, &client.name, at);
    let mut front_end = FrontEnd {
        client,
        principal,
        view,
        live: BTreeSet::new(),
        diary: BTreeMap::new(),
        noted: 0,
        arrived: 0,
        past: Vec::new(),
        is_finishing: false,
    };
    front_end.attach::<RT>();
    front_end.note(100, Act::Arrive);
    let first = front_end.client.dice.between(6_000, 12_000);
    front_end.note(first, Act::Detach);
    front_end.run::<RT>().await;
    let patience = front_end.client.plan.patience;
    front_end.view.follow::<RT>(patience).await;
}

impl<D: Door> FrontEnd<D> {
    fn note(&mut self, after: u64, act: Act) {
        self.noted += 1;
        self.diary.insert((self.client.now() + after, self.noted), act);
    }

    /// The same, some time between.
    fn note_between(&mut self, low: u64, high: u64, act: Act) {
        let after = self.client.dice.between(low, high);
        self.note(after, act);
    }

    async fn run<RT: AsyncRuntime>(&mut self) {
        while self.client.phase() != Phase::Over {
            if self.client.phase() == Phase::Finishing && !self.is_finishing {
                self.is_finishing = true;
                self.diary.retain(|_, act| matches!(act, Act::Bridge(..)));
                self.note(10, Act::Attach);
                self.note(500, Act::LookAgain);
            }
            if !self.view.ready::<RT>(self.client.plan.patience).await {
                self.see::<RT>(Seen::Ended).await;
                continue;
            }
            let now = self.client.now();
            let next = self.diary.first_key_value().map_or(now + 500, |((time, _), _)| *time);
            let wait = Duration::from_millis(next.saturating_sub(now).min(500));
            match RT::select2(self.view.next(), RT::sleep(wait)).await {
                Select2::First(seen) => self.see::<RT>(seen).await,
                Select2::Second(()) => {
                    let due = self.diary.first_entry().filter(|e| e.key().0 <= self.client.now());
                    if let Some(due) = due {
                        let act = due.remove();
                        self.act::<RT>(act);
                    }
                }
            }
        }
    }

    fn send<RT: AsyncRuntime>(&mut self, command: ContactCommand) {
        let submission = Submission::new(self.principal.clone(), command.into());
        self.past.push(submission.clone());
        self.client.insist_aside::<RT>(self.view.at, submission);
    }

    fn act<RT: AsyncRuntime>(&mut self, act: Act) {
        match act {
            Act::Arrive => {
                self.arrive::<RT>();
                let pace = self.client.plan.pace;
                self.note_between(pace / 2, pace + pace / 2, Act::Arrive);
            }
            Act::HangUp(contact) => self.send::<RT>(ContactCommand::HangUp { contact }),
            Act::CallBack(contact) => {
                let later = self.client.dice.percent(40);
                let at = self.client.recorder.log_time().plus(Millis(2_000));
                let not_before = later.then_some(at);
                self.send::<RT>(ContactCommand::RequestCallback { contact, not_before });
            }
            Act::Bridge(contact, token) => {
                self.send::<RT>(ContactCommand::Bridged { contact, token });
            }
            Act::BridgeFails(contact, token) => {
                self.send::<RT>(ContactCommand::BridgeFailed { contact, token });
            }
            Act::Opinion(contact) => {
                let score = self.client.dice.below(101) as u8;
                self.send::<RT>(ContactCommand::RecordCsat { contact: contact.clone(), score });
                if let Ok(reference) = Label::new(&format!("rec/{contact}")) {
                    self.send::<RT>(ContactCommand::SetRecording { contact, reference });
                }
            }
            Act::Detach => {
                let (ingress, node) = (self.principal.clone(), self.node());
                self.send::<RT>(ContactCommand::Detach { ingress, node });
                self.note_between(300, 3_500, Act::Attach);
                self.note_between(9_000, 20_000, Act::Detach);
            }
            Act::Attach => {
                if self.client.dice.percent(50) {
                    self.view.move_to(self.view.at + 1);
                }
                self.attach::<RT>();
            }
            Act::LookAgain => {
                self.view = View::new(&self.client, &self.client.name, self.view.at);
                self.note(1_500, Act::LookAgain);
            }
        }
    }

    fn node(&self) -> NodeId {
        NodeId(self.client.node(self.view.at))
    }

    /// Opens a stream, and says what it still has.
    fn attach<RT: AsyncRuntime>(&mut self) {
        let (ingress, node) = (self.principal.clone(), self.node());
        self.send::<RT>(ContactCommand::Attach { ingress, node });
        let held = |contact: &ContactId| HeldContact { contact: contact.clone(), token: None };
        let contacts: Vec<HeldContact> = self.live.iter().take(500).map(held).collect();
        if !contacts.is_empty() {
            self.send::<RT>(ContactCommand::Reattach { contacts });
        }
    }

    fn arrive<RT: AsyncRuntime>(&mut self) {
        // Now and then the same again, or another contact under an id that is taken.
        if self.client.dice.percent(12)
            && let Some(past) = self.client.dice.pick(&self.past).cloned()
        {
            self.client.insist_aside::<RT>(self.view.at + 1, past);
        }
        let Some(enqueue) = self.contact() else { return };
        let contact = enqueue.contact.clone();
        self.live.insert(contact.clone());
        if self.client.dice.percent(4) {
            let priority = Priority::new(1).unwrap_or_default();
            let other = Enqueue { priority, ..enqueue.clone() };
            self.send::<RT>(ContactCommand::Enqueue(other));
        }
        self.send::<RT>(ContactCommand::Enqueue(enqueue));
        match self.client.dice.below(100) {
            0..12 => self.note_between(500, 9_000, Act::HangUp(contact)),
            12..18 => self.note_between(300, 5_000, Act::CallBack(contact)),
            18..26 => self.note_between(2_000, 12_000, Act::Opinion(contact)),
            _ => {}
        }
    }

    fn contact(&mut self) -> Option<Enqueue> {
        self.arrived += 1;
        let contact = ContactId::new(&format!("{}:{}", self.client.name, self.arrived)).ok()?;
        let dice = &mut self.client.dice;
        let (queue, channel) = match dice.below(100) {
            0..34 => ("sales", Channel::Voice),
            34..54 => ("service", Channel::Voice),
            54..66 => ("vip", Channel::Voice),
            66..78 => ("service", Channel::Chat),
            78..86 => ("mail", Channel::Email),
            86..92 => ("mail", Channel::Message),
            _ => ("sales", Channel::Callback),
        };
        let priority = [0, 0, 0, 5, 9][dice.below(5) as usize];
        let later = channel == Channel::Callback && dice.percent(50);
        let at = self.client.recorder.log_time().plus(Millis(1_000 + dice.below(2_000)));
        let picky = queue == "vip" && dice.percent(30);
        let desks = setup::agents(&self.client.plan);
        let named = dice.percent(8).then(|| dice.pick(&desks)).flatten();
        let preferred: Option<AgentId> = named.map(|desk| desk.config.id.clone());
        Some(Enqueue {
            contact,
            queue: QueueId::new(queue).ok()?,
            channel,
            priority: Priority::new(priority).ok()?,
            site: None,
            requirements: if picky { setup::speaks(5) } else { Requirements::from([]) },
            preferred,
            preferred_wait: None,
            not_before: later.then_some(at),
            attributes: Attributes::default(),
        })
    }

    async fn see<RT: AsyncRuntime>(&mut self, seen: Seen) {
        match seen {
            Seen::Entry { events, .. } => self.see_events(&events),
            Seen::Listed { contacts, .. } => {
                let prefix = format!("{}:", self.client.name);
                for (contact, place) in contacts {
                    if !contact.as_str().starts_with(&prefix) {
                        continue;
                    }
                    match place {
                        Place::WithAgent { token, stage: "accepted", .. } => {
                            self.note(50, Act::Bridge(contact, token));
                        }
                        Place::Stranded if self.is_finishing => {
                            self.live.insert(contact);
                            self.note(50, Act::Attach);
                        }
                        _ => {
                            self.live.insert(contact);
                        }
                    }
                }
            }
            Seen::Compacted => {}
            Seen::Ended => {
                self.client.pause::<RT>(50, 250).await;
                self.attach::<RT>();
            }
        }
    }

    fn see_events(&mut self, events: &Arc<Vec<Event>>) {
        let prefix = format!("{}:", self.client.name);
        for event in events.iter() {
            let Event::Contact { contact, what } = event else { continue };
            if !contact.as_str().starts_with(&prefix) {
                continue;
            }
            match what {
                ContactEvent::Accepted { token, .. } => {
                    let (contact, token) = (contact.clone(), *token);
                    let roll = if self.is_finishing { 0 } else { self.client.dice.below(100) };
                    match roll {
                        0..86 => self.note_between(40, 300, Act::Bridge(contact, token)),
                        86..93 => self.note_between(40, 300, Act::BridgeFails(contact, token)),
                        _ => {} // It never says.
                    }
                }
                ContactEvent::Connected { .. }
                    if !self.is_finishing && self.client.dice.percent(6) =>
                {
                    self.note_between(200, 1_500, Act::HangUp(contact.clone()));
                }
                ContactEvent::Enqueued { .. } => {
                    self.live.insert(contact.clone());
                }
                ContactEvent::Closed(_) => {
                    self.live.remove(contact);
                }
                _ => {}
            }
        }
    }
}
