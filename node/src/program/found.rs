//! `quorumcall-node found`.

use std::process::ExitCode;

use super::FoundArguments;
use super::failure::Failure;
use super::issue::validity;
use node::founding::{Founded, Plan};

/// Founds a cluster.
pub fn found(arguments: &FoundArguments) -> ExitCode {
    match try_found(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn try_found(arguments: &FoundArguments) -> Result<(), Failure> {
    let plan = Plan::load(&arguments.plan)?;
    let founded = Founded::from_plan(&plan, validity(), &mut rand::rng())?;
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
    println!(
        "  {out}/ca.pem signs for the cluster: keep it where nobody else can read it; with it"
    );
    println!("    quorumcall-node issue --authority {out}/ca.pem --principal NAME --out FILE");
    Ok(())
}
