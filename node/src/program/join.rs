//! `quorumcall-node join`.

use std::fs;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;

use node::daemon::make_disk;
use node::joining::{JoinError, Joined, Pending, Token, ask};
use node::panics;
use node::seams::{SystemClock, TcpAcceptor, TcpConnector, WallClock};
use node::setup::Setup;
use node::storage::Marker;
use openraft_rt_tokio::TokioRuntime;
use rand::RngExt;

use super::JoinArguments;
use super::failure::Failure;
use super::init::address;
use super::progress::{self, tell};
use super::run::{runtime, serve, start_logging, told_to_stop};

/// Bytes of a file or an input with a token.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Makes this machine a node of a cluster, and runs it.
pub fn join(arguments: &JoinArguments) -> ExitCode {
    match try_join(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The token: as an argument, in a file, or on standard input. Arguments are seen by everybody on a
/// machine while the program runs.
fn read_token(argument: &str) -> Result<Token, JoinError> {
    let text = match argument.strip_prefix('@') {
        Some(path) => {
            let failed = |error| JoinError::File { path: path.into(), error };
            let mut text = String::new();
            let file = fs::File::open(path).map_err(failed)?;
            file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
            text
        }
        None if argument == "-" => {
            let failed = |error| JoinError::File { path: "standard input".into(), error };
            let mut text = String::new();
            io::stdin().take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
            text
        }
        None => argument.to_owned(),
    };
    Token::parse(&text)
}

fn try_join(arguments: &JoinArguments) -> Result<(), Failure> {
    start_logging(&arguments.run)?;
    panics::end_the_process();
    let JoinArguments { token, listen, data, address: told, no_run, run } = arguments;
    let token = read_token(token)?;
    runtime()?.block_on(async {
        let stop = told_to_stop(run.stop_at_end_of_input).map_err(|e| Failure::system(&e))?;
        // Before anything else: a port that is not to be had uses no token up.
        let acceptor =
            TcpAcceptor::bind(listen).await.map_err(|error| Failure::listen(listen, &error))?;
        let bound = acceptor.address().map_err(|error| Failure::system(&error))?.to_string();
        let address = address(&bound, told.as_ref())?;
        let mut stop = std::pin::pin!(stop);
        if let Some(pending) = Pending::begin(data, &token, rand::rng().random(), &address)? {
            tell(&format!("asks {} for a place at {}", token.addresses.join(", "), token.site));
            tokio::select! {
                biased;
                why = &mut stop => {
                    tell(&format!("stopped by {why}; the same command goes on where this one was"));
                    return Ok(());
                }
                joined = become_member(&token, pending, &bound, &address) => joined?,
            }
        }
        let setup = Setup::load(data, SystemClock.now_ms())?;
        if setup.identity.cluster() != token.cluster {
            return Err(JoinError::Folder {
                path: data.clone(),
                what: "the node in it is of another cluster than the token",
                remedy: "name another folder",
            }
            .into());
        }
        let node = setup.config.node.0;
        tell(&format!("node {node} at {} is a member of {}", setup.config.site, token.cluster));
        if *no_run {
            tell(&format!(
                "  it waits to be started: quorumcall-node run --data {}",
                data.display()
            ));
            return Ok(());
        }
        serve(setup, acceptor, stop, progress::follow).await
    })
}

/// Whether the cluster knows nothing of a joiner that was told this at its first attempt.
fn is_final(error: &JoinError) -> bool {
    matches!(
        error,
        JoinError::Refused { .. }
            | JoinError::OtherAuthority { .. }
            | JoinError::OtherCluster { .. }
    )
}

/// Asks, and makes the folder of what it has become.
async fn become_member(
    token: &Token,
    pending: Pending,
    listen: &str,
    address: &str,
) -> Result<(), Failure> {
    let (connector, clock) = (Arc::new(TcpConnector), Arc::new(SystemClock));
    let asked = ask::<TokioRuntime>(connector, clock, token, &pending, address).await;
    let joined: Joined = match asked {
        Ok(joined) => joined,
        // It may be a member by now: asked again as the same one, it gets the same answer.
        Err(error) if !pending.is_new() || !is_final(&error) => return Err(error.into()),
        Err(error) => {
            pending.undo()?;
            return Err(error.into());
        }
    };
    let mut config = pending.settle(&joined, listen, address)?;
    config.data = pending.folder().to_owned();
    let marker = Marker {
        cluster: token.cluster.0,
        node: joined.node.0,
        incarnation: pending.incarnation,
        site: joined.site.to_string(),
    };
    make_disk(&config, &marker).await?;
    pending.end()?;
    Ok(())
}
