//! Reads: worked out when they are asked for, from what this node has.
//!
//! ```text
//!   call ─▶ (catch up with the leader) ─▶ one view: freshness, and a fork of the tables ─▶ let go
//!                                                                                           │
//!   answer ◀─ one page, in its stored form ◀─ filtered, counted, sorted on a thread of its own
//! ```
//!
//! Nothing is applied while a view is held, so a view is held for a fork of the tables (some
//! 0.1 ms), never for a look at every agent or contact. Such looks are made by four threads at
//! most; whoever comes while they are busy waits.

mod agents;
mod audit;
mod cluster;
mod configuration;
mod contacts;
mod freshness;
mod impact;
mod outcome;
mod queues;

use std::sync::Arc;
use std::time::Duration;

use acd::Centre;
use acd::board::Board;
use acd::limits::LABEL_BYTES_MAX;
use acd::rejection::Rejection;
use futures::stream::BoxStream;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::reads_server::Reads;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::storage::records::RecordStore;

/// Looks at every agent or contact that are made at one time: each is a few milliseconds of a
/// processor.
const LOOKS_MAX: usize = 4;
/// How long a read waits for its turn to look.
const TURN_DEADLINE: Duration = Duration::from_secs(10);
/// Rows on a page, if nothing is said.
const PAGE_ROWS: u32 = 100;
/// Rows on a page at most: 1,000 agents with 64 skills and queues each are some 5 MB.
const PAGE_ROWS_MAX: u32 = 1_000;

