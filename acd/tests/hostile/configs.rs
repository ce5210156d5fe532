//! Configurations by chance: small numbers, short times, every option.

use acd::channel::{Channel, Channels, Media, Medium};
use acd::config::{
    AgentConfig, Assignment, Calendar, Capacity, Grade, HeadStart, Interval, Overflow, Priority,
    QueueConfig, Requirement, Requirements, ReturnMode, ServiceTarget, Settings, SiteConfig,
    SitePolicy, SkillLevel, Step, Strategy,
};
use acd::ids::{AgentId, CalendarId, QueueId, SiteId, SkillId};
use acd::text::Label;
use acd::time::{LogTime, Millis};

use super::dice::Dice;

pub const SITES: [&str; 3] = ["dnipro", "kyiv", "lviv"];
pub const QUEUES: [&str; 4] = ["billing", "cards", "loans", "vip"];
pub const SKILLS: [&str; 3] = ["english", "fraud", "mortgage"];
pub const AGENTS: [&str; 8] = ["anna", "boris", "clara", "denys", "emma", "fedir", "hanna", "ihor"];
pub const CALENDAR: &str = "office";

pub fn queue(id: &str) -> QueueId {
    QueueId::new(id).expect("a slug")
}
pub fn agent(id: &str) -> AgentId {
    AgentId::new(id).expect("a slug")
}
pub fn site(id: &str) -> SiteId {
    SiteId::new(id).expect("a slug")
}
pub fn skill(id: &str) -> SkillId {
    SkillId::new(id).expect("a slug")
}
pub fn calendar_id() -> CalendarId {
    CalendarId::new(CALENDAR).expect("a slug")
}
pub fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}
fn grade(dice: &mut Dice) -> Grade {
    Grade::new(1 + dice.below(3) as u32).expect("a grade")
}
fn level(dice: &mut Dice) -> SkillLevel {
    SkillLevel::new(1 + dice.below(10) as u32).expect("a level")
}

/// Some of a list, each at most once, in any order.
fn some<'a>(dice: &mut Dice, list: &[&'a str], percent: u64) -> Vec<&'a str> {
    let mut chosen: Vec<&str> = list.iter().copied().filter(|_| dice.percent(percent)).collect();
    if dice.percent(50) {
        chosen.reverse();
    }
    chosen
}

pub fn requirements(dice: &mut Dice, percent: u64) -> Requirements {
    let chosen = some(dice, &SKILLS, percent);
    let low = |dice: &mut Dice| SkillLevel::new(1 + dice.below(6) as u32).expect("a level");
    let each = chosen.into_iter().map(|id| Requirement { skill: skill(id), level: low(dice) });
    Requirements::from(each.collect::<Vec<_>>())
}

pub fn assignments(dice: &mut Dice, percent: u64) -> Vec<Assignment> {
    let chosen = some(dice, &QUEUES, percent);
    chosen.into_iter().map(|q| Assignment { queue: queue(q), grade: grade(dice) }).collect()
}

pub fn agent_config(dice: &mut Dice, id: &str, alike: u64) -> AgentConfig {
    let skills = some(dice, &SKILLS, 60);
    let capacity = match dice.below(4) {
        0 | 1 => Capacity::default(),
        2 => Capacity { max: [1, 2, 1, 2], ..Capacity::default() },
        _ => {
            let mut by = || Media(dice.below(16) as u8);
            let interruptible_by = [by(), by(), by(), by()];
            let mut up_to = |n: u64| dice.below(n + 1) as u8;
            Capacity { max: [up_to(2), up_to(2), up_to(2), up_to(2)], interruptible_by }
        }
    };
    // So many in a hundred are like each other: only site and strategy tell them apart.
    let common = dice.percent(alike);
    let first = Grade::new(1).expect("a grade");
    let all = QUEUES.map(|q| Assignment { queue: queue(q), grade: first });
    AgentConfig {
        id: agent(id),
        name: label(id),
        home_site: site(dice.name(&SITES)),
        skills: skills.into_iter().map(|s| (skill(s), level(dice))).collect(),
        queues: if common { all.to_vec() } else { assignments(dice, 70) },
        capacity: if common { Capacity::default() } else { capacity },
    }
}

fn steps(dice: &mut Dice, of: &str) -> Vec<Step> {
    let mut after = 0;
    let mut steps = Vec::new();
    for number in 0..=dice.below(4) {
        let head_start =
            if number > 0 && dice.percent(40) { dice.seconds(&[1, 10]) } else { Millis(0) };
        let sites = if dice.percent(25) { some(dice, &SITES, 60) } else { Vec::new() };
        let extra = if dice.percent(40) { some(dice, &QUEUES, 40) } else { Vec::new() };
        steps.push(Step {
            after: Millis(after),
            skills: if dice.percent(50) { requirements(dice, 40) } else { Requirements::from([]) },
            sites: sites.into_iter().map(site).collect(),
            extra_queues: extra.into_iter().filter(|q| *q != of).map(queue).collect(),
            head_start,
        });
        after += dice.seconds(&[2, 5, 10]).0.max(1);
    }
    steps
}

