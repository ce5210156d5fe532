//! Arguments of `quorumcall bench`.

use std::fmt;
use std::str::FromStr;

use acd::time::Millis;
use clap::{Args, ValueEnum};

use crate::centre_file::Duration;
use crate::cli::Output;
use crate::testbed::TestbedArgs;

/// Contacts or commands under way at a time.
const IN_FLIGHT_MAX: i64 = 65_536;
/// Agents of a benchmark.
const AGENTS_MAX: i64 = 100_000;
/// Contacts that wait meanwhile.
const WAITING_MAX: i64 = 150_000;
/// Contacts of one run.
const CONTACTS_MAX: i64 = 100_000_000;
/// The longest run.
pub(super) const DURATION_MAX: Millis = Millis::hours(1);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Whole contacts: one is put in and offered, an agent accepts and completes it.
    Routed,
    /// Single commands: contacts are put in, offered, and hang up; half of each.
    Commands,
}

/// How the cluster is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Path {
    /// Streams of commands, as front ends and desktop servers with much to do use them.
    Stream,
    /// One call for each command.
    Unary,
    /// A stream for each agent and one for the front end.
    Sessions,
}

/// Another system that is measured in the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// Where its etcd listens: host:port, without TLS.
    pub etcd: String,
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let endpoint = text.strip_prefix("etcd=").unwrap_or_default();
        let good = endpoint.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
        });
        if good {
            Ok(Self { etcd: endpoint.to_owned() })
        } else {
            Err("write etcd=HOST:PORT, such as etcd=127.0.0.1:2379".to_owned())
        }
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "etcd={}", self.etcd)
    }
}

/// Arguments of `quorumcall bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Ends after so many contacts. Left out: after the duration.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CONTACTS_MAX as u64))]
    pub contacts: Option<u64>,
    /// So many contacts (or commands) are under way at a time.
    #[arg(long, value_name = "K", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT_MAX as u64))]
    pub in_flight: u64,
    /// So many agents take them. Fewer than are under way: contacts wait for agents.
    #[arg(long, value_name = "M", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=AGENTS_MAX as u64))]
    pub agents: u64,
    /// So many contacts wait in queues meanwhile that nobody serves.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=WAITING_MAX as u64))]
    pub waiting: u64,
    /// Nodes of the cluster that is started for it, each in a city of its own.
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "identity", value_parser = clap::value_parser!(u64).range(1..=5))]
    pub nodes: u64,
    /// How long is measured [default: 10s, or until --contacts are through].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// How long it runs before it is measured.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_warm_up)]
    pub warm_up: Duration,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = Mode::Routed)]
    pub mode: Mode,
    /// How the cluster is talked to.
    #[arg(long, value_enum, default_value_t = Path::Stream)]
    pub path: Path,
    /// Then runs at half of the rate that was reached, at even intervals, and reports the latencies
    /// from the moment at which each should have begun.
    #[arg(long)]
    pub half_load: bool,
    /// With --path sessions: all agents log in at one node, which is killed after the measurement;
    /// reports how long it takes until all of them are back at others.
    #[arg(long, conflicts_with = "identity")]
    pub lose_node: bool,
    /// Which cluster.
    #[command(flatten)]
    pub testbed: TestbedArgs,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    pub output: Output,
    /// Measures another system with the same client: etcd=HOST:PORT.
    #[arg(long, value_name = "SYSTEM", hide = true)]
    pub against: Option<Against>,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: Duration = text.parse().map_err(|error| format!("{error}"))?;
    if (Millis(100)..=DURATION_MAX).contains(&duration.0) {
        Ok(duration)
    } else {
        Err(format!("write 100ms to {}", Duration(DURATION_MAX)))
    }
}

fn parse_warm_up(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration(Millis::ZERO)) } else { parse_duration(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parsed(args: &[&str]) -> Result<BenchArgs, String> {
        let line = Line::try_parse_from(["bench"].iter().chain(args));
        line.map(|line| line.bench).map_err(|error| error.to_string())
    }

    #[test]
    fn without_arguments_whole_contacts_go_over_streams_for_ten_seconds() {
        let args = parsed(&[]).expect("nothing is required");
        assert_eq!((args.mode, args.path, args.nodes), (Mode::Routed, Path::Stream, 3));
        assert_eq!((args.in_flight, args.agents, args.waiting), (64, 1_000, 0));
        assert_eq!((args.contacts, args.duration, args.output), (None, None, Output::Json));
    }

    #[test]
    fn what_the_issue_names_can_be_said() {
        let args = parsed(&[
            "--contacts",
            "5000",
            "--in-flight",
            "256",
            "--agents",
            "2000",
            "--nodes",
            "1",
            "--duration",
            "1m30s",
            "--mode",
            "commands",
            "--path",
            "sessions",
            "--half-load",
            "--against",
            "etcd=127.0.0.1:2379",
            "-o",
            "table",
        ])
        .expect("proper");
        assert_eq!((args.contacts, args.in_flight, args.agents), (Some(5_000), 256, 2_000));
        assert_eq!(args.duration, Some(Duration(Millis::seconds(90))));
        assert_eq!(
            args.against.map(|against| against.to_string()).as_deref(),
            Some("etcd=127.0.0.1:2379")
        );
    }

    #[test]
    fn what_cannot_be_measured_is_a_wrong_use() {
        for (args, part) in [
            (&["--in-flight", "0"][..], "1..=65536"),
            (&["--agents", "0"], "1..=100000"),
            (&["--contacts", "0"], "1..="),
            (&["--nodes", "6"], "1..=5"),
            (&["--duration", "10"], "a whole number and a unit"),
            (&["--duration", "2h"], "100ms to 1h"),
            (&["--warm-up", "1ms"], "100ms to 1h"),
            (&["--mode", "fast"], "routed"),
            (&["--path", "pigeon"], "sessions"),
            (&["--against", "etcd"], "etcd=HOST:PORT"),
            (&["--against", "etcd=http://a:1"], "etcd=HOST:PORT"),
            (&["--endpoint", "a:1"], "--identity"),
            (&["--identity", "f", "--nodes", "1"], "cannot be used with"),
            (&["--identity", "f", "--folder", "g"], "cannot be used with"),
        ] {
            let error = parsed(args).expect_err("refused");
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }
}
