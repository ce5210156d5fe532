//! Counters. Integers only, counted in the interval in which waiting *ended*; ratios are computed
//! by readers.
//!
//! Each block keeps the running interval of 15 minutes, the one before, and the reporting day.
//! Blocks roll over when they are next written to; a reader asks for a point in time and gets
//! zeros for an interval in which nothing was counted.

use crate::config::Settings;
use crate::digest::Digest;
use crate::limits;
use crate::time::{LogTime, Millis};

/// Upper bounds of the waiting-time histogram's buckets, in seconds; the last one is open.
pub const WAIT_BUCKETS_S: [u64; 11] = [5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1_800];
/// Buckets of the waiting-time histogram.
pub const WAIT_BUCKETS: usize = WAIT_BUCKETS_S.len() + 1;

/// A set of counters that can be added up and hashed.
pub trait Counters: Copy + Default + PartialEq {
    /// Writes every counter.
    fn digest(&self, out: &mut Digest);
}

/// Counters over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block<C> {
    /// Start of the interval that `interval` counts.
    pub interval_start: LogTime,
    /// Start of the day that `today` counts.
    pub day_start: LogTime,
    /// The running interval.
    pub interval: C,
    /// The interval before it.
    pub previous: C,
    /// The reporting day.
    pub today: C,
}

/// The start of the metrics interval that `now` is in.
pub fn interval_start(now: LogTime) -> LogTime {
    LogTime(now.0 / limits::INTERVAL.0 * limits::INTERVAL.0)
}

impl<C: Counters> Block<C> {
    /// The block as a reader at `now` should see it.
    pub fn at(&self, now: LogTime, settings: &Settings) -> Self {
        let mut block = *self;
        block.roll(now, settings);
        block
    }

    fn roll(&mut self, now: LogTime, settings: &Settings) {
        let interval = interval_start(now);
        if self.interval_start != interval {
            let follows = interval.since(self.interval_start) == limits::INTERVAL;
            self.previous = if follows { self.interval } else { C::default() };
            self.interval = C::default();
            self.interval_start = interval;
            // A day can only begin where an interval does.
            let day = settings.day_start(now);
            if self.day_start != day {
                self.today = C::default();
                self.day_start = day;
            }
        }
    }

    /// Counts in the running interval and the day.
    pub(crate) fn count(&mut self, now: LogTime, settings: &Settings, add: impl Fn(&mut C)) {
        self.roll(now, settings);
        add(&mut self.interval);
        add(&mut self.today);
    }

    pub(crate) fn digest(&self, out: &mut Digest) {
        out.u64(self.interval_start.0).u64(self.day_start.0);
        for counters in [&self.interval, &self.previous, &self.today] {
            if *counters == C::default() {
                out.u8(0); // Most agents have counted nothing yet: keep their hash cheap.
            } else {
                counters.digest(out.u8(1));
            }
        }
    }
}

/// A count that stops at its largest value instead of starting over.
fn add(counter: &mut u32, more: u32) {
    *counter = counter.saturating_add(more);
}

fn add_ms(counter: &mut u64, more: Millis) {
    *counter = counter.saturating_add(more.0);
}

