//! Metrics of a daemon for Prometheus and what speaks its language. `docs/metrics.md` lists them.
//!
//! ```text
//! scrape ─HTTP─▶ Endpoint ─one at a time, on a thread of its own─▶ Sources ─▶ Page ─▶ text
//!                                                                    │
//!       what the node knows anyway, asked for when a scrape comes ◀──┘
//! ```
//!
//! Nothing is measured for its own sake and nothing is polled: numbers are read from where they are
//! true, when somebody asks. No label is made of what people or machines may invent without bound;
//! there are queues, sites, members, methods of the contract, and words of this program.
//!
//! Cost of a scrape: the state is held for as long as it takes to copy one pointer per 32 contacts
//! and agents, some 40 µs for 100,000 and 10,000. Counting them takes some 10 ms beside it
//! ([`acd::census`]); meanwhile a page of the state that a command changes is copied first. Text: some
//! 2 KB a queue; with 4,096 queues of the longest names, the most there may be, 15 MB.
//!
//! This is outside of what simulations run: it has a socket and a clock of its own.

mod centre;
mod endpoint;
mod page;
mod peers;
mod process;
mod raft;
mod sources;
mod storage;
mod traffic;

pub use endpoint::Endpoint;
pub use sources::{About, Sources};
