//! Families of samples, written one after the other.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use crate::tally::Distribution;

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// What a scrape is told, as it is written. A family is told also when it has no samples just now.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// A gauge without labels; none: not known now.
    pub fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        self.gauges(name, help, |out| match value {
            Some(value) => out.put([], value),
            None => Ok(()),
        })
    }

    /// Gauges of one name.
    pub fn gauges(
        &mut self,
        name: &str,
        help: &str,
        samples: impl FnOnce(&mut Gauges<'_>) -> fmt::Result,
    ) -> fmt::Result {
        samples(&mut Gauges(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?))
    }

    /// A counter without labels. The name is told with `_total` behind it; none: not known now.
    pub fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: Option<impl EncodeCounterValue>,
    ) -> fmt::Result {
        self.counters(name, help, |out| match value {
            Some(value) => out.put([], value),
            None => Ok(()),
        })
    }

    /// Counters of one name. The name is told with `_total` behind it.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        samples: impl FnOnce(&mut Counters<'_>) -> fmt::Result,
    ) -> fmt::Result {
        samples(&mut Counters(self.0.encode_descriptor(name, help, None, MetricType::Counter)?))
    }

    /// A histogram of what was counted in a unit of which so many make one of the metric's.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        counted: &Distribution,
        per_unit: f64,
    ) -> fmt::Result {
        let bound = |most: Option<u64>| most.map_or(f64::INFINITY, |most| most as f64 / per_unit);
        let buckets: Vec<_> =
            counted.buckets.iter().map(|(most, count)| (bound(*most), *count)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let sum = counted.sum as f64 / per_unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// What something is, in labels. The name is told with `_info` behind it.
    pub fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [Label<'_>; N],
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

/// Gauges of one name.
pub(super) struct Gauges<'a>(MetricEncoder<'a>);

impl Gauges<'_> {
    /// One of them.
    pub fn put<const N: usize>(
        &mut self,
        labels: [Label<'_>; N],
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }
}

/// Counters of one name.
pub(super) struct Counters<'a>(MetricEncoder<'a>);

impl Counters<'_> {
    /// One of them.
    pub fn put<const N: usize>(
        &mut self,
        labels: [Label<'_>; N],
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
