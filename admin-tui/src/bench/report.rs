//! What `quorumcall bench` prints.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::args::{BenchArgs, Mode, Path};
use super::drive::{Run, per_second};
use super::histogram::Percentiles;
use crate::cli::Output;
use crate::failure::{ErrorCode, Failure};

/// Whether clients and peers talk over TLS. Nodes take no other connections.
const TLS: bool = true;

/// The result of a benchmark; its JSON fields are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) mode: &'static str,
    pub(super) path: &'static str,
    pub(super) nodes: u64,
    /// Contacts put in while it was measured.
    pub(super) contacts: u64,
    pub(super) agents: u64,
    /// Contacts that waited meanwhile, in queues that nobody serves.
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    /// How long was measured.
    pub(super) seconds: f64,
    /// Commands that were carried out, a second.
    pub(super) commands_per_s: f64,
    /// Contacts that were put in, accepted and completed, a second; null if none are.
    pub(super) routed_per_s: Option<f64>,
    /// Of one command.
    pub(super) latency_ms: Option<Percentiles>,
    /// Of a whole contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) routed_latency_ms: Option<Percentiles>,
    pub(super) committed: u64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) unavailable: u64,
    pub(super) unknown: u64,
    /// Whether every commit was synced to a disk. A node has no mode in which it does not sync; but
    /// where a folder is kept in memory that means nothing. Of a cluster elsewhere it is the nodes' word.
    pub(super) fsync: bool,
    pub(super) tls: bool,
    /// Whether all nodes had the same state in the end.
    pub(super) state_hash_equal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) half_load: Option<HalfLoad>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sessions: Option<SessionsReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<AgainstReport>,
    /// What is known of the machine; absent for a cluster elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) machine: Option<Machine>,
}

/// At half of the rate that was reached, open loop.
#[derive(Debug, Serialize)]
pub(super) struct HalfLoad {
    /// Commands (or contacts) that were begun, a second.
    pub(super) begun_per_s: f64,
    pub(super) commands_per_s: f64,
    /// Of one command; those that begin a contact count from when it should have begun.
    pub(super) latency_ms: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) routed_latency_ms: Option<Percentiles>,
}

/// Of the agents' sessions.
#[derive(Debug, Serialize)]
pub(super) struct SessionsReport {
    /// From the first log-in until all were ready.
    pub(super) log_in_s: f64,
    /// From the death of the node they were at until all were ready at others; null if none died.
    pub(super) back_s: Option<f64>,
    pub(super) broken: u64,
}

/// Another system, in the same run.
#[derive(Debug, Serialize)]
pub(super) struct AgainstReport {
    #[serde(flatten)]
    pub(super) what: BTreeMap<&'static str, &'static str>,
    pub(super) in_flight: u64,
    pub(super) per_s: f64,
    pub(super) latency_ms: Option<Percentiles>,
    /// Commands a second by its units a second.
    pub(super) commands_ratio: Option<f64>,
    /// Routed contacts a second by its units a second.
    pub(super) routed_ratio: Option<f64>,
}

/// This machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// 4 KiB made durable at the end of a file in the same folder, before the run.
    pub(super) disk_sync_ms: Option<Percentiles>,
    /// Processor time of all nodes while it was measured, and of this program.
    pub(super) nodes_cpu_s: Option<f64>,
    pub(super) client_cpu_s: Option<f64>,
    /// Processor time of all nodes for one command.
    pub(super) nodes_cpu_us_per_command: Option<f64>,
    /// Resident memory of the largest node, after the run.
    pub(super) node_resident_mib: Option<f64>,
}

impl Report {
    /// Of a run; what else is known is filled in by the caller.
    pub(super) fn new(args: &BenchArgs, nodes: u64, run: &Run, equal: bool) -> Self {
        let counts = &run.counts;
        let routed = counts.routed.count();
        Self {
            mode: match args.mode {
                Mode::Routed => "routed",
                Mode::Commands => "commands",
            },
            path: match args.path {
                Path::Stream => "stream",
                Path::Unary => "unary",
                Path::Sessions => "sessions",
            },
            nodes,
            contacts: counts.contacts,
            agents: args.agents,
            waiting: args.waiting,
            in_flight: args.in_flight,
            seconds: round(run.elapsed.as_secs_f64(), 3),
            commands_per_s: rate(counts.committed, run.elapsed),
            routed_per_s: (args.mode == Mode::Routed).then(|| rate(routed, run.elapsed)),
            latency_ms: counts.commands.percentiles(),
            routed_latency_ms: counts.routed.percentiles(),
            committed: counts.committed,
            refused: counts.refused.clone(),
            unavailable: counts.unavailable,
            unknown: counts.unknown,
            fsync: true,
            tls: TLS,
            state_hash_equal: equal,
            half_load: None,
            sessions: None,
            against: None,
            machine: None,
        }
    }

