//! Why a node does not start on this machine.

use std::io;

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
    /// The address for metrics is not to be had.
    Metrics {
        /// The address.
        listen: String,
        /// What the system says.
        error: io::Error,
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
            Self::Metrics { listen, error } => {
                let what = format!("metrics cannot be served on {listen}");
                match error.kind() {
                    io::ErrorKind::AddrInUse => Explanation::new(
                        "E-METRICS-IN-USE",
                        what,
                        error.to_string(),
                        "stop the program that has it (`ss -ltnp` shows which), or change `listen` \
                         under [metrics] in node.toml",
                    ),
                    _ => Explanation::new(
                        "E-METRICS-LISTEN",
                        what,
                        error.to_string(),
                        "set `listen` under [metrics] in node.toml to an address of this machine \
                         and a port of 1024 or more, or take [metrics] out",
                    ),
                }
            }
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
