//! Cities.

use acd::command::SiteCommand;
use acd::config::{ReturnMode, SiteConfig, SitePolicy};
use acd::event::{Alarm, Event, ObjectKind, OfferEnd, OverflowCause, SiteState};
use acd::ids::{NodeId, Revision, SiteId};
use acd::metrics::Block;
use acd::record::Outcome as Ending;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::site::{Drain, NodeRole};
use acd::time::Millis;

use super::config::{in_use, revision_is, within};
use super::things::{Agent, Contact, Site, Stage};
use super::{Model, Outcome};

impl Model {
    pub fn site_command(&mut self, command: SiteCommand) -> Outcome {
        match command {
            SiteCommand::Put { config, expected } => {
                let config = config.normalise()?;
                let id = config.id.clone();
                let old = self.sites.get(&id).map(|s| s.revision);
                revision_is(id.as_str(), expected, old)?;
                if old.is_some() {
                    let site = self.sm(&id);
                    site.config = config;
                    site.revision += 1;
                } else {
                    self.new_site(config);
                }
                self.revised(ObjectKind::Site, id.as_str(), old.unwrap_or(0) + 1)
            }
            SiteCommand::Delete { site, expected } => self.delete_site(&site, expected),
            SiteCommand::AddNode { site } => {
                self.find_site(&site)?;
                Ok(Reply::NodeAdded { node: self.new_node(&site, NodeRole::Voter, None) })
            }
            SiteCommand::IssueToken { hash, site, role, ttl } => {
                self.issue_token(hash, site, role, ttl)
            }
            SiteCommand::RevokeToken { token } => self.revoke_token(token),
            SiteCommand::RedeemToken { hash, key, incarnation, address } => {
                self.redeem_token(hash, (key, incarnation), address)
            }
            SiteCommand::SetNodeRole { node, role, fewer, expected } => {
                self.set_node_role(node, role, fewer, expected)
            }
            SiteCommand::RetireNode { node, fewer, expected } => {
                self.retire_node(node, fewer, expected)
            }
            SiteCommand::RemoveNode { node } => self.remove_node(node),
            SiteCommand::NodeLost { node } => self.lose_node(node).map(|()| Reply::Done),
            SiteCommand::Suspect { site } => {
                let was = self.find_site(&site)?.state;
                self.sm(&site).silent = true;
                if was == SiteState::Active {
                    self.enter_state(&site, SiteState::Suspect);
                }
                Ok(Reply::Done)
            }
            SiteCommand::Heard { site } => {
                let was = self.find_site(&site)?.state;
                self.sm(&site).silent = false;
                if was == SiteState::Suspect {
                    self.enter_state(&site, SiteState::Active);
                }
                Ok(Reply::Done)
            }
            SiteCommand::Lost { site } => {
                if self.find_site(&site)?.state != SiteState::Lost {
                    self.lose_site(&site);
                }
                Ok(Reply::Done)
            }
            SiteCommand::CaughtUp { site } => self.caught_up(&site),
            SiteCommand::DeclareLost { site, expected } => {
                self.decide(&site, expected, |state| state != SiteState::Lost)?;
                self.lose_site(&site);
                self.site_revised(&site)
            }
            SiteCommand::Drain { site, deadline, expiry, callback, force, expected } => {
                within(deadline, 1)?;
                within(expiry, 1)?;
                self.decide(&site, expected, |state| {
                    matches!(
                        state,
                        SiteState::Active | SiteState::Suspect | SiteState::Returning { .. }
                    )
                })?;
                let (deadline, expiry) = (self.now.plus(deadline), self.now.plus(expiry));
                let (deadline_passed, expired) = (false, false);
                self.sm(&site).drain =
                    Some(Drain { deadline, expiry, callback, force, deadline_passed, expired });
                self.enter_state(&site, SiteState::Draining);
                self.site_revised(&site)
            }
            SiteCommand::CancelDrain { site, expected } => {
                let found = self.find_site(&site)?;
                if found.drain.is_none() {
                    let state = found.state.word();
                    return Err(Rejection::WrongSiteState { site: site.as_str().into(), state });
                }
                self.decide(&site, expected, |_| true)?;
                self.lift_drain(&site);
                self.site_revised(&site)
            }
            SiteCommand::Return { site, expected } => {
                self.decide(&site, expected, |state| {
                    matches!(
                        state,
                        SiteState::Returning { .. } | SiteState::Drained | SiteState::Draining
                    )
                })?;
                self.sm(&site).drain = None;
                self.enter_state(&site, SiteState::Active);
                self.site_revised(&site)
            }
        }
    }

