//! Operators and supervisors: cities, nodes, configuration.

use acd::command::{Command, ConfigCommand, SiteCommand, Submission};
use acd::event::SiteState;
use acd::ids::{Revision, Seq, SiteId};
use acd::roles::Role;
use acd::site::NodeRole;
use acd::text::Address;
use acd::time::LogTime;

use super::arrivals::a_duration;
use super::commands::{a_leader, a_node};
use super::configs::{self, AGENTS, QUEUES, SITES, SKILLS, label};
use super::dice::Dice;
use super::driver::Driver;
use super::world::{OPERATOR, by, edge, grant, principal};

/// None mostly; the right one, or another one.
fn expected(dice: &mut Dice, is: Option<u64>) -> Option<Revision> {
    match dice.below(10) {
        0 => Some(Revision(dice.below(5))),
        1 | 2 => Some(Revision(is.unwrap_or(0))),
        _ => None,
    }
}

pub fn site(world: &Driver, dice: &mut Dice) -> Submission {
    let name = match dice.below(40) {
        0 => "nowhere",
        1..6 => "odesa",
        _ => dice.name(&SITES),
    };
    let site = configs::site(name);
    let found = world.model.sites.get(&site);
    let expected = expected(dice, found.map(|s| s.revision));
    let leader = a_leader(world);
    let state = found.map(|s| s.state);
    // Mostly what brings the site back into service.
    match state {
        Some(SiteState::Suspect) if dice.percent(60) => {
            return by(&leader, SiteCommand::Heard { site });
        }
        Some(SiteState::Lost) if dice.percent(50) => {
            return by(&leader, SiteCommand::CaughtUp { site });
        }
        Some(SiteState::Returning { .. } | SiteState::Drained) if dice.percent(60) => {
            return by(OPERATOR, SiteCommand::Return { site, expected });
        }
        Some(SiteState::Draining) if dice.percent(50) => match dice.below(4) {
            0 => return by(OPERATOR, SiteCommand::Return { site, expected }),
            1 => return by(OPERATOR, SiteCommand::CancelDrain { site, expected }),
            _ => return by(&leader, SiteCommand::Lost { site }),
        },
        _ => {}
    }
    let command = match dice.below(25) {
        0 | 1 => return by(&leader, SiteCommand::Suspect { site }),
        2 => return by(&leader, SiteCommand::Heard { site }),
        3 | 4 => return by(&leader, SiteCommand::Lost { site }),
        5 => return by(&leader, SiteCommand::CaughtUp { site }),
        6 => return by(&leader, SiteCommand::NodeLost { node: a_node(world, dice) }),
        7 => return by(&leader, SiteCommand::RemoveNode { node: a_node(world, dice) }),
        20..25 => return members(world, dice, site),
        8 => SiteCommand::AddNode { site },
        9 => SiteCommand::DeclareLost { site, expected },
        10..15 => SiteCommand::Drain {
            site,
            deadline: a_duration(dice),
            expiry: a_duration(dice),
            callback: dice.percent(60),
            force: dice.percent(60),
            expected,
        },
        15 => SiteCommand::CancelDrain { site, expected },
        16 => SiteCommand::Return { site, expected },
        17 | 18 => {
            let name = if name == "nowhere" { "odesa" } else { name };
            SiteCommand::Put { config: configs::site_config(dice, name), expected }
        }
        _ => {
            let unused = configs::site("odesa");
            let site = if world.model.sites.contains_key(&unused) { unused } else { site };
            SiteCommand::Delete { site, expected }
        }
    };
    by(OPERATOR, command)
}

