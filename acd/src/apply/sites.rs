//! Sites: what the leader observes, and what operators decide.
//!
//! ```text
//! Active ⇄ Suspect → Lost → Returning → Active
//! Active → Draining → Drained → Active
//! ```
//! A loss supersedes everything; a drain outlives it, so that a site that was to be empty does
//! not fill up when it comes back.

use alloc::vec::Vec;

use super::Outcome;
use super::configure::check_revision;
use super::joining::Joiner;
use super::waiting::can_become_callback;
use crate::centre::Centre;
use crate::command::SiteCommand;
use crate::config::ReturnMode;
use crate::contact::{Contact, Stage};
use crate::event::{Alarm, Event, ObjectKind, OfferEnd, OverflowCause, SiteState};
use crate::ids::{NodeId, Revision, SiteId};
use crate::record::Outcome as Ending;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::site::{Drain, Site};
use crate::table::Slot;
use crate::time::Millis;

impl Centre {
    pub(crate) fn site_command(&mut self, command: SiteCommand) -> Outcome {
        match command {
            SiteCommand::Put { config, expected } => self.put_site(config, expected),
            SiteCommand::Delete { site, expected } => self.delete_site(&site, expected),
            SiteCommand::AddNode { site } => self.add_node(&site),
            SiteCommand::IssueToken { hash, site, role, ttl } => {
                self.issue_token(hash, site, role, ttl)
            }
            SiteCommand::RevokeToken { token } => self.revoke_token(token),
            SiteCommand::RedeemToken { hash, key, incarnation, address } => {
                self.redeem_token(hash, Joiner { key, incarnation, address })
            }
            SiteCommand::SetNodeRole { node, role, fewer, expected } => {
                self.set_node_role(node, role, fewer, expected)
            }
            SiteCommand::RetireNode { node, fewer, expected } => {
                self.retire_node(node, fewer, expected)
            }
            SiteCommand::RemoveNode { node } => self.remove_node(node),
            SiteCommand::NodeLost { node } => {
                self.find_node(node)?;
                self.lose_node(node);
                Ok(Reply::Done)
            }
            SiteCommand::Suspect { site } => {
                self.observe(&site, true, SiteState::Active, SiteState::Suspect)
            }
            SiteCommand::Heard { site } => {
                self.observe(&site, false, SiteState::Suspect, SiteState::Active)
            }
            SiteCommand::Lost { site } => {
                let slot = self.find_site(&site)?;
                // Also a drained one that was switched off: its cordon must not lift by itself.
                if self.sites.get(slot).state != SiteState::Lost {
                    self.lose_site(slot);
                }
                Ok(Reply::Done)
            }
            SiteCommand::CaughtUp { site } => self.caught_up(&site),
            SiteCommand::DeclareLost { site, expected } => {
                let slot = self.revise_site(&site, expected, |state| state != SiteState::Lost)?;
                self.lose_site(slot);
                Ok(self.site_revised(slot))
            }
            SiteCommand::Drain { site, deadline, expiry, callback, force, expected } => {
                crate::config::queue::check_deadline(deadline)?;
                crate::config::queue::check_deadline(expiry)?;
                let slot = self.revise_site(&site, expected, |state| {
                    !matches!(state, SiteState::Lost | SiteState::Draining | SiteState::Drained)
                })?;
                let now = self.clocks.now;
                self.sites.get_mut(slot).drain = Some(Drain {
                    deadline: now.plus(deadline),
                    expiry: now.plus(expiry),
                    callback,
                    force,
                    deadline_passed: false,
                    expired: false,
                });
                self.enter_site_state(slot, SiteState::Draining);
                self.to_finish.push(slot);
                Ok(self.site_revised(slot))
            }
            SiteCommand::CancelDrain { site, expected } => {
                let slot = self.find_site(&site)?;
                if self.sites.get(slot).drain.is_none() {
                    let state = self.sites.get(slot).state.word();
                    return Err(Rejection::WrongSiteState { site: site.as_str().into(), state });
                }
                let slot = self.revise_site(&site, expected, |_| true)?;
                self.lift_drain(slot);
                Ok(self.site_revised(slot))
            }
            SiteCommand::Return { site, expected } => {
                let slot = self.revise_site(&site, expected, |state| {
                    matches!(
                        state,
                        SiteState::Returning { .. } | SiteState::Drained | SiteState::Draining
                    )
                })?;
                self.sites.get_mut(slot).drain = None;
                self.enter_site_state(slot, SiteState::Active);
                Ok(self.site_revised(slot))
            }
        }
    }

