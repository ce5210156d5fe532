//! Decisions: the best agent for a contact, the best contact for an agent.

use alloc::vec::Vec;

use super::demand::DemandClass;
use super::fit::{Demand, DemandKey, Fit, SKILL_SUM_MAX};
use super::supply::LaneKey;
use super::{Matcher, View};
use crate::agent::Agent;
use crate::channel::Media;
use crate::config::{Grade, SitePolicy, Strategy};
use crate::contact::{Contact, Place};
use crate::event::{OfferReason, SiteChoice};
use crate::ids::SiteId;
use crate::queue::{Queue, SiteCredit};
use crate::site::Site;
use crate::table::Slot;

/// A decision.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) agent: Slot<Agent>,
    pub(crate) reason: OfferReason,
    /// What the choice of a site leaves behind in the queue.
    pub(crate) site_memory: Option<SiteMemory>,
}

/// What a queue remembers of its choices of sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SiteMemory {
    Credits(Vec<SiteCredit>),
    Current(SiteId),
}

impl Matcher {
    /// The best free agent for a waiting contact.
    pub(crate) fn best_agent(&self, contact: Slot<Contact>, view: View<'_>) -> Option<Choice> {
        if let Some(agent) = self.waits_for(contact) {
            return self.preferred_choice(agent, contact, view);
        }
        self.best_in_class(self.demands.class(self.demands.class_of(contact)?), contact, view)
    }

    /// The same for a contact with the demand of a class, for benchmarks.
    pub(crate) fn probe_best_agent(
        &self,
        key: &DemandKey,
        contact: Slot<Contact>,
        view: View<'_>,
    ) -> Option<Slot<Agent>> {
        let number = *self.demand_numbers.get(key)?;
        Some(self.best_in_class(self.demands.class(number), contact, view)?.agent)
    }

    fn best_in_class(
        &self,
        class: &DemandClass,
        contact: Slot<Contact>,
        view: View<'_>,
    ) -> Option<Choice> {
        if class.demand.chooses_site {
            return self.choose_site_and_agent(class, contact, view);
        }
        let (fit, agent, key) = self.best_in_tiers(class, contact, view, None)?;
        let site = site_choice(class, fit);
        Some(Choice { agent, reason: reason(&class.demand, fit, site, key), site_memory: None })
    }

    /// The best contact for an agent who has something free. Whether that agent is also the best
    /// for the contact is another question.
    pub(crate) fn best_contact(&self, agent: Slot<Agent>, view: View<'_>) -> Option<Slot<Contact>> {
        self.best_contact_of(agent, self.supply.standing(agent).media, view)
    }

    /// The best contact of these media for an agent.
    pub(crate) fn best_contact_of(
        &self,
        agent: Slot<Agent>,
        media: Media,
        view: View<'_>,
    ) -> Option<Slot<Contact>> {
        if media.is_empty() {
            return None;
        }
        let class = self.supply.class(self.supply.class_of(agent)?);
        let mut best: Option<(Grade, Place, Slot<Contact>)> = None;
        for (grade, demands) in &class.demands {
            let Some((number, place)) = self.demands.first(demands, media) else {
                continue;
            };
            let head = self.demands.class(number).waiting.first_key_value();
            let Some((_, contact)) = head else {
                continue;
            };
            let found = if self.excludes(*contact, agent, view) {
                // Rare: somebody at a head does not want this agent. Look behind the heads.
                let heads = self.demands.heads(demands, media);
                let behind = heads.filter_map(|(number, _)| {
                    let mut waiting = self.demands.class(number).waiting.iter();
                    waiting.find(|(_, contact)| !self.excludes(**contact, agent, view))
                });
                behind.min_by_key(|(place, _)| **place).map(|(place, contact)| (*place, *contact))
            } else {
                Some((place, *contact))
            };
            if let Some((place, contact)) = found {
                best = Some((*grade, place, contact));
                break;
            }
        }
        // Those who wait for this agent only stand among the others by grade and place.
        for (place, contact) in self.for_agent.get(&agent).into_iter().flatten() {
            let waiting = view.contacts.get(*contact);
            let grade = named_grade(view.agents.get(agent), view.queues.get(waiting.queue));
            let earlier = best.is_none_or(|(g, p, _)| (grade, *place) < (g, p));
            if earlier
                && media.contains(waiting.channel.medium())
                && !self.excludes(*contact, agent, view)
            {
                best = Some((grade, *place, *contact));
            }
        }
        best.map(|(_, _, contact)| contact)
    }

