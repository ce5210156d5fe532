//! Front ends and customers: arrivals, hang-ups, bridges, streams.

use acd::channel::Channel;
use acd::command::{ConfigCommand, ContactCommand, Enqueue, HeldContact, SiteCommand, Submission};
use acd::config::{Priority, Requirement, Requirements, SkillLevel};
use acd::limits;
use acd::text::Attributes;
use acd::time::{LogTime, Millis};

use super::commands::{a_contact, a_leader, a_node, new_contact, owner};
use super::configs::{self, AGENTS, QUEUES, SITES};
use super::dice::Dice;
use super::driver::Driver;
use super::world::{GATEWAY, OPERATOR, by, edge, principal};
use crate::model::things::Stage;

pub fn enqueue(world: &mut Driver, dice: &mut Dice) -> Submission {
    let contact =
        if dice.percent(95) { new_contact(world) } else { a_contact(world, dice, |_| true) };
    let queue = configs::queue(if dice.percent(98) { dice.name(&QUEUES) } else { "nowhere" });
    let taken = world.model.queues.get(&queue).map(|q| q.config.channels);
    let taken: Vec<Channel> = taken.into_iter().flat_map(|c| c.iter()).collect();
    let channel = match dice.maybe(&taken) {
        Some(channel) if dice.percent(95) => *channel,
        _ => *dice.of(&Channel::ALL),
    };
    let now = world.model.now.0;
    let scheduled = if channel == Channel::Callback { 40 } else { 2 };
    let not_before = dice.percent(scheduled).then(|| match dice.below(10) {
        0 => now.saturating_sub(1_000),
        1 => now + 401 * 86_400_000,
        _ => now + dice.below(30_000),
    });
    let mut requirements =
        if dice.percent(25) { configs::requirements(dice, 35) } else { Requirements::from([]) };
    if dice.percent(1) {
        let level = SkillLevel::new(1).expect("a level");
        let twice = Requirement { skill: configs::skill("fraud"), level };
        requirements = Requirements::from(vec![twice.clone(), twice]);
    } else if dice.percent(1) {
        let level = SkillLevel::new(1).expect("a level");
        requirements = Requirements::from([Requirement { skill: configs::skill("none"), level }]);
    }
    let who = match dice.below(10) {
        0 => GATEWAY.to_owned(),
        _ => edge(dice.name(&SITES)),
    };
    let site_wanted = if who == GATEWAY { 90 } else { 20 };
    let command = Enqueue {
        contact,
        queue,
        channel,
        priority: Priority::new(*dice.of(&[0, 0, 0, 1, 1, 2, 9])).expect("a priority"),
        site: dice.percent(site_wanted).then(|| configs::site(dice.name(&SITES))),
        requirements,
        preferred: dice.percent(22).then(|| configs::agent(dice.name(&AGENTS))),
        preferred_wait: dice.percent(30).then(|| dice.seconds(&[0, 3, 15])),
        not_before: not_before.map(LogTime),
        attributes: Attributes::default(),
    };
    by(&who, ContactCommand::Enqueue(command))
}

/// More callbacks for one moment than deadlines fire in an entry, and something that ends later
/// of every queue, agent and city.
pub fn crowd(world: &mut Driver, not_before: LogTime) -> Vec<Submission> {
    let mut queues = world.model.queues.values().map(|q| &q.config);
    let queue = queues.find(|q| q.channels.contains(Channel::Callback)).map(|q| q.id.clone());
    let Some(queue) = queue else { return Vec::new() };
    let one = |world: &mut Driver| Enqueue {
        contact: new_contact(world),
        queue: queue.clone(),
        channel: Channel::Callback,
        priority: Priority::default(),
        site: Some(configs::site("kyiv")),
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: Some(not_before),
        attributes: Attributes::default(),
    };
    let crowd = 0..limits::DEADLINES_PER_ENTRY_MAX + 20;
    let mut entry: Vec<Submission> =
        crowd.map(|_| by(GATEWAY, ContactCommand::Enqueue(one(world)))).collect();
    let (until, expected) = (not_before.plus(Millis(60_000)), None);
    for queue in world.model.queues.keys().cloned() {
        let close = ConfigCommand::CloseQueue { queue, until, flush: false, expected };
        entry.push(by(OPERATOR, close));
    }
    for (agent, found) in &world.model.agents {
        let (queues, duration) = (found.queues().to_vec(), Some(Millis(61_000)));
        let (agent, home_site) = (agent.clone(), None);
        let away = ConfigCommand::MoveAgent { agent, queues, home_site, duration, expected };
        entry.push(by(OPERATOR, away));
    }
    for site in world.model.sites.keys().cloned() {
        let (deadline, expiry) = (Millis(61_000), Millis(62_000));
        let (callback, force) = (true, true);
        entry.push(by(
            OPERATOR,
            SiteCommand::Drain { site, deadline, expiry, callback, force, expected },
        ));
    }
    entry
}

