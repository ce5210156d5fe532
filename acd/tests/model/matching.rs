//! Matching, straight from DESIGN section 5: every agent is compared with every contact.
//!
//! First the agents who became free for something since matching ended last, longest idle first,
//! each taking contacts while there are any; then the contacts that began to wait or whose
//! demand changed, in the order of their places.

use acd::channel::{Media, Medium};
use acd::config::{Grade, Requirement, SitePolicy, Strategy};
use acd::event::{OfferReason, SiteChoice, SiteState};
use acd::ids::{AgentId, ContactId, QueueId, SiteId};

use super::Model;
use super::things::{Agent, Contact, Eligibility, Stage};

/// How well an agent fits a contact; smaller is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    step: usize,
    grade: Grade,
    remote: bool,
    /// Below zero, so that more skill is smaller. Zero unless the queue wants the most skilled.
    skill: i32,
}

/// A free agent for a contact.
#[derive(Clone)]
struct Candidate {
    fit: Fit,
    /// Smaller is better; ties are broken by who is idle for longer.
    key: (u64, u64),
    agent: AgentId,
    site: SiteId,
}

/// What a queue remembers of its choice of site.
enum Memory {
    Nothing,
    Credits(Vec<(SiteId, i64)>),
    Current(SiteId),
}

impl Model {
    pub fn settle(&mut self) {
        loop {
            let freed = self.became_free();
            if freed.is_empty() && self.to_match.is_empty() {
                break;
            }
            for agent in freed {
                while let Some(contact) = self.best_contact(&agent) {
                    self.offer_to_best(&contact);
                }
            }
            let mut waiting = std::mem::take(&mut self.to_match);
            waiting.retain(|id| self.contacts.contains_key(id));
            waiting.sort_by_key(|id| self.c(id).place());
            for contact in waiting {
                if self.c(&contact).stage == Stage::Queued {
                    self.offer_to_best(&contact);
                }
            }
        }
        for site in self.sites_by_seq() {
            if self.sites[&site].state == SiteState::Draining && self.engaged_at(&site) == 0 {
                self.set_site_state(&site, SiteState::Drained);
            }
        }
    }

    fn offer_to_best(&mut self, contact: &ContactId) {
        let Some((agent, reason, memory)) = self.best_agent(contact) else { return };
        let queue = self.c(contact).queue.clone();
        match memory {
            Memory::Nothing => {}
            Memory::Credits(credits) => self.qm(&queue).credits = credits,
            Memory::Current(site) => self.qm(&queue).current_site = Some(site),
        }
        self.offer(contact, &agent, reason);
    }

    /// Agents who can take something that they could not when matching ended last, longest idle
    /// first. On the way, nobody goes on waiting for somebody who is not there.
    fn became_free(&mut self) -> Vec<AgentId> {
        for agent in self.agents_by_seq() {
            let wants = |c: &Contact| {
                let wanted = c.preferred.as_ref().is_some_and(|(who, _)| *who == agent);
                wanted && c.stage == Stage::Queued && !self.is_there_for(&agent, &c.id)
            };
            for contact in self.pick(wants, Contact::place) {
                self.wait(&contact);
            }
        }
        let mut freed = Vec::new();
        for id in self.agents_by_seq() {
            let agent = &self.agents[&id];
            let sees =
                agent.works_at().map(|site| (eligibility(agent, site), self.free_media(agent)));
            let before = match (&agent.seen, &sees) {
                (Some((was, media)), Some((is, _))) if was == is => *media,
                _ => Media::NONE,
            };
            if sees.as_ref().is_some_and(|(_, media)| media.iter().any(|m| !before.contains(m))) {
                freed.push((agent.idle, id.clone()));
            }
            self.am(&id).seen = sees;
        }
        freed.sort();
        freed.into_iter().map(|(_, id)| id).collect()
    }

    /// Media of which an agent can be offered one more now.
    pub fn free_media(&self, agent: &Agent) -> Media {
        let Some(site) = agent.works_at() else { return Media::NONE };
        let ready = agent.presence == super::things::Presence::Ready && agent.pending.is_none();
        if !ready || !self.sites[site].state.takes_offers() {
            return Media::NONE;
        }
        let (load, capacity) = (self.load_of(&agent.config.id), &agent.config.capacity);
        let has_room = |medium: Medium| {
            let others = Medium::ALL.into_iter().filter(|busy| *busy != medium);
            load[medium as usize] < capacity.max[medium as usize]
                && others
                    .filter(|busy| load[*busy as usize] > 0)
                    .all(|busy| capacity.interruptible_by[busy as usize].contains(medium))
        };
        let free = Medium::ALL.into_iter().filter(|m| !agent.closed_media.contains(*m));
        free.filter(|m| has_room(*m)).fold(Media::NONE, Media::with)
    }

