//! Wall clocks that drift and jump.

use node::seams::WallClock;

use super::{Host, World};

/// The date at the start of every run: 2026-01-05T08:00:00Z, a Monday.
pub const START_MS: u64 = 1_767_600_000_000;

/// A host's wall clock: the start of the run, and what the host's drifting clock has counted since,
/// and its jumps ([`World::jump_wall_ms`]).
#[derive(Clone, Debug)]
pub struct SimWallClock {
    world: World,
    host: Host,
}

impl SimWallClock {
    /// The wall clock of a host.
    pub fn new(world: &World, host: Host) -> Self {
        Self { world: world.clone(), host }
    }
}

impl WallClock for SimWallClock {
    fn now_ms(&self) -> u64 {
        START_MS.saturating_add_signed(self.world.wall_elapsed_ms(self.host))
    }
}
