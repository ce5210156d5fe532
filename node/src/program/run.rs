//! `quorumcall-node run`.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use node::daemon::{Daemon, Last};
use node::explain::Explanation;
use node::panics;
use node::seams::{SystemClock, TcpAcceptor, WallClock};
use node::setup::Setup;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use super::failure::{Failure, WRONG_USE};
use super::{LogFormat, RunArguments};

/// The log has threads of its own, and more workers than this cost more in waking each other than
/// they earn.
const WORKERS: usize = 2;

/// Runs a node until it is told to stop.
pub fn run(arguments: &RunArguments) -> ExitCode {
    match try_run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn try_run(arguments: &RunArguments) -> Result<(), Failure> {
    start_logging(arguments)?;
    panics::end_the_process();
    let setup = Setup::load(&arguments.data, SystemClock.now_ms())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::system(&error))?;
    runtime.block_on(async {
        let stop = told_to_stop().map_err(|error| Failure::system(&error))?;
        let listen = setup.config.listen.clone();
        let acceptor =
            TcpAcceptor::bind(&listen).await.map_err(|error| Failure::listen(&listen, &error))?;
        serve(setup, acceptor, stop).await
    })
}

/// The node itself, until `stop`, or until it cannot go on.
async fn serve(
    setup: Setup,
    acceptor: TcpAcceptor,
    stop: impl Future<Output = &'static str>,
) -> Result<(), Failure> {
    let address = acceptor.address().map_err(|error| Failure::system(&error))?;
    info!(
        node = setup.config.node.0,
        site = %setup.config.site,
        cluster = %setup.identity.cluster(),
        %address,
        "the node listens"
    );
    let daemon = Daemon::start(setup, acceptor).await?;
    info!(applied = daemon.node().state().last_applied(), "the node runs");
    let failed = tokio::select! {
        biased;
        why = stop => {
            info!(why, "the node stops");
            None
        }
        why = daemon.node().failed() => Some(why),
    };
    let Last { applied, state_hash, leader } = daemon.stop().await;
    let state_hash = format!("{state_hash:032x}");
    info!(applied, state_hash, leader, "the node has stopped");
    match failed {
        None => Ok(()),
        Some(why) => Err(Failure::ended(why)),
    }
}

/// Ready when somebody tells the program to stop; says how.
fn told_to_stop() -> io::Result<impl Future<Output = &'static str>> {
    // Registered before anything is started: a signal that comes early is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
        }
    })
}

fn start_logging(arguments: &RunArguments) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&arguments.log).map_err(|error| Failure {
        explanation: Explanation {
            code: "E-LOG-FILTER",
            what: format!("`{}` is no filter for the log", arguments.log),
            why: error.to_string(),
            remedy: "use a level (error, warn, info, debug, trace), or module=level, with commas \
                     between them"
                .to_owned(),
        },
        code: WRONG_USE,
    })?;
    let to_stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match arguments.log_format {
        LogFormat::Text => to_stderr.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => to_stderr.json().init(),
    }
    Ok(())
}
