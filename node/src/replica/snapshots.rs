//! Writing a snapshot.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use acd::snapshot::Snapshot as Frozen;
use openraft::storage::RaftSnapshotBuilder;
use openraft_rt::AsyncRuntime;

use super::pending::{Batch, SegmentWriter};
use crate::raft::{SnapshotMeta, Types};
use crate::storage::{Snapshot, SnapshotStore, StorageError};

/// Writes the state of one moment, and the records up to it, while commands go on.
///
/// Records first: once the snapshot is there, the log that could make them again may go.
pub struct Builder<RT> {
    work: Option<Work>,
    runtime: PhantomData<fn() -> RT>,
}

/// What there is to write.
pub(super) struct Work {
    pub(super) frozen: Frozen,
    pub(super) meta: SnapshotMeta,
    pub(super) records: Batch,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) segments: SegmentWriter,
}

impl<RT> Builder<RT> {
    pub(super) fn new(work: Work) -> Self {
        Self { work: Some(work), runtime: PhantomData }
    }
}

fn write(
    frozen: &Frozen,
    meta: &SnapshotMeta,
    snapshots: &SnapshotStore,
) -> Result<Snapshot, StorageError> {
    let mut writer = snapshots.writer(meta)?;
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

impl<RT: AsyncRuntime> RaftSnapshotBuilder<Types<RT>> for Builder<RT> {
    type SnapshotData = Snapshot;

    async fn build_snapshot(
        &mut self,
    ) -> io::Result<openraft::alias::SnapshotOf<Types<RT>, Snapshot>> {
        let work = self.work.take().ok_or_else(|| io::Error::other("a builder builds once"))?;
        let Work { frozen, meta, records, snapshots, segments } = work;
        segments.write_and_wait(records).await?;
        let snapshot = RT::spawn_blocking(move || write(&frozen, &meta, &snapshots)).await??;
        Ok(openraft::storage::Snapshot { meta: snapshot.meta.clone(), snapshot })
    }
}
