//! How everything a node started is ended.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A flag that is raised once, and those who wait for it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    has_come: AtomicBool,
    waiters: Notify,
}

impl Shutdown {
    /// Ends everything.
    pub fn pull(&self) {
        self.shared.has_come.store(true, Ordering::Release);
        self.shared.waiters.notify_waiters();
    }

    /// Whether the end has come.
    pub fn has_come(&self) -> bool {
        self.shared.has_come.load(Ordering::Acquire)
    }

    /// Returns when the end has come.
    pub async fn wait(&self) {
        let mut notified = pin!(self.shared.waiters.notified());
        // Registered before the flag is read: a pull in between is not missed.
        notified.as_mut().enable();
        if !self.has_come() {
            notified.await;
        }
    }
}
