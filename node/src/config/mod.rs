//! What a node is told: `node.toml`.
//!
//! ```toml
//! node = 1                           # its number; never changes, never reused
//! site = "kyiv"
//! listen = "0.0.0.0:7400"            # where it waits for connections
//! address = "kyiv-1.example:7400"    # where others find it
//! # source = "10.1.0.1"              # where its connections to others come from; absent: the
//!                                    # system chooses
//! data = "."                         # its data folder; relative to this file's folder
//! profile = "metro"                  # or "city", "wan"; or a [timing] of its own
//!
//! # [timing]                         # instead of a profile
//! # rtt_ms = 20                      # the longest round trip between nodes it is meant for
//! # heartbeat_ms = 60                # at least twice the round trip
//! # election_ms = [300, 450]         # the shortest at least three times the heartbeat
//!
//! # [log]
//! # snapshot_after_bytes = 67108864
//! # kept_entries = 8192
//!
//! # [limits]                         # see Limits
//!
//! # [metrics]                        # absent: no metrics are served
//! # listen = "127.0.0.1:9464"        # where they are: plain HTTP, so an address that is private
//! ```
//!
//! Unknown keys are refused: a misspelt setting would silently be its default.

mod limits;
mod parse;
mod timing;
mod write;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use acd::ids::{NodeId, SiteId};
pub use limits::{Limits, LogSettings};
use openraft::SnapshotPolicy;
pub(crate) use parse::Source;
pub use parse::{is_address, is_unspecified};
pub use timing::{Profile, SiteDelays, Timing, TimingError};

use crate::explain::{Explain, Explanation};

/// The longest address, host:port: a host name has at most 253 characters.
pub const ADDRESS_BYTES_MAX: usize = 259;

/// What a node is told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number.
    pub node: NodeId,
    /// The site it is at.
    pub site: SiteId,
    /// Where it waits for connections: host:port.
    pub listen: String,
    /// Where others find it: host:port.
    pub address: String,
    /// The address of this machine that its connections to other nodes come from; none: the system
    /// chooses.
    pub source: Option<IpAddr>,
    /// Its data folder.
    pub data: PathBuf,
    /// Raft's times.
    pub timing: Timing,
    /// When the log is cut.
    pub log: LogSettings,
    /// What is bounded.
    pub limits: Limits,
    /// Where metrics are served; none: nowhere.
    pub metrics: Option<MetricsSettings>,
}

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Where scrapes are waited for: host:port. Whoever can connect there reads them, without TLS.
    pub listen: String,
}

/// Why a node cannot be configured.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum ConfigError {
    /// The file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is no TOML, lacks a key, or has one that nobody knows.
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1, if known.
        line: Option<usize>,
        /// What is wrong.
        what: String,
    },
    /// A value is not possible.
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1, if known.
        line: Option<usize>,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
}

impl Explain for ConfigError {
    fn explain(&self) -> Explanation {
        let place = |path: &Path, line: &Option<usize>| match line {
            Some(line) => format!("{}, line {line}", path.display()),
            None => path.display().to_string(),
        };
        match self {
            Self::File { path, error } => Explanation::new(
                "E-CONFIG-FILE",
                format!("{} cannot be read", path.display()),
                error.to_string(),
                "check the path; a node's folder is made by `quorumcall-node found`",
            ),
            Self::Syntax { path, line, what } => Explanation::new(
                "E-CONFIG-SYNTAX",
                format!("{} is not understood", place(path, line)),
                what.clone(),
                "correct the line; docs/founding.md lists the keys",
            ),
            Self::Value { path, line, key, what, remedy } => Explanation::new(
                "E-CONFIG-VALUE",
                format!("{}: `{key}` is refused", place(path, line)),
                what.clone(),
                remedy.clone(),
            ),
        }
    }
}

impl NodeConfig {
    /// A node at a site with the times of a profile and everything else at its default; it listens
    /// where others find it.
    pub fn new(node: NodeId, site: SiteId, address: &str, data: PathBuf, profile: Profile) -> Self {
        Self {
            node,
            site,
            listen: address.to_owned(),
            address: address.to_owned(),
            source: None,
            data,
            timing: profile.timing(),
            log: LogSettings::default(),
            limits: Limits::default(),
            metrics: None,
        }
    }

    /// Reads `node.toml`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Parses the text of `node.toml`; `path` is for messages, and `data` is relative to its
    /// folder.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        parse::parse(text, path)
    }

    /// As `node.toml` has it, without what is at its default.
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// Raft's settings. `cluster` is only for its log lines.
    pub fn to_raft_config(&self, cluster: &str) -> openraft::Config {
        let Timing { heartbeat_ms, election_ms: (shortest, longest), .. } = self.timing;
        openraft::Config {
            cluster_name: cluster.to_owned(),
            heartbeat_interval: heartbeat_ms,
            election_timeout_min: shortest,
            election_timeout_max: longest,
            // A node that comes back must not raise the term of a healthy leader.
            enable_pre_vote: Some(true),
            // A leader that can send but not hear is replaced after the lease and one election;
            // this is the least that Raft's library takes.
            quorum_loss_probe_interval: Some(2 * longest),
            // A node that led before it stopped asks for votes like any other.
            enable_leader_restore: Some(false),
            // Bytes of log trigger snapshots, not entries: an entry is one command or a thousand.
            snapshot_policy: SnapshotPolicy::Never,
            // 54 MB for 100,000 contacts: 43 s at 10 Mbit/s, 5 s at 100.
            install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
            max_in_snapshot_log_to_keep: self.log.kept_entries,
            // Purging is a pass over the log's files; not for a handful of entries.
            purge_batch_size: (self.log.kept_entries / 32).max(1),
            // The log store bounds a read by bytes; this must not be tighter.
            max_payload_entries: 4_096,
            ..openraft::Config::default()
        }
    }
}

/// How long a snapshot may take to a peer, in milliseconds.
pub const SNAPSHOT_TIMEOUT_MS: u64 = 60_000;
