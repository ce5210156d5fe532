//! A contact centre under load: as many agents as told, half of them in conversation, with
//! contacts waiting for them, half of them free.
//!
//! The same shape as that of the state machine's own benchmarks (`acd/benches/load`): ten queues
//! for each half, seven skills an agent, 500 classes of agents, 256 bytes of attributes a contact.

use acd::channel::{Channel, Channels};
use acd::codec::encode_submission;
use acd::command::{
    AgentCommand, Command, ConfigCommand, ContactCommand, Enqueue, Submission, WorkCommand,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirement, Requirements,
    SkillLevel,
};
use acd::contact::Contact;
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, QueueId, SiteId, SkillId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::Millis;
use bytes::Bytes;
use node::submit::{Answer, Class, ReplyTo, Submitted, leads_its_entry};
use prost::Message;
use proto::stored::v1 as stored;
use tokio::sync::mpsc;

use super::{ADMIN, Running, SITES};

const QUEUES: usize = 10;
const LANGUAGES: usize = 5;
const CLASSES: usize = 500;
/// Commands under way at a time while a centre is filled.
const WINDOW: usize = 8_192;
/// Who sends commands: an edge and a desk in one.
pub const CLIENT: &str = "load";

/// How large a centre is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub agents: usize,
    pub waiting: usize,
}

/// As the design says it should be.
pub const DESIGN: Size = Size { agents: 10_000, waiting: 100_000 };

/// Which half of the centre.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Half {
    Busy,
    Free,
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a proper label")
}

fn principal(name: &str) -> PrincipalId {
    PrincipalId::new(name).expect("a proper principal")
}

fn queue_id(half: Half, number: usize) -> QueueId {
    let half = if half == Half::Busy { "busy" } else { "free" };
    QueueId::new(&format!("{half}{}", number % QUEUES)).expect("a proper id")
}

fn skill(kind: &str, number: usize) -> SkillId {
    SkillId::new(&format!("{kind}{number}")).expect("a proper id")
}

fn agent_id(number: usize) -> AgentId {
    AgentId::new(&format!("agent{number}")).expect("a proper id")
}

/// Makes commands of the client.
pub struct Maker {
    client: PrincipalId,
    attributes: Attributes,
    calls: u64,
}

impl Default for Maker {
    fn default() -> Self {
        let pair = stored::Attribute { name: "note".into(), value: "x".repeat(244) };
        let attributes = stored::Attributes { items: vec![pair] }.encode_to_vec();
        let attributes = Attributes::new(&attributes).expect("256 bytes");
        Self { client: principal(CLIENT), attributes, calls: 0 }
    }
}

impl Maker {
    /// A contact that nobody had yet, for a half.
    pub fn enqueue(&mut self, half: Half) -> (ContactId, Submission) {
        self.calls += 1;
        let n = self.calls as usize;
        let level = SkillLevel::new(2 + 2 * (n / QUEUES / LANGUAGES % 5) as u32);
        let requirement = Requirement {
            skill: skill("language", n / QUEUES % LANGUAGES),
            level: level.expect("a proper level"),
        };
        let contact = format!("0193b2f0-1c3e-7a44-9c1d-{n:012}");
        let contact = ContactId::new(&contact).expect("a proper id");
        let enqueue = Enqueue {
            contact: contact.clone(),
            queue: queue_id(half, n),
            channel: Channel::Message,
            priority: Priority::default(),
            site: None,
            requirements: Requirements::from([requirement]),
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: self.attributes.clone(),
        };
        (contact, self.of(ContactCommand::Enqueue(enqueue)))
    }

    /// The customer is gone.
    pub fn hang_up(&self, contact: ContactId) -> Submission {
        self.of(ContactCommand::HangUp { contact })
    }

    fn of(&self, command: impl Into<Command>) -> Submission {
        Submission::new(self.client.clone(), command.into())
    }
}

fn encoded(submission: &Submission) -> Bytes {
    encode_submission(submission).into()
}

/// A submission on its way into a node of this process.
pub fn submitted(
    submission: &Submission,
    tag: u64,
    to: &mpsc::UnboundedSender<(u64, Answer)>,
) -> Submitted {
    Submitted {
        submission: encoded(submission),
        class: Class::of(&submission.command),
        leads: leads_its_entry(&submission.command),
        reply_to: ReplyTo::new(tag, to.clone()),
    }
}

/// Has a node carry out commands, thousands at a time, and returns what they answered, in order.
pub async fn run(at: &Running, commands: impl IntoIterator<Item = Submission>) -> Vec<Reply> {
    let (to, mut answers) = mpsc::unbounded_channel();
    let mut replies = Vec::new();
    let mut waiting = 0;
    let mut take = |answer: Option<(u64, Answer)>| match answer {
        Some((_, Answer::Committed { reply, .. })) => replies.push(reply),
        other => panic!("a command was not carried out: {other:?}"),
    };
    for command in commands {
        at.node.submit(submitted(&command, 0, &to));
        waiting += 1;
        if waiting == WINDOW {
            take(answers.recv().await);
            waiting -= 1;
        }
    }
    for _ in 0..waiting {
        take(answers.recv().await);
    }
    replies
}

