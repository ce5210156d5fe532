//! Durable commands a second: three nodes with mutual TLS over loopback and files on a disk, and a
//! client with one stream to the leader, all on this machine.
//!
//! The centre is the design's: 100,000 contacts waiting, 10,000 agents, half of them free. The
//! commands are contacts that are put in, are offered to a free agent at once, and hang up.
//!
//! `cargo bench -p quorumcall-node --bench throughput -- [seconds] [in flight …]`

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark runs on this machine's clocks and chance"
)]

mod bed;

use std::time::Duration;

use bed::client::Client;
use bed::load::{DESIGN, Maker, fill};
use bed::{Bed, Running, machine};
use node::storage::log::LOG_FOLDER;
use node::storage::records::RECORD_FOLDER;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: usize = 3;
const SECONDS: u64 = 10;
const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1_024];
const WARM_UP: Duration = Duration::from_secs(1);

fn main() {
    bed::without_huge_pages();
    let numbers: Vec<usize> = std::env::args().filter_map(|n| n.parse().ok()).collect();
    let (seconds, in_flight) = match &numbers[..] {
        [] => (SECONDS, &IN_FLIGHT[..]),
        [seconds] => (*seconds as u64, &IN_FLIGHT[..]),
        [seconds, in_flight @ ..] => (*seconds as u64, in_flight),
    };
    let bed = Bed::found(NODES);
    machine::say_disk(bed.data(1).root());
    let nodes: Vec<_> = (1..=NODES as u64).map(|number| bed.start(number, None)).collect();
    let runtime = bed::runtime("client");
    let leader = bed::leader(&nodes);
    let mut maker = Maker::default();
    runtime.block_on(async {
        leader.wait_founded(NODES).await;
        fill(leader, &mut maker, DESIGN, NODES).await;
        let mut client = Client::connect(&bed, leader.node.number()).await;
        println!(
            "node {} leads; {seconds} s each\n{:>9} {:>12} {:>9} {:>9} {:>9} {:>9} {:>12} {:>12}",
            leader.node.number(),
            "in flight",
            "commands/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "per entry",
            "CPU µs each",
            "disk B each"
        );
        for &in_flight in in_flight {
            client.run(&mut maker, in_flight, WARM_UP).await;
            row(&bed, leader, &mut client, &mut maker, in_flight, Duration::from_secs(seconds))
                .await;
        }
    });
    say_files(&bed, leader);
    nodes.into_iter().for_each(Running::stop);
}

async fn row(
    bed: &Bed,
    leader: &Running,
    client: &mut Client,
    maker: &mut Maker,
    in_flight: usize,
    time: Duration,
) {
    let (cpu, written) = (machine::processor_seconds(), machine::bytes_written());
    let before = machine::processor_seconds_by_thread();
    let index = leader.node.state().last_applied();
    let outcome = client.run(maker, in_flight, time).await;
    let entries = leader.node.state().last_applied() - index;
    let cpu = machine::processor_seconds() - cpu;
    let written = machine::bytes_written() - written;
    let after = machine::processor_seconds_by_thread();
    let commands = outcome.latencies.len();
    let ms = |per_mille| machine::at(&outcome.latencies, per_mille).as_secs_f64() * 1e3;
    let spent = |name: &String| after[name] - before.get(name).unwrap_or(&0.0);
    let micros = |seconds: f64| seconds * 1e6 / commands as f64;
    println!(
        "{in_flight:>9} {:>12.0} {:>9.2} {:>9.2} {:>9.2} {:>9.1} {:>12.1} {:>12}",
        commands as f64 / outcome.elapsed.as_secs_f64(),
        ms(500),
        ms(990),
        ms(1_000),
        commands as f64 / entries as f64,
        micros(cpu),
        written / commands as u64 / bed.founded.nodes.len() as u64,
    );
    let by_thread = after.keys().map(|name| (name, micros(spent(name))));
    let by_thread = by_thread.filter(|(_, micros)| *micros >= 0.05);
    let by_thread: Vec<_> = by_thread.map(|(name, micros)| format!("{name} {micros:.1}")).collect();
    println!("{:>9} µs each: {}", "", by_thread.join(", "));
}

/// What the leader's folder holds.
fn say_files(bed: &Bed, leader: &Running) {
    let folder = bed.data(leader.node.number()).root().to_owned();
    let of = |name: &str| machine::bytes_under(&folder.join(name)) / 1_000_000;
    println!("log {} MB, records {} MB", of(LOG_FOLDER), of(RECORD_FOLDER));
}
