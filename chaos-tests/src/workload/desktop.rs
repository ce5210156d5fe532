//! A desktop: an agent at work, with the faults people have. It rings in vain, declines, repeats
//! itself, sends what is long over, and logs in elsewhere when its node is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::channel::Medium;
use acd::command::{AgentCommand, Command, Submission, TransferTarget, WorkCommand};
use acd::event::{AgentEvent, ContactEvent, Event, NotReadyReason};
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SessionEpoch};
use acd::reply::{Reply, WorkState};
use acd::text::Label;
use openraft_rt::{AsyncRuntime, Select2};

use super::client::Client;
use super::view::View;
use super::{Door, Phase, Seen, setup};
use crate::history::{Outcome, Place};

/// How many of its own commands a desktop keeps to repeat them.
const KEPT: usize = 64;

/// Something to be done at its time.
#[derive(Clone, Debug)]
enum Act {
    Ready,
    Break,
    Open(Medium),
    Accept(ContactId, OfferToken),
    Decline(ContactId, OfferToken),
    Talk(ContactId, OfferToken),
    Retrieve(ContactId, OfferToken),
    Complete(ContactId, OfferToken),
    /// Something that is over, or was asked before.
    Nuisance,
    /// Logs in elsewhere, or, when everybody goes home, to see what is left.
    LogIn,
}

struct Desktop<D: Door> {
    client: Client<D>,
    principal: PrincipalId,
    agent: AgentId,
    /// Whether it speaks through the gateway, which keeps sessions apart itself.
    by_gateway: bool,
    view: View<D>,
    epoch: Option<SessionEpoch>,
    jobs: BTreeMap<ContactId, OfferToken>,
    diary: BTreeMap<(u64, u64), Act>,
    noted: u64,
    consults: u64,
    past: Vec<Submission>,
    is_finishing: bool,
}

/// Works until it is over.
pub(super) async fn work<D: Door, RT: AsyncRuntime>(
    client: Client<D>,
    at: usize,
    by_gateway: bool,
) {
    // Agents' ids are slugs, and what is a slug is a principal's name.
    let agent = AgentId::new(&client.name).expect("an agent's name is a slug");
    let who = if by_gateway { "desk" } else { agent.as_str() };
    let principal = PrincipalId::new(who).expect("an agent's name is a slug");
    let view = View::new(&client, &client.name, at);
    let mut desktop = Desktop {
        client,
        principal,
        agent,
        by_gateway,
        view,
        epoch: None,
        jobs: BTreeMap::new(),
        diary: BTreeMap::new(),
        noted: 0,
        consults: 0,
        past: Vec::new(),
        is_finishing: false,
    };
    desktop.client.pause::<RT>(0, 800).await;
    desktop.note_between(2_000, 6_000, Act::Nuisance);
    desktop.note_between(8_000, 30_000, Act::LogIn);
    desktop.note_between(5_000, 25_000, Act::Break);
    desktop.run::<RT>().await;
    let patience = desktop.client.plan.patience;
    desktop.view.follow::<RT>(patience).await;
}

impl<D: Door> Desktop<D> {
    fn note_between(&mut self, low: u64, high: u64, act: Act) {
        let after = self.client.dice.between(low, high);
        self.noted += 1;
        self.diary.insert((self.client.now() + after, self.noted), act);
    }

