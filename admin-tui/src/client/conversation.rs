//! One command's conversation with a cluster.

use std::future::Future;

use acd::ids::PrincipalId;
use tokio::runtime::{Builder, Runtime};

use super::failure::no_identity;
use super::{Client, Identity};
use crate::cli::Options;
use crate::failure::{ErrorCode, Failure};

/// A way to the cluster that the options name, for programs that do one thing after the other.
///
/// A thread of its own keeps the connections alive while a person thinks.
pub(crate) struct Conversation {
    runtime: Runtime,
    client: Client,
    principal: PrincipalId,
}

impl Conversation {
    /// Prepares it; nobody is asked yet.
    pub(crate) fn open(options: &Options) -> Result<Self, Failure> {
        let Options { identity: _, endpoints, timeout, output: _ } = options;
        let path = options.identity_path();
        let identity = Identity::load(&path).map_err(|error| no_identity(&path, &error))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
            |error| Failure {
                code: ErrorCode::System,
                what: "the program cannot start".into(),
                why: format!("the system gives it no thread: {error}"),
                remedy: "check the limits of your user (`ulimit -a`)".into(),
            },
        )?;
        let client = {
            let _inside = runtime.enter();
            Client::new(&identity, endpoints, *timeout)?
        };
        Ok(Self { runtime, client, principal: identity.principal })
    }

    /// Who the cluster takes this program for.
    pub(crate) fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    /// Asks, and waits for what comes of it.
    pub(crate) fn ask<T, E, F>(&self, ask: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, E>>,
        Failure: From<E>,
    {
        Ok(self.runtime.block_on(ask(self.client.clone()))?)
    }
}
