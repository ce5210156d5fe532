//! Places in the hub: taken when a stream has been opened, left when it is dropped. However it ends,
//! at whatever point, what the cluster does not know of becomes a debt.

use std::sync::Arc;

use acd::ids::{AgentId, PrincipalId, SessionEpoch};
use proto::api::v1::desktop_event::Why;
use proto::api::v1::{DesktopEvent, IngressEvent};

use super::{Hub, Line, NoPlace, OpenDesk, STREAMS_PER_INGRESS_MAX, index_of};
use crate::api::desk::{self, Desk};
use crate::api::outbox::Outbox;

// -- Sessions -----------------------------------------------------------------------------------

/// A log-in under way. However it ends, a session that came of it and has no stream is reported as
/// lost.
pub(in crate::api) struct Joining {
    hub: Arc<Hub>,
    agent: AgentId,
    /// A log-in was sent, and nobody knows what became of it.
    in_doubt: bool,
    /// A session is open that has no place yet.
    session: Option<SessionEpoch>,
}

impl Hub {
    /// Before a log-in is sent.
    pub(in crate::api) fn joining(self: &Arc<Self>, agent: AgentId) -> Joining {
        *self.routes().joining.entry(agent.clone()).or_default() += 1;
        Joining { hub: self.clone(), agent, in_doubt: false, session: None }
    }
}

impl Joining {
    /// A log-in is sent, perhaps more than once.
    pub(in crate::api) fn sent(&mut self) {
        self.in_doubt = true;
    }

    /// Nobody will ever say what became of one of them.
    pub(in crate::api) fn doubt(&self) {
        let mut routes = self.hub.routes();
        routes.doubt_agent(self.hub.state.view().centre(), &self.agent);
    }

    /// The last one came to nothing.
    pub(in crate::api) fn came_to_nothing(&mut self) {
        self.in_doubt = false;
    }

    /// It opened this session.
    pub(in crate::api) fn opened(&mut self, epoch: SessionEpoch) {
        self.in_doubt = false;
        self.session = Some(epoch);
    }

    /// Takes the session's place. The state must have the entry that opened it. `opened` is told to
    /// the outbox.
    ///
    /// # Errors
    ///
    /// Why the session is over already.
    pub(in crate::api) fn take_place(
        mut self,
        outbox: Arc<Outbox<DesktopEvent>>,
    ) -> Result<DeskPlace, Why> {
        // A session that was not opened is not there.
        let epoch = self.session.ok_or(Why::Lost)?;
        let hub = self.hub.clone();
        let mut routes = hub.routes();
        if routes.is_closed {
            // The session is reported as lost when this is dropped, after the lock.
            drop(routes);
            return Err(Why::NodeEnding);
        }
        let placed = {
            let view = hub.state.view();
            let (centre, index) = (view.centre(), index_of(&view));
            desk::present(centre, &self.agent, epoch)
                .map_err(|why| why.unwrap_or(Why::Lost))
                .map(|agent| (Desk::open(centre, index, agent, epoch), index))
        };
        let ((desk, opened), index) = match placed {
            Ok(placed) => placed,
            Err(why) => {
                self.session = None;
                drop(routes);
                return Err(why);
            }
        };
        self.session = None;
        routes.end_desk(&self.agent, index, Why::TakenOver);
        outbox.tell_anew(opened);
        routes.desks.insert(self.agent.clone(), OpenDesk { epoch, desk, outbox });
        routes.taken += 1;
        drop(routes);
        Ok(DeskPlace { hub: self.hub.clone(), agent: self.agent.clone(), epoch, is_over: false })
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut routes = self.hub.routes();
        if let Some(under_way) = routes.joining.get_mut(&self.agent) {
            *under_way -= 1;
            if *under_way == 0 {
                routes.joining.remove(&self.agent);
            }
        }
        if let Some(epoch) = self.session {
            self.hub.debts.owe_session(self.agent.clone(), epoch);
        }
        let view = self.hub.state.view();
        if self.in_doubt {
            routes.doubt_agent(view.centre(), &self.agent);
        }
        routes.check_doubt(&self.hub, view.centre(), &self.agent);
    }
}

/// A session's place. Dropped, the session is reported as lost, unless it is over.
pub(in crate::api) struct DeskPlace {
    hub: Arc<Hub>,
    agent: AgentId,
    epoch: SessionEpoch,
    is_over: bool,
}

impl DeskPlace {
    /// The fence.
    pub(in crate::api) fn epoch(&self) -> SessionEpoch {
        self.epoch
    }

