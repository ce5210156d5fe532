//! The way of a command into the log and of its answer back.
//!
//! ```text
//!                            ┌────────── not the leader: once ─────────┐
//!   stream or call ──▶ Door ─┤                                         ▼
//!                            └─ the leader ─▶ Inbox ─▶ Batcher ─▶ log  the leader's stream
//! ```
//!
//! Whatever waits when the batcher is free becomes one entry of the log: nothing is delayed to make
//! batches larger. A bounded number of entries is on its way at a time; behind them the inbox fills
//! up, in order, and refuses arrivals long before it refuses those who finish work.

mod answer;
mod batcher;
mod door;
mod forward;
mod inbox;
mod service;
mod tally;

pub use answer::{Answer, ReplyTo, TakeAnswers};
pub use batcher::{BatchLimits, Batcher};
pub use door::{COMMAND_DEADLINE, Door, SESSION_MISSING, ask};
pub use forward::Forwarder;
pub use inbox::{
    Class, Full, Inbox, InboxLimits, Stopwatch, Submitted, leads_its_entry, stopwatch,
};
pub use service::{CommandsService, answer_from_wire, answer_to_wire, outcome_from_wire};
pub use tally::{OUTCOMES, Origin, SubmitTally};
