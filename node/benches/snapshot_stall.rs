//! What a snapshot that is being written costs the commands beside it.
//!
//! One node with the design's centre, 100,000 contacts waiting and 10,000 agents, takes commands
//! at a steady rate. Two things are measured: how long applying an entry took, through the observer
//! of the replica, which sees the stall of the state machine and nothing else; and how long a
//! command took from its submission to its answer, which is what people notice, sync of the log
//! included.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark runs on this machine's clocks and chance"
)]

mod bed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bed::load::{DESIGN, Half, Maker, fill, submitted};
use bed::{Bed, Running, machine};
use node::raft::LogId;
use node::replica::{Applied, Observer};
use node::submit::Answer;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Commands a second, unless told.
const RATE: u64 = 10_000;
/// How long without a snapshot.
const CALM: Duration = Duration::from_secs(10);
/// How many snapshots, and how long between them.
const SNAPSHOTS: usize = 10;
const BETWEEN: Duration = Duration::from_secs(1);
/// Commands are handed over this often.
const BEAT: Duration = Duration::from_millis(1);

/// When something was done and how long it took.
type Times = Vec<(Instant, Duration)>;

/// Times each entry.
#[derive(Default)]
struct Watcher(Mutex<(Option<Instant>, Times)>);

impl Observer for Watcher {
    fn applying(&self, _: LogId) {
        self.0.lock().expect("nobody panics with it").0 = Some(Instant::now());
    }

    fn applied(&self, _: Applied<'_>) {
        let now = Instant::now();
        let mut watcher = self.0.lock().expect("nobody panics with it");
        if let Some(since) = watcher.0.take() {
            watcher.1.push((now, now - since));
        }
    }

    fn restored(&self, _: Option<LogId>, _: u128) {}
}

fn main() {
    bed::without_huge_pages();
    let rate = std::env::args().find_map(|rate| rate.parse().ok()).unwrap_or(RATE);
    let bed = Bed::found(1);
    machine::say_disk(bed.data(1).root());
    let watcher = Arc::new(Watcher::default());
    // Snapshots come when this says so.
    let node = bed.start_with(1, Some(watcher.clone()), |config| {
        config.log.snapshot_after_bytes = u64::MAX;
    });
    let runtime = bed::runtime("client");
    let mut maker = Maker::default();
    runtime.block_on(async {
        node.wait_founded(1).await;
        fill(&node, &mut maker, DESIGN, 1).await;
        // The first snapshot is that of a state nobody has taken one of.
        node.snapshot().await;
        watcher.0.lock().expect("nobody panics with it").1.clear();
        let begin = Instant::now();
        let time = CALM + SNAPSHOTS as u32 * (BETWEEN + Duration::from_secs(1));
        let load = load(&node, &mut maker, rate, time);
        let (latencies, writing) = tokio::join!(load, snapshots(&node));
        let applies = std::mem::take(&mut watcher.0.lock().expect("nobody panics with it").1);
        let took: Duration = writing.iter().map(|(from, to)| *to - *from).sum();
        println!(
            "{rate} commands/s, {} entries in {:.1?}; {} snapshots, each written in {:.0?}",
            applies.len(),
            begin.elapsed(),
            writing.len(),
            took / writing.len() as u32
        );
        println!("{:<44} {:>10} {:>10} {:>10} {:>10}", "", "p50", "p99", "p99.9", "max");
        for when in [When::Before, When::Beside, When::Between] {
            say("applying an entry", &applies, &writing, when);
        }
        for when in [When::Before, When::Beside, When::Between] {
            say("a command", &latencies, &writing, when);
        }
    });
    node.stop();
}

/// Takes snapshots after a calm time; says from when to when each was written.
async fn snapshots(node: &Running) -> Vec<(Instant, Instant)> {
    tokio::time::sleep(CALM).await;
    let mut writing = Vec::new();
    for _ in 0..SNAPSHOTS {
        let begin = Instant::now();
        node.snapshot().await;
        writing.push((begin, Instant::now()));
        tokio::time::sleep(BETWEEN).await;
    }
    writing
}

/// Contacts come and go at a steady rate, whether answers come or not.
async fn load(node: &Running, maker: &mut Maker, rate: u64, time: Duration) -> Times {
    let (to, mut answers) = mpsc::unbounded_channel();
    let mut sent: HashMap<u64, Instant> = HashMap::new();
    let mut present = Vec::new();
    let mut times = Vec::new();
    let begin = Instant::now();
    let mut beat = tokio::time::interval(BEAT);
    let mut tag = 0;
    let mut came = HashMap::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let elapsed = begin.elapsed();
                if elapsed > time {
                    return times;
                }
                while tag < rate * elapsed.as_micros() as u64 / 1_000_000 {
                    tag += 1;
                    let submission = match present.pop() {
                        Some(contact) => maker.hang_up(contact),
                        None => {
                            let (contact, enqueue) = maker.enqueue(Half::Free);
                            came.insert(tag, contact);
                            enqueue
                        }
                    };
                    sent.insert(tag, Instant::now());
                    node.node.submit(submitted(&submission, tag, &to));
                }
            }
            Some((tag, answer)) = answers.recv() => {
                let now = Instant::now();
                if !matches!(answer, Answer::Committed { .. }) {
                    panic!("a command was not carried out: {answer:?}");
                }
                times.extend(sent.remove(&tag).map(|since| (now, now - since)));
                present.extend(came.remove(&tag));
            }
        }
    }
}

/// When something ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before the first snapshot.
    Before,
    /// While one was written.
    Beside,
    /// Afterwards, while none was.
    Between,
}

impl When {
    fn of(end: Instant, writing: &[(Instant, Instant)]) -> Self {
        if writing.iter().all(|(from, _)| end < *from) {
            Self::Before
        } else if writing.iter().any(|(from, to)| *from <= end && end <= *to) {
            Self::Beside
        } else {
            Self::Between
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Before => "before the first snapshot",
            Self::Beside => "a snapshot is written",
            Self::Between => "after one was",
        }
    }
}

/// Says the times of what ended then.
fn say(what: &str, times: &Times, writing: &[(Instant, Instant)], when: When) {
    let chosen = times.iter().filter(|(end, _)| When::of(*end, writing) == when);
    let mut chosen: Vec<_> = chosen.map(|(_, took)| *took).collect();
    chosen.sort();
    let at = |per_mille| machine::at(&chosen, per_mille);
    println!(
        "{:<44} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?}  ({})",
        format!("{what}, {}", when.words()),
        at(500),
        at(990),
        at(999),
        at(1_000),
        chosen.len()
    );
}
