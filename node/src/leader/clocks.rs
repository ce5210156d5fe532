//! Whether this node's clock may be trusted with log time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use acd::command::ClusterCommand;
use openraft_rt::{AsyncRuntime, Instant as _};

use super::duties::Duties;
use crate::peers::CLOCK_ERROR_MAX_MS;
use crate::raft::NodeId;
use crate::replica::Halt;

/// How often peers are asked for their clocks.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The same while nothing is in the log: the first stamp waits for it.
const PROBE_EVERY_AT_FIRST: Duration = Duration::from_millis(50);

/// How soon the lead is offered again after nobody took it: each time nothing is written for a while.
const HAND_OVER_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl<RT: AsyncRuntime> Duties<RT> {
    /// Asks peers what time it is. A node whose clock is wrong gives the lead away; a leader whose
    /// log time is far behind sets it.
    pub(super) async fn compare_clocks(self: Arc<Self>) {
        let mut fit = true;
        let mut stands = true;
        let mut slow = BTreeSet::new();
        loop {
            let before = (self.wall.now_ms(), RT::Instant::now());
            let applied = self.state.last_applied();
            self.neighbours.ask(&self.peers, &self.directory, &self.wall, applied).await;
            if self.neighbours.say_removed() {
                // Its process ends with this.
                if let Err(error) = self.keeper.forget_authority() {
                    tracing::error!(%error, "the authority's key is still here: delete it");
                }
                self.state.halt(Halt::Removed);
                return;
            }
            // What the peers said is about the clock as it was when they were asked.
            let wall_ms = self.wall.now_ms();
            let passed = RT::Instant::now().saturating_duration_since(before.1).as_millis() as u64;
            let jumped = wall_ms.abs_diff(before.0 + passed) > CLOCK_ERROR_MAX_MS.unsigned_abs();
            self.watch_round_trips(&mut slow);
            let error_ms = self.neighbours.clock_error_ms();
            // Without enough answers the last verdict stands.
            let fits = error_ms.map_or(fit, |error| error.abs() <= CLOCK_ERROR_MAX_MS);
            if fits != fit {
                fit = fits;
                match fit {
                    true => tracing::info!("the clock is right again; this node may lead"),
                    false => tracing::error!(
                        error_ms,
                        "the clock of this node is wrong: it does not lead. Check its time service"
                    ),
                }
            }
            // Somebody must lead: where nobody has for a while, a node whose clock is wrong may be the
            // only one that has everything. It gives the lead away as soon as another is fit.
            let nobody_leads =
                || self.clock.since_attended().is_none_or(|since| since > 4 * self.silence);
            if stands != (fit || nobody_leads()) {
                stands = !stands;
                self.raft.runtime_config().elect(stands);
            }
            if self.leads() && !fit {
                if let Some(to) = self.lead.successor()
                    && !self.lead.hand_over(to, 2 * self.silence).await
                {
                    RT::sleep(HAND_OVER_AGAIN_AFTER).await;
                }
            } else if self.leads()
                && !jumped
                && self.neighbours.majority_agrees(&self.directory)
                && let Some(to) = self.clock.correction(wall_ms)
                && !self.state.view().centre().is_replay()
            {
                let answer = self.write(ClusterCommand::SetTime { to }).await;
                tracing::warn!(to_ms = to.0, ?answer, "log time was far behind; it is set");
            }
            let is_new = self.clock.is_new();
            RT::sleep(if is_new { PROBE_EVERY_AT_FIRST } else { PROBE_EVERY }).await;
        }
    }

    /// Says so, once, when a peer is further away than this node's times are made for. A leader whose
    /// followers answer later than its heartbeat allows is taken for gone.
    fn watch_round_trips(&self, slow: &mut BTreeSet<NodeId>) {
        for (node, reading) in self.neighbours.readings() {
            if reading.round_trip <= self.round_trip_max {
                slow.remove(&node);
            } else if slow.insert(node) {
                tracing::warn!(
                    node,
                    round_trip_ms = reading.round_trip.as_millis() as u64,
                    "this peer is further away than the profile in node.toml is for: choose the \
                     next slower one on every node"
                );
            }
        }
    }
}
