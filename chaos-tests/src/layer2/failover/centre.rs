//! The load: agents of all cities in sessions as desktops open them, and front ends that put contacts
//! in, each at a node of its own city.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use acd::channel::{Channel, Channels};
use acd::command::{
    Command, ConfigCommand, ContactCommand, Enqueue, HeldContact, SiteCommand, Submission,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements, ReturnMode,
    SiteConfig,
};
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, QueueId, SiteId};
use acd::rejection::Rejection;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::Millis;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::session::{self, Desk};
use super::times::Notes;
use crate::history::{Outcome, Recorder};
use crate::layer2::Trouble;
use crate::layer2::door::{ProcessDoor, admin};
use crate::layer2::net::{CITIES, nodes, nodes_of};
use crate::workload::Door;

/// Agents of each city.
const AGENTS_PER_CITY: usize = 20;
/// Contacts that come in per second, in all cities together. An agent needs some 0.4 s for one, and has
/// up to three: with a city lost the others still serve all.
pub(super) const CONTACTS_PER_SECOND: u64 = 60;
/// How long a front end waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a front end asks again for what must be done.
const TRIES: u32 = 60;
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Contacts that a front end claims when its streams are open again: the last that it put in.
const HELD_MAX: usize = 500;
/// How long everybody may take to be served in the end.
const SERVED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Chats an agent has at a time; a channel that nobody has to bridge.
const CHANNEL: Channel = Channel::Chat;
const QUEUE: &str = "service";

/// Nodes in the order in which somebody of a city calls them: their own first.
pub(super) fn nodes_from(city: usize) -> Vec<u64> {
    let mut all = nodes_of(city);
    all.extend(nodes().filter(|node| !nodes_of(city).contains(node)));
    all
}

fn principal(name: &str) -> Result<PrincipalId, Rejection> {
    PrincipalId::new(name)
}

/// Everything to be configured.
fn commands() -> Result<Vec<Command>, Rejection> {
    let mut all: Vec<Command> = Vec::new();
    for city in CITIES {
        let mut config = SiteConfig::new(SiteId::new(city)?, Label::new(city)?);
        config.return_mode = ReturnMode::After(Millis(1_500));
        all.push(SiteCommand::Put { config, expected: None }.into());
        let (roles, site) = (Roles::of(&[Role::Ingress]), Some(SiteId::new(city)?));
        let principal = principal(&format!("edge-{city}"))?;
        all.push(ConfigCommand::PutPrincipal { principal, roles, site, expected: None }.into());
    }
    let mut config = QueueConfig::new(QueueId::new(QUEUE)?, Label::new(QUEUE)?);
    config.channels = Channels::of(&[CHANNEL]);
    config.wrap_up = Millis::ZERO;
    all.push(ConfigCommand::PutQueue { config, expected: None }.into());
    for city in CITIES {
        for number in 0..AGENTS_PER_CITY {
            let id = format!("agent-{city}-{number}");
            let config = AgentConfig {
                id: AgentId::new(&id)?,
                name: Label::new(&id)?,
                home_site: SiteId::new(city)?,
                skills: Vec::new(),
                queues: vec![Assignment { queue: QueueId::new(QUEUE)?, grade: Grade::new(1)? }],
                capacity: Capacity::default(),
            };
            all.push(ConfigCommand::PutAgent { config, expected: None }.into());
        }
    }
    Ok(all)
}

/// What everybody needs.
#[derive(Clone)]
struct Floor {
    door: Arc<ProcessDoor>,
    recorder: Recorder,
    is_over: Arc<AtomicBool>,
    number: Arc<AtomicU64>,
}

impl Floor {
    /// Asks one node, once.
    async fn ask(&self, client: &str, node: u64, submission: Submission) -> Outcome {
        let operation = self.recorder.called(client, node, submission.clone());
        let answer = self.door.submit(node, submission);
        let outcome = timeout(PATIENCE, answer).await.unwrap_or(Outcome::Unknown);
        self.recorder.returned(operation, outcome.clone());
        outcome
    }

    /// Asks one node after the other until one answers.
    async fn insist(&self, client: &str, nodes: &[u64], submission: Submission) -> Option<Outcome> {
        for turn in 0..TRIES {
            let node = nodes[turn as usize % nodes.len()];
            let outcome = self.ask(client, node, submission.clone()).await;
            if outcome.index().is_some() {
                return Some(outcome);
            }
            sleep(AGAIN_AFTER).await;
        }
        None
    }

    /// Opens a front end's streams at the nodes of its city, and claims what it has.
    async fn attach(&self, principal: &PrincipalId, city: usize, held: &VecDeque<ContactId>) {
        let own = nodes_from(city);
        let mut all: Vec<ContactCommand> = nodes_of(city)
            .into_iter()
            .map(|node| ContactCommand::Attach { ingress: principal.clone(), node: NodeId(node) })
            .collect();
        let claim = |contact: &ContactId| HeldContact { contact: contact.clone(), token: None };
        if !held.is_empty() {
            all.push(ContactCommand::Reattach { contacts: held.iter().map(claim).collect() });
        }
        for command in all {
            let submission = Submission::new(principal.clone(), command.into());
            let _recorded = self.insist(principal.as_str(), &own, submission).await;
        }
    }

