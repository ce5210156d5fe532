//! The state, and how it is read.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::agent::Agent;
use crate::catalogue::{CalendarEntry, Skill};
use crate::config::Settings;
use crate::contact::{Contact, ContactNames};
use crate::digest::Digest;
use crate::event::Event;
use crate::ids::{
    AgentId, ContactId, NodeId, PrincipalId, QueueId, RequestId, Revision, Seq, SiteId,
};
use crate::matching::{Matcher, View, view};
use crate::members::JoinToken;
use crate::memory::{ClosedContact, ClosedContacts, FirstAnswer, Requests};
use crate::queue::Queue;
use crate::roles::Principal;
use crate::site::{Node, Site};
use crate::table::{Slot, Table};
use crate::text::Label;
use crate::time::{Clocks, LogTime};
use crate::timers::Timers;

/// The contact centre.
#[derive(Default)]
pub struct Centre {
    // -- What replicas agree on: hashed, and written into snapshots -----------------------------
    /// The cluster's name; none: not initialised.
    pub(crate) cluster: Option<Label>,
    /// Which version of the rules the cluster goes by; 0: not initialised.
    pub(crate) version: u32,
    /// Whether clients own log time.
    pub(crate) replay: bool,
    pub(crate) clocks: Clocks,
    /// The last number drawn.
    pub(crate) last_seq: Seq,
    /// The number of the node that was added last.
    pub(crate) last_node: u64,
    /// Revision of who is a member and as what.
    pub(crate) members_revision: Revision,
    /// Tokens to join by: those that are open, and those that ended lately.
    pub(crate) tokens: BTreeMap<Seq, JoinToken>,
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
    /// Ingresses that have, or once had, streams, and to which nodes.
    pub(crate) ingresses: BTreeMap<PrincipalId, Vec<NodeId>>,
    pub(crate) closed: ClosedContacts,
    pub(crate) requests: Requests,

    // -- What this replica keeps of its own ------------------------------------------------------
    /// The last checkpoint: index and hash. Written into snapshots, not hashed: a replica that
    /// differed once must be able to say so.
    pub(crate) checkpoint: Option<(u64, u128)>,

    // -- What follows from the above: rebuilt after a restore -------------------------------------
    pub(crate) timers: Timers,
    pub(crate) matcher: Matcher,

    // -- While an entry is being applied ----------------------------------------------------------
    pub(crate) entry: EntryProgress,
    pub(crate) events: Vec<Event>,
    pub(crate) digest: Digest,
    /// Agents whose standing may have changed, and whether their class may have.
    pub(crate) touched: Vec<(Slot<Agent>, bool)>,
    /// Contacts to find an agent for.
    pub(crate) to_match: Vec<Slot<Contact>>,
    /// Sites that may have finished draining.
    pub(crate) to_finish: Vec<Slot<Site>>,
    /// Something was deleted: classes in which nobody is are forgotten.
    pub(crate) forget_classes: bool,

    /// A bug put in on purpose.
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<crate::Mutation>,
}

/// How far the application of an entry has come.
#[derive(Default)]
pub(crate) struct EntryProgress {
    pub(crate) index: u64,
    /// Log time of the entry before.
    pub(crate) previous: LogTime,
    /// Commands before the present one.
    pub(crate) commands: u32,
    /// Whether due deadlines have fired.
    pub(crate) fired: bool,
}

impl Centre {
    /// A contact centre that is not initialised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room, so that tables do not grow (and pause) under load.
    pub fn reserve(&mut self, contacts: usize, agents: usize) {
        self.contacts.reserve(contacts);
        self.agents.reserve(agents);
    }

    // -- Reads --------------------------------------------------------------------------------------

    /// The cluster's name; none: not initialised.
    pub fn cluster(&self) -> Option<&Label> {
        self.cluster.as_ref()
    }

    /// Which version of the rules the cluster goes by; 0: not initialised.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Log time.
    pub fn now(&self) -> LogTime {
        self.clocks.now
    }

    /// Both readings of time.
    pub fn clocks(&self) -> Clocks {
        self.clocks
    }

    /// When something is due next, in log time. The leader proposes a `Tick` for it when nothing
    /// else happens.
    pub fn next_deadline(&self) -> Option<LogTime> {
        self.timers.next(self.clocks)
    }

