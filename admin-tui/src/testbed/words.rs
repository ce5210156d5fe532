//! What people are told when there is no cluster to work on.

use std::io;
use std::path::Path;
use std::time::Duration;

use acd::ids::PrincipalId;

use crate::client::{ClientError, IdentityError};
use crate::failure::{ErrorCode, Failure};
use crate::local::LocalError;

/// A cluster that cannot be talked to, or refuses to be.
pub fn no_cluster(error: &ClientError) -> Failure {
    let why = error.to_string();
    let (code, what, remedy) = match error {
        ClientError::NoEndpoint | ClientError::BadEndpoint { .. } => (
            ErrorCode::NoCluster,
            "no cluster was reached",
            "name its nodes: --endpoint HOST:PORT for each",
        ),
        ClientError::BadIdentity { .. } => (
            ErrorCode::BadIdentity,
            "no cluster was reached",
            "have the identity issued again with `quorumcall-node issue`",
        ),
        ClientError::Unavailable { .. } | ClientError::Unknown { .. } => (
            ErrorCode::NoCluster,
            "the cluster does not answer",
            "see whether its nodes run and a majority of them reach each other, then try again",
        ),
        ClientError::NotPermitted { .. } => (
            ErrorCode::NotPermitted,
            "the cluster does not let these identities do it",
            "use the identity of an admin of this very cluster, such as its operator.identity",
        ),
        ClientError::Refused { .. } | ClientError::NotFound { .. } => (
            ErrorCode::CentreRefused,
            "the contact centre refused a command",
            "docs/errors.md explains the refusal by its code",
        ),
        ClientError::Failed { .. } => (
            ErrorCode::NoCluster,
            "a node could not do what it was asked to",
            "look at the node's log; it and this program should be of one release",
        ),
    };
    Failure { code, what: what.into(), why, remedy: remedy.into() }
}

/// A file that is no identity.
pub fn no_identity(path: &Path, error: &IdentityError) -> Failure {
    let remedy = match error {
        IdentityError::File { error } if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            format!(
                "make it where the cluster's ca.pem is: quorumcall-node issue --authority ca.pem \
                 --principal {name} --out {}",
                path.display()
            )
        }
        IdentityError::File { .. } => "check the file's owner and the disk".into(),
        IdentityError::Exposed { .. } => {
            "chmod 600 it; who could read it may have the key, so have a new one issued".into()
        }
        IdentityError::Malformed { .. } => {
            "restore it as it was issued, or have a new one issued".into()
        }
    };
    Failure {
        code: ErrorCode::BadIdentity,
        what: format!("the identity {} cannot be used", path.display()),
        why: error.to_string(),
        remedy,
    }
}

pub(super) fn other_identity(path: &Path, principal: &PrincipalId) -> Failure {
    Failure {
        code: ErrorCode::BadIdentity,
        what: format!("the identity {} cannot be used", path.display()),
        why: format!("it is of somebody else than {principal}, or of another cluster"),
        remedy: format!("have one issued for {principal} with `quorumcall-node issue`"),
    }
}

pub(super) fn no_local_cluster(error: &LocalError) -> Failure {
    let remedy = match error {
        LocalError::Daemon(_) => "install quorumcall-node beside this program, or `cargo build` it",
        LocalError::File { .. } | LocalError::Identity { .. } => {
            "see that the disk has room and the folder can be written to, or name another with \
             --folder"
        }
        LocalError::Refused { .. } => "do what the message says",
        LocalError::Node { .. } => "do what the end of the node's log says, then try again",
    };
    Failure {
        code: ErrorCode::LocalCluster,
        what: "no cluster could be started on this machine".into(),
        why: error.to_string(),
        remedy: remedy.into(),
    }
}

pub(super) fn folder_taken(path: &Path) -> Failure {
    Failure {
        code: ErrorCode::LocalCluster,
        what: "no cluster could be started on this machine".into(),
        why: format!("{} is not empty", path.display()),
        remedy: "name a folder that is empty or not there yet".into(),
    }
}

pub(super) fn folder_unusable(path: &Path, error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::LocalCluster,
        what: "no cluster could be started on this machine".into(),
        why: format!("{}: {error}", path.display()),
        remedy: "name another folder with --folder".into(),
    }
}

pub(super) fn not_founded(within: Duration, last: &str) -> Failure {
    Failure {
        code: ErrorCode::NoCluster,
        what: "the cluster is not ready".into(),
        why: format!("after {within:?}: {last}"),
        remedy: "see the logs of its nodes; a busy machine may need a second try".into(),
    }
}

pub(super) fn no_runtime(error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::LocalCluster,
        what: "the program could not begin its work".into(),
        why: error.to_string(),
        remedy: "see the system's limits on open files and threads".into(),
    }
}

/// The same failure, with where the logs of the nodes are.
pub(super) fn with_logs(failure: Failure, folder: &Path) -> Failure {
    if !folder.is_dir() {
        return failure;
    }
    let remedy = format!("{}; the logs of the nodes are in {}", failure.remedy, folder.display());
    Failure { remedy, ..failure }
}
