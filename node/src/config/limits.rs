//! What is bounded in a node, with the arithmetic. All bounds of the daemon that somebody may
//! change are here; those of the contact centre are in [`acd::limits`].

use acd::limits::{COMMANDS_PER_ENTRY_MAX, SNAPSHOT_ITEM_BYTES_MAX};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// One bounded number.
pub(super) struct Bound {
    pub key: &'static str,
    pub least: u64,
    pub most: u64,
    pub default: u64,
}

/// Commands that wait for a batch. 16,384 are in flight at once between cities 80 ms apart at
/// 175,000 a second; twice that.
pub(super) const INBOUND_COMMANDS: Bound =
    Bound { key: "inbound_commands", least: 64, most: 1_000_000, default: 32_768 };

/// Their bytes. A command has some 200 to 400 bytes, at most 4 KiB with all attributes: 32,768 of
/// 2 KiB.
pub(super) const INBOUND_BYTES: Bound =
    Bound { key: "inbound_bytes", least: MIB, most: 4_096 * MIB, default: 64 * MIB };

/// Commands in one entry of the log. A batch takes what is there: at 100,000 a second and an fsync
/// of 1 ms a hundred. Applying 1,024 takes 2.5 ms at 400,000 a second, which others wait for.
pub(super) const BATCH_COMMANDS: Bound =
    Bound { key: "batch_commands", least: 1, most: COMMANDS_PER_ENTRY_MAX as u64, default: 1_024 };

/// Bytes of one entry of the log: 1,024 commands of 256 bytes. A quarter of what is sent to a peer
/// at once. The largest single command, a calendar, must fit.
pub(super) const BATCH_BYTES: Bound = Bound {
    key: "batch_bytes",
    least: SNAPSHOT_ITEM_BYTES_MAX as u64,
    most: MIB,
    default: 256 * KIB,
};

/// Entries that are proposed and not yet applied. At a round trip of 80 ms 32 are 400 batches a
/// second: 400,000 commands in full ones, and a command waits 2.5 ms for its batch. 8 MiB at most.
pub(super) const BATCHES_IN_FLIGHT: Bound =
    Bound { key: "batches_in_flight", least: 1, most: 1_024, default: 32 };

/// Events that are kept for watches that come back. A command makes one or two of some 200 bytes:
/// 131,072 are 26 MB, 6 s at 10,000 contacts' commands a second, and minutes of a common day.
pub(super) const WATCH_EVENTS: Bound =
    Bound { key: "watch_events", least: 1_024, most: 16_777_216, default: 131_072 };

/// Bytes of log after which a snapshot is taken. A node that starts applies what follows the last
/// one: 64 MiB are 350,000 commands of 190 bytes (a contact that comes and goes is 330 and 50),
/// 1.2 s at 290,000 a second, and restoring 100,000 contacts takes up to 0.5 s: together within the
/// 2 s in which a node is to serve again. Written is then 43 MB of snapshot for 64 MiB of log.
pub(super) const SNAPSHOT_AFTER_BYTES: Bound =
    Bound { key: "snapshot_after_bytes", least: 64 * KIB, most: 4_096 * MIB, default: 64 * MIB };

/// Entries that are kept although a snapshot covers them, for followers that were away for a
/// moment: at 1,000 batches a second 8 s. 2 GiB if all of them were as large as can be.
pub(super) const KEPT_ENTRIES: Bound =
    Bound { key: "kept_entries", least: 0, most: 1_000_000, default: 8_192 };

/// Bounds of what waits and what is kept in memory. Beyond them a node refuses; it does not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands that wait for a batch; 32,768 unless told.
    pub inbound_commands: usize,
    /// Their bytes; 64 MiB unless told.
    pub inbound_bytes: usize,
    /// Commands in one entry of the log; 1,024 unless told.
    pub batch_commands: usize,
    /// Bytes of one entry of the log; 256 KiB unless told. One command always fits.
    pub batch_bytes: usize,
    /// Entries that are proposed and not yet applied; 32 unless told.
    pub batches_in_flight: usize,
    /// Events that are kept for watches that come back; 131,072 unless told.
    pub watch_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound_commands: INBOUND_COMMANDS.default as usize,
            inbound_bytes: INBOUND_BYTES.default as usize,
            batch_commands: BATCH_COMMANDS.default as usize,
            batch_bytes: BATCH_BYTES.default as usize,
            batches_in_flight: BATCHES_IN_FLIGHT.default as usize,
            watch_events: WATCH_EVENTS.default as usize,
        }
    }
}

/// When the log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Bytes of log after which a snapshot is taken; 64 MiB unless told.
    pub snapshot_after_bytes: u64,
    /// Entries that are kept although a snapshot covers them; 8,192 unless told.
    pub kept_entries: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES.default,
            kept_entries: KEPT_ENTRIES.default,
        }
    }
}
