//! Counts of what a node did since it started, for monitoring.
//!
//! Each is a word that is added to where the thing happens and read by whoever wants to know: nobody
//! waits, and a reader may see one count a moment before another one that belongs to it.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something happened.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// It happened.
    pub fn count(&self) {
        self.add(1);
    }

    /// It happened so many times.
    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// One more.
    pub fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less: of those that were added.
    pub fn fall(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something of some size happened, by size.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    /// The largest size that each bucket counts, rising; what is larger is counted in `above`.
    most: [u64; N],
    buckets: [Counter; N],
    above: Counter,
    sum: Counter,
}

/// What a histogram has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The largest size that each bucket counts (none: no largest), and how many.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// The sum of all sizes.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// Nothing counted yet.
    pub fn new(most: [u64; N]) -> Self {
        debug_assert!(most.is_sorted_by(|a, b| a < b));
        Self {
            most,
            buckets: std::array::from_fn(|_| Counter::default()),
            above: Counter::default(),
            sum: Counter::default(),
        }
    }

    /// Counts one of this size.
    pub fn count(&self, size: u64) {
        let bucket = self.most.partition_point(|most| *most < size);
        self.buckets.get(bucket).unwrap_or(&self.above).count();
        self.sum.add(size);
    }

    /// What was counted so far.
    pub fn read(&self) -> Distribution {
        let bounded = self.most.iter().zip(&self.buckets);
        let bounded = bounded.map(|(most, bucket)| (Some(*most), bucket.get()));
        let buckets = bounded.chain([(None, self.above.get())]).collect();
        Distribution { buckets, sum: self.sum.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_counted_in_the_first_bucket_that_takes_it() {
        let histogram = Histogram::new([1, 10, 100]);
        for size in [0, 1, 2, 10, 11, 100, 101, 1_000] {
            histogram.count(size);
        }
        let buckets = vec![(Some(1), 2), (Some(10), 2), (Some(100), 2), (None, 2)];
        assert_eq!(histogram.read(), Distribution { buckets, sum: 1_225 });
    }
}
