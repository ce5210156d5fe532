//! What clients do all the time: contacts come, some hang up, an operator writes skills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use acd::channel::Channel;
use acd::command::{Command, ConfigCommand, ContactCommand, Enqueue, Submission};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::ids::{AgentId, ContactId, PrincipalId, QueueId, SiteId, SkillId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use node::submit::Answer;

use crate::client::Clients;
use crate::cluster::ADMIN;

const QUEUE: &str = "service";
const INGRESS: &str = "edge";
/// Commands under way at a time.
const WORKERS: u64 = 32;
/// An operator's command for so many contacts.
const SKILL_EVERY: u64 = 20;

/// What the cluster acknowledged.
#[derive(Default)]
pub struct Acknowledged {
    /// Contacts with the numbers they got.
    pub contacts: BTreeMap<ContactId, u64>,
    /// Those that hung up.
    pub ended: BTreeSet<ContactId>,
    /// The last index of any of it.
    pub last: u64,
}

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

struct Shared {
    clients: Arc<Clients>,
    nodes: u64,
    arrived: AtomicU64,
    is_over: AtomicBool,
    acknowledged: Mutex<Acknowledged>,
}

fn principal(name: &str) -> PrincipalId {
    PrincipalId::new(name).expect("a proper name")
}

pub fn by_admin(command: impl Into<Command>) -> Submission {
    Submission::new(principal(ADMIN), command.into())
}

pub fn put_skill(name: &str) -> Submission {
    let skill = SkillId::new(name).expect("a proper name");
    let label = Label::new(name).expect("a proper name");
    by_admin(ConfigCommand::PutSkill { skill, name: label, expected: None })
}

/// Puts a queue, a front end and an agent who never logs in.
pub async fn configure(clients: &Clients) {
    let site = SiteId::new("kyiv").expect("a proper name");
    let queue = QueueId::new(QUEUE).expect("a proper name");
    let config = QueueConfig::new(queue.clone(), Label::new(QUEUE).expect("a proper name"));
    clients.must(1, &by_admin(ConfigCommand::PutQueue { config, expected: None })).await;
    let roles = Roles::of(&[Role::Ingress]);
    let (who, at) = (principal(INGRESS), Some(site.clone()));
    let put = ConfigCommand::PutPrincipal { principal: who, roles, site: at, expected: None };
    clients.must(1, &by_admin(put)).await;
    let config = AgentConfig {
        id: AgentId::new("anna").expect("a proper name"),
        name: Label::new("Anna").expect("a proper name"),
        home_site: site,
        skills: Vec::new(),
        queues: vec![Assignment { queue, grade: Grade::new(1).expect("a grade") }],
        capacity: Capacity::default(),
    };
    clients.must(1, &by_admin(ConfigCommand::PutAgent { config, expected: None })).await;
}

fn enqueue(contact: ContactId) -> Submission {
    let enqueue = Enqueue {
        contact,
        queue: QueueId::new(QUEUE).expect("a proper name"),
        channel: Channel::Voice,
        priority: Priority::default(),
        site: None,
        requirements: Requirements::default(),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    };
    Submission::new(principal(INGRESS), ContactCommand::Enqueue(enqueue).into())
}

impl Load {
    /// Begins, on a centre that is [`configured`](configure).
    pub fn begin(clients: &Arc<Clients>, nodes: u64) -> Self {
        let shared = Arc::new(Shared {
            clients: clients.clone(),
            nodes,
            arrived: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            acknowledged: Mutex::default(),
        });
        let work = |worker| tokio::spawn(shared.clone().work(worker));
        let workers = (0..WORKERS).map(work).collect();
        Self { shared, workers }
    }

    /// How many contacts were acknowledged so far.
    pub fn contacts(&self) -> usize {
        self.shared.acknowledged.lock().expect("nobody panics with it").contacts.len()
    }

    /// Lets everybody finish what they have begun.
    pub async fn end(self) -> Acknowledged {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.expect("a worker");
        }
        std::mem::take(&mut *self.shared.acknowledged.lock().expect("nobody panics with it"))
    }
}

impl Shared {
    async fn work(self: Arc<Self>, worker: u64) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.arrived.fetch_add(1, Ordering::Relaxed);
            let node = 1 + (worker + number) % self.nodes;
            let contact = ContactId::new(&format!("call-{number}")).expect("a proper id");
            match self.clients.insist(node, &enqueue(contact.clone())).await {
                Answer::Committed { index, reply: Reply::Enqueued { seq, .. } } => {
                    self.note(index, |all| all.contacts.insert(contact.clone(), seq.0));
                }
                other => panic!("{contact}: {other:?}"),
            }
            if number.is_multiple_of(2) {
                let hang_up = ContactCommand::HangUp { contact: contact.clone() };
                let hang_up = Submission::new(principal(INGRESS), hang_up.into());
                match self.clients.insist(node, &hang_up).await {
                    Answer::Committed { index, .. } => {
                        self.note(index, |all| all.ended.insert(contact));
                    }
                    other => panic!("{contact}: {other:?}"),
                }
            }
            if number.is_multiple_of(SKILL_EVERY) {
                let name = format!("skill-{}", number / SKILL_EVERY % 500);
                let index = self.clients.must(node, &put_skill(&name)).await;
                self.note(index, |_| ());
            }
        }
    }

    fn note<T>(&self, index: u64, note: impl FnOnce(&mut Acknowledged) -> T) {
        let mut acknowledged = self.acknowledged.lock().expect("nobody panics with it");
        acknowledged.last = acknowledged.last.max(index);
        note(&mut acknowledged);
    }
}
