//! A contact centre for tests: three cities, a few words to act in it, and every invariant
//! checked after every command.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use acd::Centre;
use acd::agent::Presence;
use acd::channel::{Channel, Channels};
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, HeldContact,
    SiteCommand, Submission, TransferTarget, WorkCommand,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirement, Requirements,
    SiteConfig, SkillLevel, Step,
};
use acd::contact::Contact;
use acd::event::{AgentEvent, ContactEvent, Event, OfferEnd, OfferReason};
use acd::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SessionEpoch, SiteId, SkillId,
};
use acd::record::{AuditRecord, ContactRecord};
use acd::rejection::Rejection;
use acd::reply::{Reply, Verdict};
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};

/// Monday 2026-11-23 08:00:00 UTC, in ms.
pub const MORNING: u64 = 1_795_420_800_000;

pub fn agent(id: &str) -> AgentId {
    AgentId::new(id).unwrap()
}
pub fn queue(id: &str) -> QueueId {
    QueueId::new(id).unwrap()
}
pub fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}
pub fn skill(id: &str) -> SkillId {
    SkillId::new(id).unwrap()
}
pub fn contact(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}
pub fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).unwrap()
}
pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}
pub fn seconds(n: u64) -> Millis {
    Millis::seconds(n)
}
pub fn grade(n: u32) -> Grade {
    Grade::new(n).unwrap()
}
pub fn requires(list: &[(&str, u32)]) -> Requirements {
    let each = |(id, level): &(&str, u32)| Requirement {
        skill: skill(id),
        level: SkillLevel::new(*level).unwrap(),
    };
    list.iter().map(each).collect::<Vec<_>>().into()
}

/// An agent of a city who serves these queues.
pub fn roster_entry(id: &str, home: &str, queues: &[(&str, u32)]) -> AgentConfig {
    AgentConfig {
        id: agent(id),
        name: label(id),
        home_site: site(home),
        skills: Vec::new(),
        queues: queues
            .iter()
            .map(|(q, g)| Assignment { queue: queue(q), grade: grade(*g) })
            .collect(),
        capacity: Capacity::default(),
    }
}

/// A queue with the defaults and its id as name.
pub fn queue_config(id: &str) -> QueueConfig {
    QueueConfig::new(queue(id), label(id))
}

/// An enqueue of a call with the defaults.
pub fn call(id: &str, to: &str) -> Enqueue {
    Enqueue {
        contact: contact(id),
        queue: queue(to),
        channel: Channel::Voice,
        priority: Priority::new(0).unwrap(),
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    }
}

/// An e-mail, a chat …
pub fn other(channel: Channel, id: &str, to: &str) -> Enqueue {
    Enqueue { channel, ..call(id, to) }
}

/// Every channel there is.
pub fn all_channels() -> Channels {
    Channels::of(&Channel::ALL)
}

/// A step that begins this late.
pub fn step_at(after: u64) -> Step {
    Step { after: seconds(after), ..Step::default() }
}

/// Drains a city: deadline in 60 s, expiry in 600 s, nothing called back, nothing cut.
pub fn drain(city: &str) -> SiteCommand {
    SiteCommand::Drain {
        site: site(city),
        deadline: seconds(60),
        expiry: seconds(600),
        callback: false,
        force: false,
        expected: None,
    }
}

/// To a queue.
pub fn to_queue(id: &str) -> TransferTarget {
    TransferTarget::Queue(queue(id))
}

/// To an agent.
pub fn to_agent(id: &str) -> TransferTarget {
    TransferTarget::Agent(agent(id))
}

/// A contact centre and its clock.
pub struct Scene {
    pub centre: Centre,
    pub now: u64,
    pub index: u64,
    /// Everything that happened.
    pub events: Vec<Event>,
    /// Everything that was asked, by stamp, to be replayed.
    pub log: Vec<(LogTime, Vec<Submission>)>,
}

impl Scene {
    /// A centre that is not initialised yet.
    pub fn blank() -> Self {
        let (events, log) = (Vec::new(), Vec::new());
        Self { centre: Centre::new(), now: MORNING, index: 0, events, log }
    }

