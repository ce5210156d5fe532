//! How the first leader of a cluster writes down who it was founded with.

use std::sync::Arc;
use std::time::Duration;

use acd::codec::encode_submission;
use acd::command::{Command, Request, SiteCommand, Submission};
use acd::config::SiteConfig;
use acd::ids::{RequestId, Revision};
use acd::text::Label;
use openraft_rt::AsyncRuntime;

use super::duties::Duties;
use crate::founding::Founding;
use crate::submit::Answer;

/// How often founding goes on where it was interrupted.
const FOUND_EVERY: Duration = Duration::from_millis(100);

impl<RT: AsyncRuntime> Duties<RT> {
    /// Writes down who the cluster is founded with. Each step looks at what is there, so that a
    /// later leader goes on where an earlier one stopped.
    pub(super) async fn found(self: Arc<Self>, founding: Founding) {
        // Told once, not ten times a second.
        let mut refused: Option<String> = None;
        loop {
            RT::sleep(FOUND_EVERY).await;
            if !self.leads() {
                // Somebody else founds it, or has.
                if self.founding_step(&founding).is_none() {
                    return;
                }
                continue;
            }
            let Some(step) = self.founding_step(&founding) else { return };
            let answer = self.door.call(&step).await;
            if let Answer::Refused { code, message, .. } = answer
                && refused.replace(code.clone()) != Some(code.clone())
            {
                tracing::error!(code, message, "the founding was refused; it is tried again");
            }
        }
    }

    /// The next step, if any is left.
    fn founding_step(&self, founding: &Founding) -> Option<Submission> {
        let view = self.state.view();
        let centre = view.centre();
        let mut sites = founding.members.iter().map(|member| &member.site);
        let command: Command = if centre.cluster().is_none() {
            founding.init_command()?
        } else if let Some(site) = sites.clone().find(|id| centre.site(id).is_none()) {
            let name = Label::new(site.as_str()).ok()?;
            let config = SiteConfig::new(site.clone(), name);
            SiteCommand::Put { config, expected: Some(Revision(0)) }.into()
        } else {
            let missing = sites.nth(centre.nodes().count())?;
            SiteCommand::AddNode { site: missing.clone() }.into()
        };
        let mut step = Submission::new(founding.admin.clone(), command);
        step.reason = Label::new("founding").ok();
        // A step that is repeated because its answer was lost is carried out once.
        let id = xxhash_rust::xxh3::xxh3_128(&encode_submission(&step));
        let count = centre.nodes().count() as u128;
        let request = RequestId(id.wrapping_add(count));
        step.request = Some(Request { id: request, issued_at: centre.now() });
        Some(step)
    }
}
