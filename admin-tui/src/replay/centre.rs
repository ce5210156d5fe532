//! The contact centre that a call log makes.
//!
//! - A queue for each type of call in the log: 80 % in 20 s, voice only, no wrap-up (the log's
//!   service time is the agent's whole time), and a head start of 90 s for priority 2, as the
//!   bank gave it.
//! - An agent for each server. The log knows no cities: agents are sorted by id and dealt to the
//!   cities in the order given, one after the other, so the same log makes the same centre.
//! - An agent serves the queues of the types it ever answered. A type nobody by name ever
//!   answered is served by all.
//! - For each city an ingress `edge-CITY`, and one gateway `desktops` for all agents.

use std::collections::{BTreeMap, BTreeSet};

use acd::channel::Channel;
use acd::config::{HeadStart, Priority};
use acd::ids::{AgentId, PrincipalId, QueueId, SiteId};
use acd::rejection::Rejection;
use acd::roles::Role;
use acd::text::Label;
use acd::time::Millis;

use super::calls::{Call, CallType, Ending};
use super::outcome::TARGET;
use crate::centre_file::{
    AgentEntry, CentreFile, Duration, HeadStartEntry, Named, PrincipalEntry, PriorityKey,
    QueueEntry, SiteEntry, TargetEntry, Text,
};

/// The principal that speaks for all desktops.
pub const DESKTOPS: &str = "desktops";

/// Of 100 calls, this many should be answered in time.
const TARGET_PERCENT: u8 = 80;
/// The priority of the bank's best customers …
const HIGH_PRIORITY: u32 = 2;
/// … and the waiting credit they start with.
const HIGH_PRIORITY_HEAD_START: Millis = Millis::seconds(90);
/// All queues of an agent are worth the same: the log knows no order.
const GRADE: u32 = 1;

/// Why a log makes no centre.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CentreError {
    /// Nobody to answer.
    #[error("no answered call names its server, so there are no agents")]
    NoAgents,
    /// Nowhere to be.
    #[error("there is no city")]
    NoCities,
    /// A name that the contact centre does not take.
    #[error(transparent)]
    Refused(#[from] Rejection),
}

/// Makes the centre.
pub fn centre_of(calls: &[Call], cities: &[SiteId]) -> Result<CentreFile, CentreError> {
    if cities.is_empty() {
        return Err(CentreError::NoCities);
    }
    let types: BTreeSet<CallType> = calls.iter().map(|call| call.kind).collect();
    let agents = types_by_agent(calls, &types)?;
    let mut file = CentreFile::default();
    for city in cities {
        file.sites.push(SiteEntry {
            id: Text(city.clone()),
            name: Text(display_name(city.as_str())?),
            return_after: None,
            leader_priority: None,
        });
        file.principals.push(PrincipalEntry {
            id: Text(ingress(city)?),
            roles: vec![Named(Role::Ingress)],
            site: Some(Text(city.clone())),
        });
    }
    file.principals.push(PrincipalEntry {
        id: Text(PrincipalId::new(DESKTOPS)?),
        roles: vec![Named(Role::Gateway)],
        site: None,
    });
    for kind in types {
        file.queues.push(queue(kind)?);
    }
    for ((agent, types), city) in agents.into_iter().zip(cities.iter().cycle()) {
        let queues: Result<_, Rejection> =
            types.into_iter().map(|kind| Ok((Text(kind.queue()?), GRADE))).collect();
        file.agents.push(AgentEntry {
            name: Text(display_name(agent.as_str())?),
            id: Text(agent),
            home_site: Text(city.clone()),
            queues: queues?,
            skills: BTreeMap::new(),
            capacity: BTreeMap::new(),
            interruptible_by: BTreeMap::new(),
        });
    }
    Ok(file)
}

/// The principal that puts in the calls of a city.
pub fn ingress(city: &SiteId) -> Result<PrincipalId, Rejection> {
    PrincipalId::new(&format!("edge-{city}"))
}

