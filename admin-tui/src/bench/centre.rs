//! The contact centre that is loaded, of the shape of the node's own benchmarks: ten queues, skills
//! in five languages, up to 500 kinds of agents, 256 bytes of attributes a contact. Contacts are
//! messages, which are answered without anybody being bridged; no wrap-up.

use acd::channel::{Channel, Channels};
use acd::codec::{encode_submission, reply_from_stored};
use acd::command::{AgentCommand, Command, ConfigCommand, Submission};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, QueueConfig, SkillLevel};
use acd::ids::{AgentId, NodeId, PrincipalId, QueueId, SiteId, SkillId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::Label;
use acd::time::Millis;
use prost::Message;
use proto::api::v1::answer::Answer;
use proto::stored::v1 as stored;

use super::words::{broken, no_result};
use crate::client::commands::CommandStream;
use crate::client::{Client, ClientError};
use crate::failure::Failure;
use crate::testbed::no_cluster;

/// Who puts contacts in.
pub(super) const EDGE: &str = "bench-edge";
/// Who speaks for the agents.
pub(super) const DESK: &str = "bench-desk";
const QUEUES: u64 = 10;
const LANGUAGES: u64 = 5;
const CLASSES_MAX: u64 = 500;
/// Agents who are alike, at least.
const AGENTS_PER_CLASS: u64 = 20;
/// Commands under way while the centre is made.
const AT_ONCE: usize = 1_024;

/// What is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) agents: u64,
    pub(super) waiting: u64,
}

/// A way for commands of one principal, in bulk.
pub(super) struct Bulk {
    stream: CommandStream,
    principal: PrincipalId,
}

impl Bulk {
    /// To the node at this position.
    pub(super) async fn open(
        client: &Client,
        node: usize,
        principal: PrincipalId,
    ) -> Result<Self, Failure> {
        let channel = client.node(node).ok_or_else(|| no_cluster(&ClientError::NoEndpoint))?;
        let stream = CommandStream::open(channel).await.map_err(|error| broken(&error))?;
        Ok(Self { stream, principal })
    }

    /// Has commands carried out; their replies, in order.
    pub(super) async fn run(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
    ) -> Result<Vec<Reply>, Failure> {
        let mut commands = commands.into_iter();
        let mut replies = Vec::new();
        loop {
            let some: Vec<_> = commands.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(replies);
            }
            let count = some.len();
            let encoded = some.into_iter().enumerate().map(|(tag, command)| {
                let submission = Submission::new(self.principal.clone(), command);
                (tag as u64, encode_submission(&submission).into())
            });
            let encoded: Vec<_> = encoded.collect();
            self.stream.send(encoded).await.map_err(|error| broken(&error))?;
            let mut answered: Vec<Option<Reply>> = vec![None; count];
            for _ in 0..count {
                if answered.iter().all(Option::is_some) {
                    break;
                }
                for (tag, answer) in self.stream.next().await.map_err(|error| broken(&error))? {
                    let place = usize::try_from(tag).ok().and_then(|tag| answered.get_mut(tag));
                    if let Some(place) = place {
                        *place = Some(carried_out(answer.answer)?);
                    }
                }
            }
            replies.extend(answered.into_iter().flatten());
        }
    }
}

fn carried_out(answer: Option<Answer>) -> Result<Reply, Failure> {
    let why = match answer {
        Some(Answer::Committed(done)) => {
            return reply_from_stored(done.reply.unwrap_or_default())
                .map_err(|why| no_result(why.to_string()));
        }
        Some(Answer::Refused(refused)) => format!("{}: {}", refused.code, refused.message),
        Some(Answer::Unavailable(unavailable)) => unavailable.message,
        Some(Answer::Unknown(unknown)) => unknown.message,
        None => "an answer that this program does not know".to_owned(),
    };
    Err(no_result(format!("the contact centre could not be made: {why}")))
}

/// What the operator does before: principals, skills, queues, agents.
pub(super) fn configuration(
    size: Size,
    sites: &[(SiteId, NodeId)],
) -> Result<Vec<Command>, Rejection> {
    let mut commands: Vec<Command> = Vec::new();
    let Some((home, _)) = sites.first() else { return Err(Rejection::NoSite) };
    for (name, role, site) in
        [(EDGE, Role::Ingress, Some(home.clone())), (DESK, Role::Gateway, None)]
    {
        let principal = PrincipalId::new(name)?;
        let roles = Roles::of(&[role]);
        commands
            .push(ConfigCommand::PutPrincipal { principal, roles, site, expected: None }.into());
    }
    for number in 0..LANGUAGES {
        let skill = language(number)?;
        let name = Label::new(skill.as_str())?;
        commands.push(ConfigCommand::PutSkill { skill, name, expected: None }.into());
    }
    for number in 0..QUEUES {
        for id in [queue_id(number), backlog_id(number)] {
            let id = QueueId::new(&id)?;
            let name = Label::new(id.as_str())?;
            let config = QueueConfig {
                channels: Channels::of(&[Channel::Message]),
                wrap_up: Millis::ZERO,
                offer_timeout: Millis::hours(24),
                ..QueueConfig::new(id, name)
            };
            commands.push(ConfigCommand::PutQueue { config, expected: None }.into());
        }
    }
    for number in 0..size.agents {
        let config = agent(number, size.agents, sites)?;
        commands.push(ConfigCommand::PutAgent { config, expected: None }.into());
    }
    Ok(commands)
}

/// Which kind an agent is of.
fn class(number: u64, agents: u64) -> u64 {
    number % (agents / AGENTS_PER_CLASS).clamp(1, CLASSES_MAX)
}

/// Where an agent is logged in.
pub(super) fn node_of(number: u64, agents: u64, nodes: usize) -> usize {
    (class(number, agents) as usize + number as usize) % nodes.max(1)
}

