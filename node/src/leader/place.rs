//! How the lead moves by itself.

use std::sync::Arc;
use std::time::Duration;

use openraft_rt::{AsyncRuntime, Instant as _};

use super::duties::Duties;
use super::pace::Pace;
use super::placement::Why;

impl<RT: AsyncRuntime> Duties<RT> {
    /// Moves the lead to where it should be, when it is time. Followers watch who leads, and for how
    /// long: any of them may lead next.
    pub(super) async fn place_leader(self: Arc<Self>) {
        let started = RT::Instant::now();
        let since_start = || RT::Instant::now().saturating_duration_since(started);
        let mut pace = Pace::default();
        let mut was_stuck = false;
        loop {
            RT::sleep(self.heartbeat).await;
            pace.note(since_start(), self.lead.leader());
            let Some((due, stuck)) =
                self.lead.look(|sight| (sight.next(&pace, since_start()), sight.stuck()))
            else {
                was_stuck = false;
                continue;
            };
            if let Some(why) = stuck.as_ref().filter(|_| !was_stuck) {
                tracing::warn!(
                    %why,
                    "the site of this leader is drained, and nobody else can lead: it goes on"
                );
            }
            was_stuck = stuck.is_some();
            let Some(due) = due else { continue };
            // While an operator moves the lead, it is not moved.
            let Ok(_moving) = self.lead.moving.try_lock() else { continue };
            match due.why {
                Why::Drained => {
                    tracing::info!(to = due.to, "the lead leaves a site that is drained")
                }
                Why::Priority => {
                    tracing::info!(to = due.to, "the lead goes to a site with a higher priority");
                }
            }
            let patience: Duration = 2 * self.silence;
            let was_taken = self.lead.hand_over(due.to, patience).await;
            pace.tried(since_start(), due.to, was_taken);
        }
    }
}
