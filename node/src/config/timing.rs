//! Raft's times.
//!
//! A heartbeat that is not answered within one heartbeat interval counts as lost (the library's
//! deadline for it is that interval), so the interval must be well above the round trip, or the
//! leader never has a lease and refuses writes for ever. A follower must miss several heartbeats
//! before it asks for votes. Failover takes the longest election timeout (the lease of the old
//! leader) plus a random one between the shortest and the longest.
//!
//! From the same times follows after how much silence the leader says something of a site.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Heartbeats per round trip, at least.
const HEARTBEAT_PER_RTT_MIN: u64 = 2;
/// Shortest election timeout per heartbeat, at least.
const ELECTION_PER_HEARTBEAT_MIN: u64 = 3;
/// The longest election timeout that makes sense: a minute without a leader.
const ELECTION_MS_MAX: u64 = 60_000;

/// A site is suspect after this much silence at the earliest. An offer to somebody who is gone costs
/// its caller that much; a process that stands still for a moment does not last that long.
const SUSPECT_AFTER_MIN: Duration = Duration::from_millis(500);
/// And not before it left so many heartbeats without an answer: `city` 5 × 40 and `metro` 5 × 60 ms
/// are less than half a second, `wan` is suspect after 5 × 250 ms.
const SUSPECT_AFTER_HEARTBEATS: u32 = 5;
/// A site is lost after this much silence at the earliest: that its people log in elsewhere takes
/// longer than most interruptions, and a node that is started again does not take as long.
const LOST_AFTER_MIN: Duration = Duration::from_secs(3);
/// And not before so many round trips: 10 × 80 ms are less than that in every profile.
const LOST_AFTER_ROUND_TRIPS: u32 = 10;
/// Whoever is lost was suspect for as long again: 2 × 1.25 s in `wan`.
const LOST_PER_SUSPECT_MIN: u32 = 2;

/// After how much silence the leader says something of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteDelays {
    /// It is suspect: no new offers there.
    pub suspect: Duration,
    /// It is lost: its agents are unreachable.
    pub lost: Duration,
}

/// Raft's times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The longest round trip between nodes that the others are meant for.
    pub rtt_ms: u64,
    /// How often a leader is heard of.
    pub heartbeat_ms: u64,
    /// After how much silence a follower asks for votes: a random time from the first up to the
    /// second.
    pub election_ms: (u64, u64),
}

/// Times for cities this far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Round trips of up to 5 ms. A new leader in 0.4 to 0.5 s.
    City,
    /// Round trips of up to 20 ms. A new leader in 0.75 to 0.9 s.
    Metro,
    /// Round trips of up to 80 ms. A new leader in 2.5 to 3 s.
    Wan,
}

impl Profile {
    /// All profiles, the fastest first.
    pub const ALL: [Self; 3] = [Self::City, Self::Metro, Self::Wan];

    /// Its times.
    pub const fn timing(self) -> Timing {
        match self {
            Self::City => Timing { rtt_ms: 5, heartbeat_ms: 40, election_ms: (150, 250) },
            Self::Metro => Timing { rtt_ms: 20, heartbeat_ms: 60, election_ms: (300, 450) },
            Self::Wan => Timing { rtt_ms: 80, heartbeat_ms: 250, election_ms: (1_000, 1_500) },
        }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Metro => "metro",
            Self::Wan => "wan",
        }
    }
}

/// Times with which there would be no stable leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The heartbeat is too short for the round trip.
    #[error(
        "a heartbeat of {heartbeat_ms} ms is less than {HEARTBEAT_PER_RTT_MIN} round trips of \
         {rtt_ms} ms: its answers would come too late, and the leader would refuse to write"
    )]
    Heartbeat {
        /// The heartbeat.
        heartbeat_ms: u64,
        /// The round trip.
        rtt_ms: u64,
    },
    /// The election timeout is too short for the heartbeat.
    #[error(
        "{shortest_ms} ms are less than {ELECTION_PER_HEARTBEAT_MIN} heartbeats of \
         {heartbeat_ms} ms: one late heartbeat would cost the leader its office"
    )]
    Election {
        /// The shortest election timeout.
        shortest_ms: u64,
        /// The heartbeat.
        heartbeat_ms: u64,
    },
    /// There is nothing to choose from.
    #[error(
        "{shortest_ms} to {longest_ms} ms leave no room for chance: nodes would ask for votes at \
         once, and nobody would win"
    )]
    Range {
        /// The shortest election timeout.
        shortest_ms: u64,
        /// The longest.
        longest_ms: u64,
    },
    /// Too long, or nothing.
    #[error("times are from 1 ms to {ELECTION_MS_MAX} ms")]
    Bounds,
}

