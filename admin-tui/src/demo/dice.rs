//! Chance from a seed: SplitMix64 (Steele, Lea, Flood 2014), so that no release of a library changes
//! what a seed means.

use std::time::Duration;

/// A stream of chance.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The stream of a seed for somebody.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed).wrapping_add(mix(!stream)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Between two durations, all equally likely.
    pub fn between(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        let span = high_ms.saturating_sub(low_ms) as f64;
        Duration::from_millis(low_ms + (self.unit() * span) as u64)
    }

    /// Exponentially distributed, in seconds.
    pub fn exponential(&mut self, mean_s: f64) -> f64 {
        // 1 - unit is never 0.
        -mean_s * (1.0 - self.unit()).ln()
    }

    /// Lognormally distributed, with this mean in seconds and this standard deviation of the
    /// logarithm. The mean of such a distribution is exp(mu + sigma²/2).
    pub fn lognormal(&mut self, mean_s: f64, sigma: f64) -> f64 {
        // Box and Muller 1958.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (mean_s.ln() - sigma * sigma / 2.0 + sigma * normal).exp()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..20_000).map(|_| draw()).sum::<f64>() / 20_000.0
    }

    #[test]
    fn distributions_have_the_mean_they_are_asked_for() {
        let mut dice = Dice::new(7, 0);
        assert!((mean(|| dice.exponential(12.0)) - 12.0).abs() < 0.3);
        assert!((mean(|| dice.lognormal(4.0, 0.6)) - 4.0).abs() < 0.1);
        assert!((mean(|| dice.unit()) - 0.5).abs() < 0.01);
    }

    #[test]
    fn streams_of_a_seed_differ_and_come_again() {
        let draw = |seed, stream| Dice::new(seed, stream).next();
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }
}
