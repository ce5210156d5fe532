//! A node's secrets, in memory. What a run shows does not depend on them: they are not on the disk
//! that loses what was not synced.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use node::identity::{Authority, Identity, IdentityError};
use node::seams::Keeper;

/// Keeps the authority's key, if it is given one.
#[derive(Default)]
pub struct SimKeeper {
    authority: Mutex<Option<String>>,
}

impl Keeper for SimKeeper {
    fn authority(&self) -> Result<Option<Authority>, IdentityError> {
        let kept = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |pem: &String| Authority::from_pem(Path::new("memory"), pem.as_bytes());
        kept.as_ref().map(read).transpose()
    }

    fn keep_authority(&self, authority: &Authority) -> Result<(), IdentityError> {
        let mut kept = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(authority.to_pem());
        Ok(())
    }

    fn forget_authority(&self) -> Result<(), IdentityError> {
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn keep_identity(&self, _identity: &Identity) -> Result<(), IdentityError> {
        // A run is shorter than any certificate is valid, and a node that starts again gets the same.
        Ok(())
    }
}
