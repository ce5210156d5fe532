//! `quorumcall contact explain`: the story of a contact up to now, and what comes next.
//!
//! Three reads make it: why (the node works that out for us), where it stands, and what its queue
//! is configured to do next. Should they be of different moments, the story is as old as the oldest.

use acd::ids::ContactId;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::super::offer::{PastOffer, With};
use super::super::queue::list_queues;
use super::super::{Options, ReadArgs, words};
use super::show::{Closed, Record};
use super::{ContactExplainArgs, ContactRow, get_contact};
use crate::client::{Client, ClientError, Conversation, reads};
use crate::failure::{ErrorCode, Failure};
use crate::output::{
    Freshness, Printed, Table, ago, ahead, duration, left, one_of, plain, print, time,
};

pub(super) fn run(options: &Options, args: &ContactExplainArgs) -> Result<String, Failure> {
    let contact = &args.contact;
    let conversation = Conversation::open(options)?;
    let answers =
        conversation.ask(|client| async move { ask(&client, args.read, contact).await })?;
    match answers {
        Answers::Live { why, place, queue } => {
            let story = Story::of(*why, *place, queue.map(|queue| *queue), args.agents)?;
            print(&story, options.output)
        }
        Answers::Over(place) => print(&Over::of(contact, *place)?, options.output),
    }
}

/// What the cluster knows of a contact.
enum Answers {
    Live {
        why: Box<api::ExplainContactResponse>,
        /// Where it stands.
        place: Box<api::GetContactResponse>,
        /// The configuration of its queue, if that is still there.
        queue: Option<Box<stored::QueueConfig>>,
    },
    Over(Box<api::GetContactResponse>),
}

