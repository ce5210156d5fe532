//! Everybody who takes part: front ends, desktops, whoever watches.

use std::sync::Arc;
use std::time::Duration;

use acd::command::{Command, ConfigCommand};
use acd::ids::PrincipalId;
use acd::time::LogTime;
use futures::{TryStreamExt, stream};
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::board::{self, Board, Readers};
use super::books::{Books, Phase};
use super::chronicle;
use super::desk::{Desk, DeskPlan};
use super::dice::Dice;
use super::edge::{Edge, EdgePlan};
use super::plan::{self, CITIES, DESKTOPS};
use super::traffic::Arrivals;
use crate::centre_file::CentreFileError;
use crate::client::{Client, ClientError, Identity, Way, answer_bytes_max};
use crate::local::{LocalCluster, LocalError};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);
/// How long the cluster may take to be founded, and everybody to be connected.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long agents may take to end their work and log out, and everybody to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);
/// Connections of the desktop server to each node.
const GATEWAYS: usize = 2;
/// Agents that are put on the roster at a time.
const AT_ONCE: usize = 16;

/// Why it does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum FloorError {
    /// An identity cannot be made.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The cluster does not do what it is asked to.
    #[error("{what}: {error}")]
    Client {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        error: ClientError,
    },
    /// The centre is refused before anybody is asked.
    #[error("the centre of the demonstration: {0}")]
    Centre(String),
    /// It takes too long.
    #[error("{what} took longer than {within:?}; the last that went wrong: {last}")]
    Slow {
        /// What.
        what: &'static str,
        /// How long was waited.
        within: Duration,
        /// What went wrong last.
        last: String,
    },
}

/// Who takes part, as the cluster's authority names them.
pub(super) struct Badges {
    pub operator: Identity,
    edges: Vec<Identity>,
    desktops: Identity,
}

impl Badges {
    /// Issues them. Takes a moment.
    pub fn issue(cluster: &LocalCluster) -> Result<Self, FloorError> {
        let issue = |name: &str| {
            let principal =
                PrincipalId::new(name).map_err(|why| FloorError::Centre(why.to_string()));
            Ok::<_, FloorError>(cluster.identity(&principal?)?)
        };
        Ok(Self {
            operator: cluster.operator()?,
            edges: CITIES.iter().map(|city| issue(&edge(city))).collect::<Result<_, _>>()?,
            desktops: issue(DESKTOPS)?,
        })
    }
}

fn edge(city: &str) -> String {
    format!("edge-{city}")
}

/// Where a node is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub site: String,
    pub endpoint: String,
}

/// Everybody who takes part.
pub(super) struct Floor {
    pub books: Arc<Books>,
    pub board: watch::Receiver<Arc<Board>>,
    pub readers: Readers,
    pub client: Client,
    phase: watch::Sender<Phase>,
    board_writer: watch::Sender<Arc<Board>>,
    places: Vec<Place>,
    edges: JoinSet<()>,
    desks: JoinSet<()>,
    watchers: JoinSet<()>,
}

