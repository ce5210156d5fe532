//! What is recorded while faults happen: what clients were told, what each replica applied, what
//! watches showed, and how it all looked after healing. The checkers judge nothing else.
//!
//! Times are milliseconds of virtual time since the history began; log time at that moment is
//! [`History::began`].
//!
//! ```text
//! Recorder::on(began)            one for all; clones write the same history
//!   called, returned             clients do it themselves (crate::workload)
//!   started → run                each start of a replica, before it applies anything
//!   restored(run, index, hash)   it installed a snapshot
//!   applied(run, entry)          it applied an entry with commands; entries of Raft's own are left out
//!   written(index, at)           an entry was first in anybody's log then
//!   leaderless(from, to)         the faults let nobody lead
//!   slow_disks(from, to)         all disks were slow, and nothing else was wrong
//!   healed, ended(nodes)         the last fault is taken back; how it all looks at rest
//! ```

mod hash;
mod log;
mod recorder;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use acd::Centre;
use acd::command::Submission;
use acd::contact::Stage;
use acd::event::Event;
use acd::ids::{AgentId, ContactId, OfferToken};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::time::LogTime;
use node::storage::records::LoggedRecord;

pub use log::{Conflict, Log};
pub use recorder::Recorder;

/// What a client was told of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is in the log and was carried out.
    Committed {
        /// The index of its entry.
        index: u64,
        /// The answer.
        reply: Reply,
    },
    /// It is in the log and was refused.
    Refused {
        /// The index of its entry.
        index: u64,
        /// The code of the refusal.
        code: String,
        /// Its words.
        message: String,
    },
    /// It was definitely not put into the log: no connection was made, or the node refused it by
    /// itself.
    Unavailable,
    /// It may have happened, or happen yet.
    Unknown,
}

impl Outcome {
    /// The outcome that goes with an answer of the state machine.
    pub fn of(index: u64, answer: &Answer) -> Self {
        match answer {
            Ok(reply) => Self::Committed { index, reply: reply.clone() },
            Err(rejection) => Self::Refused {
                index,
                code: rejection.code().into(),
                message: rejection.to_string(),
            },
        }
    }

    /// The entry it is in, if the client was told.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Committed { index, .. } | Self::Refused { index, .. } => Some(*index),
            Self::Unavailable | Self::Unknown => None,
        }
    }
}

/// One call of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Which client.
    pub client: String,
    /// The node it was sent to.
    pub node: u64,
    /// When it was called.
    pub called: u64,
    /// When it returned; none: it never did.
    pub returned: Option<u64>,
    /// What was asked.
    pub submission: Submission,
    /// What the client was told.
    pub outcome: Outcome,
}

/// What a command came to.
pub type Answer = Result<Reply, Rejection>;

/// One entry as a replica applied it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedEntry {
    /// Its index in Raft's log.
    pub index: u64,
    /// Its stamp.
    pub stamp: LogTime,
    /// Its submissions, in order.
    pub submissions: Vec<Submission>,
    /// One answer for each.
    pub answers: Vec<Answer>,
    /// Everything that happened.
    pub events: Vec<Event>,
    /// The state hash after it.
    pub hash: u128,
}

/// One thing that a replica did.
#[derive(Clone, Debug)]
pub enum ReplicaAct {
    /// It went on from a snapshot.
    Restored {
        /// Of the state at this index.
        index: u64,
        /// The state hash of the restored state.
        hash: u128,
    },
    /// It applied an entry.
    Applied(Arc<AppliedEntry>),
}

/// What a replica did between a start and the next; its first act may be a restore.
#[derive(Clone, Debug)]
pub struct Run {
    /// The node.
    pub node: u64,
    /// Which start of it, from 0.
    pub run: u32,
    /// When it started.
    pub started: u64,
    /// What it did, in order.
    pub acts: Vec<ReplicaAct>,
}

/// Where a watch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// The history it belongs to; changes after a restore of the whole cluster.
    pub epoch: u64,
    /// The last entry that was seen.
    pub index: u64,
}

/// Where a live contact is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A callback whose time has not come.
    Scheduled,
    /// In its place in its queue.
    Queued,
    /// Its ingress is gone.
    Stranded,
    /// Before an agent, being connected, in conversation, on hold, or in wrap-up.
    WithAgent {
        /// The agent.
        agent: AgentId,
        /// The fence.
        token: OfferToken,
        /// The stage as [`Stage::word`] says it.
        stage: &'static str,
    },
}

