//! A contact centre under load, for benchmarks: half of the agents are busy and their queues are
//! full, the other half is free.
//!
//! Agents of a class have the same site, grades and skills; contacts of a class ask for the same
//! level of the same language. A contact fits about half of the classes of its half.

#![allow(dead_code, reason = "each benchmark uses a part of it")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark looks at the clock, the state machine does not"
)]

use acd::Centre;
use acd::channel::{Channel, Channels};
use acd::codec::{decode_submission, encode_submission};
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, Request,
    SiteCommand, Submission, WorkCommand,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirement, Requirements,
    SiteConfig, SkillLevel,
};
use acd::event::{ContactEvent, Event};
use acd::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, RequestId, SiteId, SkillId,
};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};
use prost::Message;
use proto::stored::v1 as stored;

const SITES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
const QUEUES: usize = 10;
const LANGUAGES: usize = 5;
/// Commands in one log entry, as a leader batches them.
pub const ENTRY: usize = 64;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub agents: usize,
    /// Supply classes; as many as agents: every agent is unlike any other.
    pub classes: usize,
    pub waiting: usize,
}

/// Where design says it should be: 10,000 agents, 500 classes, 100,000 waiting.
pub const DESIGN: Size = Size { agents: 10_000, classes: 500, waiting: 100_000 };
/// Ten times the agents.
pub const TENFOLD: Size = Size { agents: 100_000, ..DESIGN };
/// Every agent unique.
pub const UNIQUE: Size = Size { classes: 10_000, ..DESIGN };

pub struct Load {
    pub centre: Centre,
    events: Vec<Event>,
    index: u64,
    now: u64,
    calls: u64,
    ingress: PrincipalId,
    desk: PrincipalId,
    attributes: Attributes,
    /// Contacts in conversation in the busy half, to be completed in turn.
    busy: Vec<(ContactId, OfferToken)>,
    /// Commands in one log entry.
    pub entry: usize,
    /// How long decoding and applying took, for each entry since this was emptied last.
    pub times: Vec<std::time::Duration>,
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// Which half of the centre.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Busy,
    Idle,
}

fn queue_id(half: Half, number: usize) -> QueueId {
    let half = if half == Half::Busy { "busy" } else { "idle" };
    QueueId::new(&format!("{half}{}", number % QUEUES)).unwrap()
}

fn skill(kind: &str, number: usize) -> SkillId {
    SkillId::new(&format!("{kind}{number}")).unwrap()
}

impl Load {
    pub fn new(size: Size) -> Self {
        let pair = stored::Attribute { name: "note".into(), value: "x".repeat(244) };
        let attributes = stored::Attributes { items: vec![pair] }.encode_to_vec();
        assert_eq!(attributes.len(), 256);
        let mut load = Self {
            centre: Centre::new(),
            events: Vec::new(),
            index: 0,
            now: 1_795_420_800_000,
            calls: 0,
            ingress: PrincipalId::new("edge").unwrap(),
            desk: PrincipalId::new("desk").unwrap(),
            attributes: Attributes::new(&attributes).unwrap(),
            busy: Vec::new(),
            entry: ENTRY,
            times: Vec::new(),
        };
        load.centre.reserve(size.waiting * 2 + size.agents, size.agents);
        load.configure();
        load.staff(size);
        if size.waiting > 0 {
            load.occupy(size); // Otherwise nobody calls, and agents are measured alone.
        }
        load
    }

    fn must(&mut self, who: &str, command: impl Into<Command>) -> Reply {
        self.index += 1;
        let submission = Submission::new(PrincipalId::new(who).unwrap(), command.into());
        let stamp = LogTime(self.now);
        self.events.clear();
        self.centre.apply(self.index, stamp, submission, &mut self.events).unwrap()
    }

