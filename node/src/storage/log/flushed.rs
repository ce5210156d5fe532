//! From `raft-log`'s thread to openraft.

use std::io;

use openraft::storage::IOFlushed;
use openraft_rt::AsyncRuntime;

use crate::raft::Types;

/// Tells openraft that a sync is done. If it is dropped untold, the writer is gone, and openraft
/// is told that.
pub struct Flushed<RT: AsyncRuntime>(Option<IOFlushed<Types<RT>>>);

impl<RT: AsyncRuntime> Flushed<RT> {
    pub(super) fn new(tell: IOFlushed<Types<RT>>) -> Self {
        Self(Some(tell))
    }
}

impl<RT: AsyncRuntime> raft_log::Callback for Flushed<RT> {
    fn send(mut self, result: io::Result<()>) {
        if let Some(tell) = self.0.take() {
            tell.io_completed(result);
        }
    }
}

impl<RT: AsyncRuntime> Drop for Flushed<RT> {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell.io_completed(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the writer of the log has stopped",
            )));
        }
    }
}
