//! The audit trail: acts of administration, from the records on disk and, for those that are in no
//! segment yet, from what this node has applied.

use std::sync::Arc;

use acd::codec::audit_record_to_stored;
use acd::ids::PrincipalId;
use acd::record::{AuditRecord, Record};
use acd::time::LogTime;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use tonic::Status;

use super::{ReadsService, page_rows, parse};
use crate::storage::StorageError;
use crate::storage::records::{By, LoggedRecord, PAGE_MAX, Query, RecordStore, cursor_of};

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

fn page(
    records: &Arc<RecordStore>,
    recent: &[LoggedRecord],
    mut wanted: Wanted,
) -> Result<Page, StorageError> {
    let mut entries = Vec::new();
    // The disk has all up to here, by index; what is behind it is among the recent ones.
    let mut last = None;
    for _ in 0..PAGES_MAX {
        let found = records.find(&Query {
            by: By::Audit,
            from: wanted.from,
            to: wanted.to,
            limit: (wanted.limit - entries.len()).min(PAGE_MAX),
            after: wanted.after.clone(),
        })?;
        entries.extend(
            found.records.iter().filter_map(|logged| Some(entry(logged, wanted.act(logged)?))),
        );
        last = found.records.last().map(|logged| (logged.index, logged.ordinal)).or(last);
        wanted.after = found.next.clone().or(wanted.after);
        if found.next.is_none() {
            break;
        }
        if entries.len() >= wanted.limit {
            return Ok((entries, found.next));
        }
    }
    let is_in_time = |logged: &&LoggedRecord| (wanted.from..wanted.to).contains(&logged.stamp);
    let is_new = |logged: &&LoggedRecord| {
        last.is_none_or(|last| (logged.index, logged.ordinal) > last)
            && wanted.after.as_ref().is_none_or(|after| cursor_of(logged) > *after)
    };
    for logged in recent.iter().filter(is_in_time).filter(is_new) {
        let Some(act) = wanted.act(logged) else { continue };
        if entries.len() >= wanted.limit {
            let before = entries.last().map(|entry: &api::AuditEntry| (entry.index, entry.ordinal));
            let ended = recent.iter().find(|r| Some((r.index, r.ordinal)) == before);
            return Ok((entries, ended.map(cursor_of)));
        }
        entries.push(entry(logged, act));
    }
    Ok((entries, None))
}
