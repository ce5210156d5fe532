//! The centre decides what a naive model decides that scans everything: same answers, same
//! events, same state, after every entry of long sequences of sensible, hostile and repeated
//! commands. A second centre fed the same entries has the same hash.
//!
//! `QUORUMCALL_CASES` sets the number of sequences, `QUORUMCALL_SEED` where chance begins.

mod hostile;
mod model;

use std::cell::RefCell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use hostile::coverage::Coverage;
use hostile::dice::Dice;
use hostile::{commands, world};

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Plays a sequence; an error says where centre and model part.
fn play(beginning: u64, numbers: &[u64]) -> Result<Coverage, String> {
    let mut world = world::found(&mut Dice::new(beginning))?;
    for number in numbers {
        commands::next(&mut world, *number)?;
    }
    Ok(world.coverage)
}

#[test]
fn the_centre_decides_as_a_scan_of_everything_would() {
    let cases = from_environment("QUORUMCALL_CASES", 40);
    let config = Config {
        cases: cases as u32,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(from_environment("QUORUMCALL_SEED", 1)),
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    let seen = RefCell::new(Coverage::default());
    let sequences = (any::<u64>().no_shrink(), vec(any::<u64>().no_shrink(), 50..400));
    let result = TestRunner::new(config).run(&sequences, |(beginning, numbers)| {
        let coverage = play(beginning, &numbers).map_err(TestCaseError::fail)?;
        seen.borrow_mut().add(coverage);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("aborted: {reason}"),
    }
    for ((kind, name), count) in &seen.borrow().seen {
        println!("{kind}: {name}: {count}");
    }
}
