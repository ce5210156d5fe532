//! Counters, and the ratios readers make of them.

use acd::metrics::{AgentCounters as AgentSums, QueueCounters as QueueSums, Ratio, WAIT_BUCKETS};
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

/// A ratio with four decimals. None: there is no data.
pub(crate) fn share(ratio: Ratio) -> Option<f64> {
    ratio.scaled(10_000).map(|scaled| scaled as f64 / 10_000.0)
}

/// Agents, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AgentCounts {
    /// Ready, with nothing to do.
    pub free: u32,
    /// With at least one contact.
    pub busy: u32,
    /// Logged in, not ready and without contacts.
    pub not_ready: u32,
    /// Session lost.
    pub unreachable: u32,
    /// Not logged in.
    pub offline: u32,
}

impl AgentCounts {
    /// None counts nobody.
    pub(crate) fn of(stored: Option<api::AgentCounts>) -> Self {
        let api::AgentCounts { free, busy, not_ready, unreachable, offline } =
            stored.unwrap_or_default();
        Self { free, busy, not_ready, unreachable, offline }
    }

    /// Those who have a session.
    pub(crate) fn logged_in(&self) -> u64 {
        u64::from(self.free) + u64::from(self.busy) + u64::from(self.not_ready)
    }

    /// In words: `2 free, 5 busy, 1 not ready, 12 offline`.
    pub(crate) fn words(&self) -> String {
        let Self { free, busy, not_ready, unreachable, offline } = self;
        format!(
            "{free} free, {busy} busy, {not_ready} not ready, {unreachable} unreachable, \
             {offline} offline"
        )
    }
}

/// The four usual service levels, with four decimals; null: no data.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServiceLevel {
    /// Answered in target / (offered − abandoned in target).
    ignore: Option<f64>,
    /// Answered in target / offered.
    negative: Option<f64>,
    /// (Answered + abandoned in target) / offered.
    positive: Option<f64>,
    /// Answered in target / answered.
    answered: Option<f64>,
}

/// Makes the counters of a message: fields for programs, and the sums that ratios are made of.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident from $stored:ident, $sums:ident { $($field:ident: $type:ty),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize)]
        struct $name { $($field: $type),+ }

        impl $name {
            fn of(stored: &stored::$stored) -> Self {
                Self { $($field: stored.$field),+ }
            }

            fn sums(&self) -> $sums {
                let mut sums = $sums::default();
                $(sums.$field = self.$field;)+
                sums
            }
        }
    };
}

counters! {
    /// What is counted of queues and sites.
    QueueFields from QueueCounters, QueueSums {
        offered: u32, answered: u32, answered_in_target: u32, abandoned: u32,
        abandoned_in_target: u32, short_abandons: u32, overflowed: u32, rejected: u32,
        callbacks: u32, lost: u32, transferred: u32, declined: u32, rona: u32, handled: u32,
        wait_ms: u64, wait_max_ms: u64, talk_ms: u64, hold_ms: u64, wrap_up_ms: u64
    }
}

counters! {
    /// What is counted of agents.
    AgentFields from AgentCounters, AgentSums {
        answered: u32, handled: u32, transferred: u32, declined: u32, rona: u32, talk_ms: u64,
        hold_ms: u64, wrap_up_ms: u64, handling_ms: u64, available_ms: u64
    }
}

/// Counters of a queue or a site, with the ratios they make.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueueCounters {
    #[serde(flatten)]
    fields: QueueFields,
    wait_histogram: [u32; WAIT_BUCKETS],
    service_level: ServiceLevel,
    asa_ms: Option<u64>,
    aht_ms: Option<u64>,
    abandon_rate: Option<f64>,
    #[serde(skip)]
    sums: QueueSums,
}

impl QueueCounters {
    fn of(stored: Option<stored::QueueCounters>) -> Self {
        let stored = stored.unwrap_or_default();
        let fields = QueueFields::of(&stored);
        let mut sums = fields.sums();
        for (bucket, count) in sums.wait_histogram.iter_mut().zip(&stored.wait_histogram) {
            *bucket = *count;
        }
        let level = sums.service_level();
        Self {
            fields,
            wait_histogram: sums.wait_histogram,
            service_level: ServiceLevel {
                ignore: share(level.ignore),
                negative: share(level.negative),
                positive: share(level.positive),
                answered: share(level.answered),
            },
            asa_ms: sums.asa_ms().scaled(1),
            aht_ms: sums.aht_ms().scaled(1),
            abandon_rate: share(sums.abandon_rate()),
            sums,
        }
    }
}

