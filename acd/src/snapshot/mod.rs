//! Snapshots: the state at one moment, as bytes from which any replica can go on.
//!
//! ```text
//! Centre::snapshot → Snapshot (forks; the centre goes on) → write → chunks of bytes
//! chunks of bytes → Restorer::push, …, finish → rebuild what follows → same hash? → Centre
//! ```
//!
//! - The bytes hold the format version, everything that is hashed, the last checkpoint, and the
//!   state hash ([`proto::stored::v1::SnapshotItem`] and below). References are ids; slots,
//!   classes, heaps and counts that follow from the rest are rebuilt.
//! - The same state is the same bytes on every replica: items are in the order of numbers and
//!   ids, never of slots.
//! - A restored centre goes on exactly as the one that was written would have: the same answers,
//!   events and hashes for ever after. Restoring therefore decides nothing anew. A deadline that
//!   was due and had not fired is due and has not fired; who waits for one agent only goes on
//!   waiting for that agent, also where a fresh look would give that up.
//! - Bytes that are cut short, changed, or of another version are refused with words. What can be
//!   built from a part of them never gets out.
//!
//! Cost: taking a snapshot copies one pointer per 32 entities, 64 remembered contacts or 1
//! remembered answer: 15,000 pointers, 0.1 ms, for 100,000 contacts, 10,000 agents and as much
//! memory of what is over as there may be. Afterwards each command copies the pages it changes,
//! once, for as long as the snapshot lives: 20 µs more for most commands that do. Writing takes
//! 0.2 s, restoring 0.5 s, beside the centre (`benches/snapshots.rs`).

mod agent;
mod contact;
mod members;
mod memory;
mod metrics;
mod objects;
mod read;
mod rebuild;
mod write;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::catalogue::{CalendarEntry, Skill};
use crate::centre::Centre;
use crate::chunks::Chunks;
use crate::config::Settings;
use crate::contact::Contact;
use crate::ids::{NodeId, PrincipalId, Revision, Seq};
use crate::members::JoinToken;
use crate::memory::{ClosedContact, FirstAnswer};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::roles::Principal;
use crate::site::{Node, Site};
use crate::table::Fork;
use crate::text::Label;
use crate::time::{Clocks, LogTime};

pub use read::Restorer;

/// The version of the format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The state of a contact centre as it was at one moment, whatever became of the centre since.
/// It can be sent to another thread and written there.
pub struct Snapshot {
    globals: Globals,
    sites: Fork<Site>,
    nodes: BTreeMap<NodeId, Node>,
    skills: Fork<Skill>,
    calendars: Fork<CalendarEntry>,
    queues: Fork<Queue>,
    agents: Fork<Agent>,
    principals: Fork<Principal>,
    ingresses: BTreeMap<PrincipalId, Vec<NodeId>>,
    contacts: Fork<Contact>,
    closed: Chunks<(ClosedContact, u128)>,
    requests: Vec<Arc<FirstAnswer>>,
    state_hash: u128,
}

/// What there is one of.
struct Globals {
    cluster: Option<Label>,
    version: u32,
    replay: bool,
    clocks: Clocks,
    last_seq: Seq,
    last_node: u64,
    members_revision: Revision,
    tokens: BTreeMap<Seq, JoinToken>,
    settings: Settings,
    settings_revision: Revision,
    checkpoint: Option<(u64, u128)>,
}

impl Snapshot {
    /// The state hash at that moment.
    pub fn state_hash(&self) -> u128 {
        self.state_hash
    }
}

impl Centre {
    /// The state as it is now, between two entries.
    ///
    /// While the snapshot lives, each command copies the pages it changes; drop it when it is
    /// written, not later.
    pub fn snapshot(&self) -> Snapshot {
        // No `..`: a new part of the state must be written, or be rebuilt.
        let Self {
            cluster,
            version,
            replay,
            clocks,
            last_seq,
            last_node,
            members_revision,
            tokens,
            settings,
            settings_revision,
            contacts,
            agents,
            queues,
            sites,
            skills,
            calendars,
            principals,
            nodes,
            ingresses,
            closed,
            requests,
            checkpoint,
            timers: _,
            matcher: _,
            entry: _,
            events: _,
            digest: _,
            touched,
            to_match,
            to_finish,
            forget_classes,
            #[cfg(feature = "mutations")]
                mutation: _,
        } = self;
        debug_assert!(
            touched.is_empty() && to_match.is_empty() && to_finish.is_empty() && !forget_classes,
            "a snapshot is taken between entries"
        );
        let (closed, requests) = if mutated!(self, MemoryNotInSnapshot) {
            (Chunks::default(), Vec::new())
        } else {
            (closed.fork(), requests.fork())
        };
        Snapshot {
            globals: Globals {
                cluster: cluster.clone(),
                version: *version,
                replay: *replay,
                clocks: *clocks,
                last_seq: *last_seq,
                last_node: *last_node,
                members_revision: *members_revision,
                tokens: tokens.clone(),
                settings: settings.clone(),
                settings_revision: *settings_revision,
                checkpoint: *checkpoint,
            },
            sites: sites.fork(),
            nodes: nodes.clone(),
            skills: skills.fork(),
            calendars: calendars.fork(),
            queues: queues.fork(),
            agents: agents.fork(),
            principals: principals.fork(),
            ingresses: ingresses.clone(),
            contacts: contacts.fork(),
            closed,
            requests,
            state_hash: self.state_hash(),
        }
    }

    /// The centre of which these bytes are a snapshot; to be applied to what comes after it.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSnapshot`] if the bytes are not all of a snapshot of a version that this
    /// program knows, or not as they were written.
    pub fn restore(bytes: &[u8]) -> Result<Self, Rejection> {
        Restorer::new().push(bytes)?.finish()
    }
}

/// What is wrong with a snapshot.
fn bad(what: impl Into<String>) -> Rejection {
    Rejection::BadSnapshot { what: Box::from(what.into()) }
}

// -- Numbers that have no bounds of their own -------------------------------------------------------

/// A time that the state machine worked out: it may lie after the last possible stamp.
fn any_time(ms: u64) -> Result<LogTime, Rejection> {
    Ok(LogTime(ms))
}

/// The same, or none.
fn any_time_or_none(ms: Option<u64>) -> Result<Option<LogTime>, Rejection> {
    Ok(ms.map(LogTime))
}
