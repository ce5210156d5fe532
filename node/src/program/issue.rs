//! `quorumcall-node issue`.

use std::process::ExitCode;

use node::explain::Explanation;
use node::identity::{Authority, Validity};
use node::seams::{SystemClock, WallClock};

use super::IssueArguments;
use super::failure::{Failure, REFUSED};

/// Certificates are valid from an hour ago, for other machines' clocks differ, …
const SKEW_MS: u64 = 3_600_000;
/// … for ten years. What ends a node is that it is no member any more; a certificate that runs out
/// on its own would end a whole cluster on one day.
const LIFETIME_MS: u64 = 3_650 * 86_400_000;

/// How long what is issued now is valid.
pub fn validity() -> Validity {
    let now_ms = SystemClock.now_ms();
    Validity { not_before_ms: now_ms.saturating_sub(SKEW_MS), not_after_ms: now_ms + LIFETIME_MS }
}

/// Issues an identity.
pub fn issue(arguments: &IssueArguments) -> ExitCode {
    match try_issue(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn try_issue(arguments: &IssueArguments) -> Result<(), Failure> {
    let IssueArguments { authority, principal, endpoint, out } = arguments;
    if out.exists() {
        // Somebody may be using it.
        return Err(Failure {
            explanation: Explanation {
                code: "E-IDENTITY-EXISTS",
                what: "the identity was not issued".to_owned(),
                why: format!("{} is there already", out.display()),
                remedy: "give another file, or move that one away".to_owned(),
            },
            code: REFUSED,
        });
    }
    let authority = Authority::load(authority)?;
    let identity = authority.issue_to(principal, validity(), &mut rand::rng())?;
    identity.save_with_endpoints(out, endpoint)?;
    println!("{} is {principal}'s, of cluster {}", out.display(), authority.cluster());
    println!(
        "  what {principal} may do is said in the cluster: its roles, or its entry on the roster"
    );
    Ok(())
}
