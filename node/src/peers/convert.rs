//! Raft's messages as they are on the wire.

use acd::codec::{decode_record, encode_record};
use acd::rejection::Rejection;
use acd::time::LogTime;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft_rt::AsyncRuntime;
use proto::peer::v1;
use proto::stored::v1 as stored;

use crate::raft::stored::{
    Malformed, log_id_from_stored, log_id_to_stored, payload_from_bytes, payload_to_bytes,
    vote_from_stored, vote_to_stored,
};
use crate::raft::{Entry, Types, Vote};
use crate::storage::records::LoggedRecord;

fn vote(stored: Option<stored::Vote>) -> Result<Vote, Malformed> {
    stored.map(vote_from_stored).ok_or(Malformed { what: "vote" })
}

pub(super) fn append_to_wire<RT: AsyncRuntime>(
    request: AppendEntriesRequest<Types<RT>>,
) -> v1::AppendRequest {
    let AppendEntriesRequest { vote, prev_log_id, entries, leader_commit } = request;
    let entries = entries.into_iter().map(|entry| v1::LogEntry {
        log_id: Some(log_id_to_stored(&entry.log_id)),
        payload: payload_to_bytes(&entry.payload).into(),
    });
    v1::AppendRequest {
        vote: Some(vote_to_stored(&vote)),
        previous: prev_log_id.as_ref().map(log_id_to_stored),
        entries: entries.collect(),
        committed: leader_commit.as_ref().map(log_id_to_stored),
    }
}

pub(super) fn append_from_wire<RT: AsyncRuntime>(
    request: v1::AppendRequest,
) -> Result<AppendEntriesRequest<Types<RT>>, Malformed> {
    let entries = request.entries.into_iter().map(|entry| {
        let log_id = entry.log_id.ok_or(Malformed { what: "log entry" })?;
        Ok(Entry {
            log_id: log_id_from_stored(log_id),
            payload: payload_from_bytes(entry.payload)?,
        })
    });
    Ok(AppendEntriesRequest {
        vote: vote(request.vote)?,
        prev_log_id: request.previous.map(log_id_from_stored),
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: request.committed.map(log_id_from_stored),
    })
}

pub(super) fn appended_to_wire<RT: AsyncRuntime>(
    result: StreamAppendResult<Types<RT>>,
) -> v1::AppendResponse {
    use v1::append_response::{Matched, Result as Wire};
    let result = match result {
        Ok(log_id) => Wire::Matched(Matched { log_id: log_id.as_ref().map(log_id_to_stored) }),
        Err(StreamAppendError::Conflict(log_id)) => Wire::Conflict(log_id_to_stored(&log_id)),
        Err(StreamAppendError::HigherVote(vote)) => Wire::HigherVote(vote_to_stored(&vote)),
    };
    v1::AppendResponse { result: Some(result) }
}

pub(super) fn appended_from_wire<RT: AsyncRuntime>(
    response: v1::AppendResponse,
) -> Result<StreamAppendResult<Types<RT>>, Malformed> {
    use v1::append_response::Result as Wire;
    Ok(match response.result.ok_or(Malformed { what: "append response" })? {
        Wire::Matched(matched) => Ok(matched.log_id.map(log_id_from_stored)),
        Wire::Conflict(log_id) => Err(StreamAppendError::Conflict(log_id_from_stored(log_id))),
        Wire::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_from_stored(vote))),
    })
}

pub(super) fn vote_request_to_wire<RT: AsyncRuntime>(
    request: VoteRequest<Types<RT>>,
) -> v1::VoteRequest {
    v1::VoteRequest {
        vote: Some(vote_to_stored(&request.vote)),
        last: request.last_log_id.as_ref().map(log_id_to_stored),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn vote_request_from_wire<RT: AsyncRuntime>(
    request: v1::VoteRequest,
) -> Result<VoteRequest<Types<RT>>, Malformed> {
    Ok(VoteRequest {
        vote: vote(request.vote)?,
        last_log_id: request.last.map(log_id_from_stored),
        leadership_transfer: request.leadership_transfer,
    })
}

pub(super) fn vote_response_to_wire<RT: AsyncRuntime>(
    response: VoteResponse<Types<RT>>,
) -> v1::VoteResponse {
    v1::VoteResponse {
        vote: Some(vote_to_stored(&response.vote)),
        granted: response.vote_granted,
        last: response.last_log_id.as_ref().map(log_id_to_stored),
    }
}

pub(super) fn vote_response_from_wire<RT: AsyncRuntime>(
    response: v1::VoteResponse,
) -> Result<VoteResponse<Types<RT>>, Malformed> {
    Ok(VoteResponse {
        vote: vote(response.vote)?,
        vote_granted: response.granted,
        last_log_id: response.last.map(log_id_from_stored),
    })
}

pub(super) fn transfer_to_wire<RT: AsyncRuntime>(
    request: TransferLeaderRequest<Types<RT>>,
) -> v1::TransferLeaderRequest {
    v1::TransferLeaderRequest {
        from: Some(vote_to_stored(request.from_leader())),
        to: *request.to_node_id(),
        last: request.last_log_id().map(log_id_to_stored),
    }
}

pub(super) fn transfer_from_wire<RT: AsyncRuntime>(
    request: v1::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<Types<RT>>, Malformed> {
    let last = request.last.map(log_id_from_stored);
    Ok(TransferLeaderRequest::new(vote(request.from)?, request.to, last))
}

pub(super) fn transferred_to_wire<RT: AsyncRuntime>(
    response: TransferLeaderResponse<Types<RT>>,
) -> v1::TransferLeaderResponse {
    use v1::transfer_leader_response::{NotFlushed, Refusal};
    let refusal = match response {
        Ok(()) => None,
        Err(TransferLeaderError::VoteChanged { actual, .. }) => {
            Some(Refusal::VoteChanged(vote_to_stored(&actual)))
        }
        Err(TransferLeaderError::LogNotFlushed { actual, .. }) => {
            Some(Refusal::NotFlushed(NotFlushed { last: actual.as_ref().map(log_id_to_stored) }))
        }
    };
    v1::TransferLeaderResponse { refusal }
}

pub(super) fn transferred_from_wire<RT: AsyncRuntime>(
    request: &TransferLeaderRequest<Types<RT>>,
    response: v1::TransferLeaderResponse,
) -> TransferLeaderResponse<Types<RT>> {
    use v1::transfer_leader_response::Refusal;
    match response.refusal {
        None => Ok(()),
        Some(Refusal::VoteChanged(actual)) => Err(TransferLeaderError::VoteChanged {
            expected: *request.from_leader(),
            actual: vote_from_stored(actual),
        }),
        Some(Refusal::NotFlushed(actual)) => Err(TransferLeaderError::LogNotFlushed {
            expected: request.last_log_id().copied(),
            actual: actual.last.map(log_id_from_stored),
        }),
    }
}

pub(super) fn record_to_wire(logged: &LoggedRecord) -> v1::LoggedRecord {
    v1::LoggedRecord {
        index: logged.index,
        ordinal: logged.ordinal,
        stamp_ms: logged.stamp.0,
        record: encode_record(&logged.record).into(),
    }
}

pub(super) fn record_from_wire(wire: v1::LoggedRecord) -> Result<LoggedRecord, Rejection> {
    let v1::LoggedRecord { index, ordinal, stamp_ms, record } = wire;
    Ok(LoggedRecord { index, ordinal, stamp: LogTime(stamp_ms), record: decode_record(record)? })
}
