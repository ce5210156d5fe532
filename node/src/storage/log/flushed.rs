//! From `raft-log`'s thread to openraft.

use std::io;
use std::sync::{Arc, OnceLock};

use openraft::storage::IOFlushed;
use openraft_rt::AsyncRuntime;

use crate::raft::Types;

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
}

impl<RT: AsyncRuntime> Flushed<RT> {
    pub(super) fn new(tell: IOFlushed<Types<RT>>, broken: Broken) -> Self {
        Self { tell: Some(tell), broken }
    }

    fn tell(&mut self, result: io::Result<()>) {
        if let Some(tell) = self.tell.take() {
            if let Err(error) = &result {
                self.broken.note(error);
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
