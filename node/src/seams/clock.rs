//! Wall time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock of the machine. It may be wrong and may jump; nothing reads it but the leader's
/// stamps and the check of certificates.
pub trait WallClock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn now_ms(&self) -> u64 {
        // A clock before 1970 is as good as none: zero makes the node differ from its peers.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }
}
