//! What nodes say to each other: Raft, records, clocks.
//!
//! To each peer there are three connections, so that nothing that is urgent waits behind something
//! that is large: one for log entries, one for votes, heartbeats and questions, one for snapshots
//! and records. Log entries are pipelined: openraft hands over a stream of requests and takes
//! answers in order; both run through one bidirectional call until it breaks.

mod acquaint;
mod convert;
mod members;
mod network;
mod probe;
mod service;

pub use acquaint::acquaint;
pub use members::{DISMISSED, Directory, Headers};
pub use network::{Network, Patience, PeerClient, Peers};
pub use probe::{CLOCK_ERROR_MAX_MS, Neighbours, Reading};
pub use service::PeerService;