async fn ask(client: &Client, read: ReadArgs, contact: &ContactId) -> Result<Answers, ClientError> {
    let request = api::ExplainContactRequest {
        linearizable: read.linearizable,
        contact: contact.as_str().to_owned(),
    };
    let why = client
        .read_fresh(|channel| {
            let request = request.clone();
            async move { reads(channel).explain_contact(request).await }
        })
        .await;
    let place = Box::new(match (&why, get_contact(client, read, contact).await) {
        (_, Ok(place)) => place,
        // It was there a moment ago.
        (Ok(_), Err(ClientError::NotFound { .. })) => api::GetContactResponse::default(),
        (_, Err(error)) => return Err(error),
    });
    let why = match why {
        Ok(why) => why,
        Err(ClientError::NotFound { .. }) => return Ok(Answers::Over(place)),
        Err(error) => return Err(error),
    };
    let queue = match list_queues(client.clone(), read, Some(&why.queue)).await {
        Ok(answer) => answer.queues.into_iter().find_map(|queue| queue.config),
        // Deleted in this moment.
        Err(ClientError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Answers::Live { why: Box::new(why), place, queue: queue.map(Box::new) })
}

/// Why a live contact is where it is.
#[derive(Debug, Serialize)]
struct Story {
    freshness: Freshness,
    /// The contact.
    contact: String,
    /// Its queue.
    queue: String,
    /// Where it is in its life.
    stage: String,
    /// How long since it entered the queue.
    waited_ms: u64,
    /// When it counts as arrived: its place is by this, then by number.
    effective_ms: i64,
    /// The step it has reached, from 0.
    step: u32,
    /// Steps its queue has.
    steps: u64,
    /// Where it stands. Null: it was closed in this moment.
    live: Option<ContactRow>,
    /// What comes next.
    next: Next,
    /// The offer it is with an agent by.
    with: Option<With>,
    /// Offers that came to nothing, the latest last.
    past_offers: Vec<PastOffer>,
    /// For a waiting contact: the first rule that excludes each agent, with how many.
    excluded: Vec<Exclusion>,
    /// The same by agent, by id, at most 1,000.
    agents: Vec<ExcludedAgent>,
    #[serde(skip)]
    with_agents: bool,
}

/// What comes next for a contact.
#[derive(Debug, Serialize)]
struct Next {
    /// step, spill, cool-down, preferred, scheduled, offer-timeout, or null: nothing by itself.
    kind: Option<&'static str>,
    /// When. Null: not by the clock.
    at_ms: Option<u64>,
    /// For people.
    text: String,
}

/// A rule and the agents it excludes.
#[derive(Debug, Serialize)]
struct Exclusion {
    rule: String,
    about: String,
    agents: u32,
}

/// An agent and the first rule that excludes them.
#[derive(Debug, Serialize)]
struct ExcludedAgent {
    agent: String,
    rule: String,
    about: String,
}

impl Story {
    fn of(
        why: api::ExplainContactResponse,
        place: api::GetContactResponse,
        queue: Option<stored::QueueConfig>,
        with_agents: bool,
    ) -> Result<Self, Failure> {
        let mut freshness = Freshness::of(why.freshness.clone())?;
        if let Some(other) = place.freshness {
            let other = Freshness::of(Some(other))?;
            if other.applied < freshness.applied {
                freshness = other;
            }
        }
        let live = place.live.map(|live| ContactRow::of(live, freshness.now_ms));
        let next = Next::of(&why, live.as_ref(), queue.as_ref());
        let api::ExplainContactResponse {
            contact,
            queue: in_queue,
            stage,
            waited_ms,
            step,
            effective_ms,
            with,
            past_offers,
            mut excluded,
            agents,
            ..
        } = why;
        excluded.sort_by_key(|rule| std::cmp::Reverse(rule.agents));
        let excluded = excluded.into_iter().map(
            |api::explain_contact_response::Exclusion { rule, about, agents }| Exclusion {
                rule,
                about,
                agents,
            },
        );
        let agents =
            agents.into_iter().map(
                |api::explain_contact_response::ExcludedAgent { agent, rule, about }| {
                    ExcludedAgent { agent, rule, about }
                },
            );
        // A queue without steps has one that asks for nothing.
        let steps = queue.map_or(0, |queue| queue.steps.len().max(1) as u64);
        Ok(Self {
            freshness,
            contact,
            queue: in_queue,
            stage,
            waited_ms,
            effective_ms,
            step,
            steps,
            live,
            next,
            with: with.map(With::of),
            past_offers: past_offers.into_iter().map(PastOffer::of).collect(),
            excluded: excluded.collect(),
            agents: agents.collect(),
            with_agents,
        })
    }
}

impl Next {
    fn of(
        why: &api::ExplainContactResponse,
        live: Option<&ContactRow>,
        queue: Option<&stored::QueueConfig>,
    ) -> Self {
        let by_itself = |kind, at_ms, text| Self { kind: Some(kind), at_ms: Some(at_ms), text };
        let by_others = |text: &str| Self { kind: None, at_ms: None, text: text.into() };
        if let (Some(at), "queued" | "scheduled") = (why.next_review_ms, &*why.stage) {
            let (kind, text) = match &*why.stage {
                "scheduled" => ("scheduled", "its time comes, and it begins to wait".into()),
                _ => review(at, why, live, queue),
            };
            return by_itself(kind, at, text);
        }
        match &*why.stage {
            "offered" => match (&why.with, queue) {
                (Some(with), Some(queue)) => by_itself(
                    "offer-timeout",
                    with.offered_ms.saturating_add(queue.offer_timeout_ms),
                    format!("it goes back to its place, if {} has not answered", with.agent),
                ),
                _ => by_others("the agent answers or declines, or it goes back to its place"),
            },
            "accepted" => by_others("the front end connects the two, or it goes back to its place"),
            "connected" | "held" => by_others("the agent or the customer ends it"),
            "wrap-up" => by_others("the agent finishes, or wrap-up runs out"),
            "stranded" => by_others(
                "its ingress comes back, and it goes on in its place; or the place is given up",
            ),
            _ => by_others("an agent gets free, or the customer leaves"),
        }
    }
}

/// Which of the things that come by themselves comes at this time.
fn review(
    at: u64,
    why: &api::ExplainContactResponse,
    live: Option<&ContactRow>,
    queue: Option<&stored::QueueConfig>,
) -> (&'static str, String) {
    let entered = live.map(|live| live.entered_queue_ms);
    let is_after = |wait: u64| entered.is_some_and(|entered| entered.saturating_add(wait) == at);
    if let Some(queue) = queue {
        let next = (why.step as usize).saturating_add(1);
        if let Some(step) = queue.steps.get(next).filter(|step| is_after(step.after_ms)) {
            return ("step", format!("it reaches step {}: {}", next + 1, step_text(step)));
        }
        if let Some(stored::site_policy::Policy::LocalFirst(policy)) =
            queue.site_policy.as_ref().and_then(|policy| policy.policy.as_ref())
            && is_after(policy.spill_after_ms)
        {
            return ("spill", "agents of other sites may take it, too".into());
        }
    }
    match why.past_offers.iter().find(|past| past.excluded_until_ms == Some(at)) {
        Some(past) => ("cool-down", format!("{} may be offered it again", past.agent)),
        None => ("preferred", "it waits no longer for one agent alone".into()),
    }
}

/// What a step asks for.
fn step_text(step: &stored::Step) -> String {
    let mut parts = Vec::new();
    let skills = step.skills.iter().map(|needed| format!("{} {}", needed.skill, needed.level));
    let skills: Vec<_> = skills.collect();
    if !skills.is_empty() {
        parts.push(format!("skills {}", skills.join(", ")));
    }
    if !step.sites.is_empty() {
        parts.push(format!("agents of {}", step.sites.join(", ")));
    }
    if !step.extra_queues.is_empty() {
        parts.push(format!("also agents who serve {}", step.extra_queues.join(", ")));
    }
    if step.head_start_ms > 0 {
        parts.push(format!("{} ahead in the queue", duration(step.head_start_ms)));
    }
    match parts.is_empty() {
        true => "any agent of the queue".into(),
        false => parts.join("; "),
    }
}

impl Printed for Story {
    fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |indent: &str, what: &str| {
            text.push_str(indent);
            text.push_str(&plain(what));
            text.push('\n');
        };
        let now_ms = self.freshness.now_ms;
        line("", &format!("contact {}: {} in {}", self.contact, self.stage, self.queue));
        if let Some(live) = &self.live {
            let ContactRow { channel, priority, site, ingress, arrived_ms, .. } = live;
            line("  ", &format!("{channel}, priority {priority}, at {site}, by {ingress}"));
            line("  ", &format!("arrived {}", ago(*arrived_ms, now_ms)));
            line("  ", &place_text(*arrived_ms, self.effective_ms));
            match (live.ahead, &*self.stage) {
                (Some(0), _) => line("  ", "nobody waits in an earlier place"),
                (Some(ahead), _) => {
                    let ahead = u64::from(ahead);
                    let others = one_of(ahead, "contact waits", "contacts wait");
                    line("  ", &format!("{others} in an earlier place"));
                }
                (None, _) => {}
            }
            if live.orphaned {
                line("  ", "its agent or ingress is GONE in the middle of the conversation");
            }
        }
        let steps = match self.steps {
            0 => String::new(),
            steps => format!(" of {steps}"),
        };
        line(
            "  ",
            &format!(
                "in this queue for {}, in step {}{steps}",
                duration(self.waited_ms),
                u64::from(self.step) + 1
            ),
        );
        if let Some(With { token, agent, site, offered_ms, reason }) = &self.with {
            line("", "");
            line(
                "",
                &format!(
                    "with {agent} at {site}, offered {} (token {token})",
                    ago(*offered_ms, now_ms)
                ),
            );
            if let Some(reason) = reason {
                line("  ", &format!("because: {}", reason.text));
            }
        }
        line("", "");
        line("", "next");
        match self.next.at_ms {
            Some(at) => line("  ", &format!("{}: {}", ahead(at, now_ms), self.next.text)),
            None => line("  ", &self.next.text),
        }
        if !self.excluded.is_empty() {
            let all = self.excluded.iter().map(|rule| u64::from(rule.agents)).sum();
            line("", "");
            line("", &format!("why no agent has it, of {}", one_of(all, "agent", "agents")));
            for Exclusion { rule, about, agents } in &self.excluded {
                line("  ", &format!("{agents:>6} {}", words::rule(rule, about)));
            }
        }
        if !self.past_offers.is_empty() {
            line("", "");
            line("", "offers that came to nothing");
            for past in &self.past_offers {
                let took = duration(past.ended_ms.saturating_sub(past.offered_ms));
                let at = time(past.offered_ms);
                line("  ", &format!("{at}  {}: {} after {took}", past.agent, past.end_text));
                if let Some(until) = past.excluded_until_ms.filter(|until| *until > now_ms) {
                    let left = duration(until - now_ms);
                    line("    ", &format!("not offered it again for another {left}"));
                }
                if let Some(reason) = &past.reason {
                    line("    ", &format!("because: {}", reason.text));
                }
            }
        }
        text.push('\n');
        if self.with_agents {
            let mut table = Table::new([left("AGENT"), left("EXCLUDED BY"), left("ABOUT")]);
            for ExcludedAgent { agent, rule, about } in &self.agents {
                table.row([agent.clone(), rule.clone(), about.clone()]);
            }
            text.push_str(&table.text("no agent is excluded"));
            text.push('\n');
        }
        text + &self.freshness.line()
    }
}