    fn configure(&mut self) {
        let site = |name: &str| SiteId::new(name).unwrap();
        self.must(
            "root",
            ClusterCommand::Init {
                cluster: label("load"),
                site: site(SITES[0]),
                admin: PrincipalId::new("root").unwrap(),
                replay: false,
            },
        );
        for name in &SITES[1..] {
            let config = SiteConfig::new(site(name), label(name));
            self.must("root", SiteCommand::Put { config, expected: None });
            self.must("root", SiteCommand::AddNode { site: site(name) });
        }
        for (who, role) in [("edge", Role::Ingress), ("desk", Role::Gateway)] {
            let command = ConfigCommand::PutPrincipal {
                principal: PrincipalId::new(who).unwrap(),
                roles: Roles::of(&[role]),
                site: Some(site(SITES[0])),
                expected: None,
            };
            self.must("root", command);
        }
        for (kind, count) in [("language", LANGUAGES), ("p", 100), ("r", 100)] {
            for number in 0..count {
                let skill = skill(kind, number);
                let name = label(skill.as_str());
                self.must("root", ConfigCommand::PutSkill { skill, name, expected: None });
            }
        }
        for half in [Half::Busy, Half::Idle] {
            for number in 0..QUEUES {
                let id = queue_id(half, number);
                let name = label(id.as_str());
                let config = QueueConfig {
                    channels: Channels::of(&[Channel::Message]),
                    wrap_up: Millis::ZERO,
                    offer_timeout: Millis::hours(24),
                    ..QueueConfig::new(id, name)
                };
                self.must("root", ConfigCommand::PutQueue { config, expected: None });
            }
        }
    }

    /// Puts agents on the roster, logs them in and gets them ready.
    fn staff(&mut self, size: Size) {
        for number in 0..size.agents {
            let half = if number % 2 == 0 { Half::Busy } else { Half::Idle };
            let class = number / 2 % (size.classes / 2);
            let level = |n: usize| SkillLevel::new(n as u32).unwrap();
            let mut skills: Vec<_> = (0..LANGUAGES)
                .map(|l| (skill("language", l), level(1 + (class * 7 + l * 3) % 10)))
                .collect();
            skills.push((skill("p", class % 100), level(1)));
            skills.push((skill("r", class / 100), level(1)));
            let grade = |q: usize| Grade::new(1 + ((class + q) % 3) as u32).unwrap();
            let id = AgentId::new(&format!("agent{number}")).unwrap();
            let site = SITES[class % SITES.len()];
            let config = AgentConfig {
                name: label(id.as_str()),
                home_site: SiteId::new(site).unwrap(),
                skills,
                queues: (0..QUEUES)
                    .map(|q| Assignment { queue: queue_id(half, q), grade: grade(q) })
                    .collect(),
                capacity: Capacity { max: [0, 0, 0, 1], ..Capacity::default() },
                id: id.clone(),
            };
            self.must("root", ConfigCommand::PutAgent { config, expected: None });
            let node = NodeId(1 + (class % SITES.len()) as u64);
            let reply = self.must("desk", AgentCommand::LogIn { agent: id.clone(), node });
            let Reply::LoggedIn { epoch, .. } = reply else { unreachable!() };
            self.must("desk", AgentCommand::Ready { agent: id, epoch });
        }
    }

    /// A conversation for each agent of the busy half, then the waiting contacts.
    fn occupy(&mut self, size: Size) {
        for _ in 0..size.agents.div_ceil(2) {
            let enqueue = self.enqueue(Half::Busy, false);
            self.run(vec![enqueue]);
            self.accept_offered();
        }
        for _ in 0..size.waiting / 1_000 {
            let batch = (0..1_000).map(|_| self.enqueue(Half::Busy, true)).collect();
            self.run(batch);
            assert!(self.offers().is_empty(), "the busy half is busy");
        }
    }

    fn enqueue(&mut self, half: Half, picky: bool) -> Vec<u8> {
        self.calls += 1;
        let n = self.calls as usize;
        let requirement = Requirement {
            skill: skill("language", n / QUEUES % LANGUAGES),
            level: SkillLevel::new(2 + 2 * (n / QUEUES / LANGUAGES % 5) as u32).unwrap(),
        };
        let requirements =
            if picky { Requirements::from([requirement]) } else { Requirements::default() };
        let enqueue = Enqueue {
            contact: ContactId::new(&format!("0193b2f0-1c3e-7a44-9c1d-{n:012}")).unwrap(),
            queue: queue_id(half, n),
            channel: Channel::Message,
            priority: Priority::default(),
            site: None,
            requirements,
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: self.attributes.clone(),
        };
        self.encode(true, ContactCommand::Enqueue(enqueue))
    }

    fn encode(&self, by_ingress: bool, command: impl Into<Command>) -> Vec<u8> {
        let who = if by_ingress { &self.ingress } else { &self.desk };
        encode_submission(&Submission::new(who.clone(), command.into()))
    }

