//! Log time, as this node would stamp it.
//!
//! The stamp of a leader is the last stamp in the log, plus its own monotonic time since it had
//! that entry, slewed by at most 1 % towards its wall clock. So time goes on evenly from leader to
//! leader, whatever their wall clocks say, and no clock that jumps moves it by more. Where it falls
//! far behind, as after a rest of the whole cluster, it is set, by an entry of its own and only by a
//! leader whose wall clock agrees with those of a majority.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::time::{LogTime, Millis};
use openraft_rt::{AsyncRuntime, Instant};

use crate::raft::LeaderId;
use crate::seams::WallClock;

/// A part of the time that passed by which a stamp may be slewed.
const SLEW_DIVISOR: i128 = 100;
/// A wall clock that is further ahead of log time than this is not slewed to but set, audited.
const SET_BEYOND: Duration = Duration::from_secs(2);
const NANOS_PER_MS: i128 = 1_000_000;

/// Log time at a moment of this node's monotonic clock. Clones share it.
pub struct LogClock<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
}

struct Shared<RT: AsyncRuntime> {
    wall: Arc<dyn WallClock>,
    base: Mutex<Base<RT::Instant>>,
}

struct Base<I> {
    /// The last stamp in the log that is known here, in ns; slewing makes fractions of a ms.
    stamp: i128,
    /// The last one that is in the log for certain: own stamps may come to nothing.
    logged: i128,
    /// When it was. None: the entry is from before this program started.
    at: Option<I>,
    /// The last leader whose first entry is known here. One that has not written it may never: the
    /// gap before it is not in the log yet, so it does not count as being there.
    begun: Option<LeaderId>,
    /// The first entry of a term, or after a silence, that is on its way into the log.
    beginning: Option<Beginning<I>>,
    /// When a leader was last known to hear people: this follower took something from it, or a
    /// quorum answered this leader.
    attended: Option<I>,
    /// How long a quorum did not answer this leader, not yet written down.
    gap: Duration,
}

/// What is known of the quorum since an entry with a gap was written. It counts once the entry is in
/// the log; until then the gap goes on.
struct Beginning<I> {
    leader: LeaderId,
    /// When the quorum was last known to answer; at first when the entry was written.
    attended: I,
    /// How long it did not, after that.
    gap: Duration,
}

impl<RT: AsyncRuntime> Clone for LogClock<RT> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<RT: AsyncRuntime> LogClock<RT> {
    /// `last`: the last stamp in the log.
    pub fn new(wall: Arc<dyn WallClock>, last: LogTime) -> Self {
        let stamp = i128::from(last.0) * NANOS_PER_MS;
        let base = Base {
            stamp,
            logged: stamp,
            at: None,
            begun: None,
            beginning: None,
            attended: None,
            gap: Duration::ZERO,
        };
        let base = Mutex::new(base);
        Self { shared: Arc::new(Shared { wall, base }) }
    }

