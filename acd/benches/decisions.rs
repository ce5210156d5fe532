//! Head selection alone: the best agent for a contact, the best contact for an agent.

mod load;

use std::hint::black_box;

use acd::channel::Medium;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use load::{DESIGN, Load, Size, TENFOLD, UNIQUE};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROBES: usize = 1_000;

fn decisions(c: &mut Criterion, name: &str, size: Size) {
    let mut load = Load::new(size);
    let contacts = load.probes_for_agents(PROBES);
    let agents = load.probes_for_contacts(PROBES);
    let centre = &load.centre;
    let contacts: Vec<_> = contacts.iter().map(|id| centre.probe_contact(id).unwrap()).collect();
    let agents: Vec<_> = agents.iter().map(|id| centre.probe_agent(id).unwrap()).collect();
    let mut group = c.benchmark_group(format!("head selection, {name}"));
    group.throughput(Throughput::Elements(PROBES as u64));
    group.bench_function("agent for a contact", |b| {
        b.iter(|| {
            for contact in &contacts {
                black_box(centre.probe_best_agent(*contact)).expect("somebody is free");
            }
        });
    });
    group.bench_function("contact for an agent", |b| {
        b.iter(|| {
            for agent in &agents {
                black_box(centre.probe_best_contact(*agent, Medium::Message))
                    .expect("somebody waits");
            }
        });
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    decisions(c, "10,000 agents, 500 classes", DESIGN);
    decisions(c, "100,000 agents, 500 classes", TENFOLD);
    decisions(c, "10,000 agents, all unique", UNIQUE);
}

criterion_group!(benches, all);
criterion_main!(benches);
