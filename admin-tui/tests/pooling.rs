//! Why one global queue: the contact centre, fed with random calls, does what queueing theory
//! says. Three cities of 10 erlangs with 12 agents each, apart and together; no caller gives up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use acd::Centre;
use acd::channel::{Channel, Channels};
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, Submission,
    WorkCommand,
};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::event::{ContactEvent, Event};
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SiteId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};

/// Mean conversation, in seconds.
const HANDLING_S: f64 = 180.0;
/// Offered load of one city, in erlangs.
const LOAD: f64 = 10.0;
/// Answered within this is answered in time, in seconds.
const TARGET_S: f64 = 20.0;
const CITIES: usize = 3;
const CALLS: usize = 30_000;
/// Calls before the queue is as full as it usually is.
const WARM_UP: usize = 2_000;

/// Erlang C: the probability of waiting (Erlang 1917), then service level and mean wait from it.
fn erlang_c(agents: u32, load: f64) -> (f64, f64) {
    // Erlang B by its recursion, which does not overflow.
    let blocked = (1..=agents).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let spare = f64::from(agents) - load;
    let waits = f64::from(agents) * blocked / (spare + load * blocked);
    let level = 1.0 - waits * (-spare * TARGET_S / HANDLING_S).exp();
    (level, waits * HANDLING_S / spare)
}

/// Chance that is the same on every run.
struct Dice(u64);

impl Dice {
    fn exponential_ms(&mut self, mean_s: f64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (-uniform.ln() * mean_s * 1_000.0) as u64
    }
}

struct Simulation {
    centre: Centre,
    index: u64,
    now: u64,
    events: Vec<Event>,
    dice: Dice,
    /// Ends of conversations.
    ends: BinaryHeap<Reverse<(u64, ContactId, OfferToken)>>,
    /// Seconds each call waited, in the order of the answers.
    waits: Vec<f64>,
}

fn slug<T>(new: impl Fn(&str) -> Result<T, acd::rejection::Rejection>, text: &str) -> T {
    new(text).expect("a slug")
}

impl Simulation {
    /// `agents` in each of `queues`.
    fn new(queues: usize, agents: usize) -> Self {
        let mut s = Self {
            centre: Centre::new(),
            index: 0,
            now: 0,
            events: Vec::new(),
            dice: Dice(3),
            ends: BinaryHeap::new(),
            waits: Vec::new(),
        };
        let site = slug(SiteId::new, "kyiv");
        let label = |text: &str| Label::new(text).expect("a label");
        let root = slug(PrincipalId::new, "root");
        let cluster = label("pooling");
        s.must(
            "root",
            ClusterCommand::Init { cluster, site: site.clone(), admin: root, replay: false },
        );
        let roles = Roles::of(&[Role::Gateway, Role::Ingress]);
        let principal = slug(PrincipalId::new, "edge");
        let at = Some(site.clone());
        s.must("root", ConfigCommand::PutPrincipal { principal, roles, site: at, expected: None });
        for queue in 0..queues {
            let id = slug(QueueId::new, &format!("q{queue}"));
            let config = QueueConfig {
                channels: Channels::of(&[Channel::Message]),
                wrap_up: Millis::ZERO,
                ..QueueConfig::new(id.clone(), label("queue"))
            };
            s.must("root", ConfigCommand::PutQueue { config, expected: None });
            for number in 0..agents {
                let agent = slug(AgentId::new, &format!("a{queue}-{number}"));
                let grade = Grade::new(1).expect("a grade");
                let config = AgentConfig {
                    id: agent.clone(),
                    name: label("agent"),
                    home_site: site.clone(),
                    skills: Vec::new(),
                    queues: vec![Assignment { queue: id.clone(), grade }],
                    capacity: Capacity { max: [0, 0, 0, 1], ..Capacity::default() },
                };
                s.must("root", ConfigCommand::PutAgent { config, expected: None });
                let log_in = AgentCommand::LogIn { agent: agent.clone(), node: NodeId(1) };
                let Reply::LoggedIn { epoch, .. } = s.must("edge", log_in) else { unreachable!() };
                s.must("edge", AgentCommand::Ready { agent, epoch });
            }
        }
        s
    }

