//! `quorumcall contact show`.

use prost::Message;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::super::{Options, words};
use super::{ContactRow, ContactShowArgs, get_contact};
use crate::client::Conversation;
use crate::failure::{ErrorCode, Failure};
use crate::output::{Facts, Freshness, Printed, ago, duration, print};

pub(super) fn run(options: &Options, args: &ContactShowArgs) -> Result<String, Failure> {
    let contact = &args.contact;
    let answer = Conversation::open(options)?
        .ask(|client| async move { get_contact(&client, args.read, contact).await })?;
    let freshness = Freshness::of(answer.freshness)?;
    let attributes = answer.live.as_ref().map(|live| attributes(&live.attributes));
    let shown = ContactShown {
        live: answer.live.map(|live| ContactRow::of(live, freshness.now_ms)),
        attributes: attributes.unwrap_or_default(),
        closed: answer.closed.map(Closed::of),
        records: answer.records.into_iter().map(Record::of).collect(),
        freshness,
    };
    if shown.live.is_none() && shown.closed.is_none() && shown.records.is_empty() {
        return Err(Failure {
            code: ErrorCode::NotFound,
            what: format!("nothing is known of {contact}"),
            why: "it is not live, and the node that answered keeps no record of it".into(),
            remedy: "check the id; records reach a node's files with its next snapshot".into(),
        });
    }
    print(&shown, options.output)
}

/// One contact.
#[derive(Debug, Serialize)]
struct ContactShown {
    freshness: Freshness,
    /// Where it is. Null: it is not live.
    live: Option<ContactRow>,
    /// What the ingress told of it, as long as it is live.
    attributes: Vec<Attribute>,
    /// Closed a short while ago, and how.
    closed: Option<Closed>,
    /// Records the node keeps under this id, the latest first.
    records: Vec<Record>,
}

#[derive(Debug, Serialize)]
struct Attribute {
    name: String,
    value: String,
}

/// What an ingress told of a contact. The cluster checked the form when it took the contact in; what
/// a later release writes in another one is not shown.
fn attributes(encoded: &[u8]) -> Vec<Attribute> {
    let items = stored::Attributes::decode(encoded).unwrap_or_default().items;
    let attribute = |stored::Attribute { name, value }| Attribute { name, value };
    items.into_iter().map(attribute).collect()
}

/// What is remembered of a contact that was closed a short while ago.
#[derive(Debug, Serialize)]
pub(super) struct Closed {
    /// When it arrived.
    arrived_ms: u64,
    /// When it ended.
    pub(super) closed_ms: u64,
    /// How it ended.
    outcome: &'static str,
    /// The agent it was with when it ended.
    agent: Option<String>,
    #[serde(skip)]
    pub(super) outcome_text: &'static str,
}

impl Closed {
    pub(super) fn of(stored: stored::ClosedContact) -> Self {
        let (outcome, outcome_text) = words::outcome(stored.outcome());
        let stored::ClosedContact { arrived_ms, closed_ms, agent, .. } = stored;
        Self { arrived_ms, closed_ms, outcome, agent, outcome_text }
    }
}

/// Everything a report needs of a closed contact.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    seq: u64,
    channel: &'static str,
    priority: u32,
    ingress: String,
    site: String,
    queue: String,
    agent: Option<String>,
    agent_site: Option<String>,
    token: Option<u64>,
    outcome: &'static str,
    arrived_ms: u64,
    entered_queue_ms: u64,
    answered_ms: Option<u64>,
    pub(super) closed_ms: u64,
    talk_ms: u64,
    hold_ms: u64,
    wrap_up_ms: u64,
    transfers: u32,
    failed_offers: u32,
    disposition: Option<String>,
    resolved: Option<bool>,
    recording: Option<String>,
    consult_of: Option<String>,
    attributes: Vec<Attribute>,
    #[serde(skip)]
    pub(super) outcome_text: &'static str,
}

impl Record {
    pub(super) fn of(stored: stored::ContactRecord) -> Self {
        let (outcome, outcome_text) = words::outcome(stored.outcome());
        let channel = words::channel(stored.channel());
        let attributes = attributes(&stored.attributes);
        let stored::ContactRecord {
            contact: _,
            seq,
            channel: _,
            priority,
            ingress,
            site,
            queue,
            agent,
            agent_site,
            token,
            outcome: _,
            arrived_ms,
            entered_queue_ms,
            answered_ms,
            closed_ms,
            talk_ms,
            hold_ms,
            wrap_up_ms,
            transfers,
            failed_offers,
            disposition,
            resolved,
            recording,
            consult_of,
            attributes: _,
        } = stored;
        Self {
            seq,
            channel,
            priority,
            ingress,
            site,
            queue,
            agent,
            agent_site,
            token,
            outcome,
            arrived_ms,
            entered_queue_ms,
            answered_ms,
            closed_ms,
            talk_ms,
            hold_ms,
            wrap_up_ms,
            transfers,
            failed_offers,
            disposition,
            resolved,
            recording,
            consult_of,
            attributes,
            outcome_text,
        }
    }

