//! Runs seeds of the fault tests.
//!
//! ```text
//! cargo run --release -p chaos-tests -- --layer 1 --seed 7 -o json
//! cargo run --release -p chaos-tests -- --layer 1 --seeds 0..2000
//! cargo run --release -p chaos-tests -- --layer 2 --seed 7 --minutes 5 -o json
//! cargo run --release -p chaos-tests -- --layer 2 --seed 7 --failover 50 --rtt 80 --how black-hole
//! cargo run --release -p chaos-tests -- --layer 2 --throughput 20 --rtt 80 --in-flight 1024
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chaos_tests::checks::Verdict;
use chaos_tests::layer1::{Outcome, run_mutated};
use chaos_tests::layer2;
use chaos_tests::layer2::failover::{self, How};
use chaos_tests::layer2::throughput;
use chaos_tests::mutation::Mutation;
use clap::{Parser, ValueEnum};

/// Runs seeds of the fault tests.
#[derive(Parser)]
struct Arguments {
    /// Which layer: 1 is the simulation, 2 real processes.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    layer: u8,
    /// The seed to run.
    #[arg(long, conflicts_with = "seeds", required_unless_present_any = ["seeds", "throughput"])]
    seed: Option<u64>,
    /// Seeds to run, from..to.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Layer 2: how long faults go on with each seed, in minutes.
    #[arg(long, default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,
    /// Layer 2: the round trip between cities, in ms; left out, the seed chooses 0, 20 or 80.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=80))]
    rtt: Option<u64>,
    /// Layer 2: keep the history and the nodes' folders and logs here, whatever comes of the run.
    #[arg(long, value_name = "DIR", conflicts_with = "seeds")]
    keep: Option<PathBuf>,
    /// Layer 2: measure instead how long it takes until contacts are routed again after the leader's
    /// city was lost so often.
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["seeds", "minutes"],
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    failover: Option<u32>,
    /// How the leader's city is lost then.
    #[arg(long, value_enum, default_value_t = How::Kill, requires = "failover")]
    how: How,
    /// Layer 2: measure instead how many commands a second go through, for so many seconds.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["seed", "seeds", "minutes", "failover"],
          value_parser = clap::value_parser!(u64).range(1..=600))]
    throughput: Option<u64>,
    /// Commands in flight then.
    #[arg(long, default_value_t = 1_024, requires = "throughput",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// Layer 1: seeds that run at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Run a program with this bug, until a seed catches it: fails in the way the bug must show.
    /// Succeeds if one does.
    #[cfg(feature = "mutations")]
    #[arg(long, value_enum)]
    mutate: Option<Mutation>,
    /// With a bug: run all seeds, and count those that fail.
    #[cfg(feature = "mutations")]
    #[arg(long, requires = "mutate")]
    count: bool,
}

impl Arguments {
    #[cfg(feature = "mutations")]
    fn mutation(&self) -> (Option<Mutation>, bool) {
        (self.mutate, self.mutate.is_some() && !self.count)
    }

