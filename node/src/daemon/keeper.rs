//! A node's secrets as files of its folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::founding::{AUTHORITY_FILE, IDENTITY_FILE};
use crate::identity::{Authority, Identity, IdentityError};
use crate::seams::Keeper;

/// Keeps secrets in `node.identity` and `authority.pem`, readable by their owner only.
#[derive(Clone, Debug)]
pub struct FolderKeeper {
    folder: PathBuf,
}

impl FolderKeeper {
    /// Those of a node's folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn authority_file(&self) -> PathBuf {
        self.folder.join(AUTHORITY_FILE)
    }
}

impl Keeper for FolderKeeper {
    fn authority(&self) -> Result<Option<Authority>, IdentityError> {
        match Authority::load(&self.authority_file()) {
            Ok(authority) => Ok(Some(authority)),
            Err(IdentityError::File { error, .. }) if error.kind() == ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn keep_authority(&self, authority: &Authority) -> Result<(), IdentityError> {
        authority.save(&self.authority_file())
    }

    fn forget_authority(&self) -> Result<(), IdentityError> {
        let path = self.authority_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(IdentityError::File { path, tried: "removed", error })
            }
            _ => Ok(()),
        }
    }

    fn keep_identity(&self, identity: &Identity) -> Result<(), IdentityError> {
        identity.save(&self.folder.join(IDENTITY_FILE))
    }
}
