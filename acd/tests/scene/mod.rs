//! A contact centre for tests: three cities, a few words to act in it, and every invariant
//! checked after every command.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use acd::Centre;
use acd::channel::Channel;
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, SiteCommand,
    Submission, WorkCommand,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirement, Requirements,
    SiteConfig, SkillLevel,
};
use acd::contact::Contact;
use acd::event::{AgentEvent, ContactEvent, Event};
use acd::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SessionEpoch, SiteId, SkillId,
};
use acd::record::ContactRecord;
use acd::rejection::Rejection;
use acd::reply::Reply;
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

/// A contact centre and its clock.
pub struct Scene {
    pub centre: Centre,
    pub now: u64,
    pub index: u64,
    /// Everything that happened.
    pub events: Vec<Event>,
}

impl Scene {
    /// Cities kyiv (node 1), lviv (node 2), dnipro (node 3); one ingress each (`edge-kyiv` …),
    /// the operator `olena` with every role that people have, the gateway `desk`; no queues.
    pub fn new() -> Self {
        let centre = Centre::new();
        let mut scene = Self { centre, now: MORNING, index: 0, events: Vec::new() };
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
        self.index += 1;
        let stamp = LogTime(self.now);
        let outcome = self.centre.apply(self.index, stamp, submission, &mut self.events);
        self.centre.check_invariants().unwrap();
        outcome
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

    /// Puts an agent on the roster, logs in and gets ready.
    pub fn staff(&mut self, id: &str, city: &str, queues: &[(&str, u32)]) {
        self.put_agent(roster_entry(id, city, queues));
        self.log_in(id, city);
        self.ready(id);
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

    /// Accepted and bridged.
    pub fn connect(&mut self, id: &str) {
        self.accept(id);
        self.bridge(id);
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
