//! How the daemon ends when it cannot go on.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use node::config::ConfigError;
use node::daemon::DaemonError;
use node::explain::{Explain, Explanation};
use node::founding::FoundingError;
use node::identity::IdentityError;
use node::joining::JoinError;
use node::setup::SetupError;
use node::storage::StorageError;

/// Refused, or ended by itself.
pub const REFUSED: u8 = 1;
/// Wrong use or configuration.
pub const WRONG_USE: u8 = 2;
/// Something it needs is not available.
pub const UNAVAILABLE: u8 = 3;

/// Why the daemon ends, and with which exit code.
pub struct Failure {
    /// What to tell.
    pub explanation: Explanation,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// Tells it on standard error.
    pub fn report(&self) -> ExitCode {
        eprintln!("{}", self.explanation);
        ExitCode::from(self.code)
    }

    /// The address to listen on is not to be had.
    pub fn listen(address: &str, error: &io::Error) -> Self {
        let (code, remedy) = match error.kind() {
            ErrorKind::AddrInUse => (
                "E-LISTEN-IN-USE",
                "stop the program that has it (`ss -ltnp` shows which), or change `listen` in \
                 node.toml",
            ),
            ErrorKind::AddrNotAvailable => (
                "E-LISTEN-ELSEWHERE",
                "set `listen` in node.toml to an address of this machine, or to 0.0.0.0:PORT",
            ),
            ErrorKind::PermissionDenied => {
                ("E-LISTEN-FORBIDDEN", "set `listen` in node.toml to a port of 1024 or more")
            }
            _ => {
                ("E-LISTEN", "check `listen` in node.toml, and that its host name can be resolved")
            }
        };
        Self {
            explanation: Explanation {
                code,
                what: format!("the node cannot listen on {address}"),
                why: error.to_string(),
                remedy: remedy.to_owned(),
            },
            code: UNAVAILABLE,
        }
    }

    /// The node ran and cannot go on.
    pub fn ended(why: String) -> Self {
        Self {
            explanation: Explanation {
                code: "E-NODE-ENDED",
                what: "the node cannot go on".to_owned(),
                why,
                remedy:
                    "do what it says above; if the disk is full or has failed, make room or mend \
                         it; then start the node again, and report it if it stays so"
                        .to_owned(),
            },
            code: REFUSED,
        }
    }

    /// The system gives no threads or signals.
    pub fn system(error: &io::Error) -> Self {
        Self {
            explanation: Explanation {
                code: "E-SYSTEM",
                what: "the node cannot start".to_owned(),
                why: error.to_string(),
                remedy: "check the limits of this user: threads, open files, memory".to_owned(),
            },
            code: UNAVAILABLE,
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self { explanation: error.explain(), code: WRONG_USE }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let code = match &error {
            IdentityError::File { .. } => UNAVAILABLE,
            _ => WRONG_USE,
        };
        Self { explanation: error.explain(), code }
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let code = match &error {
            DaemonError::Storage(StorageError::Io { .. } | StorageError::LogInUse { .. }) => {
                UNAVAILABLE
            }
            DaemonError::Metrics { .. } => UNAVAILABLE,
            DaemonError::Identity(_) => WRONG_USE,
            DaemonError::Storage(_) | DaemonError::Alone { .. } | DaemonError::Raft { .. } => {
                REFUSED
            }
        };
        Self { explanation: error.explain(), code }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { explanation: error.explain(), code: WRONG_USE }
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        let code = match &error {
            JoinError::Refused { .. }
            | JoinError::OtherCluster { .. }
            | JoinError::OtherAuthority { .. }
            | JoinError::Answer { .. } => REFUSED,
            JoinError::NoAnswer { .. } | JoinError::File { .. } => UNAVAILABLE,
            JoinError::Identity(IdentityError::File { .. }) => UNAVAILABLE,
            JoinError::Token { .. }
            | JoinError::Folder { .. }
            | JoinError::Identity(_)
            | JoinError::Config(_) => WRONG_USE,
        };
        Self { explanation: error.explain(), code }
    }
}

impl From<FoundingError> for Failure {
    fn from(error: FoundingError) -> Self {
        let code = match &error {
            FoundingError::NotEmpty { .. } => REFUSED,
            FoundingError::Folder { .. } | FoundingError::Identity(IdentityError::File { .. }) => {
                UNAVAILABLE
            }
            FoundingError::Plan(_) | FoundingError::Identity(_) => WRONG_USE,
        };
        Self { explanation: error.explain(), code }
    }
}
