//! Where streams can be opened.

use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::Channel;

/// How long a node that was not reached is left alone at first, and at most.
const REST: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(2);

/// A node that a stream can be opened to.
#[derive(Clone, Debug)]
pub struct Way {
    /// The node's site.
    pub site: String,
    /// Where it listens: host:port.
    pub endpoint: String,
    /// A connection to it, opened when it is first used.
    pub channel: Channel,
}

/// A way and how it went there the last times.
#[derive(Debug)]
pub(super) struct Tried {
    pub way: Way,
    /// How often in a row it came to nothing.
    pub failures: u32,
    /// When it may be tried again.
    pub not_before: Instant,
}

impl Tried {
    pub fn new(way: Way) -> Self {
        Self { way, failures: 0, not_before: Instant::now() }
    }

    pub fn is_rested(&self, now: Instant) -> bool {
        self.not_before <= now
    }

    pub fn failed(&mut self, now: Instant) {
        let rest = REST.saturating_mul(1 << self.failures.min(8)).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + rest;
    }

    pub fn worked(&mut self) {
        self.failures = 0;
    }
}
