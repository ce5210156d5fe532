//! A node's folder, read and checked before anything starts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, NodeConfig};
use crate::explain::{Explain, Explanation};
use crate::founding::{CONFIG_FILE, FOUNDING_FILE, Founding, IDENTITY_FILE};
use crate::identity::{Identity, IdentityError};

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
}

/// Why a node cannot start with its folder.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum SetupError {
    /// A file with settings is refused.
    Config(#[from] ConfigError),
    /// The identity is refused.
    Identity(#[from] IdentityError),
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
            Self::Mismatch { one, other } => Explanation::new(
                "E-SETUP-MISMATCH",
                "the files of this node do not belong together",
                format!("{one}, but {other}"),
                "put each file back into the folder of its node",
            ),
        }
    }
}

impl Setup {
    /// Reads `node.toml`, `node.identity` and, if it is there, `founding.toml`, and checks that
    /// they belong together and that others would take the identity at `now_ms`, milliseconds
    /// since 1970.
    pub fn load(folder: &Path, now_ms: u64) -> Result<Self, SetupError> {
        let config = NodeConfig::load(&folder.join(CONFIG_FILE))?;
        let identity = Identity::load(&folder.join(IDENTITY_FILE))?;
        identity.check(now_ms)?;
        let founding = match Founding::load(&folder.join(FOUNDING_FILE)) {
            Ok(founding) => Some(founding),
            Err(ConfigError::File { error, .. }) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let setup = Self { folder: folder.to_owned(), config, identity, founding };
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
