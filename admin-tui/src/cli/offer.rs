//! Offers: with whom a contact is, and why it went to that agent.

use proto::stored::v1 as stored;
use serde::Serialize;
use stored::Strategy;

use super::words;

/// Why a contact went to an agent: the keys that won, in the order in which they were compared.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reason {
    /// The agent was the one to wait for.
    pub preferred: bool,
    /// The earliest step the agent fits, from 0.
    pub step: u32,
    /// The agent's grade for the queue, 1-10; 11: named, without serving it.
    pub grade: u32,
    /// How the site was chosen: any, local, spilled, share, free-capacity.
    pub site: &'static str,
    /// The strategy among the agents who were equal so far.
    pub strategy: &'static str,
    /// The agent's value under the strategy.
    pub key: u64,
    /// All of it for people.
    pub text: String,
}

/// A grade that says: named, without serving the queue.
const GRADE_NAMED: u32 = 11;

impl Reason {
    /// None: the node did not say.
    pub(super) fn of(stored: Option<&stored::OfferReason>) -> Option<Self> {
        let stored = stored?;
        let stored::OfferReason { preferred, step, grade, key, .. } = *stored;
        let (site, site_text) = words::site_choice(stored.site());
        let named = match preferred {
            true => "the agent it waited for; ",
            false => "",
        };
        let graded = match grade {
            GRADE_NAMED => "named, without serving the queue".to_owned(),
            grade => format!("grade {grade} for the queue"),
        };
        // Log positions and sums mean something only beside each other; they are told for those
        // who compare.
        let strategy = match stored.strategy() {
            Strategy::LongestIdle => format!("of equals the longest idle (since number {key})"),
            Strategy::LeastOccupied => {
                format!(
                    "of equals the least occupied ({}.{:02} %)",
                    key / 10_000,
                    key % 10_000 / 100
                )
            }
            Strategy::MostSkilled => format!("of equals the most skilled (levels sum to {key})"),
            Strategy::RoundRobin => {
                format!("of equals the one whose last offer is the oldest (number {key})")
            }
            Strategy::Unspecified => format!("of equals the first (key {key})"),
        };
        let fits = step.saturating_add(1);
        Some(Self {
            preferred,
            step,
            grade,
            site,
            strategy: words::strategy(stored.strategy()),
            key,
            text: format!("{named}fits from step {fits}, {graded}, {site_text}, {strategy}"),
        })
    }
}

/// The offer by which a contact is with an agent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct With {
    /// The fence.
    pub token: u64,
    /// The agent.
    pub agent: String,
    /// Where the agent worked then.
    pub site: String,
    /// When it was offered.
    pub offered_ms: u64,
    /// Why this agent.
    pub reason: Option<Reason>,
}

impl With {
    pub(super) fn of(stored: stored::Engagement) -> Self {
        let reason = Reason::of(stored.reason.as_ref());
        let stored::Engagement { token, agent, site, offered_ms, reason: _ } = stored;
        Self { token, agent, site, offered_ms, reason }
    }
}

/// An offer that came to nothing.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PastOffer {
    /// The fence.
    pub token: u64,
    /// The agent.
    pub agent: String,
    /// When it was made.
    pub offered_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// How: declined, rona, agent-lost, bridge-failed, bridge-timeout, abandoned, ingress-lost,
    /// withdrawn, transferred.
    pub end: &'static str,
    /// Until when this agent is not offered this contact again; null: no such rule.
    pub excluded_until_ms: Option<u64>,
    /// Why it was made.
    pub reason: Option<Reason>,
    /// How it ended, for people.
    #[serde(skip)]
    pub end_text: &'static str,
}

impl PastOffer {
    pub(super) fn of(stored: stored::PastOffer) -> Self {
        let reason = Reason::of(stored.reason.as_ref());
        let (end, end_text) = words::offer_end(stored.end());
        let stored::PastOffer { token, agent, offered_ms, ended_ms, excluded_until_ms, .. } =
            stored;
        Self { token, agent, offered_ms, ended_ms, end, excluded_until_ms, reason, end_text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stored::SiteChoice;

    fn text(reason: stored::OfferReason) -> String {
        Reason::of(Some(&reason)).expect("there").text
    }

    #[test]
    fn the_keys_that_won_are_told_in_words() {
        let reason = stored::OfferReason {
            preferred: false,
            step: 0,
            grade: 2,
            site: SiteChoice::Any.into(),
            strategy: Strategy::LongestIdle.into(),
            key: 36_834,
        };
        assert_eq!(
            text(reason),
            "fits from step 1, grade 2 for the queue, any site would do, of equals the longest \
             idle (since number 36834)"
        );
        assert_eq!(
            text(stored::OfferReason {
                preferred: true,
                step: 1,
                grade: 11,
                site: SiteChoice::Spilled.into(),
                strategy: Strategy::LeastOccupied.into(),
                key: 412_500,
            }),
            "the agent it waited for; fits from step 2, named, without serving the queue, at \
             another site, for its own had its time, of equals the least occupied (41.25 %)"
        );
        assert!(Reason::of(None).is_none());
    }
}
