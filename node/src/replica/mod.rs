//! This node's copy of the contact centre: applied by Raft, read by everybody else.
//!
//! ```text
//!   Raft ──entries──▶ Machine::apply ──▶ Centre ──▶ events ─┬─▶ watches (a ring of entries)
//!                          │                                ├─▶ records (kept until a segment)
//!                          └─▶ answers to who submitted     └─▶ the observer, under test
//! ```

mod machine;
mod observer;
mod pending;
mod snapshots;
mod state;
mod watch;

pub use machine::{Machine, Parts, TimeNews};
pub use observer::{Applied, Observer};
pub use pending::SegmentWriter;
pub(crate) use pending::{Batch, RECORDS_PER_SEGMENT};
pub use snapshots::Builder;
pub use state::{Halt, State, View};
pub use watch::{Ended, EntryEvents, Token, Watch};
