//! What this node answers its peers.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use acd::codec::decode_submission;
use acd::time::LogTime;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use openraft::raft::ReadPolicy;
use openraft_rt::watch::WatchReceiver;
use openraft_rt::{AsyncRuntime, Instant as _};
use proto::api::v1::TransferLeaderResponse;
use proto::peer::v1;
use proto::peer::v1::peer_client::PeerClient;
use proto::peer::v1::peer_server::Peer;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::convert;
use super::members::Directory;
use super::network::Peers;
use crate::leader::{Lead, LogClock};
use crate::raft::stored::{
    member_to_stored, payload_from_bytes, stamp, vote_from_stored, vote_to_stored,
};
use crate::raft::{NodeId, Raft, Vote};
use crate::replica::{Batch, RECORDS_PER_SEGMENT, SegmentWriter, State};
use crate::rpc::{Caller, Channel};
use crate::seams::Keeper;
use crate::storage::records::{LoggedRecord, RecordStore};
use crate::storage::{Snapshot, SnapshotStore};

/// How soon missing records are asked for again.
const FILL_EVERY: Duration = Duration::from_secs(5);
/// Bytes of records in one message.
const RECORDS_CHUNK_BYTES: usize = 1 << 20;

/// Answers peers.
pub struct PeerService<RT: AsyncRuntime> {
    /// Raft.
    pub raft: Raft<RT>,
    /// Who may ask.
    pub directory: Directory,
    /// The way back, for records.
    pub peers: Peers<RT>,
    /// The state.
    pub state: State,
    /// Learns the stamps of entries.
    pub clock: LogClock<RT>,
    /// Takes snapshots.
    pub snapshots: Arc<SnapshotStore>,
    /// Gives records.
    pub records: Arc<RecordStore>,
    /// Takes records.
    pub segments: SegmentWriter,
    /// Has the authority's key, perhaps.
    pub keeper: Arc<dyn Keeper>,
    /// Hands over.
    pub lead: Lead<RT>,
}

