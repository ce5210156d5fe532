//! Why a node does not join.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::explain::{Explain, Explanation};
use crate::identity::{ClusterId, IdentityError};

/// Why a node does not join.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum JoinError {
    /// The text is no token.
    Token {
        /// What is wrong. Never a part of the token.
        what: &'static str,
    },
    /// Whoever answers is of another cluster than the token.
    OtherCluster {
        /// Who answered: host:port.
        address: String,
        /// Its cluster.
        theirs: ClusterId,
    },
    /// Whoever answers has another authority than the token says.
    OtherAuthority {
        /// Who answered: host:port.
        address: String,
    },
    /// The cluster refused.
    Refused {
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
    /// No node could say.
    NoAnswer {
        /// What each said last, as `host:port: words`.
        said: Vec<String>,
    },
    /// The answer makes no sense.
    Answer {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The folder is not one to join with.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A file of the folder.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Keys and certificates.
    Identity(#[from] IdentityError),
    /// A file with settings.
    Config(#[from] ConfigError),
}

impl Explain for JoinError {
    fn explain(&self) -> Explanation {
        let what = "this node does not join";
        match self {
            Self::Token { what: why } => Explanation::new(
                "E-TOKEN-MALFORMED",
                what,
                *why,
                "copy the whole line that `quorumcall cluster join-token` printed",
            ),
            Self::OtherCluster { address, theirs } => Explanation::new(
                "E-JOIN-OTHER-CLUSTER",
                what,
                format!("{address} belongs to cluster {theirs}, for which the token is not"),
                "use a token of the cluster that is meant; if it is this one, its address has been \
                 given to another",
            ),
            Self::OtherAuthority { address } => Explanation::new(
                "E-JOIN-AUTHORITY",
                what,
                format!("{address} answers with another authority than the token names"),
                "do not join: somebody stands between, or the cluster got a new authority after \
                 the token was made; find out which, then make a new token",
            ),
            Self::Refused { code, message } => Explanation::new(
                "E-JOIN-REFUSED",
                what,
                format!("the cluster says {code}: {message}"),
                "do what docs/errors.md says of that code; a token is good once and for a time: \
                 `quorumcall cluster join-token` makes a new one",
            ),
            Self::NoAnswer { said } => Explanation::new(
                "E-JOIN-NO-ANSWER",
                what,
                format!("nobody who could say answered in time: {}", said.join("; ")),
                "check that this machine can reach one of these addresses and that the cluster has \
                 a leader, then run the same command again: it goes on where it was",
            ),
            Self::Answer { what: why } => Explanation::new(
                "E-JOIN-ANSWER",
                what,
                *why,
                "join with the program of the cluster's version; if it is, report this",
            ),
            Self::Folder { path, what: why, remedy } => Explanation::new(
                "E-JOIN-FOLDER",
                format!("{what} with {}", path.display()),
                *why,
                *remedy,
            ),
            Self::File { path, error } => Explanation::new(
                "E-JOIN-FILE",
                format!("{what}: {} cannot be used", path.display()),
                error.to_string(),
                "name a folder that this user may make or write to, with room on its disk; then run \
                 the same command again",
            ),
            Self::Identity(error) => error.explain(),
            Self::Config(error) => error.explain(),
        }
    }
}
