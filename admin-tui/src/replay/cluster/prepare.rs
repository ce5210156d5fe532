//! Whether a cluster can be replayed through, and making the centre of the log in it.

use std::collections::BTreeMap;

use acd::ids::{NodeId, SiteId};
use acd::text::Label;
use proto::api::v1 as api;

use super::lines::{Fate, Lines};
use crate::client::Client;
use crate::failure::{ErrorCode, Failure};
use crate::replay::{Script, stopped};
use crate::testbed::{Testbed, no_cluster};

/// Commands on their way at a time while the centre is made.
const AT_ONCE: usize = 256;

/// Looks at a cluster; the node of each city.
pub(super) async fn check(
    script: &Script<'_>,
    testbed: &Testbed,
) -> Result<BTreeMap<SiteId, NodeId>, Failure> {
    let operator = testbed.operator()?;
    let leader = operator.leader().await.map_err(|error| no_cluster(&error))?;
    let channel =
        operator.node(leader).ok_or_else(|| no_cluster(&crate::client::ClientError::NoEndpoint))?;
    let answer = Client::cluster_at(channel).await.map_err(|error| no_cluster(&error))?;
    let now_ms = answer.freshness.map_or(0, |freshness| freshness.now_ms);
    let cluster = answer.cluster.unwrap_or_default();
    if let Some(why) = unfit(&cluster, now_ms, script.start.0) {
        return Err(not_for_replay(why));
    }
    let nodes: BTreeMap<_, _> = testbed.nodes.iter().cloned().collect();
    match script.cities.iter().find(|city| !nodes.contains_key(*city)) {
        Some(city) => Err(not_for_replay(format!("it has no node in {city}"))),
        None => Ok(nodes),
    }
}

/// Why calls cannot be replayed through a cluster.
fn unfit(cluster: &api::ClusterStatus, now_ms: u64, start_ms: u64) -> Option<String> {
    if !cluster.replay {
        return Some("its log time is not its clients': it was founded without `replay`".into());
    }
    if cluster.agents > 0 || cluster.contacts > 0 {
        let api::ClusterStatus { agents, contacts, .. } = cluster;
        return Some(format!("it has {agents} agents and {contacts} contacts already"));
    }
    (now_ms > start_ms).then(|| "its log time is past the beginning of the log".into())
}

fn not_for_replay(why: String) -> Failure {
    Failure {
        code: ErrorCode::NotForReplay,
        what: "the calls cannot be replayed through this cluster".into(),
        why,
        remedy: "found one with `replay = true` and a node in each city, or leave --identity out"
            .into(),
    }
}

/// Makes the centre at the time at which the log begins.
pub(super) async fn configure(script: &Script<'_>, lines: &mut Lines) -> Result<(), Failure> {
    let advance = [lines.advance_by_operator(script.start)];
    must(&lines.exchange(&advance).await?.fates)?;
    lines.now = script.start;
    let reason = Label::new("the centre of a call log").map_err(|why| stopped(&why))?;
    let commands: Vec<_> = script
        .commands
        .iter()
        .map(|command| {
            let mut submission = lines.by_operator(command.clone());
            submission.reason = Some(reason.clone());
            submission
        })
        .collect();
    for some in commands.chunks(AT_ONCE) {
        let exchanged = lines.exchange(some).await?;
        must(&exchanged.fates)?;
        let last = exchanged.fates.iter().map(Fate::index).max().unwrap_or_default();
        lines.changed = last;
        // Nobody needs to learn of it: the watch begins with the first call.
        lines.skip_to(last);
    }
    Ok(())
}

fn must(fates: &[Fate]) -> Result<(), Failure> {
    let refused = fates.iter().find_map(|fate| match fate {
        Fate::Refused { code, message, .. } => Some((code, message)),
        Fate::Committed { .. } => None,
    });
    let Some((code, message)) = refused else { return Ok(()) };
    let code_of_failure = match code.as_str() {
        "not-permitted" => ErrorCode::NotPermitted,
        _ => ErrorCode::CentreRefused,
    };
    Err(Failure {
        code: code_of_failure,
        what: "the centre of the log could not be made in the cluster".into(),
        why: format!("{code}: {message}"),
        remedy: "use the identity of an admin of this cluster, such as its operator.identity"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_cluster_whose_time_is_free_can_be_replayed_through() {
        let fit = api::ClusterStatus { replay: true, ..Default::default() };
        assert_eq!(unfit(&fit, 0, 1_000), None);
        assert_eq!(unfit(&fit, 1_000, 1_000), None);
        let says = |cluster, now_ms| unfit(&cluster, now_ms, 1_000).expect("unfit");
        assert!(says(api::ClusterStatus::default(), 0).contains("without `replay`"));
        assert!(says(fit.clone(), 1_001).contains("past the beginning"));
        let used = api::ClusterStatus { agents: 2, ..fit };
        assert!(says(used, 0).contains("2 agents"));
    }
}