    /// Checks revision and state before an operator's decision about a site.
    fn revise_site(
        &self,
        id: &SiteId,
        expected: Option<Revision>,
        allowed: impl Fn(SiteState) -> bool,
    ) -> Result<Slot<Site>, Rejection> {
        let slot = self.find_site(id)?;
        let site = self.sites.get(slot);
        check_revision(id.as_str(), expected, Some(site.revision))?;
        if !allowed(site.state) {
            let state = site.state.word();
            return Err(Rejection::WrongSiteState { site: id.as_str().into(), state });
        }
        Ok(slot)
    }

    fn site_revised(&mut self, slot: Slot<Site>) -> Reply {
        let site = self.sites.get_mut(slot);
        site.revision.0 += 1;
        let (id, revision) = (site.id().clone(), site.revision);
        self.tell_revision(ObjectKind::Site, id.as_str(), revision);
        Reply::Revised { revision }
    }

    /// The leader began to hear nothing of a site, or heard of it again. It is noted in every
    /// state, and changes one.
    fn observe(&mut self, id: &SiteId, silent: bool, from: SiteState, to: SiteState) -> Outcome {
        let slot = self.find_site(id)?;
        self.sites.get_mut(slot).silent = silent;
        if self.sites.get(slot).state == from {
            self.enter_site_state(slot, to);
        }
        Ok(Reply::Done)
    }

    /// Sets a site's state; its agents get offers, or none any longer.
    pub(crate) fn enter_site_state(&mut self, slot: Slot<Site>, state: SiteState) {
        let site = self.sites.get(slot);
        let before = site.state;
        let silent = site.silent && state == SiteState::Active;
        let state = if silent { SiteState::Suspect } else { state };
        self.set_site_state(slot, state);
        if (before.takes_offers(), before.is_out()) == (state.takes_offers(), state.is_out()) {
            return;
        }
        let agents = &self.agents;
        let there = agents.slots().filter(|agent| {
            agents.get(*agent).live_session().is_some_and(|session| session.site == slot)
        });
        self.touched.extend(there.map(|agent| (agent, false)));
        if !before.is_out() && state.is_out() {
            self.spill_from(slot);
        }
    }

    /// Contacts that wait for agents at a site that is out may leave it.
    fn spill_from(&mut self, site: Slot<Site>) {
        let mut contacts: Vec<Slot<Contact>> = self.contacts.slots().collect();
        contacts.retain(|slot| {
            let contact = self.contacts.get(*slot);
            contact.site == site && !contact.spilled && contact.stage == Stage::Queued
        });
        contacts.sort_unstable_by_key(|slot| self.contacts.get(*slot).place());
        for slot in contacts {
            if self.demand_key(self.contacts.get(slot)).scope.is_some() {
                self.wait_anew(slot);
            }
        }
    }

    /// A site is lost: its agents are unreachable, its streams broken.
    fn lose_site(&mut self, slot: Slot<Site>) {
        self.sites.get_mut(slot).silent = false; // That it is back is said by `CaughtUp`.
        self.enter_site_state(slot, SiteState::Lost);
        self.lose_sessions(|agent| agent.live_session().is_some_and(|s| s.site == slot));
        let nodes: Vec<NodeId> =
            self.nodes.values().filter(|n| n.site == slot).map(|n| n.id).collect();
        for node in nodes {
            self.lose_streams(node);
        }
    }

    /// A lost site is back.
    fn caught_up(&mut self, id: &SiteId) -> Outcome {
        let slot = self.find_site(id)?;
        let site = self.sites.get(slot);
        if site.state != SiteState::Lost {
            return Ok(Reply::Done);
        }
        let state = match (site.drain, site.config.return_mode) {
            // Also one that expired meanwhile: the alarm is raised, and the cordon stays until an
            // operator lifts it.
            (Some(_), _) => SiteState::Draining,
            (_, ReturnMode::After(Millis::ZERO)) => SiteState::Active,
            (_, ReturnMode::After(hold)) => {
                SiteState::Returning { until: Some(self.clocks.now.plus(hold)) }
            }
            (_, ReturnMode::ByHand) => SiteState::Returning { until: None },
        };
        if state == SiteState::Draining {
            self.to_finish.push(slot);
        }
        self.enter_site_state(slot, state);
        // What the deadline was to do while the site was away is done now.
        if let Some(drain) =
            self.sites.get(slot).drain.filter(|d| d.is_at_deadline(self.clocks.now))
        {
            self.drain_deadline(slot, drain);
        }
        Ok(Reply::Done)
    }