    /// Refuses an operator's decision about another revision, or in a state it does not fit.
    fn decide(
        &self,
        id: &SiteId,
        expected: Option<Revision>,
        allowed: impl Fn(SiteState) -> bool,
    ) -> Result<(), Rejection> {
        let site = self.find_site(id)?;
        revision_is(id.as_str(), expected, Some(site.revision))?;
        if allowed(site.state) {
            return Ok(());
        }
        Err(Rejection::WrongSiteState { site: id.as_str().into(), state: site.state.word() })
    }

    fn site_revised(&mut self, id: &SiteId) -> Outcome {
        self.sm(id).revision += 1;
        self.revised(ObjectKind::Site, id.as_str(), self.sites[id].revision)
    }

    pub fn new_site(&mut self, config: SiteConfig) {
        let (seq, state) = (self.next_seq(), SiteState::Active);
        let metrics = Block::default();
        let id = config.id.clone();
        self.sites.insert(
            id,
            Site { config, seq, revision: 1, state, silent: false, drain: None, metrics },
        );
    }

    fn delete_site(&mut self, id: &SiteId, expected: Option<Revision>) -> Outcome {
        revision_is(id.as_str(), expected, Some(self.find_site(id)?.revision))?;
        let agent_uses = |a: &Agent| {
            let session = a.session.as_ref().is_some_and(|s| s.site == *id);
            a.config.home_site == *id || a.home_site() == id || session
        };
        let contact_uses =
            |c: &Contact| c.site == *id || c.with.as_ref().is_some_and(|w| w.site == *id);
        let shares = |policy: &SitePolicy| match policy {
            SitePolicy::Shares(shares) => shares.iter().any(|(site, _)| site == id),
            _ => false,
        };
        let used = self.nodes.values().any(|node| node.site == *id)
            || self.agents.values().any(agent_uses)
            || self.principals.values().any(|p| p.site.as_ref() == Some(id))
            || self.queues.values().any(|q| {
                q.config.steps.iter().any(|s| s.sites.contains(id)) || shares(&q.config.site_policy)
            })
            || self.contacts.values().any(contact_uses);
        in_use(id.as_str(), used)?;
        self.sites.remove(id);
        self.deleted(ObjectKind::Site, id.as_str())
    }

    // -- What is lost ------------------------------------------------------------------------------------

    pub fn lose_sessions(&mut self, which: impl Fn(&Agent) -> bool) {
        for agent in self.agents_by_seq() {
            if self.agents[&agent].works_at().is_some() && which(&self.agents[&agent]) {
                self.lose_session(&agent);
            }
        }
    }

    pub fn lose_streams(&mut self, node: NodeId) {
        for ingress in self.ingresses.keys().cloned().collect::<Vec<_>>() {
            self.lose_stream(&ingress, node);
        }
    }

    // -- States -----------------------------------------------------------------------------------

    pub fn set_site_state(&mut self, id: &SiteId, state: SiteState) {
        self.sm(id).state = state;
        self.events.push(Event::Site { site: id.clone(), state });
    }

    /// Sets a site's state, and lets go whom it kept.
    fn enter_state(&mut self, id: &SiteId, state: SiteState) {
        let site = &self.sites[id];
        let was_out = is_out(site.state);
        // Nobody is in service of whom nothing is heard.
        let silent = site.silent && state == SiteState::Active;
        let state = if silent { SiteState::Suspect } else { state };
        self.set_site_state(id, state);
        if !was_out && is_out(state) {
            // Who waits for agents there may leave.
            let stuck = |c: &Contact| {
                let policy = &self.queues[&c.queue].config.site_policy;
                let local = matches!(policy, SitePolicy::LocalFirst { .. });
                local && c.site == *id && !c.spilled && c.stage == Stage::Queued
            };
            for contact in self.pick(stuck, Contact::place) {
                self.wait(&contact);
            }
        }
    }

    fn lose_site(&mut self, id: &SiteId) {
        self.sm(id).silent = false;
        self.enter_state(id, SiteState::Lost);
        self.lose_sessions(|a| a.session.as_ref().is_some_and(|s| s.site == *id));
        let nodes: Vec<NodeId> =
            self.nodes.iter().filter(|(_, node)| node.site == *id).map(|(id, _)| *id).collect();
        for node in nodes {
            self.lose_streams(node);
        }
    }