/// Counters of a queue or a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Contacts whose waiting ended, however.
    pub offered: u32,
    /// Of them answered.
    pub answered: u32,
    /// Answered within the target.
    pub answered_in_target: u32,
    /// Left before they were answered.
    pub abandoned: u32,
    /// Of them within the target.
    pub abandoned_in_target: u32,
    /// Of them so early that they count as misdialled.
    pub short_abandons: u32,
    /// Went to another queue without an agent, or became a callback, because of length, wait,
    /// closure or drain, or because a supervisor or the deletion of the queue moved it.
    pub overflowed: u32,
    /// Turned away.
    pub rejected: u32,
    /// Became a callback.
    pub callbacks: u32,
    /// Given up: ingress lost, removed, withdrawn.
    pub lost: u32,
    /// Passed on by an agent after being answered.
    pub transferred: u32,
    /// Offers declined.
    pub declined: u32,
    /// Offers that rang in vain.
    pub rona: u32,
    /// Contacts whose handling ended.
    pub handled: u32,
    /// Sum of waiting of the answered, ms.
    pub wait_ms: u64,
    /// Longest wait, answered or not, ms.
    pub wait_max_ms: u64,
    /// Sum of conversation without hold, ms.
    pub talk_ms: u64,
    /// Sum of hold, ms.
    pub hold_ms: u64,
    /// Sum of wrap-up, ms.
    pub wrap_up_ms: u64,
    /// Waiting of the answered, by [`WAIT_BUCKETS_S`].
    pub wait_histogram: [u32; WAIT_BUCKETS],
}

impl QueueCounters {
    /// Waiting ended with an answer.
    pub(crate) fn answer(&mut self, waited: Millis, target: Millis) {
        add(&mut self.offered, 1);
        add(&mut self.answered, 1);
        add(&mut self.answered_in_target, u32::from(waited <= target));
        add_ms(&mut self.wait_ms, waited);
        self.wait_max_ms = self.wait_max_ms.max(waited.0);
        let bucket = WAIT_BUCKETS_S.iter().position(|s| waited <= Millis::seconds(*s));
        add(&mut self.wait_histogram[bucket.unwrap_or(WAIT_BUCKETS - 1)], 1);
    }

    /// Waiting ended because the customer left.
    pub(crate) fn abandon(&mut self, waited: Millis, target: Millis, short: Millis) {
        add(&mut self.offered, 1);
        add(&mut self.abandoned, 1);
        add(&mut self.abandoned_in_target, u32::from(waited <= target));
        add(&mut self.short_abandons, u32::from(waited < short));
        self.wait_max_ms = self.wait_max_ms.max(waited.0);
    }

    /// Waiting ended in another way.
    pub(crate) fn end_otherwise(&mut self, waited: Millis, how: WaitEnd) {
        add(&mut self.offered, 1);
        let counter = match how {
            WaitEnd::Overflowed => &mut self.overflowed,
            WaitEnd::Rejected => &mut self.rejected,
            WaitEnd::Lost => &mut self.lost,
        };
        add(counter, 1);
        self.wait_max_ms = self.wait_max_ms.max(waited.0);
    }

    /// Handling ended.
    pub(crate) fn handle(&mut self, talk: Millis, hold: Millis, wrap_up: Millis) {
        add(&mut self.handled, 1);
        add_ms(&mut self.talk_ms, talk);
        add_ms(&mut self.hold_ms, hold);
        add_ms(&mut self.wrap_up_ms, wrap_up);
    }

    /// A waiting contact became a callback; its waiting goes on.
    pub(crate) fn become_callback(&mut self, overflow: bool) {
        add(&mut self.callbacks, 1);
        add(&mut self.overflowed, u32::from(overflow));
    }

    pub(crate) fn transfer(&mut self) {
        add(&mut self.transferred, 1);
    }

    pub(crate) fn decline(&mut self) {
        add(&mut self.declined, 1);
    }

    pub(crate) fn ring_in_vain(&mut self) {
        add(&mut self.rona, 1);
    }

    /// The four usual service levels.
    pub fn service_level(&self) -> ServiceLevel {
        let (answered_in, abandoned_in) = (self.answered_in_target, self.abandoned_in_target);
        let ratio = |part: u32, of: u32| Ratio::new(u64::from(part), u64::from(of));
        ServiceLevel {
            ignore: ratio(answered_in, self.offered.saturating_sub(abandoned_in)),
            negative: ratio(answered_in, self.offered),
            positive: ratio(answered_in.saturating_add(abandoned_in), self.offered),
            answered: ratio(answered_in, self.answered),
        }
    }