    /// Something of a site is due: its return, or the deadline or expiry of its drain.
    pub(crate) fn review_site(&mut self, slot: Slot<Site>) {
        let now = self.clocks.now;
        let site = self.sites.get(slot);
        if let SiteState::Returning { until: Some(until) } = site.state
            && until <= now
        {
            return self.enter_site_state(slot, SiteState::Active);
        }
        let Some(drain) = site.drain else {
            return;
        };
        // The deadline comes before the expiry, also if time has jumped over both. While the site
        // is lost nothing can be done there; the deadline waits until it is back.
        if site.state != SiteState::Lost && drain.is_at_deadline(now) {
            self.drain_deadline(slot, drain);
        } else if drain.expiry <= now {
            if site.state == SiteState::Lost || site.silent {
                let site = site.id().clone();
                self.sites.get_mut(slot).drain = Some(Drain { expired: true, ..drain });
                self.events.push(Event::Alarm(Alarm::DrainExpiredUnwell { site }));
            } else {
                self.lift_drain(slot);
            }
        }
    }

    fn lift_drain(&mut self, slot: Slot<Site>) {
        self.sites.get_mut(slot).drain = None;
        if site_is_draining(self.sites.get(slot).state) {
            self.enter_site_state(slot, SiteState::Active);
        }
    }

    /// The deadline of a drain, once: offers go back; with callback, who waits with media there is
    /// called back; with force, conversations are cut.
    fn drain_deadline(&mut self, site: Slot<Site>, drain: Drain) {
        self.sites.get_mut(site).drain = Some(Drain { deadline_passed: true, ..drain });
        let mut contacts: Vec<Slot<Contact>> = self.contacts.slots().collect();
        contacts.retain(|slot| {
            let contact = self.contacts.get(*slot);
            let with_agent_there = contact.stage.engagement().is_some_and(|w| w.site == site);
            with_agent_there || (contact.site == site && contact.stage.is_waiting())
        });
        contacts.sort_unstable_by_key(|slot| self.contacts.get(*slot).seq);
        let (mut withdrawn, mut live, mut waiting) = (0, 0, 0);
        for slot in contacts {
            // A contact that closes takes its consultations along.
            let Some(contact) = self.contacts.try_get(slot) else { continue };
            let config = &self.queues.get(contact.queue).config;
            let callback = drain.callback && can_become_callback(config, contact.channel);
            match contact.stage {
                Stage::Offered { with, .. } | Stage::Accepted { with, .. } => {
                    withdrawn += 1;
                    if callback && contact.site == site {
                        self.make_callback(slot, Some(OverflowCause::Drained));
                    } else {
                        self.end_offer(slot, with, OfferEnd::Withdrawn);
                    }
                    self.return_to_queue(slot);
                }
                Stage::Connected { .. } | Stage::Held { .. } => {
                    live += 1;
                    if drain.force {
                        self.finish_talk(slot);
                        self.close(slot, Ending::Cut);
                    }
                }
                Stage::WrapUp { .. } => {
                    live += 1;
                    if drain.force {
                        self.close(slot, Ending::Handled);
                    }
                }
                Stage::Queued => {
                    waiting += 1;
                    if callback {
                        self.make_callback(slot, Some(OverflowCause::Drained));
                        self.return_to_queue(slot);
                    }
                }
                Stage::Stranded { .. } | Stage::Scheduled { .. } => waiting += 1,
            }
        }
        let site = self.sites.get(site).id().clone();
        self.events.push(Event::DrainDeadline { site, withdrawn, live, waiting });
    }
}

fn site_is_draining(state: SiteState) -> bool {
    matches!(state, SiteState::Draining | SiteState::Drained)
}