    fn caught_up(&mut self, id: &SiteId) -> Outcome {
        let site = self.find_site(id)?;
        if site.state != SiteState::Lost {
            return Ok(Reply::Done);
        }
        // A drain outlives the loss, even if it expired meanwhile.
        if let Some(drain) = site.drain {
            self.enter_state(id, SiteState::Draining);
            // A deadline that passed while nobody was there is made up for.
            let in_time = drain.deadline <= drain.expiry;
            if !drain.deadline_passed && drain.deadline <= self.now && in_time {
                self.drain_deadline(id, drain);
            }
            return Ok(Reply::Done);
        }
        let state = match site.config.return_mode {
            ReturnMode::After(Millis::ZERO) => SiteState::Active,
            ReturnMode::After(hold) => SiteState::Returning { until: Some(self.now.plus(hold)) },
            ReturnMode::ByHand => SiteState::Returning { until: None },
        };
        self.sm(id).drain = None;
        self.enter_state(id, state);
        Ok(Reply::Done)
    }

    pub fn review_site(&mut self, id: &SiteId) {
        let now = self.now;
        let site = &self.sites[id];
        match (site.state, site.drain) {
            (SiteState::Returning { until: Some(until) }, _) if until <= now => {
                self.enter_state(id, SiteState::Active);
            }
            (SiteState::Lost, Some(drain)) if drain.expiry <= now => {
                self.drain_expired_unwell(id, drain);
            }
            (_, Some(drain))
                if site.silent
                    && drain.expiry <= now
                    && (drain.deadline_passed
                        || drain.deadline > now
                        || drain.deadline > drain.expiry) =>
            {
                self.drain_expired_unwell(id, drain);
            }
            // One after the other, whenever they are noticed.
            (_, Some(drain))
                if !drain.deadline_passed
                    && drain.deadline <= now
                    && drain.deadline <= drain.expiry =>
            {
                self.drain_deadline(id, drain);
            }
            (_, Some(drain)) if drain.expiry <= now => self.lift_drain(id),
            other => panic!("nothing is due of {id}: {other:?}"),
        }
    }

    /// The cordon stays, and people know.
    fn drain_expired_unwell(&mut self, id: &SiteId, drain: Drain) {
        self.sm(id).drain = Some(Drain { expired: true, ..drain });
        self.events.push(Event::Alarm(Alarm::DrainExpiredUnwell { site: id.clone() }));
    }

    fn lift_drain(&mut self, id: &SiteId) {
        self.sm(id).drain = None;
        if matches!(self.sites[id].state, SiteState::Draining | SiteState::Drained) {
            self.enter_state(id, SiteState::Active);
        }
    }

    fn drain_deadline(&mut self, site: &SiteId, drain: Drain) {
        self.sm(site).drain = Some(Drain { deadline_passed: true, ..drain });
        let concerned = |c: &Contact| match &c.with {
            Some(with) => with.site == *site,
            None => c.site == *site,
        };
        let (mut withdrawn, mut live, mut waiting) = (0, 0, 0);
        for id in self.pick(concerned, |c| c.seq) {
            // One that was cut takes its consultations with it.
            if !self.contacts.contains_key(&id) {
                continue;
            }
            match self.c(&id).stage {
                Stage::Offered | Stage::Accepted => {
                    withdrawn += 1;
                    let media_is_there = self.c(&id).site == *site;
                    if drain.callback && media_is_there && self.may_become_callback(&id) {
                        self.call_back_instead(&id, Some(OverflowCause::Drained));
                    } else {
                        self.end_offer(&id, OfferEnd::Withdrawn);
                    }
                    self.return_to_queue(&id);
                }
                Stage::Connected | Stage::Held { .. } => {
                    live += 1;
                    if drain.force {
                        self.finish_talk(&id);
                        self.close(&id, Ending::Cut);
                    }
                }
                Stage::WrapUp { .. } => {
                    live += 1;
                    if drain.force {
                        self.close(&id, Ending::Handled);
                    }
                }
                Stage::Queued => {
                    waiting += 1;
                    if drain.callback && self.may_become_callback(&id) {
                        self.call_back_instead(&id, Some(OverflowCause::Drained));
                        self.return_to_queue(&id);
                    }
                }
                Stage::Stranded | Stage::Scheduled { .. } => waiting += 1,
            }
        }
        let site = site.clone();
        self.events.push(Event::DrainDeadline { site, withdrawn, live, waiting });
    }
}

/// Whether agents of a site are not to be counted on. A suspect one is still waited for.
pub fn is_out(state: SiteState) -> bool {
    match state {
        SiteState::Active | SiteState::Suspect => false,
        SiteState::Lost
        | SiteState::Returning { .. }
        | SiteState::Draining
        | SiteState::Drained => true,
    }
}
