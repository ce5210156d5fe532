//! What the leader does on its own account.

mod clock;
mod clocks;
mod duties;
mod founding;
mod hand_over;
mod lead;
mod membership;
mod pace;
mod place;
mod placement;
mod quorum;
mod roll_call;
mod sites;

pub use clock::LogClock;
pub use duties::Duties;
pub use hand_over::hand_over;
pub use lead::{Lead, Transferred};
pub use quorum::last_answer;