impl TimingError {
    /// The key that is wrong.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Heartbeat { .. } => "heartbeat_ms",
            Self::Election { .. } | Self::Range { .. } => "election_ms",
            Self::Bounds => "timing",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Heartbeat { rtt_ms, .. } => {
                format!("set it to {} or more, or use a profile", rtt_ms * HEARTBEAT_PER_RTT_MIN)
            }
            Self::Election { heartbeat_ms, .. } => format!(
                "begin at {} or more, or use a profile",
                heartbeat_ms * ELECTION_PER_HEARTBEAT_MIN
            ),
            Self::Range { shortest_ms, .. } => format!(
                "end at {} or more, or use a profile",
                shortest_ms + shortest_ms.div_ceil(2)
            ),
            Self::Bounds => "use a profile: city, metro or wan".to_owned(),
        }
    }
}

impl Timing {
    /// Checks that a leader could stay one with these times.
    pub fn check(self) -> Result<Self, TimingError> {
        let Self { rtt_ms, heartbeat_ms, election_ms: (shortest_ms, longest_ms) } = self;
        if [rtt_ms, heartbeat_ms, shortest_ms, longest_ms]
            .iter()
            .any(|ms| !(1..=ELECTION_MS_MAX).contains(ms))
        {
            return Err(TimingError::Bounds);
        }
        if heartbeat_ms < rtt_ms * HEARTBEAT_PER_RTT_MIN {
            return Err(TimingError::Heartbeat { heartbeat_ms, rtt_ms });
        }
        if shortest_ms < heartbeat_ms * ELECTION_PER_HEARTBEAT_MIN {
            return Err(TimingError::Election { shortest_ms, heartbeat_ms });
        }
        // Two candidates must be able to miss each other by a round trip.
        if longest_ms < shortest_ms + rtt_ms {
            return Err(TimingError::Range { shortest_ms, longest_ms });
        }
        Ok(self)
    }

    /// After how much silence the leader says something of a site.
    pub fn site_delays(self) -> SiteDelays {
        let heartbeat = Duration::from_millis(self.heartbeat_ms);
        let round_trip = Duration::from_millis(self.rtt_ms);
        let suspect = SUSPECT_AFTER_MIN.max(SUSPECT_AFTER_HEARTBEATS * heartbeat);
        let lost = LOST_AFTER_MIN.max(LOST_AFTER_ROUND_TRIPS * round_trip);
        SiteDelays { suspect, lost: lost.max(LOST_PER_SUSPECT_MIN * suspect) }
    }

    /// The profile that has these times, if one does.
    pub fn profile(self) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.timing() == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_hold_a_leader() {
        for profile in Profile::ALL {
            assert_eq!(profile.timing().check(), Ok(profile.timing()));
            assert_eq!(profile.timing().profile(), Some(profile));
        }
    }

    #[test]
    fn a_site_is_suspect_after_five_heartbeats_and_lost_after_seconds() {
        let delays = |timing: Timing| {
            let SiteDelays { suspect, lost } = timing.site_delays();
            (suspect.as_millis(), lost.as_millis())
        };
        assert_eq!(delays(Profile::City.timing()), (500, 3_000));
        assert_eq!(delays(Profile::Metro.timing()), (500, 3_000));
        assert_eq!(delays(Profile::Wan.timing()), (1_250, 3_000));
        // By satellite.
        let far = Timing { rtt_ms: 600, heartbeat_ms: 1_200, election_ms: (4_000, 6_000) };
        assert_eq!(delays(far), (6_000, 12_000));
    }

    #[test]
    fn times_that_cannot_hold_a_leader_are_refused() {
        let timing = |rtt_ms, heartbeat_ms, shortest, longest| {
            Timing { rtt_ms, heartbeat_ms, election_ms: (shortest, longest) }.check()
        };
        assert!(timing(20, 40, 120, 140).is_ok());
        assert!(matches!(timing(20, 39, 120, 140), Err(TimingError::Heartbeat { .. })));
        assert!(matches!(timing(20, 40, 119, 140), Err(TimingError::Election { .. })));
        assert!(matches!(timing(20, 40, 120, 139), Err(TimingError::Range { .. })));
        assert!(matches!(timing(20, 40, 120, 60_001), Err(TimingError::Bounds)));
        assert!(matches!(timing(0, 40, 120, 140), Err(TimingError::Bounds)));
    }
}
