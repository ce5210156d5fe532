//! What is to be done with a site: what it needs, and what comes of it.

use acd::command::{Command, SiteCommand};
use acd::ids::{Revision, SiteId};
use acd::time::Millis;
use serde::Serialize;

use super::impact::{Impact, load};
use crate::failure::{ErrorCode, Failure};
use crate::output::{Facts, Freshness, duration, plain};

/// What is to be done with a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// No new work; what is there is finished.
    Drain { deadline: Millis, expiry: Millis, callback: bool, force: bool },
    /// A drain ends before its time.
    CancelDrain,
    /// A drain with a short deadline, to switch the city off.
    Failover { deadline: Millis, expiry: Millis },
    /// The city is taken for gone.
    DeclareLost,
    /// Back into service.
    Return,
}

/// What a plan needs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Precondition {
    /// Whether it is so.
    pub holds: bool,
    /// What is so, or is not.
    pub text: String,
}

/// A plan.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// How current it is.
    pub freshness: Freshness,
    /// The site.
    pub site: String,
    /// drain, cancel-drain, failover, failover-unplanned, return.
    pub action: &'static str,
    /// The revision it is made from.
    pub revision: u64,
    /// What it needs.
    pub preconditions: Vec<Precondition>,
    /// What comes of it, in words.
    pub consequences: Vec<String>,
    /// What is there.
    pub impact: Impact,
}

impl Action {
    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Drain { .. } => "drain",
            Self::CancelDrain => "cancel-drain",
            Self::Failover { .. } => "failover",
            Self::DeclareLost => "failover-unplanned",
            Self::Return => "return",
        }
    }

    /// What becomes of the site, as something to do.
    pub(super) fn deed(self) -> &'static str {
        match self {
            Self::Drain { .. } => "drain it",
            Self::CancelDrain => "end its drain",
            Self::Failover { .. } => "move its work elsewhere",
            Self::DeclareLost => "take it for lost",
            Self::Return => "put it back into service",
        }
    }

    /// Whether the audit trail is to say why.
    pub(super) fn needs_reason(self) -> bool {
        self != Self::CancelDrain
    }

    /// The command.
    pub(super) fn command(self, site: SiteId, revision: u64) -> Command {
        let expected = Some(Revision(revision));
        let command = match self {
            Self::Drain { deadline, expiry, callback, force } => {
                SiteCommand::Drain { site, deadline, expiry, callback, force, expected }
            }
            Self::Failover { deadline, expiry } => {
                let (callback, force) = (false, false);
                SiteCommand::Drain { site, deadline, expiry, callback, force, expected }
            }
            Self::CancelDrain => SiteCommand::CancelDrain { site, expected },
            Self::DeclareLost => SiteCommand::DeclareLost { site, expected },
            Self::Return => SiteCommand::Return { site, expected },
        };
        command.into()
    }
}

impl Plan {
    /// What would be done, from what is true now.
    pub(super) fn new(site: &SiteId, action: Action, freshness: Freshness, impact: Impact) -> Self {
        Self {
            freshness,
            site: site.as_str().to_owned(),
            action: action.word(),
            revision: impact.revision,
            preconditions: preconditions(action, &impact),
            consequences: consequences(site.as_str(), action, &impact),
            impact,
        }
    }

