//! Where the sequences begin: three cities with four nodes, four queues, eight agents, most of
//! them ready.

use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, SiteCommand, Submission,
};
use acd::ids::{NodeId, PrincipalId};
use acd::roles::{Role, Roles};
use acd::time::LogTime;

use super::configs::{self, AGENTS, QUEUES, SITES, SKILLS};
use super::dice::Dice;
use super::driver::Driver;

/// Monday 2026-11-23 08:00:00 UTC, in ms.
const MORNING: u64 = 1_795_420_800_000;

pub const OPERATOR: &str = "olena";
pub const GATEWAY: &str = "desk";

pub fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).expect("a slug")
}

pub fn by(who: &str, command: impl Into<Command>) -> Submission {
    Submission::new(principal(who), command.into())
}

/// The front end of a city.
pub fn edge(site: &str) -> String {
    format!("edge-{site}")
}

pub fn grant(who: &str, roles: &[Role], site: Option<&str>) -> Submission {
    let command = ConfigCommand::PutPrincipal {
        principal: principal(who),
        roles: Roles::of(roles),
        site: site.map(configs::site),
        expected: None,
    };
    by(OPERATOR, command)
}

pub fn found(dice: &mut Dice) -> Result<Driver, String> {
    let mut world = Driver::new(LogTime(MORNING));
    world.pace = *dice.of(&[50, 300, 1_500]);
    let replay = dice.percent(12);
    let init = ClusterCommand::Init {
        cluster: configs::label("test"),
        site: configs::site("kyiv"),
        admin: principal(OPERATOR),
        replay,
    };
    world.entry(vec![by("node-1", ClusterCommand::Tick)])?;
    world.entry(vec![by("anybody", init)])?;
    if replay {
        let to = LogTime(MORNING);
        world.entry(vec![by("node-1", ClusterCommand::AdvanceTo { to })])?;
    }
    let mut all = vec![grant(GATEWAY, &[Role::Gateway], None)];
    for site in SITES {
        let config = configs::site_config(dice, site);
        all.push(by(OPERATOR, SiteCommand::Put { config, expected: None }));
        all.push(by(OPERATOR, SiteCommand::AddNode { site: configs::site(site) }));
        all.push(grant(&edge(site), &[Role::Ingress], Some(site)));
    }
    for skill in SKILLS {
        let (id, name) = (configs::skill(skill), configs::label(skill));
        all.push(by(OPERATOR, ConfigCommand::PutSkill { skill: id, name, expected: None }));
    }
    for (number, queue) in QUEUES.iter().enumerate() {
        let config = configs::queue_config(dice, queue, |q| QUEUES[..number].contains(&q));
        all.push(by(OPERATOR, ConfigCommand::PutQueue { config, expected: None }));
    }
    let settings = configs::settings(dice, LogTime(MORNING));
    all.push(by(OPERATOR, ConfigCommand::PutSettings { settings, expected: None }));
    let alike = *dice.of(&[20, 50, 100]);
    for agent in AGENTS {
        let config = configs::agent_config(dice, agent, alike);
        all.push(by(OPERATOR, ConfigCommand::PutAgent { config, expected: None }));
    }
    for site in SITES {
        let node = NodeId(1 + dice.below(4));
        let ingress = principal(&edge(site));
        all.push(by(&edge(site), ContactCommand::Attach { ingress, node }));
    }
    for submission in all {
        world.stamp.0 += dice.below(50);
        world.entry(vec![submission])?;
    }
    let mut on_duty = Vec::new();
    for agent in AGENTS.iter().filter(|_| dice.percent(85)).copied().collect::<Vec<_>>() {
        let node = NodeId(1 + dice.below(4));
        on_duty.push(by(agent, AgentCommand::LogIn { agent: configs::agent(agent), node }));
        on_duty.push(by(OPERATOR, AgentCommand::SetReady { agent: configs::agent(agent) }));
    }
    world.entry(on_duty)?;
    Ok(world)
}