    /// The text to print.
    pub(super) fn print(&self, output: Output) -> Result<String, Failure> {
        let text = match output {
            Output::Table => self.table().map_err(|error| error.to_string()),
            Output::Json => serde_json::to_string_pretty(self)
                .map(|json| json + "\n")
                .map_err(|error| error.to_string()),
        };
        text.map_err(|why| Failure {
            code: ErrorCode::Output,
            what: "the result could not be put into words".into(),
            why,
            remedy: "report this with the command that led to it".into(),
        })
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Self { mode, path, nodes, agents, waiting, in_flight, seconds, .. } = self;
        writeln!(
            text,
            "{mode} over {path}: {nodes} nodes, {agents} agents, {waiting} waiting, {in_flight} \
             under way, {seconds} s"
        )?;
        writeln!(text, "{:<24} {:>12.0} /s", "commands", self.commands_per_s)?;
        if let Some(routed) = self.routed_per_s {
            writeln!(text, "{:<24} {routed:>12.0} /s", "routed contacts")?;
        }
        row(&mut text, "latency of a command", self.latency_ms)?;
        row(&mut text, "latency of a contact", self.routed_latency_ms)?;
        if let Some(half) = &self.half_load {
            writeln!(text, "{:<24} {:>12.0} /s", "half load, commands", half.commands_per_s)?;
            row(&mut text, "half load, a command", half.latency_ms)?;
            row(&mut text, "half load, a contact", half.routed_latency_ms)?;
        }
        if let Some(sessions) = &self.sessions {
            let SessionsReport { log_in_s, back_s, broken } = sessions;
            writeln!(text, "sessions: all ready after {log_in_s} s, {broken} broke")?;
            if let Some(back_s) = back_s {
                writeln!(text, "their node was killed: all ready at others after {back_s} s")?;
            }
        }
        if let Some(other) = &self.against {
            let name = other.what.get("system").unwrap_or(&"other");
            writeln!(text, "{name:<24} {:>12.0} /s", other.per_s)?;
            row(&mut text, "latency of it", other.latency_ms)?;
        }
        if let Some(machine) = &self.machine {
            row(&mut text, "disk sync", machine.disk_sync_ms)?;
        }
        let Self { unavailable, unknown, fsync, tls, state_hash_equal, .. } = self;
        let refused: u64 = self.refused.values().sum();
        writeln!(text, "refused {refused}, unavailable {unavailable}, unknown {unknown}")?;
        writeln!(text, "fsync {fsync}, tls {tls}, states equal {state_hash_equal}")?;
        Ok(text)
    }
}

fn row(text: &mut String, name: &str, percentiles: Option<Percentiles>) -> std::fmt::Result {
    let Some(Percentiles { p50, p99, p99_9, max, .. }) = percentiles else { return Ok(()) };
    writeln!(
        text,
        "{name:<24} p50 {p50:.3} ms, p99 {p99:.3} ms, p99.9 {p99_9:.3} ms, max {max:.3} ms"
    )
}

/// So many in that time, a second, rounded to a tenth.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    round(per_second(count, elapsed), 1)
}

/// Rounded to so many decimals.
pub(super) fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::drive::Counts;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn report(args: &[&str]) -> Report {
        let line = Line::try_parse_from(["bench"].iter().chain(args)).expect("proper");
        let mut counts = Counts::new();
        counts.contacts = 10;
        counts.committed = 30;
        for ms in 1..=30 {
            counts.commands.add(Duration::from_millis(ms));
        }
        for ms in 1..=10 {
            counts.routed.add(Duration::from_millis(3 * ms));
        }
        let run = Run { elapsed: Duration::from_secs(2), units: 10, counts };
        Report::new(&line.bench, 3, &run, true)
    }

    #[test]
    fn the_fields_that_scripts_rely_on_are_there() {
        let text = report(&[]).print(Output::Json).expect("JSON");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&json["nodes"], &json["contacts"]), (&3.into(), &10.into()));
        assert_eq!((&json["agents"], &json["in_flight"]), (&1_000.into(), &64.into()));
        assert_eq!((&json["commands_per_s"], &json["routed_per_s"]), (&15.0.into(), &5.0.into()));
        for name in ["p50", "p99", "max"] {
            assert!(json["latency_ms"][name].as_f64().is_some_and(|ms| ms > 0.0), "{name}");
        }
        assert_eq!((&json["fsync"], &json["tls"]), (&true.into(), &true.into()));
        assert_eq!(json["state_hash_equal"], true);
    }

    #[test]
    fn single_commands_route_nothing() {
        let text = report(&["--mode", "commands"]).print(Output::Json).expect("JSON");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(json["routed_per_s"].is_null());
    }

    #[test]
    fn a_table_says_the_same() {
        let text = report(&[]).print(Output::Table).expect("words");
        assert!(text.contains("routed over stream: 3 nodes"), "{text}");
        assert!(text.contains("states equal true"), "{text}");
    }
}