    /// Cities kyiv (node 1), lviv (node 2), dnipro (node 3); one ingress each (`edge-kyiv` …),
    /// the operator `olena` with every role that people have, the gateway `desk`; no queues.
    pub fn new() -> Self {
        let mut scene = Self::blank();
        scene.must(
            "olena",
            ClusterCommand::Init {
                cluster: label("test"),
                site: site("kyiv"),
                admin: principal("olena"),
                replay: false,
            },
        );
        for city in ["lviv", "dnipro"] {
            let config = SiteConfig::new(site(city), label(city));
            scene.must("olena", SiteCommand::Put { config, expected: None });
            scene.must("olena", SiteCommand::AddNode { site: site(city) });
        }
        for city in ["kyiv", "lviv", "dnipro"] {
            scene.grant(&format!("edge-{city}"), &[Role::Ingress], Some(city));
        }
        scene.grant("desk", &[Role::Gateway], None);
        scene
    }

    pub fn grant(&mut self, who: &str, roles: &[Role], at: Option<&str>) {
        let command = ConfigCommand::PutPrincipal {
            principal: principal(who),
            roles: Roles::of(roles),
            site: at.map(site),
            expected: None,
        };
        self.must("olena", command);
    }

    /// Applies a command in an entry of its own, now, and checks every invariant.
    pub fn try_as(&mut self, who: &str, command: impl Into<Command>) -> Result<Reply, Rejection> {
        self.submit(Submission::new(principal(who), command.into()))
    }

    pub fn submit(&mut self, submission: Submission) -> Result<Reply, Rejection> {
        self.entry(vec![submission]).remove(0)
    }

    /// Applies several commands in one entry.
    pub fn entry(&mut self, submissions: Vec<Submission>) -> Vec<Result<Reply, Rejection>> {
        self.index += 1;
        let stamp = LogTime(self.now);
        self.log.push((stamp, submissions.clone()));
        self.centre.begin(self.index, stamp);
        let mut answers = Vec::new();
        for submission in submissions {
            answers.push(self.centre.execute(submission, &mut self.events));
        }
        self.centre.end(&mut self.events);
        self.centre.check_invariants().unwrap();
        answers
    }

    /// The same, and it must be carried out.
    pub fn must(&mut self, who: &str, command: impl Into<Command>) -> Reply {
        let command = command.into();
        match self.try_as(who, command.clone()) {
            Ok(reply) => reply,
            Err(rejection) => panic!("{who}: {command:?}: {rejection}"),
        }
    }

    /// The same, and it must be refused without a trace.
    pub fn refused(&mut self, who: &str, command: impl Into<Command>) -> Rejection {
        self.must("node-1", ClusterCommand::Tick);
        let before = self.centre.state_hash();
        let rejection = self.try_as(who, command).expect_err("must be refused");
        assert_eq!(self.centre.state_hash(), before, "a refused command leaves no trace");
        rejection
    }

    /// Lets time pass; deadlines fire when they are due, as the leader's ticks make them.
    pub fn pass(&mut self, time: Millis) {
        let end = self.now + time.0;
        while let Some(next) = self.centre.next_deadline().filter(|next| next.0 <= end) {
            self.now = self.now.max(next.0);
            self.must("node-1", ClusterCommand::Tick);
        }
        self.now = end;
        self.must("node-1", ClusterCommand::Tick);
    }

    // -- Configuration ------------------------------------------------------------------------------

    pub fn put_queue(&mut self, config: QueueConfig) {
        self.must("olena", ConfigCommand::PutQueue { config, expected: None });
    }

    pub fn put_agent(&mut self, config: AgentConfig) {
        self.must("olena", ConfigCommand::PutAgent { config, expected: None });
    }

    pub fn put_skill(&mut self, id: &str) {
        let command = ConfigCommand::PutSkill { skill: skill(id), name: label(id), expected: None };
        self.must("olena", command);
    }

    // -- Sites --------------------------------------------------------------------------------------