    /// How well an agent who works at a site fits a contact; none: must not take it.
    fn fit(&self, contact: &Contact, agent: &Agent, site: &SiteId) -> Option<Fit> {
        let config = &self.queues[&contact.queue].config;
        let local_first = matches!(config.site_policy, SitePolicy::LocalFirst { .. });
        let remote = local_first && contact.site != *site;
        if remote && !contact.spilled {
            return None;
        }
        // The sum of levels if all requirements are met.
        let meets = |list: &[Requirement]| {
            let levels = list.iter().map(|r| agent.level(&r.skill).filter(|has| *has >= r.level));
            levels.map(|level| level.map(|l| i32::from(l.get()))).sum::<Option<i32>>()
        };
        let own = meets(&contact.requirements)?;
        for (number, step) in config.steps.iter().enumerate().take(contact.step + 1) {
            let here = step.sites.is_empty() || step.sites.contains(site);
            let extra = || step.extra_queues.iter().filter_map(|queue| agent.grade(queue)).min();
            let grade = agent.grade(&contact.queue).or_else(extra);
            if let (true, Some(grade), Some(sum)) = (here, grade, meets(&step.skills)) {
                let skill = if config.strategy == Strategy::MostSkilled { -(own + sum) } else { 0 };
                return Some(Fit { step: number, grade, remote, skill });
            }
        }
        None
    }

    fn key(&self, queue: &QueueId, agent: &Agent) -> (u64, u64) {
        match self.queues[queue].config.strategy {
            Strategy::LongestIdle | Strategy::MostSkilled => (agent.idle, agent.idle),
            Strategy::LeastOccupied => (u64::from(agent.occupancy_ppm), agent.idle),
            Strategy::RoundRobin => (agent.last_offer, agent.idle),
        }
    }

    fn reason(&self, queue: &QueueId, fit: Fit, key: (u64, u64), site: SiteChoice) -> OfferReason {
        let strategy = self.queues[queue].config.strategy;
        let key = if strategy == Strategy::MostSkilled { (-fit.skill) as u64 } else { key.0 };
        let (step, grade) = (fit.step as u8, fit.grade);
        OfferReason { preferred: false, step, grade, site, strategy, key }
    }

    fn reason_preferred(&self, contact: &Contact, agent: &Agent) -> OfferReason {
        OfferReason {
            preferred: true,
            step: contact.step as u8,
            grade: agent.grade(&contact.queue).unwrap_or(Grade::NAMED),
            site: SiteChoice::Any,
            strategy: Strategy::LongestIdle,
            key: agent.idle,
        }
    }

    fn local_choice(&self, queue: &QueueId, fit: Fit) -> SiteChoice {
        match (&self.queues[queue].config.site_policy, fit.remote) {
            (SitePolicy::LocalFirst { .. }, false) => SiteChoice::Local,
            (SitePolicy::LocalFirst { .. }, true) => SiteChoice::Spilled,
            _ => SiteChoice::Any,
        }
    }

