//! What etcd does with the same number under way, measured by the same client: puts of 200 bytes.
//!
//! Of etcd's API only `etcdserverpb.KV/Put` is called. Its two messages are written down here, by
//! the field numbers that etcd publishes in `rpc.proto`; the answer is read no further than that it
//! is one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::drive::{Counts, Load};
use crate::failure::{ErrorCode, Failure};

/// Bytes of a value.
const VALUE_BYTES: usize = 200;
/// Keys that are written to, in turn.
const KEYS: u64 = 100_000;
/// Calls at a time over one connection, as for the calls to a node.
const CALLS_PER_CONNECTION: u64 = 128;
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const PUT: &str = "/etcdserverpb.KV/Put";

/// `etcdserverpb.PutRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: bytes::Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: bytes::Bytes,
}

/// `etcdserverpb.PutResponse`, of which nothing is used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// The load.
pub(super) struct Etcd {
    connections: Vec<Channel>,
    under_way: FuturesUnordered<BoxFuture<'static, (Instant, Result<(), Status>)>>,
    value: bytes::Bytes,
    puts: u64,
    counts: Counts,
}

impl Etcd {
    /// Connects when it is first used.
    pub(super) fn new(endpoint: &str, in_flight: u64) -> Result<Self, Failure> {
        let connection = |_| {
            let endpoint = Endpoint::from_shared(format!("http://{endpoint}"))?;
            Ok(endpoint.tcp_nodelay(true).connect_timeout(Duration::from_secs(5)).connect_lazy())
        };
        let connections: Result<_, tonic::transport::Error> =
            (0..in_flight.div_ceil(CALLS_PER_CONNECTION)).map(connection).collect();
        Ok(Self {
            connections: connections.map_err(|error| unreachable_peer(&error.to_string()))?,
            under_way: FuturesUnordered::new(),
            value: vec![b'x'; VALUE_BYTES].into(),
            puts: 0,
            counts: Counts::new(),
        })
    }
}

async fn put(channel: Channel, request: PutRequest) -> Result<(), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static(PUT);
    let codec = ProstCodec::<PutRequest, PutResponse>::default();
    client.unary(Request::new(request), path, codec).await.map(drop)
}

impl Load for Etcd {
    fn begin(&mut self, due: Instant) {
        let key = format!("quorumcall-bench/{:08}", self.puts % KEYS).into();
        let at = (self.puts % self.connections.len() as u64) as usize;
        self.puts += 1;
        let request = PutRequest { key, value: self.value.clone() };
        let answer = put(self.connections[at].clone(), request);
        self.under_way.push(Box::pin(async move {
            let answer = tokio::time::timeout(CALL_TIMEOUT, answer).await;
            (due, answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))))
        }));
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn next(&mut self) -> Result<u64, Failure> {
        match self.under_way.next().await {
            Some((due, Ok(()))) => {
                self.counts.committed += 1;
                self.counts.commands.add(due.elapsed());
                Ok(1)
            }
            Some((_, Err(status))) => {
                Err(unreachable_peer(&format!("{:?}: {}", status.code(), status.message())))
            }
            None => std::future::pending().await,
        }
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }
}

fn unreachable_peer(why: &str) -> Failure {
    Failure {
        code: ErrorCode::NoResult,
        what: "etcd could not be measured".into(),
        why: why.to_owned(),
        remedy: "see that it runs and listens there without TLS; docs/bench.md has the commands"
            .into(),
    }
}

/// What was measured, for who compares.
pub(super) fn described() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("system", "etcd"), ("unit", "put of 200 bytes, one call each, no TLS")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn a_put_is_written_as_etcd_reads_it() {
        let request = PutRequest { key: "k".into(), value: "vv".into() };
        assert_eq!(request.encode_to_vec(), [0x0a, 1, b'k', 0x12, 2, b'v', b'v']);
        // A header in field 1, which is of no interest.
        assert!(PutResponse::decode(&[0x0a, 2, 0x08, 7][..]).is_ok());
    }
}