    async fn run<RT: AsyncRuntime>(&mut self) {
        while self.client.phase() != Phase::Over {
            if self.client.phase() == Phase::Finishing && !self.is_finishing {
                self.is_finishing = true;
                self.diary.clear();
                self.note_between(50, 500, Act::LogIn);
            }
            if self.epoch.is_none() && !self.log_in::<RT>().await {
                self.client.pause::<RT>(100, 600).await;
                continue;
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
                        self.act::<RT>(act).await;
                    }
                }
            }
        }
    }

    fn submission(&self, command: impl Into<Command>) -> Submission {
        let command = command.into();
        let fenced = matches!(command, Command::Work(_)) && !self.by_gateway;
        let session = self.epoch.filter(|_| fenced);
        Submission { session, ..Submission::new(self.principal.clone(), command) }
    }

    /// Asks until it is answered.
    async fn send<RT: AsyncRuntime>(&mut self, command: impl Into<Command>) -> Option<Outcome> {
        let submission = self.submission(command);
        if self.past.len() == KEPT {
            self.past.remove(0);
        }
        self.past.push(submission.clone());
        let outcome = self.client.insist::<RT>(self.view.at, &submission).await;
        if let Some(Outcome::Refused { code, .. }) = &outcome
            && code == "stale-session"
        {
            self.epoch = None;
        }
        outcome
    }

    /// Opens a session on the node of its watch; whether there is one now.
    async fn log_in<RT: AsyncRuntime>(&mut self) -> bool {
        let node = NodeId(self.client.node(self.view.at));
        let agent = self.agent.clone();
        let outcome = self.send::<RT>(AgentCommand::LogIn { agent, node }).await;
        let Some(Outcome::Committed { reply: Reply::LoggedIn { epoch, work }, .. }) = outcome
        else {
            self.view.move_to(self.view.at + 1);
            return false;
        };
        self.epoch = Some(epoch);
        self.jobs.clear();
        for item in work {
            let stage = match item.state {
                WorkState::Offered(_) => "offered",
                WorkState::Accepted => "accepted",
                WorkState::Connected => "connected",
                WorkState::Held => "held",
                WorkState::WrapUp => "wrap-up",
            };
            self.take_up(item.contact, item.token, stage);
        }
        if self.is_finishing {
            for medium in Medium::ALL {
                self.note_between(10, 100, Act::Open(medium));
            }
            self.note_between(2_500, 4_500, Act::LogIn);
        }
        self.note_between(50, 600, Act::Ready);
        true
    }

    /// Goes on with a contact where it stands.
    fn take_up(&mut self, contact: ContactId, token: OfferToken, stage: &str) {
        if self.jobs.insert(contact.clone(), token) == Some(token) {
            return;
        }
        match stage {
            "offered" => self.note_between(80, 500, Act::Accept(contact, token)),
            "connected" => self.note_between(200, 900, Act::Talk(contact, token)),
            "held" => self.note_between(200, 600, Act::Retrieve(contact, token)),
            "wrap-up" => self.note_between(100, 500, Act::Complete(contact, token)),
            _ => {}
        }
    }

    fn is_mine(&self, contact: &ContactId, token: OfferToken) -> bool {
        self.jobs.get(contact) == Some(&token)
    }

    async fn act<RT: AsyncRuntime>(&mut self, act: Act) {
        let Some(epoch) = self.epoch else { return };
        let agent = self.agent.clone();
        match act {
            Act::Ready => {
                let _ = self.send::<RT>(AgentCommand::Ready { agent, epoch }).await;
            }
            Act::Break => {
                if let Ok(reason) = Label::new("lunch") {
                    let _ = self.send::<RT>(AgentCommand::NotReady { agent, epoch, reason }).await;
                }
                self.note_between(500, 3_000, Act::Ready);
                self.note_between(9_000, 25_000, Act::Break);
            }
            Act::Open(medium) => {
                let _ = self.send::<RT>(AgentCommand::OpenMedium { agent, epoch, medium }).await;
            }
            Act::Accept(contact, token) if self.is_mine(&contact, token) => {
                let _ = self.send::<RT>(WorkCommand::Accept { contact, token }).await;
            }
            Act::Decline(contact, token) if self.is_mine(&contact, token) => {
                let _ = self.send::<RT>(WorkCommand::Decline { contact, token }).await;
            }
            Act::Talk(contact, token) if self.is_mine(&contact, token) => {
                self.talk::<RT>(contact, token).await;
            }
            Act::Retrieve(contact, token) if self.is_mine(&contact, token) => {
                let command = WorkCommand::Retrieve { contact: contact.clone(), token };
                let _ = self.send::<RT>(command).await;
                self.note_between(100, 500, Act::Complete(contact, token));
            }
            Act::Complete(contact, token) if self.is_mine(&contact, token) => {
                self.complete::<RT>(contact, token).await;
            }
            Act::Accept(..)
            | Act::Decline(..)
            | Act::Talk(..)
            | Act::Retrieve(..)
            | Act::Complete(..) => {} // Over meanwhile.
            Act::Nuisance => {
                self.annoy::<RT>(epoch).await;
                self.note_between(600, 3_000, Act::Nuisance);
            }
            Act::LogIn => {
                if self.client.dice.percent(60) {
                    self.view.move_to(self.view.at + 1);
                }
                if !self.log_in::<RT>().await {
                    self.note_between(200, 900, Act::LogIn);
                } else if !self.is_finishing {
                    self.note_between(12_000, 40_000, Act::LogIn);
                }
            }
        }
    }

    async fn complete<RT: AsyncRuntime>(&mut self, contact: ContactId, token: OfferToken) {
        let disposition = Label::new("solved").ok().filter(|_| self.client.dice.percent(50));
        let resolved = self.client.dice.percent(50).then_some(true);
        let command = WorkCommand::Complete { contact, token, disposition, resolved };
        let _ = self.send::<RT>(command).await;
    }

    /// The conversation goes on, is passed on, or ends.
    async fn talk<RT: AsyncRuntime>(&mut self, contact: ContactId, token: OfferToken) {
        let roll = if self.is_finishing { 0 } else { self.client.dice.below(100) };
        match roll {
            0..40 => self.complete::<RT>(contact, token).await,
            40..68 => {
                let _ = self.send::<RT>(WorkCommand::End { contact, token }).await;
            }
            68..82 => {
                let command = WorkCommand::Hold { contact: contact.clone(), token };
                let _ = self.send::<RT>(command).await;
                self.note_between(100, 900, Act::Retrieve(contact, token));
            }
            82..90 => {
                let Some(to) = self.target() else { return };
                let command = WorkCommand::Transfer { contact: contact.clone(), token, to };
                let refused =
                    !matches!(self.send::<RT>(command).await, Some(Outcome::Committed { .. }));
                if refused {
                    self.note_between(100, 500, Act::Complete(contact, token));
                }
            }
            90..95 => {
                self.consults += 1;
                let second = format!("{contact}+{}.{}", self.agent, self.consults);
                if let (Ok(consult), Some(to)) = (ContactId::new(&second), self.target()) {
                    let contact = contact.clone();
                    let command = WorkCommand::Consult { contact, token, consult, to };
                    let _ = self.send::<RT>(command).await;
                }
                self.note_between(300, 2_500, Act::Complete(contact, token));
            }
            _ => {
                if let Ok(disposition) = Label::new("asked") {
                    let command = WorkCommand::SetDisposition {
                        contact: contact.clone(),
                        token,
                        disposition,
                        resolved: false,
                    };
                    let _ = self.send::<RT>(command).await;
                }
                self.note_between(100, 600, Act::Complete(contact, token));
            }
        }
    }

    /// Another queue, or a colleague.
    fn target(&mut self) -> Option<TransferTarget> {
        let desks = setup::agents(&self.client.plan);
        if self.client.dice.percent(40) {
            let colleague = self.client.dice.pick(&desks)?;
            return Some(TransferTarget::Agent(colleague.config.id.clone()));
        }
        let queue = self.client.dice.pick(&["sales", "service", "vip"]).copied()?;
        QueueId::new(queue).ok().map(TransferTarget::Queue)
    }

    /// Sends what was sent before, from a session or under a token that may be over.
    async fn annoy<RT: AsyncRuntime>(&mut self, epoch: SessionEpoch) {
        let at = self.view.at + self.client.dice.below(3) as usize;
        let agent = self.agent.clone();
        let Some(mut past) = self.client.dice.pick(&self.past).cloned() else { return };
        if self.client.dice.percent(30) {
            // The same contact, another deed: an old token must not pass for the present one.
            if let Command::Work(work) = &past.command {
                let (contact, token) = (work.subject().0.clone(), work.subject().1);
                past.command = match self.client.dice.below(3) {
                    0 => WorkCommand::Accept { contact, token },
                    1 => WorkCommand::Decline { contact, token },
                    _ => {
                        WorkCommand::Complete { contact, token, disposition: None, resolved: None }
                    }
                }
                .into();
            }
        } else if self.client.dice.percent(20) {
            let old = SessionEpoch(epoch.0.saturating_sub(self.client.dice.between(1, 9)));
            past = self.submission(AgentCommand::LogOut { agent, epoch: old });
        }
        // A log-in is not a repeat: it would take the session over.
        if !matches!(past.command, Command::Agent(AgentCommand::LogIn { .. })) {
            let _ = self.client.ask::<RT>(at, past).await;
        }
    }

    async fn see<RT: AsyncRuntime>(&mut self, seen: Seen) {
        match seen {
            Seen::Entry { events, .. } => {
                for event in events.iter() {
                    self.see_event(event);
                }
            }
            Seen::Listed { contacts, .. } => {
                for (contact, place) in contacts {
                    match place {
                        Place::WithAgent { agent, token, stage } if agent == self.agent => {
                            self.take_up(contact, token, stage);
                        }
                        _ => {}
                    }
                }
            }
            Seen::Compacted => {}
            Seen::Ended => {
                // The node is gone, and the session with it.
                self.epoch = None;
                self.client.pause::<RT>(50, 400).await;
            }
        }
    }

    fn see_event(&mut self, event: &Event) {
        match event {
            Event::Contact { contact, what } => self.see_contact(contact.clone(), what),
            Event::Agent { agent, what } if *agent == self.agent => match what {
                AgentEvent::NotReady {
                    reason: NotReadyReason::Rona | NotReadyReason::Supervisor(_),
                } => self.note_between(300, 1_800, Act::Ready),
                AgentEvent::MediumClosed { medium } => {
                    self.note_between(300, 1_500, Act::Open(*medium));
                }
                AgentEvent::Unreachable | AgentEvent::Offline | AgentEvent::LoggedOut => {
                    self.note_between(100, 1_200, Act::LogIn);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn see_contact(&mut self, contact: ContactId, what: &ContactEvent) {
        match what {
            ContactEvent::Offered { token, agent, .. } if *agent == self.agent => {
                let token = *token;
                self.jobs.insert(contact.clone(), token);
                match if self.is_finishing { 0 } else { self.client.dice.below(100) } {
                    0..82 => self.note_between(60, 700, Act::Accept(contact, token)),
                    82..91 => self.note_between(60, 700, Act::Decline(contact, token)),
                    _ => {} // It rings in vain.
                }
            }
            ContactEvent::Connected { token, agent, .. } if *agent == self.agent => {
                self.jobs.insert(contact.clone(), *token);
                self.note_between(200, 1_600, Act::Talk(contact, *token));
            }
            ContactEvent::WrapUpStarted { agent } if *agent == self.agent => {
                if let Some(token) = self.jobs.get(&contact).copied()
                    && self.client.dice.percent(75)
                {
                    self.note_between(100, 800, Act::Complete(contact, token));
                }
            }
            ContactEvent::OfferEnded { agent, .. } if *agent == self.agent => {
                self.jobs.remove(&contact);
            }
            ContactEvent::Closed(_) => {
                self.jobs.remove(&contact);
            }
            _ => {}
        }
    }
}
