//! The data folder.

use std::fmt;
use std::path::Path;

use openraft_rt_tokio::TokioRuntime;

use super::page::Page;
use crate::Node;
use crate::storage::FileLog;

/// Microseconds in a second.
const US_PER_S: f64 = 1e6;

pub(super) fn write(
    page: &mut Page<'_>,
    node: &Node<TokioRuntime>,
    log: &FileLog<TokioRuntime>,
    data: &Path,
) -> fmt::Result {
    page.gauge(
        "quorumcall_log_bytes",
        "Bytes of the files of Raft's log.",
        Some(log.on_disk_size()),
    )?;
    page.histogram(
        "quorumcall_log_flush_seconds",
        "How long writes of Raft's log took until they were durable.",
        &log.flush_times().read(),
        US_PER_S,
    )?;
    let segments = node.records().segments();
    let damaged = segments.iter().filter(|segment| segment.records.is_none()).count();
    let bytes: u64 = segments.iter().filter_map(|segment| segment.bytes).sum();
    page.gauge(
        "quorumcall_records_segments",
        "Segments of records of what is over.",
        Some(segments.len() as u64),
    )?;
    page.gauge(
        "quorumcall_records_damaged_segments",
        "Segments of records that could not be read when the node started.",
        Some(damaged as u64),
    )?;
    page.gauge(
        "quorumcall_records_missing_ranges",
        "Ranges of the log whose records are missing between those that are there.",
        Some(node.records().missing().len() as u64),
    )?;
    page.gauge("quorumcall_records_bytes", "Bytes of records in segments.", Some(bytes))?;
    // A folder that cannot be asked is told of by everything else that needs it.
    let room = rustix::fs::statvfs(data).ok();
    page.gauge(
        "quorumcall_data_free_bytes",
        "Bytes that the node may still write to the file system of its data folder.",
        room.as_ref().map(|room| room.f_bavail.saturating_mul(room.f_frsize)),
    )?;
    page.gauge(
        "quorumcall_data_size_bytes",
        "Bytes of the file system of the data folder.",
        room.as_ref().map(|room| room.f_blocks.saturating_mul(room.f_frsize)),
    )
}