    /// Whether the contact's wish for this agent can be met now.
    fn preferred_choice(
        &self,
        agent: Slot<Agent>,
        contact: Slot<Contact>,
        view: View<'_>,
    ) -> Option<Choice> {
        let waiting = view.contacts.get(contact);
        let free = self.supply.standing(agent).media.contains(waiting.channel.medium());
        let reason = OfferReason {
            preferred: true,
            step: waiting.step,
            grade: named_grade(view.agents.get(agent), view.queues.get(waiting.queue)),
            site: SiteChoice::Any,
            strategy: Strategy::LongestIdle,
            key: self.supply.standing(agent).idle,
        };
        free.then_some(Choice { agent, reason, site_memory: None })
    }

    fn excludes(&self, contact: Slot<Contact>, agent: Slot<Agent>, view: View<'_>) -> bool {
        let contact = view.contacts.get(contact);
        !contact.past_offers.is_empty() && contact.excludes(view.agents.get(agent).id(), view.now)
    }

    /// The first tier with a free agent, and the best one in it; of one site only, if it says.
    fn best_in_tiers(
        &self,
        class: &DemandClass,
        contact: Slot<Contact>,
        view: View<'_>,
        site: Option<Slot<Site>>,
    ) -> Option<(Fit, Slot<Agent>, LaneKey)> {
        let picky = view.contacts.get(contact).excludes_anybody(view.now);
        for (fit, supplies) in &class.tiers {
            let best = if !picky && site.is_none() {
                let first = self.supply.best(supplies, class.lane);
                first.and_then(|(n, key)| Some((key, self.supply.class(n).first(class.lane)?)))
            } else {
                let heads = self.supply.heads(supplies, class.lane);
                let here =
                    heads.filter(|(n, _)| site.is_none_or(|s| self.supply.class(*n).key.site == s));
                let allowed = here.filter_map(|(n, _)| {
                    let mut free = self.supply.class(n).in_order(class.lane);
                    free.find(|(_, agent)| !picky || !self.excludes(contact, *agent, view))
                });
                allowed.min_by_key(|(key, _)| *key)
            };
            if let Some((key, agent)) = best {
                return Some((*fit, agent, key));
            }
        }
        None
    }

    /// For queues whose policy chooses the site when the offer is made: the best step and grade
    /// that anybody free has; then the site; then the best agent there.
    fn choose_site_and_agent(
        &self,
        class: &DemandClass,
        contact: Slot<Contact>,
        view: View<'_>,
    ) -> Option<Choice> {
        let (first, ..) = self.best_in_tiers(class, contact, view, None)?;
        let rank = (first.step, first.grade);
        let picky = view.contacts.get(contact).excludes_anybody(view.now);
        let medium = class.medium();
        // Free agents of that rank by site.
        let mut free: Vec<(Slot<Site>, u32)> = Vec::new();
        for (_, supplies) in class.tiers.iter().filter(|(f, _)| (f.step, f.grade) == rank) {
            for (number, _) in self.supply.heads(supplies, class.lane) {
                let supply = self.supply.class(number);
                let count = if picky {
                    let in_order = supply.in_order(class.lane);
                    in_order.filter(|(_, agent)| !self.excludes(contact, *agent, view)).count()
                        as u32
                } else {
                    supply.free_count[medium.index()]
                };
                if count == 0 {
                    continue;
                }
                match free.iter_mut().find(|(site, _)| *site == supply.key.site) {
                    Some((_, sum)) => *sum += count,
                    None => free.push((supply.key.site, count)),
                }
            }
        }
        let mut candidates: Vec<(&SiteId, u32, Slot<Site>)> =
            free.iter().map(|(site, count)| (view.sites.get(*site).id(), *count, *site)).collect();
        candidates.sort();
        let queue = view.queues.get(class.key.queue);
        let (at, memory, choice) = choose_site(queue, &candidates)?;
        let (fit, agent, key) = self.best_in_tiers(class, contact, view, Some(candidates[at].2))?;
        let reason = reason(&class.demand, fit, choice, key);
        Some(Choice { agent, reason, site_memory: memory })
    }
}

