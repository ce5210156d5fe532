//! How the first leader of a cluster writes down who it was founded with.

use std::sync::Arc;
use std::time::Duration;

use acd::Centre;
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
        next_step(founding, self.state.view().centre())
    }
}

/// The next step, if any is left: the cluster, then its sites, then the nodes.
///
/// How far it has come is seen by the last number that was given, not by how many nodes there are:
/// one that was removed since, and its site, are not to be added anew.
fn next_step(founding: &Founding, centre: &Centre) -> Option<Submission> {
    let given = centre.last_node();
    let next = founding.members.get(usize::try_from(given).ok()?)?;
    let mut sites = founding.members.iter().map(|member| &member.site);
    let command: Command = if centre.cluster().is_none() {
        founding.init_command()?
    } else if let Some(site) = sites.find(|id| centre.site(id).is_none()) {
        let name = Label::new(site.as_str()).ok()?;
        let config = SiteConfig::new(site.clone(), name);
        SiteCommand::Put { config, expected: Some(Revision(0)) }.into()
    } else {
        SiteCommand::AddNode { site: next.site.clone() }.into()
    };
    let mut step = Submission::new(founding.admin.clone(), command);
    step.reason = Label::new("founding").ok();
    // A step that is repeated because its answer was lost is carried out once.
    let id = xxhash_rust::xxh3::xxh3_128(&encode_submission(&step));
    let request = RequestId(id.wrapping_add(u128::from(given)));
    step.request = Some(Request { id: request, issued_at: centre.now() });
    Some(step)
}

#[cfg(test)]
mod tests {
    use acd::ids::{NodeId, PrincipalId, SiteId};
    use acd::time::LogTime;

    use super::*;
    use crate::founding::Founder;
    use crate::identity::ClusterId;

    fn founding(sites: &[&str]) -> Founding {
        let members = (1..).zip(sites).map(|(number, site)| Founder {
            node: NodeId(number),
            site: SiteId::new(site).unwrap(),
            address: format!("127.0.0.{number}:7400"),
            incarnation: u128::from(number),
        });
        Founding {
            cluster: ClusterId(7),
            name: Label::new("test").unwrap(),
            admin: PrincipalId::new("olena").unwrap(),
            replay: false,
            members: members.collect(),
        }
    }

    fn apply(centre: &mut Centre, index: u64, submission: Submission) {
        centre.apply(index, LogTime(index), submission, &mut Vec::new()).unwrap();
    }

    #[test]
    fn each_founder_is_added_once_also_when_one_is_removed_since() {
        let founding = founding(&["kyiv", "lviv", "lviv"]);
        let mut centre = Centre::new();
        let mut steps = 0;
        while let Some(step) = next_step(&founding, &centre) {
            steps += 1;
            apply(&mut centre, steps, step);
        }
        // The cluster with its first node, a site, two nodes.
        assert_eq!((steps, centre.last_node(), centre.nodes().count()), (4, 3, 3));
        let remove = SiteCommand::RemoveNode { node: NodeId(3) };
        let node = PrincipalId::new("node-1").unwrap();
        apply(&mut centre, 5, Submission::new(node, remove.into()));
        assert_eq!(centre.nodes().count(), 2);
        assert_eq!(next_step(&founding, &centre), None);
    }
}
