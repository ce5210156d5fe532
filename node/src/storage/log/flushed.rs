//! From `raft-log`'s thread to openraft.

use std::io;
use std::sync::{Arc, OnceLock};

use openraft::storage::IOFlushed;
use openraft_rt::{AsyncRuntime, Instant as _};

use crate::raft::Types;
use crate::tally::Histogram;

/// Upper bounds of what writes took, in µs: from a fast disk's fdatasync to one that makes a node of
/// any profile lose its lead.
const FLUSH_US: [u64; 14] = [
    250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000,
    1_000_000, 4_000_000,
];

/// How long writes took until they were durable, in µs.
pub type FlushTimes = Histogram<{ FLUSH_US.len() }>;

pub(super) fn flush_times() -> FlushTimes {
    Histogram::new(FLUSH_US)
}

/// The first failure of a log. What is in memory is ahead of the disk from then on, so nothing
/// that is asked of the log may be answered any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Broken(Arc<OnceLock<String>>);

impl Broken {
    /// Notes a failure.
    pub fn note(&self, error: &io::Error) {
        // The first one is what matters.
        let _ = self.0.set(error.to_string());
    }

    /// Whether there was none.
    pub fn check(&self) -> io::Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(first) => Err(io::Error::other(format!("the log failed before: {first}"))),
        }
    }
}

/// Tells openraft that a sync is done. If it is dropped untold, the writer is gone, and openraft
/// is told that.
pub struct Flushed<RT: AsyncRuntime> {
    tell: Option<IOFlushed<Types<RT>>>,
    broken: Broken,
    /// When it was handed to the disk.
    since: RT::Instant,
    times: Arc<FlushTimes>,
}

impl<RT: AsyncRuntime> Flushed<RT> {
    pub(super) fn new(tell: IOFlushed<Types<RT>>, broken: Broken, times: Arc<FlushTimes>) -> Self {
        Self { tell: Some(tell), broken, since: RT::Instant::now(), times }
    }

    fn tell(&mut self, result: io::Result<()>) {
        if let Some(tell) = self.tell.take() {
            match &result {
                Ok(()) => {
                    let took = RT::Instant::now().saturating_duration_since(self.since);
                    self.times.count(took.as_micros() as u64);
                }
                Err(error) => self.broken.note(error),
            }
            tell.io_completed(result);
        }
    }
}

impl<RT: AsyncRuntime> raft_log::Callback for Flushed<RT> {
    fn send(mut self, result: io::Result<()>) {
        self.tell(result);
    }
}

impl<RT: AsyncRuntime> Drop for Flushed<RT> {
    fn drop(&mut self) {
        let stopped = "the writer of the log has stopped";
        self.tell(Err(io::Error::new(io::ErrorKind::BrokenPipe, stopped)));
    }
}