fn agent(number: u64, agents: u64, sites: &[(SiteId, NodeId)]) -> Result<AgentConfig, Rejection> {
    let class = class(number, agents);
    // Of the first kind everybody speaks everything, so that no contact waits for ever.
    let level = |language: u64| if class == 0 { 10 } else { 1 + (class * 7 + language * 3) % 10 };
    let skills = (0..LANGUAGES).map(|l| Ok((language(l)?, SkillLevel::new(level(l) as u32)?)));
    let queues = (0..QUEUES).map(|q| {
        let grade = Grade::new(1 + ((class + q) % 3) as u32)?;
        Ok(Assignment { queue: QueueId::new(&queue_id(q))?, grade })
    });
    let id = agent_id(number)?;
    Ok(AgentConfig {
        name: Label::new(id.as_str())?,
        home_site: sites[node_of(number, agents, sites.len())].0.clone(),
        skills: skills.collect::<Result<_, Rejection>>()?,
        queues: queues.collect::<Result<_, Rejection>>()?,
        // A call, a chat, a mail or a message: here it is one message.
        capacity: Capacity { max: [0, 0, 0, 1], ..Capacity::default() },
        id,
    })
}

pub(super) fn agent_id(number: u64) -> Result<AgentId, Rejection> {
    AgentId::new(&format!("bench-agent-{number}"))
}

fn queue_id(number: u64) -> String {
    format!("bench-{}", number % QUEUES)
}

fn backlog_id(number: u64) -> String {
    format!("bench-backlog-{}", number % QUEUES)
}

fn language(number: u64) -> Result<SkillId, Rejection> {
    SkillId::new(&format!("bench-language-{number}"))
}

/// Logs the agents in, by the desk, and makes them ready.
pub(super) async fn log_in(
    desk: &mut Bulk,
    size: Size,
    sites: &[(SiteId, NodeId)],
) -> Result<(), Failure> {
    let refused = |why: Rejection| no_result(why.to_string());
    let agents: Result<Vec<_>, _> = (0..size.agents).map(agent_id).collect();
    let agents = agents.map_err(refused)?;
    let log_ins = agents.iter().enumerate().map(|(number, agent)| {
        let node = sites[node_of(number as u64, size.agents, sites.len())].1;
        AgentCommand::LogIn { agent: agent.clone(), node }.into()
    });
    let log_ins: Vec<Command> = log_ins.collect();
    let sessions = desk.run(log_ins).await?;
    let ready = agents.into_iter().zip(sessions).filter_map(|(agent, reply)| match reply {
        Reply::LoggedIn { epoch, .. } => Some(AgentCommand::Ready { agent, epoch }.into()),
        _ => None,
    });
    let ready: Vec<Command> = ready.collect();
    desk.run(ready).await.map(drop)
}

/// Makes contacts.
pub(super) struct Maker {
    attributes: bytes::Bytes,
    /// Not the same in two runs on one cluster.
    run: u32,
    made: u64,
}

impl Maker {
    pub(super) fn new() -> Self {
        let note = stored::Attribute { name: "note".into(), value: "x".repeat(244) };
        let attributes = stored::Attributes { items: vec![note] }.encode_to_vec().into();
        Self { attributes, run: rand::random(), made: 0 }
    }

    /// A contact that nobody had yet.
    pub(super) fn contact(&mut self) -> stored::Enqueue {
        let number = self.made;
        let level = 2 + 2 * (number / QUEUES / LANGUAGES % 5);
        let skill = format!("bench-language-{}", number / QUEUES % LANGUAGES);
        let requirement = stored::Requirement { skill, level: level as u32 };
        self.enqueue(queue_id(number), vec![requirement])
    }

    /// A contact in a queue that nobody serves.
    pub(super) fn waiting(&mut self) -> stored::Enqueue {
        self.enqueue(backlog_id(self.made), Vec::new())
    }

    fn enqueue(
        &mut self,
        queue: String,
        requirements: Vec<stored::Requirement>,
    ) -> stored::Enqueue {
        self.made += 1;
        stored::Enqueue {
            contact: format!("bench-{:08x}-{:012}", self.run, self.made),
            queue,
            channel: stored::Channel::Message.into(),
            requirements,
            attributes: self.attributes.clone(),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> Vec<(SiteId, NodeId)> {
        let site = |(number, name): (usize, &&str)| {
            (SiteId::new(name).expect("a slug"), NodeId(number as u64 + 1))
        };
        ["kyiv", "lviv", "dnipro"].iter().enumerate().map(site).collect()
    }

    #[test]
    fn somebody_can_take_every_contact_however_few_there_are() {
        for agents in [1, 7, 1_000] {
            let can_all = (0..agents).any(|number| {
                let config = agent(number, agents, &sites()).expect("an agent");
                config.queues.len() == QUEUES as usize
                    && config.skills.iter().all(|(_, level)| level.get() == 10)
            });
            assert!(can_all, "{agents}");
        }
    }

    #[test]
    fn agents_are_spread_over_all_nodes() {
        for agents in [3, 100, 10_000] {
            let mut at = [0_u64; 3];
            for number in 0..agents {
                at[node_of(number, agents, 3)] += 1;
            }
            assert!(at.iter().all(|here| *here * 4 >= agents), "{agents}: {at:?}");
        }
    }

    #[test]
    fn contacts_have_256_bytes_of_attributes_and_ids_of_their_own() {
        let mut maker = Maker::new();
        let (one, two) = (maker.contact(), maker.waiting());
        assert_eq!(one.attributes.len(), 256);
        assert_ne!(one.contact, two.contact);
        assert!(two.queue.contains("backlog") && two.requirements.is_empty());
    }
}
