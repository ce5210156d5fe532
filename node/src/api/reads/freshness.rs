//! How current an answer is: told with the data it speaks of, from the same look at the state.

use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;

use crate::node::{Freshness, Node, Role};
use crate::replica::View;

/// How current a view of this node is. `node` was looked at before the view was taken.
pub(super) fn to_wire<RT: AsyncRuntime>(
    node: &Node<RT>,
    known: Freshness,
    view: &View<'_>,
) -> api::Freshness {
    let own = node.directory().own();
    let part = match known.role {
        Role::Leader => api::Part::Leader,
        Role::Follower => api::Part::Follower,
        Role::Learner => api::Part::Learner,
    };
    let token = node.state().token(view);
    let committed = known.applied + known.lag;
    api::Freshness {
        cluster: view.centre().cluster().map_or(String::new(), |name| name.as_str().to_owned()),
        node: node.number(),
        site: own.site.clone(),
        part: part.into(),
        term: known.term,
        leader: known.leader,
        applied: token.index,
        lag: committed.saturating_sub(token.index),
        age_ms: known.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        now_ms: view.centre().now().0,
        token: Some(api::Token { epoch: token.epoch, index: token.index }),
        halted: node.state().halted().map(ToString::to_string),
    }
}