    /// Average speed of answer in ms: Σ wait of the answered / answered.
    pub fn asa_ms(&self) -> Ratio {
        Ratio::new(self.wait_ms, u64::from(self.answered))
    }

    /// Average handling time in ms: (talk + hold + wrap-up) / handled.
    pub fn aht_ms(&self) -> Ratio {
        let handling = self.talk_ms.saturating_add(self.hold_ms).saturating_add(self.wrap_up_ms);
        Ratio::new(handling, u64::from(self.handled))
    }

    /// Abandoned (short ones apart) / offered.
    pub fn abandon_rate(&self) -> Ratio {
        let abandoned = self.abandoned.saturating_sub(self.short_abandons);
        Ratio::new(u64::from(abandoned), u64::from(self.offered))
    }
}

/// How waiting ended if neither with an answer nor with an abandon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    Overflowed,
    Rejected,
    Lost,
}

impl Counters for QueueCounters {
    fn digest(&self, out: &mut Digest) {
        // No `..`: a new counter must be hashed.
        let Self {
            offered,
            answered,
            answered_in_target,
            abandoned,
            abandoned_in_target,
            short_abandons,
            overflowed,
            rejected,
            callbacks,
            lost,
            transferred,
            declined,
            rona,
            handled,
            wait_ms,
            wait_max_ms,
            talk_ms,
            hold_ms,
            wrap_up_ms,
            wait_histogram,
        } = self;
        for count in [offered, answered, answered_in_target, abandoned, abandoned_in_target] {
            out.u32(*count);
        }
        for count in [short_abandons, overflowed, rejected, callbacks, lost, transferred] {
            out.u32(*count);
        }
        for count in [declined, rona, handled] {
            out.u32(*count);
        }
        for sum in [wait_ms, wait_max_ms, talk_ms, hold_ms, wrap_up_ms] {
            out.u64(*sum);
        }
        for count in wait_histogram {
            out.u32(*count);
        }
    }
}

/// Counters of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentCounters {
    /// Contacts answered.
    pub answered: u32,
    /// Contacts whose handling ended.
    pub handled: u32,
    /// Contacts passed on.
    pub transferred: u32,
    /// Offers declined.
    pub declined: u32,
    /// Offers that rang in vain.
    pub rona: u32,
    /// Conversation without hold, ms.
    pub talk_ms: u64,
    /// Hold, ms.
    pub hold_ms: u64,
    /// Wrap-up, ms.
    pub wrap_up_ms: u64,
    /// Time with at least one contact, ms.
    pub handling_ms: u64,
    /// Time ready without any contact, ms.
    pub available_ms: u64,
}

impl AgentCounters {
    pub(crate) fn answer(&mut self) {
        add(&mut self.answered, 1);
    }

    pub(crate) fn handle(&mut self, talk: Millis, hold: Millis, wrap_up: Millis) {
        add(&mut self.handled, 1);
        add_ms(&mut self.talk_ms, talk);
        add_ms(&mut self.hold_ms, hold);
        add_ms(&mut self.wrap_up_ms, wrap_up);
    }

    pub(crate) fn transfer(&mut self) {
        add(&mut self.transferred, 1);
    }

    pub(crate) fn decline(&mut self) {
        add(&mut self.declined, 1);
    }

    pub(crate) fn ring_in_vain(&mut self) {
        add(&mut self.rona, 1);
    }

    pub(crate) fn spend(&mut self, handling: Millis, available: Millis) {
        add_ms(&mut self.handling_ms, handling);
        add_ms(&mut self.available_ms, available);
    }

    /// Occupancy: handling / (handling + available).
    pub fn occupancy(&self) -> Ratio {
        Ratio::new(self.handling_ms, self.handling_ms.saturating_add(self.available_ms))
    }
}

