//! A node on this machine: its folder, sockets, tokio, and what it does for its own disk.
//!
//! ```text
//! Setup (node.toml, identity, founding) → open the data folder → Node::start → upkeep → stop
//! ```
//!
//! Simulations put a [`Node`] together themselves; everything that needs a real machine is here.

mod error;
mod open;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use openraft_rt_tokio::TokioRuntime;
use tokio::task::JoinHandle;

pub use self::error::DaemonError;
use self::open::Opened;
use crate::identity::{client_config, server_config};
use crate::seams::{SystemClock, TcpAcceptor, TcpConnector};
use crate::setup::Setup;
use crate::storage::FileLog;
use crate::{Deps, Node};

/// How often replicas compare their states.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// Which life of a cluster this is. It has not been recovered from a lost quorum.
const FIRST_EPOCH: u64 = 1;

/// A running node of this machine.
pub struct Daemon {
    node: Node<TokioRuntime>,
    log: FileLog<TokioRuntime>,
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

impl Daemon {
    /// Opens the data folder and starts the node, which answers at `listener`.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with what to do.
    pub async fn start(setup: Setup, listener: TcpAcceptor) -> Result<Self, DaemonError> {
        let Opened { disk, marker, log, records, last_stamp, members } = open::open(&setup).await?;
        let Setup { folder, config, identity, founding } = setup;
        let clock = Arc::new(SystemClock);
        let to_close = founding.as_ref().map(|founding| (folder, founding.members.len()));
        let node = Node::start(Deps {
            config,
            marker,
            epoch: FIRST_EPOCH,
            members,
            founding,
            tls_client: client_config(&identity, clock.clone())?,
            tls_server: server_config(&identity, clock.clone())?,
            log: log.clone(),
            last_stamp,
            disk: Arc::new(disk),
            records,
            wall: clock,
            connector: Arc::new(TcpConnector),
            listener: Box::new(listener),
            checkpoint_every: CHECKPOINT_EVERY,
            observer: None,
        })
        .await?;
        let mut upkeep = vec![
            tokio::spawn(upkeep::tell_who_leads(node.clone())),
            tokio::spawn(upkeep::mark_log(node.clone(), log.clone())),
        ];
        if let Some((folder, founders)) = to_close {
            upkeep.push(tokio::spawn(upkeep::close_founding(node.clone(), folder, founders)));
        }
        Ok(Self { node, log, upkeep })
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
