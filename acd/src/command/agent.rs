//! Sessions and presence of agents.

use crate::channel::Medium;
use crate::ids::{AgentId, NodeId, SessionEpoch};
use crate::text::Label;

/// Sessions and presence of agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentCommand {
    /// Opens a session on a node. One that exists is taken over, with its offers and contacts.
    LogIn {
        /// The agent.
        agent: AgentId,
        /// The node the session is on; its site is where the agent works.
        node: NodeId,
    },
    /// Ends the session. Offers go back; live contacts must be ended first.
    LogOut {
        /// The agent.
        agent: AgentId,
        /// The session.
        epoch: SessionEpoch,
    },
    /// The agent can be offered contacts.
    Ready {
        /// The agent.
        agent: AgentId,
        /// The session.
        epoch: SessionEpoch,
    },
    /// The agent cannot. While busy it is noted and applied when free.
    NotReady {
        /// The agent.
        agent: AgentId,
        /// The session.
        epoch: SessionEpoch,
        /// Lunch, training …
        reason: Label,
    },
    /// Opens a medium that was closed because the agent let a contact ring.
    OpenMedium {
        /// The agent.
        agent: AgentId,
        /// The session.
        epoch: SessionEpoch,
        /// The medium.
        medium: Medium,
    },
    /// A node reports that the session's connection is lost.
    SessionLost {
        /// The agent.
        agent: AgentId,
        /// The session.
        epoch: SessionEpoch,
    },
    /// A supervisor sets an agent ready.
    SetReady {
        /// The agent.
        agent: AgentId,
    },
    /// A supervisor sets an agent not ready.
    SetNotReady {
        /// The agent.
        agent: AgentId,
        /// Why.
        reason: Label,
    },
    /// A supervisor ends an agent's session. Live contacts become orphans.
    ForceLogOut {
        /// The agent.
        agent: AgentId,
    },
}

impl AgentCommand {
    /// The agent it is about.
    pub fn subject(&self) -> &AgentId {
        match self {
            Self::LogIn { agent, .. }
            | Self::LogOut { agent, .. }
            | Self::Ready { agent, .. }
            | Self::NotReady { agent, .. }
            | Self::OpenMedium { agent, .. }
            | Self::SessionLost { agent, .. }
            | Self::SetReady { agent }
            | Self::SetNotReady { agent, .. }
            | Self::ForceLogOut { agent } => agent,
        }
    }
}
