//! The daemon of Quorumcall: Raft, storage, peers, identity and the APIs around the state
//! machine of the crate `acd`.

pub mod config;
pub mod explain;
pub mod founding;
pub mod identity;
pub mod raft;
pub mod seams;
pub mod setup;
pub mod storage;
