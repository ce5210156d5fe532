//! `quorumcall demo`: three cities on this machine, a day of customers, and what happens when a city
//! is lost.
//!
//! ```text
//!  traffic (seed) → edges (a front end per city) ─┐            ┌─ node ─ node      kyiv
//!                   desks (60 agents) ────────────┼─ streams ──┼─ node ─ node      lviv
//!                                                 │            └─ node             dnipro
//!  board, chronicle (what nodes say) ─────────────┘              ▲
//!  strikes (kill -9, start again) ──────── processes ────────────┘
//!
//!  edges, desks → books (ledger: who had what; failovers) → table, report
//! ```
//! The nodes are real processes, killed for real; nothing of the cluster runs in this program. What is
//! said of lost and doubly offered contacts is the account of those outside.

mod args;
mod board;
mod books;
mod chronicle;
mod desk;
mod diary;
mod dice;
mod edge;
mod failover;
mod failures;
mod floor;
mod folder;
mod ledger;
mod plan;
mod progress;
mod report;
mod setup;
mod show;
mod strikes;
mod table;
mod traffic;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime;
use tokio::task::spawn_blocking;

pub use args::{DemoArgs, Moment, Target};
pub use report::Report;

use crate::cli::Output;
use crate::failure::{ErrorCode, Failure};
use crate::stop::Stop;
use failures::{interrupted, local, with_logs};
use folder::Folder;
use progress::{Progress, no_output, print};
use show::Show;

/// How long it runs without a terminal unless it is told.
const DURATION: Duration = Duration::from_secs(30);
/// The longest run.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Runs the command. Exit code 0: all went well; 1: a contact was lost or offered twice, or the nodes
/// differ.
pub fn run(args: &DemoArgs, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let runtime = match runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&no_machine("threads", &error), err),
    };
    let done = runtime.block_on(demo(args, out, &mut Progress { err, quiet: args.quiet }));
    // Something that blocks may still be under way after a Ctrl-C; nobody waits for it.
    runtime.shutdown_background();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => fail(&failure, err),
    }
}

fn fail(failure: &Failure, err: &mut impl Write) -> ExitCode {
    // Whoever closed stderr does not want to know, and the exit code tells the rest.
    let _ = writeln!(err, "{failure}");
    ExitCode::from(failure.code.exit_code())
}

fn no_machine(what: &str, error: &io::Error) -> Failure {
    Failure {
        code: ErrorCode::LocalCluster,
        what: "the demonstration does not begin".into(),
        why: format!("the system gives no {what}: {error}"),
        remedy: "end something else, or raise the limit, and run it again".into(),
    }
}

/// Whether all went well.
async fn demo(
    args: &DemoArgs,
    out: &mut impl Write,
    progress: &mut Progress<'_>,
) -> Result<bool, Failure> {
    let is_headless = args.headless || args.output == Output::Json;
    let given = args.duration.map(|duration| Duration::from_millis(duration.0.0));
    let duration = given.or(is_headless.then_some(DURATION));
    if duration.is_some_and(|duration| duration.is_zero() || duration > DURATION_MAX) {
        return Err(Failure {
            code: ErrorCode::BadSchedule,
            what: "the demonstration does not begin".into(),
            why: "it may take from 1 ms to a day".into(),
            remedy: "give --duration a time such as 30s or 10m".into(),
        });
    }
    let deeds = failover::schedule(args, duration)?;
    let folder = Folder::prepare(args.data.as_deref())?;
    let stop = Stop::listen().map_err(|error| no_machine("signals", &error))?;
    let stage = tokio::select! {
        stage = setup::set_up(&folder, progress) => stage,
        () = stop.asked() => Err(interrupted()),
    };
    let (machines, badges, places) = stage.map_err(|failure| with_logs(failure, &folder))?;
    let show = Show { args, duration, is_headless, folder: &folder, stop: &stop };
    let done = tokio::select! {
        done = show.run(&machines, &badges, places, deeds, out, progress) => done,
        // Asked once, it ends in order; asked twice, at once.
        () = stop.told() => Err(interrupted()),
    };
    progress.say("stopping the nodes…");
    let stopping = machines.clone();
    let stopped = spawn_blocking(move || stopping.cluster().stop()).await;
    // A task that did not end has stopped none: they are killed when the cluster is dropped.
    let stopped = stopped.unwrap_or(Ok(())).map_err(|error| local(&error));
    let report = done
        .and_then(|report| stopped.map(|()| report))
        .map_err(|failure| with_logs(failure, &folder))?;
    let text = match args.output {
        Output::Table => report.table(),
        Output::Json => {
            let text = serde_json::to_string_pretty(&report);
            text.map_err(|error| no_output(&io::Error::other(error)))? + "\n"
        }
    };
    print(out, &text)?;
    folder.finish(report.is_good(), &machines.cluster(), |line| progress.say(line));
    Ok(report.is_good())
}
