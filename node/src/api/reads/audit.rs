//! The audit trail: acts of administration, from the records on disk and, for those that are in no
//! segment yet, from what this node has applied.

use acd::codec::audit_record_to_stored;
use acd::ids::PrincipalId;
use acd::record::{AuditRecord, Record};
use acd::time::LogTime;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use tonic::Status;

use super::{ReadsService, page_rows, parse};
use crate::storage::StorageError;
use crate::storage::records::{By, LoggedRecord, Query, RecordStore, cursor_of};

/// Pages of the disk that are looked through for one answer: a principal may have done little among
/// much of others.
const PAGES_MAX: usize = 10;

/// Which acts are wanted.
struct Wanted {
    from: LogTime,
    to: LogTime,
    principal: Option<PrincipalId>,
    limit: usize,
    after: Option<String>,
}

impl Wanted {
    fn act<'a>(&self, logged: &'a LoggedRecord) -> Option<&'a AuditRecord> {
        let Record::Audit(act) = &logged.record else { return None };
        let is_theirs = self.principal.as_ref().is_none_or(|who| *who == act.principal);
        is_theirs.then_some(act)
    }
}

fn entry(logged: &LoggedRecord, act: &AuditRecord) -> api::AuditEntry {
    let record = Some(audit_record_to_stored(act));
    api::AuditEntry { index: logged.index, ordinal: logged.ordinal, record }
}

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn audit(
        &self,
        request: api::ListAuditRequest,
    ) -> Result<api::ListAuditResponse, Status> {
        let wanted = Wanted {
            from: LogTime(request.from_ms),
            to: LogTime(request.to_ms.unwrap_or(u64::MAX)),
            principal: parse(request.principal, PrincipalId::new)?,
            limit: page_rows(request.page_size)?,
            after: request.after,
        };
        let (records, state) = (self.records.clone(), self.node.state().clone());
        let looked = self.look(
            request.linearizable,
            |_| Ok(()),
            move |_, ()| {
                // Before the disk is read: what gets there meanwhile is here, too.
                let recent = state.recent_acts();
                page(&records, &recent, wanted)
            },
        );
        let (freshness, page) = looked.await?;
        let (entries, next) = page.map_err(|error| match error {
            StorageError::BadCursor { .. } => Status::invalid_argument(error.to_string()),
            error => Status::internal(error.to_string()),
        })?;
        Ok(api::ListAuditResponse { freshness: Some(freshness), entries, next })
    }
}

type Page = (Vec<api::AuditEntry>, Option<String>);

/// A page, and where it ended if there may be more.
fn page(
    records: &RecordStore,
    recent: &[LoggedRecord],
    mut wanted: Wanted,
) -> Result<Page, StorageError> {
    let mut entries = Vec::new();
    let mut is_disk_read = false;
    for _ in 0..PAGES_MAX {
        let found = records.find(&Query {
            by: By::Audit,
            from: wanted.from,
            to: wanted.to,
            limit: wanted.limit - entries.len(),
            after: wanted.after.clone(),
        })?;
        let theirs = found.records.iter().filter_map(|r| Some(entry(r, wanted.act(r)?)));
        entries.extend(theirs);
        wanted.after = found.records.last().map(cursor_of).or(wanted.after);
        is_disk_read = found.next.is_none();
        if is_disk_read || entries.len() >= wanted.limit {
            break;
        }
    }
    if !is_disk_read {
        return Ok((entries, wanted.after));
    }
    // What is on the disk comes before what is not yet: cursors are in the order of the log.
    for logged in recent {
        let is_in_time = (wanted.from..wanted.to).contains(&logged.stamp);
        let at = cursor_of(logged);
        if !is_in_time || wanted.after.as_ref().is_some_and(|after| at <= *after) {
            continue;
        }
        let Some(act) = wanted.act(logged) else { continue };
        if entries.len() >= wanted.limit {
            return Ok((entries, wanted.after));
        }
        entries.push(entry(logged, act));
        wanted.after = Some(at);
    }
    Ok((entries, None))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use acd::command::{ClusterCommand, Command};

    use super::*;
    use crate::seams::RealDisk;
    use crate::storage::records::MemoryIndex;

    fn act(index: u64, who: &str) -> LoggedRecord {
        let stamp = LogTime(100 + index);
        let record = AuditRecord {
            at: stamp,
            principal: PrincipalId::new(who).unwrap(),
            request: None,
            reason: None,
            command: Command::Cluster(ClusterCommand::RaiseVersion { to: 2 }),
            refused: None,
            inverse: None,
        };
        LoggedRecord { index, ordinal: 0, stamp, record: Record::Audit(Box::new(record)) }
    }

    /// All pages of a trail of which entries up to one are on the disk, and those from another on are
    /// among the recent ones.
    fn trail(on_disk: u64, recent_from: u64, limit: usize, principal: Option<&str>) -> Vec<u64> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::new(folder.path()));
        let records = RecordStore::open(disk, Box::new(MemoryIndex::default())).unwrap();
        let all: Vec<_> =
            (1..=50).map(|n| act(n, if n % 25 == 0 { "vera" } else { "olena" })).collect();
        let written = &all[..on_disk as usize];
        if on_disk > 0 {
            records.write_segment(0..=on_disk, written.to_vec()).unwrap();
        }
        let recent = &all[recent_from as usize - 1..];
        let (mut told, mut after) = (Vec::new(), None);
        for _ in 0..100 {
            let principal = principal.map(|who| PrincipalId::new(who).unwrap());
            let wanted =
                Wanted { from: LogTime(0), to: LogTime(u64::MAX), principal, limit, after };
            let (entries, next) = page(&records, recent, wanted).unwrap();
            assert!(entries.len() <= limit);
            told.extend(entries.iter().map(|entry| entry.index));
            match next {
                Some(_) => after = next,
                None => return told,
            }
        }
        panic!("there is no end");
    }

    #[test]
    fn every_act_is_told_once_wherever_it_is() {
        let all: Vec<u64> = (1..=50).collect();
        // Nothing on the disk, everything, a part; with an overlap and without one.
        for (on_disk, recent_from) in [(0, 1), (50, 1), (50, 50), (20, 1), (20, 15), (20, 21)] {
            for limit in [1, 5, 7, 20, 50, 60] {
                let told = trail(on_disk, recent_from, limit, None);
                assert_eq!(told, all, "{on_disk} {recent_from} {limit}");
            }
        }
    }

    #[test]
    fn who_did_little_among_much_is_found_though_it_takes_many_looks() {
        for on_disk in [0, 30, 50] {
            assert_eq!(trail(on_disk, 1, 1, Some("vera")), [25, 50], "{on_disk}");
        }
    }
}
