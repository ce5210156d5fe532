//! The fault tests find bugs: each of these, put in on purpose, is caught within a few seeds, by what
//! it must lead to (`Mutation::caught_by`). That something else fails, or panics, is no catch.
//!
//! A bug is compiled only with the feature `mutations`, which nothing turns on. So the program of
//! the fault tests is built here once more.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Seeds among which each bug must be caught: many more than it takes, so that a change that moves
/// what happens in each seed does not matter. A bug is run until it is caught.
const SEEDS: &str = "0..16";
/// Seeds that pass without a bug.
const SOUND_SEEDS: &str = "0..2";

/// The program with the bugs in it, none of them switched on.
fn build() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = own.parent().expect("target/tmp is in target");
    let (profile, folder) =
        if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--package", "chaos-tests", "--bin", "chaos-tests"])
        .args(["--features", "mutations", "--profile", profile, "--target-dir"])
        .arg(target)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the program with the bugs in it cannot be built");
    // Whoever builds meanwhile puts another program in that place.
    let program = own.join("mutation-gate");
    std::fs::copy(target.join(folder).join("chaos-tests"), &program).expect("it was built");
    program
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(["--layer", "1"])
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it runs")
}

#[test]
fn each_bug_is_caught() {
    let program = build();
    let sound = run(&program, &["--seeds", SOUND_SEEDS]);
    assert!(sound.status.success(), "seeds fail without any bug: {sound:#?}");
    let bugs = [
        "reply-before-fsync",
        "vote-not-persisted",
        "fence-not-checked",
        "arrival-reset-on-requeue",
        "memory-not-in-snapshot",
        "deadline-in-gap",
        "gap-not-announced",
        "other-order",
        "records-not-written",
    ];
    for bug in bugs {
        let caught = run(&program, &["--seeds", SEEDS, "--mutate", bug]);
        let (out, err) =
            (String::from_utf8_lossy(&caught.stdout), String::from_utf8_lossy(&caught.stderr));
        assert!(caught.status.success(), "{bug} is not caught by seeds {SEEDS}:\n{out}{err}");
        println!("{bug}: {out}{err}");
    }
}
