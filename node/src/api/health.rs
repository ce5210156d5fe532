//! Whether this node serves, as load balancers ask: all services are, or none is.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::stream::{self, BoxStream, StreamExt};
use openraft_rt::AsyncRuntime;
use openraft_rt::watch::WatchReceiver;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_server::Health;
use proto::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use tonic::{Request, Response, Status};

use super::contract::contract;
use crate::node::Node;

/// Tells whether the node serves.
pub(super) struct HealthService<RT: AsyncRuntime>(pub(super) Node<RT>);

fn is_served(service: &str) -> bool {
    service.is_empty() || contract().services().iter().any(|known| known == service)
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn status<RT: AsyncRuntime>(node: &Node<RT>) -> ServingStatus {
    if node.serves() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

/// Returns when the status is no longer what was told; `None`: nothing changes any more.
async fn changed<RT: AsyncRuntime>(
    node: &Node<RT>,
    told: Option<ServingStatus>,
) -> Option<ServingStatus> {
    let mut metrics = node.raft().metrics();
    loop {
        let mut applied = pin!(node.state().next_applied());
        applied.as_mut().enable();
        // What changes from here on is noticed.
        let _ = metrics.borrow_and_update();
        let had_begun = node.streams().have_begun();
        let now = status(node);
        if Some(now) != told {
            return Some(now);
        }
        if node.state().is_closed() {
            return None;
        }
        let begun = async {
            match had_begun {
                true => std::future::pending().await,
                false => node.streams().begun().await,
            }
        };
        // A change that cannot be waited for is one, too.
        RT::select3(applied, metrics.changed(), begun).await;
    }
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Health for HealthService<RT> {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !is_served(&service) {
            return Err(Status::not_found("there is no such service here"));
        }
        Ok(Response::new(answer(status(&self.0))))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let answer = answer(status(&self.0));
        let names = std::iter::once("").chain(contract().services().iter().map(|name| &**name));
        let statuses: BTreeMap<_, _> = names.map(|name| (name.to_owned(), answer)).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if !is_served(&request.into_inner().service) {
            let unknown = stream::once(async { Ok(answer(ServingStatus::ServiceUnknown)) });
            // As the protocol has it: the call goes on, a later program may have the service.
            return Ok(Response::new(Box::pin(unknown.chain(stream::pending()))));
        }
        let statuses = stream::unfold((self.0.clone(), None), |(node, told)| async move {
            let now = changed(&node, told).await?;
            Some((Ok(answer(now)), (node, Some(now))))
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}