    /// The cluster knows that the session is over.
    pub(in crate::api) fn logged_out(&mut self) {
        self.is_over = true;
    }
}

impl Drop for DeskPlace {
    fn drop(&mut self) {
        let mut routes = self.hub.routes();
        routes.taken -= 1;
        if routes.desks.get(&self.agent).is_none_or(|open| open.epoch != self.epoch) {
            return; // Ended from here.
        }
        routes.desks.remove(&self.agent);
        if !self.is_over {
            tracing::debug!(agent = %self.agent, epoch = self.epoch.0, "session lost: its stream broke");
            self.hub.debts.owe_session(self.agent.clone(), self.epoch);
        }
    }
}

// -- Front ends ---------------------------------------------------------------------------------

/// A stream of a front end that is being opened.
pub(in crate::api) struct Attaching {
    hub: Arc<Hub>,
    ingress: PrincipalId,
    in_doubt: bool,
}

impl Hub {
    /// Before a front end's stream is reported.
    ///
    /// # Errors
    ///
    /// If it has as many as it may have.
    pub(in crate::api) fn attaching(
        self: &Arc<Self>,
        ingress: PrincipalId,
    ) -> Result<Attaching, NoPlace> {
        let mut routes = self.routes();
        if routes.is_closed {
            return Err(NoPlace::Closed);
        }
        let front_end = routes.ingresses.entry(ingress.clone()).or_default();
        if front_end.attaching + front_end.lines.len() >= STREAMS_PER_INGRESS_MAX {
            return Err(NoPlace::TooMany);
        }
        front_end.attaching += 1;
        drop(routes);
        self.debts.forgive_detach(&ingress);
        Ok(Attaching { hub: self.clone(), ingress, in_doubt: false })
    }

    /// Does something if a front end has no stream here and is not about to, before it can be; whether
    /// it was done.
    pub(in crate::api) fn if_without_streams(
        &self,
        ingress: &PrincipalId,
        act: impl FnOnce(),
    ) -> bool {
        let routes = self.routes();
        let is_without = !routes.ingresses.contains_key(ingress);
        if is_without {
            act();
        }
        is_without
    }
}

impl Attaching {
    /// The stream is being reported.
    pub(in crate::api) fn sent(&mut self) {
        self.in_doubt = true;
    }

    /// What became of that is known.
    pub(in crate::api) fn answered(&mut self) {
        self.in_doubt = false;
    }

    /// Takes the stream's place: what happens from now on is told to the outbox. The state must have
    /// the entry by which it was attached. None: it is not attached any more.
    pub(in crate::api) fn take_place(self, outbox: Arc<Outbox<IngressEvent>>) -> Option<LinePlace> {
        let hub = self.hub.clone();
        let mut routes = hub.routes();
        let (is_attached, after) = {
            let view = hub.state.view();
            (hub.is_attached(view.centre(), &self.ingress), index_of(&view))
        };
        if routes.is_closed || !is_attached {
            drop(routes);
            return None;
        }
        routes.last_line += 1;
        routes.taken += 1;
        let number = routes.last_line;
        let front_end = routes.ingresses.entry(self.ingress.clone()).or_default();
        front_end.lines.push(Line { number, after, outbox });
        drop(routes);
        Some(LinePlace { hub: self.hub.clone(), ingress: self.ingress.clone(), number })
    }
}

impl Drop for Attaching {
    fn drop(&mut self) {
        let mut routes = self.hub.routes();
        // Whoever has no role cannot be attached, whatever it calls itself.
        let has_roles = || self.hub.state.view().centre().principal(&self.ingress).is_some();
        if self.in_doubt && has_roles() {
            routes.doubtful_ingresses.insert(self.ingress.clone());
        }
        if let Some(front_end) = routes.ingresses.get_mut(&self.ingress) {
            front_end.attaching -= 1;
            routes.line_is_gone(&self.hub.debts, &self.ingress);
        }
    }
}

/// A stream's place. Dropped, and the last one here, the front end is reported as detached.
pub(in crate::api) struct LinePlace {
    hub: Arc<Hub>,
    ingress: PrincipalId,
    number: u64,
}

impl Drop for LinePlace {
    fn drop(&mut self) {
        let mut routes = self.hub.routes();
        routes.taken -= 1;
        let Some(front_end) = routes.ingresses.get_mut(&self.ingress) else { return };
        let before = front_end.lines.len();
        front_end.lines.retain(|line| line.number != self.number);
        if front_end.lines.len() < before {
            tracing::debug!(ingress = %self.ingress, "stream of a front end closed");
            routes.line_is_gone(&self.hub.debts, &self.ingress);
        }
    }
}