/// Chooses among sites (by id, each with its free agents); the position of the chosen one, what
/// the queue should remember, and the name of the rule.
fn choose_site(
    queue: &Queue,
    candidates: &[(&SiteId, u32, Slot<Site>)],
) -> Option<(usize, Option<SiteMemory>, SiteChoice)> {
    match &queue.config.site_policy {
        SitePolicy::Any | SitePolicy::LocalFirst { .. } => {
            Some((0, None, SiteChoice::Any)).filter(|_| !candidates.is_empty())
        }
        SitePolicy::Shares(shares) => {
            // Smooth weighted round robin among the listed sites that have somebody free; a site
            // that is not listed is used when none of those has.
            let share = |site: &SiteId| shares.iter().find(|(s, _)| s == site).map(|(_, n)| *n);
            let listed = || {
                candidates
                    .iter()
                    .enumerate()
                    .filter_map(|(at, (site, ..))| Some((at, *site, share(site)?)))
            };
            let total: i64 = listed().map(|(_, _, n)| i64::from(n)).sum();
            let mut credits = queue.credits.clone();
            let mut best: Option<(i64, usize)> = None;
            for (at, site, share) in listed() {
                let position = match credits.binary_search_by_key(&site, |c| &c.site) {
                    Ok(position) => position,
                    Err(position) => {
                        let credit = SiteCredit { site: site.clone(), credit: 0 };
                        credits.insert(position, credit);
                        position
                    }
                };
                let credit = &mut credits[position].credit;
                *credit = credit.saturating_add(i64::from(share));
                if best.is_none_or(|(most, _)| *credit > most) {
                    best = Some((*credit, at));
                }
            }
            let Some((_, at)) = best else {
                return Some((0, None, SiteChoice::Any)).filter(|_| !candidates.is_empty());
            };
            if let Ok(position) = credits.binary_search_by_key(&candidates[at].0, |c| &c.site) {
                credits[position].credit -= total;
            }
            Some((at, Some(SiteMemory::Credits(credits)), SiteChoice::Share))
        }
        SitePolicy::FreeCapacity { hysteresis } => {
            let most = candidates.iter().map(|(_, free, _)| *free).max()?;
            let first_best = candidates.iter().position(|(_, free, _)| *free == most)?;
            let current = queue.current_site.as_ref();
            let kept = candidates
                .iter()
                .position(|(site, ..)| current == Some(*site))
                .filter(|at| most < candidates[*at].1.saturating_add((*hysteresis).max(1)));
            let at = kept.unwrap_or(first_best);
            let memory = SiteMemory::Current(candidates[at].0.clone());
            Some((at, Some(memory), SiteChoice::FreeCapacity))
        }
    }
}

/// How the site came about where no choice was made.
fn site_choice(class: &DemandClass, fit: Fit) -> SiteChoice {
    match (class.key.scope, fit.remote) {
        (None, _) => SiteChoice::Any,
        (Some(_), 0) => SiteChoice::Local,
        (Some(_), _) => SiteChoice::Spilled,
    }
}

/// The winning keys.
fn reason(demand: &Demand, fit: Fit, site: SiteChoice, key: LaneKey) -> OfferReason {
    let key = match demand.strategy {
        Strategy::MostSkilled => u64::from(SKILL_SUM_MAX - fit.skill_deficit),
        _ => key.0,
    };
    let Fit { step, grade, .. } = fit;
    OfferReason { preferred: false, step, grade, site, strategy: demand.strategy, key }
}

/// The grade of a queue for an agent who was named: the agent's own, or the last one.
fn named_grade(agent: &Agent, queue: &Queue) -> Grade {
    let serves = agent.queues().iter().find(|a| a.queue == *queue.id());
    serves.map_or(Grade::NAMED, |a| a.grade)
}
