//! How soon the lead may move, and how soon again.
//!
//! Each node keeps it for itself, from whom it has seen leading: a new leader knows what it saw as a
//! follower. After a start it knows nothing, and begins with the shortest pause. So nothing of this is
//! in the log, and a leader that was wrong about somebody is wrong alone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::raft::NodeId;

/// A leader leads at least this long before it hands over for a priority; so the lead moves at most as
/// often.
pub const PAUSE: Duration = Duration::from_secs(60);
/// Whoever lost the lead soon after it got it is passed over for a pause, for twice as long after each
/// time, and at most for this long.
pub const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// A node that led this long did not lose the lead soon.
pub const STEADY: Duration = Duration::from_secs(300);
/// Between two attempts to leave a site that is to have no work.
const LEAVE_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Who led, as this node saw it. Moments are durations since some moment before.
#[derive(Debug, Default)]
pub struct Pace {
    /// Who leads, and since when.
    leads: Option<(NodeId, Duration)>,
    /// Those that led before, or did not take the lead.
    past: BTreeMap<NodeId, Past>,
    /// When the lead was last offered to somebody.
    tried: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Past {
    /// When it was seen that it does not lead any more.
    ended: Duration,
    /// How many times in a row it lost the lead soon.
    soon: u32,
}

impl Pace {
    /// Who leads, as this node sees it now. While nobody is known to lead, nobody has taken over.
    pub fn note(&mut self, now: Duration, leader: Option<NodeId>) {
        let Some(leader) = leader else { return };
        match self.leads {
            Some((same, _)) if same == leader => return,
            Some((before, since)) => self.ended(now, before, now.saturating_sub(since) < STEADY),
            None => {}
        }
        self.leads = Some((leader, now));
    }

    /// The lead was offered to a node; whether somebody took it.
    pub fn tried(&mut self, now: Duration, to: NodeId, was_taken: bool) {
        self.tried = Some(now);
        if !was_taken {
            self.ended(now, to, true);
        }
    }

    fn ended(&mut self, now: Duration, node: NodeId, soon: bool) {
        let before = self.past.get(&node).map_or(0, |past| past.soon);
        let soon = if soon { before.saturating_add(1) } else { 0 };
        self.past.insert(node, Past { ended: now, soon });
    }

    /// Whether a leader may hand over to a node now. `leaves`: its site is to have no work, so that it
    /// does not wait, unless the node has lost the lead soon, or the lead was just offered.
    pub fn allows(&self, now: Duration, own: NodeId, to: NodeId, leaves: bool) -> bool {
        let since = |moment: Duration| now.saturating_sub(moment);
        let rests = self.past.get(&to).is_some_and(|past| {
            let pause = PAUSE.saturating_mul(1 << past.soon.min(16)).min(PAUSE_MAX);
            past.soon > 0 && since(past.ended) < pause
        });
        let again_after = if leaves { LEAVE_AGAIN_AFTER } else { PAUSE };
        let was_tried = self.tried.is_some_and(|tried| since(tried) < again_after);
        let leads_long =
            self.leads.is_some_and(|(node, began)| node == own && since(began) >= PAUSE);
        !rests && !was_tried && (leaves || leads_long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Node 1 leads from the beginning; who leads from which second on.
    fn seen(leads: &[(u64, NodeId)]) -> Pace {
        let mut pace = Pace::default();
        pace.note(at(0), Some(1));
        for (second, node) in leads {
            pace.note(at(*second), Some(*node));
        }
        pace
    }

    /// The first second from `from` on at which node 1 may hand over to node 2.
    fn first(pace: &Pace, from: u64, leaves: bool) -> u64 {
        (from..100_000).find(|second| pace.allows(at(*second), 1, 2, leaves)).expect("ever")
    }

    #[test]
    fn a_leader_leads_for_a_minute_before_it_hands_over() {
        let pace = seen(&[]);
        assert_eq!(first(&pace, 0, false), MINUTE);
        assert!(
            !seen(&[(5, 3)]).allows(at(500), 1, 2, false),
            "who does not lead hands nothing over"
        );
    }

    #[test]
    fn a_leader_that_leaves_does_not_wait() {
        assert_eq!(first(&seen(&[]), 0, true), 0);
    }

    #[test]
    fn whoever_loses_the_lead_soon_waits_twice_as_long_each_time() {
        let mut now = 0;
        let mut pace = seen(&[]);
        for minutes in [2, 4, 8, 16, 32, 60, 60, 60] {
            now = first(&pace, now, false);
            pace.note(at(now), Some(2));
            now += 20;
            // Between the two nobody leads.
            pace.note(at(now - 1), None);
            pace.note(at(now), Some(1));
            assert_eq!(first(&pace, now, false), now + minutes * MINUTE);
        }
    }

    #[test]
    fn a_leader_that_leaves_waits_for_whoever_lost_the_lead_soon_as_well() {
        let pace = seen(&[(10, 2), (30, 1)]);
        assert_eq!(first(&pace, 30, true), 30 + 2 * MINUTE);
        assert!(pace.allows(at(31), 1, 3, true), "but not for others");
    }

    #[test]
    fn whoever_led_for_long_waits_no_longer_than_others() {
        let long = STEADY.as_secs();
        let pace = seen(&[(60, 2), (80, 1), (300, 2), (300 + long, 1)]);
        assert_eq!(first(&pace, 300 + long, false), 300 + long + MINUTE);
    }

    #[test]
    fn others_do_not_wait_for_whoever_lost_it() {
        let pace = seen(&[(60, 2), (80, 1)]);
        assert!(pace.allows(at(80 + MINUTE), 1, 3, false));
        assert!(!pace.allows(at(80 + MINUTE), 1, 2, false));
    }

    #[test]
    fn an_offer_that_nobody_took_counts_as_a_lead_that_was_lost() {
        let mut pace = seen(&[]);
        pace.tried(at(60), 2, false);
        assert_eq!(first(&pace, 60, false), 60 + 2 * MINUTE);
        assert!(!pace.allows(at(61), 1, 3, false), "once a minute, to whomever");
        assert!(pace.allows(at(60 + MINUTE), 1, 3, false));
        assert!(pace.allows(at(70), 1, 3, true), "who leaves tries the next one sooner");
    }

    #[test]
    fn a_leader_that_is_elected_again_was_never_gone() {
        let mut pace = seen(&[]);
        pace.note(at(30), None);
        pace.note(at(31), Some(1));
        assert_eq!(first(&pace, 31, false), MINUTE);
    }
}
