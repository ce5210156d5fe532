//! The next entry, by chance, from what is true now: mostly sensible, often not.

use acd::command::{
    AgentCommand, ClusterCommand, ContactCommand, LeaderChoice, Request, Submission,
    TransferTarget, WorkCommand,
};
use acd::ids::{ContactId, NodeId, OfferToken, RequestId, SessionEpoch};
use acd::time::{LogTime, Millis};

use super::configs::{self, AGENTS, QUEUES, SITES, label};
use super::dice::Dice;
use super::driver::Driver;
use super::world::{GATEWAY, OPERATOR, by, edge, principal};
use super::{administration, arrivals};
use crate::model::things::{Contact, Presence, Stage};

/// Moves the clock and submits what a number stands for.
pub fn next(world: &mut Driver, number: u64) -> Result<(), String> {
    let dice = &mut Dice::new(number);
    let later = pass(world, dice);
    let mut entry = Vec::new();
    if world.model.replay && later > 0 {
        let to = LogTime(world.model.now.0 + later);
        entry.push(by(GATEWAY, ClusterCommand::AdvanceTo { to }));
    }
    let commands = if dice.percent(8) { dice.below(7) } else { 1 };
    for _ in 0..commands {
        let mut submission = command(world, dice);
        disturb(&mut submission, world, dice);
        entry.push(submission);
    }
    world.entry(entry).map(|_| ())
}

/// One entry much later, with many commands: what is due before it may be too much for an entry.
pub fn after_a_gap(world: &mut Driver, dice: &mut Dice, later: u64) -> Result<(), String> {
    let to = LogTime(world.model.now.0 + later);
    world.stamp = to;
    let mut entry = Vec::new();
    if world.model.replay {
        entry.push(by(GATEWAY, ClusterCommand::AdvanceTo { to }));
    }
    entry.extend((0..100).map(|_| command(world, dice)));
    world.entry(entry).map(|_| ())
}

/// How much later the entry is, in ms.
fn pass(world: &mut Driver, dice: &mut Dice) -> u64 {
    let now = world.model.now.0;
    let due = world.model.next_deadline().map_or(0, |due| due.0.saturating_sub(now));
    let pace = world.pace;
    let later = match dice.below(200) {
        0..100 => 0,
        100..170 => dice.below(pace),
        170..180 => dice.below(10 * pace),
        180..190 => due.min(3_600_000),
        190..194 => due.saturating_sub(1).min(3_600_000),
        194..198 => dice.below(40_000),
        198 => dice.below(900_000),
        _ => dice.below(1_000) * dice.below(7_200),
    };
    // A new leader's clock may be behind.
    let behind = if dice.percent(3) { dice.below(5_000) } else { 0 };
    world.stamp = LogTime(now + later - behind);
    later
}

fn command(world: &mut Driver, dice: &mut Dice) -> Submission {
    match dice.below(100) {
        0..17 => arrivals::enqueue(world, dice),
        17..33 => arrivals::customer(world, dice),
        33..37 => arrivals::streams(world, dice),
        37..68 => work(world, dice),
        68..81 => presence(world, dice),
        81..87 => administration::site(world, dice),
        87..93 => administration::config(world, dice),
        93..95 => supervision(world, dice),
        95..98 => leader(world, dice),
        _ => match dice.maybe(&world.past) {
            Some(again) => again.clone(),
            None => by("node-1", ClusterCommand::Tick),
        },
    }
}

/// Wrong people, requests that are repeated, reasons.
fn disturb(submission: &mut Submission, world: &Driver, dice: &mut Dice) {
    if dice.percent(3) {
        submission.principal = somebody(dice);
    }
    let administrative = acd::roles::is_administration(&submission.command);
    if dice.percent(if administrative { 30 } else { 2 }) {
        let now = world.model.now.0;
        let issued_at = match dice.below(10) {
            0 => now.saturating_sub(dice.below(1_200_000)),
            1 => now + dice.below(1_200_000),
            _ => now,
        };
        let id = RequestId(u128::from(dice.below(40)));
        submission.request = Some(Request { id, issued_at: LogTime(issued_at) });
        submission.reason = dice.percent(50).then(|| label("drill"));
    }
}

fn somebody(dice: &mut Dice) -> acd::ids::PrincipalId {
    match dice.below(6) {
        0 => principal("mallory"),
        1 => principal(dice.name(&AGENTS)),
        2 => principal(&edge(dice.name(&SITES))),
        3 => principal(GATEWAY),
        4 => principal(OPERATOR),
        _ => principal(&format!("node-{}", 1 + dice.below(5))),
    }
}

pub fn a_node(world: &Driver, dice: &mut Dice) -> NodeId {
    let nodes: Vec<NodeId> = world.model.nodes.keys().copied().collect();
    match dice.maybe(&nodes) {
        Some(node) if dice.percent(96) => *node,
        _ => NodeId(dice.below(9)),
    }
}

/// Somebody who speaks for the node that leads.
pub fn a_leader(world: &Driver) -> String {
    let first = world.model.nodes.keys().next();
    format!("node-{}", first.map_or(1, |node| node.0))
}

