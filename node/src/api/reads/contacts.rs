//! Contacts: those that wait or are served, what is known of those that are over, and why one is
//! where it is.

use std::collections::VecDeque;
use std::sync::Arc;

use acd::board::Board;
use acd::codec::{
    channel_to_stored, closed_contact_to_stored, contact_record_to_stored, engagement_to_stored,
    past_offer_to_stored,
};
use acd::contact::Contact;
use acd::explain::{Explanation, Rule};
use acd::ids::{ContactId, QueueId, SiteId};
use acd::record::Record;
use acd::time::LogTime;
use bytes::Bytes;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::explain_contact_response::{ExcludedAgent, Exclusion};
use proto::stored::v1 as stored;
use tonic::Status;

use super::{ReadsService, malformed, not_there, one_of, page, page_rows, parse, wanted_text};
use crate::storage::StorageError;
use crate::storage::records::{By, PAGE_MAX, Query, RecordStore};

/// The words for stages.
const STAGES: [&str; 8] =
    ["scheduled", "queued", "stranded", "offered", "accepted", "connected", "held", "wrap-up"];
/// Records of one id that are told.
const RECORDS_MAX: usize = 16;

/// Which contacts are wanted.
struct Filter {
    queue: Option<QueueId>,
    site: Option<SiteId>,
    stage: Option<String>,
    text: String,
}

impl Filter {
    fn wants(&self, board: &Board, contact: &Contact) -> bool {
        let Self { queue, site, stage, text } = self;
        queue.as_ref().is_none_or(|id| board.queue(contact.queue).id() == id)
            && site.as_ref().is_none_or(|id| board.site(contact.site).id() == id)
            && stage.as_ref().is_none_or(|word| contact.stage.word() == word)
            && (text.is_empty() || contact.id.as_str().to_lowercase().contains(text))
    }
}

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn contacts(
        &self,
        request: api::ListContactsRequest,
    ) -> Result<api::ListContactsResponse, Status> {
        one_of(request.stage.as_deref(), "stage", &STAGES)?;
        let filter = Filter {
            queue: parse(request.queue, QueueId::new)?,
            site: parse(request.site, SiteId::new)?,
            stage: request.stage,
            text: wanted_text(&request.text)?,
        };
        let size = page_rows(request.page_size)?;
        let skip = usize::try_from(request.skip).unwrap_or(usize::MAX);
        let looked = self.look(
            request.linearizable,
            |centre| match &filter {
                Filter { queue: Some(id), .. } if centre.queue(id).is_none() => {
                    Err(not_there("queue", id.as_str()))
                }
                Filter { site: Some(id), .. } if centre.site(id).is_none() => {
                    Err(not_there("site", id.as_str()))
                }
                _ => Ok(filter),
            },
            move |board, filter| {
                let wanted = board.contacts().filter(|contact| filter.wants(board, contact));
                let rows: Vec<_> = wanted.map(|contact| (contact.place(), contact)).collect();
                let total = rows.len() as u64;
                let rows = page(rows, skip, size, |a, b| a.0.cmp(&b.0)).into_iter();
                (rows.map(|(_, contact)| status(board, contact)).collect(), total)
            },
        );
        let (freshness, (contacts, total)) = looked.await?;
        Ok(api::ListContactsResponse { freshness: Some(freshness), contacts, total })
    }

    pub(super) async fn contact(
        &self,
        request: api::GetContactRequest,
    ) -> Result<api::GetContactResponse, Status> {
        let id = ContactId::new(&request.contact).map_err(malformed)?;
        let records = self.records.clone();
        let looked = self.look(
            request.linearizable,
            |centre| {
                let closed = centre.closed_contact(&id).map(closed_contact_to_stored);
                Ok((centre.contact_slot(&id), closed, id))
            },
            move |board, (slot, closed, id)| {
                let live = slot.map(|slot| {
                    let contact = board.contact(slot);
                    api::ContactStatus {
                        ahead: board.ahead(contact),
                        attributes: Bytes::copy_from_slice(contact.attributes.as_bytes()),
                        ..status(board, contact)
                    }
                });
                (live, closed, latest_records(&records, &id))
            },
        );
        let (freshness, (live, closed, records)) = looked.await?;
        let records = records.map_err(|error| {
            Status::unavailable(format!("the records of this node cannot be read: {error}"))
        })?;
        if live.is_none() && closed.is_none() && records.is_empty() {
            return Err(not_there("contact", &request.contact));
        }
        Ok(api::GetContactResponse { freshness: Some(freshness), live, records, closed })
    }

    pub(super) async fn explain(
        &self,
        request: api::ExplainContactRequest,
    ) -> Result<api::ExplainContactResponse, Status> {
        let id = ContactId::new(&request.contact).map_err(malformed)?;
        // Which rule excludes an agent is asked of what matches, which no fork has.
        let taken = self.take(request.linearizable, |centre| {
            centre.explain(&id).ok_or_else(|| not_there("live contact", id.as_str()))
        });
        let (freshness, explanation) = taken.await?;
        Ok(explained(freshness, explanation))
    }
}