/// By what a contact has its place.
fn place_text(arrived_ms: u64, effective_ms: i64) -> String {
    let arrived = i64::try_from(arrived_ms).unwrap_or(i64::MAX);
    match u64::try_from(arrived.saturating_sub(effective_ms)) {
        Ok(0) | Err(_) => "its place is by its arrival".into(),
        // Ten years, as priorities that are strict have.
        Ok(earlier) if effective_ms < 0 || earlier >= acd::limits::HEAD_START_STRICT.0 => {
            "its place is before all without strict priority".into()
        }
        Ok(earlier) => format!("its place is as if it had arrived {} earlier", duration(earlier)),
    }
}

/// A contact that is not live any more.
#[derive(Debug, Serialize)]
struct Over {
    freshness: Freshness,
    /// The contact.
    contact: String,
    /// closed.
    stage: &'static str,
    /// Closed a short while ago, and how.
    closed: Option<Closed>,
    /// Records the node keeps under this id, the latest first.
    records: Vec<Record>,
}

impl Over {
    fn of(contact: &ContactId, place: api::GetContactResponse) -> Result<Self, Failure> {
        let freshness = Freshness::of(place.freshness)?;
        if place.closed.is_none() && place.records.is_empty() {
            return Err(Failure {
                code: ErrorCode::NotFound,
                what: format!("{contact} cannot be explained"),
                why: "it is not live, and the node that answered keeps no record of it".into(),
                remedy: "check the id; with --linearizable the node catches up before it answers"
                    .into(),
            });
        }
        Ok(Self {
            freshness,
            contact: contact.as_str().to_owned(),
            stage: "closed",
            closed: place.closed.map(Closed::of),
            records: place.records.into_iter().map(Record::of).collect(),
        })
    }
}

impl Printed for Over {
    fn table(&self) -> String {
        let now_ms = self.freshness.now_ms;
        let ended = match (self.records.first(), &self.closed) {
            (Some(record), _) => Some((record.closed_ms, record.outcome_text)),
            (None, Some(closed)) => Some((closed.closed_ms, closed.outcome_text)),
            (None, None) => None,
        };
        let ended = ended.map(|(at, how)| format!(": {how}, {}", ago(at, now_ms)));
        let mut text = format!("contact {}: closed{}\n\n", self.contact, ended.unwrap_or_default());
        for record in &self.records {
            text += &record.facts(now_ms).text();
            text.push('\n');
        }
        text + &self.freshness.line()
    }
}

#[cfg(test)]
mod tests;
