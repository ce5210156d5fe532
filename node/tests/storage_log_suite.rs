//! openraft's own expectations of a log.

use std::io;
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt};
use node::raft::{Answers, LogId, Payload, SnapshotMeta, StoredMembership, Types};
use node::seams::RealDisk;
use node::storage::{FileLog, LogSettings};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::SnapshotOf;
use openraft_rt_tokio::TokioRuntime;

type Raft = Types<TokioRuntime>;

/// As little of a state machine as the suite can do with: it knows how far it is.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshot: Option<SnapshotMeta>,
}

impl RaftStateMachine<Raft> for Counting {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = self.0.lock().unwrap();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Raft>>> + Unpin + OptionalSend,
    {
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let mut state = self.0.lock().unwrap();
            state.applied = Some(entry.log_id);
            if let Payload::Membership(membership) = entry.payload {
                state.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(Answers::default());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, (): ()) -> io::Result<()> {
        *self.0.lock().unwrap() = State {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
            snapshot: Some(meta.clone()),
        };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Raft, ()>>> {
        let meta = self.0.lock().unwrap().snapshot.clone();
        Ok(meta.map(|meta| Snapshot { meta, snapshot: () }))
    }
}

impl RaftSnapshotBuilder<Raft> for Counting {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Raft, ()>> {
        let mut state = self.0.lock().unwrap();
        let meta =
            SnapshotMeta { last_log_id: state.applied, last_membership: state.membership.clone() };
        state.snapshot = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: () })
    }
}

struct Builder;

impl StoreBuilder<Raft, FileLog<TokioRuntime>, Counting, tempfile::TempDir> for Builder {
    async fn build(
        &self,
    ) -> Result<(tempfile::TempDir, FileLog<TokioRuntime>, Counting), openraft::StorageError<Raft>>
    {
        let folder = tempfile::tempdir().unwrap();
        let settings = LogSettings { chunk_bytes: 500, cache_bytes: 200 };
        let log = FileLog::open_or_create(&RealDisk::new(folder.path()), settings).unwrap();
        Ok((folder, log, Counting::default()))
    }
}

#[tokio::test]
async fn the_log_does_what_openraft_expects() {
    Suite::test_all(Builder).await.unwrap();
}
