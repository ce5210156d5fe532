//! How long a node takes to serve again after it ended: from nothing to the first command that is
//! committed, and where the time goes.
//!
//! One node with the design's centre: 100,000 contacts waiting, 10,000 agents. Its files are in the
//! page cache, as after a crash or an upgrade of the program; after a start of the machine they
//! have to be read from the disk first.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark runs on this machine's clocks and chance"
)]

mod bed;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bed::load::{DESIGN, Half, Maker, come_and_go, fill, run};
use bed::{Bed, Running, machine};
use node::config::LogSettings;
use node::raft::LogId;
use node::replica::{Applied, Observer};
use node::storage::FileLog;
use node::storage::log::LOG_FOLDER;
use node::storage::records::INDEX_FOLDER;
use node::storage::snapshots::SNAPSHOT_FOLDER;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts of each kind.
const STARTS: usize = 3;

/// When a node had its snapshot, and what it applied.
#[derive(Default)]
struct Watcher(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    restored: Option<Instant>,
    applied: Option<Instant>,
    commands: usize,
}

impl Observer for Watcher {
    fn applied(&self, entry: Applied<'_>) {
        let mut seen = self.0.lock().expect("nobody panics with it");
        seen.applied = Some(Instant::now());
        seen.commands += entry.submissions.len();
    }

    fn restored(&self, _: Option<LogId>, _: u128) {
        self.0.lock().expect("nobody panics with it").restored = Some(Instant::now());
    }
}

/// One start.
struct Start {
    check: Duration,
    log: Duration,
    records: Duration,
    snapshot: Duration,
    replay: Duration,
    replayed: usize,
    leading: Duration,
    /// From nothing to the first command, without the check that was made just to measure it.
    all: Duration,
}

impl Start {
    fn say_titles() {
        println!(
            "{:>44} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  commands replayed",
            "(ms)", "log", "of that", "records", "snapshot", "replay", "first", "all"
        );
        println!("{:>44} {:>8} {:>8} {:>35}", "", "", "check", "command");
    }

    fn say(&self, what: &str) {
        let ms = |time: Duration| time.as_millis();
        println!(
            "{what:<44} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  {}",
            ms(self.log),
            ms(self.check),
            ms(self.records),
            ms(self.snapshot),
            ms(self.replay),
            ms(self.leading),
            ms(self.all),
            self.replayed
        );
    }
}

fn main() {
    bed::without_huge_pages();
    let bed = Bed::found(1);
    machine::say_disk(bed.data(1).root());
    let runtime = bed::runtime("client");
    let mut maker = Maker::default();

    let node = begin(&bed);
    runtime.block_on(async {
        node.wait_founded(1).await;
        fill(&node, &mut maker, DESIGN, 1).await;
        node.snapshot().await;
        come_and_go(&node, &mut maker, 500).await;
    });
    node.stop();
    Start::say_titles();
    restarts(&bed, &runtime, &mut maker, "snapshot, small tail");

    for tail in tails() {
        let node = begin(&bed);
        runtime.block_on(async {
            node.snapshot().await;
            // Files that hold nothing but what the snapshot covers go a moment after it.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = log_bytes(&bed);
            while log_bytes(&bed) < before + tail {
                come_and_go(&node, &mut maker, 4_096).await;
            }
        });
        node.stop();
        let what = format!("snapshot, {} MiB of log behind it", tail >> 20);
        restarts(&bed, &runtime, &mut maker, &what);
    }
    // The records of all those contacts are in segments then, and their index is read at the start.
    let node = begin(&bed);
    runtime.block_on(node.snapshot());
    node.stop();
    restarts(&bed, &runtime, &mut maker, "snapshot, and records of all that went");
}

/// Bytes of log behind the snapshot: what is told, or the default.
fn tails() -> Vec<u64> {
    let told: Vec<u64> = std::env::args().filter_map(|mib| mib.parse().ok()).collect();
    match told.is_empty() {
        false => told.into_iter().map(|mib| mib << 20).collect(),
        true => vec![LogSettings::default().snapshot_after_bytes - (1 << 20)],
    }
}

fn log_bytes(bed: &Bed) -> u64 {
    machine::bytes_under(&bed.data(1).root().join(LOG_FOLDER))
}

/// A node that takes no snapshot of its own accord.
fn begin(bed: &Bed) -> Running {
    bed.start_with(1, None, |config| config.log.snapshot_after_bytes = u64::MAX)
}

fn restarts(bed: &Bed, runtime: &tokio::runtime::Runtime, maker: &mut Maker, what: &str) {
    let root = bed.data(1).root().to_owned();
    let snapshot = machine::bytes_under(&root.join(SNAPSHOT_FOLDER));
    let index = machine::bytes_under(&root.join(INDEX_FOLDER));
    let mb = |bytes: u64| bytes / 1_000_000;
    println!("log {} MB, snapshot {} MB, index {} MB", mb(log_bytes(bed)), mb(snapshot), mb(index));
    for _ in 0..STARTS {
        restart(bed, runtime, maker).say(what);
    }
}

fn restart(bed: &Bed, runtime: &tokio::runtime::Runtime, maker: &mut Maker) -> Start {
    let begin = Instant::now();
    FileLog::<bed::Tokio>::verify(&bed.data(1)).expect("a good log");
    let check = begin.elapsed();

    let watcher = Arc::new(Watcher::default());
    let begin = Instant::now();
    let running = bed.start(1, Some(watcher.clone()));
    let started = Instant::now();
    // Before the node has written anything itself, as far as one can be quick enough.
    let seen = std::mem::take(&mut *watcher.0.lock().expect("nobody panics with it"));
    let (contact, enqueue) = maker.enqueue(Half::Free);
    runtime.block_on(async {
        while !matches!(running.node.call(&enqueue).await, node::submit::Answer::Committed { .. }) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (all, leading) = (begin.elapsed(), started.elapsed());
    runtime.block_on(run(&running, [maker.hang_up(contact)]));
    let took = running.took;
    let replay = match (seen.restored, seen.applied) {
        (Some(restored), Some(applied)) => applied - restored,
        _ => Duration::ZERO,
    };
    running.stop();
    Start {
        check,
        log: took.log,
        records: took.records,
        snapshot: took.node.saturating_sub(replay),
        replay,
        replayed: seen.commands,
        leading,
        all,
    }
}