pub fn customer(world: &Driver, dice: &mut Dice) -> Submission {
    let to_be_bridged = dice.percent(65);
    let contact = a_contact(world, dice, |c| c.stage == Stage::Accepted || !to_be_bridged);
    let kind = if to_be_bridged && dice.percent(90) { dice.below(45) } else { dice.below(100) };
    let found = world.model.contacts.get(&contact);
    let token = found.and_then(|c| c.with.as_ref()).map(|with| with.token);
    let past = found.and_then(|c| c.past_offers.last()).map(|o| o.token);
    let closed = world.model.closed.iter().find(|c| c.id == contact).and_then(|c| c.token);
    let token = token.or(past).or(closed).unwrap_or(acd::ids::OfferToken(1));
    let who = owner(world, dice, &contact);
    let now = world.model.now.0;
    let command = match kind {
        0..36 => ContactCommand::Bridged { contact, token },
        36..45 => ContactCommand::BridgeFailed { contact, token },
        45..64 => ContactCommand::HangUp { contact },
        64..80 => {
            let not_before = dice.percent(40).then(|| match dice.below(12) {
                0 => LogTime(now + 401 * 86_400_000),
                _ => LogTime(now + dice.below(20_000)),
            });
            ContactCommand::RequestCallback { contact, not_before }
        }
        80..90 => {
            let reference = configs::label("recording-1");
            ContactCommand::SetRecording { contact, reference }
        }
        _ => ContactCommand::RecordCsat { contact, score: *dice.of(&[0, 80, 100, 101]) },
    };
    by(&who, command)
}

pub fn streams(world: &Driver, dice: &mut Dice) -> Submission {
    let name = if dice.percent(90) { edge(dice.name(&SITES)) } else { GATEWAY.to_owned() };
    let ingress = principal(&name);
    let who = if dice.percent(50) { name.clone() } else { a_leader(world) };
    let attached = world.model.ingresses.get(&ingress);
    let nodes: Vec<_> = attached.into_iter().flatten().copied().collect();
    match dice.below(10) {
        0..3 => {
            let node = a_node(world, dice);
            let ingress = if dice.percent(95) { ingress } else { principal("mallory") };
            by(&who, ContactCommand::Attach { ingress, node })
        }
        3..7 => {
            let node = dice.maybe(&nodes).copied().unwrap_or(a_node(world, dice));
            by(&who, ContactCommand::Detach { ingress, node })
        }
        _ => {
            let mut contacts = Vec::new();
            for _ in 0..dice.below(6) {
                let own = a_contact(world, dice, |c| c.ingress == ingress);
                contacts.push(HeldContact { contact: own, token: None });
            }
            for stranded in world.model.contacts.values() {
                if stranded.ingress == ingress && dice.percent(60) {
                    contacts.push(HeldContact { contact: stranded.id.clone(), token: None });
                }
            }
            by(&name, ContactCommand::Reattach { contacts })
        }
    }
}

/// Not longer than anybody may wait, or too long.
pub fn a_duration(dice: &mut Dice) -> Millis {
    if dice.percent(97) { dice.seconds(&[1, 10, 40]) } else { Millis(401 * 86_400_000) }
}