fn site_policy(dice: &mut Dice) -> SitePolicy {
    match dice.below(6) {
        0 => SitePolicy::Any,
        1 | 2 => SitePolicy::LocalFirst { spill_after: dice.seconds(&[0, 3, 15]) },
        3 => {
            let mut listed = some(dice, &SITES, 70);
            if listed.is_empty() {
                listed.push(SITES[0]);
            }
            let share = |dice: &mut Dice| 1 + dice.below(3) as u32;
            SitePolicy::Shares(listed.into_iter().map(|s| (site(s), share(dice))).collect())
        }
        _ => SitePolicy::FreeCapacity { hysteresis: *dice.of(&[0, 0, 1, 2]) },
    }
}

/// A configuration that may name queues, of which those not yet created are left out.
pub fn queue_config(dice: &mut Dice, id: &str, exists: impl Fn(&str) -> bool) -> QueueConfig {
    let mut config = QueueConfig::new(queue(id), label(id));
    config.channels = match dice.below(4) {
        0 => config.channels,
        1 => Channels(0b1_1111),
        2 => Channels(0b1_1111).without(*dice.of(&Channel::ALL)),
        _ => Channels::of(&[Channel::Voice, Channel::Chat, Channel::Callback]),
    };
    config.target = ServiceTarget {
        percent: 80,
        within: dice.seconds(&[5, 20]),
        short_abandon: dice.seconds(&[0, 2]),
    };
    config.steps = steps(dice, id);
    for step in &mut config.steps {
        step.extra_queues.retain(|q| exists(q.as_str()));
    }
    config.head_starts = vec![
        (Priority::new(1).expect("a priority"), HeadStart::By(dice.seconds(&[5, 30]))),
        (Priority::new(9).expect("a priority"), HeadStart::Strict),
    ];
    let strategies = [
        Strategy::LongestIdle,
        Strategy::LeastOccupied,
        Strategy::MostSkilled,
        Strategy::RoundRobin,
    ];
    config.strategy = *dice.of(&strategies);
    config.site_policy = site_policy(dice);
    config.offer_timeout = dice.seconds(&[3, 10, 60]).max(Millis(1));
    config.connect_timeout = dice.seconds(&[2, 8, 60]).max(Millis(1));
    config.cool_down = dice.seconds(&[0, 4, 30]);
    config.wrap_up = dice.seconds(&[0, 0, 5, 20]);
    config.handle_max = dice.seconds(&[30, 600, 3_600]).max(Millis(1));
    config.preferred_wait = dice.seconds(&[0, 5, 20]);
    config.length_max = *dice.of(&[1, 3, 6, 1_000]);
    config.wait_max = dice.seconds(&[0, 0, 10, 40, 120]);
    for overflow in [&mut config.overflow, &mut config.closed] {
        let other = dice.name(&QUEUES);
        *overflow = match dice.below(3) {
            0 => Overflow::Reject,
            1 if other != id && exists(other) => Overflow::Queue(queue(other)),
            _ => Overflow::Callback,
        };
    }
    config.auto_answer = dice.percent(20);
    config
}

pub fn site_config(dice: &mut Dice, id: &str) -> SiteConfig {
    let mut config = SiteConfig::new(site(id), label(id));
    config.return_mode = match dice.below(3) {
        0 => ReturnMode::ByHand,
        1 => ReturnMode::After(Millis(0)),
        _ => ReturnMode::After(dice.seconds(&[5, 30])),
    };
    config
}

pub fn calendar(dice: &mut Dice, now: LogTime) -> Calendar {
    let mut open = Vec::new();
    let mut at = now.0.saturating_sub(100_000);
    for _ in 0..dice.below(6) {
        let start = at + dice.seconds(&[1, 60]).0;
        let end = start + dice.seconds(&[60, 600]).0.max(1);
        open.push(Interval { start: LogTime(start), end: LogTime(end) });
        at = end;
    }
    let covers_until = LogTime(at + dice.seconds(&[0, 60, 600]).0);
    Calendar { id: calendar_id(), name: label(CALENDAR), open, covers_until }
}

pub fn settings(dice: &mut Dice, now: LogTime) -> Settings {
    let mut day_starts = Vec::new();
    if dice.percent(50) {
        let start = now.0 / 900_000 * 900_000;
        day_starts = vec![LogTime(start - 3_600_000), LogTime(start + 1_800_000)];
    }
    Settings {
        unreachable_for: dice.seconds(&[5, 20, 120]).max(Millis(1)),
        orphan_after: dice.seconds(&[5, 60]).max(Millis(1)),
        stranded_for: dice.seconds(&[5, 60]).max(Millis(1)),
        stranded_callback_for: dice.seconds(&[10, 600]).max(Millis(1)),
        calendar_alarm_before: dice.seconds(&[1, 60]).max(Millis(1)),
        day_starts,
    }
}

pub fn medium(dice: &mut Dice) -> Medium {
    *dice.of(&Medium::ALL)
}
