//! Deadlines: two indexed heaps, one for each clock, with at most one entry per entity each.
//!
//! An entity says when it wants to be looked at next (a pure function of its fields); after each
//! command the entries of the entities that changed are brought in line. Nothing else sets or
//! cancels a timer, so none can be forgotten, and a restored replica has the same ones.
//!
//! Cost: set, move, remove and pop are O(log n) in a 4-ary heap of 32-byte entries.

use alloc::vec::Vec;

use crate::ids::Seq;
use crate::time::{AttendedTime, Clocks, LogTime};

/// Whose deadline it is. The order breaks ties between deadlines at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Owner {
    Site = 0,
    Queue = 1,
    Calendar = 2,
    Agent = 3,
    Contact = 4,
}

const OWNERS: usize = 5;
const NOWHERE: u32 = u32::MAX;
const ARITY: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    due: u64,
    owner: Owner,
    /// The entity's number from the log: the same on every replica, unlike its slot.
    seq: Seq,
    slot: u32,
}

impl Entry {
    fn rank(&self) -> (u64, Owner, Seq) {
        (self.due, self.owner, self.seq)
    }
}

#[derive(Default)]
struct Heap {
    entries: Vec<Entry>,
    /// Where the entry of each slot is, by owner.
    positions: [Vec<u32>; OWNERS],
}

impl Heap {
    fn position(&self, owner: Owner, slot: u32) -> Option<usize> {
        let position = *self.positions[owner as usize].get(slot as usize)?;
        (position != NOWHERE).then_some(position as usize)
    }

    fn set(&mut self, owner: Owner, slot: u32, seq: Seq, due: Option<u64>) {
        match (self.position(owner, slot), due) {
            (None, None) => {}
            (Some(at), None) => self.remove(at),
            (Some(at), Some(due)) => {
                let entry = &mut self.entries[at];
                if entry.due != due || entry.seq != seq {
                    (entry.due, entry.seq) = (due, seq);
                    self.sift(at);
                }
            }
            (None, Some(due)) => {
                let positions = &mut self.positions[owner as usize];
                if positions.len() <= slot as usize {
                    positions.resize(slot as usize + 1, NOWHERE);
                }
                self.entries.push(Entry { due, owner, seq, slot });
                self.place(self.entries.len() - 1);
                self.sift(self.entries.len() - 1);
            }
        }
    }

    fn place(&mut self, at: usize) {
        let entry = self.entries[at];
        self.positions[entry.owner as usize][entry.slot as usize] = at as u32;
    }

    fn remove(&mut self, at: usize) {
        let gone = self.entries[at];
        self.positions[gone.owner as usize][gone.slot as usize] = NOWHERE;
        self.entries.swap_remove(at);
        if at < self.entries.len() {
            self.place(at);
            self.sift(at);
        }
    }

    /// Moves an entry to where it belongs, up or down.
    fn sift(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if self.entries[parent].rank() <= self.entries[at].rank() {
                break;
            }
            self.swap(at, parent);
            at = parent;
        }
        loop {
            let children = at * ARITY + 1..(at * ARITY + 1 + ARITY).min(self.entries.len());
            let Some(least) = children.min_by_key(|child| self.entries[*child].rank()) else {
                break;
            };
            if self.entries[at].rank() <= self.entries[least].rank() {
                break;
            }
            self.swap(at, least);
            at = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        self.place(a);
        self.place(b);
    }
}

/// A deadline that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) owner: Owner,
    pub(crate) slot: u32,
    /// Whether it is on the attended clock.
    pub(crate) attended: bool,
}

/// All deadlines.
#[derive(Default)]
pub(crate) struct Timers {
    log: Heap,
    attended: Heap,
}

impl Timers {
    /// Brings an entity's two entries in line.
    pub(crate) fn set(
        &mut self,
        owner: Owner,
        slot: u32,
        seq: Seq,
        review: Option<LogTime>,
        deadline: Option<AttendedTime>,
    ) {
        self.log.set(owner, slot, seq, review.map(|t| t.0));
        self.attended.set(owner, slot, seq, deadline.map(|t| t.0));
    }

