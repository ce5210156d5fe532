//! A data folder, opened: whose it is, the log, the records, and what the log says of its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use acd::time::LogTime;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft_rt_tokio::TokioRuntime;

use super::DaemonError;
use crate::founding::FOUNDING_FILE;
use crate::raft::stored::stamp;
use crate::raft::{Member, NodeId, Payload};
use crate::seams::RealDisk;
use crate::setup::Setup;
use crate::storage::log::LOG_FOLDER;
use crate::storage::marker::MARKER;
use crate::storage::records::{INDEX_FOLDER, RecordStore};
use crate::storage::{FileLog, LogSettings, Marker, SledIndex, SnapshotStore, StorageError};

/// Entries that are looked at together, from the end of the log backwards: 16 MiB if all are as
/// large as can be.
const LOOK_BACK_ENTRIES: u64 = 64;

/// What a node starts from.
pub(super) struct Opened {
    pub disk: RealDisk,
    pub marker: Marker,
    pub log: FileLog<TokioRuntime>,
    pub records: RecordStore,
    pub last_stamp: LogTime,
    pub members: BTreeMap<NodeId, Member>,
}

/// Opens the data folder of a node, or makes one if the node founds its cluster and has none.
pub(super) async fn open(setup: &Setup) -> Result<Opened, DaemonError> {
    let disk = RealDisk::new(&setup.config.data);
    let (marker, mut log) = match Marker::open(&disk) {
        Err(StorageError::NoMarker { .. }) if setup.founding.is_some() => {
            make(setup, &disk).await?
        }
        marker => {
            let marker = marker?;
            check(setup, &marker)?;
            (marker, open_log(&disk, FileLog::open).await?)
        }
    };
    let records = {
        let disk = disk.clone();
        blocking(move || {
            let index = SledIndex::open(disk.root().join(INDEX_FOLDER))?;
            RecordStore::open(Arc::new(disk), Box::new(index))
        })
        .await?
    };
    let store = SnapshotStore::open(Arc::new(disk.clone()))?;
    let snapshot = store.latest()?.map(|snapshot| snapshot.meta);
    let end = look_back(&mut log).await.map_err(|error| unreadable(&disk, error))?;
    let stored = end.members.or_else(|| {
        let members = snapshot?.last_membership;
        Some(members.membership().nodes().map(|(node, member)| (*node, member.clone())).collect())
    });
    let founders = || setup.founding.as_ref().map(|founding| founding.raft_members());
    let told = || setup.joined.as_ref().map(|joined| joined.raft_members());
    let own = setup.config.node.0;
    let stored = stored.filter(|members| !members.is_empty()).map(|mut members| {
        // A membership of a time before this node joined may name nobody who is still there.
        if !members.contains_key(&own) {
            members.extend(told().into_iter().flatten());
        }
        members
    });
    let members = stored.or_else(founders).or_else(told);
    let members =
        members.ok_or_else(|| DaemonError::Alone { folder: disk.root().display().to_string() })?;
    Ok(Opened { disk, marker, log, records, last_stamp: end.stamp, members })
}

/// Makes the data folder of a founder.
async fn make(
    setup: &Setup,
    disk: &RealDisk,
) -> Result<(Marker, FileLog<TokioRuntime>), DaemonError> {
    let no_marker = || StorageError::NoMarker { file: MARKER.into() };
    let founder = setup.founding.as_ref().and_then(|founding| founding.member(setup.config.node));
    // The setup was checked: a founding has this node.
    let founder = founder.ok_or_else(no_marker)?;
    let marker = Marker {
        cluster: setup.identity.cluster().0,
        node: setup.config.node.0,
        incarnation: founder.incarnation,
        site: founder.site.to_string(),
    };
    let log = create(disk, &marker).await?;
    Ok((marker, log))
}

/// Makes a data folder. The log comes first and the marker last: a folder with a marker has a log, so
/// that one without is noticed.
pub(super) async fn create(
    disk: &RealDisk,
    marker: &Marker,
) -> Result<FileLog<TokioRuntime>, DaemonError> {
    let mut log = open_log(disk, FileLog::open_or_create).await?;
    let state = log.get_log_state().await.map_err(|error| unreadable(disk, error))?;
    let vote = log.read_vote().await.map_err(|error| unreadable(disk, error))?;
    if state.last_log_id.is_some() || vote.is_some() {
        // Somebody's log, whose marker was removed.
        return Err(StorageError::NoMarker { file: MARKER.into() }.into());
    }
    let (to_create, disk) = (marker.clone(), disk.clone());
    blocking(move || to_create.create(&disk)).await?;
    Ok(log)
}

