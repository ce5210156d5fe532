//! Who is attached to this node, and what they are told.
//!
//! ```text
//!   ring of events ──▶ one task ──┬─ whose agent or contact? ─▶ the state: what is true now
//!                                 ├─▶ outboxes of desktops      (what changed of it)
//!                                 └─▶ outboxes of front ends    (the event, as it happened)
//! ```
//!
//! However many are attached, one task follows the ring, and looks at each event once: it costs a
//! lookup of the agent or the contact in the state, and one of who is attached. Whose contact it is
//! says the state, so nothing is kept here per contact. A desktop is told what is true (see
//! `desk`), a front end what happened, from the entry on that was applied when it
//! attached.
//!
//! Attaching looks at the state and takes its place in one step, under the lock that each entry is
//! told under: nothing falls between what a party was told first and what follows.
//!
//! Whatever ends a place here without the cluster's knowledge leaves a debt: see
//! `reaper`.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acd::Centre;
use acd::codec::event_to_stored;
use acd::event::{ContactEvent, Event};
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, SessionEpoch};
use openraft_rt::{AsyncRuntime, Select2};
use proto::api::v1::desktop_event::Why;
use proto::api::v1::{DesktopEvent, IngressEvent, ingress_event};
use proto::stored::v1 as stored;
use tonic::Status;

use super::desk::{self, Desk};
use super::outbox::{Outbox, TooMany};
use super::reaper::Debts;
use crate::replica::{Ended, EntryEvents, State, View, Watch};
use crate::shutdown::Shutdown;

mod places;
#[cfg(test)]
mod tests;

pub(super) use places::{DeskPlace, LinePlace};

/// Messages that may wait for a desktop: an agent has at most 80 contacts, so this is all of them
/// three times over.
pub(super) const DESKTOP_WAITING_MAX: usize = 256;
/// Messages that may wait for a front end: 0.4 s at 10,000 events a second.
pub(super) const INGRESS_WAITING_MAX: usize = 4_096;
/// Streams of one front end to one node. Two are a change of processes; more is a leak.
pub(super) const STREAMS_PER_INGRESS_MAX: usize = 16;
/// Sessions that are listed anew before the state is given free for a moment. Listing one takes
/// some 2 µs.
const LISTED_AT_ONCE: usize = 256;

/// Who is attached to this node.
pub(super) struct Hub {
    node: NodeId,
    state: State,
    debts: Arc<Debts>,
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    /// The node ends.
    is_closed: bool,
    /// Places that are taken, also those whose party is over and was not read yet.
    taken: usize,
    /// Sessions on this node.
    desks: BTreeMap<AgentId, OpenDesk>,
    /// Log-ins under way.
    joining: BTreeMap<AgentId, u32>,
    /// Agents of whom a log-in was left without its outcome, which may still come to be. Never more
    /// than there are on the roster; one stays for the life of the node, for nobody can say until
    /// when a log entry may come to be committed.
    doubtful: BTreeSet<AgentId>,
    /// Front ends with streams to this node, open or being opened.
    ingresses: BTreeMap<PrincipalId, FrontEnd>,
    /// The same of front ends: principals with roles.
    doubtful_ingresses: BTreeSet<PrincipalId>,
    /// The number of the last stream.
    last_line: u64,
}

struct OpenDesk {
    epoch: SessionEpoch,
    desk: Desk,
    outbox: Arc<Outbox<DesktopEvent>>,
}

#[derive(Default)]
struct FrontEnd {
    /// Streams being opened.
    attaching: usize,
    lines: Vec<Line>,
}

/// A stream of a front end.
struct Line {
    number: u64,
    /// What happened up to here is not told.
    after: u64,
    outbox: Arc<Outbox<IngressEvent>>,
}

/// A front end has as many streams as it may have, or the node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    TooMany,
    Closed,
}

