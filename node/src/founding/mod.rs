//! Founding a cluster with several nodes at once.
//!
//! A [`Plan`] says who is to be a member and where. [`Founded::from_plan`] draws everything else: the
//! cluster's number, its authority, and for each node its number, the incarnation of its disk and
//! its identity; and an identity for the first operator. [`Founded::write`] leaves one folder per
//! node, to be carried to its machine:
//!
//! ```text
//! ca.pem                  the authority with its key: whoever has it can be anybody
//! operator.identity       the first operator, and where the nodes are
//! node-1/node.toml        what the node is told
//! node-1/node.identity    who it is
//! node-1/founding.toml    who founds the cluster with it: a Founding
//! ```
//!
//! A node whose log is empty takes Raft's first membership from its `founding.toml`. All nodes have
//! the same one, so they agree whoever is first. Once it has begun, [`close`] puts that file aside.

mod error;
mod plan;
mod record;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use acd::ids::NodeId;
pub use error::FoundingError;
pub use plan::{Plan, PlannedNode, VOTERS_MAX};
use rand::{Rng, RngExt};
pub use record::{Founder, Founding};

use crate::config::NodeConfig;
use crate::identity::{Authority, ClusterId, Identity, Validity, write_private};

/// In a node's folder: what it is told.
pub const CONFIG_FILE: &str = "node.toml";
/// In a node's folder: who it is.
pub const IDENTITY_FILE: &str = "node.identity";
/// In a voter's folder: the cluster's authority with its key.
pub const AUTHORITY_FILE: &str = "authority.pem";
/// Where the first operator's identity is written.
pub const OPERATOR_FILE: &str = "operator.identity";
/// In a node's folder: who founded the cluster, if this node was there and has not yet begun.
pub const FOUNDING_FILE: &str = "founding.toml";
/// What that file is called once the node has begun.
pub const FOUNDED_FILE: &str = "founding.done.toml";

/// A cluster that has been founded and has not yet run.
#[derive(Debug)]
pub struct Founded {
    /// What all of its nodes know.
    pub founding: Founding,
    /// Its authority.
    pub authority: Authority,
    /// Its nodes, by number from 1: what each is told, and who it is.
    pub nodes: Vec<(NodeConfig, Identity)>,
    /// Its first operator.
    pub operator: Identity,
}

impl Founded {
    /// Founds the cluster of a plan. Numbers are drawn from `rng`, keys from the system's entropy;
    /// certificates are valid as told.
    pub fn from_plan(
        plan: &Plan,
        validity: Validity,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self, FoundingError> {
        let cluster = ClusterId(rng.random());
        let authority = Authority::create(cluster, validity, rng)?;
        let mut members = Vec::new();
        let mut nodes = Vec::new();
        for (number, planned) in (1..).zip(&plan.nodes) {
            let node = NodeId(number);
            members.push(Founder {
                node,
                site: planned.site.clone(),
                address: planned.address.clone(),
                incarnation: rng.random(),
            });
            let mut config = NodeConfig::new(
                node,
                planned.site.clone(),
                &planned.address,
                "".into(),
                plan.profile,
            );
            config.listen.clone_from(&planned.listen);
            nodes.push((config, authority.issue_to_node(node, validity, rng)?));
        }
        let operator = authority.issue_to(&plan.admin, validity, rng)?;
        let founding = Founding {
            cluster,
            name: plan.cluster.clone(),
            admin: plan.admin.clone(),
            replay: plan.replay,
            members,
        };
        Ok(Self { founding, authority, nodes, operator })
    }

    /// Writes everything into a folder, which is made if need be, all for its owner only.
    ///
    /// Refused: a folder with something in it ([`FoundingError::NotEmpty`]). What was written
    /// before an error stays.
    pub fn write(&self, folder: &Path) -> Result<(), FoundingError> {
        let failed = |path: &Path, error| FoundingError::Folder { path: path.to_owned(), error };
        make_empty_folder(folder)?;
        self.authority.save(&folder.join("ca.pem"))?;
        self.write_operator(folder)?;
        for (config, identity) in &self.nodes {
            let own = folder.join(format!("node-{}", config.node.0));
            make_folder(&own).map_err(|error| failed(&own, error))?;
            self.write_node(&own, config, identity)?;
        }
        Ok(())
    }

    /// Writes everything into the folder of the cluster's only node, where the authority's key stays.
    ///
    /// Refused: as in [`Founded::write`].
    pub fn write_alone(&self, folder: &Path) -> Result<(), FoundingError> {
        make_empty_folder(folder)?;
        self.authority.save(&folder.join(AUTHORITY_FILE))?;
        self.write_operator(folder)?;
        for (config, identity) in &self.nodes {
            self.write_node(folder, config, identity)?;
        }
        Ok(())
    }

    fn write_operator(&self, folder: &Path) -> Result<(), FoundingError> {
        let nodes = self.founding.members.iter().map(|member| member.address.clone());
        let nodes: Vec<_> = nodes.collect();
        Ok(self.operator.save_with_endpoints(&folder.join(OPERATOR_FILE), &nodes)?)
    }

    fn write_node(
        &self,
        folder: &Path,
        config: &NodeConfig,
        identity: &Identity,
    ) -> Result<(), FoundingError> {
        identity.save(&folder.join(IDENTITY_FILE))?;
        write_private(&folder.join(FOUNDING_FILE), self.founding.to_toml().as_bytes())?;
        Ok(write_private(&folder.join(CONFIG_FILE), config.to_toml().as_bytes())?)
    }
}

fn make_empty_folder(folder: &Path) -> Result<(), FoundingError> {
    let failed = |error| FoundingError::Folder { path: folder.to_owned(), error };
    make_folder(folder).map_err(failed)?;
    match fs::read_dir(folder).map_err(failed)?.next() {
        Some(_) => Err(FoundingError::NotEmpty { path: folder.to_owned() }),
        None => Ok(()),
    }
}

/// Ends the founding for a node, durably: from now on an empty log in its folder is a lost disk and
/// not a new cluster, in which the node would vote anew about what it had already agreed to. To be
/// called when the node has applied what the founding writes into the log; doing it again does
/// nothing.
pub fn close(folder: &Path) -> io::Result<()> {
    match fs::rename(folder.join(FOUNDING_FILE), folder.join(FOUNDED_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::File::open(folder)?.sync_all(),
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