    pub fn site_state(&self, city: &str) -> &'static str {
        self.centre.site(&site(city)).unwrap().state.word()
    }

    pub fn suspect(&mut self, city: &str) {
        self.must("node-1", SiteCommand::Suspect { site: site(city) });
    }

    pub fn lose(&mut self, city: &str) {
        self.must("node-1", SiteCommand::Lost { site: site(city) });
    }

    pub fn caught_up(&mut self, city: &str) {
        self.must("node-1", SiteCommand::CaughtUp { site: site(city) });
    }

    /// Drains a city: deadline in 60 s, expiry in 600 s, nothing called back, nothing cut.
    pub fn drain(&mut self, city: &str) {
        self.must("olena", drain(city));
    }

    pub fn attach(&mut self, ingress: &str, city: &str) {
        let (ingress, node) = (principal(ingress), Self::node_of(city));
        self.must("node-1", ContactCommand::Attach { ingress, node });
    }

    pub fn detach(&mut self, ingress: &str, city: &str) {
        let (ingress, node) = (principal(ingress), Self::node_of(city));
        self.must("node-1", ContactCommand::Detach { ingress, node });
    }

    /// A re-attached ingress says what it still has.
    pub fn reattach(&mut self, ingress: &str, contacts: &[&str]) -> Vec<Verdict> {
        let held = |id: &&str| HeldContact { contact: contact(id), token: None };
        let contacts = contacts.iter().map(held).collect();
        match self.must(ingress, ContactCommand::Reattach { contacts }) {
            Reply::Verdicts(verdicts) => verdicts,
            other => panic!("{other:?}"),
        }
    }

    // -- Agents -------------------------------------------------------------------------------------

    /// The node of a city in [`Scene::new`].
    pub fn node_of(city: &str) -> NodeId {
        NodeId(match city {
            "kyiv" => 1,
            "lviv" => 2,
            "dnipro" => 3,
            other => panic!("no node at {other}"),
        })
    }

    pub fn log_in(&mut self, id: &str, city: &str) -> SessionEpoch {
        let command = AgentCommand::LogIn { agent: agent(id), node: Self::node_of(city) };
        match self.must(id, command) {
            Reply::LoggedIn { epoch, .. } => epoch,
            other => panic!("{other:?}"),
        }
    }

    pub fn epoch(&self, id: &str) -> SessionEpoch {
        self.centre.agent(&agent(id)).unwrap().session.unwrap().epoch
    }

    pub fn ready(&mut self, id: &str) {
        let command = AgentCommand::Ready { agent: agent(id), epoch: self.epoch(id) };
        self.must(id, command);
    }

    pub fn not_ready(&mut self, id: &str, reason: &str) {
        let epoch = self.epoch(id);
        let reason = label(reason);
        self.must(id, AgentCommand::NotReady { agent: agent(id), epoch, reason });
    }

    pub fn log_out(&mut self, id: &str) {
        let command = AgentCommand::LogOut { agent: agent(id), epoch: self.epoch(id) };
        self.must(id, command);
    }

    /// The agent's node reports the connection lost.
    pub fn lose_session(&mut self, id: &str) {
        let command = AgentCommand::SessionLost { agent: agent(id), epoch: self.epoch(id) };
        self.must("node-1", command);
    }

    pub fn presence(&self, id: &str) -> &Presence {
        &self.centre.agent(&agent(id)).unwrap().presence
    }

    /// Puts an agent on the roster, logs in and gets ready.
    pub fn staff(&mut self, id: &str, city: &str, queues: &[(&str, u32)]) {
        self.hire(roster_entry(id, city, queues));
    }

    /// The same with any roster entry; the agent works at home.
    pub fn hire(&mut self, config: AgentConfig) {
        let (id, city) = (config.id.to_string(), config.home_site.to_string());
        self.put_agent(config);
        self.log_in(&id, &city);
        self.ready(&id);
    }

    // -- Contacts -----------------------------------------------------------------------------------

    /// A call arrives at a city.
    pub fn call(&mut self, id: &str, to: &str, city: &str) {
        self.enqueue(call(id, to), city);
    }

    pub fn enqueue(&mut self, enqueue: Enqueue, city: &str) {
        self.must(&format!("edge-{city}"), ContactCommand::Enqueue(enqueue));
    }

    pub fn hang_up(&mut self, id: &str, city: &str) {
        self.must(&format!("edge-{city}"), ContactCommand::HangUp { contact: contact(id) });
    }

    pub fn contact(&self, id: &str) -> &Contact {
        self.centre.contact(&contact(id)).unwrap_or_else(|| panic!("{id} is not live"))
    }

    pub fn state(&self, id: &str) -> &'static str {
        self.centre.contact(&contact(id)).map_or("closed", |c| c.stage.word())
    }

    /// The agent a contact is with.
    pub fn with(&self, id: &str) -> Option<String> {
        let with = self.centre.contact(&contact(id))?.stage.engagement()?;
        Some(self.centre.tables().agent(with.agent).id().to_string())
    }

    pub fn token(&self, id: &str) -> OfferToken {
        let stage = self.contact(id).stage;
        stage.engagement().unwrap_or_else(|| panic!("{id} is {}", stage.word())).token
    }

    pub fn work(&mut self, id: &str, command: impl FnOnce(ContactId, OfferToken) -> WorkCommand) {
        let agent = self.with(id).expect("the contact is with an agent");
        let command = command(contact(id), self.token(id));
        self.must(&agent, command);
    }

    pub fn accept(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::Accept { contact, token });
    }

    pub fn decline(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::Decline { contact, token });
    }

    pub fn bridge(&mut self, id: &str) {
        let command = ContactCommand::Bridged { contact: contact(id), token: self.token(id) };
        let ingress = self.contact(id).ingress.to_string();
        self.must(&ingress, command);
    }

    pub fn bridge_fails(&mut self, id: &str) {
        let command = ContactCommand::BridgeFailed { contact: contact(id), token: self.token(id) };
        let ingress = self.contact(id).ingress.to_string();
        self.must(&ingress, command);
    }

    pub fn hold(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::Hold { contact, token });
    }

    pub fn retrieve(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::Retrieve { contact, token });
    }

    pub fn transfer(&mut self, id: &str, to: TransferTarget) {
        self.work(id, |contact, token| WorkCommand::Transfer { contact, token, to });
    }

    pub fn consult(&mut self, id: &str, second: &str, to: TransferTarget) {
        let consult = contact(second);
        self.work(id, |contact, token| WorkCommand::Consult { contact, token, consult, to });
    }

    /// Accepted and bridged.
    pub fn connect(&mut self, id: &str) {
        self.accept(id);
        self.bridge(id);
    }

    /// Accepted, of a channel that needs no bridging.
    pub fn connect_chat(&mut self, id: &str) {
        self.accept(id);
        assert_eq!(self.state(id), "connected");
    }

    pub fn end(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::End { contact, token });
    }

    pub fn complete(&mut self, id: &str) {
        self.work(id, |contact, token| WorkCommand::Complete {
            contact,
            token,
            disposition: None,
            resolved: None,
        });
    }

    // -- What happened --------------------------------------------------------------------------------

    /// Everything that happened to a contact.
    pub fn history(&self, id: &str) -> Vec<&ContactEvent> {
        let mut history = Vec::new();
        for event in &self.events {
            match event {
                Event::Contact { contact, what } if contact.as_str() == id => history.push(what),
                _ => {}
            }
        }
        history
    }

    /// How the offers of a contact that came to nothing ended, in order.
    pub fn offer_ends(&self, id: &str) -> Vec<OfferEnd> {
        let end = |what: &ContactEvent| match what {
            ContactEvent::OfferEnded { end, .. } => Some(*end),
            _ => None,
        };
        self.history(id).into_iter().filter_map(end).collect()
    }

    /// Who was offered a contact, in order.
    pub fn offered_to(&self, id: &str) -> Vec<String> {
        let to = |what: &ContactEvent| match what {
            ContactEvent::Offered { agent, .. } => Some(agent.to_string()),
            _ => None,
        };
        self.history(id).into_iter().filter_map(to).collect()
    }

    /// Why the contact's last offer went where it went.
    pub fn reason(&self, id: &str) -> OfferReason {
        let reason = |what: &ContactEvent| match what {
            ContactEvent::Offered { reason, .. } => Some(*reason),
            _ => None,
        };
        self.history(id).into_iter().filter_map(reason).next_back().expect("it was offered")
    }

    /// Acts of administration, as audited.
    pub fn audit(&self) -> Vec<&AuditRecord> {
        let all = self.events.iter().filter_map(|event| match event {
            Event::Audit(record) => Some(&**record),
            _ => None,
        });
        all.collect()
    }

    /// Everything that happened to an agent.
    pub fn agent_history(&self, id: &str) -> Vec<&AgentEvent> {
        let mut history = Vec::new();
        for event in &self.events {
            match event {
                Event::Agent { agent, what } if agent.as_str() == id => history.push(what),
                _ => {}
            }
        }
        history
    }

    /// The record of a closed contact.
    pub fn record(&self, id: &str) -> &ContactRecord {
        let closed = self.history(id).into_iter().find_map(|what| match what {
            ContactEvent::Closed(record) => Some(&**record),
            _ => None,
        });
        closed.unwrap_or_else(|| panic!("{id} is not closed"))
    }
}