    /// What it tells, for people.
    pub(super) fn facts(&self, now_ms: u64) -> Facts {
        let mut facts = Facts::default();
        facts
            .fact("ended", format!("{}: {}", ago(self.closed_ms, now_ms), self.outcome_text))
            .fact("channel", format!("{}, priority {}", self.channel, self.priority))
            .fact("queue", &self.queue)
            .fact("arrived", format!("{} at {}", ago(self.arrived_ms, now_ms), self.site))
            .fact("ingress", &self.ingress);
        match (self.answered_ms, &self.agent) {
            (Some(answered), agent) => {
                let by = agent.as_deref().unwrap_or("somebody");
                let waited = duration(answered.saturating_sub(self.arrived_ms));
                let at = self.agent_site.as_ref().map(|site| format!(" at {site}"));
                facts.fact("answered", format!("by {by}{} after {waited}", at.unwrap_or_default()));
            }
            (None, _) => {
                facts.fact("answered", "no");
            }
        }
        facts.fact(
            "talk, hold, wrap-up",
            [self.talk_ms, self.hold_ms, self.wrap_up_ms].map(duration).join(", "),
        );
        facts.fact("transfers", self.transfers.to_string());
        facts.fact("failed offers", self.failed_offers.to_string());
        let resolved = self.resolved.map(|resolved| if resolved { "yes" } else { "no" });
        for (name, value) in [
            ("disposition", self.disposition.as_deref()),
            ("resolved", resolved),
            ("recording", self.recording.as_deref()),
            ("consultation for", self.consult_of.as_deref()),
        ] {
            if let Some(value) = value {
                facts.fact(name, value);
            }
        }
        for Attribute { name, value } in &self.attributes {
            facts.fact(&format!("attribute {name}"), value);
        }
        facts
    }
}

impl Printed for ContactShown {
    fn table(&self) -> String {
        let now_ms = self.freshness.now_ms;
        let mut parts = Vec::new();
        if let Some(live) = &self.live {
            let mut facts = Facts::default();
            facts
                .fact("contact", &live.id)
                .fact("stage", live.stage_text())
                .fact("channel", format!("{}, priority {}", live.channel, live.priority))
                .fact("queue", &live.queue)
                .fact("arrived", format!("{} at {}", ago(live.arrived_ms, now_ms), live.site))
                .fact("ingress", &live.ingress);
            if let Some(waited) = live.waited_ms {
                facts.fact("waited", duration(waited));
            }
            if let Some(ahead) = live.ahead {
                facts.fact("ahead of it", ahead.to_string());
            }
            facts.fact("step", (u64::from(live.step) + 1).to_string());
            if let Some(with) = &live.with {
                let since = ago(with.offered_ms, now_ms);
                facts.fact(
                    "with",
                    format!(
                        "{} at {}, offered {since} (token {})",
                        with.agent, with.site, with.token
                    ),
                );
            }
            facts
                .fact("failed offers", live.failed_offers.to_string())
                .fact("transfers", live.transfers.to_string());
            for Attribute { name, value } in &self.attributes {
                facts.fact(&format!("attribute {name}"), value);
            }
            parts.push(facts.text());
        }
        if let Some(closed) = self.closed.as_ref().filter(|_| self.records.is_empty()) {
            let mut facts = Facts::default();
            facts
                .fact(
                    "ended",
                    format!("{}: {}", ago(closed.closed_ms, now_ms), closed.outcome_text),
                )
                .fact("arrived", ago(closed.arrived_ms, now_ms));
            if let Some(agent) = &closed.agent {
                facts.fact("agent", agent);
            }
            parts.push(facts.text());
        }
        parts.extend(self.records.iter().map(|record| record.facts(now_ms).text()));
        parts.push(self.freshness.line());
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_who_answered_after_how_long() {
        let record = Record::of(stored::ContactRecord {
            agent: Some("anna".into()),
            agent_site: Some("lviv".into()),
            outcome: stored::Outcome::Handled.into(),
            arrived_ms: 1_000,
            answered_ms: Some(24_000),
            closed_ms: 100_000,
            talk_ms: 76_000,
            resolved: Some(true),
            ..stored::ContactRecord::default()
        });
        let text = record.facts(160_000).text();
        assert!(text.contains("by anna at lviv after 23s"), "{text}");
        assert!(text.contains("1m 16s, 0s, 0s") && text.contains("1m ago: handled"), "{text}");
        let json = serde_json::to_value(&record).expect("JSON");
        assert_eq!((&json["outcome"], &json["talk_ms"]), (&"handled".into(), &76_000.into()));
    }
}
