//! A node: everything put together.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::command::Submission;
use acd::ids::PrincipalId;
use acd::time::LogTime;
use openraft::errors::{Fatal, InitializeError, RaftError};
use openraft::raft::ReadPolicy;
use openraft::storage::RaftLogStorage;
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _, Select3};
use proto::api::v1::commands_server::CommandsServer;
use proto::api::v1::joining_server::JoiningServer;
use proto::peer::v1::peer_server::PeerServer;
use proto::peer::v1::read_index_response::Result as ReadIndex;
use tokio::sync::{Notify, Semaphore};
use tonic::service::Routes;

use crate::api::{Access, Api, Streams};
use crate::config::NodeConfig;
use crate::founding::Founding;
use crate::identity::{ClusterId, Credentials};
use crate::joining::{self, AuthorityKey, JoiningService};
use crate::leader::{Duties, Lead, LogClock, last_answer};
use crate::peers::{Directory, Neighbours, Network, Patience, PeerService, Peers, acquaint};
use crate::raft::{Member, NodeId, Raft, Types};
use crate::replica::{Halt, Machine, Observer, Parts, SegmentWriter, State, TimeNews, View};
use crate::rpc::{RpcTally, Server, Timer};
use crate::seams::{Connector, Disk, Keeper, Listener, WallClock};
use crate::shutdown::Shutdown;
use crate::storage::records::RecordStore;
use crate::storage::{Marker, SnapshotStore, StorageError};
use crate::submit::{
    Answer, BatchLimits, Batcher, COMMAND_DEADLINE, CommandsService, Door, Forwarder, Inbox,
    InboxLimits, SubmitTally, Submitted, stopwatch,
};

/// Bytes of one message of a client.
const CLIENT_MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Bytes of one message of a node.
const PEER_MESSAGE_BYTES_MAX: usize = 32 << 20;

/// How often a node that ends looks whether it can.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often to look whether Raft has failed.
const FAILURE_LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a leader that ends waits for another one, and a node for what is on its way.
const HAND_OVER: Duration = Duration::from_secs(1);

/// What a node is made of, all of it from outside.
pub struct Deps<L> {
    /// What it is told.
    pub config: NodeConfig,
    /// Whose disk this is.
    pub marker: Marker,
    /// Which life of the cluster this is.
    pub epoch: u64,
    /// The members it knows before it hears from a leader, itself included. With an empty log,
    /// these are the first members, if `founding` says so.
    pub members: BTreeMap<NodeId, Member>,
    /// How the cluster begins, for its first members.
    pub founding: Option<Founding>,
    /// Who it is.
    pub credentials: Credentials,
    /// Where it keeps its secrets.
    pub keeper: Arc<dyn Keeper>,
    /// Raft's log.
    pub log: L,
    /// The last stamp in the log, if it has any: log time goes on from there.
    pub last_stamp: LogTime,
    /// Snapshots.
    pub disk: Arc<dyn Disk>,
    /// Records.
    pub records: RecordStore,
    /// Wall time.
    pub wall: Arc<dyn WallClock>,
    /// Ways to others.
    pub connector: Arc<dyn Connector>,
    /// Where others come in.
    pub listener: Box<dyn Listener>,
    /// How often replicas compare their states.
    pub checkpoint_every: Duration,
    /// Watches over everything, under test.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Raft's settings contradict each other.
    #[error("settings of Raft refused: {0}")]
    Config(#[from] openraft::ConfigError),
    /// Raft does not start.
    #[error("Raft does not start: {0}")]
    Raft(String),
    /// The number of the node is not a proper principal.
    #[error(transparent)]
    Principal(#[from] acd::rejection::Rejection),
}

/// What part a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It votes.
    Follower,
    /// It is told.
    Learner,
}

/// How current this replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// What part the node plays.
    pub role: Role,
    /// Raft's term.
    pub term: u64,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// The last index that was applied.
    pub applied: u64,
    /// Entries known to be committed and not yet applied.
    pub lag: u64,
    /// How long ago the leader was heard, or, on the leader, had the answer of a quorum; none: not
    /// since the node started.
    pub age: Option<Duration>,
}

/// What is on its way into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Commands that wait for a batch.
    pub commands: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Entries that are proposed and not yet applied.
    pub batches: usize,
}

/// Why a read cannot be linearizable now. It may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody leads, or the leader cannot be reached or cannot tell.
    #[error("no leader can say now what is committed; try again, or read what this node has")]
    NoLeader,
    /// The node has stopped: what it has is not to be trusted.
    #[error("this node has stopped; ask another")]
    Halted,
    /// The node does not catch up in time.
    #[error("this node is behind; try again, or ask another")]
    Behind,
}

