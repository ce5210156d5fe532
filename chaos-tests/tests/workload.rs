//! The parties against nothing but state machines: every invariant holds over many seeds, and the
//! checks notice what is broken on purpose.

mod one_centre;

use chaos_tests::checks::{Invariant, Verdict};
use chaos_tests::history::{History, Log};
use chaos_tests::report::Report;
use chaos_tests::workload::Coverage;
use one_centre::{Broken, play, verdicts};

/// How many seeds are played; more with QUORUMCALL_SEEDS.
fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("QUORUMCALL_SEEDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_invariant_holds_while_nothing_is_broken() {
    let mut coverage = Coverage::default();
    for seed in 1..=seeds(6) {
        let history = play(seed, Broken::Nothing);
        let verdicts = verdicts(&history);
        let broken: Vec<_> = verdicts.iter().filter(|(_, verdict)| !verdict.holds()).collect();
        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
        let report = Report::new(seed, 0, Default::default(), &history, &verdicts);
        assert!(report.passes());
        println!("seed {seed}: {} acknowledged", report.operations_acknowledged);
        coverage.add(&Log::of(&history));
    }
    println!("{coverage}");
}

#[test]
fn one_seed_is_one_history() {
    assert_eq!(play(3, Broken::Nothing).hash(), play(3, Broken::Nothing).hash());
    assert_ne!(play(3, Broken::Nothing).hash(), play(4, Broken::Nothing).hash());
}

/// Plays seeds until the checks notice; which of them do.
fn noticed(broken: Broken) -> Vec<Invariant> {
    for seed in 1..=4 {
        let history: History = play(seed, broken);
        let failed: Vec<Invariant> = verdicts(&history)
            .into_iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::False { .. }))
            .map(|(invariant, verdict)| {
                println!("{broken:?}, seed {seed}: {invariant} {verdict:?}");
                invariant
            })
            .collect();
        if !failed.is_empty() {
            return failed;
        }
    }
    Vec::new()
}

#[test]
fn an_acknowledged_command_that_is_lost_is_noticed() {
    assert!(noticed(Broken::LosesAcknowledged).contains(&Invariant::I5));
}

#[test]
fn a_gap_that_is_not_taken_off_is_noticed() {
    assert!(noticed(Broken::CountsGaps).contains(&Invariant::I11));
}

#[test]
fn an_entry_that_is_applied_twice_is_noticed() {
    assert!(noticed(Broken::AppliesTwice).contains(&Invariant::I5));
}

#[test]
fn a_replica_with_another_order_is_noticed() {
    assert!(noticed(Broken::OtherOrder).contains(&Invariant::I9));
}

#[test]
fn a_watch_that_skips_an_entry_is_noticed() {
    assert!(noticed(Broken::SkipsInWatches).contains(&Invariant::I7));
}

#[test]
fn an_old_token_that_passes_is_noticed() {
    assert!(noticed(Broken::IgnoresFences).contains(&Invariant::I8));
}