impl Floor {
    /// Nobody is there yet.
    pub fn new(badges: &Badges, places: Vec<Place>) -> Result<Self, FloorError> {
        let client = client(&badges.operator)?;
        let readers = Readers::new(client.nodes().map(|(_, channel)| channel.clone()));
        let (board_writer, board) = watch::channel(Arc::default());
        Ok(Self {
            books: Arc::default(),
            board,
            readers,
            client,
            phase: watch::Sender::new(Phase::Opening),
            board_writer,
            places,
            edges: JoinSet::new(),
            desks: JoinSet::new(),
            watchers: JoinSet::new(),
        })
    }

    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Waits until the cluster is founded: all of its nodes are members, and one leads.
    pub async fn wait_for_cluster(&self) -> Result<(), FloorError> {
        let until = Instant::now() + OPEN_WITHIN;
        loop {
            let board = self.readers.look().await;
            let is_founded = board.best().is_some_and(|said| {
                !said.freshness.cluster.is_empty()
                    && said.cluster.nodes.len() == self.places.len()
                    && said.freshness.leader.is_some()
            });
            if is_founded {
                return Ok(());
            }
            if Instant::now() >= until {
                let last = format!("{} of {} nodes answered", board.nodes.len(), self.places.len());
                return Err(slow("founding the cluster", last));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Makes the contact centre.
    pub async fn configure(&self, now: LogTime) -> Result<(), FloorError> {
        let refused = |error: CentreFileError| FloorError::Centre(error.to_string());
        let commands = plan::centre(now).and_then(|file| file.to_commands(now)).map_err(refused)?;
        let what = "the contact centre was not configured";
        let mut agents = Vec::new();
        for command in commands {
            if matches!(&command, Command::Config(ConfigCommand::PutAgent { .. })) {
                agents.push(command);
            } else {
                let done = self.client.administer(&command, Some("demonstration")).await;
                done.map_err(|error| FloorError::Client { what, error })?;
            }
        }
        stream::iter(agents.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |agent| async move {
                let done = self.client.administer(&agent, Some("demonstration")).await;
                done.map(drop).map_err(|error| FloorError::Client { what, error })
            })
            .await
    }

    /// Everybody connects; waits until all are there.
    pub async fn connect(
        &mut self,
        badges: &Badges,
        seed: u64,
        day: Duration,
    ) -> Result<(), FloorError> {
        let phase = || self.phase.subscribe();
        let (readers, writer) = (self.readers.clone(), self.board_writer.clone());
        self.watchers.spawn(board::watch_nodes(readers, writer, phase()));
        let channels = self.client.nodes().map(|(_, channel)| channel.clone()).collect();
        self.watchers.spawn(chronicle::keep(channels, self.books.clone(), phase()));

        let gateways =
            (0..GATEWAYS).map(|_| client(&badges.desktops)).collect::<Result<Vec<_>, _>>()?;
        for (at, agent) in plan::agents().into_iter().enumerate() {
            let ways = self.ways(&gateways[at % GATEWAYS], CITIES[agent.city], at);
            let dice = Dice::new(seed, 1_000 + at as u64);
            let desk = DeskPlan { agent: agent.id, ways, dice };
            let desk = Desk::new(desk, self.books.clone(), self.board.clone());
            self.desks.spawn(desk.run(phase()));
        }
        for (at, (city, badge)) in CITIES.iter().zip(&badges.edges).enumerate() {
            let ways = self.ways(&client(badge)?, city, 0);
            let dice = Dice::new(seed, 100 + at as u64);
            let edge = EdgePlan { city: (*city).to_owned(), name: edge(city), ways, dice };
            let edge = Edge::new(edge, Arrivals::new(seed, at, day), self.books.clone());
            self.edges.spawn(edge.run(phase()));
        }
        let all = self.desks.len() + self.edges.len();
        let until = Instant::now() + OPEN_WITHIN;
        while self.books.present() < all {
            if Instant::now() >= until {
                let there = self.books.present();
                let last = self.books.last_trouble().unwrap_or_else(|| "nothing".to_owned());
                let last = format!("{there} of {all} were there; {last}");
                return Err(slow("connecting front ends and desktops", last));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// All nodes, those of a city first; of equal ones another comes first at each turn.
    fn ways(&self, client: &Client, city: &str, turn: usize) -> Vec<Way> {
        let channels = client.nodes().map(|(_, channel)| channel.clone());
        let way = |(place, channel): (&Place, _)| Way {
            site: place.site.clone(),
            endpoint: place.endpoint.clone(),
            channel,
        };
        let ways: Vec<Way> = self.places.iter().zip(channels).map(way).collect();
        let (mut own, mut others): (Vec<_>, Vec<_>) =
            ways.into_iter().partition(|way| way.site == city);
        for some in [&mut own, &mut others] {
            if !some.is_empty() {
                let by = turn % some.len();
                some.rotate_left(by);
            }
        }
        own.extend(others);
        own
    }

    /// Handling and available time of all agents since the beginning: ms.
    pub async fn occupancy(&self) -> Result<(u64, u64), FloorError> {
        let what = "the agents cannot be listed";
        let ask = |channel| async move {
            let reads = ReadsClient::new(channel);
            let request = api::ListAgentsRequest { page_size: 1_000, ..Default::default() };
            reads.max_decoding_message_size(answer_bytes_max()).list_agents(request).await
        };
        let listed = self.client.read(ask).await;
        let listed = listed.map_err(|error| FloorError::Client { what, error })?;
        let counters = listed.agents.into_iter().filter_map(|agent| agent.metrics?.today);
        Ok(counters.fold((0, 0), |(handling, available), counters| {
            (handling + counters.handling_ms, available + counters.available_ms)
        }))
    }

    /// Customers begin to come.
    pub fn open(&self) {
        self.books.failovers.begin();
        self.phase.send_replace(Phase::Open);
    }

    /// Customers cease to come; agents end what they do and log out. False: not all in time.
    pub async fn close(&mut self) -> bool {
        self.phase.send_replace(Phase::Closing);
        all_end(&mut self.desks).await
    }

    /// Front ends wait for what is on their way, and everybody leaves. False: not all in time.
    pub async fn leave(&mut self) -> bool {
        self.phase.send_replace(Phase::Over);
        let edges = all_end(&mut self.edges).await;
        all_end(&mut self.watchers).await && edges
    }
}

/// Waits until all tasks have ended; ends those that take too long.
async fn all_end(tasks: &mut JoinSet<()>) -> bool {
    let joined = async { while tasks.join_next().await.is_some() {} };
    let in_time = timeout(CLOSE_WITHIN, joined).await.is_ok();
    tasks.shutdown().await;
    in_time
}

fn client(identity: &Identity) -> Result<Client, FloorError> {
    let what = "the cluster cannot be talked to";
    Client::new(identity, &[], CALL).map_err(|error| FloorError::Client { what, error })
}

fn slow(what: &'static str, last: String) -> FloorError {
    FloorError::Slow { what, within: OPEN_WITHIN, last }
}
