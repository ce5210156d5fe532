//! What really happened, as the log has it.

use super::calls::{Call, Ending};
use super::outcome::{Outcome, Tally};

/// Counts the calls of a log as they went. An answered call waited as long as it was queued, not
/// at all if it never was.
pub fn real_outcome(calls: &[Call]) -> Outcome {
    let mut tally = Tally::default();
    for call in calls {
        tally.offer();
        match call.ending {
            Ending::Answered { .. } => tally.answer(call.waited()),
            Ending::HungUp => tally.abandon(call.waited()),
        }
    }
    tally.outcome()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::real_log;

    #[test]
    fn the_bank_answered_56_calls_of_100_in_time() {
        let Some(log) = real_log() else { return };
        let outcome = real_outcome(&log.calls);
        assert_eq!((outcome.offered, outcome.answered, outcome.abandoned), (16_290, 14_405, 1_885));
        assert_eq!(outcome.asa_s, Some(34.41));
        assert_eq!(outcome.service_level_negative, Some(0.5625));
        assert_eq!((outcome.abandon_rate, outcome.wait_max_s), (Some(0.1157), Some(730.0)));
    }
}