    /// A front end that goes on until it is over.
    async fn front_end(self, city: usize, mut homeward: watch::Receiver<u64>) {
        let name = format!("edge-{}", CITIES[city]);
        // Names of cities are slugs.
        let Ok(principal) = principal(&name) else { return };
        let own = nodes_from(city);
        let mut held = VecDeque::new();
        self.attach(&principal, city, &held).await;
        let every = Duration::from_micros(1_000_000 * CITIES.len() as u64 / CONTACTS_PER_SECOND);
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut calls = JoinSet::new();
        while !self.is_over.load(Ordering::Relaxed) {
            ticks.tick().await;
            while calls.try_join_next().is_some() {}
            // With the nodes of its city its streams were lost.
            if homeward.has_changed().unwrap_or(false) {
                homeward.mark_unchanged();
                self.attach(&principal, city, &held).await;
            }
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let Ok(id) = ContactId::new(&format!("{principal}:{number}")) else { return };
            let Some(enqueue) = contact(&principal, id.clone()) else { return };
            if held.len() == HELD_MAX {
                held.pop_front();
            }
            held.push_back(id);
            let (floor, name, own) = (self.clone(), name.clone(), own.clone());
            calls.spawn(async move {
                let _recorded = floor.insist(&name, &own, enqueue).await;
            });
        }
        while calls.join_next().await.is_some() {}
    }
}

/// A contact of a front end, whose name its id begins with.
fn contact(ingress: &PrincipalId, contact: ContactId) -> Option<Submission> {
    let enqueue = Enqueue {
        contact,
        queue: QueueId::new(QUEUE).ok()?,
        channel: CHANNEL,
        priority: Priority::default(),
        site: None,
        requirements: Requirements::default(),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    };
    Some(Submission::new(ingress.clone(), ContactCommand::Enqueue(enqueue).into()))
}

/// People at work.
pub(super) struct Load {
    floor: Floor,
    front_ends: JoinSet<()>,
    /// They end with this.
    _sessions: JoinSet<()>,
    /// Where each agent's session is: at home or not.
    at_home: Vec<watch::Receiver<bool>>,
    go_home: watch::Sender<u64>,
}

impl Load {
    /// Configures a centre and lets everybody come to work.
    pub(super) async fn begin(
        door: &Arc<ProcessDoor>,
        recorder: &Recorder,
        notes: &Notes,
    ) -> Result<Self, Trouble> {
        let floor = Floor {
            door: door.clone(),
            recorder: recorder.clone(),
            is_over: Arc::default(),
            number: Arc::default(),
        };
        let all = commands().map_err(|rejection| Trouble(rejection.to_string()))?;
        let everywhere: Vec<_> = nodes().collect();
        for command in all {
            let put = Submission::new(admin(), command);
            match floor.insist("administrator", &everywhere, put.clone()).await {
                Some(Outcome::Committed { .. }) => {}
                other => return Err(Trouble(format!("{:?}: {other:?}", put.command))),
            }
        }
        let (go_home, homeward) = watch::channel(0);
        let (mut sessions, mut at_home) = (JoinSet::new(), Vec::new());
        for (city, name) in CITIES.iter().enumerate() {
            for number in 0..AGENTS_PER_CITY {
                let (is_home, home) = watch::channel(false);
                at_home.push(home);
                let agent = principal(&format!("agent-{name}-{number}"));
                let agent = agent.map_err(|rejection| Trouble(rejection.to_string()))?;
                let desk = Desk {
                    agent,
                    city,
                    number,
                    door: door.clone(),
                    notes: notes.clone(),
                    is_home,
                    homeward: homeward.clone(),
                };
                sessions.spawn(session::work(desk));
            }
        }
        let mut front_ends = JoinSet::new();
        for city in 0..CITIES.len() {
            front_ends.spawn(floor.clone().front_end(city, homeward.clone()));
        }
        Ok(Self { floor, front_ends, _sessions: sessions, at_home, go_home })
    }

    /// Sends everybody home who is logged in elsewhere, and waits until all sessions are open there.
    pub(super) async fn all_at_home(&self, within: Duration) -> Result<(), Trouble> {
        self.go_home.send_modify(|round| *round += 1);
        let until = Instant::now() + within;
        loop {
            let away = self.at_home.iter().filter(|home| !*home.borrow()).count();
            if away == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                let words = format!("{away} agents have no session at home after {within:?}");
                return Err(Trouble(words));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the arrivals, and waits until everybody is served, or for as long as that may take.
    pub(super) async fn end(mut self) {
        self.floor.is_over.store(true, Ordering::Relaxed);
        while self.front_ends.join_next().await.is_some() {}
        let until = Instant::now() + SERVED_WITHIN;
        while Instant::now() < until {
            let looked = self.floor.door.contacts(1).await;
            if looked.is_some_and(|(_, contacts)| contacts.is_empty()) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
