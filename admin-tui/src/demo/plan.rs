//! The contact centre of the demonstration: three cities, four queues, sixty agents.

use std::collections::BTreeMap;

use acd::ids::{AgentId, QueueId, SiteId, SkillId};
use acd::metrics::interval_start;
use acd::rejection::Rejection;
use acd::text::Label;
use acd::time::LogTime;

use crate::centre_file::{AgentEntry, CentreFile, CentreFileError, Instant, SettingsEntry, Text};

/// The cities, as the traffic numbers them.
pub const CITIES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
/// How many nodes each city has. No city has half of them.
pub const NODES: [usize; 3] = [2, 2, 1];
/// The principal that speaks for all desktops.
pub const DESKTOPS: &str = "desktops";

/// Everything but the agents.
const CENTRE: &str = include_str!("centre.toml");
/// The agents.
const AGENTS: [&str; 60] = [
    "Alina",
    "Anatolii",
    "Andrii",
    "Anna",
    "Artem",
    "Bohdan",
    "Bohdana",
    "Daryna",
    "Denys",
    "Diana",
    "Dmytro",
    "Halyna",
    "Hanna",
    "Hryhorii",
    "Ihor",
    "Inna",
    "Iryna",
    "Ivan",
    "Ivanna",
    "Kateryna",
    "Khrystyna",
    "Kostiantyn",
    "Larysa",
    "Lesia",
    "Liudmyla",
    "Maksym",
    "Maria",
    "Marko",
    "Marta",
    "Mykhailo",
    "Mykola",
    "Myroslava",
    "Nadiia",
    "Natalia",
    "Nazar",
    "Nina",
    "Oksana",
    "Oleh",
    "Oleksandr",
    "Olena",
    "Olha",
    "Orysia",
    "Ostap",
    "Pavlo",
    "Petro",
    "Roman",
    "Ruslana",
    "Serhii",
    "Sofiia",
    "Solomiia",
    "Stepan",
    "Svitlana",
    "Taras",
    "Tetiana",
    "Vasyl",
    "Vira",
    "Volodymyr",
    "Yana",
    "Yurii",
    "Zoia",
];
/// To which city each agent of twelve belongs: five, four and three.
const HOMES: [usize; 12] = [0, 1, 2, 0, 1, 2, 0, 1, 0, 1, 2, 0];
/// What each of four agents serves, and with which grade.
const QUEUES: [&[(&str, u32)]; 4] = [
    &[("sales", 1), ("billing", 2)],
    &[("support", 1), ("sales", 2)],
    &[("billing", 1), ("support", 2)],
    &[("web", 1), ("support", 2), ("sales", 3)],
];
/// How well each of four agents knows the technical side. 0: not.
const TECH: [u32; 4] = [0, 8, 3, 6];
/// How well one agent of three speaks English.
const ENGLISH: u32 = 7;

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub id: String,
    /// The number of the city.
    pub city: usize,
}

/// The agents.
pub(super) fn agents() -> Vec<Agent> {
    let agent = |(at, name): (usize, &&str)| Agent {
        id: name.to_ascii_lowercase(),
        city: HOMES[at % HOMES.len()],
    };
    AGENTS.iter().enumerate().map(agent).collect()
}

/// The centre, for somebody who makes it now. Its reporting day begins now: what is counted of the
/// day is counted since the beginning of the demonstration, also over midnight.
pub(super) fn centre(now: LogTime) -> Result<CentreFile, CentreFileError> {
    let mut file = CentreFile::parse(CENTRE)?;
    let settings = file.settings.unwrap_or_default();
    let day_starts = vec![Instant(interval_start(now))];
    file.settings = Some(SettingsEntry { day_starts, ..settings });
    let entries = agents().into_iter().enumerate().map(|(at, agent)| entry(at, &agent));
    let refused = |why| CentreFileError::Refused { entry: "an agent".into(), why };
    file.agents = entries.collect::<Result<_, _>>().map_err(refused)?;
    Ok(file)
}

fn entry(at: usize, agent: &Agent) -> Result<AgentEntry, Rejection> {
    // Not in step with the cities, so that each city has agents of all kinds.
    let turn = at + at / HOMES.len();
    let mut queues = BTreeMap::new();
    for (queue, grade) in QUEUES[turn % QUEUES.len()] {
        queues.insert(Text(QueueId::new(queue)?), *grade);
    }
    let mut skills = BTreeMap::new();
    let tech = TECH[turn % TECH.len()];
    let english = if turn.is_multiple_of(3) { ENGLISH } else { 0 };
    for (skill, level) in [("tech", tech), ("english", english)] {
        if level > 0 {
            skills.insert(Text(SkillId::new(skill)?), level);
        }
    }
    Ok(AgentEntry {
        id: Text(AgentId::new(&agent.id)?),
        name: Text(Label::new(AGENTS[at])?),
        home_site: Text(SiteId::new(CITIES[agent.city])?),
        queues,
        skills,
        capacity: BTreeMap::new(),
        interruptible_by: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_centre_can_be_made_and_every_city_has_agents_of_all_kinds() {
        let now = LogTime(1_800_000_000_000);
        let file = centre(now).expect("a centre");
        let commands = file.to_commands(now).expect("commands");
        assert_eq!(commands.len(), 3 + 2 + 4 + 60 + 4 + 1);
        let mut kinds: BTreeMap<&str, BTreeSet<Vec<&str>>> = BTreeMap::new();
        let mut skilled: BTreeSet<(&str, &str)> = BTreeSet::new();
        for agent in &file.agents {
            let city = agent.home_site.0.as_str();
            let queues = agent.queues.keys().map(|queue| queue.0.as_str()).collect();
            kinds.entry(city).or_default().insert(queues);
            skilled.extend(agent.skills.keys().map(|skill| (city, skill.0.as_str())));
        }
        assert!(kinds.values().all(|kinds| kinds.len() == QUEUES.len()), "{kinds:?}");
        assert_eq!(skilled.len(), 2 * CITIES.len(), "{skilled:?}");
        let ids: BTreeSet<_> = file.agents.iter().map(|agent| agent.id.0.as_str()).collect();
        assert_eq!(ids.len(), AGENTS.len());
        assert_eq!(CentreFile::parse(&file.to_toml().expect("writable")), Ok(file));
    }

    #[test]
    fn no_city_has_half_of_the_nodes() {
        let all: usize = NODES.iter().sum();
        assert!(NODES.iter().all(|nodes| 2 * nodes < all));
    }
}