    /// For an agent who is free: grade of the queue, effective arrival, number.
    fn best_contact(&self, agent: &AgentId) -> Option<ContactId> {
        let agent = &self.agents[agent];
        let site = agent.works_at()?;
        let media = self.free_media(agent);
        let mut best: Option<((Grade, i64, u64), ContactId)> = None;
        for contact in self.contacts.values() {
            let waits = contact.stage == Stage::Queued;
            let excluded = contact.excludes(&agent.config.id, self.now);
            if !waits || excluded || !media.contains(contact.channel.medium()) {
                continue;
            }
            let grade = match &contact.preferred {
                Some((wanted, _)) if *wanted == agent.config.id => {
                    agent.grade(&contact.queue).unwrap_or(Grade::NAMED)
                }
                Some(_) => continue,
                None => {
                    let Some(fit) = self.fit(contact, agent, site) else { continue };
                    fit.grade
                }
            };
            let rank = (grade, contact.effective, contact.seq);
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, contact.id.clone()));
            }
        }
        best.map(|(_, contact)| contact)
    }

    /// For a contact that waits: preferred; earliest step; grade; site; strategy.
    fn best_agent(&self, contact: &ContactId) -> Option<(AgentId, OfferReason, Memory)> {
        let contact = self.c(contact);
        let medium = contact.channel.medium();
        if let Some((wanted, _)) = &contact.preferred {
            let agent = &self.agents[wanted];
            let free = self.free_media(agent).contains(medium);
            let reason = self.reason_preferred(contact, agent);
            return free.then(|| (wanted.clone(), reason, Memory::Nothing));
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for agent in self.agents.values() {
            let id = &agent.config.id;
            if let Some(site) = agent.works_at()
                && self.free_media(agent).contains(medium)
                && !contact.excludes(id, self.now)
                && let Some(fit) = self.fit(contact, agent, site)
            {
                let key = self.key(&contact.queue, agent);
                candidates.push(Candidate { fit, key, agent: id.clone(), site: site.clone() });
            }
        }
        // Step and grade come before the site.
        let best_rank = candidates.iter().map(|c| (c.fit.step, c.fit.grade)).min()?;
        candidates.retain(|c| (c.fit.step, c.fit.grade) == best_rank);
        let (site, choice, memory) = self.choose_site(&contact.queue, &candidates);
        if let Some(site) = &site {
            candidates.retain(|c| c.site == *site);
        }
        let best = candidates.into_iter().min_by_key(|c| (c.fit, c.key))?;
        let choice = choice.unwrap_or_else(|| self.local_choice(&contact.queue, best.fit));
        let reason = self.reason(&contact.queue, best.fit, best.key, choice);
        Some((best.agent, reason, memory))
    }

    /// The site for an offer, where the queue's policy chooses one.
    fn choose_site(
        &self,
        queue: &QueueId,
        candidates: &[Candidate],
    ) -> (Option<SiteId>, Option<SiteChoice>, Memory) {
        let queue = &self.queues[queue];
        let free_at = |site: &SiteId| candidates.iter().filter(|c| c.site == *site).count();
        let mut sites: Vec<SiteId> = candidates.iter().map(|c| c.site.clone()).collect();
        sites.sort();
        sites.dedup();
        match &queue.config.site_policy {
            SitePolicy::Any | SitePolicy::LocalFirst { .. } => (None, None, Memory::Nothing),
            SitePolicy::Shares(shares) => {
                // Everybody listed who has somebody free is owed the own share; who is owed most
                // pays all that was handed out.
                let free: Vec<&(SiteId, u32)> =
                    shares.iter().filter(|(site, _)| sites.contains(site)).collect();
                if free.is_empty() {
                    // Nobody at a listed site: the first other one.
                    return (sites.first().cloned(), Some(SiteChoice::Any), Memory::Nothing);
                }
                let mut credits = queue.credits.clone();
                for (site, share) in &free {
                    match credits.iter_mut().find(|(s, _)| s == site) {
                        Some((_, credit)) => *credit += i64::from(*share),
                        None => credits.push((site.clone(), i64::from(*share))),
                    }
                }
                credits.sort();
                let of = |site: &SiteId| {
                    credits.iter().find(|(s, _)| s == site).map_or(0, |(_, credit)| *credit)
                };
                let most = free.iter().map(|(site, _)| of(site)).max().unwrap_or(0);
                let chosen = free.iter().map(|(site, _)| site).filter(|s| of(s) == most).min();
                let chosen = chosen.cloned().expect("somebody is owed most");
                let total: i64 = free.iter().map(|(_, share)| i64::from(*share)).sum();
                for (site, credit) in &mut credits {
                    if *site == chosen {
                        *credit -= total;
                    }
                }
                (Some(chosen), Some(SiteChoice::Share), Memory::Credits(credits))
            }
            SitePolicy::FreeCapacity { hysteresis } => {
                let most = sites.iter().map(free_at).max().unwrap_or(0);
                let first = sites.iter().find(|site| free_at(site) == most).cloned();
                // Kept until another site has at least that many more free agents.
                let more = (*hysteresis).max(1) as usize;
                let kept = queue
                    .current_site
                    .clone()
                    .filter(|site| sites.contains(site) && free_at(site) + more > most);
                let chosen = kept.or(first).expect("there are candidates");
                (Some(chosen.clone()), Some(SiteChoice::FreeCapacity), Memory::Current(chosen))
            }
        }
    }
}

fn eligibility(agent: &Agent, site: &SiteId) -> Eligibility {
    let mut queues: Vec<_> = agent.queues().iter().map(|a| (a.queue.clone(), a.grade)).collect();
    let mut skills = agent.config.skills.clone();
    queues.sort();
    skills.sort();
    Eligibility { site: site.clone(), queues, skills, capacity: agent.config.capacity }
}
