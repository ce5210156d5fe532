//! Every voter keeps the key of the cluster's authority, so that the loss of no city keeps others from
//! joining; nobody else does.
//!
//! A voter without it asks the other voters, until one gives it; a node that does not vote any more
//! forgets it. It goes over mutual TLS from disk to disk, and is in no log, snapshot or line of a log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft_rt::AsyncRuntime;
use openraft_rt::watch::WatchReceiver;
use proto::peer::v1::FetchAuthorityRequest;

use crate::identity::{Authority, Credentials, IdentityError};
use crate::peers::{Directory, Peers};
use crate::raft::{NodeId, Raft};
use crate::seams::Keeper;

/// How often it is looked whether the key is where it should be.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// If nobody has it, as in a cluster whose authority is kept elsewhere, it is asked again after this
/// long at most.
const ASK_EVERY_MAX: Duration = Duration::from_secs(60);
/// How long a peer may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// What keeps the key where it should be.
pub struct AuthorityKey<RT: AsyncRuntime> {
    /// Raft, which says who votes.
    pub raft: Raft<RT>,
    /// This node.
    pub node: NodeId,
    /// Where the others are.
    pub directory: Directory,
    /// Connections to them.
    pub peers: Peers<RT>,
    /// Whose authority it must be.
    pub credentials: Credentials,
    /// Where the key is kept.
    pub keeper: Arc<dyn Keeper>,
}

impl<RT: AsyncRuntime> AuthorityKey<RT> {
    /// Goes on as long as the node.
    pub async fn watch(self) {
        let mut pause = LOOK_EVERY;
        loop {
            RT::sleep(pause).await;
            pause = match self.look().await {
                Ok(true) => LOOK_EVERY,
                Ok(false) => (2 * pause).min(ASK_EVERY_MAX),
                Err(error) => {
                    tracing::error!(%error, "the key of the authority cannot be kept as it should");
                    ASK_EVERY_MAX
                }
            };
        }
    }

    /// Files are read and written where nothing waits for it.
    async fn with_keeper<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Keeper) -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let keeper = self.keeper.clone();
        let worked = RT::spawn_blocking(move || work(&*keeper)).await;
        worked.map_err(|error| IdentityError::Crypto { reason: error.to_string() })?
    }

    /// Whether all is as it should be.
    async fn look(&self) -> Result<bool, IdentityError> {
        let voters: Vec<NodeId> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            // What is not committed may never be.
            metrics.committed_membership_config.membership().voter_ids().collect()
        };
        if voters.is_empty() {
            return Ok(true); // Nobody knows yet who votes.
        }
        let is_kept =
            self.with_keeper(|keeper| keeper.authority().map(|kept| kept.is_some())).await;
        if !voters.contains(&self.node) {
            // Also one that cannot be read.
            if !matches!(is_kept, Ok(false)) {
                self.with_keeper(|keeper| keeper.forget_authority()).await?;
                tracing::warn!(
                    "this node does not vote any more: the authority's key was removed from it"
                );
            }
            return Ok(true);
        }
        if is_kept? {
            return Ok(true);
        }
        for (node, member) in self.directory.others() {
            if !voters.contains(&node) {
                continue;
            }
            let mut peer = self.peers.urgent(node, &member);
            let asked = peer.fetch_authority(FetchAuthorityRequest {});
            let Ok(Ok(answer)) = RT::timeout(ASK_TIMEOUT, asked).await else { continue };
            let pem = answer.into_inner().pem;
            if pem.is_empty() {
                continue;
            }
            let given = Authority::from_pem(Path::new("a peer's answer"), &pem)?;
            // A peer is a voter of this cluster; that it has the right one is checked all the same.
            if given.certificate() != self.credentials.held().identity.authority() {
                tracing::error!(node, "this peer keeps the key of another authority");
                continue;
            }
            self.with_keeper(move |keeper| keeper.keep_authority(&given)).await?;
            tracing::info!(from = node, "this voter keeps the authority's key now");
            return Ok(true);
        }
        Ok(false)
    }
}
