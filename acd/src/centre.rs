//! The state.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::agent::Agent;
use crate::catalogue::{CalendarEntry, Skill};
use crate::config::Settings;
use crate::contact::{Contact, ContactNames};
use crate::digest::Digest;
use crate::event::Event;
use crate::ids::{NodeId, PrincipalId, Revision, Seq};
use crate::memory::{ClosedContacts, Requests};
use crate::queue::Queue;
use crate::roles::Principal;
use crate::site::{Node, Site};
use crate::table::Table;
use crate::text::Label;
use crate::time::Clocks;
use crate::timers::Timers;

/// The contact centre.
pub struct Centre {
    // -- What replicas agree on ---------------------------------------------------------------
    /// The cluster's name; none: not initialised.
    pub(crate) cluster: Option<Label>,
    /// Whether clients own log time.
    pub(crate) replay: bool,
    pub(crate) clocks: Clocks,
    /// The last number drawn.
    pub(crate) last_seq: Seq,
    /// The number of the node that was added last.
    pub(crate) last_node: NodeId,
    pub(crate) settings: Settings,
    pub(crate) settings_revision: Revision,
    pub(crate) contacts: Table<Contact>,
    pub(crate) agents: Table<Agent>,
    pub(crate) queues: Table<Queue>,
    pub(crate) sites: Table<Site>,
    pub(crate) skills: Table<Skill>,
    pub(crate) calendars: Table<CalendarEntry>,
    pub(crate) principals: Table<Principal>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Ingresses that have streams, and to which nodes.
    pub(crate) ingresses: BTreeMap<PrincipalId, Vec<NodeId>>,
    pub(crate) closed: ClosedContacts,
    pub(crate) requests: Requests,
}
