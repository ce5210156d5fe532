//! How a demonstration fails, in words.

use super::floor::FloorError;
use super::folder::Folder;
use crate::client::ClientError;
use crate::failure::{ErrorCode, Failure};
use crate::local::{DaemonError, LocalError};

/// There is no daemon.
pub(super) fn no_daemon(error: &DaemonError) -> Failure {
    let remedy = match error {
        DaemonError::Missing { .. } => "install quorumcall-node beside quorumcall",
        DaemonError::Build { .. } => {
            "build it by hand and read what cargo says: \
                                      cargo build --bin quorumcall-node"
        }
        DaemonError::Myself(_) => "run it by its full path",
    };
    Failure {
        code: ErrorCode::LocalCluster,
        what: "no cluster can be started".into(),
        why: error.to_string(),
        remedy: remedy.into(),
    }
}

/// A process, a file or a port.
pub(super) fn local(error: &LocalError) -> Failure {
    if let LocalError::Daemon(error) = error {
        return no_daemon(error);
    }
    Failure {
        code: ErrorCode::LocalCluster,
        what: "the cluster on this machine does not work".into(),
        why: error.to_string(),
        remedy: "look at its words; a port that was taken meanwhile or a full disk is cured by \
                 running it again after making room"
            .into(),
    }
}

/// The demonstration cannot begin, or go on.
pub(super) fn floor(error: &FloorError) -> Failure {
    match error {
        FloorError::Local(error) => local(error),
        FloorError::Client { error: ClientError::Refused { .. }, .. } | FloorError::Centre(_) => {
            Failure {
                code: ErrorCode::CentreRefused,
                what: "the cluster refuses the contact centre of the demonstration".into(),
                why: error.to_string(),
                remedy: "report this with the version of both programs".into(),
            }
        }
        FloorError::Client { .. } | FloorError::Slow { .. } => Failure {
            code: ErrorCode::NoCluster,
            what: "the cluster does not do what it is asked to".into(),
            why: error.to_string(),
            remedy:
                "if cities were killed, leave more than half of the nodes alive; else look into \
                     the logs of the nodes, and at how busy this machine is"
                    .into(),
        },
    }
}

/// A question of the end is not answered.
pub(super) fn silent(error: ClientError) -> Failure {
    floor(&FloorError::Client { what: "the cluster cannot be asked at the end", error })
}

/// Somebody does not want to wait.
pub(super) fn interrupted() -> Failure {
    Failure {
        code: ErrorCode::Interrupted,
        what: "the demonstration was ended before its time".into(),
        why: "Ctrl-C or SIGTERM".into(),
        remedy: "run the command again".into(),
    }
}

/// The same, with where to look.
pub(super) fn with_logs(failure: Failure, folder: &Folder) -> Failure {
    let remedy = format!("{} (logs: {}/node-*.log)", failure.remedy, folder.path().display());
    Failure { remedy, ..failure }
}