impl Hub {
    /// Nobody is attached yet. [`follow`](Self::follow) goes on from the watch.
    pub(super) fn new(node: NodeId, state: State, debts: Arc<Debts>) -> (Arc<Self>, Watch) {
        let ((), watch) = state.watch(|_| ());
        (Arc::new(Self { node, state, debts, routes: Mutex::default() }), watch)
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        // Nothing in here panics half-way.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody what happens, until the shutdown.
    pub(super) async fn follow<RT: AsyncRuntime>(
        self: Arc<Self>,
        mut watch: Watch,
        shutdown: Shutdown,
    ) {
        loop {
            let next = {
                let shutdown = pin!(shutdown.wait());
                let next = pin!(watch.next());
                RT::select2(shutdown, next).await
            };
            match next {
                Select2::First(()) => return,
                Select2::Second(Ok(entry)) => self.tell(&entry),
                Select2::Second(Err(Ended::Compacted | Ended::Behind)) => watch = self.list_anew(),
                // The node ends, or has stopped: nothing that is true is learnt here any more.
                Select2::Second(Err(Ended::Closed)) => {
                    self.close();
                    return shutdown.wait().await;
                }
            }
        }
    }

    /// Tells whom it concerns what happened in an entry.
    fn tell(&self, entry: &EntryEvents) {
        let mut routes = self.routes();
        let routes = &mut *routes;
        if routes.nobody_cares() {
            return;
        }
        let view = self.state.view();
        let centre = view.centre();
        // Agents to look at, and why they are offline, if they are.
        let mut touched: BTreeMap<AgentId, Option<Why>> = BTreeMap::new();
        for event in &entry.events {
            match event {
                Event::Contact { contact, what } => {
                    if !routes.desks.is_empty()
                        && let Some(agent) = agent_of(centre, contact, what)
                        && routes.desks.contains_key(agent)
                    {
                        touched.entry(agent.clone()).or_default();
                    }
                    if !routes.ingresses.is_empty()
                        && let Some(ingress) = ingress_of(centre, contact, what)
                        && let Some(front_end) = routes.ingresses.get_mut(ingress)
                    {
                        let is_idle = front_end.tell(ingress, entry.index, event);
                        if is_idle {
                            let ingress = ingress.clone();
                            routes.line_is_gone(&self.debts, &ingress);
                        }
                    }
                }
                Event::Agent { agent, what }
                    if routes.desks.contains_key(agent) || routes.doubtful.contains(agent) =>
                {
                    let why = touched.entry(agent.clone()).or_default();
                    *why = why.or(desk::why_offline(what));
                }
                Event::IngressStreams { ingress, .. } => {
                    routes.check_streams(self, centre, ingress, entry.index);
                }
                _ => {}
            }
        }
        for (agent, why_offline) in touched {
            routes.look_at(self, &view, &agent, why_offline);
            routes.check_doubt(self, centre, &agent);
        }
    }

    /// What happened meanwhile is not known: sessions get everything anew, front ends attach again.
    fn list_anew(&self) -> Watch {
        let mut routes = self.routes();
        let routes = &mut *routes;
        tracing::info!(
            sessions = routes.desks.len(),
            "the state was replaced, or events were missed: all that are attached begin anew"
        );
        let ((), watch) = self.state.watch(|_| ());
        for front_end in routes.ingresses.values_mut() {
            for line in front_end.lines.drain(..) {
                line.compact(watch.token().index);
            }
        }
        let ingresses: Vec<_> = routes.ingresses.keys().cloned().collect();
        for ingress in ingresses {
            routes.line_is_gone(&self.debts, &ingress);
        }
        let agents: BTreeSet<_> = routes.desks.keys().chain(&routes.doubtful).cloned().collect();
        let agents: Vec<_> = agents.into_iter().collect();
        for agents in agents.chunks(LISTED_AT_ONCE) {
            let view = self.state.view();
            for agent in agents {
                routes.open_anew(&view, agent);
                routes.check_doubt(self, view.centre(), agent);
            }
        }
        for ingress in std::mem::take(&mut routes.doubtful_ingresses) {
            let is_attached = self.is_attached(self.state.view().centre(), &ingress);
            if is_attached && !routes.ingresses.contains_key(&ingress) {
                self.debts.owe_detach(ingress.clone());
            }
            routes.doubtful_ingresses.insert(ingress);
        }
        watch
    }

    /// Ends everything: this node does.
    pub(super) fn close(&self) {
        let mut routes = self.routes();
        routes.is_closed = true;
        let index = self.state.last_applied();
        for (_, open) in std::mem::take(&mut routes.desks) {
            open.outbox.end(desk::ended(index, Why::NodeEnding));
        }
        for (_, front_end) in std::mem::take(&mut routes.ingresses) {
            for line in front_end.lines {
                line.outbox.fail(Status::unavailable("this node is ending; attach to another"));
            }
        }
    }

    /// How many have a place, or have not read yet that it is over.
    pub(super) fn taken(&self) -> usize {
        self.routes().taken
    }

    fn is_attached(&self, centre: &Centre, ingress: &PrincipalId) -> bool {
        centre.streams_of(ingress).contains(&self.node)
    }
}

/// The agent on whose desk an event changes something.
fn agent_of<'a>(
    centre: &'a Centre,
    contact: &ContactId,
    what: &'a ContactEvent,
) -> Option<&'a AgentId> {
    match what {
        ContactEvent::Offered { agent, .. }
        | ContactEvent::OfferEnded { agent, .. }
        | ContactEvent::Accepted { agent, .. }
        | ContactEvent::Connected { agent, .. }
        | ContactEvent::WrapUpStarted { agent }
        | ContactEvent::Transferred { agent, .. } => Some(agent),
        ContactEvent::Closed(record) => record.agent.as_ref(),
        // If it is with nobody any more, a later event says with whom it was.
        ContactEvent::Held
        | ContactEvent::Retrieved
        | ContactEvent::Orphaned { .. }
        | ContactEvent::Adopted => {
            let with = centre.contact(contact)?.stage.engagement()?;
            Some(centre.tables().agent(with.agent).id())
        }
        _ => None,
    }
}

