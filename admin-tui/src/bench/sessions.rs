//! Agents with a session each, and a front end with a stream. Whole contacts: the front end puts
//! them in, whoever is offered one accepts and completes it at once. Single commands: agents go
//! ready and not ready in turn, with one command under way each.
//!
//! ```text
//! load ─ orders ─▶ a task for each agent ─ session ─▶ some node
//!      ◀─ reports ┘                          (200 over a connection)
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use acd::ids::{NodeId, SiteId};
use proto::api::v1::desktop_event::Stage;
use proto::api::v1::desktop_request::{NotReady, Ready, Request};
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::Command as Contact;
use proto::stored::v1::work_command::{Accept, Command as Work, Complete};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::args::Mode;
use super::centre::{DESK, EDGE, Maker, agent_id, node_of};
use super::drive::{Counts, Load};
use super::words::no_result;
use crate::client::{Client, ClientError, Desktop, DesktopNews, Ingress, IngressNews, Way};
use crate::failure::Failure;
use crate::testbed::{Progress, Testbed, no_cluster};

/// Sessions over one connection; a node takes 256 streams.
const PER_CONNECTION: u64 = 200;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long nobody may log in before that is given up. Log-ins are admitted at a bounded rate.
const LOG_IN_STALLED_AFTER: Duration = Duration::from_secs(60);

/// What a session's task says.
enum Report {
    /// The agent is ready, in a session that was just opened.
    Ready,
    /// A command of the agent was answered.
    Answered { result: Result<(), ClientError>, latency: Duration, over: Option<String> },
    /// The session broke; another is opened.
    Broken(String),
}

/// The load.
pub(super) struct Sessions {
    edge: Ingress,
    mode: Mode,
    maker: Maker,
    reports: mpsc::UnboundedReceiver<(usize, Report)>,
    /// How to tell an agent to do something that should have begun at this moment.
    orders: Vec<mpsc::UnboundedSender<Instant>>,
    /// Agents without a command under way.
    idle: VecDeque<usize>,
    /// What should have begun, and has no agent yet.
    due: VecDeque<Instant>,
    /// Contacts that are not over: when they should have begun.
    contacts: HashMap<String, Instant>,
    /// Arrivals under way, by tag: when they should have begun.
    arrivals: HashMap<u64, Instant>,
    counts: Counts,
    /// The node where all are, as the testbed counts them; none: they are spread.
    pub(super) home: Option<usize>,
    /// How long it took until all were logged in.
    pub(super) log_in: Duration,
    /// Sessions that broke since.
    pub(super) broken: u64,
}

