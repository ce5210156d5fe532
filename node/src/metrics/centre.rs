//! The contact centre, as this replica has it.

use std::fmt;

use acd::census::{Census, QueueCensus};
use acd::metrics::QueueCounters;
use acd::time::LogTime;
use openraft_rt_tokio::TokioRuntime;

use super::page::{Page, seconds};
use crate::Node;

/// Words of the states that a site can be in.
const SITE_STATES: [&str; 6] = ["active", "suspect", "lost", "returning", "draining", "drained"];

/// A count of the day: its name, what it is, where it is.
type OfToday = (&'static str, &'static str, fn(&QueueCounters) -> u32);
/// A time of the day, in ms.
type TimeOfToday = (&'static str, &'static str, fn(&QueueCounters) -> u64);

const TODAY: [OfToday; 14] = [
    ("quorumcall_queue_offered_today", "Contacts whose waiting ended today, however.", |c| {
        c.offered
    }),
    ("quorumcall_queue_answered_today", "Contacts answered today.", |c| c.answered),
    (
        "quorumcall_queue_answered_in_target_today",
        "Contacts answered today within the target.",
        |c| c.answered_in_target,
    ),
    ("quorumcall_queue_abandoned_today", "Contacts that left unanswered today.", |c| c.abandoned),
    (
        "quorumcall_queue_abandoned_in_target_today",
        "Contacts that left unanswered today within the target.",
        |c| c.abandoned_in_target,
    ),
    (
        "quorumcall_queue_short_abandons_today",
        "Contacts that left today so early that they count as misdialled.",
        |c| c.short_abandons,
    ),
    (
        "quorumcall_queue_overflowed_today",
        "Contacts that went elsewhere without an agent today, or were called back instead.",
        |c| c.overflowed,
    ),
    ("quorumcall_queue_rejected_today", "Contacts turned away today.", |c| c.rejected),
    ("quorumcall_queue_callbacks_today", "Contacts that became callbacks today.", |c| c.callbacks),
    ("quorumcall_queue_lost_today", "Contacts given up today.", |c| c.lost),
    ("quorumcall_queue_transferred_today", "Contacts passed on by agents today.", |c| {
        c.transferred
    }),
    ("quorumcall_queue_declined_today", "Offers declined today.", |c| c.declined),
    ("quorumcall_queue_rona_today", "Offers that rang in vain today.", |c| c.rona),
    ("quorumcall_queue_handled_today", "Contacts whose handling ended today.", |c| c.handled),
];

const TIMES_TODAY: [TimeOfToday; 5] = [
    ("quorumcall_queue_wait_today_seconds", "Waiting of those answered today.", |c| c.wait_ms),
    ("quorumcall_queue_wait_max_today_seconds", "The longest wait that ended today.", |c| {
        c.wait_max_ms
    }),
    ("quorumcall_queue_talk_today_seconds", "Conversation today, without hold.", |c| c.talk_ms),
    ("quorumcall_queue_hold_today_seconds", "Hold today.", |c| c.hold_ms),
    ("quorumcall_queue_wrap_up_today_seconds", "Wrap-up today.", |c| c.wrap_up_ms),
];

pub(super) fn write(page: &mut Page<'_>, node: &Node<TokioRuntime>) -> fmt::Result {
    // The state is held for as long as this takes, and not while it is counted.
    let (roll, replay) = {
        let view = node.state().view();
        (view.centre().roll(), view.centre().is_replay())
    };
    // Between two entries time goes on, but where clients own it.
    let now = if replay { roll.now() } else { node.now().max(roll.now()) };
    let census = roll.count(now);
    drop(roll);
    contacts(page, &census)?;
    queues(page, &census.queues, now)?;
    sites(page, &census)
}