    /// Why it cannot be carried out. None: it can.
    pub(super) fn obstacle(&self) -> Option<Failure> {
        let failed: Vec<_> = self.preconditions.iter().filter(|p| !p.holds).collect();
        let first = failed.first()?;
        let remedy = match self.impact.quorum.two_cities() {
            Some(why) if !self.impact.quorum.kept => why,
            _ => format!(
                "`quorumcall site show {}` shows what is true; docs/cli.md what it takes",
                self.site
            ),
        };
        Some(Failure {
            code: ErrorCode::Precondition,
            what: format!("{} of {} would go wrong; nothing was changed", self.action, self.site),
            why: plain(&first.text).into_owned(),
            remedy,
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("plan: {} {}\n", self.action, self.site);
        for Precondition { holds, text: what } in &self.preconditions {
            text += &format!("  {}  {}\n", if *holds { "ok" } else { "NO" }, plain(what));
        }
        for what in &self.consequences {
            text += &format!("  →   {}\n", plain(what));
        }
        let mut facts = Facts::default();
        self.impact.tell(&mut facts);
        format!("{text}\n{}\n{}\n{}", facts.text(), self.impact.table(), self.freshness.line())
    }
}

fn preconditions(action: Action, impact: &Impact) -> Vec<Precondition> {
    let state = impact.state;
    let works = |holds, text: String| Precondition { holds, text };
    let quorum = || works(impact.quorum.kept, format!("quorum {}", impact.quorum.words()));
    let can_drain = || match state {
        "lost" => works(false, "it is lost: it has no work that it could finish".into()),
        "draining" | "drained" => works(
            false,
            format!("it is {state} already: cancel that drain first, or return the site"),
        ),
        _ => works(true, format!("it is {state}")),
    };
    match action {
        Action::Drain { deadline, expiry, .. } => {
            let text = format!(
                "the cordon stands for {}, the deadline is in {}",
                duration(expiry.0),
                duration(deadline.0)
            );
            vec![can_drain(), works(deadline <= expiry, text)]
        }
        Action::Failover { .. } => vec![can_drain(), quorum()],
        Action::DeclareLost => {
            let text = if state == "lost" { "it is lost already" } else { "it is not lost yet" };
            vec![works(state != "lost", text.into()), quorum()]
        }
        Action::CancelDrain => {
            let has = impact.drain.is_some();
            vec![works(has, if has { "it has a drain" } else { "it has no drain" }.into())]
        }
        Action::Return => {
            let may = matches!(state, "returning" | "draining" | "drained");
            let text = match state {
                "lost" => {
                    "it is lost: it comes back when its nodes answer and have caught up".into()
                }
                _ if may => format!("it is {state}"),
                _ => format!("it is {state}: there is nothing to return from"),
            };
            let heard = match impact.silent {
                true => "its nodes are not heard of",
                false => "its nodes are heard of",
            };
            vec![works(may, text), works(!impact.silent, heard.into())]
        }
    }
}

fn consequences(site: &str, action: Action, impact: &Impact) -> Vec<String> {
    let leads = impact.quorum.leader_site.as_deref() == Some(site);
    let mut all = Vec::new();
    match action {
        Action::Drain { deadline, expiry, callback, force } => {
            all.extend(drained(impact, leads, deadline, expiry));
            if callback {
                let who = "calls and chats that wait then with their media there are called back";
                all.push(format!("{who} ({} wait now)", impact.waiting));
            }
            all.push(match force {
                true => format!(
                    "CONVERSATIONS ARE CUT at the deadline ({} now, and {} in wrap-up)",
                    impact.talking, impact.wrapping_up
                ),
                false => "conversations are never cut, and go on after the deadline".into(),
            });
        }
        Action::Failover { deadline, expiry } => {
            all.extend(drained(impact, leads, deadline, expiry));
            all.push(
                "conversations are never cut: once it is drained, it can be switched off".into(),
            );
            let back = format!("it comes back with `quorumcall site return {site}`");
            all.push(back);
        }
        Action::CancelDrain => all.push("it gets work again".into()),
        Action::DeclareLost => {
            let agents = impact.agents.logged_in();
            all.push(format!("its {agents} agents are unreachable until they log in elsewhere"));
            all.push(format!("{} offers go back to their places at once", impact.offered));
            let talking = "conversations go on if their talk path is up, and count as orphans";
            all.push(format!("{} {talking}", impact.talking));
            if impact.cut_off > 0 {
                all.push(format!(
                    "{} contacts lose their front end: they keep their places, and are not offered \
                     before it is attached elsewhere",
                    impact.cut_off
                ));
            }
            all.push(match impact.return_after_ms {
                Some(ms) => format!(
                    "if its nodes answer, it comes back by itself after {}; to keep it out, drain it",
                    duration(ms)
                ),
                None => format!("it comes back with `quorumcall site return {site}`, once its nodes answer"),
            });
        }
        Action::Return => {
            all.push("it gets work again, at once".into());
            if impact.drain.is_some() {
                all.push("its drain is over".into());
            }
        }
    }
    if matches!(action, Action::Drain { .. } | Action::Failover { .. } | Action::DeclareLost) {
        all.extend(left_alone(impact));
        all.extend(impact.quorum.two_cities());
    }
    all
}

fn drained(impact: &Impact, leads: bool, deadline: Millis, expiry: Millis) -> Vec<String> {
    let mut all = vec!["no new work there from now on".to_owned()];
    if leads {
        all.push(match impact.quorum.answer_elsewhere {
            0 => "the leader is there, and STAYS: no voter answers elsewhere".into(),
            _ => "the leader is there: the lead goes to another city first".into(),
        });
    }
    all.push(format!(
        "in {} what is still offered there goes back to its place ({} now)",
        duration(deadline.0),
        impact.offered
    ));
    all.push(format!(
        "in {} the cordon is lifted by itself, if the site is well",
        duration(expiry.0)
    ));
    all
}

/// Who would have to do the work.
fn left_alone(impact: &Impact) -> Vec<String> {
    let nobody = impact.queues.iter().filter(|queue| queue.agents_elsewhere.logged_in() == 0);
    let nobody: Vec<_> = nobody.map(|queue| queue.queue.as_str()).collect();
    let full = |load: Option<f64>| load.is_none_or(|load| load > 1.0);
    let mut all = Vec::new();
    if !nobody.is_empty() {
        all.push(format!("NOBODY IS LEFT who serves {}", nobody.join(", ")));
    }
    if full(impact.load_then) && !full(impact.load_now) {
        let then = load(impact.load_then);
        all.push(format!("there is MORE WORK THAN HANDS elsewhere: load {then}"));
    }
    all
}