    /// The first deadline that is due, and out of the heaps. Order: when it was due in log time;
    /// the attended clock first; sites, queues, calendars, agents, contacts;
    /// number.
    pub(crate) fn pop_due(&mut self, clocks: Clocks) -> Option<Due> {
        let attended = self.next_attended(clocks).filter(|due| *due <= clocks.now);
        let log = self.next_log().filter(|due| *due <= clocks.now);
        let from_attended = match (attended, log) {
            (None, None) => return None,
            (Some(a), Some(l)) => a <= l,
            (a, _) => a.is_some(),
        };
        let heap = if from_attended { &mut self.attended } else { &mut self.log };
        let first = heap.entries[0];
        heap.remove(0);
        Some(Due { owner: first.owner, slot: first.slot, attended: from_attended })
    }

    /// A deadline of this entity, if it is due, and out of the heap.
    pub(crate) fn take_due(&mut self, owner: Owner, slot: u32, clocks: Clocks) -> Option<Due> {
        let due = |heap: &Heap, now: u64| {
            let at = heap.position(owner, slot)?;
            Some((heap.entries[at].due, at)).filter(|(due, _)| *due <= now)
        };
        let attended = due(&self.attended, clocks.attended().0);
        let log = due(&self.log, clocks.now.0);
        let from_attended = match (attended, log) {
            (None, None) => return None,
            (Some((a, _)), Some((l, _))) => a.saturating_add(clocks.gaps.0) <= l,
            (a, _) => a.is_some(),
        };
        match (from_attended, attended, log) {
            (true, Some((_, at)), _) => self.attended.remove(at),
            (_, _, Some((_, at))) => self.log.remove(at),
            _ => return None,
        }
        Some(Due { owner, slot, attended: from_attended })
    }

    /// When the next deadline is due, in log time.
    pub(crate) fn next(&self, clocks: Clocks) -> Option<LogTime> {
        match (self.next_attended(clocks), self.next_log()) {
            (Some(a), Some(l)) => Some(a.min(l)),
            (a, l) => a.or(l),
        }
    }

    fn next_log(&self) -> Option<LogTime> {
        self.log.entries.first().map(|e| LogTime(e.due))
    }

    fn next_attended(&self, clocks: Clocks) -> Option<LogTime> {
        let first = self.attended.entries.first()?;
        Some(LogTime(first.due.saturating_add(clocks.gaps.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;
    use alloc::vec;

    fn at(now: u64, gaps: u64) -> Clocks {
        Clocks { now: LogTime(now), gaps: Millis(gaps) }
    }

    #[test]
    fn deadlines_fire_in_order_of_time_then_owner_then_number() {
        let mut t = Timers::default();
        t.set(Owner::Contact, 7, Seq(1), Some(LogTime(10)), None);
        t.set(Owner::Contact, 3, Seq(2), Some(LogTime(10)), None);
        t.set(Owner::Site, 0, Seq(9), Some(LogTime(10)), None);
        t.set(Owner::Contact, 1, Seq(3), Some(LogTime(9)), None);
        let mut order = vec![];
        while let Some(due) = t.pop_due(at(10, 0)) {
            order.push((due.owner, due.slot));
        }
        use Owner::{Contact, Site};
        assert_eq!(order, [(Contact, 1), (Site, 0), (Contact, 7), (Contact, 3)]);
    }

    #[test]
    fn a_gap_moves_attended_deadlines_and_no_others() {
        let mut t = Timers::default();
        t.set(Owner::Contact, 0, Seq(1), Some(LogTime(100)), Some(AttendedTime(50)));
        assert_eq!(t.next(at(0, 0)), Some(LogTime(50)));
        assert_eq!(t.next(at(60, 60)), Some(LogTime(100)));
        let first = t.pop_due(at(110, 60)).unwrap();
        assert!(!first.attended);
    }

    #[test]
    fn moving_and_removing_keeps_the_heap_right() {
        let mut t = Timers::default();
        for slot in 0..200u32 {
            let due = LogTime(u64::from(slot) * 7919 % 1000);
            t.set(Owner::Agent, slot, Seq(u64::from(slot)), Some(due), None);
        }
        for slot in (0..200u32).step_by(3) {
            t.set(Owner::Agent, slot, Seq(u64::from(slot)), None, None);
        }
        for slot in (1..200u32).step_by(3) {
            let due = Some(LogTime(u64::from(slot) * 31 % 1000));
            t.set(Owner::Agent, slot, Seq(u64::from(slot)), due, None);
        }
        let mut last = 0;
        let mut count = 0;
        while let Some(next) = t.next(at(0, 0)) {
            assert!(t.pop_due(at(1_000, 0)).is_some());
            assert!(next.0 >= last);
            last = next.0;
            count += 1;
        }
        assert_eq!(count, 133);
    }
}
