//! Counting, once more: running interval of 15 minutes, the one before, the day.

use acd::config::Settings;
use acd::ids::{AgentId, QueueId, SiteId};
use acd::metrics::{AgentCounters, Block, QueueCounters};
use acd::time::{LogTime, Millis};

use super::Model;

const INTERVAL: u64 = 15 * 60 * 1_000;
const DAY: u64 = 24 * 3_600 * 1_000;
/// Upper bounds in ms.
const BUCKETS: [u64; 11] =
    [5_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 120_000, 300_000, 600_000, 1_800_000];

/// Why waiting ended, if not with an answer or an abandon.
#[derive(Clone, Copy)]
pub enum Unserved {
    Overflowed,
    Rejected,
    Lost,
}

fn day_of(now: LogTime, settings: &Settings) -> LogTime {
    let begun: Vec<LogTime> = settings.day_starts.iter().copied().filter(|s| *s <= now).collect();
    let base = begun.last().map_or(0, |s| s.0);
    if begun.len() < settings.day_starts.len() {
        return LogTime(base);
    }
    LogTime(base + (now.0 - base) / DAY * DAY)
}

fn roll<C: Copy + Default>(block: &mut Block<C>, now: LogTime, settings: &Settings) {
    let start = LogTime(now.0 - now.0 % INTERVAL);
    if block.interval_start == start {
        return;
    }
    let is_next = block.interval_start.0 + INTERVAL == start.0;
    block.previous = if is_next { block.interval } else { C::default() };
    block.interval = C::default();
    block.interval_start = start;
    let day = day_of(now, settings);
    if day != block.day_start {
        block.day_start = day;
        block.today = C::default();
    }
}

fn count<C: Copy + Default>(
    block: &mut Block<C>,
    now: LogTime,
    settings: &Settings,
    add: impl Fn(&mut C),
) {
    roll(block, now, settings);
    add(&mut block.interval);
    add(&mut block.today);
}

impl Model {
    pub fn count_queue(&mut self, queue: &QueueId, add: impl Fn(&mut QueueCounters)) {
        let block = &mut self.queues.get_mut(queue).expect("a queue").metrics;
        count(block, self.now, &self.settings, add);
    }

    pub fn count_site(&mut self, site: &SiteId, add: impl Fn(&mut QueueCounters)) {
        let block = &mut self.sites.get_mut(site).expect("a site").metrics;
        count(block, self.now, &self.settings, add);
    }

    pub fn count_agent(&mut self, agent: &AgentId, add: impl Fn(&mut AgentCounters)) {
        let block = &mut self.agents.get_mut(agent).expect("an agent").metrics;
        count(block, self.now, &self.settings, add);
    }

    /// Occupancy of an agent's day in millionths, rounded half up; 0 without data.
    pub fn occupancy_ppm(&self, agent: &AgentId) -> u32 {
        let mut block = self.agents[agent].metrics;
        roll(&mut block, self.now, &self.settings);
        let (busy, free) = (block.today.handling_ms as u128, block.today.available_ms as u128);
        if busy + free == 0 {
            return 0;
        }
        ((busy * 2_000_000 + busy + free) / (2 * (busy + free))) as u32
    }
}

pub fn answered(c: &mut QueueCounters, waited: Millis, target: Millis) {
    c.offered += 1;
    c.answered += 1;
    if waited <= target {
        c.answered_in_target += 1;
    }
    c.wait_ms += waited.0;
    c.wait_max_ms = c.wait_max_ms.max(waited.0);
    let bucket = BUCKETS.iter().filter(|bound| waited.0 > **bound).count();
    c.wait_histogram[bucket] += 1;
}

pub fn abandoned(c: &mut QueueCounters, waited: Millis, target: Millis, short: Millis) {
    c.offered += 1;
    c.abandoned += 1;
    if waited <= target {
        c.abandoned_in_target += 1;
    }
    if waited < short {
        c.short_abandons += 1;
    }
    c.wait_max_ms = c.wait_max_ms.max(waited.0);
}

pub fn unserved(c: &mut QueueCounters, waited: Millis, why: Unserved) {
    c.offered += 1;
    match why {
        Unserved::Overflowed => c.overflowed += 1,
        Unserved::Rejected => c.rejected += 1,
        Unserved::Lost => c.lost += 1,
    }
    c.wait_max_ms = c.wait_max_ms.max(waited.0);
}
