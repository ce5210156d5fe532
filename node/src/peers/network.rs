//! Raft's calls to peers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use hyper::Uri;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::network::v2::RaftNetworkV2;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory};
use openraft_rt::{AsyncRuntime, Select2};
use proto::api::v1::commands_client::CommandsClient;
use proto::peer::v1;
use proto::peer::v1::peer_client::PeerClient as Grpc;

use super::convert;
use super::members::{Directory, headers};
use crate::identity::{self, ClusterId, Credentials};
use crate::raft::stored::{vote_from_stored, vote_to_stored};
use crate::raft::{Member, NodeId, Types, Vote};
use crate::rpc::{Channel, ClientTls, Dial, Timer};
use crate::seams::Connector;
use crate::storage::Snapshot;

/// Bytes of a message between nodes. Requests are cut at 1 MiB of entries; one entry may be larger.
pub(super) const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// Bytes of a snapshot in one message.
const SNAPSHOT_CHUNK_BYTES: usize = 256 << 10;
/// How long to wait after a stream of log entries could not be opened. openraft waits inside the
/// stream it hands over, which nobody reads when the call fails; without this it would try again
/// at once, hundreds of times a second.
const APPEND_BACK_OFF: Duration = Duration::from_millis(50);

/// Connections to all peers. Clones share them.
pub struct Peers<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
}

impl<RT: AsyncRuntime> Clone for Peers<RT> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

struct Shared<RT: AsyncRuntime> {
    directory: Directory,
    connector: Arc<dyn Connector>,
    credentials: Credentials,
    timer: Timer<RT>,
    patience: Patience,
    channels: Mutex<BTreeMap<NodeId, (Member, Channels<RT>)>>,
}

/// How long to wait for peers.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a sign of life on a silent connection, twice: before it is asked and after.
    pub keep_alive: Duration,
}

/// The connections to one peer.
struct Channels<RT: AsyncRuntime> {
    /// For log entries.
    log: Channel<RT>,
    /// For votes, heartbeats, questions: nothing large.
    urgent: Channel<RT>,
    /// For snapshots and records.
    bulk: Channel<RT>,
}

impl<RT: AsyncRuntime> Clone for Channels<RT> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), urgent: self.urgent.clone(), bulk: self.bulk.clone() }
    }
}

impl<RT: AsyncRuntime> Peers<RT> {
    /// No connections yet.
    pub fn new(
        directory: Directory,
        connector: Arc<dyn Connector>,
        credentials: Credentials,
        timer: Timer<RT>,
        patience: Patience,
    ) -> Self {
        let channels = Mutex::default();
        let shared = Shared { directory, connector, credentials, timer, patience, channels };
        Self { shared: Arc::new(shared) }
    }

