//! `quorumcall bench`: loads a cluster the way front ends and desktops do, and says how many
//! contacts and commands a second it takes and how long one takes.
//!
//! ```text
//! testbed → centre → load ─┬ commands: put in, hang up        ┐
//!                          ├ routed:   put in, accept, complete├→ drive → counts → report
//!                          └ sessions: the same, by sessions   ┘
//! ```

mod args;
mod centre;
mod commands;
mod drive;
mod etcd;
mod histogram;
mod line;
mod machine;
mod report;
mod routed;
mod sessions;
mod words;

use std::io::Write;
use std::time::Duration;

use acd::ids::{PrincipalId, SiteId};

pub use args::{Against, BenchArgs, Mode, Path};

use crate::client::ClientError;
use crate::failure::{Answer, ErrorCode, Failure};
use crate::local::LocalPlan;
use crate::testbed::{Judged, Progress, Testbed, TestbedPlan, no_cluster, on_testbed};
use centre::{Bulk, DESK, EDGE, Maker, Size, configuration, log_in};
use commands::Commands;
use drive::{Limit, Load, Pace, Run, drive};
use etcd::Etcd;
use line::Line;
use report::{AgainstReport, HalfLoad, Machine, Report, SessionsReport, rate, round};
use routed::Routed;
use sessions::Sessions;
use words::no_result;

/// Cities of the cluster that is started.
const CITIES: [&str; 5] = ["kyiv", "lviv", "dnipro", "odesa", "kharkiv"];
/// How long is measured if nobody says.
const DURATION: Duration = Duration::from_secs(10);
/// How long is measured at most.
const LONGEST: Duration = Duration::from_millis(args::DURATION_MAX.0);

/// Runs the command; returns what is to be printed. `err` is told how far it is.
pub fn run(args: &BenchArgs, err: &mut dyn Write) -> Result<Answer, Failure> {
    if args.lose_node && (args.path != Path::Sessions || args.nodes < 3) {
        return Err(Failure {
            code: ErrorCode::BadSchedule,
            what: "the benchmark does not begin".into(),
            why: "--lose-node kills a node that has sessions, and two others must be left".into(),
            remedy: "add --path sessions, and --nodes 3 or more".into(),
        });
    }
    let nodes = CITIES.iter().take(args.nodes as usize).map(|city| SiteId::new(city));
    let nodes = nodes.collect::<Result<_, _>>().map_err(|why| no_result(why.to_string()))?;
    let local = LocalPlan {
        name: "Benchmark".to_owned(),
        nodes,
        profile: "city",
        replay: false,
        settings: String::new(),
    };
    let plan = TestbedPlan { purpose: "bench", local };
    let (report, failure) = on_testbed(
        &args.testbed,
        plan,
        err,
        async |testbed: &mut Testbed, progress: &mut Progress<'_>| {
            measure(args, testbed, progress).await
        },
    )?;
    Ok(Answer { text: report.print(args.output)?, failure })
}

impl Judged for Report {
    fn broken_promises(&self) -> Option<String> {
        (!self.state_hash_equal).then(|| "the nodes have different states".to_owned())
    }
}

async fn measure(
    args: &BenchArgs,
    testbed: &mut Testbed,
    progress: &mut Progress<'_>,
) -> Result<Report, Failure> {
    let unmeasured = |error| no_result(format!("the disk cannot be measured: {error}"));
    let (disk, in_memory) = match testbed.own() {
        Some(own) => (
            machine::sync_times(own.folder()).map_err(unmeasured)?,
            machine::is_in_memory(own.folder()).map_err(unmeasured)?,
        ),
        None => (None, false),
    };
    let operator = testbed.operator()?;
    let leader = operator.leader().await.map_err(|error| no_cluster(&error))?;
    let size = Size { agents: args.agents, waiting: args.waiting };
    progress.say(&format!("{} agents log in, {} contacts wait", size.agents, size.waiting));
    make_centre(args, testbed, leader).await?;
    let pids = testbed.own().map(|own| own.pids()).unwrap_or_default();
    let (measured, sessions) = load(args, testbed, leader, &pids, progress).await?;
    let comparison = operator.compare_states().await.map_err(|error| no_cluster(&error))?;
    let nodes = operator.nodes().count() as u64;
    let mut report = Report::new(args, nodes, &measured.run, comparison.equal);
    report.machine = testbed.own().is_some().then(|| measured.machine(disk));
    report.fsync = !in_memory;
    report.sessions = sessions;
    if let Some(against) = &args.against {
        let other = measure_etcd(args, &against.etcd, &measured.run, progress).await?;
        report.against = Some(other);
    }
    report.half_load = measured.half;
    Ok(report)
}

