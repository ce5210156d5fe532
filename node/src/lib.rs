//! The daemon of Quorumcall: Raft, storage, peers, identity and the APIs around the state
//! machine of the crate `acd`.

pub mod api;
pub mod config;
#[allow(clippy::disallowed_methods, reason = "here the seams are filled with this machine's")]
pub mod daemon;
pub mod explain;
pub mod founding;
pub mod identity;
pub mod joining;
pub mod leader;
#[allow(clippy::disallowed_methods, reason = "a part of the daemon: sockets of this machine")]
pub mod metrics;
mod node;
pub mod panics;
pub mod peers;
pub mod raft;
pub mod replica;
pub mod rpc;
pub mod seams;
pub mod setup;
pub mod shutdown;
pub mod storage;
pub mod submit;
pub mod tally;

pub use node::{Deps, Freshness, Load, Node, ReadError, Role, StartError};
