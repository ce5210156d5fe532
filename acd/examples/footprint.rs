//! Makes a contact centre of a size, runs commands through it, and says what that took:
//!
//! ```text
//! cargo run --release -p acd --example footprint -- AGENTS CLASSES WAITING ROUNDS
//! ```
//!
//! prints `{"rss_kb": …, "commands": …, "ns_per_command": …}`. Memory of a contact or an agent is
//! the difference between two sizes; instructions of a command, under an instruction counter, the
//! difference between two numbers of rounds. A round is 3,000 commands.

#[path = "../benches/load/mod.rs"]
mod load;

use std::time::Duration;

use load::{Load, Size};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Contacts a round in each half.
const ROUND: usize = 500;

fn main() {
    let numbers: Option<Vec<usize>> = std::env::args().skip(1).map(|a| a.parse().ok()).collect();
    let Some(&[agents, classes, waiting, rounds]) = numbers.as_deref() else {
        eprintln!("usage: footprint AGENTS CLASSES WAITING ROUNDS (whole numbers)");
        std::process::exit(2);
    };
    let mut load = Load::new(Size { agents, classes, waiting });
    let rss_kb = resident_kb();
    let time = (0..rounds).fold(Duration::ZERO, |sum, _| sum + load.round(ROUND));
    let commands = rounds * 6 * ROUND;
    let ns = time.as_nanos().checked_div(commands as u128).unwrap_or(0);
    println!("{{\"rss_kb\": {rss_kb}, \"commands\": {commands}, \"ns_per_command\": {ns}}}");
}

/// Memory of this process, as Linux tells it; 0 elsewhere.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
