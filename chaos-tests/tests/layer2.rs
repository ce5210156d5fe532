//! Layer 2 in short: real processes behind the proxy. More:
//! `cargo run --release -p chaos-tests -- --layer 2 --seed 7 --minutes 5`

#![cfg(target_os = "linux")] // Elsewhere loopback has one address, unless somebody gives it more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chaos_tests::layer1::Outcome;
use chaos_tests::layer2::failover::{self, How};
use chaos_tests::layer2::{self, Settings};

/// One cluster at a time: a program has one set of addresses.
static TURN: Mutex<()> = Mutex::new(());

fn check(outcome: &Outcome) {
    let Outcome { report, verdicts, .. } = outcome;
    assert!(report.passes(), "{report:#?}\n{verdicts:#?}");
}

#[test]
fn every_invariant_holds_while_what_happens_to_cities_happens_to_that_of_the_leader() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let busy = Duration::from_secs(25);
    let settings = Settings { seed: 4, busy, rtt_ms: Some(20), keep: None };
    let outcome = layer2::run(&settings).expect("a cluster can be founded");
    println!("{:?}", outcome.report);
    check(&outcome);
    assert!(outcome.report.operations_acknowledged > 0);
    assert!(outcome.report.faults.values().sum::<u64>() > 0, "nothing went wrong");
}

#[test]
fn after_the_loss_of_the_leaders_city_contacts_are_offered_elsewhere() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let how = How::BlackHole;
    let settings = failover::Settings { seed: 4, times: 1, rtt_ms: 0, how, keep: None };
    let (measured, outcome) = failover::measure(&settings).expect("a cluster can be founded");
    println!("{measured:?}");
    check(&outcome);
    let each = &measured.times.each_ms;
    assert!(each.len() == 1 && each[0].is_some(), "no offer was received: {each:?}");
}
