//! `quorumcall-node found`.

use std::process::ExitCode;

use node::founding::{Founded, Plan};
use node::identity::Validity;
use node::seams::{SystemClock, WallClock};

use super::FoundArguments;
use super::failure::Failure;

/// Certificates are valid from an hour ago, for other machines' clocks differ, …
const SKEW_MS: u64 = 3_600_000;
/// … for ten years. What ends a node is that it is no member any more; a certificate that runs out
/// on its own would end a whole cluster on one day.
const LIFETIME_MS: u64 = 3_650 * 86_400_000;

/// Founds a cluster.
pub fn found(arguments: &FoundArguments) -> ExitCode {
    match try_found(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn try_found(arguments: &FoundArguments) -> Result<(), Failure> {
    let plan = Plan::load(&arguments.plan)?;
    let now_ms = SystemClock.now_ms();
    let validity = Validity {
        not_before_ms: now_ms.saturating_sub(SKEW_MS),
        not_after_ms: now_ms + LIFETIME_MS,
    };
    let founded = Founded::from_plan(&plan, validity, &mut rand::rng())?;
    founded.write(&arguments.out)?;
    for warning in plan.warnings() {
        eprintln!("warning: {warning}");
    }
    let out = arguments.out.display();
    println!(
        "cluster {} ({}) is founded in {out}",
        plan.cluster.as_str(),
        founded.founding.cluster
    );
    for member in &founded.founding.members {
        let number = member.node.0;
        println!(
            "  {out}/node-{number} goes to {} at {}; there: quorumcall-node run --data DIR",
            member.address, member.site
        );
    }
    println!("  {out}/operator.identity is {}'s", plan.admin);
    println!("  {out}/ca.pem signs for the cluster: keep it where nobody else can read it");
    Ok(())
}