/// Tokens, and what nodes are meant to be.
fn members(world: &Driver, dice: &mut Dice, site: SiteId) -> Submission {
    let expected = expected(dice, Some(world.model.members_revision));
    let role = NodeRole::ALL[dice.below(3) as usize];
    let few = |dice: &mut Dice| u128::from(dice.below(4));
    let command = match dice.below(10) {
        0..3 => {
            let ttl = a_duration(dice);
            let hash = u128::from(world.model.now.0 / 10_000) * u128::from(dice.below(3));
            SiteCommand::IssueToken { hash, site, role, ttl }
        }
        3..6 => {
            let known: Vec<u128> = world.model.tokens.iter().map(|token| token.hash).collect();
            // Rather the last one: it may be open.
            let last = known.last().copied().filter(|_| dice.percent(60));
            let hash = last.or_else(|| dice.maybe(&known).copied()).unwrap_or(1);
            let (key, incarnation) = (few(dice), few(dice));
            let address = Address::new(&format!("n{}:1", dice.below(2))).expect("host:port");
            let redeem = SiteCommand::RedeemToken { hash, key, incarnation, address };
            return by(&a_leader(world), redeem);
        }
        6 => {
            let known: Vec<Seq> = world.model.tokens.iter().map(|token| token.id).collect();
            SiteCommand::RevokeToken { token: dice.maybe(&known).copied().unwrap_or(Seq(7)) }
        }
        7 | 8 => {
            let (node, fewer) = (a_node(world, dice), dice.percent(60));
            SiteCommand::SetNodeRole { node, role, fewer, expected }
        }
        _ => {
            let (node, fewer) = (a_node(world, dice), dice.percent(60));
            SiteCommand::RetireNode { node, fewer, expected }
        }
    };
    by(OPERATOR, command)
}

pub fn config(world: &Driver, dice: &mut Dice) -> Submission {
    let submission = match dice.below(3) {
        0 => queues(world, dice),
        1 => roster(world, dice),
        _ => rest(world, dice),
    };
    debug_assert!(matches!(submission.command, Command::Config(_)));
    submission
}

fn queues(world: &Driver, dice: &mut Dice) -> Submission {
    let name = if dice.percent(96) { dice.name(&QUEUES) } else { "nowhere" };
    let queue = configs::queue(name);
    let found = world.model.queues.get(&queue);
    let expected = expected(dice, found.map(|q| q.revision));
    let now = world.model.now.0;
    let missing = QUEUES.iter().find(|q| !world.model.queues.contains_key(&configs::queue(q)));
    let exists = |q: &str| world.model.queues.contains_key(&configs::queue(q));
    let command = match dice.below(10) {
        // A queue that was deleted comes back soon.
        0..5 if missing.is_some() => {
            let name = missing.copied().unwrap_or(name);
            let mut config = configs::queue_config(dice, name, exists);
            let calendar = configs::calendar_id();
            if dice.percent(30) && world.model.calendars.contains_key(&calendar) {
                config.calendar = Some(calendar);
            }
            ConfigCommand::PutQueue { config, expected }
        }
        0..5 => {
            // All of it anew, or a small change of what is there.
            let fresh = configs::queue_config(dice, name, exists);
            let mut config = found.map_or(fresh.clone(), |q| q.config.clone());
            let calendar = configs::calendar_id();
            match dice.below(8) {
                0 => config.steps = fresh.steps,
                1 => config.site_policy = fresh.site_policy,
                2 => config.strategy = fresh.strategy,
                3 => config.channels = fresh.channels,
                4 => config.calendar = Some(calendar),
                5 => config.overflow = acd::config::Overflow::Queue(queue),
                _ => config = fresh,
            }
            ConfigCommand::PutQueue { config, expected }
        }
        5 | 6 => {
            let successor = dice.percent(70).then(|| configs::queue(dice.name(&QUEUES)));
            ConfigCommand::DeleteQueue { queue, successor, expected }
        }
        7 | 8 => {
            let until = LogTime((now + dice.below(120_000)).saturating_sub(500));
            ConfigCommand::CloseQueue { queue, until, flush: dice.percent(50), expected }
        }
        _ => ConfigCommand::ReopenQueue { queue, expected },
    };
    by(OPERATOR, command)
}

