//! A node whose log is behind may not know the node that leads. It asks those it knows.

use std::time::Duration;

use openraft_rt::AsyncRuntime;
use proto::peer::v1::MembersRequest;

use super::members::Directory;
use super::network::Peers;
use crate::raft::stored::member_from_stored;

/// Members are asked no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long one may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks members whom they know, each time that a stranger has called.
pub async fn acquaint<RT: AsyncRuntime>(directory: Directory, peers: Peers<RT>) {
    loop {
        directory.stranger_called().await;
        for (node, member) in directory.others() {
            let mut peer = peers.urgent(node, &member);
            let asked = RT::timeout(ASK_TIMEOUT, peer.members(MembersRequest {})).await;
            let Ok(Ok(answer)) = asked else { continue };
            let members = answer.into_inner().members.into_iter();
            match members.map(member_from_stored).collect::<Result<_, _>>() {
                Ok(members) => directory.introduce(members),
                Err(error) => tracing::warn!(node, %error, "a peer's list cannot be read"),
            }
        }
        RT::sleep(ASK_EVERY).await;
    }
}
