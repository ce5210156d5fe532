//! How well a contact centre did: the few numbers by which what really happened and what a
//! replay made of it are compared. Both are counted here, so both mean the same.

use acd::time::Millis;
use serde::Serialize;

/// The numbers. Ratios of nothing are absent: "no data".
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Calls that asked for an agent.
    pub offered: u64,
    /// Calls an agent answered.
    pub answered: u64,
    /// Calls whose caller hung up first.
    pub abandoned: u64,
    /// Average speed of answer, in seconds: sum of the waits of answered calls / answered.
    /// Rounded to two decimals.
    pub asa_s: Option<f64>,
    /// Answered within [`TARGET`] / offered: every abandon counts against the centre. Rounded to
    /// four decimals.
    pub service_level_negative: Option<f64>,
    /// Abandoned / offered, rounded to four decimals.
    pub abandon_rate: Option<f64>,
    /// The longest wait, of the answered and of those who hung up, in seconds.
    pub wait_max_s: Option<f64>,
}

/// The time within which a call should be answered.
pub const TARGET: Millis = Millis::seconds(20);

/// Counts calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    offered: u64,
    answered: u64,
    answered_in_target: u64,
    abandoned: u64,
    answered_wait: Millis,
    wait_max: Option<Millis>,
}

impl Tally {
    /// A call asked for an agent.
    pub fn offer(&mut self) {
        self.offered += 1;
    }

    /// An agent answered it after `waited`.
    pub fn answer(&mut self, waited: Millis) {
        self.answered += 1;
        self.answered_in_target += u64::from(waited <= TARGET);
        self.answered_wait.0 += waited.0;
        self.wait_max = self.wait_max.max(Some(waited));
    }

    /// Its caller hung up after `waited`.
    pub fn abandon(&mut self, waited: Millis) {
        self.abandoned += 1;
        self.wait_max = self.wait_max.max(Some(waited));
    }

    /// The numbers.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            offered: self.offered,
            answered: self.answered,
            abandoned: self.abandoned,
            asa_s: ratio(self.answered_wait.0, self.answered).map(|ms| round(ms / 1_000.0, 2)),
            service_level_negative: ratio(self.answered_in_target, self.offered)
                .map(|level| round(level, 4)),
            abandon_rate: ratio(self.abandoned, self.offered).map(|rate| round(rate, 4)),
            wait_max_s: self.wait_max.map(|wait| wait.0 as f64 / 1_000.0),
        }
    }
}

/// None if there is nothing to divide by.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Rounds to so many decimals.
pub(super) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_at_the_target_is_in_it() {
        let mut tally = Tally::default();
        for waited in [Millis::ZERO, Millis::seconds(20), Millis(20_001)] {
            tally.offer();
            tally.answer(waited);
        }
        tally.offer();
        tally.abandon(Millis::seconds(30));
        tally.offer();
        let expected = Outcome {
            offered: 5,
            answered: 3,
            abandoned: 1,
            asa_s: Some(13.33),
            service_level_negative: Some(0.4),
            abandon_rate: Some(0.2),
            wait_max_s: Some(30.0),
        };
        assert_eq!(tally.outcome(), expected);
    }

    #[test]
    fn nothing_divides_by_zero() {
        let outcome = Tally::default().outcome();
        assert_eq!((outcome.asa_s, outcome.service_level_negative), (None, None));
        assert_eq!((outcome.abandon_rate, outcome.wait_max_s), (None, None));
    }
}
