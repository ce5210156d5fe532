//! A plan is carried out.

use acd::command::Command;
use acd::ids::Revision;
use acd::reply::Reply;
use futures::future::join_all;

use super::difference::Change;
use super::object::expecting;
use super::order::{Step, Wave};
use crate::client::{Client, ClientError};

/// Commands that are on their way at one time. They do not depend on each other; one after the
/// other, a roster of 10,000 would take a quarter of an hour over a WAN.
const IN_FLIGHT: usize = 32;

/// What became of a change.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is made; the object has this revision. None: it is gone.
    Done(Option<Revision>),
    /// It is made in part: the object is there without what it says of others.
    Begun,
    /// It is not made, or nobody knows; or only in part, as above.
    Failed {
        /// Why.
        error: ClientError,
        /// Whether a part of it is made.
        begun: bool,
    },
    /// It was not tried.
    NotTried,
}

/// Sends the steps of a plan, wave by wave, until one is not carried out. Tells `progress` how many
/// are, each time some are.
pub(super) async fn send(
    client: Client,
    changes: &[Change],
    waves: Vec<Wave>,
    reason: Option<&str>,
    mut progress: impl FnMut(usize, usize),
) -> Vec<Outcome> {
    let all = waves.iter().map(Vec::len).sum();
    let mut left: Vec<usize> = vec![0; changes.len()];
    for step in waves.iter().flatten() {
        left[step.change] += 1;
    }
    let mut revisions: Vec<Revision> = changes.iter().map(|change| change.revision).collect();
    let mut outcomes: Vec<Outcome> = changes.iter().map(|_| Outcome::NotTried).collect();
    let mut done = 0;
    for wave in &waves {
        for steps in wave.chunks(IN_FLIGHT) {
            let sent = steps.iter().map(|Step { change, command }| {
                let expected = Some(revisions[*change]);
                send_one(&client, expecting(command.clone(), expected), reason)
            });
            let mut failed = false;
            for (step, answer) in steps.iter().zip(join_all(sent).await) {
                let change = step.change;
                left[change] -= 1;
                outcomes[change] = match answer {
                    Ok(revision) => {
                        done += 1;
                        revisions[change] = revision.unwrap_or_default();
                        if left[change] == 0 { Outcome::Done(revision) } else { Outcome::Begun }
                    }
                    Err(error) => {
                        failed = true;
                        let begun = matches!(outcomes[change], Outcome::Begun);
                        Outcome::Failed { error, begun }
                    }
                };
            }
            progress(done, all);
            if failed {
                return outcomes;
            }
        }
    }
    outcomes
}

/// Sends a command; answers with the revision its object has then. None: it is gone.
async fn send_one(
    client: &Client,
    command: Command,
    reason: Option<&str>,
) -> Result<Option<Revision>, ClientError> {
    Ok(match client.administer(&command, reason).await?.reply {
        Reply::Revised { revision } => Some(revision),
        _ => None,
    })
}
