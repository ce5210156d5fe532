//! Connections and calls of a server, counted.
//!
//! Calls are counted by method and status. Methods are those that the contract has, and [`OTHER`] for
//! whatever else somebody calls, so that nobody can make up labels.
//!
//! Cost: a look-up by path for each call, and three additions.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::http::HeaderMap;
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::tally::{Counter, Level};

/// Stands for every method that is not of the contract.
pub const OTHER: &str = "other";

/// Methods that come with gRPC itself: health and reflection.
const STANDARD: [&str; 4] = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Words for statuses, by their codes (gRPC, "Status codes and their use in gRPC").
pub const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status of a call that the caller gave up, or whose connection broke.
const CANCELLED: usize = 1;
/// The status of a call whose answer does not say.
const UNKNOWN: usize = 2;

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many as may be were open.
    Full,
    /// It did not come to speak TLS 1.3 with a certificate of this cluster's authority, or not in
    /// time.
    Handshake,
    /// Its certificate names nobody of this cluster.
    Stranger,
    /// Its certificate was revoked, or it is of a node that was removed.
    Dismissed,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Handshake, Self::Stranger, Self::Dismissed];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Handshake => "handshake",
            Self::Stranger => "stranger",
            Self::Dismissed => "dismissed",
        }
    }
}

/// Connections and calls of a server since it started.
#[derive(Debug)]
pub struct RpcTally {
    /// Connections that are open, those that have not said yet who they are included.
    pub connections: Level,
    /// Those of them whose callers have no identity yet.
    pub nameless: Level,
    refused: [Counter; Refusal::ALL.len()],
    /// By path, without the slash it begins with.
    methods: BTreeMap<String, Arc<MethodTally>>,
    other: Arc<MethodTally>,
}

/// Calls of one method.
#[derive(Debug, Default)]
pub struct MethodTally {
    /// Calls that are not over. A stream is one call.
    pub in_flight: Level,
    /// Calls that are over, by status.
    ended: [Counter; STATUSES.len()],
}

impl Default for RpcTally {
    fn default() -> Self {
        // The contract is part of the program, and a test reads it.
        let contract = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
        let mut methods: BTreeMap<_, _> =
            STANDARD.iter().map(|path| ((*path).to_owned(), Arc::default())).collect();
        for file in &contract.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    methods.insert(path, Arc::default());
                }
            }
        }
        Self {
            connections: Level::default(),
            nameless: Level::default(),
            refused: Default::default(),
            methods,
            other: Arc::default(),
        }
    }
}

impl RpcTally {
    /// A connection was not served.
    pub fn refused(&self, why: Refusal) {
        self.refused[why as usize].count();
    }

    /// How many connections were not served for a reason.
    pub fn refusals(&self, why: Refusal) -> u64 {
        self.refused[why as usize].get()
    }

    /// A call of this path begins.
    pub fn begin(&self, path: &str) -> Call {
        let method = path.strip_prefix('/').and_then(|path| self.methods.get(path));
        let method = method.unwrap_or(&self.other).clone();
        method.in_flight.rise();
        Call { method, status: None }
    }

    /// All methods, by name, and [`OTHER`].
    pub fn methods(&self) -> impl Iterator<Item = (&str, &MethodTally)> {
        let known = self.methods.iter().map(|(name, method)| (name.as_str(), &**method));
        known.chain([(OTHER, &*self.other)])
    }
}

impl MethodTally {
    /// Calls that are over, by the word of their status.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATUSES.iter().zip(&self.ended).map(|(status, counter)| (*status, counter.get()))
    }
}

/// A call that is not over. It is over when this is dropped, by then without a status: cancelled.
#[derive(Debug)]
pub struct Call {
    method: Arc<MethodTally>,
    status: Option<usize>,
}

impl Call {
    /// The status that these headers or trailers tell, if they tell any.
    pub(super) fn read(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            let code = status.to_str().ok().and_then(|status| status.parse().ok());
            self.status = Some(code.filter(|code| *code < STATUSES.len()).unwrap_or(UNKNOWN));
        }
    }

    /// The answer is complete.
    pub(super) fn complete(&mut self) {
        self.status.get_or_insert(UNKNOWN);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.method.in_flight.fall();
        self.method.ended[self.status.unwrap_or(CANCELLED)].count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(tally: &RpcTally, method: &str) -> Vec<(&'static str, u64)> {
        let (_, counts) = tally.methods().find(|(name, _)| *name == method).unwrap();
        assert_eq!(counts.in_flight.get(), 0);
        counts.ended().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn every_method_of_the_contract_is_known_and_all_else_is_one() {
        let tally = RpcTally::default();
        let known: Vec<_> = tally.methods().map(|(name, _)| name).collect();
        for method in
            ["quorumcall.api.v1.Commands/Submit", "quorumcall.peer.v1.Peer/Append", STANDARD[0]]
        {
            assert!(known.contains(&method), "{method} in {known:?}");
        }
        for made_up in ["/quorumcall.api.v1.Commands/Submit/x", "/", "", "/other", "/\u{1F980}"] {
            tally.begin(made_up).complete();
        }
        assert_eq!(ended(&tally, OTHER), [("UNKNOWN", 5)]);
        assert_eq!(tally.methods().count(), known.len());
    }

    #[test]
    fn a_call_ends_with_the_status_it_tells_or_cancelled() {
        let tally = RpcTally::default();
        let begin = || tally.begin("/quorumcall.api.v1.Commands/Submit");
        for status in ["0", "7", "17", "-1", "seven"] {
            let mut call = begin();
            call.read(&HeaderMap::from_iter([(
                hyper::http::HeaderName::from_static("grpc-status"),
                hyper::http::HeaderValue::from_static(status),
            )]));
            call.complete();
        }
        let open = begin();
        let (_, counts) = tally.methods().find(|(name, _)| name.ends_with("/Submit")).unwrap();
        assert_eq!(counts.in_flight.get(), 1);
        drop(open);
        let expected = [("OK", 1), ("CANCELLED", 1), ("UNKNOWN", 3), ("PERMISSION_DENIED", 1)];
        assert_eq!(ended(&tally, "quorumcall.api.v1.Commands/Submit"), expected);
    }
}
