//! Who may do what. Roles are state: a role that is taken away in one log entry is gone for the
//! next command, on every replica.

use core::fmt;

use crate::channel::small_set;
use crate::command::{AgentCommand, Command, ConfigCommand, ContactCommand};
use crate::ids::{PrincipalId, Revision, SiteId};

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer = 0,
    /// Agents and queues.
    Supervisor = 1,
    /// Sites, failover, drills.
    Operator = 2,
    /// Membership, identities, settings.
    Admin = 3,
    /// A node of the cluster. Comes with membership, not by hand.
    Node = 4,
    /// Puts contacts in.
    Ingress = 5,
    /// Takes contacts. Comes with the roster, not by hand.
    Agent = 6,
    /// Speaks for many agents or ingresses: a desktop server.
    Gateway = 7,
}

impl Role {
    /// All roles, in order.
    pub const ALL: [Self; 8] = [
        Self::Viewer,
        Self::Supervisor,
        Self::Operator,
        Self::Admin,
        Self::Node,
        Self::Ingress,
        Self::Agent,
        Self::Gateway,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Node => "node",
            Self::Ingress => "ingress",
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }
}

small_set!(
    /// A set of roles.
    Roles of Role
);

impl Roles {
    /// Whether any of `needed` is held.
    pub fn any_of(self, needed: Self) -> bool {
        self.0 & needed.0 != 0
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, role) in self.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{}", role.word())?;
        }
        Ok(())
    }
}

/// A principal with roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub id: PrincipalId,
    /// The roles given by hand.
    pub roles: Roles,
    /// For an ingress: where its media is, unless the contact says.
    pub site: Option<SiteId>,
    /// Revision.
    pub revision: Revision,
}

/// The roles of which one is enough for this command. Who may act on *whose* contact or session
/// is checked where the contact or session is known.
pub fn needed(command: &Command) -> Roles {
    use Role::{Admin, Agent, Gateway, Ingress, Node, Operator, Supervisor};
    match command {
        Command::Cluster(_) => cluster_roles(command),
        Command::Contact(contact) => match contact {
            ContactCommand::Attach { .. } | ContactCommand::Detach { .. } => {
                Roles::of(&[Node, Ingress, Gateway])
            }
            ContactCommand::Move { .. } | ContactCommand::Remove { .. } => Roles::of(&[Supervisor]),
            _ => Roles::of(&[Ingress, Gateway]),
        },
        Command::Work(_) => Roles::of(&[Agent, Gateway]),
        Command::Agent(agent) => match agent {
            AgentCommand::SessionLost { .. } => Roles::of(&[Node]),
            AgentCommand::SetReady { .. }
            | AgentCommand::SetNotReady { .. }
            | AgentCommand::ForceLogOut { .. } => Roles::of(&[Supervisor]),
            _ => Roles::of(&[Agent, Gateway]),
        },
        Command::Site(_) => site_roles(command),
        Command::Config(config) => match config {
            ConfigCommand::PutPrincipal { .. }
            | ConfigCommand::DeletePrincipal { .. }
            | ConfigCommand::PutSettings { .. } => Roles::of(&[Admin]),
            ConfigCommand::CloseQueue { .. } | ConfigCommand::ReopenQueue { .. } => {
                Roles::of(&[Supervisor, Operator])
            }
            _ => Roles::of(&[Supervisor]),
        },
    }
}

fn cluster_roles(command: &Command) -> Roles {
    use crate::command::ClusterCommand as C;
    match command {
        Command::Cluster(C::AdvanceTo { .. }) => {
            Roles::of(&[Role::Gateway, Role::Operator, Role::Node])
        }
        Command::Cluster(C::RaiseVersion { .. }) => Roles::of(&[Role::Admin]),
        Command::Cluster(C::TransferLeader { .. }) => Roles::of(&[Role::Operator, Role::Admin]),
        _ => Roles::of(&[Role::Node]),
    }
}

fn site_roles(command: &Command) -> Roles {
    use crate::command::SiteCommand as S;
    match command {
        Command::Site(
            S::AddNode { .. }
            | S::IssueToken { .. }
            | S::RevokeToken { .. }
            | S::SetNodeRole { .. }
            | S::RetireNode { .. }
            | S::Delete { .. },
        ) => Roles::of(&[Role::Admin]),
        Command::Site(S::Put { .. }) => Roles::of(&[Role::Admin, Role::Operator]),
        Command::Site(
            S::RedeemToken { .. }
            | S::RemoveNode { .. }
            | S::NodeLost { .. }
            | S::Suspect { .. }
            | S::Heard { .. }
            | S::Lost { .. }
            | S::CaughtUp { .. },
        ) => Roles::of(&[Role::Node]),
        _ => Roles::of(&[Role::Operator]),
    }
}

/// Whether this is administration: recorded in the audit trail, whatever comes of it.
pub fn is_administration(command: &Command) -> bool {
    use crate::command::{ClusterCommand, SiteCommand};
    match command {
        Command::Cluster(c) => {
            matches!(
                c,
                ClusterCommand::Init { .. }
                    | ClusterCommand::SetTime { .. }
                    | ClusterCommand::RaiseVersion { .. }
                    | ClusterCommand::TransferLeader { .. }
            )
        }
        Command::Contact(c) => {
            matches!(c, ContactCommand::Move { .. } | ContactCommand::Remove { .. })
        }
        Command::Work(_) => false,
        Command::Agent(a) => matches!(
            a,
            AgentCommand::SetReady { .. }
                | AgentCommand::SetNotReady { .. }
                | AgentCommand::ForceLogOut { .. }
        ),
        Command::Site(s) => !matches!(
            s,
            SiteCommand::RemoveNode { .. }
                | SiteCommand::NodeLost { .. }
                | SiteCommand::Suspect { .. }
                | SiteCommand::Heard { .. }
                | SiteCommand::Lost { .. }
                | SiteCommand::CaughtUp { .. }
        ),
        Command::Config(_) => true,
    }
}
