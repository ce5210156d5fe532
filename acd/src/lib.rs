//! The contact centre itself: a pure, deterministic state machine.
#![no_std]
#![deny(clippy::float_arithmetic)]

extern crate alloc;

#[macro_use]
mod mutation;

pub mod agent;
mod apply;
pub mod board;
pub mod catalogue;
pub mod census;
mod centre;
pub mod channel;
mod chunks;
pub mod codec;
pub mod command;
pub mod config;
pub mod contact;
mod digest;
mod estimate;
pub mod event;
pub mod explain;
pub mod ids;
pub mod impact;
mod invariants;
pub mod limits;
mod matching;
pub mod members;
pub mod memory;
pub mod metrics;
mod probe;
pub mod queue;
pub mod record;
pub mod rejection;
pub mod reply;
pub mod roles;
pub mod site;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod time;
mod timers;

pub use centre::{Centre, Tables};
pub use estimate::{ExpectedWait, Position};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
