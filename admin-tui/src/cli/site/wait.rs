//! Following a drain. It belongs to the cluster; who follows it may go.

use std::time::Duration;

use acd::ids::SiteId;
use tokio::time::sleep;

use super::impact::{self, Impact};
use crate::client::{Client, ClientError, Conversation};
use crate::failure::{ErrorCode, Failure};
use crate::output::{ahead, plain};
use crate::stop::Stop;
use crate::terminal::Terminal;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until a site is drained, and says how far it has come.
///
/// # Errors
///
/// The drain ended otherwise, or Ctrl-C.
pub(super) fn until_drained(
    conversation: &Conversation,
    site: &SiteId,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    conversation.ask(|client| follow(client, site, terminal))
}

async fn follow(
    client: Client,
    site: &SiteId,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    let stop = Stop::listen().map_err(|error| Failure {
        code: ErrorCode::System,
        what: format!("the drain of {site} is not followed; it goes on"),
        why: format!("the system gives this program no signals: {error}"),
        remedy: format!("`quorumcall site show {site}` shows how far it has come"),
    })?;
    let mut said = String::new();
    loop {
        let answer = tokio::select! {
            biased;
            () = stop.asked() => return Err(interrupted(site)),
            answer = impact::ask(client.clone(), site, true) => answer,
        };
        let line = match answer {
            Ok(answer) => {
                let (freshness, now) = Impact::of(answer)?;
                match now.state {
                    "drained" => return Ok(()),
                    "draining" => draining(&now, freshness.now_ms),
                    state => return Err(not_drained(site, state)),
                }
            }
            Err(ClientError::Unavailable { last, .. }) => {
                format!("no answer, asking on; the drain goes on: {}", plain(&last))
            }
            Err(error) => return Err(error.into()),
        };
        if line != said {
            terminal.say(&format!("{site}: {line}"));
            said = line;
        }
        tokio::select! {
            biased;
            () = stop.asked() => return Err(interrupted(site)),
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

fn draining(now: &Impact, now_ms: u64) -> String {
    let left = now.progress().words();
    match &now.drain {
        Some(drain) if !drain.deadline_passed => {
            // Not how long until then: that would be another line each second.
            let deadline = ahead(drain.deadline_ms, now_ms);
            let at = deadline.split(',').next().unwrap_or_default();
            format!("{left}; deadline {at}")
        }
        Some(_) => format!("{left}; the deadline has passed"),
        None => left,
    }
}

fn not_drained(site: &SiteId, state: &'static str) -> Failure {
    Failure {
        code: ErrorCode::NotDrained,
        what: format!("the drain of {site} ended before the site was drained"),
        why: format!(
            "the site is {state}: somebody cancelled it, it expired, or the site was lost"
        ),
        remedy: format!("`quorumcall site show {site}` shows what is true now"),
    }
}

fn interrupted(site: &SiteId) -> Failure {
    Failure {
        code: ErrorCode::Interrupted,
        what: format!("the drain of {site} goes on; it is not followed any more"),
        why: "Ctrl-C or SIGTERM ends this program, not what belongs to the cluster".into(),
        remedy: format!(
            "`quorumcall site show {site}` shows how far it has come, `quorumcall site cancel-drain \
             {site}` ends it"
        ),
    }
}
