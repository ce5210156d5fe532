//! Snapshots beside a running centre: how long taking one stalls it, how long the entries that
//! follow take while pages are copied, and how long writing and restoring take. And how long a
//! census stalls it and takes beside it.
//!
//! A table, not a statistic: the question is what the slowest one is. On a machine that does other
//! things it shows those; `chrt -f 10` keeps them away, and `MIMALLOC_ALLOW_THP=0` keeps away the
//! clearing of huge pages, which takes milliseconds at once on some virtual machines.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark looks at the clock and has threads, the state machine does not"
)]

mod load;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acd::Centre;
use acd::snapshot::Snapshot;
use load::{DESIGN, ENTRY, Load};
use prost::Message;
use proto::stored::v1;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn written(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write(&mut |chunk| bytes.extend_from_slice(chunk));
    bytes
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1_000];
    let (median, late, most) = (at(500), at(990), at(1_000));
    println!("{what:<58} {median:>10.1?} {late:>10.1?} {most:>10.1?}  ({})", times.len());
}

/// Times of the entries of a few rounds, with a snapshot taken just before.
fn entries(load: &mut Load, beside: impl Fn(Snapshot) -> Option<std::thread::JoinHandle<()>>) {
    let mut slowest = Vec::new();
    load.times.clear();
    for _ in 0..20 {
        let writing = beside(load.centre.snapshot());
        let before = load.times.len();
        load.round(500);
        slowest.extend(load.times[before..].iter().max());
        if let Some(writing) = writing {
            writing.join().unwrap();
        }
    }
    say("  an entry", std::mem::take(&mut load.times));
    say("  the slowest entry of a round", slowest);
}

fn main() {
    let mut load = Load::new(DESIGN);
    load.ask(10_000);
    // As many closed contacts as are remembered.
    (0..100).for_each(|_| _ = load.round(500));
    println!("{:<58} {:>10} {:>10} {:>10}", "", "median", "99 %", "slowest");

    let mut taking = Vec::new();
    let mut dropping = Vec::new();
    for _ in 0..200 {
        load.round(10);
        let (snapshot, time) = timed(|| load.centre.snapshot());
        taking.push(time);
        dropping.push(timed(|| drop(snapshot)).1);
    }
    say("take a snapshot", taking);
    say("drop it, nothing changed", dropping);

    let mut taking = Vec::new();
    let mut counting = Vec::new();
    for _ in 0..50 {
        load.round(10);
        let (roll, time) = timed(|| load.centre.roll());
        taking.push(time);
        counting.push(timed(|| roll.count(roll.now())).1);
    }
    say("take a roll for a census", taking);
    say("count the census", counting);

    for entry in [1, ENTRY] {
        load.entry = entry;
        println!("entries of {entry} commands, no snapshot");
        entries(&mut load, |_| None);
        println!("entries of {entry} commands, a snapshot lives");
        entries(&mut load, |snapshot| {
            Some(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                drop(snapshot);
            }))
        });
        println!("entries of {entry} commands, a snapshot is being written");
        entries(&mut load, |snapshot| Some(std::thread::spawn(move || drop(written(&snapshot)))));
    }

    let mut writing = Vec::new();
    let mut restoring = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..5 {
        let snapshot = load.centre.snapshot();
        let (written, time) = timed(|| written(&snapshot));
        writing.push(time);
        let (restored, time) = timed(|| Centre::restore(&written).unwrap());
        assert_eq!(restored.state_hash(), load.centre.state_hash());
        restoring.push(time);
        bytes = written;
    }
    say("write a snapshot", writing);
    say("restore", restoring);

    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let before = rest.len();
        let item = v1::SnapshotItem::decode_length_delimited(&mut rest).unwrap();
        use v1::snapshot_item::Item;
        let kind = match item.item {
            Some(Item::Contact(_)) => "contact",
            Some(Item::Agent(_)) => "agent",
            Some(Item::ClosedContact(_)) => "remembered contact",
            Some(Item::FirstAnswer(_)) => "remembered answer",
            _ => "anything else",
        };
        let size = sizes.entry(kind).or_default();
        size.0 += 1;
        size.1 += before - rest.len();
    }
    println!("{} bytes", bytes.len());
    for (kind, (count, total)) in sizes {
        println!("{count:>8} × {kind}, {} bytes each", total / count);
    }
}