    fn must(&mut self, who: &str, command: impl Into<Command>) -> Reply {
        self.index += 1;
        let submission = Submission::new(slug(PrincipalId::new, who), command.into());
        let stamp = LogTime(self.now);
        let reply = self.centre.apply(self.index, stamp, submission, &mut self.events);
        for event in std::mem::take(&mut self.events) {
            let Event::Contact { contact, what } = event else { continue };
            match what {
                ContactEvent::Offered { token, .. } => {
                    self.must("edge", WorkCommand::Accept { contact, token });
                }
                ContactEvent::Connected { token, waited, .. } => {
                    self.waits.push(waited.0 as f64 / 1_000.0);
                    let end = self.now + self.dice.exponential_ms(HANDLING_S);
                    self.ends.push(Reverse((end, contact, token)));
                }
                _ => {}
            }
        }
        reply.expect("carried out")
    }

    fn end_until(&mut self, time: u64) {
        while self.ends.peek().is_some_and(|Reverse((end, ..))| *end <= time) {
            let Some(Reverse((end, contact, token))) = self.ends.pop() else { break };
            self.now = end;
            let (disposition, resolved) = (None, None);
            self.must("edge", WorkCommand::Complete { contact, token, disposition, resolved });
        }
        self.now = time;
    }

    /// Calls come to the queues in turn by chance; service level and mean wait.
    fn run(mut self, queues: usize) -> (f64, f64) {
        let between_s = HANDLING_S / (LOAD * CITIES as f64);
        for number in 0..CALLS {
            let next = self.now + self.dice.exponential_ms(between_s);
            self.end_until(next);
            let queue = (self.dice.exponential_ms(1e6) as usize) % queues;
            let enqueue = Enqueue {
                contact: ContactId::new(&format!("c{number}")).expect("an id"),
                queue: slug(QueueId::new, &format!("q{queue}")),
                channel: Channel::Message,
                priority: Priority::default(),
                site: None,
                requirements: Requirements::default(),
                preferred: None,
                preferred_wait: None,
                not_before: None,
                attributes: Attributes::default(),
            };
            self.must("edge", ContactCommand::Enqueue(enqueue));
        }
        let waits = &self.waits[WARM_UP..];
        let in_time = waits.iter().filter(|wait| **wait <= TARGET_S).count();
        let count = waits.len() as f64;
        (in_time as f64 / count, waits.iter().sum::<f64>() / count)
    }
}

#[test]
fn erlang_c_agrees_with_the_published_numbers() {
    let (level, asa) = erlang_c(12, 10.0);
    assert!((level - 0.6402).abs() < 1e-4 && (asa - 40.4).abs() < 0.1, "{level} {asa}");
    let (level, asa) = erlang_c(36, 30.0);
    assert!((level - 0.8912).abs() < 1e-4 && (asa - 6.4).abs() < 0.1, "{level} {asa}");
}

#[test]
fn three_cities_together_answer_faster_than_apart_and_both_as_theory_says() {
    for (queues, agents) in [(3, 12), (1, 36)] {
        let (level, asa) = Simulation::new(queues, agents).run(queues);
        let (expected, expected_asa) =
            erlang_c(agents as u32, LOAD * CITIES as f64 / queues as f64);
        println!(
            "{queues} queues: {level:.4} (theory {expected:.4}), {asa:.1} s ({expected_asa:.1} s)"
        );
        // 28,000 calls that depend on each other: a few points of chance remain.
        assert!((level - expected).abs() < 0.04, "{queues}: {level} {expected}");
        assert!((asa / expected_asa - 1.0).abs() < 0.3, "{queues}: {asa} {expected_asa}");
    }
}
