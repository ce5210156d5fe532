//! Commands, decoded and applied: contacts are enqueued, accepted and completed.

mod load;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use load::{DESIGN, Load, Size, TENFOLD, UNIQUE};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Contacts a round in each half; three commands each.
const ROUND: usize = 500;

fn commands(c: &mut Criterion, name: &str, size: Size) {
    let mut load = Load::new(size);
    let mut group = c.benchmark_group("decode and apply a command");
    group.throughput(Throughput::Elements(6 * ROUND as u64));
    group.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            (0..rounds).map(|_| load.round(ROUND)).fold(Duration::ZERO, |sum, time| sum + time)
        });
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    commands(c, "10,000 agents, 500 classes", DESIGN);
    commands(c, "100,000 agents, 500 classes", TENFOLD);
    commands(c, "10,000 agents, all unique", UNIQUE);
}

criterion_group!(benches, all);
criterion_main!(benches);
