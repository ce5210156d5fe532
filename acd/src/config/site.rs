//! What is configured of a site.

use super::agent::in_range;
use super::queue::check_duration;
use crate::ids::SiteId;
use crate::rejection::Rejection;
use crate::text::Label;
use crate::time::Millis;

/// How a site that was lost comes back into service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnMode {
    /// By itself, after it has been healthy and caught up for this long.
    After(Millis),
    /// When an operator says so.
    ByHand,
}

/// What is configured of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteConfig {
    /// The id.
    pub id: SiteId,
    /// The name people see.
    pub name: Label,
    /// How it comes back after a loss.
    pub return_mode: ReturnMode,
    /// Where the leader should be: 0 (never if it can be helped) to 100 (first).
    pub leader_priority: u8,
}

impl SiteConfig {
    /// A site with the defaults of this product: returns after 30 s, priority 50.
    pub fn new(id: SiteId, name: Label) -> Self {
        let return_mode = ReturnMode::After(Millis::seconds(30));
        Self { id, name, return_mode, leader_priority: 50 }
    }

    /// Checks limits.
    pub fn normalise(self) -> Result<Self, Rejection> {
        if let ReturnMode::After(duration) = self.return_mode {
            check_duration(duration)?;
        }
        in_range("leader priority", u32::from(self.leader_priority), 0, 100)?;
        Ok(self)
    }
}
