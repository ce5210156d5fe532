//! Seeds of the simulation. More: `cargo run --release -p chaos-tests -- --layer 1 --seeds 0..2000`

use std::collections::BTreeMap;

use chaos_tests::layer1::run_seed;
use chaos_tests::sim::faults::Fault;

/// Seeds that are run here, in a debug build, in two threads.
const SEEDS: u64 = 16;

fn check(seeds: impl Iterator<Item = u64>) -> BTreeMap<String, u64> {
    let mut faults = BTreeMap::new();
    for seed in seeds {
        let outcome = run_seed(seed);
        assert!(
            outcome.report.passes(),
            "{:#?}\nagain: cargo run --release -p chaos-tests -- --layer 1 --seed {seed} -o json",
            outcome.verdicts
        );
        for (name, n) in outcome.report.faults {
            *faults.entry(name).or_default() += n;
        }
    }
    faults
}

#[test]
fn every_invariant_holds_under_every_fault() {
    let (even, odd) = std::thread::scope(|scope| {
        let even = scope.spawn(|| check((0..SEEDS).step_by(2)));
        let odd = scope.spawn(|| check((1..SEEDS).step_by(2)));
        (even.join().unwrap(), odd.join().unwrap())
    });
    let count = |name| even.get(name).unwrap_or(&0) + odd.get(name).unwrap_or(&0);
    let counts: Vec<_> = Fault::NAMES.iter().map(|name| (*name, count(*name))).collect();
    println!("faults: {counts:?}");
    assert!(counts.iter().all(|(_, n)| *n > 0), "some fault never happened: {counts:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let hash = || run_seed(1_000).report.history_hash;
    let there = std::thread::spawn(hash);
    assert_eq!(hash(), there.join().unwrap());
}
