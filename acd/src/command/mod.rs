//! Everything that can be asked of the contact centre. There is no other way to change it.

mod agent;
mod cluster;
mod config;
mod contact;
mod site;
mod work;

pub use agent::AgentCommand;
pub use cluster::{CheckpointVote, ClusterCommand, LeaderChoice};
pub use config::ConfigCommand;
pub(crate) use config::Subject;
pub use contact::{ContactCommand, Enqueue, HeldContact};
pub use site::SiteCommand;
pub use work::{TransferTarget, WorkCommand};

use crate::ids::{PrincipalId, RequestId, SessionEpoch};
use crate::text::Label;
use crate::time::LogTime;

/// One command, by one of the parties.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// By the leader: time, gaps, checkpoints.
    Cluster(ClusterCommand),
    /// By front ends: what customers do.
    Contact(ContactCommand),
    /// By agents: what they do with a contact.
    Work(WorkCommand),
    /// By agents, their nodes and supervisors: sessions and presence.
    Agent(AgentCommand),
    /// By operators and the leader: cities and nodes.
    Site(SiteCommand),
    /// By administrators and supervisors: configuration.
    Config(ConfigCommand),
}

/// Identifies an administrative request, so that a retry gets the first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen at random by the client.
    pub id: RequestId,
    /// When the client first asked. Older than [`crate::limits::REQUEST_WINDOW`] is refused:
    /// the first answer may be forgotten.
    pub issued_at: LogTime,
}

/// A command with who asks, and, for administration, under which request and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Who asks, as the node authenticated them.
    pub principal: PrincipalId,
    /// For what agents do with contacts: the session it comes from. The agent's old sessions are
    /// refused; none: whoever speaks for the agent keeps them apart.
    pub session: Option<SessionEpoch>,
    /// For administration: the request.
    pub request: Option<Request>,
    /// For administration: why. Goes into the audit trail.
    pub reason: Option<Label>,
    /// What is asked.
    pub command: Command,
}

impl Submission {
    /// A command without request id and reason.
    pub fn new(principal: PrincipalId, command: Command) -> Self {
        Self { principal, session: None, request: None, reason: None, command }
    }
}

macro_rules! into_command {
    ($($inner:ident => $variant:ident),*) => {
        $(impl From<$inner> for Command {
            fn from(inner: $inner) -> Self {
                Command::$variant(inner)
            }
        })*
    };
}
into_command!(
    ClusterCommand => Cluster, ContactCommand => Contact, WorkCommand => Work,
    AgentCommand => Agent, SiteCommand => Site, ConfigCommand => Config
);