impl Sessions {
    /// Logs all agents in, and waits until they are ready: each where its city is, or all at one node,
    /// which is another than that at the endpoint `but`.
    pub(super) async fn open(
        testbed: &Testbed,
        agents: u64,
        but: Option<usize>,
        mode: Mode,
        maker: Maker,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Failure> {
        let nodes = endpoints(testbed).await?;
        let home = but.and_then(|but| nodes.iter().position(|(_, at)| *at != but));
        let desk = testbed.identity(&principal(DESK)?)?;
        let edge = testbed.identity(&principal(EDGE)?)?;
        let client = testbed.connect(&edge)?;
        let edge = Ingress::new(EDGE, ways(&client, &nodes, 0), 1, PATIENCE);
        let (to, reports) = mpsc::unbounded_channel();
        let mut orders = Vec::new();
        let mut connections: HashMap<(usize, u64), Client> = HashMap::new();
        let mut at_node = vec![0_u64; nodes.len()];
        let began = Instant::now();
        for number in 0..agents {
            let node = home.unwrap_or_else(|| node_of(number, agents, nodes.len()));
            let group = at_node[node] / PER_CONNECTION;
            at_node[node] += 1;
            let client = match connections.get(&(node, group)) {
                Some(client) => client.clone(),
                None => {
                    let client = testbed.connect(&desk)?;
                    connections.insert((node, group), client.clone());
                    client
                }
            };
            let agent = agent_id(number).map_err(|why| no_result(why.to_string()))?;
            let desktop = Desktop::new(agent.as_str(), ways(&client, &nodes, node), PATIENCE);
            let (order, told) = mpsc::unbounded_channel();
            orders.push(order);
            tokio::spawn(work(number as usize, desktop, told, to.clone()));
        }
        let mut load = Self {
            edge,
            mode,
            maker,
            reports,
            orders,
            idle: (0..agents as usize).collect(),
            due: VecDeque::new(),
            contacts: HashMap::new(),
            arrivals: HashMap::new(),
            counts: Counts::new(),
            home,
            log_in: Duration::ZERO,
            broken: 0,
        };
        load.wait_ready(agents, progress).await?;
        load.log_in = began.elapsed();
        Ok(load)
    }

    async fn wait_ready(
        &mut self,
        agents: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        let mut missing: HashSet<usize> = (0..agents as usize).collect();
        let mut last = "nobody logged in".to_owned();
        while !missing.is_empty() {
            match timeout(LOG_IN_STALLED_AFTER, self.reports.recv()).await {
                Ok(Some((agent, Report::Ready))) => {
                    missing.remove(&agent);
                }
                Ok(Some((_, Report::Broken(why)))) => last = why,
                Ok(Some((_, Report::Answered { result, .. }))) => {
                    if let Err(error) = result {
                        last = error.to_string();
                    }
                }
                Ok(None) | Err(_) => {
                    let ready = agents - missing.len() as u64;
                    return Err(no_result(format!("{ready} of {agents} agents logged in: {last}")));
                }
            }
            progress.show(|| {
                format!("{} of {agents} agents are logged in", agents - missing.len() as u64)
            });
        }
        Ok(())
    }

    /// Waits until all agents, whose node was just killed, are ready at others; how long it took.
    pub(super) async fn come_back(
        &mut self,
        agents: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Duration, Failure> {
        let killed = Instant::now();
        self.wait_ready(agents, progress).await?;
        Ok(killed.elapsed())
    }

    fn reported(&mut self, agent: usize, report: Report) -> u64 {
        match report {
            Report::Ready => 0,
            Report::Broken(_) => {
                self.broken += 1;
                0
            }
            Report::Answered { result, latency, over } => {
                let committed = result.is_ok();
                self.counts.result(result, latency);
                match self.mode {
                    Mode::Commands => {
                        match self.due.pop_front() {
                            Some(due) => self.order(agent, due),
                            None => self.idle.push_back(agent),
                        }
                        1
                    }
                    Mode::Routed => {
                        let Some(due) = over.and_then(|contact| self.contacts.remove(&contact))
                        else {
                            return 0;
                        };
                        if committed {
                            self.counts.routed.add(due.elapsed());
                        }
                        1
                    }
                }
            }
        }
    }

    fn order(&mut self, agent: usize, due: Instant) {
        // A task ends only with the program.
        let _ = self.orders[agent].send(due);
    }

    fn heard(&mut self, news: IngressNews) -> u64 {
        let IngressNews::Answered { tag, command, result } = news else { return 0 };
        let Some(due) = self.arrivals.remove(&tag) else { return 0 };
        let failed = result.is_err();
        self.counts.result(result.map(drop), due.elapsed());
        match command {
            // It did not come in.
            Contact::Enqueue(enqueue) if failed => {
                self.edge.forget(&enqueue.contact);
                u64::from(self.contacts.remove(&enqueue.contact).is_some())
            }
            _ => 0,
        }
    }
}

impl Load for Sessions {
    fn begin(&mut self, due: Instant) {
        match self.mode {
            Mode::Commands => match self.idle.pop_front() {
                Some(agent) => self.order(agent, due),
                None => self.due.push_back(due),
            },
            Mode::Routed => {
                let enqueue = self.maker.contact();
                let contact = enqueue.contact.clone();
                self.counts.contacts += 1;
                self.contacts.insert(contact, due);
                if let Some(tag) = self.edge.ask(Contact::Enqueue(enqueue)) {
                    self.arrivals.insert(tag, due);
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn next(&mut self) -> Result<u64, Failure> {
        tokio::select! {
            news = self.edge.next() => Ok(self.heard(news)),
            report = self.reports.recv() => match report {
                Some((agent, report)) => {
                    let mut done = self.reported(agent, report);
                    while let Ok((agent, report)) = self.reports.try_recv() {
                        done += self.reported(agent, report);
                    }
                    Ok(done)
                }
                None => Err(no_result("all sessions are over".to_owned())),
            },
        }
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }
}

impl Counts {
    fn result(&mut self, result: Result<(), ClientError>, latency: Duration) {
        match result {
            Ok(()) => {
                self.committed += 1;
                self.commands.add(latency);
            }
            Err(ClientError::Refused { code, .. }) => *self.refused.entry(code).or_default() += 1,
            Err(ClientError::NotPermitted { .. }) => {
                *self.refused.entry("not-permitted".to_owned()).or_default() += 1;
            }
            Err(ClientError::Unavailable { .. }) => self.unavailable += 1,
            Err(_) => self.unknown += 1,
        }
    }
}

/// An agent at work: ready at once, takes what is offered and completes it, and goes not ready and
/// ready when told to.
async fn work(
    number: usize,
    mut desktop: Desktop,
    mut orders: mpsc::UnboundedReceiver<Instant>,
    to: mpsc::UnboundedSender<(usize, Report)>,
) {
    // Requests under way: since when; and of which contact, if it is over with that.
    let mut asked: HashMap<u64, (Instant, Option<String>)> = HashMap::new();
    let mut is_ready = false;
    loop {
        let news = tokio::select! {
            news = desktop.next() => news,
            order = orders.recv() => {
                let Some(due) = order else { return };
                let request = match is_ready {
                    true => Request::NotReady(NotReady { reason: "benchmark".to_owned() }),
                    false => Request::Ready(Ready {}),
                };
                is_ready = !is_ready;
                if let Some(tag) = desktop.ask(request) {
                    asked.insert(tag, (due, None));
                }
                continue;
            }
        };
        let report = match news {
            DesktopNews::Opened { all, .. } => {
                is_ready = true;
                desktop.ask(Request::Ready(Ready {}));
                for item in all.items {
                    offered(&mut desktop, &mut asked, item);
                }
                continue;
            }
            DesktopNews::Changed { item, .. } => {
                offered(&mut desktop, &mut asked, item);
                continue;
            }
            DesktopNews::Answered { tag, request, result } => match asked.remove(&tag) {
                Some((since, over)) => {
                    if let (
                        Ok(_),
                        Request::Work(stored::WorkCommand {
                            command: Some(Work::Accept(accepted)),
                        }),
                    ) = (&result, request)
                    {
                        let Accept { contact, token } = accepted;
                        let complete =
                            Complete { contact: contact.clone(), token, ..Default::default() };
                        ask(&mut desktop, &mut asked, Work::Complete(complete), Some(contact));
                    }
                    let latency = since.elapsed();
                    Report::Answered { result: result.map(drop), latency, over }
                }
                None => match result {
                    Ok(_) => Report::Ready,
                    Err(error) => Report::Broken(error.to_string()),
                },
            },
            DesktopNews::Broken { endpoint, why } => Report::Broken(format!("{endpoint}: {why}")),
            DesktopNews::Over { why } => {
                desktop.reopen();
                Report::Broken(why.as_str_name().to_owned())
            }
            DesktopNews::Gone { .. } | DesktopNews::Standing { .. } => continue,
        };
        if to.send((number, report)).is_err() {
            return;
        }
    }
}

fn offered(
    desktop: &mut Desktop,
    asked: &mut HashMap<u64, (Instant, Option<String>)>,
    item: proto::api::v1::desktop_event::Item,
) {
    if item.stage() == Stage::Offered {
        let accept = Accept { contact: item.contact, token: item.token };
        ask(desktop, asked, Work::Accept(accept), None);
    }
}

fn ask(
    desktop: &mut Desktop,
    asked: &mut HashMap<u64, (Instant, Option<String>)>,
    command: Work,
    over: Option<String>,
) {
    let request = Request::Work(stored::WorkCommand { command: Some(command) });
    if let Some(tag) = desktop.ask(request) {
        asked.insert(tag, (Instant::now(), over));
    }
}

fn principal(name: &str) -> Result<acd::ids::PrincipalId, Failure> {
    acd::ids::PrincipalId::new(name).map_err(|why| no_result(why.to_string()))
}

/// Where each node is: the site, and the position of its endpoint in every client.
async fn endpoints(testbed: &Testbed) -> Result<Vec<(SiteId, usize)>, Failure> {
    let operator = testbed.operator()?;
    let mut found = Vec::new();
    for (site, node) in &testbed.nodes {
        for at in 0..operator.nodes().count() {
            let Some(channel) = operator.node(at) else { continue };
            let answer = Client::cluster_at(channel).await.map_err(|error| no_cluster(&error))?;
            if answer.freshness.is_some_and(|says| NodeId(says.node) == *node) {
                found.push((site.clone(), at));
            }
        }
    }
    if found.is_empty() { Err(no_cluster(&ClientError::NoEndpoint)) } else { Ok(found) }
}

/// Ways to all nodes, that to the one at `first` first.
fn ways(client: &Client, nodes: &[(SiteId, usize)], first: usize) -> Vec<Way> {
    let known: Vec<_> = client.nodes().map(|(endpoint, _)| endpoint.to_owned()).collect();
    let mut order: Vec<_> = nodes.iter().collect();
    order.rotate_left(first % nodes.len().max(1));
    let way = |(site, at): &(SiteId, usize)| {
        Some(Way {
            site: site.to_string(),
            endpoint: known.get(*at)?.clone(),
            channel: client.node(*at)?,
        })
    };
    order.into_iter().filter_map(way).collect()
}
