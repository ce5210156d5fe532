//! What the leader does on its own account.

mod clock;
mod clocks;
mod duties;
mod founding;
mod hand_over;
mod membership;
mod quorum;
mod roll_call;
mod sites;

pub use clock::LogClock;
pub use duties::Duties;
pub use hand_over::{hand_over, successor};
pub use quorum::last_answer;