    fn offers(&self) -> Vec<(ContactId, OfferToken)> {
        let offered = |event: &Event| match event {
            Event::Contact { contact, what: ContactEvent::Offered { token, .. } } => {
                Some((contact.clone(), *token))
            }
            _ => None,
        };
        self.events.iter().filter_map(offered).collect()
    }

    /// Accepts what was offered in the last run; those contacts are in conversation now.
    fn accept_offered(&mut self) {
        let offers = self.offers();
        let accepts = offers.iter().map(|offer| self.accept(offer)).collect();
        self.run(accepts);
        self.busy.extend(offers);
    }

    fn accept(&self, (contact, token): &(ContactId, OfferToken)) -> Vec<u8> {
        self.encode(false, WorkCommand::Accept { contact: contact.clone(), token: *token })
    }

    fn complete(&self, (contact, token): &(ContactId, OfferToken)) -> Vec<u8> {
        let command = WorkCommand::Complete {
            contact: contact.clone(),
            token: *token,
            disposition: None,
            resolved: None,
        };
        self.encode(false, command)
    }

    /// Decodes and applies encoded commands, entries a millisecond apart.
    fn run(&mut self, commands: Vec<Vec<u8>>) {
        self.events.clear();
        for entry in commands.chunks(self.entry) {
            let start = std::time::Instant::now();
            self.index += 1;
            self.now += 1;
            self.centre.begin(self.index, LogTime(self.now));
            for bytes in entry {
                let submission = decode_submission(bytes).unwrap();
                self.centre.execute(submission, &mut self.events).unwrap();
            }
            self.centre.end(&mut self.events);
            self.times.push(start.elapsed());
        }
    }

    /// Asks for as many changes of configuration, each under a request of its own.
    pub fn ask(&mut self, requests: usize) {
        for n in 0..requests {
            self.index += 1;
            let command = ConfigCommand::PutSkill {
                skill: skill("language", 0),
                name: label("another name"),
                expected: None,
            };
            let issued_at = LogTime(self.now);
            let mut submission = Submission::new(PrincipalId::new("root").unwrap(), command.into());
            submission.request = Some(Request { id: RequestId(n as u128), issued_at });
            self.events.clear();
            self.centre.apply(self.index, issued_at, submission, &mut self.events).unwrap();
        }
    }

    /// Runs commands and says how long only that took.
    fn timed(&mut self, commands: Vec<Vec<u8>>) -> std::time::Duration {
        let start = std::time::Instant::now();
        self.run(commands);
        start.elapsed()
    }

    /// `n` contacts in each half are enqueued, accepted and completed: 6 n commands. The time is
    /// that of decoding and applying, not of making the commands.
    pub fn round(&mut self, n: usize) -> std::time::Duration {
        let mut time = std::time::Duration::ZERO;
        // Idle half: each arrival finds its agent at once.
        let arrivals = (0..n).map(|_| self.enqueue(Half::Idle, true)).collect();
        time += self.timed(arrivals);
        let offers = self.offers();
        assert_eq!(offers.len(), n, "the idle half has somebody for everybody");
        let accepts = offers.iter().map(|o| self.accept(o)).collect();
        time += self.timed(accepts);
        let completes = offers.iter().map(|o| self.complete(o)).collect();
        time += self.timed(completes);
        // Busy half: each agent who gets free takes who waits longest; a new contact arrives.
        let arrivals = (0..n).map(|_| self.enqueue(Half::Busy, true)).collect();
        time += self.timed(arrivals);
        let done: Vec<_> = self.busy.drain(..n).collect();
        let completes = done.iter().map(|o| self.complete(o)).collect();
        time += self.timed(completes);
        let offers = self.offers();
        assert_eq!(offers.len(), n, "the busy half has somebody waiting for everybody");
        let accepts = offers.iter().map(|o| self.accept(o)).collect();
        time += self.timed(accepts);
        self.busy.extend(offers);
        time
    }

    /// Contacts whose demand has free agents: some that were just offered, left unanswered.
    pub fn probes_for_agents(&mut self, n: usize) -> Vec<ContactId> {
        let arrivals = (0..n).map(|_| self.enqueue(Half::Idle, true)).collect();
        self.run(arrivals);
        self.offers().into_iter().map(|(contact, _)| contact).collect()
    }

    /// Agents of the busy half.
    pub fn probes_for_contacts(&self, n: usize) -> Vec<AgentId> {
        (0..n).map(|i| AgentId::new(&format!("agent{}", i * 2)).unwrap()).collect()
    }
}