/// The marker is of the node that the setup speaks of.
fn check(setup: &Setup, marker: &Marker) -> Result<(), StorageError> {
    let Marker { cluster, node, incarnation, site } = marker;
    let founder = setup.founding.as_ref().and_then(|founding| founding.member(setup.config.node));
    let what = if *cluster != setup.identity.cluster().0 {
        format!("it says cluster {cluster:032x}, node.identity {}", setup.identity.cluster())
    } else if *node != setup.config.node.0 {
        format!("it says node {node}, node.toml {}", setup.config.node.0)
    } else if site != setup.config.site.as_str() {
        format!("it says site {site}, node.toml {}", setup.config.site)
    } else if founder.is_some_and(|founder| founder.incarnation != *incarnation) {
        format!("it is of another disk of node {node} than {FOUNDING_FILE} names")
    } else {
        return Ok(());
    };
    Err(StorageError::MarkerOfAnother { file: MARKER.into(), what })
}

type OpenLog = fn(&RealDisk, LogSettings) -> Result<FileLog<TokioRuntime>, StorageError>;

async fn open_log(disk: &RealDisk, open: OpenLog) -> Result<FileLog<TokioRuntime>, StorageError> {
    let disk = disk.clone();
    blocking(move || open(&disk, LogSettings::default())).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // It panicked, and the process ends by that; or the runtime is being shut down.
        Err(error) => Err(StorageError::io("open", "the data folder")(io::Error::other(error))),
    }
}

/// An error of the log's reader, which has the storage's own inside.
fn unreadable(disk: &RealDisk, error: io::Error) -> StorageError {
    error.downcast::<StorageError>().unwrap_or_else(|error| {
        StorageError::io("read", &disk.root().join(LOG_FOLDER).display().to_string())(error)
    })
}

/// What the end of a log says.
#[derive(Default)]
struct End {
    /// The last stamp, if it has any.
    stamp: LogTime,
    /// The last membership, if it has any. It counts whether or not it is committed.
    members: Option<BTreeMap<NodeId, Member>>,
}

/// Reads a log backwards until it has found both. A membership is rare, so this is most often the
/// whole log, which was read when it was opened and is in memory.
async fn look_back(log: &mut FileLog<TokioRuntime>) -> io::Result<End> {
    let mut end = End::default();
    let mut stamped = None;
    let state = log.get_log_state().await?;
    let first = state.last_purged_log_id.map_or(0, |id| id.index + 1);
    let mut to = state.last_log_id.map_or(0, |id| id.index + 1);
    while to > first && (stamped.is_none() || end.members.is_none()) {
        let from = to.saturating_sub(LOOK_BACK_ENTRIES).max(first);
        for entry in log.try_get_log_entries(from..to).await?.iter().rev() {
            stamped = stamped.or_else(|| stamp(&entry.payload));
            if let (Payload::Membership(members), None) = (&entry.payload, &end.members) {
                let members = members.nodes().map(|(node, member)| (*node, member.clone()));
                end.members = Some(members.collect());
            }
        }
        to = from;
    }
    end.stamp = stamped.unwrap_or_default();
    Ok(end)
}

#[cfg(test)]
mod tests {
    use acd::codec::encode_entry;
    use openraft::storage::IOFlushed;
    use openraft::type_config::TypeConfigExt;

    use super::*;
    use crate::raft::{Entry, EntryBytes, LeaderId, LogId, Membership, Types};

    fn member(address: &str) -> Member {
        Member { address: address.into(), site: "kyiv".into(), incarnation: 1 }
    }

    #[tokio::test]
    async fn the_end_of_a_log_says_the_time_and_who_is_a_member() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path());
        let mut log = open_log(&disk, FileLog::open_or_create).await.unwrap();
        let empty = look_back(&mut log).await.unwrap();
        assert_eq!((empty.stamp, empty.members), (LogTime(0), None));

        // Two memberships, the later one far from the end, and an end without a stamp.
        let first = Membership::new_with_defaults(vec![[1].into()], []);
        let members = BTreeMap::from([(1, member("a:1")), (2, member("b:2"))]);
        let second = Membership::new(vec![[1, 2].into()], members.clone()).unwrap();
        let payload = |index| match index {
            0 => Payload::Membership(first.clone()),
            1 => Payload::Membership(second.clone()),
            2..300 => {
                let none: [Vec<u8>; 0] = [];
                Payload::Normal(EntryBytes(encode_entry(LogTime(index), none).into()))
            }
            _ => Payload::Blank,
        };
        let leader = LeaderId { term: 1, node_id: 1 };
        let entry = |index| Entry { log_id: LogId::new(leader, index), payload: payload(index) };
        let (tell, flushed) = Types::<TokioRuntime>::oneshot();
        log.append((0..310).map(entry), IOFlushed::signal(tell)).await.unwrap();
        flushed.await.unwrap().unwrap();
        let end = look_back(&mut log).await.unwrap();
        assert_eq!((end.stamp, end.members), (LogTime(299), Some(members)));
    }
}