/// Whose contact it is. None: it was closed so long ago that nobody knows.
fn ingress_of<'a>(
    centre: &'a Centre,
    contact: &ContactId,
    what: &'a ContactEvent,
) -> Option<&'a PrincipalId> {
    match what {
        ContactEvent::Enqueued { ingress, .. } => Some(ingress),
        ContactEvent::Closed(record) => Some(&record.ingress),
        _ => match centre.contact(contact) {
            Some(live) => Some(&live.ingress),
            None => centre.closed_contact(contact).map(|closed| &closed.ingress),
        },
    }
}

impl Routes {
    fn nobody_cares(&self) -> bool {
        self.desks.is_empty()
            && self.ingresses.is_empty()
            && self.doubtful.is_empty()
            && self.doubtful_ingresses.is_empty()
    }

    /// Tells a session what has changed, or that it is over.
    fn look_at(&mut self, hub: &Hub, view: &View<'_>, agent: &AgentId, why_offline: Option<Why>) {
        let Some(open) = self.desks.get_mut(agent) else { return };
        let (centre, index) = (view.centre(), index_of(view));
        match desk::present(centre, agent, open.epoch) {
            Ok(found) => {
                let outbox = &open.outbox;
                let told =
                    open.desk.tell_changes(centre, index, found, |message| outbox.tell(message));
                if let Err(TooMany) = told {
                    tracing::info!(%agent, "session cut off: the desktop does not read");
                    outbox.fail(cut_off(DESKTOP_WAITING_MAX));
                    hub.debts.owe_session(agent.clone(), open.epoch);
                    self.desks.remove(agent);
                }
            }
            Err(why) => {
                // If nothing says why yet, that is in a later entry, which the state has already.
                if let Some(why) = why.or(why_offline) {
                    self.end_desk(agent, index, why);
                }
            }
        }
    }

    /// Tells a session everything, or that it is over.
    fn open_anew(&mut self, view: &View<'_>, agent: &AgentId) {
        let Some(open) = self.desks.get_mut(agent) else { return };
        let (centre, index) = (view.centre(), index_of(view));
        match desk::present(centre, agent, open.epoch) {
            Ok(found) => {
                let (desk, opened) = Desk::open(centre, index, found, open.epoch);
                open.desk = desk;
                open.outbox.tell_anew(opened);
            }
            Err(why) => self.end_desk(agent, index, why.unwrap_or(Why::Lost)),
        }
    }