impl Counters for AgentCounters {
    fn digest(&self, out: &mut Digest) {
        let Self {
            answered,
            handled,
            transferred,
            declined,
            rona,
            talk_ms,
            hold_ms,
            wrap_up_ms,
            handling_ms,
            available_ms,
        } = self;
        for count in [answered, handled, transferred, declined, rona] {
            out.u32(*count);
        }
        for sum in [talk_ms, hold_ms, wrap_up_ms, handling_ms, available_ms] {
            out.u64(*sum);
        }
    }
}

/// A fraction whose denominator may be zero: then there is no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio {
    /// Numerator.
    pub part: u64,
    /// Denominator.
    pub of: u64,
}

impl Ratio {
    /// `part` / `of`.
    pub fn new(part: u64, of: u64) -> Self {
        Self { part, of }
    }

    /// The ratio times `scale`, rounded half up; none: no data.
    pub fn scaled(self, scale: u64) -> Option<u64> {
        if self.of == 0 {
            return None;
        }
        let wide = u128::from(self.part) * u128::from(scale) * 2 + u128::from(self.of);
        u64::try_from(wide / (u128::from(self.of) * 2)).ok()
    }

    /// Tenths of a percent, rounded half up; none: no data.
    pub fn per_mille(self) -> Option<u64> {
        self.scaled(1_000)
    }
}

/// The four usual service levels, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLevel {
    /// Answered in target / (offered − abandoned in target).
    pub ignore: Ratio,
    /// Answered in target / offered.
    pub negative: Ratio,
    /// (Answered in target + abandoned in target) / offered.
    pub positive: Ratio,
    /// Answered in target / answered.
    pub answered: Ratio,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(
        answered_in: u32,
        abandoned_in: u32,
        late: u32,
        late_abandons: u32,
    ) -> QueueCounters {
        let (target, short) = (Millis::seconds(20), Millis::ZERO);
        let mut c = QueueCounters::default();
        (0..answered_in).for_each(|_| c.answer(Millis::seconds(20), target));
        (0..abandoned_in).for_each(|_| c.abandon(Millis::seconds(20), target, short));
        (0..late).for_each(|_| c.answer(Millis(20_001), target));
        (0..late_abandons).for_each(|_| c.abandon(Millis(20_001), target, short));
        c
    }

    fn per_mille(c: &QueueCounters) -> [Option<u64>; 4] {
        let s = c.service_level();
        [s.ignore, s.negative, s.positive, s.answered].map(Ratio::per_mille)
    }

    #[test]
    fn the_four_service_levels_agree_with_the_published_vectors() {
        let c = interval(70, 10, 20, 0);
        assert_eq!(per_mille(&c), [Some(778), Some(700), Some(800), Some(778)]);
        let c = interval(70, 10, 20, 5);
        assert_eq!(per_mille(&c), [Some(737), Some(667), Some(762), Some(778)]);
    }

    #[test]
    fn nothing_divides_by_zero() {
        let c = QueueCounters::default();
        assert_eq!(per_mille(&c), [None; 4]);
        assert_eq!(c.asa_ms().scaled(1), None);
        assert_eq!(c.aht_ms().scaled(1), None);
        assert_eq!(c.abandon_rate().per_mille(), None);
        assert_eq!(AgentCounters::default().occupancy().per_mille(), None);
    }

    #[test]
    fn a_block_counts_where_waiting_ended_and_starts_over_with_interval_and_day() {
        let settings = Settings::default();
        let mut block = Block::<AgentCounters>::default();
        let day = 86_400_000;
        block.count(LogTime(day - 1), &settings, AgentCounters::answer);
        block.count(LogTime(day), &settings, AgentCounters::answer);
        assert_eq!((block.interval.answered, block.previous.answered), (1, 1));
        assert_eq!(block.today.answered, 1, "a new day");
        let later = block.at(LogTime(day + 3 * limits::INTERVAL.0), &settings);
        assert_eq!((later.interval.answered, later.previous.answered), (0, 0));
        assert_eq!(later.today.answered, 1);
    }
}