async fn make_centre(args: &BenchArgs, testbed: &Testbed, leader: usize) -> Result<(), Failure> {
    let refused = |why: acd::rejection::Rejection| no_result(why.to_string());
    let size = Size { agents: args.agents, waiting: args.waiting };
    let operator = testbed.operator_name().clone();
    let mut admin = Bulk::open(&testbed.operator()?, leader, operator).await?;
    admin.run(configuration(size, &testbed.nodes).map_err(refused)?).await?;
    if args.path != Path::Sessions {
        let desk = PrincipalId::new(DESK).map_err(refused)?;
        let mut desk = Bulk::open(&testbed.client(&desk)?, leader, desk).await?;
        log_in(&mut desk, size, &testbed.nodes).await?;
    }
    if size.waiting > 0 {
        let edge = PrincipalId::new(EDGE).map_err(refused)?;
        let line = Line::streams(&testbed.client(&edge)?, leader, 1_024).await?;
        let mut backlog = Commands::backlog(line, Maker::new());
        let limit = Limit { time: LONGEST, units: size.waiting };
        let run = drive(&mut backlog, Pace::InFlight(1_024), limit, |_, _| {}).await?;
        if run.counts.committed < size.waiting {
            return Err(no_result("not all contacts could be put in that are to wait".into()));
        }
    }
    Ok(())
}

/// What was measured, and what is known of the sessions.
async fn load(
    args: &BenchArgs,
    testbed: &mut Testbed,
    leader: usize,
    pids: &[u32],
    progress: &mut Progress<'_>,
) -> Result<(Measured, Option<SessionsReport>), Failure> {
    let maker = Maker::new();
    let refused = |why: acd::rejection::Rejection| no_result(why.to_string());
    let desk = PrincipalId::new(DESK).map_err(refused)?;
    let edge = PrincipalId::new(EDGE).map_err(refused)?;
    let k = args.in_flight;
    let line = async |principal: &PrincipalId| match args.path {
        Path::Unary => Line::calls(testbed, &testbed.identity(principal)?, leader, k),
        Path::Stream | Path::Sessions => {
            Line::streams(&testbed.client(principal)?, leader, k).await
        }
    };
    match (args.path, args.mode) {
        (Path::Sessions, mode) => {
            // Whoever leads must go on leading.
            let but = args.lose_node.then_some(leader);
            let mut load = Sessions::open(testbed, args.agents, but, mode, maker, progress).await?;
            let measured = phases(args, &mut load, pids, progress).await?;
            let mut report = SessionsReport {
                log_in_s: round(load.log_in.as_secs_f64(), 3),
                back_s: None,
                broken: load.broken,
            };
            if let Some(home) = load.home {
                let node = testbed.nodes[home].1.0;
                progress.say(&format!("node {node}, where everybody is, is killed"));
                kill(testbed, node);
                let back = load.come_back(args.agents, progress).await?;
                report.back_s = Some(round(back.as_secs_f64(), 3));
                // It has to come to the same state as the others.
                start(testbed, node)?;
                testbed.serving().await?;
            }
            Ok((measured, Some(report)))
        }
        (_, Mode::Commands) => {
            let mut load = Commands::new(line(&edge).await?, maker);
            let measured = phases(args, &mut load, pids, progress).await?;
            load.empty().await?;
            Ok((measured, None))
        }
        (_, Mode::Routed) => {
            let (edge, at_desk) = (line(&edge).await?, line(&desk).await?);
            let channel = testbed.client(&desk)?.node(leader);
            let channel = channel.ok_or_else(|| no_cluster(&ClientError::NoEndpoint))?;
            let mut load = Routed::new(edge, at_desk, channel, maker).await?;
            Ok((phases(args, &mut load, pids, progress).await?, None))
        }
    }
}

/// Ends a node that was started for this as a lost machine ends.
fn kill(testbed: &mut Testbed, node: u64) {
    if let Some(own) = testbed.own() {
        own.kill(node);
    }
}

fn start(testbed: &mut Testbed, node: u64) -> Result<(), Failure> {
    let started = testbed.own().map_or(Ok(()), |own| own.start(node));
    started.map_err(|error| no_result(format!("node {node} does not start again: {error}")))
}

/// What was measured.
struct Measured {
    run: Run,
    half: Option<HalfLoad>,
    before: Cpu,
    after: Cpu,
}

