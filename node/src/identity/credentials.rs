//! Who a node is while it runs. An identity may be replaced; connections that are made afterwards show
//! the new one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::{ClientConfig, ServerConfig};

use super::tls::{client_config, joining_config, server_config};
use super::{Identity, IdentityError};
use crate::seams::WallClock;

/// Who a node is at present. Clones share it.
#[derive(Clone)]
pub struct Credentials {
    clock: Arc<dyn WallClock>,
    held: Arc<RwLock<Arc<Held>>>,
}

/// An identity, and how to show it.
pub struct Held {
    /// The identity.
    pub identity: Identity,
    /// To those it calls.
    pub client: Arc<ClientConfig>,
    /// To those who call.
    pub server: Arc<ServerConfig>,
    /// To those who call and have no identity yet.
    pub joining: Arc<ServerConfig>,
}

impl Held {
    fn new(identity: Identity, clock: &Arc<dyn WallClock>) -> Result<Self, IdentityError> {
        Ok(Self {
            client: client_config(&identity, clock.clone())?,
            server: server_config(&identity, clock.clone())?,
            joining: joining_config(&identity, clock.clone())?,
            identity,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("identity", &self.held().identity)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// An identity; certificates of others are judged by `clock`.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Crypto`].
    pub fn new(identity: Identity, clock: Arc<dyn WallClock>) -> Result<Self, IdentityError> {
        let held = Arc::new(Held::new(identity, &clock)?);
        Ok(Self { clock, held: Arc::new(RwLock::new(held)) })
    }

    /// What is held now.
    pub fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another identity of the same principal. Connections that are open keep the old one.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Crypto`]: the old one stays.
    pub fn replace(&self, identity: Identity) -> Result<(), IdentityError> {
        let held = Arc::new(Held::new(identity, &self.clock)?);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }
}
