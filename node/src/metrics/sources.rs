//! Where the numbers come from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use openraft_rt_tokio::TokioRuntime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::Page;
use super::{centre, peers, process, raft, storage, traffic};
use crate::Node;
use crate::identity::Credentials;
use crate::storage::FileLog;
use crate::tally::Counter;

/// What does not change while a daemon runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The cluster's number, in hex.
    pub cluster: String,
    /// The node's number.
    pub node: String,
    /// Its site.
    pub site: String,
    /// Its data folder.
    pub data: PathBuf,
    /// Who it is; its certificate is renewed.
    pub credentials: Credentials,
    /// When it started: ms since 1970, by the wall clock.
    pub started_ms: u64,
}

/// Where the numbers of a daemon come from. Blocks for some milliseconds when they are read.
pub struct Sources {
    /// The node.
    pub node: Node<TokioRuntime>,
    /// Its log.
    pub log: FileLog<TokioRuntime>,
    /// How often somebody began to lead.
    pub leaders: Arc<Counter>,
    /// What does not change.
    pub about: About,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { node, log, leaders, about } = self;
        let mut page = Page(encoder);
        let About { cluster, node: number, site, .. } = about;
        page.info(
            "quorumcall_node",
            "Which node this is.",
            [("cluster", cluster), ("node", number), ("site", site)],
        )?;
        page.info(
            "quorumcall_build",
            "Which program it runs.",
            [("version", env!("CARGO_PKG_VERSION"))],
        )?;
        centre::write(&mut page, node)?;
        raft::write(&mut page, node, leaders)?;
        peers::write(&mut page, node)?;
        storage::write(&mut page, node, log, &about.data)?;
        traffic::write(&mut page, node)?;
        page.gauge(
            "quorumcall_certificate_expiry_timestamp_seconds",
            "Until when the certificate of this node is valid, in seconds since 1970.",
            about.credentials.held().identity.expires_s().ok(),
        )?;
        process::write(&mut page, about.started_ms)
    }
}
