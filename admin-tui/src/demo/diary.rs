//! What somebody means to do, and when.

use std::collections::BTreeMap;

use tokio::time::{Instant, sleep_until};

/// What somebody means to do, and when; what is due at one time in the order in which it was noted.
#[derive(Debug)]
pub(super) struct Diary<A> {
    entries: BTreeMap<(Instant, u64), A>,
    noted: u64,
}

impl<A> Default for Diary<A> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), noted: 0 }
    }
}

impl<A> Diary<A> {
    pub fn note(&mut self, at: Instant, act: A) {
        self.noted += 1;
        self.entries.insert((at, self.noted), act);
    }

    /// Takes out what is due.
    pub fn due(&mut self, now: Instant) -> Option<A> {
        let first = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Waits until something is due; for ever if nothing is noted.
    pub async fn wait(&self) {
        match self.entries.first_key_value() {
            Some(((at, _), _)) => sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }

    pub fn any(&self, is: impl Fn(&A) -> bool) -> bool {
        self.entries.values().any(is)
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