    /// The checkpoint this replica keeps: index and state hash there.
    pub fn checkpoint(&self) -> Option<(u64, u128)> {
        self.checkpoint
    }

    /// Whether clients own log time.
    pub fn is_replay(&self) -> bool {
        self.replay
    }

    /// The number of the node that was added last; 0: none yet. It only rises, also when nodes are
    /// removed: no number is given twice.
    pub fn last_node(&self) -> u64 {
        self.last_node
    }

    /// The members, by number, and where they are.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &SiteId)> {
        self.nodes.values().map(|node| (node.id, &self.sites.get(node.site).config.id))
    }

    /// A member.
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(&node)
    }

    /// The members with their sites, by number.
    pub fn members(&self) -> impl Iterator<Item = (&Node, &SiteId)> {
        self.nodes.values().map(|node| (node, &self.sites.get(node.site).config.id))
    }

    /// Revision of who is a member and as what: 0 before there is any, and one more with each
    /// change.
    pub fn members_revision(&self) -> Revision {
        self.members_revision
    }

    /// Tokens to join by, in the order in which they were issued: those that are open, and those
    /// that ended lately.
    pub fn tokens(&self) -> impl Iterator<Item = &JoinToken> {
        self.tokens.values()
    }

    /// Whether agents have live sessions on this node, or front ends streams to it. Looks at every
    /// agent.
    pub fn has_connections(&self, node: NodeId) -> bool {
        self.ingresses.values().any(|nodes| nodes.contains(&node))
            || self.agents.iter().any(|a| a.live_session().is_some_and(|s| s.node == node))
    }

    /// The settings of the centre.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A live contact.
    pub fn contact(&self, id: &ContactId) -> Option<&Contact> {
        self.contacts.by_key(id.as_str())
    }

    /// A contact that was closed a short while ago.
    pub fn closed_contact(&self, id: &ContactId) -> Option<&ClosedContact> {
        self.closed.find(id)
    }

    /// An agent.
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.by_key(id.as_str())
    }

    /// A queue.
    pub fn queue(&self, id: &QueueId) -> Option<&Queue> {
        self.queues.by_key(id.as_str())
    }

    /// A site.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.by_key(id.as_str())
    }

    /// A principal with roles given by hand.
    pub fn principal(&self, id: &PrincipalId) -> Option<&Principal> {
        self.principals.by_key(id.as_str())
    }

    /// Ingresses that have, or once had, streams, with the nodes to which they have some, by number.
    pub fn ingresses(&self) -> impl Iterator<Item = (&PrincipalId, &[NodeId])> {
        self.ingresses.iter().map(|(ingress, nodes)| (ingress, nodes.as_slice()))
    }

    /// What an act of administration was answered first; none: it was not carried out, or is older
    /// than [`crate::limits::REQUEST_WINDOW`].
    pub fn first_answer(&self, id: RequestId) -> Option<&FirstAnswer> {
        self.requests.find(id)
    }

    /// The nodes to which an ingress has streams, by number.
    pub fn streams_of(&self, ingress: &PrincipalId) -> &[NodeId] {
        self.ingresses.get(ingress).map_or(&[], Vec::as_slice)
    }

    /// Live contacts, agents, queues and sites.
    pub fn counts(&self) -> (usize, usize, usize, usize) {
        (self.contacts.len(), self.agents.len(), self.queues.len(), self.sites.len())
    }

    /// The tables, for reads that need more than one object. Their iteration order means nothing.
    pub fn tables(&self) -> Tables<'_> {
        Tables {
            contacts: &self.contacts,
            agents: &self.agents,
            queues: &self.queues,
            sites: &self.sites,
        }
    }

    /// The state hash: the same on every replica that applied the same log.
    pub fn state_hash(&self) -> u128 {
        let remembered = if mutated!(self, MemoryNotInSnapshot) {
            [0, 0]
        } else {
            [self.closed.sum(), self.requests.sum()]
        };
        let tables = [
            self.contacts.sum(),
            self.agents.sum(),
            self.queues.sum(),
            self.sites.sum(),
            self.skills.sum(),
            self.calendars.sum(),
            self.principals.sum(),
        ];
        tables.into_iter().chain(remembered).fold(self.globals_hash(), u128::wrapping_add)
    }

    /// The state hash computed from nothing.
    pub fn recompute_state_hash(&self) -> u128 {
        let mut digest = Digest::default();
        let names = self.contact_names();
        let tables = [
            self.contacts.recompute_sum(names, &mut digest),
            self.agents.recompute_sum(&self.sites, &mut digest),
            self.queues.recompute_sum((), &mut digest),
            self.sites.recompute_sum((), &mut digest),
            self.skills.recompute_sum((), &mut digest),
            self.calendars.recompute_sum((), &mut digest),
            self.principals.recompute_sum((), &mut digest),
            self.closed.recompute_sum(&mut digest),
            self.requests.recompute_sum(&mut digest),
        ];
        tables.into_iter().fold(self.globals_hash(), u128::wrapping_add)
    }

    fn globals_hash(&self) -> u128 {
        let mut out = Digest::default();
        out.start(0);
        out.option(self.cluster.as_ref(), |out, name| {
            out.str(name.as_str());
        });
        out.u32(self.version)
            .u8(u8::from(self.replay))
            .u64(self.clocks.now.0)
            .u64(self.clocks.gaps.0);
        out.u64(self.last_seq.0).u64(self.last_node);
        let Settings {
            unreachable_for,
            orphan_after,
            stranded_for,
            stranded_callback_for,
            calendar_alarm_before,
            day_starts,
        } = &self.settings;
        for ms in [unreachable_for, orphan_after, stranded_for, stranded_callback_for] {
            out.u64(ms.0);
        }
        out.u64(calendar_alarm_before.0).list(day_starts.iter(), |out, start| {
            out.u64(start.0);
        });
        out.u64(self.settings_revision.0);
        out.list(self.nodes.values(), |out, node| node.digest(&self.sites, out));
        out.u64(self.members_revision.0);
        out.list(self.tokens.values(), |out, token| token.digest(out));
        out.list(self.ingresses.iter(), |out, (id, nodes)| {
            out.str(id.as_str()).list(nodes.iter(), |out, node| {
                out.u64(node.0);
            });
        });
        out.finish()
    }

    // -- Shared by everything that changes the state -------------------------------------------------

    pub(crate) fn contact_names(&self) -> ContactNames<'_> {
        ContactNames { queues: &self.queues, agents: &self.agents, sites: &self.sites }
    }

    /// What decisions read.
    pub(crate) fn view(&self) -> View<'_> {
        view!(self)
    }

    /// Draws a number.
    pub(crate) fn next_seq(&mut self) -> Seq {
        self.last_seq.0 += 1;
        self.last_seq
    }
}