fn contacts(page: &mut Page<'_>, census: &Census) -> fmt::Result {
    page.gauges("quorumcall_contacts", "Live contacts by stage.", |out| {
        for (stage, count) in census.contacts.by_word() {
            out.put([("stage", stage)], count)?;
        }
        Ok(())
    })
}

fn queues(page: &mut Page<'_>, queues: &[QueueCensus], now: LogTime) -> fmt::Result {
    let mut each = |name, help, count: fn(&QueueCensus) -> u32| {
        page.gauges(name, help, |out| {
            for queue in queues {
                out.put([("queue", queue.id.as_str())], count(queue))?;
            }
            Ok(())
        })
    };
    each("quorumcall_queue_waiting", "Contacts that wait.", |q| q.contacts.queued)?;
    each("quorumcall_queue_offered", "Contacts before an agent, or being connected.", |q| {
        q.contacts.before_agents()
    })?;
    each("quorumcall_queue_connected", "Contacts with an agent.", |q| q.contacts.with_agents())?;
    each("quorumcall_queue_stranded", "Contacts that wait and whose ingress is gone.", |q| {
        q.contacts.stranded
    })?;
    each("quorumcall_queue_scheduled", "Callbacks whose time has not come.", |q| {
        q.contacts.scheduled
    })?;
    page.gauges(
        "quorumcall_queue_oldest_wait_seconds",
        "How long the one has waited that has waited for longest; 0 if nobody waits.",
        |out| {
            for queue in queues {
                let waited = queue.waiting_since.map_or(0, |since| now.since(since).0);
                out.put([("queue", queue.id.as_str())], seconds(waited))?;
            }
            Ok(())
        },
    )?;
    page.gauges("quorumcall_queue_agents", "Agents who serve it, by what they do.", |out| {
        for queue in queues {
            for (state, count) in queue.agents.by_word() {
                out.put([("queue", queue.id.as_str()), ("state", state)], count)?;
            }
        }
        Ok(())
    })?;
    for (name, help, count) in TODAY {
        page.gauges(name, help, |out| {
            for queue in queues {
                out.put([("queue", queue.id.as_str())], count(&queue.today))?;
            }
            Ok(())
        })?;
    }
    for (name, help, time) in TIMES_TODAY {
        page.gauges(name, help, |out| {
            for queue in queues {
                out.put([("queue", queue.id.as_str())], seconds(time(&queue.today)))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn sites(page: &mut Page<'_>, census: &Census) -> fmt::Result {
    page.gauges("quorumcall_site_state", "1 for the state the site is in, 0 for others.", |out| {
        for site in &census.sites {
            for state in SITE_STATES {
                let is_in = u32::from(site.state.word() == state);
                out.put([("site", site.id.as_str()), ("state", state)], is_in)?;
            }
        }
        Ok(())
    })?;
    page.gauges(
        "quorumcall_site_agents",
        "Agents who work there, by what they do; of those offline, who is at home there.",
        |out| {
            for site in &census.sites {
                for (state, count) in site.agents.by_word() {
                    out.put([("site", site.id.as_str()), ("state", state)], count)?;
                }
            }
            Ok(())
        },
    )?;
    page.gauges(
        "quorumcall_site_engaged",
        "Contacts and offers that agents working there have.",
        |out| {
            for site in &census.sites {
                out.put([("site", site.id.as_str())], site.engaged)?;
            }
            Ok(())
        },
    )?;
    page.gauges("quorumcall_site_waiting", "Contacts that wait with their media there.", |out| {
        for site in &census.sites {
            out.put([("site", site.id.as_str())], site.waiting)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use acd::event::SiteState;

    use super::*;

    #[test]
    fn every_state_of_a_site_has_a_sample() {
        for state in [
            SiteState::Active,
            SiteState::Suspect,
            SiteState::Lost,
            SiteState::Returning { until: None },
            SiteState::Draining,
            SiteState::Drained,
        ] {
            assert!(SITE_STATES.contains(&state.word()), "{state:?}");
        }
    }
}
