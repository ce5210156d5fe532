//! Commands, group by group, and who submits them.

use alloc::vec::Vec;

use proto::stored::v1;

use super::stored::{Stored, no_choice, required, stored_messages};
use crate::command::{
    AgentCommand, CheckpointVote, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue,
    HeldContact, LeaderChoice, Request, SiteCommand, Submission, TransferTarget, WorkCommand,
};
use crate::config::{Requirement, Requirements, in_range, limit, normalise_requirements};
use crate::ids::{AgentId, NodeId, QueueId, SiteId};
use crate::limits;
use crate::rejection::Rejection;
use crate::time::{LogTime, Millis};

/// The stored form of a command, as it is in messages of the API and in the audit trail.
pub fn command_to_stored(command: &Command) -> v1::AnyCommand {
    command.to_stored()
}

/// Checks and takes over the stored form of a command.
///
/// # Errors
///
/// Those of [`decode_submission`](super::decode_submission), which reads the same command from
/// bytes.
pub fn command_from_stored(stored: v1::AnyCommand) -> Result<Command, Rejection> {
    Stored::from_stored(stored, "AnyCommand")
}

stored_messages! {
    Submission { principal, session, request, reason, command }
    Request { id; issued_at as issued_at_ms }
}

/// Makes [`Command`] the choice in a message.
macro_rules! stored_groups {
    ($module:ident { $($group:ident),+ }) => {
        impl Stored<Option<v1::$module::Command>> for Command {
            fn to_stored(&self) -> Option<v1::$module::Command> {
                Some(match self {
                    $(Self::$group(group) => {
                        v1::$module::Command::$group(group.to_stored())
                    })+
                })
            }

            fn from_stored(
                stored: Option<v1::$module::Command>,
                at: &'static str,
            ) -> Result<Self, Rejection> {
                Ok(match stored.ok_or_else(|| no_choice(at))? {
                    $(v1::$module::Command::$group(group) => {
                        Self::$group(Stored::from_stored(group, at)?)
                    })+
                })
            }
        }
    };
}
stored_groups!(submission { Cluster, Contact, Work, Agent, Site, Config });
stored_groups!(any_command { Cluster, Contact, Work, Agent, Site, Config });

/// Makes a group of commands [`Stored`] as the message of the same name: `Group in module {
/// Variant { fields; field as other_name } }`, with `=> check` behind a field as in
/// [`stored_messages`]. The variant that is a type of its own is named behind `wraps`.
macro_rules! stored_commands {
    ($group:ident in $module:ident $(wraps $wrapped:ident)? {
        $($variant:ident {
            $($same:ident $(=> $check:path)?),*
            $(; $($field:ident as $wire:ident $(=> $wire_check:path)?),+)?
        })+
    }) => {
        impl Stored<v1::$group> for $group {
            fn to_stored(&self) -> v1::$group {
                use v1::$module as wire;
                let command = match self {
                    $(Self::$wrapped(inner) => wire::Command::$wrapped(inner.to_stored()),)?
                    $(Self::$variant { $($same,)* $($($field),+)? } => {
                        wire::Command::$variant(wire::$variant {
                            $($same: Stored::to_stored($same),)*
                            $($($wire: Stored::to_stored($field),)+)?
                        })
                    })+
                };
                v1::$group { command: Some(command) }
            }

            fn from_stored(stored: v1::$group, _: &'static str) -> Result<Self, Rejection> {
                use super::stored::read_field;
                use v1::$module as wire;
                let missing = || no_choice(concat!(stringify!($group), ".command"));
                Ok(match stored.command.ok_or_else(missing)? {
                    $(wire::Command::$wrapped(inner) => {
                        Self::$wrapped(Stored::from_stored(inner, stringify!($wrapped))?)
                    })?
                    $(wire::Command::$variant(wire::$variant {
                        $($same,)* $($($wire),+)?
                    }) => Self::$variant {
                        $($same: read_field!(
                            $same,
                            concat!(stringify!($variant), ".", stringify!($same))
                            $(, $check)?
                        ),)*
                        $($($field: read_field!(
                            $wire,
                            concat!(stringify!($variant), ".", stringify!($wire))
                            $(, $wire_check)?
                        ),)+)?
                    },)+
                })
            }
        }
    };
}

// -- By the leader ------------------------------------------------------------------------------

stored_commands! {
    ClusterCommand in cluster_command {
        Init { cluster, site, admin, replay }
        Tick {}
        TermStarted { leader; gap as gap_ms => any_gap }
        SetTime { ; to as to_ms }
        AdvanceTo { ; to as to_ms }
        Checkpoint { about, votes => limited_votes }
        RaiseVersion { to }
        TransferLeader { to, stays }
    }
}

impl Stored<v1::LeaderChoice> for LeaderChoice {
    fn to_stored(&self) -> v1::LeaderChoice {
        use v1::leader_choice::Choice;
        let choice = match self {
            Self::Node(node) => Choice::Node(node.to_stored()),
            Self::Site(site) => Choice::Site(site.to_stored()),
            Self::NotNode(node) => Choice::NotNode(node.to_stored()),
            Self::NotSite(site) => Choice::NotSite(site.to_stored()),
        };
        v1::LeaderChoice { choice: Some(choice) }
    }

    fn from_stored(stored: v1::LeaderChoice, _: &'static str) -> Result<Self, Rejection> {
        use v1::leader_choice::Choice;
        Ok(match stored.choice.ok_or_else(|| no_choice("LeaderChoice.choice"))? {
            Choice::Node(node) => Self::Node(NodeId(node)),
            Choice::Site(site) => Self::Site(SiteId::new(&site)?),
            Choice::NotNode(node) => Self::NotNode(NodeId(node)),
            Choice::NotSite(site) => Self::NotSite(SiteId::new(&site)?),
        })
    }
}
required!(LeaderChoice);