/// A contact that a test picks, or any other one: live, closed, or never heard of.
pub fn a_contact(world: &Driver, dice: &mut Dice, which: impl Fn(&Contact) -> bool) -> ContactId {
    let fits: Vec<&Contact> = world.model.contacts.values().filter(|c| which(c)).collect();
    if dice.percent(93)
        && let Some(contact) = dice.maybe(&fits)
    {
        return contact.id.clone();
    }
    let live: Vec<&ContactId> = world.model.contacts.keys().collect();
    match (dice.below(3), dice.maybe(&live)) {
        (0, Some(id)) => (*id).clone(),
        _ => old_contact(world, dice),
    }
}

fn old_contact(world: &Driver, dice: &mut Dice) -> ContactId {
    let newest = world.given + 2;
    let back = if dice.percent(70) { dice.below(20) } else { dice.below(newest) };
    ContactId::new(&format!("c{}", newest.saturating_sub(back))).expect("an id")
}

/// Who a contact belongs to, or a gateway.
pub fn owner(world: &Driver, dice: &mut Dice, contact: &ContactId) -> String {
    let live = world.model.contacts.get(contact).map(|c| c.ingress.to_string());
    let closed = world.model.closed.iter().find(|c| c.id == *contact);
    let ingress = live.or(closed.map(|c| c.ingress.to_string()));
    match ingress {
        Some(ingress) if dice.percent(85) => ingress,
        _ => GATEWAY.to_owned(),
    }
}

// -- Agents ----------------------------------------------------------------------------------------

fn work(world: &mut Driver, dice: &mut Dice) -> Submission {
    let mut contact = a_contact(world, dice, |c| c.with.is_some());
    let live = world.model.contacts.get(&contact);
    let stage = live.map(|c| c.stage);
    let closed = world.model.closed.iter().find(|c| c.id == contact);
    let with = live.and_then(|c| c.with.as_ref());
    let agent = with.map(|with| with.agent.clone()).or(closed.and_then(|c| c.agent.clone()));
    let token = with.map(|with| with.token).or(closed.and_then(|c| c.token));
    let mut token = token.unwrap_or(OfferToken(dice.below(200)));
    let recent = &world.tokens[world.tokens.len().saturating_sub(30)..];
    if dice.percent(6)
        && let Some((old, stale)) = dice.maybe(recent)
    {
        (contact, token) = (old.clone(), *stale);
    }
    let who =
        agent.clone().filter(|_| dice.percent(85)).map_or(GATEWAY.to_owned(), |a| a.to_string());
    // Mostly what one does at this stage.
    let kind = match stage {
        Some(Stage::Offered) if dice.percent(90) => *dice.of(&[0, 0, 0, 0, 1]),
        Some(Stage::Connected) if dice.percent(90) => *dice.of(&[2, 4, 5, 5, 6, 6, 7, 8]),
        Some(Stage::Held { .. }) if dice.percent(90) => *dice.of(&[3, 3, 5, 6, 7]),
        Some(Stage::WrapUp { .. }) if dice.percent(90) => *dice.of(&[4, 8, 8]),
        _ => dice.below(9),
    };
    let command = match kind {
        0 => WorkCommand::Accept { contact, token },
        1 => WorkCommand::Decline { contact, token },
        2 => WorkCommand::Hold { contact, token },
        3 => WorkCommand::Retrieve { contact, token },
        4 => {
            let (disposition, resolved) = (label("card blocked"), dice.percent(50));
            WorkCommand::SetDisposition { contact, token, disposition, resolved }
        }
        5 => WorkCommand::Transfer { contact, token, to: target(dice) },
        6 => {
            let consult =
                if dice.percent(90) { new_contact(world) } else { old_contact(world, dice) };
            WorkCommand::Consult { contact, token, consult, to: target(dice) }
        }
        7 => WorkCommand::End { contact, token },
        _ => WorkCommand::Complete {
            contact,
            token,
            disposition: dice.percent(30).then(|| label("solved")),
            resolved: dice.percent(30).then_some(true),
        },
    };
    let mut submission = by(&who, command);
    if dice.percent(25) {
        // From the present session, mostly.
        let session = agent.and_then(|a| world.model.agents.get(&a)?.session.clone());
        let old = SessionEpoch(dice.below(100));
        let present = session.map_or(old, |s| SessionEpoch(s.epoch));
        submission.session = Some(if dice.percent(80) { present } else { old });
    }
    submission
}

fn target(dice: &mut Dice) -> TransferTarget {
    if dice.percent(50) {
        TransferTarget::Queue(configs::queue(if dice.percent(97) {
            dice.name(&QUEUES)
        } else {
            "nowhere"
        }))
    } else {
        TransferTarget::Agent(configs::agent(if dice.percent(97) {
            dice.name(&AGENTS)
        } else {
            "nobody"
        }))
    }
}

pub fn new_contact(world: &mut Driver) -> ContactId {
    world.given += 1;
    ContactId::new(&format!("c{}", world.given)).expect("an id")
}

