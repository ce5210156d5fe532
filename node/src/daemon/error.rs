//! Why a node does not start on this machine.

use crate::StartError;
use crate::explain::{Explain, Explanation};
use crate::identity::IdentityError;
use crate::storage::StorageError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum DaemonError {
    /// Its data folder.
    Storage(#[from] StorageError),
    /// Its identity.
    Identity(#[from] IdentityError),
    /// Its log names no members, and neither does a founding.
    Alone {
        /// The data folder.
        folder: String,
    },
    /// Raft.
    Raft {
        /// Why.
        why: String,
    },
}

impl From<StartError> for DaemonError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Storage(error) => Self::Storage(error),
            other => Self::Raft { why: other.to_string() },
        }
    }
}

impl Explain for DaemonError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Storage(error) => error.explain(),
            Self::Identity(error) => error.explain(),
            Self::Alone { folder } => Explanation::new(
                "E-NO-MEMBERS",
                "the node knows no cluster to be a member of",
                format!(
                    "the log in {folder} has nothing yet, and there is no founding.toml to begin \
                     with"
                ),
                "put founding.toml back as `quorumcall-node found` wrote it, if this cluster has \
                 never run; otherwise let the node join anew with an empty data folder",
            ),
            Self::Raft { why } => Explanation::new(
                "E-RAFT-START",
                "Raft does not start",
                why.clone(),
                "start the node again; if it stays so, keep a copy of the data folder and report \
                 it",
            ),
        }
    }
}
