//! In which order a plan is carried out.
//!
//! ```text
//! sites, skills, calendars
//!   → new queues, without what they say of other new ones
//!     → queues as they are to be, those nobody overflows from first
//!       → agents, principals, settings
//!         → what goes: agents, principals, queues, calendars and skills, sites
//!           → whoever applies the plan: their roles may be needed until then
//! ```
//!
//! Each step refers only to what those before it have made, and no step makes queues overflow in a
//! circle on the way from one configuration without circles to another: a queue gets its new
//! successor when that one, and all behind it, have theirs.

use std::collections::{BTreeMap, BTreeSet};

use acd::command::{Command, ConfigCommand};
use acd::config::{Overflow, QueueConfig};
use acd::ids::PrincipalId;

use super::difference::{Change, What, is_self};
use super::object::{Kind, deletion};
use super::running::Running;
use crate::centre_file::{queues_named, without_queues};

/// A command of a plan.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The change it belongs to.
    pub change: usize,
    /// What is sent, but for the revision that it expects.
    pub command: Command,
}

/// Steps that do not depend on each other.
pub(super) type Wave = Vec<Step>;

/// Queues that would overflow in a circle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circle(pub Vec<String>);

/// The steps of a plan, in waves that are carried out one after the other.
pub(super) fn waves(
    changes: &[Change],
    running: &Running,
    applies: &PrincipalId,
) -> Result<Vec<Wave>, Circle> {
    let of = |kinds: &[Kind], removed: bool| -> Wave {
        let wanted = |(_, change): &(usize, &Change)| {
            kinds.contains(&change.object.kind)
                && (change.what == What::Removed) == removed
                && !is_self(&change.object, applies)
        };
        let step = |(at, change): (usize, &Change)| {
            let command = match (&change.after, &change.before) {
                (Some(after), _) => after.clone(),
                (None, Some(before)) => deletion(before)?,
                (None, None) => return None,
            };
            Some(Step { change: at, command })
        };
        changes.iter().enumerate().filter(wanted).filter_map(step).collect()
    };
    let mut waves = vec![of(&[Kind::Site, Kind::Skill, Kind::Calendar], false)];
    waves.extend(queue_waves(of(&[Kind::Queue], false), changes, running)?);
    waves.push(of(&[Kind::Agent, Kind::Principal, Kind::Settings], false));
    waves.push(of(&[Kind::Agent], true));
    waves.push(of(&[Kind::Principal], true));
    waves.extend(queue_deletions(of(&[Kind::Queue], true), changes));
    waves.push(of(&[Kind::Calendar, Kind::Skill], true));
    waves.push(of(&[Kind::Site], true));
    let own = changes.iter().enumerate().filter(|(_, change)| is_self(&change.object, applies));
    let own = own.filter_map(|(change, c)| Some(Step { change, command: c.after.clone()? }));
    waves.push(own.collect());
    waves.retain(|wave| !wave.is_empty());
    Ok(waves)
}

/// The queue that a command puts there.
fn queue_in(command: &Command) -> Option<&QueueConfig> {
    match command {
        Command::Config(ConfigCommand::PutQueue { config, .. }) => Some(config),
        _ => None,
    }
}

/// New queues first, then all as they are to be.
fn queue_waves(puts: Wave, changes: &[Change], running: &Running) -> Result<Vec<Wave>, Circle> {
    let depths = depths(changes, running)?;
    let is_new = |step: &Step| changes[step.change].what == What::Added;
    let new: BTreeSet<_> = puts
        .iter()
        .filter(|step| is_new(step))
        .filter_map(|step| Some(queue_in(&step.command)?.id.clone()))
        .collect();
    let mut created = Vec::new();
    let mut by_depth: BTreeMap<usize, Wave> = BTreeMap::new();
    for step in puts {
        // Only queues are among them.
        let Some(config) = queue_in(&step.command) else { continue };
        if is_new(&step) {
            if !queues_named(config).any(|queue| new.contains(queue)) {
                created.push(step);
                continue;
            }
            let config = without_queues(config.clone());
            let command = ConfigCommand::PutQueue { config, expected: None }.into();
            created.push(Step { change: step.change, command });
        }
        let depth = depths.get(config.id.as_str()).copied().unwrap_or(0);
        by_depth.entry(depth).or_default().push(step);
    }
    Ok([created].into_iter().chain(by_depth.into_values()).collect())
}

/// How many queues a contact passes that overflows from each, when all is as it is to be.
fn depths(changes: &[Change], running: &Running) -> Result<BTreeMap<String, usize>, Circle> {
    let mut next: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let there = running.objects.values().map(|there| &there.put);
    let wanted = changes.iter().filter_map(|change| change.after.as_ref());
    for config in there.chain(wanted).filter_map(queue_in) {
        let overflow = match &config.overflow {
            Overflow::Queue(queue) => Some(queue.as_str()),
            Overflow::Reject | Overflow::Callback => None,
        };
        next.insert(config.id.as_str(), overflow);
    }
    let mut depths: BTreeMap<String, usize> = BTreeMap::new();
    for start in next.keys() {
        let mut path: Vec<&str> = Vec::new();
        let mut at = Some(*start);
        let known = loop {
            let Some(queue) = at else { break 0 };
            if let Some(depth) = depths.get(queue) {
                break depth + 1;
            }
            if let Some(from) = path.iter().position(|passed| *passed == queue) {
                path.push(queue);
                return Err(Circle(path[from..].iter().map(|id| (*id).to_owned()).collect()));
            }
            path.push(queue);
            at = next.get(queue).copied().flatten();
        };
        for (passed, queue) in path.iter().rev().enumerate() {
            depths.insert((*queue).to_owned(), known + passed);
        }
    }
    Ok(depths)
}

/// Queues that go, those first that no other of them names. Of those that name each other, one gives
/// that up before it goes.
fn queue_deletions(deletions: Wave, changes: &[Change]) -> Vec<Wave> {
    let config = |step: &Step| changes[step.change].before.as_ref().and_then(queue_in);
    let mut left = deletions;
    let mut waves = Vec::new();
    while !left.is_empty() {
        let is_named = |step: &Step| {
            let others = left.iter().filter(|other| other.change != step.change);
            let id = config(step).map(|config| &config.id);
            others.filter_map(config).any(|other| queues_named(other).any(|q| Some(q) == id))
        };
        let (stay, go): (Wave, Wave) = left.iter().cloned().partition(is_named);
        if !go.is_empty() {
            waves.push(go);
            left = stay;
            continue;
        }
        // Everybody who is left is named by somebody who is left.
        let freed = stay.iter().filter_map(|step| {
            let config = without_queues(config(step)?.clone());
            let command = ConfigCommand::PutQueue { config, expected: None }.into();
            Some(Step { change: step.change, command })
        });
        waves.push(freed.collect());
        waves.push(stay);
        break;
    }
    waves
}
