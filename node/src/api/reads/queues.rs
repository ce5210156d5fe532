//! Queues.

use acd::board::QueueRow;
use acd::codec::{queue_config_to_stored, queue_metrics_to_stored};
use acd::ids::QueueId;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use tonic::Status;

use super::cluster::agent_counts;
use super::{ReadsService, not_there, parse};

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn queues(
        &self,
        request: api::ListQueuesRequest,
    ) -> Result<api::ListQueuesResponse, Status> {
        let queue = parse(request.queue, QueueId::new)?;
        let looked = self.look(
            request.linearizable,
            |centre| match queue {
                Some(id) if centre.queue(&id).is_none() => Err(not_there("queue", id.as_str())),
                queue => Ok(queue),
            },
            |board, queue| board.queue_rows(queue.as_ref()).into_iter().map(status).collect(),
        );
        let (freshness, queues) = looked.await?;
        Ok(api::ListQueuesResponse { freshness: Some(freshness), queues })
    }
}

fn status(row: QueueRow<'_>) -> api::QueueStatus {
    let queue = row.queue;
    api::QueueStatus {
        config: Some(queue_config_to_stored(&queue.config)),
        revision: queue.revision.0,
        open: row.is_open,
        closed_until_ms: queue.closure.map(|closure| closure.until.0),
        waiting: row.waiting,
        offered: row.offered,
        connected: row.connected,
        stranded: row.stranded,
        oldest_wait_ms: row.oldest_wait.map(|wait| wait.0),
        agents: Some(agent_counts(row.agents)),
        metrics: Some(queue_metrics_to_stored(&row.metrics)),
        expected_head_of_line_ms: row.expected.head_of_line.map(|wait| wait.0),
        expected_queue_length_ms: row.expected.queue_length.map(|wait| wait.0),
    }
}