/// Tells of the contact centre and the cluster.
pub(super) struct ReadsService<RT: AsyncRuntime> {
    node: Node<RT>,
    records: Arc<RecordStore>,
    looks: Arc<Semaphore>,
}

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) fn new(node: Node<RT>, records: Arc<RecordStore>) -> Self {
        Self { node, records, looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    /// Waits until this replica has what was committed before, if that is asked for.
    async fn current(&self, linearizable: bool) -> Result<(), Status> {
        if linearizable {
            let caught_up = self.node.catch_up().await;
            drop(caught_up.map_err(|why| Status::unavailable(why.to_string()))?);
        }
        Ok(())
    }

    /// Takes something from the state as it is, with how current it is. Nothing is applied meanwhile.
    fn take_now<T>(
        &self,
        take: impl FnOnce(&Centre) -> Result<T, Status>,
    ) -> Result<(api::Freshness, T), Status> {
        let known = self.node.freshness();
        let view = self.node.state().view();
        let taken = take(view.centre())?;
        Ok((freshness::to_wire(&self.node, known, &view), taken))
    }

    async fn take<T>(
        &self,
        linearizable: bool,
        take: impl FnOnce(&Centre) -> Result<T, Status>,
    ) -> Result<(api::Freshness, T), Status> {
        self.current(linearizable).await?;
        self.take_now(take)
    }

    /// Takes a fork of the tables and whatever else is needed, and works the answer out from it on
    /// a thread that may take its time.
    async fn look<T, A>(
        &self,
        linearizable: bool,
        take: impl FnOnce(&Centre) -> Result<T, Status> + Send,
        answer: impl FnOnce(&Board, T) -> A + Send + 'static,
    ) -> Result<(api::Freshness, A), Status>
    where
        T: Send + 'static,
        A: Send + 'static,
    {
        // Before the turn: whoever waits for a leader must not keep others from a board.
        self.current(linearizable).await?;
        let turn = RT::timeout(TURN_DEADLINE, self.looks.clone().acquire_owned()).await;
        let busy = || Status::unavailable("this node has too much to look up; try again");
        // The semaphore is never closed.
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let (freshness, (taken, board)) =
            self.take_now(|centre| Ok((take(centre)?, centre.board())))?;
        let answer = RT::spawn_blocking(move || {
            let answer = answer(&board, taken);
            drop(turn);
            answer
        });
        let answer = answer.await.map_err(|error| Status::internal(error.to_string()))?;
        Ok((freshness, answer))
    }
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Reads for ReadsService<RT> {
    type GetConfigurationStream = BoxStream<'static, Result<api::ConfiguredObject, Status>>;

    async fn list_audit(
        &self,
        request: Request<api::ListAuditRequest>,
    ) -> Result<Response<api::ListAuditResponse>, Status> {
        self.audit(request.into_inner()).await.map(Response::new)
    }

    async fn get_cluster(
        &self,
        request: Request<api::GetClusterRequest>,
    ) -> Result<Response<api::GetClusterResponse>, Status> {
        self.cluster(request.into_inner()).await.map(Response::new)
    }

    async fn list_queues(
        &self,
        request: Request<api::ListQueuesRequest>,
    ) -> Result<Response<api::ListQueuesResponse>, Status> {
        self.queues(request.into_inner()).await.map(Response::new)
    }

    async fn list_agents(
        &self,
        request: Request<api::ListAgentsRequest>,
    ) -> Result<Response<api::ListAgentsResponse>, Status> {
        self.agents(request.into_inner()).await.map(Response::new)
    }

    async fn get_agent(
        &self,
        request: Request<api::GetAgentRequest>,
    ) -> Result<Response<api::GetAgentResponse>, Status> {
        self.agent(request.into_inner()).await.map(Response::new)
    }

    async fn list_contacts(
        &self,
        request: Request<api::ListContactsRequest>,
    ) -> Result<Response<api::ListContactsResponse>, Status> {
        self.contacts(request.into_inner()).await.map(Response::new)
    }

    async fn get_contact(
        &self,
        request: Request<api::GetContactRequest>,
    ) -> Result<Response<api::GetContactResponse>, Status> {
        self.contact(request.into_inner()).await.map(Response::new)
    }

    async fn explain_contact(
        &self,
        request: Request<api::ExplainContactRequest>,
    ) -> Result<Response<api::ExplainContactResponse>, Status> {
        self.explain(request.into_inner()).await.map(Response::new)
    }

    async fn get_configuration(
        &self,
        _: Request<api::GetConfigurationRequest>,
    ) -> Result<Response<Self::GetConfigurationStream>, Status> {
        self.configuration().await.map(Response::new)
    }

    async fn get_site_impact(
        &self,
        request: Request<api::GetSiteImpactRequest>,
    ) -> Result<Response<api::GetSiteImpactResponse>, Status> {
        self.site_impact(request.into_inner()).await.map(Response::new)
    }

    async fn get_outcome(
        &self,
        request: Request<api::GetOutcomeRequest>,
    ) -> Result<Response<api::GetOutcomeResponse>, Status> {
        self.outcome(request.into_inner()).await.map(Response::new)
    }
}

// -- What requests say ----------------------------------------------------------------------------

/// Something that was asked for is not as it has to be.
fn malformed(why: Rejection) -> Status {
    Status::invalid_argument(why.to_string())
}

/// Something that is named is not there.
fn not_there(what: &str, id: &str) -> Status {
    Status::not_found(format!("there is no {what} {id}"))
}

/// An id that may be left out.
fn parse<T>(
    id: Option<String>,
    new: impl FnOnce(&str) -> Result<T, Rejection>,
) -> Result<Option<T>, Status> {
    id.map(|id| new(&id)).transpose().map_err(malformed)
}

/// How many rows a page has.
fn page_rows(asked: u32) -> Result<usize, Status> {
    match asked {
        0 => Ok(PAGE_ROWS as usize),
        1..=PAGE_ROWS_MAX => Ok(asked as usize),
        _ => Err(Status::invalid_argument(format!("a page has at most {PAGE_ROWS_MAX} rows"))),
    }
}

/// A text that is looked for, in any case.
fn wanted_text(text: &str) -> Result<String, Status> {
    if text.len() > LABEL_BYTES_MAX {
        let words = format!("a text that is looked for has at most {LABEL_BYTES_MAX} bytes");
        return Err(Status::invalid_argument(words));
    }
    Ok(text.to_lowercase())
}

/// One of some words, or none.
fn one_of(word: Option<&str>, what: &str, words: &[&'static str]) -> Result<(), Status> {
    match word {
        Some(word) if !words.contains(&word) => {
            let words = words.join(", ");
            Err(Status::invalid_argument(format!("a {what} is one of: {words}")))
        }
        _ => Ok(()),
    }
}

/// The rows of a page: as many as fit behind those that are skipped, in order.
fn page<R>(
    mut rows: Vec<R>,
    skip: usize,
    size: usize,
    order: impl Fn(&R, &R) -> std::cmp::Ordering,
) -> Vec<R> {
    // Only what is on the page is sorted.
    let end = skip.saturating_add(size).min(rows.len());
    if end < rows.len() {
        rows.select_nth_unstable_by(end, &order);
        rows.truncate(end);
    }
    if skip >= end {
        return Vec::new();
    }
    if skip > 0 {
        rows.select_nth_unstable_by(skip, &order);
        rows.drain(..skip);
    }
    rows.sort_unstable_by(order);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_piece_of_the_whole_in_order() {
        let all: Vec<u32> = (0..100).map(|n| n * 37 % 101).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for (skip, size) in [(0, 10), (5, 10), (90, 10), (95, 10), (100, 1), (200, 5), (0, 1_000)] {
            let expected: Vec<_> = sorted.iter().copied().skip(skip).take(size).collect();
            assert_eq!(page(all.clone(), skip, size, u32::cmp), expected, "{skip}, {size}");
        }
        assert_eq!(page(Vec::<u32>::new(), 0, 10, u32::cmp), []);
        assert_eq!(page(all, usize::MAX, 10, u32::cmp), []);
    }

    #[test]
    fn a_page_size_is_bounded() {
        assert_eq!(page_rows(0).unwrap(), 100);
        assert_eq!(page_rows(1_000).unwrap(), 1_000);
        assert!(page_rows(1_001).is_err());
    }
}
