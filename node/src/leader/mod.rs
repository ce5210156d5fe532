//! What the leader does on its own account.

mod clock;
mod duties;

pub use clock::LogClock;
pub use duties::Duties;
