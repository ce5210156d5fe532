//! Writing a snapshot.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use acd::snapshot::Snapshot as Frozen;
use openraft::storage::RaftSnapshotBuilder;
use openraft_rt::AsyncRuntime;

use crate::raft::{SnapshotMeta, Types};
use crate::storage::records::{LoggedRecord, RecordStore};
use crate::storage::{Snapshot, SnapshotStore, StorageError};

/// Writes the state of one moment, and the records up to it, while commands go on.
///
/// Records first: once the snapshot is there, the log that could make them again may go.
pub struct Builder<RT> {
    work: Option<Work>,
    runtime: PhantomData<fn() -> RT>,
}

struct Work {
    frozen: Frozen,
    meta: SnapshotMeta,
    records: Vec<LoggedRecord>,
    snapshots: Arc<SnapshotStore>,
    store: Arc<RecordStore>,
}

impl<RT> Builder<RT> {
    pub(super) fn new(
        frozen: Frozen,
        meta: SnapshotMeta,
        records: Vec<LoggedRecord>,
        snapshots: Arc<SnapshotStore>,
        store: Arc<RecordStore>,
    ) -> Self {
        let work = Some(Work { frozen, meta, records, snapshots, store });
        Self { work, runtime: PhantomData }
    }
}

/// An index that cannot be written keeps nobody from going on: the records are durable, and are
/// indexed when the node starts again.
pub(crate) fn durable(written: Result<(), StorageError>) -> Result<(), StorageError> {
    match written {
        Err(error @ StorageError::Index { .. }) => {
            tracing::error!(%error, "records are not indexed");
            Ok(())
        }
        other => other,
    }
}

impl Work {
    fn run(self) -> Result<Snapshot, StorageError> {
        let Self { frozen, meta, records, snapshots, store } = self;
        let last = meta.last_log_id.map_or(0, |id| id.index);
        let first = store.covered_to().map_or(0, |covered| covered + 1);
        if first <= last {
            // After a restart the log gives again what segments have.
            let fresh = records.into_iter().filter(|record| record.index >= first).collect();
            durable(store.write_segment(first..=last, fresh))?;
        }
        let mut writer = snapshots.writer(&meta)?;
        let mut failure = None;
        frozen.write(&mut |chunk| {
            if failure.is_none() {
                failure = writer.write(chunk).err();
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let snapshot = writer.finish()?;
        snapshots.keep_only(&snapshot)?;
        Ok(snapshot)
    }
}

impl<RT: AsyncRuntime> RaftSnapshotBuilder<Types<RT>> for Builder<RT> {
    type SnapshotData = Snapshot;

    async fn build_snapshot(
        &mut self,
    ) -> io::Result<openraft::alias::SnapshotOf<Types<RT>, Snapshot>> {
        let work = self.work.take().ok_or_else(|| io::Error::other("a builder builds once"))?;
        let snapshot = RT::spawn_blocking(move || work.run()).await?.map_err(io::Error::other)?;
        Ok(openraft::storage::Snapshot { meta: snapshot.meta.clone(), snapshot })
    }
}