fn presence(world: &Driver, dice: &mut Dice) -> Submission {
    let name = dice.name(&AGENTS);
    let agent = configs::agent(name);
    let found = world.model.agents.get(&agent);
    let epoch = found.and_then(|a| a.session.as_ref()).map_or(dice.below(100), |s| s.epoch);
    let epoch =
        SessionEpoch(if dice.percent(95) { epoch } else { epoch.saturating_sub(dice.below(9)) });
    let who = if dice.percent(80) { name } else { GATEWAY };
    // Mostly what brings the agent back to work.
    let helps = dice.percent(65);
    let command = match found.map(|a| &a.presence) {
        Some(Presence::Offline | Presence::Unreachable { .. }) if helps => {
            AgentCommand::LogIn { agent, node: a_node(world, dice) }
        }
        Some(Presence::NotReady(_)) if helps => AgentCommand::Ready { agent, epoch },
        Some(Presence::Ready) if helps && found.is_some_and(|a| !a.closed_media.is_empty()) => {
            AgentCommand::OpenMedium { agent, epoch, medium: configs::medium(dice) }
        }
        _ => match dice.below(12) {
            0 => AgentCommand::LogIn { agent, node: a_node(world, dice) },
            1 => AgentCommand::LogOut { agent, epoch },
            2 | 3 => AgentCommand::Ready { agent, epoch },
            4 => AgentCommand::NotReady { agent, epoch, reason: label("lunch") },
            5 => AgentCommand::OpenMedium { agent, epoch, medium: configs::medium(dice) },
            6 | 7 => return by(&a_leader(world), AgentCommand::SessionLost { agent, epoch }),
            8 | 9 => return by(OPERATOR, AgentCommand::SetReady { agent }),
            10 => {
                let reason = label("meeting");
                return by(OPERATOR, AgentCommand::SetNotReady { agent, reason });
            }
            _ => return by(OPERATOR, AgentCommand::ForceLogOut { agent }),
        },
    };
    by(who, command)
}

/// Supervisors and customers' contacts.
fn supervision(world: &Driver, dice: &mut Dice) -> Submission {
    let contact = a_contact(world, dice, |c| !c.is_live());
    if dice.percent(70) {
        let to = configs::queue(if dice.percent(97) { dice.name(&QUEUES) } else { "nowhere" });
        return by(OPERATOR, ContactCommand::Move { contact, to });
    }
    by(OPERATOR, ContactCommand::Remove { contact })
}

fn leader(world: &Driver, dice: &mut Dice) -> Submission {
    let now = world.model.now.0;
    let command = match dice.below(10) {
        0..3 => ClusterCommand::Tick,
        3..6 => {
            let gap = Millis(dice.below(20_000));
            ClusterCommand::TermStarted { leader: a_node(world, dice), gap }
        }
        6 => ClusterCommand::SetTime { to: LogTime(now + dice.below(100_000) - dice.below(100)) },
        7 => ClusterCommand::AdvanceTo { to: LogTime(now + dice.below(1_000) - dice.below(10)) },
        8 => {
            let (about, own) = world.model.checkpoint.unwrap_or((0, 0));
            let count = if dice.percent(95) { dice.below(7) } else { 17 };
            let mut number = 0;
            let mut vote = |dice: &mut Dice| acd::command::CheckpointVote {
                node: NodeId({
                    number += 1;
                    if dice.percent(85) { number } else { 1 + dice.below(9) }
                }),
                hash: if dice.percent(70) { own } else { u128::from(dice.below(2)) },
            };
            let mut votes: Vec<_> = (0..count).map(|_| vote(dice)).collect();
            if dice.percent(20) {
                // All say the same, and something else than this replica.
                votes.iter_mut().for_each(|vote| vote.hash = own.wrapping_add(1));
            }
            ClusterCommand::Checkpoint { about, votes }
        }
        // Only ever too far: nobody here knows the next version.
        9 if dice.percent(50) => {
            let command = ClusterCommand::RaiseVersion { to: 3 + dice.below(9) as u32 };
            return by(if dice.percent(80) { "olena" } else { "node-1" }, command);
        }
        9 if dice.percent(50) => {
            let site = configs::site(if dice.percent(90) { dice.name(&SITES) } else { "odesa" });
            let to = match dice.below(4) {
                0 => LeaderChoice::Node(a_node(world, dice)),
                1 => LeaderChoice::NotNode(a_node(world, dice)),
                2 => LeaderChoice::Site(site),
                _ => LeaderChoice::NotSite(site),
            };
            let stays = dice.percent(30).then(|| label("nobody else has caught up"));
            let command = ClusterCommand::TransferLeader { to, stays };
            return by(if dice.percent(80) { OPERATOR } else { "node-1" }, command);
        }
        _ => ClusterCommand::Init {
            cluster: label("again"),
            site: configs::site("kyiv"),
            admin: principal("mallory"),
            replay: true,
        },
    };
    by(&a_leader(world), command)
}
