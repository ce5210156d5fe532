//! Sequences of commands as the worst of clients would send them.

mod administration;
pub mod arrivals;
pub mod commands;
mod compare;
mod configs;
pub mod coverage;
pub mod dice;
pub mod driver;
pub mod world;