/// Fills the empty centre of a founded cluster. `at` must lead.
pub async fn fill(at: &Running, maker: &mut Maker, size: Size, nodes: usize) {
    run(at, configuration().chain((0..size.agents).map(|n| on_roster(n, nodes)))).await;
    let log_in = |number| {
        let node = NodeId(1 + (number / 2 % CLASSES % nodes) as u64);
        Submission::new(
            principal(CLIENT),
            AgentCommand::LogIn { agent: agent_id(number), node }.into(),
        )
    };
    let sessions = run(at, (0..size.agents).map(log_in)).await;
    let ready = sessions.into_iter().enumerate().map(|(number, reply)| {
        let Reply::LoggedIn { epoch, .. } = reply else { panic!("not logged in: {reply:?}") };
        let agent = agent_id(number);
        Submission::new(principal(CLIENT), AgentCommand::Ready { agent, epoch }.into())
    });
    run(at, ready).await;
    // A conversation for each agent of the busy half; then those who wait.
    let arrivals: Vec<_> = (0..size.agents / 2).map(|_| maker.enqueue(Half::Busy)).collect();
    let _ = run(at, arrivals.into_iter().map(|(_, enqueue)| enqueue)).await;
    let offers: Vec<_> = {
        let view = at.node.state().view();
        let contacts = view.centre().tables().contacts();
        let offer =
            |contact: &Contact| Some((contact.id.clone(), contact.stage.engagement()?.token));
        contacts.filter_map(offer).collect()
    };
    let accept = |(contact, token)| {
        Submission::new(principal(CLIENT), WorkCommand::Accept { contact, token }.into())
    };
    run(at, offers.into_iter().map(accept)).await;
    let waiting: Vec<_> = (0..size.waiting).map(|_| maker.enqueue(Half::Busy).1).collect();
    run(at, waiting).await;
}

/// So many contacts come, are offered, and hang up. The state is then as it was; the log is not.
pub async fn come_and_go(at: &Running, maker: &mut Maker, contacts: usize) {
    let (ids, enqueues): (Vec<_>, Vec<_>) =
        (0..contacts).map(|_| maker.enqueue(Half::Free)).unzip();
    run(at, enqueues).await;
    run(at, ids.into_iter().map(|id| maker.hang_up(id)).collect::<Vec<_>>()).await;
}

fn configuration() -> impl Iterator<Item = Submission> {
    let mut commands = Vec::new();
    commands.push(ConfigCommand::PutPrincipal {
        principal: principal(CLIENT),
        roles: Roles::of(&[Role::Ingress, Role::Gateway]),
        site: Some(SiteId::new(SITES[0]).expect("a proper site")),
        expected: None,
    });
    for (kind, count) in [("language", LANGUAGES), ("p", 100), ("r", 100)] {
        commands.extend((0..count).map(|number| {
            let skill = skill(kind, number);
            ConfigCommand::PutSkill { name: label(skill.as_str()), skill, expected: None }
        }));
    }
    for half in [Half::Busy, Half::Free] {
        commands.extend((0..QUEUES).map(|number| {
            let id = queue_id(half, number);
            let name = label(id.as_str());
            let config = QueueConfig {
                channels: Channels::of(&[Channel::Message]),
                wrap_up: Millis::ZERO,
                offer_timeout: Millis::hours(24),
                ..QueueConfig::new(id, name)
            };
            ConfigCommand::PutQueue { config, expected: None }
        }));
    }
    commands.into_iter().map(|command| Submission::new(principal(ADMIN), command.into()))
}

fn on_roster(number: usize, nodes: usize) -> Submission {
    let half = if number.is_multiple_of(2) { Half::Busy } else { Half::Free };
    let class = number / 2 % CLASSES;
    let level = |n: usize| SkillLevel::new(n as u32).expect("a proper level");
    let mut skills: Vec<_> = (0..LANGUAGES)
        .map(|l| (skill("language", l), level(1 + (class * 7 + l * 3) % 10)))
        .collect();
    skills.push((skill("p", class % 100), level(1)));
    skills.push((skill("r", class / 100), level(1)));
    let grade = |q: usize| Grade::new(1 + ((class + q) % 3) as u32).expect("a proper grade");
    let id = agent_id(number);
    let config = AgentConfig {
        name: label(id.as_str()),
        home_site: SiteId::new(SITES[class % nodes]).expect("a proper site"),
        skills,
        queues: (0..QUEUES)
            .map(|q| Assignment { queue: queue_id(half, q), grade: grade(q) })
            .collect(),
        capacity: Capacity { max: [0, 0, 0, 1], ..Capacity::default() },
        id,
    };
    Submission::new(principal(ADMIN), ConfigCommand::PutAgent { config, expected: None }.into())
}
