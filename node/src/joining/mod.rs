//! How a node joins a cluster that is there.
//!
//! ```text
//!   quorumcall cluster join-token        quorumcall-node join            a node of the cluster
//!   secret, hash of the authority ─────▶ key, disk ── join.pending
//!                                        Join(secret, request, disk) ──▶ is the token good? (state)
//!                                                                        RedeemToken ─▶ log
//!                                        number, certificate, members ◀─ sign
//!                                        node.identity, node.toml, joined.toml, marker
//!                                        run ◀──────── entries ───────── the leader adds a learner
//! ```
//!
//! The secret is known to the token and to whoever redeems it; the log has its hash. Everything can
//! be interrupted and repeated: what the joiner drew at random is on its disk before it asks, and the
//! cluster answers the same key and disk with the same number.

mod authority_key;
mod client;
mod error;
mod pending;
mod record;
mod service;
mod token;

pub use authority_key::AuthorityKey;
pub use client::ask;
pub use error::JoinError;
pub use pending::{PENDING_FILE, Pending};
pub use record::{JOINED_FILE, JoinedRecord};
pub use service::JoiningService;
pub(crate) use service::MESSAGE_BYTES_MAX;
pub use token::Token;

use acd::ids::{NodeId, SiteId};
use rustls::pki_types::CertificateDer;

use crate::config::Timing;
use crate::raft::Member;

/// What a node is told when it has become a member.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its number.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// The authority's.
    pub authority: CertificateDer<'static>,
    /// Raft's times.
    pub timing: Timing,
    /// The members there are, by number.
    pub members: Vec<(u64, Member)>,
}
