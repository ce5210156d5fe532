//! Parts of the state in their stored form, for those who show them.

use alloc::vec::Vec;

use proto::stored::v1;

use super::stored::Stored;
use crate::agent::{Presence, Session, TemporaryMove};
use crate::channel::{Channel, Media};
use crate::config::{AgentConfig, Calendar, QueueConfig, Settings, SiteConfig};
use crate::contact::PastOffer;
use crate::event::{NotReadyReason, SiteState};
use crate::explain::With;
use crate::ids::SiteId;
use crate::members::JoinToken;
use crate::memory::ClosedContact;
use crate::metrics::{AgentCounters, Block, QueueCounters};
use crate::record::{AuditRecord, ContactRecord};
use crate::roles::Roles;
use crate::site::{Drain, NodeRole};

macro_rules! shown {
    ($($(#[$doc:meta])* $name:ident($type:ty) -> $form:ty;)+) => {$(
        $(#[$doc])*
        pub fn $name(value: &$type) -> $form {
            Stored::to_stored(value)
        }
    )+};
}
shown! {
    /// The stored form of a queue's configuration.
    queue_config_to_stored(QueueConfig) -> v1::QueueConfig;
    /// The stored form of a roster entry.
    agent_config_to_stored(AgentConfig) -> v1::AgentConfig;
    /// The stored form of a site's configuration.
    site_config_to_stored(SiteConfig) -> v1::SiteConfig;
    /// The stored form of opening hours.
    calendar_to_stored(Calendar) -> v1::Calendar;
    /// The stored form of the settings of the centre.
    settings_to_stored(Settings) -> v1::Settings;
    /// The stored form of an act in the audit trail.
    audit_record_to_stored(AuditRecord) -> v1::AuditRecord;
    /// The stored form of roles.
    roles_to_stored(Roles) -> Vec<i32>;
    /// The stored form of a site's state.
    site_state_to_stored(SiteState) -> v1::SiteState;
    /// The stored form of what a node is meant to be.
    node_role_to_stored(NodeRole) -> i32;
    /// The stored form of a token to join by.
    token_to_stored(JoinToken) -> v1::JoinToken;
    /// The stored form of a drain.
    drain_to_stored(Drain) -> v1::Drain;
    /// The stored form of a presence.
    presence_to_stored(Presence) -> v1::Presence;
    /// The stored form of a reason not to be ready.
    not_ready_reason_to_stored(NotReadyReason) -> v1::NotReadyReason;
    /// The stored form of a temporary move.
    temporary_move_to_stored(TemporaryMove) -> v1::TemporaryMove;
    /// The stored form of media.
    media_to_stored(Media) -> Vec<i32>;
    /// The stored form of a channel.
    channel_to_stored(Channel) -> i32;
    /// The stored form of an offer that came to nothing.
    past_offer_to_stored(PastOffer) -> v1::PastOffer;
    /// The stored form of what is remembered of a closed contact.
    closed_contact_to_stored(ClosedContact) -> v1::ClosedContact;
    /// The stored form of the record of a contact.
    contact_record_to_stored(ContactRecord) -> v1::ContactRecord;
    /// The stored form of counters of a queue or a site.
    queue_metrics_to_stored(Block<QueueCounters>) -> v1::QueueMetrics;
    /// The stored form of counters of an agent.
    agent_metrics_to_stored(Block<AgentCounters>) -> v1::AgentMetrics;
}

/// The stored form of a session at a site.
pub fn session_to_stored(session: &Session, site: &SiteId) -> v1::Session {
    let Session { epoch, node, site: _ } = session;
    v1::Session { epoch: epoch.0, node: node.0, site: site.to_stored() }
}

/// The stored form of the offer by which a contact is with an agent.
pub fn engagement_to_stored(with: &With) -> v1::Engagement {
    let With { agent, site, token, offered, reason } = with;
    v1::Engagement {
        token: token.0,
        agent: agent.to_stored(),
        site: site.to_stored(),
        offered_ms: offered.0,
        reason: reason.to_stored(),
    }
}