    fn channels(&self, node: NodeId, member: &Member) -> Channels<RT> {
        let Shared { directory, connector, credentials, timer, patience, channels } = &*self.shared;
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, channels)) = channels.get(&node)
            && known == member
        {
            return channels.clone();
        }
        let dial = Dial {
            connector: connector.clone(),
            address: member.address.clone(),
            server_name: identity::node_name(
                ClusterId(directory.own().cluster),
                acd::ids::NodeId(node),
            ),
            tls: ClientTls::Current(credentials.clone()),
            headers: headers(directory.own(), member),
            connect_timeout: patience.connect,
            keep_alive: patience.keep_alive,
        };
        let channel = || Channel::new(dial.clone(), timer.clone());
        let fresh = Channels { log: channel(), urgent: channel(), bulk: channel() };
        channels.insert(node, (member.clone(), fresh.clone()));
        fresh
    }

    /// Lets go of the connections to nodes that are no longer members.
    pub fn forget_strangers(&self) {
        let mut channels = self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|node, _| self.shared.directory.get(*node).is_some());
    }

    /// Keeps the connection for log entries and commands open, although only who leads sends entries, and
    /// only to a leader are commands passed on: whoever leads next, nobody has to dial first. At a round
    /// trip of 80 ms that is a quarter of a second of a failover, twice.
    pub fn keep_ready(&self, node: NodeId, member: &Member) {
        self.channels(node, member).log.connect_ahead();
    }

    /// For short questions to a peer.
    pub fn urgent(&self, node: NodeId, member: &Member) -> Grpc<Channel<RT>> {
        grpc(self.channels(node, member).urgent)
    }

    /// For records of a peer.
    pub fn bulk(&self, node: NodeId, member: &Member) -> Grpc<Channel<RT>> {
        grpc(self.channels(node, member).bulk)
    }

    /// For commands passed on to a peer. They go where log entries go: both come in crowds.
    pub fn commands(&self, node: NodeId, member: &Member) -> CommandsClient<Channel<RT>> {
        let channel = self.channels(node, member).log;
        CommandsClient::with_origin(channel, origin()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

/// Every call names an origin; who is there is said by the certificate.
fn origin() -> Uri {
    Uri::from_static("https://quorumcall")
}

fn grpc<RT: AsyncRuntime>(channel: Channel<RT>) -> Grpc<Channel<RT>> {
    Grpc::with_origin(channel, origin())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// Makes Raft's clients.
pub struct Network<RT: AsyncRuntime> {
    peers: Peers<RT>,
}

impl<RT: AsyncRuntime> Network<RT> {
    /// Over these connections.
    pub fn new(peers: Peers<RT>) -> Self {
        Self { peers }
    }

    fn client(&self, node: NodeId, member: &Member, stream: Lane) -> PeerClient<RT> {
        PeerClient { channels: self.peers.channels(node, member), stream }
    }
}

impl<RT: AsyncRuntime> RaftNetworkFactory<Types<RT>> for Network<RT> {
    type Network = PeerClient<RT>;

    async fn new_client(&mut self, node: NodeId, member: &Member) -> Self::Network {
        self.client(node, member, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, node: NodeId, member: &Member) -> Self::Network {
        self.client(node, member, Lane::Urgent)
    }

    // Snapshots have a connection of their own, whichever client sends them.
}

/// Which connection a stream of appends takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Log,
    Urgent,
}

/// Raft's calls to one peer.
pub struct PeerClient<RT: AsyncRuntime> {
    channels: Channels<RT>,
    stream: Lane,
}

/// A call that failed: the peer may have got it or not, which makes no difference to Raft.
fn failed<RT: AsyncRuntime>(status: &tonic::Status) -> RPCError<Types<RT>> {
    RPCError::Network(NetworkError::from_string(status.message()))
}

fn too_late<RT: AsyncRuntime>(what: &str, timeout: Duration) -> RPCError<Types<RT>> {
    RPCError::Unreachable(Unreachable::from_string(format!("no answer to {what} in {timeout:?}")))
}

fn malformed<RT: AsyncRuntime>(error: &crate::raft::stored::Malformed) -> RPCError<Types<RT>> {
    RPCError::Network(NetworkError::new(error))
}

type Appended<'s, RT> = BoxStream<'s, Result<StreamAppendResult<Types<RT>>, RPCError<Types<RT>>>>;

impl<RT: AsyncRuntime> RaftNetworkV2<Types<RT>> for PeerClient<RT> {
    type SnapshotData = Snapshot;

    /// One append is a stream of one. openraft calls [`Self::stream_append`].
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types<RT>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<RT>>, RPCError<Types<RT>>> {
        let last = request.entries.last().map(|e| e.log_id).or(request.prev_log_id);
        let once = Box::pin(stream::once(async { request }));
        let mut answers = self.stream_append(once, option).await?;
        use openraft::raft::StreamAppendError;
        match answers.next().await {
            Some(Ok(Ok(matched))) if matched == last => Ok(AppendEntriesResponse::Success),
            Some(Ok(Ok(matched))) => Ok(AppendEntriesResponse::PartialSuccess(matched)),
            Some(Ok(Err(StreamAppendError::Conflict(_)))) => Ok(AppendEntriesResponse::Conflict),
            Some(Ok(Err(StreamAppendError::HigherVote(vote)))) => {
                Ok(AppendEntriesResponse::HigherVote(vote))
            }
            Some(Err(error)) => Err(error),
            None => Err(RPCError::Network(NetworkError::from_string("no answer to an append"))),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Appended<'s, RT>, RPCError<Types<RT>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types<RT>>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let requests = input.map(convert::append_to_wire::<RT>);
            let opened = match self.stream {
                Lane::Log => grpc(self.channels.log.clone()).append(requests).await,
                Lane::Urgent => {
                    let timeout = option.soft_ttl();
                    let call = async { grpc(self.channels.urgent.clone()).append(requests).await };
                    match RT::timeout(timeout, call).await {
                        Ok(opened) => opened,
                        Err(_) => return Err(too_late("a heartbeat", timeout)),
                    }
                }
            };
            let responses = match opened {
                Ok(responses) => responses.into_inner(),
                Err(status) => {
                    RT::sleep(APPEND_BACK_OFF).await;
                    return Err(failed(&status));
                }
            };
            let answers = responses.map(|response| match response {
                Ok(response) => {
                    convert::appended_from_wire(response).map_err(|error| malformed(&error))
                }
                Err(status) => Err(failed(&status)),
            });
            Ok(Box::pin(answers) as BoxStream<'s, _>)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types<RT>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<RT>>, RPCError<Types<RT>>> {
        let timeout = option.soft_ttl();
        let mut peer = grpc(self.channels.urgent.clone());
        let call = peer.vote(convert::vote_request_to_wire(request));
        let response = RT::timeout(timeout, call).await;
        let response = response.map_err(|_| too_late("a vote", timeout))?;
        let response = response.map_err(|status| failed(&status))?.into_inner();
        convert::vote_response_from_wire(response).map_err(|error| malformed(&error))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types<RT>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<RT>>, RPCError<Types<RT>>> {
        let timeout = option.soft_ttl();
        let mut peer = grpc(self.channels.urgent.clone());
        let call = peer.pre_vote(convert::vote_request_to_wire(request));
        let response = RT::timeout(timeout, call).await;
        let response = response.map_err(|_| too_late("a pre-vote", timeout))?;
        let response = response.map_err(|status| failed(&status))?.into_inner();
        convert::vote_response_from_wire(response).map_err(|error| malformed(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<Types<RT>, Snapshot>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types<RT>>, StreamingError<Types<RT>>> {
        let timeout = option.hard_ttl();
        let mut peer = grpc(self.channels.bulk.clone());
        let call = peer.install_snapshot(snapshot_chunks(vote, snapshot.snapshot));
        let cancel = Box::pin(cancel);
        let response = match RT::select2(cancel, RT::timeout(timeout, call)).await {
            Select2::First(closed) => return Err(StreamingError::Closed(closed)),
            Select2::Second(Ok(Ok(response))) => response.into_inner(),
            Select2::Second(Ok(Err(status))) => return Err(failed::<RT>(&status).into()),
            Select2::Second(Err(_)) => return Err(too_late::<RT>("a snapshot", timeout).into()),
        };
        let follows = response.vote.map(vote_from_stored).ok_or_else(|| {
            let error = NetworkError::from_string("the answer to a snapshot names no vote");
            StreamingError::Network(error)
        })?;
        Ok(SnapshotResponse::new(follows))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types<RT>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<RT>>, RPCError<Types<RT>>> {
        let timeout = option.soft_ttl();
        let mut peer = grpc(self.channels.urgent.clone());
        let call = peer.transfer_leader(convert::transfer_to_wire(request.clone()));
        let response = RT::timeout(timeout, call).await;
        let response = response.map_err(|_| too_late("a transfer of leadership", timeout))?;
        let response = response.map_err(|status| failed(&status))?.into_inner();
        Ok(convert::transferred_from_wire(&request, response))
    }
}

/// A snapshot file in pieces. Reading is from the page cache as a rule; a piece that cannot be read
/// ends the stream early, and the receiver, who was told the length, refuses the whole.
fn snapshot_chunks(vote: Vote, snapshot: Snapshot) -> impl Stream<Item = v1::SnapshotChunk> {
    use v1::snapshot_chunk::Chunk;
    let length = snapshot.length();
    let start = v1::SnapshotStart { vote: Some(vote_to_stored(&vote)), length };
    let chunk = |chunk| v1::SnapshotChunk { chunk: Some(chunk) };
    let first = stream::once(std::future::ready(chunk(Chunk::Start(start))));
    let rest = stream::unfold((snapshot, 0), move |(snapshot, offset)| async move {
        let mut buffer = vec![0; SNAPSHOT_CHUNK_BYTES];
        match snapshot.read_raw(offset, &mut buffer) {
            Ok(0) => None,
            Ok(n) => {
                buffer.truncate(n);
                Some((chunk(Chunk::Data(Bytes::from(buffer))), (snapshot, offset + n as u64)))
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the snapshot to be sent");
                None
            }
        }
    });
    first.chain(rest)
}
