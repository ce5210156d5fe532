//! A node on this machine: its folder, sockets, tokio, and what it does for its own disk.
//!
//! ```text
//! Setup (node.toml, identity, founding) → open the data folder → Node::start → upkeep → stop
//! ```
//!
//! Simulations put a [`Node`] together themselves; everything that needs a real machine is here.

mod error;
mod keeper;
mod open;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openraft_rt_tokio::TokioRuntime;
use tokio::task::JoinHandle;

pub use self::error::DaemonError;
pub use self::keeper::FolderKeeper;
use self::open::Opened;
use crate::config::{MetricsSettings, NodeConfig};
use crate::identity::Credentials;
use crate::metrics::{About, Endpoint, Sources};
use crate::seams::{
    Connector, RealDisk, SystemClock, TcpAcceptor, TcpConnector, TcpConnectorFrom, WallClock,
};
use crate::setup::Setup;
use crate::storage::marker::MARKER;
use crate::storage::{FileLog, Marker, StorageError};
use crate::tally::Counter;
use crate::{Deps, Node};

/// How often replicas compare their states.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// Which life of a cluster this is. It has not been recovered from a lost quorum.
const FIRST_EPOCH: u64 = 1;

/// A running node of this machine.
pub struct Daemon {
    node: Node<TokioRuntime>,
    log: FileLog<TokioRuntime>,
    /// Where metrics are served.
    metrics: Option<SocketAddr>,
    upkeep: Vec<JoinHandle<()>>,
}

/// Where a node was when it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The last index it had applied.
    pub applied: u64,
    /// The hash of its state there.
    pub state_hash: u128,
    /// Whom it followed, or itself if it led.
    pub leader: Option<u64>,
}

/// Makes the data folder of a node that has joined, with the disk it joined with. One that is made
/// already is left as it is.
///
/// # Errors
///
/// What keeps it from being made. It may be tried again.
pub async fn make_disk(config: &NodeConfig, marker: &Marker) -> Result<(), DaemonError> {
    let disk = RealDisk::new(&config.data);
    match Marker::open(&disk) {
        Err(StorageError::NoMarker { .. }) => open::create(&disk, marker).await.map(drop),
        Ok(there) if there == *marker => Ok(()),
        Ok(_) => {
            let what = "it is of another node, or of another disk of this one".to_owned();
            Err(StorageError::MarkerOfAnother { file: MARKER.into(), what }.into())
        }
        Err(error) => Err(error.into()),
    }
}

impl Daemon {
    /// Opens the data folder and starts the node, which answers at `listener`. Metrics are served
    /// where the configuration says; a port that is not to be had is told before anything is opened.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with what to do.
    pub async fn start(setup: Setup, listener: TcpAcceptor) -> Result<Self, DaemonError> {
        let endpoint = match &setup.config.metrics {
            None => None,
            Some(MetricsSettings { listen }) => {
                let bound = Endpoint::bind(listen).await;
                let refused = |error| DaemonError::Metrics { listen: listen.clone(), error };
                Some(bound.map_err(refused)?)
            }
        };
        let Opened { disk, marker, log, records, last_stamp, members } = open::open(&setup).await?;
        let Setup { folder, config, identity, founding, .. } = setup;
        let keeper = Arc::new(FolderKeeper::new(&folder));
        let clock = Arc::new(SystemClock);
        let credentials = Credentials::new(identity, clock.clone())?;
        let about = About {
            cluster: credentials.held().identity.cluster().to_string(),
            node: config.node.0.to_string(),
            site: config.site.to_string(),
            data: config.data.clone(),
            credentials: credentials.clone(),
            started_ms: clock.now_ms(),
        };
        let connector: Arc<dyn Connector> = match config.source {
            None => Arc::new(TcpConnector),
            Some(source) => Arc::new(TcpConnectorFrom { source }),
        };
        let to_close = founding.as_ref().map(|founding| (folder, founding.members.len()));
        let node = Node::start(Deps {
            config,
            marker,
            epoch: FIRST_EPOCH,
            members,
            founding,
            credentials: credentials.clone(),
            keeper,
            log: log.clone(),
            last_stamp,
            disk: Arc::new(disk),
            records,
            wall: clock,
            connector,
            listener: Box::new(listener),
            checkpoint_every: CHECKPOINT_EVERY,
            observer: None,
        })
        .await?;
        let leaders = Arc::new(Counter::default());
        let mut upkeep = vec![
            tokio::spawn(upkeep::tell_who_leads(node.clone(), leaders.clone())),
            tokio::spawn(upkeep::mark_log(node.clone(), log.clone())),
        ];
        if let Some((folder, founders)) = to_close {
            upkeep.push(tokio::spawn(upkeep::close_founding(node.clone(), folder, founders)));
        }
        let metrics = endpoint.as_ref().map(Endpoint::address);
        if let Some(endpoint) = endpoint {
            tracing::info!(address = %endpoint.address(), "metrics are served, without TLS");
            let sources = Sources { node: node.clone(), log: log.clone(), leaders, about };
            upkeep.push(tokio::spawn(endpoint.serve(sources)));
        }
        Ok(Self { node, log, metrics, upkeep })
    }

    /// Where metrics are served, with the port that was chosen if it was 0.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// The node.
    pub fn node(&self) -> &Node<TokioRuntime> {
        &self.node
    }

    /// Ends the node, notes how far its log is durable, and says where it was.
    pub async fn stop(self) -> Last {
        let leader = self.node.raft().current_leader().await;
        self.node.stop().await;
        for task in self.upkeep {
            task.abort();
        }
        upkeep::mark(&self.log).await;
        let view = self.node.state().view();
        let applied = view.applied().map_or(0, |id| id.index);
        Last { applied, state_hash: view.centre().state_hash(), leader }
    }
}