    /// The bug, and whether the first seed that fails is enough.
    #[cfg(not(feature = "mutations"))]
    fn mutation(&self) -> (Option<Mutation>, bool) {
        (None, false)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.1..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("say 0.1 to 1440".into()) }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("say from..to")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (2, Some(seconds)) = (arguments.layer, arguments.throughput) {
        return measure_throughput(&arguments, Duration::from_secs(seconds));
    }
    let (mutation, first_is_enough) = arguments.mutation();
    let seeds = match (arguments.seed, arguments.seeds.clone()) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(seeds)) => seeds,
        (None, None) => {
            eprintln!("layer 1 runs seeds: say --seed or --seeds");
            return ExitCode::FAILURE;
        }
    };
    if arguments.layer == 2 {
        if let (Some(times), Some(seed)) = (arguments.failover, arguments.seed) {
            return measure(&arguments, seed, times);
        }
        return processes(&arguments, seeds);
    }
    let next = AtomicU64::new(seeds.start);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // A panic while printing ends the program anyhow.
                    let totals = || totals.lock().unwrap_or_else(|e| e.into_inner());
                    if seed >= seeds.end || (first_is_enough && !totals().caught.is_empty()) {
                        return;
                    }
                    let outcome = run_mutated(seed, mutation);
                    totals().add(seed, &outcome, mutation, arguments.output);
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(|e| e.into_inner());
    if arguments.output == Format::Text {
        totals.print();
    }
    let is_as_it_should = match mutation {
        Some(_) => !totals.caught.is_empty(),
        None => totals.failed.is_empty(),
    };
    if is_as_it_should { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs seeds of layer 2, one after the other: each has the machine to itself.
fn processes(arguments: &Arguments, seeds: Range<u64>) -> ExitCode {
    let mut totals = Totals::default();
    for seed in seeds {
        let settings = layer2::Settings {
            seed,
            busy: Duration::from_secs_f64(arguments.minutes * 60.0),
            rtt_ms: arguments.rtt,
            keep: arguments.keep.clone(),
        };
        match layer2::run(&settings) {
            Ok(outcome) => totals.add(seed, &outcome, None, arguments.output),
            Err(trouble) => {
                eprintln!("seed {seed} cannot be run: {trouble}");
                return ExitCode::FAILURE;
            }
        }
    }
    if arguments.output == Format::Text {
        totals.print();
    }
    if totals.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures failover, and judges the run all the same.
fn measure(arguments: &Arguments, seed: u64, times: u32) -> ExitCode {
    let settings = failover::Settings {
        seed,
        times,
        rtt_ms: arguments.rtt.unwrap_or(0),
        how: arguments.how,
        keep: arguments.keep.clone(),
    };
    let (measured, outcome) = match failover::measure(&settings) {
        Ok(measured) => measured,
        Err(trouble) => {
            eprintln!("failover cannot be measured: {trouble}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.output {
        Format::Json => println!("{}", serde_json::to_string(&measured).unwrap_or_default()),
        Format::Text => {
            let ms = |time: Option<u64>| time.map_or("none".to_owned(), |ms| format!("{ms} ms"));
            let failover::Measured { rtt_ms, profile, times, .. } = &measured;
            println!(
                "first offer elsewhere: worst {}, median {} of {} ({profile}, {rtt_ms} ms)",
                ms(times.worst_ms),
                ms(times.median_ms),
                times.each_ms.len()
            );
            let each: Vec<_> = times.each_ms.iter().map(|time| ms(*time)).collect();
            println!("each: {}", each.join(", "));
        }
    }
    let mut totals = Totals::default();
    totals.add(seed, &outcome, None, Format::Text);
    if arguments.output == Format::Text {
        totals.print();
    }
    let is_measured = measured.times.worst_ms.is_some();
    if is_measured && totals.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures throughput.
fn measure_throughput(arguments: &Arguments, lasts: Duration) -> ExitCode {
    let (rtt_ms, in_flight) = (arguments.rtt.unwrap_or(0), arguments.in_flight);
    let settings = throughput::Settings { lasts, rtt_ms, in_flight };
    let measured = match throughput::measure(&settings) {
        Ok(measured) => measured,
        Err(trouble) => {
            eprintln!("throughput cannot be measured: {trouble}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.output {
        Format::Json => println!("{}", serde_json::to_string(&measured).unwrap_or_default()),
        Format::Text => {
            let throughput::Measured { commands_per_second, p50_ms, p99_ms, .. } = measured;
            println!(
                "{commands_per_second} commands/s with {in_flight} in flight over {rtt_ms} ms: p50 \
                 {p50_ms:.1} ms, p99 {p99_ms:.1} ms"
            );
        }
    }
    ExitCode::SUCCESS
}

/// What all seeds came to.
#[derive(Default)]
struct Totals {
    seeds: u64,
    acknowledged: usize,
    faults: BTreeMap<String, u64>,
    failed: Vec<u64>,
    /// Seeds in which the bug, if there is one, led to what it must lead to.
    caught: Vec<u64>,
    /// Seeds that each invariant failed, or that ended early.
    found: BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, seed: u64, outcome: &Outcome, mutation: Option<Mutation>, format: Format) {
        let report = &outcome.report;
        self.seeds += 1;
        self.acknowledged += report.operations_acknowledged;
        for (name, n) in &report.faults {
            *self.faults.entry(name.clone()).or_default() += n;
        }
        if format == Format::Json {
            // Numbers and strings: nothing that JSON lacks.
            println!("{}", serde_json::to_string(report).unwrap_or_default());
        }
        if report.passes() {
            return;
        }
        self.failed.push(seed);
        if mutation.is_some_and(|mutation| mutation.is_caught(report)) {
            self.caught.push(seed);
        }
        eprintln!("seed {seed} fails:");
        if let Some(why) = &report.stopped {
            *self.found.entry("stopped".to_owned()).or_default() += 1;
            eprintln!("  the run was stopped: {why}");
        }
        for (invariant, verdict) in &outcome.verdicts {
            match verdict {
                Verdict::True => {}
                Verdict::False { why, at } => {
                    *self.found.entry(invariant.to_string()).or_default() += 1;
                    eprintln!("  {invariant}: false at {at}: {why}");
                }
                Verdict::Unknown { why } => eprintln!("  {invariant}: unknown: {why}"),
            }
        }
        let layer = report.layer;
        if let Some(path) = &report.history {
            eprintln!("  what happened: {}", path.display());
        }
        eprintln!(
            "  again: cargo run --release -p chaos-tests -- --layer {layer} --seed {seed} -o json"
        );
    }

    fn print(&self) {
        let faults: Vec<_> = self.faults.iter().map(|(name, n)| format!("{name} {n}")).collect();
        println!(
            "{} seeds, {} failed, {} operations acknowledged; faults: {}",
            self.seeds,
            self.failed.len(),
            self.acknowledged,
            faults.join(", ")
        );
        let found: Vec<_> = self.found.iter().map(|(who, n)| format!("{who} {n}")).collect();
        if !found.is_empty() {
            println!("found by: {}; seeds: {:?}", found.join(", "), self.failed);
        }
        if !self.caught.is_empty() {
            println!("caught as it must be, in seeds {:?}", self.caught);
        }
    }
}