/// A running node. Clones share it; [`Node::stop`] ends it.
pub struct Node<RT: AsyncRuntime> {
    inner: Arc<Inner<RT>>,
}

struct Inner<RT: AsyncRuntime> {
    raft: Raft<RT>,
    node: NodeId,
    state: State,
    door: Door<RT>,
    clock: LogClock<RT>,
    directory: Directory,
    peers: Peers<RT>,
    neighbours: Neighbours,
    lead: Lead<RT>,
    records: Arc<RecordStore>,
    rpc: Arc<RpcTally>,
    inbox: Arc<Inbox>,
    /// All are free when nothing is on its way into the log.
    places: Arc<Semaphore>,
    places_max: usize,
    streams: Streams<RT>,
    shutdown: Shutdown,
}

impl<RT: AsyncRuntime> Clone for Node<RT> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<RT: AsyncRuntime> Node<RT> {
    /// Starts a node from what is on its disk.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with what to do. Nothing was changed then.
    pub async fn start<L: RaftLogStorage<Types<RT>>>(deps: Deps<L>) -> Result<Self, StartError> {
        let node = deps.config.node.0;
        let principal = PrincipalId::new(&format!("node-{node}"))?;
        let cluster = ClusterId(deps.marker.cluster);
        let raft_config = deps.config.to_raft_config(&cluster.to_string()).validate()?;
        let limits = deps.config.limits;
        let timer = Timer::<RT>::start();
        let shutdown = Shutdown::default();
        let directory = Directory::new(deps.marker, deps.members.clone());
        let (_, election_max) = deps.config.timing.election_ms;
        let patience = Patience {
            // TCP, TLS and HTTP/2 take three round trips.
            connect: Duration::from_millis(2 * election_max),
            keep_alive: Duration::from_millis(election_max),
        };
        let peers = Peers::<RT>::new(
            directory.clone(),
            deps.connector,
            deps.credentials.clone(),
            timer.clone(),
            patience,
        );
        let snapshots = Arc::new(SnapshotStore::open(deps.disk)?);
        let records = Arc::new(deps.records);
        let snapshot_due = Arc::new(Notify::new());
        let clock = LogClock::<RT>::new(deps.wall.clone(), deps.last_stamp);
        let segments = SegmentWriter::start::<RT>(records.clone());
        #[cfg(feature = "mutations")]
        let hides_gaps = deps.observer.as_ref().is_some_and(|observer| observer.hides_gaps());
        let machine = Machine::open(Parts {
            snapshots: snapshots.clone(),
            segments: segments.clone(),
            epoch: deps.epoch,
            watch_events_max: limits.watch_events,
            snapshot_after_bytes: deps.config.log.snapshot_after_bytes,
            snapshot_due: snapshot_due.clone(),
            time_news: {
                let clock = clock.clone();
                Box::new(move |news| match news {
                    TimeNews::Set(to) => clock.set(to),
                    // What this node begins itself, the batcher says.
                    TimeNews::Led(leader) if leader.node_id == node => {}
                    TimeNews::Led(leader) => clock.term_known(leader),
                })
            },
            observer: deps.observer,
        })?;
        let state = machine.state();
        // The index of the snapshot it begins with, before Raft applies what the log has.
        let restored = state.view().applied().map(|id| id.index);
        clock.begin_at(state.view().centre().now());

        let network = Network::new(peers.clone());
        let raft = Raft::<RT>::new(node, Arc::new(raft_config), network, deps.log, machine)
            .await
            .map_err(|fatal| StartError::Raft(fatal.to_string()))?;
        if deps.founding.is_some() {
            initialize(&raft, deps.members).await?;
        }

        let inbox_limits =
            InboxLimits { commands_max: limits.inbound_commands, bytes_max: limits.inbound_bytes };
        let inbox = Arc::new(Inbox::new(inbox_limits, stopwatch::<RT>()));
        let places = Arc::new(Semaphore::new(limits.batches_in_flight));
        let neighbours = Neighbours::default();
        let leadership = Arc::new(Notify::new());
        let forwarder = Forwarder::start(peers.clone(), directory.clone(), shutdown.clone());
        let door = Door::new(raft.clone(), state.clone(), inbox.clone(), forwarder);
        let batcher = Batcher {
            raft: raft.clone(),
            node,
            principal: principal.clone(),
            inbox: inbox.clone(),
            clock: clock.clone(),
            limits: BatchLimits {
                commands_max: limits.batch_commands,
                bytes_max: limits.batch_bytes,
            },
            places: places.clone(),
            silence: Duration::from_millis(election_max),
            neighbours: neighbours.clone(),
            directory: directory.clone(),
            leadership: leadership.clone(),
            tally: door.tally().clone(),
            shutdown: shutdown.clone(),
            #[cfg(feature = "mutations")]
            hides_gaps,
        };
        spawn_vital::<RT>("the batcher", &state, &shutdown, batcher.run());
        let (streams, tasks) = {
            let door = door.clone();
            let submit = Arc::new(move |submitted| door.submit(submitted));
            let (node, principal) = (acd::ids::NodeId(node), principal.clone());
            Streams::<RT>::new(node, principal, state.clone(), submit, shutdown.clone())
        };
        for (task, work) in tasks {
            spawn_vital::<RT>(task, &state, &shutdown, work);
        }
        let site_delays = deps.config.timing.site_delays();
        let lead = Lead {
            raft: raft.clone(),
            node,
            state: state.clone(),
            door: door.clone(),
            directory: directory.clone(),
            peers: peers.clone(),
            neighbours: neighbours.clone(),
            suspect: site_delays.suspect,
            silence: Duration::from_millis(election_max),
            moving: Arc::default(),
        };
        let duties = Duties {
            raft: raft.clone(),
            node,
            principal,
            state: state.clone(),
            door: door.clone(),
            clock: clock.clone(),
            wall: deps.wall,
            directory: directory.clone(),
            peers: peers.clone(),
            neighbours: neighbours.clone(),
            lead: lead.clone(),
            checkpoint_every: deps.checkpoint_every,
            heartbeat: Duration::from_millis(deps.config.timing.heartbeat_ms),
            silence: Duration::from_millis(election_max),
            site_delays,
            // Raft waits for an answer as long as the time between two heartbeats.
            round_trip_max: Duration::from_millis(deps.config.timing.heartbeat_ms / 2),
            keeper: deps.keeper.clone(),
            shutdown: shutdown.clone(),
        };
        duties.start(leadership, snapshot_due, deps.founding);

        let peer_service = Arc::new(PeerService {
            raft: raft.clone(),
            directory: directory.clone(),
            peers: peers.clone(),
            state: state.clone(),
            clock: clock.clone(),
            snapshots,
            records: records.clone(),
            segments,
            lead: lead.clone(),
            keeper: deps.keeper.clone(),
        });
        let authority_key = AuthorityKey {
            raft: raft.clone(),
            node,
            directory: directory.clone(),
            peers: peers.clone(),
            credentials: deps.credentials.clone(),
            keeper: deps.keeper.clone(),
        };
        spawn_vital::<RT>("who gets to know peers", &state, &shutdown, {
            let (shutdown, directory, peers) = (shutdown.clone(), directory.clone(), peers.clone());
            async move {
                RT::select2(pin!(shutdown.wait()), pin!(acquaint::<RT>(directory, peers))).await;
            }
        });
        spawn_vital::<RT>("the keeper of the authority's key", &state, &shutdown, {
            let shutdown = shutdown.clone();
            async move {
                RT::select2(pin!(shutdown.wait()), pin!(authority_key.watch())).await;
            }
        });
        {
            let (service, shutdown) = (peer_service.clone(), shutdown.clone());
            drop(RT::spawn(async move {
                let shutdown = pin!(shutdown.wait());
                let fill = pin!(service.fill_records(restored));
                RT::select2(shutdown, fill).await;
            }));
        }
        let commands_service = CommandsService {
            door: door.clone(),
            directory: directory.clone(),
            shutdown: shutdown.clone(),
        };
        let gate = Access { state: state.clone() };
        let rpc = Arc::new(RpcTally::default());
        let inner = Inner {
            raft,
            node,
            state: state.clone(),
            door,
            clock,
            directory,
            peers,
            neighbours,
            lead,
            records: records.clone(),
            rpc: rpc.clone(),
            inbox,
            places,
            places_max: limits.batches_in_flight,
            streams: streams.clone(),
            shutdown: shutdown.clone(),
        };
        let node = Self { inner: Arc::new(inner) };
        let routes = Routes::new(
            PeerServer::from_arc(peer_service)
                .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
                .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX),
        )
        .add_service(
            CommandsServer::new(commands_service)
                .max_decoding_message_size(CLIENT_MESSAGE_BYTES_MAX),
        );
        let joining = JoiningService {
            node: node.clone(),
            keeper: deps.keeper,
            principal: PrincipalId::new(&format!("node-{}", node.number()))?,
            timing: deps.config.timing,
        };
        let server = Server {
            credentials: deps.credentials,
            cluster,
            gate: Arc::new(gate),
            routes: Api::new(node.clone(), records, streams.clone())
                .add_to(routes)
                .add_service(
                    JoiningServer::new(joining)
                        .max_decoding_message_size(joining::MESSAGE_BYTES_MAX),
                )
                .prepare(),
            timer,
            tally: rpc,
            shutdown: shutdown.clone(),
        };
        spawn_vital::<RT>("the server", &state, &shutdown, server.run(deps.listener));
        {
            let node = node.clone();
            drop(RT::spawn(async move {
                let shutdown = pin!(shutdown.wait());
                let begin = pin!(streams.begin(node));
                RT::select2(shutdown, begin).await;
            }));
        }
        Ok(node)
    }

    /// Submits a command of an authenticated principal and waits for its answer, at most
    /// [`COMMAND_DEADLINE`].
    pub async fn call(&self, submission: &Submission) -> Answer {
        self.inner.door.call(submission).await
    }

    /// Submits a command; the answer goes where it says.
    pub fn submit(&self, submitted: Submitted) {
        self.inner.door.submit(submitted);
    }

    /// The state, for reads of what this node has and for watches.
    pub fn state(&self) -> &State {
        &self.inner.state
    }

    /// How current that is.
    pub fn freshness(&self) -> Freshness {
        let answered = last_answer(&self.inner.raft);
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.state.is_leader();
        let role = match metrics.state {
            openraft::ServerState::Leader => Role::Leader,
            openraft::ServerState::Learner => Role::Learner,
            _ => Role::Follower,
        };
        let applied = self.inner.state.last_applied();
        let committed = metrics.cluster_committed.max(metrics.local_committed);
        let age = match leads {
            true => answered.map(|(_, at)| RT::Instant::now().saturating_duration_since(at)),
            false => self.inner.clock.since_attended(),
        };
        let lag = committed.map_or(0, |id| id.index.saturating_sub(applied));
        let (term, leader) = (metrics.current_term, metrics.current_leader);
        Freshness { role, term, leader, applied, lag, age }
    }

    /// Waits until this node has applied all that was committed when this was called, so that what
    /// is read then is linearizable.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: what this node has may still be read.
    pub async fn catch_up(&self) -> Result<View<'_>, ReadError> {
        if self.inner.state.halted().is_some() {
            return Err(ReadError::Halted);
        }
        let index = self.read_index().await?;
        let applied = RT::timeout(COMMAND_DEADLINE, self.inner.state.wait_applied(index)).await;
        match applied {
            Ok(Ok(())) => Ok(self.inner.state.view()),
            Ok(Err(_)) | Err(_) => Err(ReadError::Behind),
        }
    }

    /// Asks the leader up to where the log is committed.
    async fn read_index(&self) -> Result<u64, ReadError> {
        let raft = &self.inner.raft;
        if self.inner.raft.as_leader().is_ok() {
            let read = raft.get_read_log_id(ReadPolicy::ReadIndex).await;
            return read.map(|(read, _)| read.log_id().index).map_err(|_| ReadError::NoLeader);
        }
        let leader = raft.current_leader().await.ok_or(ReadError::NoLeader)?;
        let member = self.inner.directory.get(leader).ok_or(ReadError::NoLeader)?;
        let mut peer = self.inner.peers.urgent(leader, &member);
        let call = peer.read_index(proto::peer::v1::ReadIndexRequest {});
        let answer = RT::timeout(COMMAND_DEADLINE, call).await;
        let answer = answer.map_err(|_| ReadError::NoLeader)?.map_err(|_| ReadError::NoLeader)?;
        match answer.into_inner().result {
            Some(ReadIndex::Index(index)) => Ok(index),
            Some(ReadIndex::NotLeader(_)) | None => Err(ReadError::NoLeader),
        }
    }

    /// Raft, for operations on the cluster and for tests.
    pub fn raft(&self) -> &Raft<RT> {
        &self.inner.raft
    }

    /// The number of this node.
    pub fn number(&self) -> NodeId {
        self.inner.node
    }

    /// The members this node knows.
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// Where commands go.
    pub(crate) fn door(&self) -> &Door<RT> {
        &self.inner.door
    }

    /// Who should lead, and how that is changed.
    pub fn lead(&self) -> &Lead<RT> {
        &self.inner.lead
    }

    /// Whether this node serves: it goes on, knows a leader, and lets streams in.
    pub fn serves(&self) -> bool {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let goes_on = metrics.running_state.is_ok() && !self.inner.state.is_closed();
        goes_on && metrics.current_leader.is_some() && self.inner.streams.have_begun()
    }

    /// The sessions of agents and the streams of front ends.
    pub fn streams(&self) -> &Streams<RT> {
        &self.inner.streams
    }

    /// What the peers said last of their clocks and positions.
    pub fn neighbours(&self) -> &Neighbours {
        &self.inner.neighbours
    }

    /// The records of what is over.
    pub fn records(&self) -> &RecordStore {
        &self.inner.records
    }

    /// Log time now, as far as this node knows it.
    pub fn now(&self) -> LogTime {
        self.inner.clock.reading()
    }

    /// The wall clock of this node: ms since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.inner.clock.wall_ms()
    }

    /// What is on its way into the log.
    pub fn load(&self) -> Load {
        let Inner { inbox, places, places_max, .. } = &*self.inner;
        let (commands, bytes) = inbox.load();
        Load { commands, bytes, batches: places_max.saturating_sub(places.available_permits()) }
    }

    /// What became of the commands that came in here.
    pub fn commands(&self) -> &SubmitTally {
        self.inner.door.tally()
    }

    /// Connections and calls.
    pub fn rpc(&self) -> &RpcTally {
        &self.inner.rpc
    }

    /// Returns when this node cannot go on, with why.
    pub async fn failed(&self) -> String {
        // Not all metrics: they change with each entry, and this waits on a thread of its own.
        let mut roles = self.inner.raft.server_metrics();
        loop {
            let fatal = self.inner.raft.metrics().borrow_watched().running_state.clone().err();
            match (fatal, self.inner.state.halted()) {
                (_, Some(halt)) => return halt.to_string(),
                (Some(Fatal::Stopped), None) => return "the node was stopped".to_owned(),
                (Some(fatal), None) => return fatal.to_string(),
                (None, None) => {}
            }
            let halted = pin!(self.inner.state.until_halted());
            let changed = pin!(roles.changed());
            // That Raft has failed stands in all metrics only.
            let looked = RT::select3(halted, changed, RT::sleep(FAILURE_LOOK_EVERY)).await;
            if let Select3::Second(Err(_)) = looked {
                let fatal = self.inner.raft.metrics().borrow_watched().running_state.clone().err();
                return fatal.map_or("Raft has stopped".to_owned(), |fatal| fatal.to_string());
            }
        }
    }

    /// Ends the node: gives the lead away if it has it, answers what can be answered, and leaves a
    /// disk from which it starts again.
    pub async fn stop(&self) {
        if self.inner.raft.as_leader().is_ok()
            && let Some(to) = self.inner.lead.successor()
        {
            // Whether somebody took it or not, this node ends.
            let _ = self.hand_over_to(to).await;
        }
        self.inner.streams.close().await;
        self.inner.inbox.close();
        // Nobody is left waiting for what is on its way, unless it takes too long.
        let _ = RT::timeout(HAND_OVER, self.settled()).await;
        // Watches say that they end, while there are connections to say it through.
        self.inner.state.close();
        RT::sleep(LOOK_EVERY).await;
        self.inner.shutdown.pull();
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::error!(%error, "Raft did not end well");
        }
    }
}