fn status(board: &Board, contact: &Contact) -> api::ContactStatus {
    api::ContactStatus {
        id: contact.id.as_str().to_owned(),
        seq: contact.seq.0,
        channel: channel_to_stored(&contact.channel),
        priority: u32::from(contact.priority.get()),
        queue: board.queue(contact.queue).id().as_str().to_owned(),
        site: board.site(contact.site).id().as_str().to_owned(),
        ingress: contact.ingress.as_str().to_owned(),
        stage: contact.stage.word().to_owned(),
        arrived_ms: contact.arrived.0,
        effective_ms: contact.effective,
        entered_queue_ms: contact.entered_queue.0,
        step: u32::from(contact.step),
        with: board.with(contact).as_ref().map(engagement_to_stored),
        failed_offers: contact.failed_offers,
        transfers: u32::from(contact.transfers),
        orphaned: contact.orphaned,
        ahead: None,
        attributes: Bytes::new(),
    }
}

/// The latest records of a contact, the latest first.
fn latest_records(
    store: &Arc<RecordStore>,
    id: &ContactId,
) -> Result<Vec<stored::ContactRecord>, StorageError> {
    let mut latest = VecDeque::new();
    let mut after = None;
    loop {
        let page = store.find(&Query {
            by: By::Contact(id.clone()),
            from: LogTime(0),
            to: LogTime(u64::MAX),
            limit: PAGE_MAX,
            after,
        })?;
        for logged in page.records {
            if let Record::Contact(record) = logged.record {
                latest.push_front(contact_record_to_stored(&record));
                latest.truncate(RECORDS_MAX);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(latest.into());
        }
    }
}

fn explained(freshness: api::Freshness, explanation: Explanation) -> api::ExplainContactResponse {
    let Explanation {
        contact,
        queue,
        stage,
        waited,
        place,
        step,
        next_review,
        with,
        past_offers,
        excluded,
        agents,
    } = explanation;
    let excluded = excluded.into_iter().map(|(rule, agents)| Exclusion {
        rule: rule.code().to_owned(),
        about: about(&rule).to_owned(),
        agents,
    });
    let agents = agents.into_iter().map(|(agent, rule)| ExcludedAgent {
        agent: agent.as_str().to_owned(),
        rule: rule.code().to_owned(),
        about: about(&rule).to_owned(),
    });
    api::ExplainContactResponse {
        freshness: Some(freshness),
        contact: contact.as_str().to_owned(),
        queue: queue.as_str().to_owned(),
        stage: stage.to_owned(),
        waited_ms: waited.0,
        step: u32::from(step),
        effective_ms: place.effective,
        next_review_ms: next_review.map(|time| time.0),
        with: with.as_ref().map(engagement_to_stored),
        past_offers: past_offers.iter().map(past_offer_to_stored).collect(),
        excluded: excluded.collect(),
        agents: agents.collect(),
    }
}

/// The skill or agent a rule is about.
fn about(rule: &Rule) -> &str {
    match rule {
        Rule::WaitsForAnother(agent) => agent.as_str(),
        Rule::SkillMissing(skill) => skill.as_str(),
        _ => "",
    }
}
