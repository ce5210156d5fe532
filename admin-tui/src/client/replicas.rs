//! What each node of a cluster says of itself: who leads, and whether all have the same state.

use std::time::Duration;

use futures::future::join_all;
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use super::{Client, ClientError, answer_bytes_max, failed};

/// How long one node may take to say how it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before nodes are asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What nodes have, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The entry up to which all had applied the log.
    pub applied: u64,
    /// The hash of the state there, as the first node has it: 32 hex digits.
    pub state_hash: String,
    /// Whether all nodes have this one.
    pub equal: bool,
}

impl Client {
    /// What a node says of the cluster and itself.
    pub async fn cluster_at(channel: Channel) -> Result<api::GetClusterResponse, ClientError> {
        let mut client = ReadsClient::new(channel).max_decoding_message_size(answer_bytes_max());
        let request = api::GetClusterRequest { linearizable: false };
        match timeout(ANSWER_TIMEOUT, client.get_cluster(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failed(&status)),
            Err(_) => Err(ClientError::Unavailable {
                within: ANSWER_TIMEOUT,
                last: "it did not answer".to_owned(),
            }),
        }
    }

    /// The way to the node that leads, by its own word, waiting for one at most the deadline.
    pub async fn leader(&self) -> Result<usize, ClientError> {
        let until = Instant::now() + self.deadline;
        let mut last = "no node leads".to_owned();
        loop {
            for (at, answer) in self.ask_each().await.into_iter().enumerate() {
                match answer {
                    Ok(answer) => {
                        let says = answer.freshness.unwrap_or_default();
                        if says.part() == api::Part::Leader && says.halted.is_none() {
                            return Ok(at);
                        }
                    }
                    Err(
                        error @ (ClientError::NotPermitted { .. } | ClientError::Failed { .. }),
                    ) => {
                        return Err(error);
                    }
                    Err(error) => last = error.to_string(),
                }
            }
            if Instant::now() >= until {
                return Err(ClientError::Unavailable { within: self.deadline, last });
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    /// The connection to a node, by the position of its endpoint.
    pub fn node(&self, at: usize) -> Option<Channel> {
        self.nodes.get(at).map(|(_, channel)| channel.clone())
    }

    /// Waits until all nodes have applied the same entries, at most the deadline, and compares
    /// their states. Nobody else should be writing.
    pub async fn compare_states(&self) -> Result<Comparison, ClientError> {
        let until = Instant::now() + self.deadline;
        loop {
            let answers: Result<Vec<_>, _> = self.ask_each().await.into_iter().collect();
            let last = match answers {
                Err(error @ (ClientError::NotPermitted { .. } | ClientError::Failed { .. })) => {
                    return Err(error);
                }
                Err(error) => error.to_string(),
                Ok(answers) => match compare(&answers) {
                    Some(comparison) => return Ok(comparison),
                    None => "they have not applied the same entries yet".to_owned(),
                },
            };
            if Instant::now() >= until {
                return Err(ClientError::Unavailable { within: self.deadline, last });
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    async fn ask_each(&self) -> Vec<Result<api::GetClusterResponse, ClientError>> {
        join_all(self.nodes.iter().map(|(_, channel)| Self::cluster_at(channel.clone()))).await
    }
}

/// None: they have not applied the same entries.
///
/// A node that finds that its state differs stops applying: it never gets to where the others are.
fn compare(answers: &[api::GetClusterResponse]) -> Option<Comparison> {
    let halted = answers.iter().find(|answer| {
        answer.freshness.as_ref().is_some_and(|freshness| freshness.halted.is_some())
    });
    if let Some(api::GetClusterResponse { freshness, cluster }) = halted {
        let applied = freshness.as_ref()?.applied;
        let state_hash = cluster.as_ref()?.state_hash.clone();
        return Some(Comparison { applied, state_hash, equal: false });
    }
    let has = |answer: &api::GetClusterResponse| {
        let applied = answer.freshness.as_ref()?.applied;
        Some((applied, answer.cluster.as_ref()?.state_hash.clone()))
    };
    let mut all = answers.iter().map(has);
    let (applied, state_hash) = all.next()??;
    let mut equal = true;
    for other in all {
        let (at, hash) = other?;
        if at != applied {
            return None;
        }
        equal &= hash == state_hash;
    }
    Some(Comparison { applied, state_hash, equal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(applied: u64, hash: &str) -> api::GetClusterResponse {
        api::GetClusterResponse {
            freshness: Some(api::Freshness { applied, ..Default::default() }),
            cluster: Some(api::ClusterStatus { state_hash: hash.into(), ..Default::default() }),
        }
    }

    #[test]
    fn states_are_compared_at_the_same_entry_only() {
        assert_eq!(compare(&[says(7, "a"), says(8, "a")]), None);
        assert!(compare(&[says(7, "a"), says(7, "a"), says(7, "a")]).is_some_and(|c| c.equal));
        assert!(compare(&[says(7, "a"), says(7, "b")]).is_some_and(|c| !c.equal));
        let mut halted = says(6, "b");
        let freshness = halted.freshness.as_mut().expect("it has one");
        freshness.halted = Some("its state differs".into());
        assert!(compare(&[says(7, "a"), halted]).is_some_and(|c| !c.equal));
        assert_eq!(compare(&[]), None);
        assert_eq!(compare(&[says(7, "a"), api::GetClusterResponse::default()]), None);
    }
}