/// Counters of a queue or a site over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueueMetrics {
    interval_start_ms: u64,
    day_start_ms: u64,
    interval: QueueCounters,
    previous: QueueCounters,
    today: QueueCounters,
}

impl QueueMetrics {
    /// None counted nothing.
    pub(crate) fn of(stored: Option<stored::QueueMetrics>) -> Self {
        let stored::QueueMetrics { interval_start_ms, day_start_ms, interval, previous, today } =
            stored.unwrap_or_default();
        Self {
            interval_start_ms,
            day_start_ms,
            interval: QueueCounters::of(interval),
            previous: QueueCounters::of(previous),
            today: QueueCounters::of(today),
        }
    }

    /// Counters of the reporting day.
    pub(crate) fn today(&self) -> &QueueSums {
        &self.today.sums
    }
}

/// Counters of an agent, with the ratio they make.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AgentCounters {
    #[serde(flatten)]
    fields: AgentFields,
    occupancy: Option<f64>,
    #[serde(skip)]
    sums: AgentSums,
}

impl AgentCounters {
    fn of(stored: Option<stored::AgentCounters>) -> Self {
        let fields = AgentFields::of(&stored.unwrap_or_default());
        let sums = fields.sums();
        Self { fields, occupancy: share(sums.occupancy()), sums }
    }
}

/// Counters of an agent over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AgentMetrics {
    interval_start_ms: u64,
    day_start_ms: u64,
    interval: AgentCounters,
    previous: AgentCounters,
    today: AgentCounters,
}

impl AgentMetrics {
    /// None counted nothing.
    pub(crate) fn of(stored: Option<stored::AgentMetrics>) -> Self {
        let stored::AgentMetrics { interval_start_ms, day_start_ms, interval, previous, today } =
            stored.unwrap_or_default();
        Self {
            interval_start_ms,
            day_start_ms,
            interval: AgentCounters::of(interval),
            previous: AgentCounters::of(previous),
            today: AgentCounters::of(today),
        }
    }

    /// Counters of the reporting day.
    pub(crate) fn today(&self) -> &AgentSums {
        &self.today.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_made_of_the_counters_and_nothing_divides_by_zero() {
        let today = stored::QueueCounters {
            offered: 8,
            answered: 6,
            answered_in_target: 5,
            abandoned: 2,
            abandoned_in_target: 1,
            short_abandons: 1,
            wait_ms: 60_001,
            wait_histogram: vec![5, 0, 1],
            ..stored::QueueCounters::default()
        };
        let metrics = QueueMetrics::of(Some(stored::QueueMetrics {
            today: Some(today),
            ..stored::QueueMetrics::default()
        }));
        let json = serde_json::to_value(&metrics).expect("JSON");
        let level = &json["today"]["service_level"];
        assert_eq!((&level["negative"], &level["ignore"]), (&0.625.into(), &0.7143.into()));
        assert_eq!(json["today"]["asa_ms"], 10_000);
        assert_eq!(json["today"]["abandon_rate"], 0.125);
        assert_eq!(json["today"]["wait_histogram"][2], 1);
        assert_eq!(json["interval"]["service_level"]["negative"], serde_json::Value::Null);
        assert_eq!(json["interval"]["asa_ms"], serde_json::Value::Null);
    }

    #[test]
    fn occupancy_is_handling_of_handling_and_available() {
        let today = stored::AgentCounters {
            handling_ms: 3_000,
            available_ms: 1_000,
            ..stored::AgentCounters::default()
        };
        let metrics = AgentMetrics::of(Some(stored::AgentMetrics {
            today: Some(today),
            ..stored::AgentMetrics::default()
        }));
        let json = serde_json::to_value(&metrics).expect("JSON");
        assert_eq!(json["today"]["occupancy"], 0.75);
        assert_eq!(json["previous"]["occupancy"], serde_json::Value::Null);
    }
}
