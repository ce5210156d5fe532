//! How the leader writes down which sites and nodes are lost, and which are back.

use std::sync::Arc;

use openraft_rt::{AsyncRuntime, Instant as _};

use super::duties::Duties;
use super::quorum::answers;
use super::roll_call::{Due, Finding, RollCall};
use crate::submit::Answer;

impl<RT: AsyncRuntime> Duties<RT> {
    /// Notices which sites and nodes do not answer this leader, and which do again, and writes it
    /// down, one thing at a time.
    pub(super) async fn watch_sites(self: Arc<Self>) {
        let started = RT::Instant::now();
        let mut roll_call = RollCall::new(self.node, self.site_delays);
        loop {
            RT::sleep(self.heartbeat).await;
            while let Some(due) = self.call_the_roll(&mut roll_call, started) {
                self.write_finding(due).await;
            }
        }
    }

    fn call_the_roll(&self, roll_call: &mut RollCall, started: RT::Instant) -> Option<Due> {
        let Some(answers) = answers(&self.raft) else {
            roll_call.end();
            return None;
        };
        let since = |at: RT::Instant| at.saturating_duration_since(started);
        let each = answers.each.into_iter().map(|(node, at)| (node, at.map(since)));
        roll_call.note(answers.leader, since(answers.quorum), each);
        let view = self.state.view();
        // What an earlier leader wrote is known once something of this one is applied.
        let applied = view.applied()?;
        if *applied.committed_leader_id() != answers.leader {
            return None;
        }
        let behind = |node| Some(self.neighbours.readings().get(&node)?.behind);
        roll_call.due(since(RT::Instant::now()), view.centre(), behind)
    }

    async fn write_finding(&self, due: Due) {
        let Due { finding, silent } = due;
        let answer = self.write(finding.command()).await;
        if !matches!(answer, Answer::Committed { .. }) {
            tracing::warn!(?finding, ?answer, "this could not be written down; it is looked again");
            return;
        }
        let silent_ms = silent.as_millis() as u64;
        match finding {
            Finding::Suspect(site) => tracing::warn!(
                %site,
                silent_ms,
                "no node of this site answers: its agents get no new offers until one does"
            ),
            Finding::Lost(site) => tracing::warn!(
                %site,
                silent_ms,
                "no node of this site answers: it is lost. Offers there are taken back, its agents \
                 are unreachable until they log in elsewhere"
            ),
            Finding::NodeLost(node) => tracing::warn!(
                node,
                silent_ms,
                "this node does not answer: its sessions and streams are lost"
            ),
            Finding::Heard(site) => tracing::info!(%site, "this site answers again"),
            Finding::CaughtUp(site) => {
                let state = self.state.view().centre().site(&site).map(|site| site.state.word());
                tracing::info!(%site, state, "this lost site is back and has caught up");
            }
        }
    }
}
