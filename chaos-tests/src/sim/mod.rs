//! A cluster in one thread on virtual time, with faults that a seed decides.
//!
//! Everything a node gets from outside has a counterpart here: tasks, monotonic time and randomness
//! ([`NodeRuntime`]), wall time ([`SimWallClock`]), byte streams ([`Network`]), files ([`SimDisk`])
//! and Raft's log ([`SimLog`]). A [`World`] knows which hosts there are, which life each is in and
//! how its clock runs, and is what crashes, pauses and resumes them. [`run`] makes a world from a
//! seed and runs a test in it: the same seed gives the same run, event by event.
//!
//! What makes runs repeat, and what breaks it:
//!
//! - One thread, tasks in the order they became runnable, timers in the order of their deadlines.
//!   Interleavings come from seeded delays: of segments, of fsyncs, of blocking work.
//! - No real time, no other runtime's timers or tasks, no `select!` without `biased`, no `tokio::sync::watch` with several waiters.
//! - [`run`] uses a fresh thread whose random bytes follow from the seed ([`entropy`]), so that
//!   even `HashMap`s are walked in the same order, whatever ran before.
//! - Keys and nonces of TLS are real entropy. They change bytes but no schedule, because the
//!   network delays a write, not a byte; see [`network`].
//! - A panic in any task fails the run. So does a task that is polled 100,000 times at one instant.
//!
//! ```
//! use chaos_tests::sim::{Host, Network, NodeRuntime, run};
//! use node::seams::{Connector, Listener};
//! use openraft_rt::AsyncRuntime;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let heard = run(7, |world| async move {
//!     let network = Network::new(&world);
//!     let (server, client) = (Host::Node(1), Host::Client(1));
//!     let mut listener = network.listen(server, 7101).unwrap();
//!     world.spawn_on(server, async move {
//!         let mut accepted = listener.accept().await.unwrap();
//!         accepted.stream.write_all(b"ready").await.unwrap();
//!         std::future::pending::<()>().await;
//!     });
//!     let mut stream = network.connector(client).connect("node-1:7101").await.unwrap();
//!     NodeRuntime::sleep(std::time::Duration::from_secs(1)).await;
//!     world.crash(server);
//!     // What had arrived is there; then the connection is reset.
//!     let mut heard = Vec::new();
//!     stream.read_to_end(&mut heard).await.unwrap_err();
//!     heard
//! });
//! assert_eq!(heard, b"ready");
//! ```

pub mod clock;
pub mod disk;
pub mod entropy;
pub mod faults;
pub mod keeper;
pub mod log;
pub mod network;
pub mod runtime;

pub use clock::SimWallClock;
pub use disk::SimDisk;
pub use keeper::SimKeeper;
pub use log::SimLog;
pub use network::{Link, Network};
pub use runtime::{Crash, Host, Life, NodeInstant, NodeRuntime, World, run};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex of the simulation. All is one thread; a panic under a lock has already failed the
/// run, and what is left is only dropped.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64: independent streams from one seed.
pub(crate) fn mix(seed: u64, stream: u64) -> u64 {
    let z = (seed ^ stream.wrapping_mul(0x2545_f491_4f6c_dd1d)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
