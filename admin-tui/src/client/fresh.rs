//! Which answers are current.

use proto::api::v1 as api;

/// What a node heard of its leader, or a leader of its quorum, longer ago than this is not current:
/// that long a site takes to be lost on a fast network.
pub(crate) const CURRENT_MS_MAX: u64 = 3_000;

/// An answer that says how current it is.
pub trait Fresh {
    /// How current it is. None: it does not say, so it is not.
    fn freshness(&self) -> Option<&api::Freshness>;
}

macro_rules! fresh {
    ($($answer:ident),+ $(,)?) => {$(
        impl Fresh for api::$answer {
            fn freshness(&self) -> Option<&api::Freshness> {
                self.freshness.as_ref()
            }
        }
    )+};
}
fresh!(
    GetClusterResponse,
    ListQueuesResponse,
    ListAgentsResponse,
    GetAgentResponse,
    ListContactsResponse,
    GetContactResponse,
    ExplainContactResponse,
    GetSiteImpactResponse,
    ListAuditResponse,
);

/// Whether an answer can be taken for what is true now.
pub(super) fn is_current(answer: &impl Fresh) -> bool {
    answer.freshness().is_some_and(|fresh| {
        fresh.halted.is_none()
            && fresh.leader.is_some()
            && fresh.age_ms.is_some_and(|age| age <= CURRENT_MS_MAX)
    })
}

/// Whether one answer that is not current is better than another: by a node that has not stopped,
/// then by how far it has got.
pub(super) fn is_better<T: Fresh>(answer: &T, than: &T) -> bool {
    let rank = |answer: &T| {
        answer.freshness().map(|fresh| (fresh.halted.is_none(), fresh.term, fresh.applied))
    };
    rank(answer) > rank(than)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(age_ms: Option<u64>, leader: Option<u64>, halted: bool) -> api::GetClusterResponse {
        let halted = halted.then(|| "diverged".to_owned());
        let freshness = api::Freshness { age_ms, leader, halted, ..api::Freshness::default() };
        api::GetClusterResponse { freshness: Some(freshness), cluster: None }
    }

    #[test]
    fn an_answer_is_current_if_its_node_runs_and_hears_a_leader() {
        assert!(is_current(&answer(Some(200), Some(1), false)));
        for not in [
            answer(Some(3_001), Some(1), false),
            answer(None, Some(1), false),
            answer(Some(0), None, false),
            answer(Some(0), Some(1), true),
            api::GetClusterResponse::default(),
        ] {
            assert!(!is_current(&not), "{not:?}");
        }
    }

    #[test]
    fn of_answers_that_are_not_current_a_halted_nodes_is_the_last() {
        let (stale, halted) = (answer(Some(9_000), None, false), answer(Some(0), Some(1), true));
        assert!(is_better(&stale, &halted) && !is_better(&halted, &stale));
        assert!(is_better(&halted, &api::GetClusterResponse::default()));
    }
}
