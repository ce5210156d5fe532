//! Where a node keeps its secrets.

use crate::identity::{Authority, Identity, IdentityError};

/// Keeps a node's identity and, for a voter, the key of the cluster's authority. Calls block for as
/// long as a small file takes to be read or to be on disk.
pub trait Keeper: Send + Sync + 'static {
    /// The authority with its key, if it is kept here.
    ///
    /// # Errors
    ///
    /// What is kept cannot be read.
    fn authority(&self) -> Result<Option<Authority>, IdentityError>;

    /// Keeps the authority's key, durably and for nobody else to read.
    ///
    /// # Errors
    ///
    /// It cannot be written: it is not kept.
    fn keep_authority(&self, authority: &Authority) -> Result<(), IdentityError>;

    /// Keeps it no longer.
    ///
    /// # Errors
    ///
    /// It cannot be removed: it is still here.
    fn forget_authority(&self) -> Result<(), IdentityError>;

    /// Replaces the node's identity, durably.
    ///
    /// # Errors
    ///
    /// It cannot be written: the former one is kept.
    fn keep_identity(&self, identity: &Identity) -> Result<(), IdentityError>;
}