fn refused(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Raft has stopped, or the disk has: the peer tries again, or somebody else.
fn failed(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

impl<RT: AsyncRuntime> PeerService<RT> {
    fn check<T>(&self, request: &Request<T>) -> Result<NodeId, Status> {
        self.directory.check_peer(request.extensions().get::<Caller>(), request.metadata())
    }

    /// Gets the records up to a snapshot that are missing here, as after the loss of a segment.
    pub async fn fill_records(&self, snapshot: Option<u64>) {
        loop {
            let behind = snapshot.filter(|to| self.records.covered_to() < Some(*to));
            let holes = self.records.missing();
            let Some(hole) =
                holes.into_iter().next().or_else(|| Some(self.next_record()..=behind?))
            else {
                return;
            };
            if let Err(why) = self.fetch_records(None, hole.clone()).await {
                tracing::error!(?hole, %why, "records are missing here and cannot be had now");
                RT::sleep(FILL_EVERY).await;
            }
        }
    }

    /// The first entry after those whose records are here.
    fn next_record(&self) -> u64 {
        self.records.covered_to().map_or(0, |covered| covered + 1)
    }

    /// Gets the records of a range of the log, durably: from the leader that sends the state those
    /// entries led to, or, if its records are damaged, from anybody else. Without this they would
    /// be missing here, for a snapshot does not bring the entries.
    async fn fetch_records(
        &self,
        leader: Option<NodeId>,
        range: RangeInclusive<u64>,
    ) -> Result<(), Status> {
        if range.is_empty() {
            return Ok(());
        }
        let mut members = self.directory.others();
        members.sort_by_key(|(node, _)| Some(*node) != leader);
        let mut outcome = Err(failed("there is nobody to get records from"));
        for (node, member) in &members {
            outcome = self.fetch_records_from(self.peers.bulk(*node, member), range.clone()).await;
            match &outcome {
                Ok(()) => break,
                Err(why) => tracing::warn!(node, %why, "records cannot be had from this node"),
            }
        }
        outcome
    }

    async fn fetch_records_from(
        &self,
        mut peer: PeerClient<Channel<RT>>,
        range: RangeInclusive<u64>,
    ) -> Result<(), Status> {
        let (mut from, to) = range.into_inner();
        let mut next = from;
        let wanted = v1::FetchRecordsRequest { from, to };
        let mut chunks = peer.fetch_records(wanted).await?.into_inner();
        let mut records = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            let v1::RecordsChunk { from: begins, records: more, covered_to } = chunk;
            if begins != next {
                return Err(refused(format!("the peer has no records of {next} to {begins}")));
            }
            for record in more {
                records.push(convert::record_from_wire(record).map_err(refused)?);
            }
            let Some(covered) = covered_to else { continue };
            next = covered + 1;
            if covered < to && records.len() < RECORDS_PER_SEGMENT {
                continue;
            }
            let batch = Batch { from, to: covered, records: std::mem::take(&mut records) };
            from = covered + 1;
            self.segments.write_and_wait(batch).await.map_err(failed)?;
        }
        if from <= to {
            return Err(failed(format!("records up to {to} were asked for, {from} is missing")));
        }
        Ok(())
    }
}

/// The stamp of the last entry of an append that has one.
fn last_stamp(request: &v1::AppendRequest) -> Option<LogTime> {
    let stamp_of = |payload| stamp(&payload_from_bytes(payload).ok()?);
    request.entries.iter().rev().find_map(|entry| stamp_of(entry.payload.clone()))
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Peer for PeerService<RT> {
    type AppendStream = BoxStream<'static, Result<v1::AppendResponse, Status>>;
    type FetchRecordsStream = BoxStream<'static, Result<v1::RecordsChunk, Status>>;

    async fn append(
        &self,
        request: Request<Streaming<v1::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        self.check(&request)?;
        let clock = self.clock.clone();
        // What the requests that are on their way were stamped with, and when they came: it counts
        // when Raft has taken them.
        let (stamps, mut taken) = mpsc::unbounded_channel();
        // A stream that breaks, or brings what is no request, ends: the leader opens another.
        let requests = stream::unfold(request.into_inner(), move |mut requests| {
            let stamps = stamps.clone();
            async move {
                let request = requests.message().await.ok()??;
                // Answers are taken as long as requests are.
                let leader = vote_from_stored(request.vote.unwrap_or_default()).leader_id;
                let _ = stamps.send((leader, last_stamp(&request), RT::Instant::now()));
                match convert::append_from_wire::<RT>(request) {
                    Ok(request) => Some((request, requests)),
                    Err(error) => {
                        tracing::error!(%error, "an append that cannot be read");
                        None
                    }
                }
            }
        });
        let answers = self.raft.stream_append(requests).map(move |answer| match answer {
            Ok(answer) => {
                if let (Ok((leader, stamp, since)), true) = (taken.try_recv(), answer.is_ok()) {
                    clock.followed(leader, since);
                    if let Some(stamp) = stamp {
                        clock.observe(stamp, since);
                    }
                }
                Ok(convert::appended_to_wire::<RT>(answer))
            }
            Err(fatal) => Err(failed(fatal)),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        self.check(&request)?;
        let request = convert::vote_request_from_wire(request.into_inner()).map_err(refused)?;
        let response = self.raft.vote(request).await.map_err(failed)?;
        Ok(Response::new(convert::vote_response_to_wire(response)))
    }

    async fn pre_vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        self.check(&request)?;
        let request = convert::vote_request_from_wire(request.into_inner()).map_err(refused)?;
        let response = self.raft.pre_vote(request).await.map_err(failed)?;
        Ok(Response::new(convert::vote_response_to_wire(response)))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        self.check(&request)?;
        let request = convert::transfer_from_wire(request.into_inner()).map_err(refused)?;
        let response = self.raft.handle_transfer_leader(request).await.map_err(failed)?;
        Ok(Response::new(convert::transferred_to_wire(response)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::SnapshotChunk>>,
    ) -> Result<Response<v1::SnapshotResponse>, Status> {
        self.check(&request)?;
        let (vote, snapshot) = receive::<RT>(&self.snapshots, request.into_inner()).await?;
        let last = snapshot.meta.last_log_id.map_or(0, |id| id.index);
        // Records first: what the snapshot covers, the log will not give here.
        let missing = self.next_record()..=last;
        self.fetch_records(Some(vote.leader_id.node_id), missing).await?;
        let snapshot = openraft::storage::Snapshot { meta: snapshot.meta.clone(), snapshot };
        let response = self.raft.install_full_snapshot(vote, snapshot).await.map_err(failed)?;
        let vote = Some(vote_to_stored(&response.vote));
        Ok(Response::new(v1::SnapshotResponse { vote }))
    }

    async fn fetch_records(
        &self,
        request: Request<v1::FetchRecordsRequest>,
    ) -> Result<Response<Self::FetchRecordsStream>, Status> {
        self.check(&request)?;
        let v1::FetchRecordsRequest { from, to } = request.into_inner();
        let segments = self.records.segments().into_iter();
        let ranges = segments.map(|s| s.from.max(from)..=s.to.min(to)).filter(|r| !r.is_empty());
        let store = self.records.clone();
        // A segment at a time: what is held in memory does not grow with what is asked for.
        let chunks = stream::iter(ranges.collect::<Vec<_>>()).then(move |range| {
            let store = store.clone();
            async move {
                let (begins, covered_to) = (*range.start(), *range.end());
                let records = RT::spawn_blocking(move || store.records(range)).await;
                match records.map_err(failed).and_then(|read| read.map_err(failed)) {
                    Ok(records) => chunks(&records, begins, covered_to),
                    Err(status) => vec![Err(status)],
                }
            }
        });
        Ok(Response::new(Box::pin(chunks.flat_map(stream::iter))))
    }

    async fn read_index(
        &self,
        request: Request<v1::ReadIndexRequest>,
    ) -> Result<Response<v1::ReadIndexResponse>, Status> {
        use v1::read_index_response::Result as Wire;
        self.check(&request)?;
        let result = match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Wire::Index(read.log_id().index),
            Err(_) => Wire::NotLeader(v1::NotLeader { leader: self.raft.current_leader().await }),
        };
        Ok(Response::new(v1::ReadIndexResponse { result: Some(result) }))
    }

    async fn members(
        &self,
        request: Request<v1::MembersRequest>,
    ) -> Result<Response<v1::MembersResponse>, Status> {
        self.check(&request)?;
        let members = self.directory.all();
        let members = members.iter().map(|(node, member)| member_to_stored(*node, member));
        Ok(Response::new(v1::MembersResponse { members: members.collect() }))
    }

    async fn fetch_authority(
        &self,
        request: Request<v1::FetchAuthorityRequest>,
    ) -> Result<Response<v1::FetchAuthorityResponse>, Status> {
        let node = self.check(&request)?;
        let is_leaving = {
            let view = self.state.view();
            view.centre().node(acd::ids::NodeId(node)).is_some_and(|known| known.leaving)
        };
        // By what is committed: who only hopes to vote is not told.
        let is_voter = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let committed = metrics.committed_membership_config.membership();
            committed.voter_ids().any(|voter| voter == node)
        };
        if is_leaving || !is_voter {
            return Err(Status::permission_denied("only who votes keeps the authority's key"));
        }
        let keeper = self.keeper.clone();
        let kept = RT::spawn_blocking(move || keeper.authority()).await.map_err(failed)?;
        let kept = kept.map_err(|_| failed("it cannot be read here"))?;
        let pem = kept.map_or_else(Vec::new, |authority| authority.to_pem().into_bytes());
        Ok(Response::new(v1::FetchAuthorityResponse { pem: pem.into() }))
    }

    async fn hand_over(
        &self,
        request: Request<v1::HandOverRequest>,
    ) -> Result<Response<TransferLeaderResponse>, Status> {
        self.check(&request)?;
        let wish = decode_submission(&request.into_inner().submission).map_err(refused)?;
        Ok(Response::new(self.lead.transfer_here(wish).await.to_wire()))
    }

    async fn probe(
        &self,
        request: Request<v1::ProbeRequest>,
    ) -> Result<Response<v1::ProbeResponse>, Status> {
        self.check(&request)?;
        let view = self.state.view();
        let checkpoint = view.centre().checkpoint().map(|(index, hash)| v1::Checkpoint {
            index,
            hash: hash.to_be_bytes().to_vec().into(),
        });
        Ok(Response::new(v1::ProbeResponse {
            wall_ms: self.clock.wall_ms(),
            applied: view.applied().map_or(0, |id| id.index),
            checkpoint,
        }))
    }
}

/// Takes a snapshot that a leader sends; it is checked before it counts.
async fn receive<RT: AsyncRuntime>(
    store: &SnapshotStore,
    mut chunks: Streaming<v1::SnapshotChunk>,
) -> Result<(Vote, Snapshot), Status> {
    use v1::snapshot_chunk::Chunk;
    let Some(Chunk::Start(start)) = chunks.message().await?.and_then(|first| first.chunk) else {
        return Err(refused("a snapshot begins with its start"));
    };
    let vote = start.vote.map(vote_from_stored).ok_or_else(|| refused("a start names a vote"))?;
    let mut receiver = store.receiver().map_err(failed)?;
    let mut received = 0;
    while let Some(v1::SnapshotChunk { chunk }) = chunks.message().await? {
        let Some(Chunk::Data(data)) = chunk else {
            return Err(refused("after its start a snapshot is bytes"));
        };
        received += data.len() as u64;
        if received > start.length {
            return Err(refused(format!("more than the {} bytes announced", start.length)));
        }
        // Into the page cache: short. What takes long is the sync in `finish`.
        receiver.write(&data).map_err(failed)?;
    }
    if received != start.length {
        return Err(refused(format!("{received} bytes of a snapshot of {}", start.length)));
    }
    let snapshot =
        RT::spawn_blocking(move || receiver.finish()).await.map_err(failed)?.map_err(failed)?;
    Ok((vote, snapshot))
}

/// The records of a range in messages that are not too large.
fn chunks(
    records: &[LoggedRecord],
    from: u64,
    covered_to: u64,
) -> Vec<Result<v1::RecordsChunk, Status>> {
    let mut all = Vec::new();
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for record in records {
        let record = convert::record_to_wire(record);
        bytes += record.record.len();
        chunk.push(record);
        if bytes >= RECORDS_CHUNK_BYTES {
            let records = std::mem::take(&mut chunk);
            all.push(Ok(v1::RecordsChunk { from, records, covered_to: None }));
            bytes = 0;
        }
    }
    all.push(Ok(v1::RecordsChunk { from, records: chunk, covered_to: Some(covered_to) }));
    all
}