fn roster(world: &Driver, dice: &mut Dice) -> Submission {
    let name = dice.name(&AGENTS);
    let agent = configs::agent(name);
    let found = world.model.agents.get(&agent);
    let expected = expected(dice, found.map(|a| a.revision));
    let here = |queues: &mut Vec<acd::config::Assignment>, dice: &mut Dice| {
        if dice.percent(97) {
            queues.retain(|a| world.model.queues.contains_key(&a.queue));
        }
    };
    let command = match dice.below(10) {
        0..3 => {
            let name = if dice.percent(97) { name } else { "node-7" };
            let mut config = configs::agent_config(dice, name, 40);
            here(&mut config.queues, dice);
            config.skills.retain(|(skill, _)| world.model.skills.contains_key(skill));
            ConfigCommand::PutAgent { config, expected }
        }
        3 => ConfigCommand::DeleteAgent { agent, expected },
        4..8 => {
            let mut queues = configs::assignments(dice, 60);
            here(&mut queues, dice);
            if dice.percent(3) {
                queues.extend(queues.clone());
            }
            let home_site = dice.percent(30).then(|| configs::site(dice.name(&SITES)));
            let duration = dice.percent(75).then(|| a_duration(dice));
            ConfigCommand::MoveAgent { agent, queues, home_site, duration, expected }
        }
        _ => {
            let moved = world.model.agents.values().find(|a| a.moved.is_some());
            let agent = moved.map_or(agent, |a| a.config.id.clone());
            ConfigCommand::EndMove { agent, expected: expected.filter(|_| moved.is_none()) }
        }
    };
    by(OPERATOR, command)
}

fn rest(world: &Driver, dice: &mut Dice) -> Submission {
    let model = &world.model;
    let name = if dice.percent(40) { dice.name(&SKILLS) } else { "chess" };
    let skill = configs::skill(name);
    let command = match dice.below(13) {
        12 | 0 | 1 => {
            let expected = expected(dice, model.skills.get(&skill).map(|(_, revision)| *revision));
            ConfigCommand::PutSkill { skill, name: label("a skill"), expected }
        }
        2 | 3 => {
            let expected = expected(dice, model.skills.get(&skill).map(|(_, revision)| *revision));
            ConfigCommand::DeleteSkill { skill, expected }
        }
        4 => {
            let old = model.calendars.get(&configs::calendar_id()).map(|c| c.revision);
            let mut config = configs::calendar(dice, model.now);
            if dice.percent(5) {
                config.open.reverse();
            }
            ConfigCommand::PutCalendar { config, expected: expected(dice, old) }
        }
        5 => {
            let calendar = configs::calendar_id();
            ConfigCommand::DeleteCalendar { calendar, expected: expected(dice, None) }
        }
        6 => {
            let settings = configs::settings(dice, model.now);
            let expected = expected(dice, Some(model.settings_revision));
            ConfigCommand::PutSettings { settings, expected }
        }
        // Roles come and go; front ends get theirs back.
        7..10 => {
            let site = dice.name(&SITES);
            return grant(&edge(site), &[Role::Ingress], Some(site));
        }
        10 => match dice.below(6) {
            0 => return grant("node-1", &[Role::Viewer], None),
            1 => return grant(AGENTS[0], &[Role::Ingress], None),
            2 => return grant("mallory", &[Role::Agent], None),
            3 => return grant("mallory", &[Role::Supervisor], Some("nowhere")),
            4 => return grant(OPERATOR, &[Role::Viewer], None),
            _ => return grant(&edge(dice.name(&SITES)), &[Role::Viewer], None),
        },
        _ => {
            let who = match dice.below(6) {
                0 => principal(OPERATOR),
                1 | 2 => principal(&edge(dice.name(&SITES))),
                _ => principal("mallory"),
            };
            let old = model.principals.get(&who).map(|p| p.revision);
            ConfigCommand::DeletePrincipal { principal: who, expected: expected(dice, old) }
        }
    };
    by(OPERATOR, command)
}
