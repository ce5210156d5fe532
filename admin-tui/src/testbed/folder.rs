//! Where a cluster that is founded for one command has its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder for one command.
pub struct Folder {
    path: PathBuf,
    /// Whether somebody asked for it and it stays as it is.
    stays: bool,
}

impl Folder {
    /// A name that nobody has yet, among the system's temporary files; or the one that was asked
    /// for. The folder is made by whoever founds a cluster in it.
    pub fn choose(purpose: &str, asked: Option<&Path>) -> Self {
        match asked {
            Some(path) => Self { path: path.to_owned(), stays: true },
            None => {
                let number: u64 = rand::random();
                let name = format!("quorumcall-{purpose}-{number:016x}");
                Self { path: std::env::temp_dir().join(name), stays: false }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there already with something in it: then it belongs to somebody.
    pub fn is_taken(&self) -> io::Result<bool> {
        match fs::read_dir(&self.path) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All went well: nothing is left, unless it is to stay.
    pub fn remove(&self) -> io::Result<()> {
        if self.stays { Ok(()) } else { fs::remove_dir_all(&self.path) }
    }

    /// Something went wrong: of a folder that is not to stay only the logs are left.
    pub fn leave_logs(&self) -> io::Result<()> {
        if self.stays { Ok(()) } else { fs::remove_dir_all(self.path.join("cluster")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_folder_is_new_and_leaves_nothing_or_the_logs() {
        let folder = Folder::choose("test", None);
        assert!(!folder.is_taken().expect("readable"));
        fs::create_dir_all(folder.path().join("cluster/node-1")).expect("a temporary folder");
        fs::write(folder.path().join("node-1.log"), "words").expect("a file");
        assert!(folder.is_taken().expect("readable"));
        folder.leave_logs().expect("mine");
        assert!(folder.path().join("node-1.log").exists());
        assert!(!folder.path().join("cluster").exists());
        folder.remove().expect("mine");
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_folder_that_was_asked_for_stays() {
        let path = Folder::choose("asked", None).path().to_owned();
        fs::create_dir_all(path.join("cluster")).expect("a temporary folder");
        let folder = Folder::choose("asked", Some(&path));
        folder.leave_logs().expect("mine");
        folder.remove().expect("mine");
        assert!(path.join("cluster").exists());
        fs::remove_dir_all(path).expect("mine");
    }
}
