//! Log time. The stamp in a log entry is the only clock there is; it never goes back.
//!
//! There are two readings of it:
//!
//! - [`LogTime`]: the leader's wall time as written in the log. Waiting age, steps, cool-downs,
//!   closures and schedules are measured on it.
//! - [`AttendedTime`]: log time less the *gaps* in which no leader could have heard anybody.
//!   Deadlines that ask something of people or front ends (answer this offer, bridge this call,
//!   come back) are measured on it, so a leaderless half minute uses up nobody's time to answer.
//!
//! A gap moves one number, [`Clocks::gaps`], instead of every pending deadline.

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n * 1_000)
    }

    /// Whole minutes.
    pub const fn minutes(n: u64) -> Self {
        Self(n * 60_000)
    }

    /// Whole hours.
    pub const fn hours(n: u64) -> Self {
        Self(n * 3_600_000)
    }

    /// Whole days of 24 hours.
    pub const fn days(n: u64) -> Self {
        Self::hours(n * 24)
    }
}

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// This much later; stops at the end of time.
            pub fn plus(self, duration: Millis) -> Self {
                Self(self.0.saturating_add(duration.0))
            }

            /// How long ago `earlier` was; zero if it is not earlier.
            pub fn since(self, earlier: Self) -> Millis {
                Millis(self.0.saturating_sub(earlier.0))
            }
        }
    };
}

instant!(
    /// Milliseconds since 1970-01-01T00:00:00Z as stamped by leaders.
    LogTime
);
instant!(
    /// Log time less all gaps so far.
    AttendedTime
);

/// Both readings of time at one point of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Log time of the entry that is being applied.
    pub now: LogTime,
    /// Sum of all gaps so far.
    pub gaps: Millis,
}

impl Clocks {
    /// The second clock. Gaps are only ever added while `now` moves by at least as much, so it
    /// does not go back either.
    pub fn attended(&self) -> AttendedTime {
        AttendedTime(self.now.0.saturating_sub(self.gaps.0))
    }
}