    fn end_desk(&mut self, agent: &AgentId, index: u64, why: Why) {
        if let Some(open) = self.desks.remove(agent) {
            tracing::debug!(%agent, epoch = open.epoch.0, ?why, "session over");
            open.outbox.end(desk::ended(index, why));
        }
    }

    /// A log-in may come to be that nobody will hear of. Names that are on no roster cannot be logged
    /// in.
    fn doubt_agent(&mut self, centre: &Centre, agent: &AgentId) {
        if centre.agent(agent).is_some() {
            self.doubtful.insert(agent.clone());
        }
    }

    /// Whether a log-in that nobody heard the outcome of came to be: then it is a session without a
    /// stream.
    fn check_doubt(&mut self, hub: &Hub, centre: &Centre, agent: &AgentId) {
        if !self.doubtful.contains(agent) || self.joining.contains_key(agent) {
            return;
        }
        let session = centre.agent(agent).and_then(|agent| agent.live_session());
        let Some(session) = session.filter(|session| session.node == hub.node) else { return };
        if self.desks.get(agent).is_none_or(|open| open.epoch != session.epoch) {
            hub.debts.owe_session(agent.clone(), session.epoch);
        }
    }

    /// The nodes to which a front end is attached have changed.
    fn check_streams(&mut self, hub: &Hub, centre: &Centre, ingress: &PrincipalId, index: u64) {
        let is_attached = hub.is_attached(centre, ingress);
        match self.ingresses.get_mut(ingress) {
            // The cluster took this node for lost, or a late word of an earlier stream ended this
            // one: contacts may be stranded that the front end has.
            Some(front_end) if !is_attached => {
                let lines = std::mem::take(&mut front_end.lines);
                let (over, rest) = lines.into_iter().partition(|line| line.after < index);
                front_end.lines = rest;
                for line in over {
                    line.compact(index);
                }
                self.line_is_gone(&hub.debts, ingress);
            }
            Some(_) => {}
            None if is_attached && self.doubtful_ingresses.contains(ingress) => {
                hub.debts.owe_detach(ingress.clone());
            }
            None => {}
        }
    }

    /// A stream of a front end is gone. After the last one the cluster is told.
    fn line_is_gone(&mut self, debts: &Debts, ingress: &PrincipalId) {
        let front_end = self.ingresses.get(ingress);
        if front_end.is_some_and(|f| f.lines.is_empty() && f.attaching == 0) {
            self.ingresses.remove(ingress);
            debts.owe_detach(ingress.clone());
        }
    }
}

fn index_of(view: &View<'_>) -> u64 {
    view.applied().map_or(0, |id| id.index)
}

fn cut_off(waiting_max: usize) -> Status {
    let words = format!("cut off: {waiting_max} messages waited to be read; open a new stream");
    Status::resource_exhausted(words)
}

impl FrontEnd {
    /// Tells every stream an event. Whether the last stream was cut off by that.
    fn tell(&mut self, ingress: &PrincipalId, index: u64, event: &Event) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        let stored = event_to_stored(event);
        let Some(stored::event::Event::Contact(happened)) = stored.event else { return false };
        let happened = ingress_event::Event::Happened(happened);
        self.lines.retain(|line| {
            if index <= line.after {
                return true;
            }
            let told = line.outbox.tell(IngressEvent { index, event: Some(happened.clone()) });
            if told == Err(TooMany) {
                tracing::info!(%ingress, "stream cut off: the front end does not read");
                line.outbox.fail(cut_off(INGRESS_WAITING_MAX));
            }
            told.is_ok()
        });
        self.lines.is_empty()
    }
}

impl Line {
    fn compact(self, index: u64) {
        let compacted = ingress_event::Event::Compacted(ingress_event::Compacted {});
        self.outbox.end(IngressEvent { index, event: Some(compacted) });
    }
}
