//! What all who take part write down together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::failover::Failovers;
use super::ledger::Ledger;

/// Lines of the chronicle that are kept: more than a second makes.
pub(super) const LINES_KEPT: usize = 64;

/// What all who take part write down together.
#[derive(Default)]
pub struct Books {
    /// Contacts, and who had them.
    pub ledger: Ledger,
    /// What was killed, and when contacts were routed again.
    pub failovers: Failovers,
    chronicle: Mutex<VecDeque<(Instant, String)>>,
    present: AtomicUsize,
    terms: AtomicU64,
    last_term: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Books {
    /// Notes that something happened that everybody should see.
    pub fn tell(&self, line: String) {
        let mut chronicle = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        if chronicle.len() == LINES_KEPT {
            chronicle.pop_front();
        }
        chronicle.push_back((Instant::now(), line));
    }

    /// A front end or desktop is connected for the first time.
    pub fn is_present(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are.
    pub fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// A leader began its term with this log index. It may be told twice, by two nodes.
    pub fn term_began(&self, index: u64) {
        if self.last_term.fetch_max(index, Ordering::Relaxed) < index {
            self.terms.fetch_add(1, Ordering::Relaxed);
            self.failovers.term_began(index);
        }
    }

    /// How often that happened.
    pub fn terms(&self) -> u64 {
        self.terms.load(Ordering::Relaxed)
    }

    /// Something did not work; it is tried again.
    pub fn trouble(&self, what: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// What did not work last.
    pub fn last_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happened last, and when.
    pub fn last_lines(&self) -> Vec<(Instant, String)> {
        let chronicle = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        chronicle.iter().cloned().collect()
    }
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everybody connects.
    Opening,
    /// Customers come, agents answer.
    Open,
    /// Nobody comes any more; agents end what they do and log out.
    Closing,
    /// Everybody leaves.
    Over,
}

/// Waits until it is this far; also if nobody is left to say so.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}
