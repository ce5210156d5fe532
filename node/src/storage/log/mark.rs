//! A note of how far the log was durable, outside of the log.
//!
//! A log that lost its end by accident looks like one whose last write was cut short, and a log
//! that is gone looks like one that never was. The mark stands beside the log's folder and says
//! up to where the log was known to be durable, so that both are noticed. Without it a node that
//! lost its log would vote again in terms in which it has voted.
//!
//! It is written when the log is opened and closed and when [`super::FileLog::mark`] is called;
//! one for each sync would double the cost of a sync.

use super::super::framed::{self, Format};
use crate::seams::Disk;
use crate::storage::StorageError;

/// The file, beside the log's folder.
const MARK: &str = "log-mark";
const MARK_TEMPORARY: &str = "log-mark.tmp";

const FORMAT: Format<u64> = Format {
    magic: *b"QC-LOGM\n",
    readers: &[(1, read_1)],
    damaged: |file, what| StorageError::LogDamaged { file, at: 0, what },
};

/// Up to where the log is known to be durable: bytes since it began; none if it never was opened.
pub(super) fn read(disk: &dyn Disk) -> Result<Option<u64>, StorageError> {
    match disk.open(MARK) {
        Ok(file) => Ok(Some(FORMAT.read(&*file, MARK)?.0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("open", MARK)(error)),
    }
}

/// Notes up to where the log is durable.
pub(super) fn write(disk: &dyn Disk, durable_to: u64) -> Result<(), StorageError> {
    let failed = |action| StorageError::io(action, MARK_TEMPORARY);
    let mut file = disk.create(MARK_TEMPORARY).map_err(failed("create"))?;
    file.write_at(0, &FORMAT.frame(&durable_to.to_be_bytes())).map_err(failed("write"))?;
    file.sync().map_err(failed("sync"))?;
    framed::publish(disk, "", MARK_TEMPORARY, MARK)
}

fn read_1(message: &[u8]) -> Result<u64, String> {
    message.try_into().map(u64::from_be_bytes).map_err(|_| "it is no mark".into())
}
