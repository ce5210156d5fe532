//! Counters as they are stored. A set that counted nothing is left out.

use alloc::vec::Vec;

use proto::stored::v1;

use crate::codec::stored::{Stored, malformed, missing, stored_messages};
use crate::metrics::{AgentCounters, Block, QueueCounters, WAIT_BUCKETS};
use crate::rejection::Rejection;
use crate::time::LogTime;

stored_messages! {
    QueueCounters {
        offered, answered, answered_in_target, abandoned, abandoned_in_target, short_abandons,
        overflowed, rejected, callbacks, lost, transferred, declined, rona, handled, wait_ms,
        wait_max_ms, talk_ms, hold_ms, wrap_up_ms, wait_histogram,
    }
    AgentCounters {
        answered, handled, transferred, declined, rona, talk_ms, hold_ms, wrap_up_ms, handling_ms,
        available_ms,
    }
}

impl Stored<Vec<u32>> for [u32; WAIT_BUCKETS] {
    fn to_stored(&self) -> Vec<u32> {
        self.to_vec()
    }

    fn from_stored(stored: Vec<u32>, at: &'static str) -> Result<Self, Rejection> {
        Self::try_from(stored).map_err(|stored| {
            let count = stored.len();
            malformed(alloc::format!("{at} has {count} buckets, must have {WAIT_BUCKETS}"))
        })
    }
}

macro_rules! stored_blocks {
    ($($counters:ident as $message:ident),+) => {$(
        impl Stored<v1::$message> for Block<$counters> {
            fn to_stored(&self) -> v1::$message {
                let Self { interval_start, day_start, interval, previous, today } = self;
                let any = |counters: &$counters| {
                    (*counters != $counters::default()).then(|| counters.to_stored())
                };
                v1::$message {
                    interval_start_ms: interval_start.0,
                    day_start_ms: day_start.0,
                    interval: any(interval),
                    previous: any(previous),
                    today: any(today),
                }
            }

            fn from_stored(stored: v1::$message, at: &'static str) -> Result<Self, Rejection> {
                let v1::$message { interval_start_ms, day_start_ms, interval, previous, today } =
                    stored;
                let any = |counters| {
                    Option::<$counters>::from_stored(counters, at).map(Option::unwrap_or_default)
                };
                Ok(Self {
                    interval_start: LogTime(interval_start_ms),
                    day_start: LogTime(day_start_ms),
                    interval: any(interval)?,
                    previous: any(previous)?,
                    today: any(today)?,
                })
            }
        }

        impl Stored<Option<v1::$message>> for Block<$counters> {
            fn to_stored(&self) -> Option<v1::$message> {
                Some(self.to_stored())
            }

            fn from_stored(
                stored: Option<v1::$message>,
                at: &'static str,
            ) -> Result<Self, Rejection> {
                Self::from_stored(stored.ok_or_else(|| missing(at))?, at)
            }
        }
    )+};
}
stored_blocks!(QueueCounters as QueueMetrics, AgentCounters as AgentMetrics);
