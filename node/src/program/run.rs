//! `quorumcall-node run`.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use node::Node;
use node::daemon::{Daemon, Last};
use node::explain::Explanation;
use node::panics;
use node::seams::{SystemClock, TcpAcceptor, WallClock};
use node::setup::Setup;
use openraft_rt_tokio::TokioRuntime;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use super::failure::{Failure, WRONG_USE};
use super::{LogFormat, RunArguments, RunOptions};

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
    start_logging(&arguments.run)?;
    panics::end_the_process();
    let setup = Setup::load(&arguments.data, SystemClock.now_ms())?;
    runtime()?.block_on(async {
        let end_of_input = arguments.run.stop_at_end_of_input;
        let stop = told_to_stop(end_of_input).map_err(|error| Failure::system(&error))?;
        let listen = setup.config.listen.clone();
        let acceptor =
            TcpAcceptor::bind(&listen).await.map_err(|error| Failure::listen(&listen, &error))?;
        serve(setup, acceptor, stop, |_| std::future::ready(())).await
    })
}

/// What a node runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::system(&error))
}

/// The node itself, until `stop`, or until it cannot go on; `beside` goes on beside it.
pub(super) async fn serve<B: Future<Output = ()> + Send + 'static>(
    setup: Setup,
    acceptor: TcpAcceptor,
    stop: impl Future<Output = &'static str>,
    beside: impl FnOnce(Node<TokioRuntime>) -> B,
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
    let beside = tokio::spawn(beside(daemon.node().clone()));
    let failed = tokio::select! {
        biased;
        why = stop => {
            info!(why, "the node stops");
            None
        }
        why = daemon.node().failed() => Some(why),
    };
    beside.abort();
    let Last { applied, state_hash, leader } = daemon.stop().await;
    let state_hash = format!("{state_hash:032x}");
    info!(applied, state_hash, leader, "the node has stopped");
    match failed {
        None => Ok(()),
        Some(why) => Err(Failure::ended(why)),
    }
}

/// Ready when somebody tells the program to stop; says how.
pub(super) fn told_to_stop(end_of_input: bool) -> io::Result<impl Future<Output = &'static str>> {
    // Registered before anything is started: a signal that comes early is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let input_ended = async {
            match end_of_input {
                true => end_of_standard_input().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
            () = input_ended => "the end of standard input",
        }
    })
}

/// Returns when standard input ends: whoever holds its other end is gone.
async fn end_of_standard_input() {
    let (ended, input) = tokio::sync::oneshot::channel();
    // A thread of its own: a task that reads would keep the runtime from ending.
    let reader = std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        // What comes is of no interest, an error is an end.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    match reader {
        // It ends with the process.
        Ok(_) => {
            let _ = input.await;
        }
        Err(error) => {
            tracing::warn!(%error, "the end of standard input will not be noticed");
            std::future::pending().await
        }
    }
}

pub(super) fn start_logging(arguments: &RunOptions) -> Result<(), Failure> {
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