/// The types each agent answers, by id of the agent.
fn types_by_agent(
    calls: &[Call],
    types: &BTreeSet<CallType>,
) -> Result<BTreeMap<AgentId, BTreeSet<CallType>>, CentreError> {
    let mut agents: BTreeMap<AgentId, BTreeSet<CallType>> = BTreeMap::new();
    for call in calls {
        if let Ending::Answered { server: Some(agent), .. } = &call.ending {
            agents.entry(agent.clone()).or_default().insert(call.kind);
        }
    }
    if agents.is_empty() {
        return Err(CentreError::NoAgents);
    }
    let served: BTreeSet<CallType> = agents.values().flatten().copied().collect();
    let unserved: BTreeSet<CallType> = types.difference(&served).copied().collect();
    for own in agents.values_mut() {
        own.extend(&unserved);
    }
    Ok(agents)
}

fn queue(kind: CallType) -> Result<QueueEntry, Rejection> {
    let id: QueueId = kind.queue()?;
    let head_start = HeadStartEntry(HeadStart::By(HIGH_PRIORITY_HEAD_START));
    Ok(QueueEntry {
        channels: Some(vec![Named(Channel::Voice)]),
        wrap_up: Some(Duration(Millis::ZERO)),
        target: Some(TargetEntry {
            percent: TARGET_PERCENT,
            within: Duration(TARGET),
            short_abandon: None,
        }),
        head_starts: [(PriorityKey(Priority::new(HIGH_PRIORITY)?), head_start)].into(),
        ..QueueEntry::new(id, Label::new(kind.name())?)
    })
}

/// An id as a name: `anat` is Anat.
fn display_name(id: &str) -> Result<Label, Rejection> {
    let mut rest = id.chars();
    let first = rest.next().map(|c| c.to_ascii_uppercase());
    Label::new(&first.into_iter().chain(rest).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{log_start, real_log};

    fn cities(names: &[&str]) -> Vec<SiteId> {
        names.iter().map(|name| SiteId::new(name).expect("a slug")).collect()
    }

    #[test]
    fn without_agents_or_cities_there_is_no_centre() {
        assert_eq!(centre_of(&[], &cities(&["kyiv"])), Err(CentreError::NoAgents));
        assert_eq!(centre_of(&[], &[]), Err(CentreError::NoCities));
    }

    #[test]
    fn the_bank_has_six_queues_and_24_agents_in_three_cities() {
        let Some(log) = real_log() else { return };
        let cities = cities(&["kyiv", "lviv", "dnipro"]);
        let file = centre_of(&log.calls, &cities).expect("a centre");
        assert_eq!((file.queues.len(), file.agents.len(), file.sites.len()), (6, 24, 3));
        let home =
            |at: usize| (file.agents[at].id.0.as_str(), file.agents[at].home_site.0.as_str());
        assert_eq!([home(0), home(1)], [("anat", "kyiv"), ("avidan", "lviv")]);
        assert_eq!([home(2), home(3)], [("avni", "dnipro"), ("basch", "kyiv")]);
        let pinhas = file.agents.iter().find(|agent| agent.id.0.as_str() == "pinhas");
        let queues = pinhas.map(|a| a.queues.keys().map(|q| q.0.as_str()).collect::<Vec<_>>());
        assert_eq!(queues.expect("on the roster"), ["nw", "ps", "tt"]);
        let principals: Vec<_> = file.principals.iter().map(|p| p.id.0.as_str()).collect();
        assert_eq!(principals, ["edge-kyiv", "edge-lviv", "edge-dnipro", "desktops"]);

        let written = file.to_toml().expect("writable");
        assert_eq!(CentreFile::parse(&written).expect("readable"), file);
        assert_eq!(
            file.to_commands(log_start(&log.calls)).expect("applicable").len(),
            3 + 6 + 24 + 4
        );
        assert_eq!(centre_of(&log.calls, &cities).expect("a centre"), file, "always the same");
    }

    #[test]
    fn a_type_nobody_answered_is_served_by_all() {
        let Some(log) = real_log() else { return };
        let mut calls = log.calls;
        for call in calls.iter_mut().filter(|call| call.kind == CallType::Trading) {
            call.ending = Ending::HungUp;
        }
        let file = centre_of(&calls, &cities(&["kyiv"])).expect("a centre");
        let trading = Text(CallType::Trading.queue().expect("a slug"));
        assert!(file.agents.iter().all(|agent| agent.queues.contains_key(&trading)));
    }
}
