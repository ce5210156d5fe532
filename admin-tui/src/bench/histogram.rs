//! Latencies, counted with a relative error below 1 %, and their percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart from longer ones: an hour, in µs.
const LONGEST_US: u64 = 3_600_000_000;
/// Digits of a latency that count.
const DIGITS: u8 = 3;

/// Latencies.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    micros: Histogram<u64>,
}

/// Percentiles in ms, rounded to µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Self {
        let micros = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        // The bounds are constants, and in order.
        Self { micros: micros.unwrap_or_else(|_| unreachable!("1 is less than an hour")) }
    }

    /// One more. What takes longer than an hour counts as an hour.
    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_record(micros);
    }

    /// As many as were added.
    pub(super) fn count(&self) -> u64 {
        self.micros.len()
    }

    /// None if there are none.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        if self.micros.is_empty() {
            return None;
        }
        let at = |quantile| in_ms(self.micros.value_at_quantile(quantile));
        Some(Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: in_ms(self.micros.max()),
        })
    }
}

fn in_ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        for micros in 1..=10_000 {
            latencies.add(Duration::from_micros(micros));
        }
        let all = latencies.percentiles().expect("some");
        assert_eq!(latencies.count(), 10_000);
        for (is, should) in [(all.p50, 5.0), (all.p90, 9.0), (all.p99, 9.9), (all.max, 10.0)] {
            assert!((is - should).abs() <= should / 100.0, "{is} instead of {should}");
        }
    }

    #[test]
    fn no_latency_is_too_short_or_too_long_to_count() {
        let mut latencies = Latencies::new();
        latencies.add(Duration::ZERO);
        latencies.add(Duration::from_secs(86_400));
        assert_eq!(latencies.count(), 2);
        let all = latencies.percentiles().expect("some");
        assert!(all.p50 <= 0.001 && all.max >= 3_500_000.0, "{all:?}");
    }
}
