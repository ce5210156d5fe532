//! Why a cluster is not founded.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::explain::{Explain, Explanation};
use crate::identity::IdentityError;

/// Why a cluster is not founded.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum FoundingError {
    /// The plan is refused.
    Plan(#[from] ConfigError),
    /// An identity cannot be made or written.
    Identity(#[from] IdentityError),
    /// There is something in the folder already.
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder cannot be made.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Explain for FoundingError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Plan(error) => error.explain(),
            Self::Identity(error) => error.explain(),
            Self::NotEmpty { path } => Explanation::new(
                "E-FOUND-NOT-EMPTY",
                format!("nothing is founded in {}", path.display()),
                "there is something in it, perhaps the only key of another cluster",
                "name a folder that is empty or not there",
            ),
            Self::Folder { path, error } => Explanation::new(
                "E-FOUND-FOLDER",
                format!("{} cannot be used", path.display()),
                error.to_string(),
                "name a folder that this user may make",
            ),
        }
    }
}