/// The tables, for reads that need more than one object.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    pub(crate) contacts: &'a Table<Contact>,
    pub(crate) agents: &'a Table<Agent>,
    pub(crate) queues: &'a Table<Queue>,
    pub(crate) sites: &'a Table<Site>,
}

impl<'a> Tables<'a> {
    /// Live contacts, in no order that means anything.
    pub fn contacts(self) -> impl Iterator<Item = &'a Contact> {
        self.contacts.iter()
    }

    /// Agents, in no order that means anything.
    pub fn agents(self) -> impl Iterator<Item = &'a Agent> {
        self.agents.iter()
    }

    /// Queues, in no order that means anything.
    pub fn queues(self) -> impl Iterator<Item = &'a Queue> {
        self.queues.iter()
    }

    /// Sites, in no order that means anything.
    pub fn sites(self) -> impl Iterator<Item = &'a Site> {
        self.sites.iter()
    }

    /// An agent's offers and contacts, in the order they came.
    pub fn work_of(self, agent: &'a Agent) -> impl Iterator<Item = &'a Contact> {
        agent.work.iter().map(move |contact| self.contacts.get(*contact))
    }

    /// The agent an offer is with.
    pub fn agent(self, slot: Slot<Agent>) -> &'a Agent {
        self.agents.get(slot)
    }

    /// The queue a contact is in.
    pub fn queue(self, slot: Slot<Queue>) -> &'a Queue {
        self.queues.get(slot)
    }

    /// A site that an entity refers to.
    pub fn site(self, slot: Slot<Site>) -> &'a Site {
        self.sites.get(slot)
    }
}