/// Warms up, measures, and, if asked for, measures at half of the rate.
async fn phases(
    args: &BenchArgs,
    load: &mut impl Load,
    pids: &[u32],
    progress: &mut Progress<'_>,
) -> Result<Measured, Failure> {
    let pace = Pace::InFlight(args.in_flight);
    let warm_up = Limit { time: in_std(args.warm_up), units: u64::MAX };
    if !warm_up.time.is_zero() {
        drive(load, pace, warm_up, |_, _| {}).await?;
    }
    let limit = limit(args);
    let before = Cpu::of(pids);
    let run = drive(load, pace, limit, |elapsed, units| show(progress, "measured", elapsed, units));
    let run = run.await?;
    let after = Cpu::of(pids);
    let mut measured = Measured { run, half: None, before, after };
    if args.half_load {
        let pace = Pace::PerSecond((measured.run.rate() / 2.0).max(1.0));
        let tell = |elapsed, units| show(progress, "half load", elapsed, units);
        let half = drive(load, pace, limit, tell).await?;
        measured.half = Some(HalfLoad {
            begun_per_s: rate(half.units, half.elapsed),
            commands_per_s: rate(half.counts.committed, half.elapsed),
            latency_ms: half.counts.commands.percentiles(),
            routed_latency_ms: half.counts.routed.percentiles(),
        });
    }
    Ok(measured)
}

fn show(progress: &mut Progress<'_>, what: &str, elapsed: Duration, units: u64) {
    let each = drive::per_second(units, elapsed);
    progress.show(|| format!("{what}: {:.0} s, {each:.0} a second", elapsed.as_secs_f64()));
}

fn in_std(duration: crate::centre_file::Duration) -> Duration {
    Duration::from_millis(duration.0.0)
}

/// How long a run takes.
fn limit(args: &BenchArgs) -> Limit {
    let time = match (args.duration, args.contacts) {
        (Some(duration), _) => in_std(duration),
        (None, Some(_)) => LONGEST,
        (None, None) => DURATION,
    };
    // A contact that is not routed is two commands.
    let units_each = match args.mode {
        Mode::Routed => 1,
        Mode::Commands => 2,
    };
    let units = args.contacts.map_or(u64::MAX, |contacts| contacts.saturating_mul(units_each));
    Limit { time, units }
}

async fn measure_etcd(
    args: &BenchArgs,
    endpoint: &str,
    ours: &Run,
    progress: &mut Progress<'_>,
) -> Result<AgainstReport, Failure> {
    progress.say("the same with etcd");
    let mut etcd = Etcd::new(endpoint, args.in_flight)?;
    let args = BenchArgs { half_load: false, ..args.clone() };
    let run = phases(&args, &mut etcd, &[], progress).await?.run;
    let per_s = run.rate();
    let ratio = |count: u64| {
        (per_s > 0.0).then(|| round(drive::per_second(count, ours.elapsed) / per_s, 3))
    };
    Ok(AgainstReport {
        what: etcd::described(),
        in_flight: args.in_flight,
        per_s: round(per_s, 1),
        latency_ms: run.counts.commands.percentiles(),
        commands_ratio: ratio(ours.counts.committed),
        routed_ratio: (args.mode == Mode::Routed)
            .then(|| ratio(ours.counts.routed.count()))
            .flatten(),
    })
}

/// Processor time so far.
struct Cpu {
    nodes: Option<f64>,
    client: Option<f64>,
    resident_mib: Option<f64>,
}

impl Cpu {
    fn of(pids: &[u32]) -> Self {
        let nodes: Option<Vec<_>> =
            pids.iter().map(|pid| machine::processor_seconds(*pid)).collect();
        let resident = pids.iter().filter_map(|pid| machine::resident_mib(*pid));
        Self {
            nodes: nodes.filter(|nodes| !nodes.is_empty()).map(|nodes| nodes.iter().sum()),
            client: machine::processor_seconds(std::process::id()),
            resident_mib: resident.reduce(f64::max),
        }
    }
}

impl Measured {
    fn machine(&self, disk: Option<histogram::Percentiles>) -> Machine {
        let spent = |before: Option<f64>, after: Option<f64>| Some(round(after? - before?, 2));
        let nodes_cpu_s = spent(self.before.nodes, self.after.nodes);
        let each = |seconds: f64| round(seconds * 1e6 / self.run.counts.committed.max(1) as f64, 1);
        Machine {
            disk_sync_ms: disk,
            nodes_cpu_s,
            client_cpu_s: spent(self.before.client, self.after.client),
            nodes_cpu_us_per_command: nodes_cpu_s.map(each),
            node_resident_mib: self.after.resident_mib.map(|mib| round(mib, 1)),
        }
    }
}