/// All live contacts and where they are.
pub type Contacts = BTreeMap<ContactId, Place>;

/// All live contacts of a centre and where they are.
pub fn contacts_of(centre: &Centre) -> Contacts {
    let tables = centre.tables();
    let place = |stage: &Stage| match stage {
        Stage::Scheduled { .. } => Place::Scheduled,
        Stage::Queued => Place::Queued,
        Stage::Stranded { .. } => Place::Stranded,
        Stage::Offered { with, .. }
        | Stage::Accepted { with, .. }
        | Stage::Connected { with, .. }
        | Stage::Held { with, .. }
        | Stage::WrapUp { with, .. } => Place::WithAgent {
            agent: tables.agent(with.agent).id().clone(),
            token: with.token,
            stage: stage.word(),
        },
    };
    tables.contacts().map(|contact| (contact.id.clone(), place(&contact.stage))).collect()
}

/// One thing that a watch was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// It asked a node, from the start or from where it was.
    Asked {
        /// The node.
        node: u64,
        /// Where it wants to go on; none: with a list.
        from: Option<ResumeToken>,
    },
    /// Everything, as of this index.
    Listed {
        /// What to resume with.
        token: ResumeToken,
        /// The live contacts.
        contacts: Contacts,
    },
    /// What happened in one entry, all of it.
    Entry {
        /// What to resume with.
        token: ResumeToken,
        /// The events.
        events: Arc<Vec<Event>>,
    },
    /// What it wanted to go on with is gone: it must list again.
    Compacted,
    /// The connection is gone.
    Ended,
    /// Whoever watched wants to see no more.
    Closed,
}

/// What one watch was told, in order, with the time.
pub type Watched = Vec<(u64, Told)>;

/// A node after healing.
#[derive(Clone, Debug)]
pub struct FinalNode {
    /// Which.
    pub node: u64,
    /// Whom it follows.
    pub leader: Option<u64>,
    /// Up to where it applied.
    pub applied: u64,
    /// The state hash there.
    pub hash: u128,
    /// The live contacts there.
    pub contacts: Contacts,
    /// Its log begins after this entry; none: it has all of it.
    pub purged: Option<u64>,
    /// The records on its disk; none: it keeps none.
    pub records: Option<FinalRecords>,
}

/// The records on a node's disk after healing.
#[derive(Clone, Debug, Default)]
pub struct FinalRecords {
    /// Up to which entry its segments go; none: there are none.
    pub covered_to: Option<u64>,
    /// Entries up to there that no segment covers.
    pub missing: Vec<RangeInclusive<u64>>,
    /// What keeps the records from being read.
    pub damaged: Option<String>,
    /// All records.
    pub records: Vec<LoggedRecord>,
}

/// How it all looked in the end.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// When the last fault was taken back.
    pub healed: u64,
    /// When this was noted.
    pub noted: u64,
    /// Each node that should be up.
    pub nodes: Vec<FinalNode>,
}

/// Everything that was recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Log time, about, when virtual time was 0.
    pub began: LogTime,
    /// What clients did, in the order of their calls.
    pub operations: Vec<Operation>,
    /// What replicas did, in the order they were started.
    pub runs: Vec<Run>,
    /// What watches were told, by the name of who watched.
    pub watches: BTreeMap<String, Watched>,
    /// Times in which the faults let no node lead, in virtual time.
    pub leaderless: Vec<(u64, u64)>,
    /// Times in which all disks were slow and nothing else was wrong, in virtual time.
    pub slow_disks: Vec<(u64, u64)>,
    /// When each entry was first in anybody's log, in virtual time. Its stamp is from that moment,
    /// however long it took to be committed.
    pub written_at: BTreeMap<u64, u64>,
    /// How it ended; none: it was never noted.
    pub ending: Option<Ending>,
}

impl History {
    /// Operations that were carried out and said so.
    pub fn acknowledged(&self) -> usize {
        self.operations
            .iter()
            .filter(|operation| matches!(operation.outcome, Outcome::Committed { .. }))
            .count()
    }

    /// A hash of everything, the same for the same history on any machine.
    pub fn hash(&self) -> u128 {
        hash::of(self)
    }
}
