//! Records of what is over, from the entry that made them until they are in a segment on disk.
//!
//! Until then the log has them: after a crash the entries since the last snapshot are applied again
//! and give the same records.

use acd::event::{ContactEvent, Event};
use acd::record::Record;
use acd::time::LogTime;

use crate::storage::records::LoggedRecord;

/// Records of entries after the last segment.
#[derive(Debug, Default)]
pub(super) struct PendingRecords {
    records: Vec<LoggedRecord>,
}

impl PendingRecords {
    /// Keeps what the events of an entry are to be remembered by.
    pub(super) fn note(&mut self, index: u64, stamp: LogTime, events: &[Event]) {
        let mut ordinal = 0;
        for event in events {
            let record = match event {
                Event::Contact { what: ContactEvent::Closed(record), .. } => {
                    Record::Contact(record.clone())
                }
                Event::Audit(record) => Record::Audit(record.clone()),
                _ => continue,
            };
            self.records.push(LoggedRecord { index, ordinal, stamp, record });
            ordinal += 1;
        }
    }

    /// Takes everything, for a segment.
    pub(super) fn take(&mut self) -> Vec<LoggedRecord> {
        std::mem::take(&mut self.records)
    }
}