impl<RT: AsyncRuntime> Node<RT> {
    /// Returns when nothing waits and nothing is on its way into the log.
    async fn settled(&self) {
        let Inner { inbox, places, places_max, .. } = &*self.inner;
        while !inbox.is_empty() || places.available_permits() < *places_max {
            RT::sleep(LOOK_EVERY).await;
        }
        // The answers go out.
        RT::sleep(LOOK_EVERY).await;
    }

    /// Lets another node lead; whether somebody does within a second. Nothing is written meanwhile.
    pub async fn hand_over_to(&self, to: NodeId) -> bool {
        self.inner.lead.hand_over(to, HAND_OVER).await
    }
}

/// Spawns a task that must run as long as the node; when it ends before, by a bug, so does the node.
fn spawn_vital<RT: AsyncRuntime>(
    task: &'static str,
    state: &State,
    shutdown: &Shutdown,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let (state, shutdown) = (state.clone(), shutdown.clone());
    drop(RT::spawn(async move {
        // A task that panics ends, too.
        let _ = RT::spawn(work).await;
        if !shutdown.has_come() {
            state.halt(Halt::TaskEnded { task });
        }
    }));
}

/// Makes the founding members the first of the cluster, unless the log has something already.
async fn initialize<RT: AsyncRuntime>(
    raft: &Raft<RT>,
    members: BTreeMap<NodeId, Member>,
) -> Result<(), StartError> {
    match raft.initialize(members).await {
        // Every founding node does the same; whoever was told of it by another has a log already.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(StartError::Raft(error.to_string())),
    }
}
