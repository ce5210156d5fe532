//! A node's folder, read and checked before anything starts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, NodeConfig};
use crate::explain::{Explain, Explanation};
use crate::founding::{CONFIG_FILE, FOUNDED_FILE, FOUNDING_FILE, Founding, IDENTITY_FILE};
use crate::identity::{Identity, IdentityError};
use crate::joining::{JOINED_FILE, JoinedRecord};

/// All that a node is told and given.
#[derive(Debug)]
pub struct Setup {
    /// Where that was.
    pub folder: PathBuf,
    /// What it is told.
    pub config: NodeConfig,
    /// Who it is.
    pub identity: Identity,
    /// Who founds the cluster, if this node does and has not yet begun.
    pub founding: Option<Founding>,
    /// Whom it was told of when it joined, if it did not found the cluster.
    pub joined: Option<JoinedRecord>,
}

/// Why a node cannot start with its folder.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum SetupError {
    /// A file with settings is refused.
    Config(#[from] ConfigError),
    /// The identity is refused.
    Identity(#[from] IdentityError),
    /// The node founds a cluster that it has founded before.
    FoundedBefore,
    /// Two files of the folder speak of different things.
    Mismatch {
        /// What one of them says.
        one: String,
        /// What the other says.
        other: String,
    },
}

impl Explain for SetupError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Config(error) => error.explain(),
            Self::Identity(error) => error.explain(),
            Self::FoundedBefore => Explanation::new(
                "E-FOUNDED-BEFORE",
                "this node does not start",
                format!(
                    "{FOUNDED_FILE} says that it has founded its cluster, and {FOUNDING_FILE} would \
                     have it do so again"
                ),
                "move founding.toml away; if the data folder is lost, join anew as another node",
            ),
            Self::Mismatch { one, other } => Explanation::new(
                "E-SETUP-MISMATCH",
                "the files of this node do not belong together",
                format!("{one}, but {other}"),
                "put each file back into the folder of its node",
            ),
        }
    }
}

/// A file that need not be there.
fn if_there<T>(read: Result<T, ConfigError>) -> Result<Option<T>, ConfigError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ConfigError::File { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Setup {
    /// Reads `node.toml`, `node.identity` and, if they are there, `founding.toml` and `joined.toml`, and
    /// checks that
    /// they belong together and that others would take the identity at `now_ms`, milliseconds
    /// since 1970.
    pub fn load(folder: &Path, now_ms: u64) -> Result<Self, SetupError> {
        let config = NodeConfig::load(&folder.join(CONFIG_FILE))?;
        let identity = Identity::load(&folder.join(IDENTITY_FILE))?;
        identity.check(now_ms)?;
        let founding = if_there(Founding::load(&folder.join(FOUNDING_FILE)))?;
        if founding.is_some() && folder.join(FOUNDED_FILE).exists() {
            return Err(SetupError::FoundedBefore);
        }
        let joined = if_there(JoinedRecord::load(&folder.join(JOINED_FILE)))?;
        let setup = Self { folder: folder.to_owned(), config, identity, founding, joined };
        setup.check()?;
        Ok(setup)
    }

    fn check(&self) -> Result<(), SetupError> {
        let Self { config, identity, founding, .. } = self;
        let number = config.node.0;
        if identity.node() != Some(config.node) {
            return Err(SetupError::Mismatch {
                one: format!("{CONFIG_FILE} is of node {number}"),
                other: format!("{IDENTITY_FILE} is of {}", identity.principal()),
            });
        }
        if let Some(joined) = &self.joined
            && (joined.cluster, joined.node) != (identity.cluster(), config.node)
        {
            return Err(SetupError::Mismatch {
                one: format!("{CONFIG_FILE} and {IDENTITY_FILE} are of node {number}"),
                other: format!("{JOINED_FILE} is of another node or cluster"),
            });
        }
        let Some(founding) = founding else { return Ok(()) };
        if founding.cluster != identity.cluster() {
            return Err(SetupError::Mismatch {
                one: format!("{FOUNDING_FILE} is of cluster {}", founding.cluster),
                other: format!("{IDENTITY_FILE} is of cluster {}", identity.cluster()),
            });
        }
        let Some(founder) = founding.member(config.node) else {
            return Err(SetupError::Mismatch {
                one: format!("{CONFIG_FILE} is of node {number}"),
                other: format!("{FOUNDING_FILE} has no such node"),
            });
        };
        // The address may have changed since; the site of a disk does not.
        if founder.site != config.site {
            return Err(SetupError::Mismatch {
                one: format!("{CONFIG_FILE} is of site {}", config.site),
                other: format!("{FOUNDING_FILE} has node {number} at {}", founder.site),
            });
        }
        Ok(())
    }
}