    fn base(&self) -> MutexGuard<'_, Base<RT::Instant>> {
        // Nothing in here panics half-way.
        self.shared.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock: ms since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.shared.wall.now_ms()
    }

    /// An entry with this stamp is in the log here since then.
    pub fn observe(&self, stamp: LogTime, since: RT::Instant) {
        let stamp = i128::from(stamp.0) * NANOS_PER_MS;
        let mut base = self.base();
        base.logged = base.logged.max(stamp);
        if stamp > base.stamp || base.at.is_none() {
            base.stamp = base.stamp.max(stamp);
            base.at = Some(since);
        }
    }

    /// The state that this node begins with is from then, if that is later than the last entry.
    pub fn begin_at(&self, time: LogTime) {
        let mut base = self.base();
        base.stamp = base.stamp.max(i128::from(time.0) * NANOS_PER_MS);
        base.logged = base.stamp;
    }

    /// Log time was set to this, by an entry.
    pub fn set(&self, to: LogTime) {
        self.observe(to, RT::Instant::now());
    }

    /// Whether nothing was ever stamped.
    pub fn is_new(&self) -> bool {
        self.base().stamp == 0
    }

    /// A follower took something from a leader, which came at this moment: what the follower's own disk
    /// needs to take it says nothing of the leader.
    pub fn followed(&self, leader: LeaderId, since: RT::Instant) {
        let mut base = self.base();
        if base.begun != Some(leader) {
            return;
        }
        base.attended = base.attended.max(Some(since));
        // What this node missed when it led itself, the leader after it wrote down.
        base.gap = Duration::ZERO;
    }

    /// A quorum answered this leader, last at this moment. A silence is a gap: the leader keeps its
    /// term over it, but could write for nobody.
    pub fn answered_by_quorum(&self, leader: LeaderId, at: RT::Instant, silence: Duration) {
        let mut base = self.base();
        let (attended, gap) = match &mut *base {
            Base { beginning: Some(beginning), .. } if beginning.leader == leader => {
                (&mut beginning.attended, &mut beginning.gap)
            }
            Base { begun, attended: Some(attended), gap, .. } if *begun == Some(leader) => {
                (attended, gap)
            }
            _ => return,
        };
        let silent = at.saturating_duration_since(*attended);
        if silent > silence {
            *gap += silent;
        }
        *attended = at.max(*attended);
    }

    /// Whether there was a silence that is to be written down, or is one now.
    pub fn has_gap(&self, silence: Duration) -> bool {
        !self.base().gap.is_zero() || self.since_attended().is_some_and(|since| since > silence)
    }

    /// How long ago a leader was last known to be there; none: not since this program started.
    pub fn since_attended(&self) -> Option<Duration> {
        self.base().attended.map(|at| RT::Instant::now().saturating_duration_since(at))
    }

    /// The stamp of the next entry. Moves time: only who writes the entry asks.
    pub fn stamp(&self) -> LogTime {
        let now = RT::Instant::now();
        let wall = i128::from(self.wall_ms()) * NANOS_PER_MS;
        let mut base = self.base();
        base.stamp = match base.at {
            Some(at) => {
                let passed = nanos(now.saturating_duration_since(at));
                let slew = passed / SLEW_DIVISOR;
                let even = base.stamp + passed;
                even + (wall - even).clamp(-slew, slew)
            }
            // A new log begins at wall time. How long an old one was at rest, nobody measured: it
            // goes on from where it was, and is set once the wall clock has been compared.
            None if base.stamp == 0 => wall,
            None => base.stamp,
        };
        base.at = Some(now);
        millis(base.stamp)
    }

    /// Log time now, as far as this node knows it. Moves nothing.
    pub fn reading(&self) -> LogTime {
        let base = self.base();
        let passed = base.at.map(|at| RT::Instant::now().saturating_duration_since(at));
        millis(base.stamp + passed.map_or(0, nanos))
    }

    /// How long until log time is this.
    pub fn until(&self, time: LogTime) -> Duration {
        let base = self.base();
        let passed = base.at.map(|at| RT::Instant::now().saturating_duration_since(at));
        let left = i128::from(time.0) * NANOS_PER_MS - base.stamp - passed.map_or(0, nanos);
        Duration::from_nanos(u64::try_from(left.max(0)).unwrap_or(u64::MAX))
    }

    /// For this leader's first entry of a term, or after a silence: its stamp, and how long nobody
    /// could be heard. The entry is written now.
    pub fn begin_term(&self, leader: LeaderId) -> (LogTime, Millis) {
        let before = millis(self.base().logged);
        let since_attended = self.since_attended();
        let stamp = self.stamp();
        let mut base = self.base();
        let gap = match since_attended {
            Some(since) => Millis((base.gap + since).as_millis() as u64),
            None => stamp.since(before),
        };
        let attended = RT::Instant::now();
        base.beginning = Some(Beginning { leader, attended, gap: Duration::ZERO });
        (stamp, gap)
    }

    /// That entry is in the log. How long it took says nothing about a gap: a disk may be slow while
    /// everybody is heard. Silences since it was written were noticed by themselves.
    pub fn term_begun(&self, leader: LeaderId) {
        let mut base = self.base();
        let Some(begun) = base.beginning.take_if(|beginning| beginning.leader == leader) else {
            return;
        };
        if base.begun.is_some_and(|known| known > leader) {
            return; // Somebody else leads by now.
        }
        base.begun = Some(leader);
        base.gap = begun.gap;
        base.attended = Some(begun.attended);
    }

    /// A leader's first entry, or one after it, is in the log: it is there whenever it is heard.
    pub fn term_known(&self, leader: LeaderId) {
        let mut base = self.base();
        if base.begun.is_none_or(|known| known < leader) {
            base.begun = Some(leader);
            base.gap = Duration::ZERO;
        }
    }

    /// Where log time should be set to, if it is too far behind this wall time to be slewed.
    pub fn correction(&self, wall_ms: u64) -> Option<LogTime> {
        let base = self.base();
        let passed = base.at.map(|at| RT::Instant::now().saturating_duration_since(at));
        let even = base.stamp + passed.map_or(0, nanos);
        let wall = i128::from(wall_ms) * NANOS_PER_MS;
        (wall - even > nanos(SET_BEYOND)).then(|| millis(wall))
    }
}

fn nanos(duration: Duration) -> i128 {
    // 10^38 ns are 5 × 10^21 years.
    duration.as_nanos() as i128
}