stored_messages! {
    CheckpointVote { node, hash }
}

/// A gap is measured, not configured: a cluster that was off for two years has to start.
fn any_gap(time_without_leader: LogTime) -> Result<Millis, Rejection> {
    Ok(Millis(time_without_leader.0))
}

fn limited_votes(votes: Vec<CheckpointVote>) -> Result<Vec<CheckpointVote>, Rejection> {
    limit("votes in a checkpoint", votes.len(), limits::CHECKPOINT_VOTES_MAX)?;
    Ok(votes)
}

// -- By front ends ------------------------------------------------------------------------------

stored_commands! {
    ContactCommand in contact_command wraps Enqueue {
        HangUp { contact }
        Bridged { contact, token }
        BridgeFailed { contact, token }
        RequestCallback { contact; not_before as not_before_ms }
        SetRecording { contact, reference }
        RecordCsat { contact, score => score_in_range }
        Attach { ingress, node }
        Detach { ingress, node }
        Reattach { contacts => limited_contacts }
        Move { contact, to }
        Remove { contact }
    }
}

// The hot path. Decoding an enqueue with 256 bytes of attributes takes about half a microsecond:
// two copies of each text (out of the entry, which the ids must not keep alive, and into the
// shared text of the id), the check of the attributes, and moves of the command, which is as
// large as the largest of its alternatives.
stored_messages! {
    Enqueue {
        contact, queue, channel, priority, site, requirements => normalised, preferred,
        attributes;
        preferred_wait as preferred_wait_ms,
        not_before as not_before_ms,
    }
    HeldContact { contact, token }
}

fn normalised(list: Vec<Requirement>) -> Result<Requirements, Rejection> {
    // An empty list that is shared needs no memory.
    let list = if list.is_empty() { Requirements::default() } else { list.into() };
    normalise_requirements(list)
}

fn score_in_range(score: u32) -> Result<u8, Rejection> {
    in_range("RecordCsat.score", score, 0, 100)
}

fn limited_contacts(contacts: Vec<HeldContact>) -> Result<Vec<HeldContact>, Rejection> {
    limit("contacts in a re-attachment", contacts.len(), limits::REATTACH_CONTACTS_MAX)?;
    Ok(contacts)
}

// -- By agents ----------------------------------------------------------------------------------

stored_commands! {
    WorkCommand in work_command {
        Accept { contact, token }
        Decline { contact, token }
        Hold { contact, token }
        Retrieve { contact, token }
        End { contact, token }
        Complete { contact, token, disposition, resolved }
        SetDisposition { contact, token, disposition, resolved }
        Transfer { contact, token, to }
        Consult { contact, token, consult, to }
    }
}

impl Stored<v1::TransferTarget> for TransferTarget {
    fn to_stored(&self) -> v1::TransferTarget {
        use v1::transfer_target as wire;
        let target = match self {
            Self::Queue(queue) => wire::Target::Queue(queue.to_stored()),
            Self::Agent(agent) => wire::Target::Agent(agent.to_stored()),
        };
        v1::TransferTarget { target: Some(target) }
    }

    fn from_stored(stored: v1::TransferTarget, _: &'static str) -> Result<Self, Rejection> {
        use v1::transfer_target as wire;
        Ok(match stored.target.ok_or_else(|| no_choice("TransferTarget.target"))? {
            wire::Target::Queue(queue) => Self::Queue(QueueId::new(&queue)?),
            wire::Target::Agent(agent) => Self::Agent(AgentId::new(&agent)?),
        })
    }
}
required!(TransferTarget);

stored_commands! {
    AgentCommand in agent_command {
        LogIn { agent, node }
        LogOut { agent, epoch }
        Ready { agent, epoch }
        NotReady { agent, epoch, reason }
        OpenMedium { agent, epoch, medium }
        SessionLost { agent, epoch }
        SetReady { agent }
        SetNotReady { agent, reason }
        ForceLogOut { agent }
    }
}

// -- By operators and administrators ------------------------------------------------------------

stored_commands! {
    SiteCommand in site_command {
        Put { config, expected }
        Delete { site, expected }
        AddNode { site }
        IssueToken { hash, site, role; ttl as ttl_ms }
        RevokeToken { token }
        RedeemToken { hash, key, incarnation, address }
        SetNodeRole { node, role, fewer, expected }
        RetireNode { node, fewer, expected }
        RemoveNode { node }
        NodeLost { node }
        Suspect { site }
        Heard { site }
        Lost { site }
        CaughtUp { site }
        DeclareLost { site, expected }
        Drain { site, callback, force, expected; deadline as deadline_ms, expiry as expiry_ms }
        CancelDrain { site, expected }
        Return { site, expected }
    }
}

stored_commands! {
    ConfigCommand in config_command {
        PutQueue { config, expected }
        DeleteQueue { queue, successor, expected }
        CloseQueue { queue, flush, expected; until as until_ms }
        ReopenQueue { queue, expected }
        PutCalendar { config, expected }
        DeleteCalendar { calendar, expected }
        PutSkill { skill, name, expected }
        DeleteSkill { skill, expected }
        PutAgent { config, expected }
        DeleteAgent { agent, expected }
        MoveAgent { agent, queues, home_site, expected; duration as duration_ms }
        EndMove { agent, expected }
        PutPrincipal { principal, roles, site, expected }
        DeletePrincipal { principal, expected }
        PutSettings { settings, expected }
    }
}
