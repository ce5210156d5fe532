//! The words for what has one: states, kinds, reasons.

use proto::stored::v1 as stored;
use serde::Serialize;
use stored::{Channel, Medium, NodeRole, OfferEnd, Outcome, SiteChoice, Strategy};

/// What a later release has a word for.
pub(super) const UNKNOWN: &str = "unknown";

pub(super) fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Voice => "voice",
        Channel::Chat => "chat",
        Channel::Email => "email",
        Channel::Message => "message",
        Channel::Callback => "callback",
        Channel::Unspecified => UNKNOWN,
    }
}

pub(super) fn medium(medium: Medium) -> &'static str {
    match medium {
        Medium::Voice => "voice",
        Medium::Chat => "chat",
        Medium::Email => "email",
        Medium::Message => "message",
        Medium::Unspecified => UNKNOWN,
    }
}

pub(super) fn site_state(state: Option<&stored::SiteState>) -> &'static str {
    use stored::site_state::State;
    match state.and_then(|state| state.state.as_ref()) {
        Some(State::Active(_)) => "active",
        Some(State::Suspect(_)) => "suspect",
        Some(State::Lost(_)) => "lost",
        Some(State::Returning(_)) => "returning",
        Some(State::Draining(_)) => "draining",
        Some(State::Drained(_)) => "drained",
        None => UNKNOWN,
    }
}

/// Why an agent is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NotReady {
    /// `logged-in`, `rona`, `said`, `supervisor`.
    pub kind: &'static str,
    /// What the agent or the supervisor said.
    pub said: Option<String>,
}

impl NotReady {
    pub(super) fn of(stored: &stored::NotReadyReason) -> Self {
        use stored::not_ready_reason::Reason;
        let (kind, said) = match &stored.reason {
            Some(Reason::LoggedIn(_)) => ("logged-in", None),
            Some(Reason::Rona(_)) => ("rona", None),
            Some(Reason::Said(said)) => ("said", Some(said.clone())),
            Some(Reason::Supervisor(said)) => ("supervisor", Some(said.clone())),
            None => (UNKNOWN, None),
        };
        Self { kind, said }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match (self.kind, &self.said) {
            ("logged-in", _) => "just logged in".into(),
            ("rona", _) => "let a call ring".into(),
            ("supervisor", Some(said)) => format!("{said} (supervisor)"),
            (_, Some(said)) => said.clone(),
            (kind, None) => kind.into(),
        }
    }
}

pub(super) fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Handled => ("handled", "handled"),
        Outcome::Abandoned => ("abandoned", "the customer left before an answer"),
        Outcome::WaitedTooLong => ("waited-too-long", "turned away after waiting too long"),
        Outcome::TurnedAwayClosed => ("turned-away-closed", "turned away, the queue was closed"),
        Outcome::TurnedAwayFull => ("turned-away-full", "turned away, the queue was full"),
        Outcome::Flushed => ("flushed", "turned away when the queue closed"),
        Outcome::LostIngress => ("lost-ingress", "its ingress did not come back in time"),
        Outcome::Orphaned => ("orphaned", "its agent or ingress was gone for too long"),
        Outcome::Removed => ("removed", "a supervisor removed it"),
        Outcome::ConsultOver => {
            ("consult-over", "the contact it was a consultation for ended first")
        }
        Outcome::Cut => ("cut", "a drain cut it"),
        Outcome::Unspecified => (UNKNOWN, UNKNOWN),
    }
}

pub(super) fn offer_end(end: OfferEnd) -> (&'static str, &'static str) {
    match end {
        OfferEnd::Declined => ("declined", "declined"),
        OfferEnd::Rona => ("rona", "rang in vain"),
        OfferEnd::AgentLost => ("agent-lost", "the agent was gone"),
        OfferEnd::BridgeFailed => ("bridge-failed", "the two could not be connected"),
        OfferEnd::BridgeTimeout => ("bridge-timeout", "the two were not connected in time"),
        OfferEnd::Abandoned => ("abandoned", "the customer left"),
        OfferEnd::IngressLost => ("ingress-lost", "its ingress was gone"),
        OfferEnd::Withdrawn => ("withdrawn", "taken back"),
        OfferEnd::Transferred => ("transferred", "answered, and passed on"),
        OfferEnd::Unspecified => (UNKNOWN, UNKNOWN),
    }
}

pub(super) fn site_choice(choice: SiteChoice) -> (&'static str, &'static str) {
    match choice {
        SiteChoice::Any => ("any", "any site would do"),
        SiteChoice::Local => ("local", "at the contact's own site"),
        SiteChoice::Spilled => ("spilled", "at another site, for its own had its time"),
        SiteChoice::Share => ("share", "at the site furthest behind its share"),
        SiteChoice::FreeCapacity => ("free-capacity", "at the site with the most free agents"),
        SiteChoice::Unspecified => (UNKNOWN, UNKNOWN),
    }
}

pub(super) fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::LongestIdle => "longest-idle",
        Strategy::LeastOccupied => "least-occupied",
        Strategy::MostSkilled => "most-skilled",
        Strategy::RoundRobin => "round-robin",
        Strategy::Unspecified => UNKNOWN,
    }
}

/// What a node is meant to be.
pub(super) fn node_role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Voter => "voter",
        NodeRole::Learner => "learner",
        NodeRole::Witness => "witness",
        NodeRole::Unspecified => UNKNOWN,
    }
}

/// What a rule that excludes agents says of them, after their number: `21 are not logged in`.
pub(super) fn rule(rule: &str, about: &str) -> String {
    match rule {
        "offline" => "not logged in".into(),
        "unreachable" => "session lost".into(),
        "not-ready" => "not ready".into(),
        "site-out-of-service" => "at a site that gets no offers now".into(),
        "waits-for-another" => format!("not the one it waits for, {about}"),
        "site-not-allowed" => "at a site that may not take it in this step, or not yet".into(),
        "queue-not-served" => "serving neither this queue nor one that may help".into(),
        "skill-missing" => format!("without the skill {about}, or with too little of it"),
        "medium-not-taken" => "taking none of its kind".into(),
        "medium-closed" => "closed for its kind, after one that rang in vain".into(),
        "busy" => "with as much as they can handle at once".into(),
        "cooling-down" => "who did not take it a short while ago".into(),
        "none" => "who could take it: it is about to be offered".into(),
        // A rule of a later release.
        other if about.is_empty() => other.into(),
        other => format!("{other} ({about})"),
    }
}