fn millis(nanos: i128) -> LogTime {
    LogTime(u64::try_from(nanos / NANOS_PER_MS).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use openraft_rt_tokio::TokioRuntime;

    use super::*;

    #[derive(Default)]
    struct Wall(AtomicU64);

    impl WallClock for Wall {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn clock(wall_ms: u64, last: u64) -> (Arc<Wall>, LogClock<TokioRuntime>) {
        let wall = Arc::new(Wall(AtomicU64::new(wall_ms)));
        (wall.clone(), LogClock::new(wall, LogTime(last)))
    }

    fn leader(term: u64) -> LeaderId {
        LeaderId { term, node_id: 1 }
    }

    fn begin(clock: &LogClock<TokioRuntime>, term: u64) {
        clock.begin_term(leader(term));
        clock.term_begun(leader(term));
    }

    fn now() -> <TokioRuntime as AsyncRuntime>::Instant {
        Instant::now()
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_log_begins_at_wall_time() {
        let (_, clock) = clock(5_000, 0);
        assert_eq!(clock.begin_term(leader(1)), (LogTime(5_000), Millis(5_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn stamps_go_on_from_the_last_one_whatever_the_wall_clock_says() {
        for wall_ms in [0, 1_000_000_000] {
            let (_, clock) = clock(wall_ms, 0);
            clock.observe(LogTime(50_000), now());
            pass(1_000).await;
            let stamp = clock.stamp().0;
            assert!((50_990..=51_010).contains(&stamp), "{stamp} with the wall clock at {wall_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_slewed_to_the_wall_clock_also_by_many_small_steps() {
        let (wall, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        for step in 0..1_000 {
            pass(1).await;
            wall.0.store(50_400 + step, Ordering::Relaxed);
            clock.stamp();
        }
        let stamp = clock.stamp().0;
        assert!((51_008..=51_011).contains(&stamp), "{stamp}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_rest_time_goes_on_from_the_last_stamp_and_wants_to_be_set() {
        let (_, clock) = clock(100_000, 40_000);
        assert_eq!(clock.begin_term(leader(2)), (LogTime(40_000), Millis(0)));
        assert_eq!(clock.correction(100_000), Some(LogTime(100_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_begins_when_the_last_leader_was_heard_last() {
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        pass(5_000).await;
        clock.term_known(leader(3));
        pass(300).await;
        clock.followed(leader(3), now());
        pass(300).await;
        clock.followed(leader(4), now()); // which never wrote the first entry of its term
        pass(400).await;
        let (_, gap) = clock.begin_term(leader(5));
        assert_eq!(gap, Millis(700));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_to_begin_a_term_that_came_to_nothing_takes_no_gap_away() {
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        pass(3_000).await;
        let (_, gap) = clock.begin_term(leader(3));
        assert_eq!(gap, Millis(2_970), "slewed towards a clock that is behind");
        pass(100).await;
        assert_eq!(clock.begin_term(leader(3)).1, Millis(3_069));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_of_the_quorum_is_a_gap_although_the_term_goes_on() {
        const SILENCE: Duration = Duration::from_millis(450);
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        begin(&clock, 7);
        for _ in 0..10 {
            pass(100).await;
            clock.answered_by_quorum(leader(7), now(), SILENCE);
        }
        assert!(!clock.has_gap(SILENCE), "an idle leader is heard by its heartbeats");
        pass(30_000).await;
        assert!(clock.has_gap(SILENCE));
        clock.answered_by_quorum(leader(7), now(), SILENCE);
        pass(100).await;
        clock.answered_by_quorum(leader(7), now(), SILENCE);
        assert!(clock.has_gap(SILENCE), "until it is written down");
        assert_eq!(clock.begin_term(leader(7)).1, Millis(30_000));
        clock.term_begun(leader(7));
        assert!(!clock.has_gap(SILENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_while_the_first_entry_is_committed_is_a_gap() {
        const SILENCE: Duration = Duration::from_millis(450);
        for answer_comes_first in [true, false] {
            let (_, clock) = clock(0, 0);
            clock.observe(LogTime(50_000), now());
            clock.begin_term(leader(7));
            pass(4_000).await;
            if answer_comes_first {
                clock.answered_by_quorum(leader(7), now(), SILENCE);
            }
            clock.term_begun(leader(7));
            clock.answered_by_quorum(leader(7), now(), SILENCE);
            assert!(clock.has_gap(SILENCE));
            assert_eq!(clock.begin_term(leader(7)).1, Millis(4_000));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_is_no_silence() {
        const SILENCE: Duration = Duration::from_millis(450);
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        clock.begin_term(leader(7));
        for _ in 0..40 {
            pass(100).await;
            clock.answered_by_quorum(leader(7), now(), SILENCE);
        }
        clock.term_begun(leader(7));
        assert!(!clock.has_gap(SILENCE), "or the leader would write down gaps, and nothing else");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_older_leader_began_takes_nothing_from_a_newer_one() {
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        clock.begin_term(leader(7));
        clock.term_known(leader(8));
        clock.followed(leader(8), now());
        pass(300).await;
        clock.term_begun(leader(7));
        clock.term_known(leader(7));
        assert_eq!(clock.since_attended(), Some(Duration::from_millis(300)));
        clock.followed(leader(8), now());
        assert_eq!(clock.since_attended(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_was_set_is_not_set_again() {
        let (_, clock) = clock(100_000, 40_000);
        clock.begin_term(leader(2));
        clock.set(clock.correction(100_000).unwrap());
        pass(1_000).await;
        assert_eq!(clock.correction(101_000), None);
        assert!(clock.until(LogTime(100_500)) <= Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_large_difference_forward_is_corrected() {
        let (_, clock) = clock(0, 0);
        clock.observe(LogTime(50_000), now());
        for (wall_ms, correction) in
            [(40_000, None), (51_500, None), (52_500, Some(LogTime(52_500)))]
        {
            assert_eq!(clock.correction(wall_ms), correction);
        }
    }
}
