//! What people are told when a benchmark comes to no result.

use crate::client::ClientError;
use crate::client::watch::WatchError;
use crate::failure::{ErrorCode, Failure};
use crate::testbed::no_cluster;

/// Something broke off.
pub(super) fn broken(error: &ClientError) -> Failure {
    match error {
        ClientError::Unknown { last } => no_result(last.clone()),
        other => no_cluster(other),
    }
}

/// The watch broke off.
pub(super) fn unseen(error: &WatchError) -> Failure {
    no_result(match error {
        WatchError::Compacted => "offers came faster than this program could read them".to_owned(),
        WatchError::Elsewhere(last) => last.clone(),
    })
}

/// There are no numbers, and why.
pub(super) fn no_result(why: String) -> Failure {
    Failure {
        code: ErrorCode::NoResult,
        what: "the benchmark came to no result".into(),
        why,
        remedy: "see the logs of the nodes; try with less under way".into(),
    }
}
