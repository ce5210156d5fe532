//! What a person is told when a cluster cannot be talked to.

use std::io;
use std::path::Path;

use super::{ClientError, IdentityError};
use crate::failure::{ErrorCode, Failure};
use crate::output::plain;

/// Why the program does not know who it is.
pub(crate) fn no_identity(path: &Path, error: &IdentityError) -> Failure {
    let what = format!("the identity {} cannot be used", path.display());
    let why = error.to_string();
    let (code, remedy) = match error {
        IdentityError::File { error } => match error.kind() {
            io::ErrorKind::NotFound => (
                ErrorCode::IdentityMissing,
                "name the file with --identity or QUORUMCALL_IDENTITY; `quorumcall-node found` \
                 writes operator.identity, `quorumcall-node issue` makes others",
            ),
            io::ErrorKind::PermissionDenied => {
                (ErrorCode::FileForbidden, "run as the user it belongs to, or use your own")
            }
            _ => (ErrorCode::FileUnreadable, "check the disk and try again"),
        },
        IdentityError::Exposed { .. } => (
            ErrorCode::IdentityExposed,
            "chmod 600 it; if others use this machine they may have the key: have a new one issued",
        ),
        IdentityError::Malformed { .. } => (
            ErrorCode::IdentityMalformed,
            "restore the file as it was issued, or have a new one issued",
        ),
    };
    Failure { code, what, why, remedy: remedy.into() }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::from_error(&error)
    }
}

impl Failure {
    /// What a person is told.
    pub(crate) fn from_error(error: &ClientError) -> Self {
        // What a node says is not trusted with the terminal.
        let why = plain(&error.to_string()).into_owned();
        let (code, what, remedy) = match error {
            ClientError::NoEndpoint | ClientError::BadEndpoint { .. } => (
                ErrorCode::NoEndpoint,
                "nobody was asked",
                "name nodes with --endpoint HOST:PORT, or have an identity issued that names them",
            ),
            ClientError::BadIdentity { .. } => (
                ErrorCode::IdentityMalformed,
                "nobody was asked",
                "restore the file as it was issued, or have a new one issued",
            ),
            ClientError::Unavailable { .. } => (
                ErrorCode::Unavailable,
                "the cluster does not answer",
                "see whether its nodes run and whether a majority of them reach each other; ask \
                 others with --endpoint, or wait longer with --timeout",
            ),
            ClientError::Unknown { .. } => (
                ErrorCode::OutcomeUnknown,
                "nobody knows yet what became of it",
                "look up what is true before you repeat it",
            ),
            ClientError::Refused { code, message } => {
                return refused(code, message);
            }
            ClientError::NotPermitted { .. } => (
                ErrorCode::NotPermitted,
                "you may not do this",
                "ask an admin for the role, or somebody who has it to act",
            ),
            ClientError::NotFound { .. } => (
                ErrorCode::NotFound,
                "there is no such thing",
                "check the spelling; with --linearizable the node catches up before it answers",
            ),
            ClientError::Failed { .. } => (
                ErrorCode::NodeFailed,
                "the node could not do it",
                "see the node's log; it and this program may be of different releases",
            ),
        };
        Self { code, what: what.into(), why, remedy: remedy.into() }
    }
}

/// A refusal of the contact centre, with its own code.
fn refused(code: &str, message: &str) -> Failure {
    let why = format!("{}: {}", plain(code), plain(message));
    if code == "stale-revision" {
        return Failure {
            code: ErrorCode::StalePlan,
            what: "somebody else has changed it meanwhile".into(),
            why,
            remedy: "look at what is true now, and decide again".into(),
        };
    }
    Failure {
        code: ErrorCode::Refused,
        what: "the contact centre refused it".into(),
        why,
        remedy: format!("docs/errors.md says what to do about `{}`", plain(code)),
    }
}
