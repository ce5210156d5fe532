//! Where a demonstration keeps its files.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::failure::{ErrorCode, Failure};
use crate::local::LocalCluster;

/// Names that are tried for a new folder.
const TRIES: u32 = 100;

/// Where a demonstration keeps its files.
pub(super) struct Folder {
    path: PathBuf,
    /// Whether only the logs are of use to anybody afterwards.
    is_own: bool,
}

impl Folder {
    /// The folder that was given, which must be empty or not there yet; or a new one.
    pub fn prepare(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = given {
            return match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
                Ok(false) => Ok(Self { path: path.to_owned(), is_own: false }),
                Ok(true) => Err(refused(path, "there is something in it already")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                    made.map_err(|error| refused(path, &error.to_string()))?;
                    Ok(Self { path: path.to_owned(), is_own: false })
                }
                Err(error) => Err(refused(path, &error.to_string())),
            };
        }
        let name = format!("quorumcall-demo-{}", std::process::id());
        let mut path = std::env::temp_dir().join(&name);
        for number in 1..=TRIES {
            // Not one that is there: it is somebody else's.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, is_own: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = std::env::temp_dir().join(format!("{name}-{number}"));
                }
                Err(error) => return Err(refused(&path, &error.to_string())),
            }
        }
        Err(refused(&path, "a hundred like it are there already"))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what is of no use any more, and says where the rest is.
    pub fn finish(&self, was_good: bool, cluster: &LocalCluster, say: impl FnOnce(&str)) {
        let path = self.path.display();
        if !self.is_own || !was_good {
            return say(&format!("everything is in {path}; the logs are node-1.log and so on"));
        }
        match cluster.remove_data() {
            Ok(()) => say(&format!("logs: {path}/node-*.log")),
            Err(error) => say(&format!("{path} could not be tidied up: {error}")),
        }
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure {
        code: ErrorCode::LocalCluster,
        what: format!("{} cannot be used", path.display()),
        why: why.to_owned(),
        remedy: "give --data a folder that is empty or not there yet, where you may write".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_which_something_is_is_refused() {
        let own = Folder::prepare(None).expect("a temporary folder");
        let empty = Folder::prepare(Some(own.path())).expect("it is empty");
        assert_eq!(empty.path(), own.path());
        fs::write(own.path().join("something"), "").expect("writable");
        let refused = Folder::prepare(Some(own.path())).err().expect("refused");
        assert_eq!(refused.code, ErrorCode::LocalCluster);
        let other = Folder::prepare(None).expect("another temporary folder");
        assert_ne!(own.path(), other.path());
        for folder in [own, other] {
            fs::remove_dir_all(folder.path()).expect("mine");
        }
    }
}
