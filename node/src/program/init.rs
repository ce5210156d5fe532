//! `quorumcall-node init`.

use std::process::ExitCode;

use node::config::is_unspecified;
use node::explain::Explanation;
use node::founding::{Founded, OPERATOR_FILE, Plan, PlannedNode};

use super::InitArguments;
use super::failure::{Failure, WRONG_USE};
use super::issue::validity;

/// Founds a cluster of one node, to which others join.
pub fn init(arguments: &InitArguments) -> ExitCode {
    match try_init(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Where others find a node that listens somewhere.
pub(super) fn address(listen: &str, address: Option<&String>) -> Result<String, Failure> {
    match address {
        Some(address) => Ok(address.clone()),
        None if is_unspecified(listen) => Err(Failure {
            explanation: Explanation {
                code: "E-ADDRESS-UNSPECIFIED",
                what: format!("nobody could find a node at {listen}"),
                why: "that is any address of this machine, and other machines need one of them"
                    .to_owned(),
                remedy: "say where others find it: --address HOST:PORT".to_owned(),
            },
            code: WRONG_USE,
        }),
        None => Ok(listen.to_owned()),
    }
}

fn try_init(arguments: &InitArguments) -> Result<(), Failure> {
    let InitArguments { cluster, site, listen, data, address: told, admin, profile, replay } =
        arguments;
    let address = address(listen, told.as_ref())?;
    let node = PlannedNode { site: site.clone(), address, listen: listen.clone() };
    let plan = Plan {
        cluster: cluster.clone(),
        admin: admin.clone(),
        profile: *profile,
        replay: *replay,
        nodes: vec![node],
    };
    let founded = Founded::from_plan(&plan, validity(), &mut rand::rng())?;
    founded.write_alone(data)?;
    let data = data.display();
    println!("cluster {} ({}) is founded", cluster.as_str(), founded.founding.cluster);
    println!("  its first node is node 1 at {site}: quorumcall-node run --data {data}");
    println!(
        "  {data}/{OPERATOR_FILE} is {admin}'s: quorumcall --identity {data}/{OPERATOR_FILE} …"
    );
    println!(
        "  the next city: quorumcall cluster join-token --site CITY --role voter prints a token; \
         there:"
    );
    println!("    quorumcall-node join --token TOKEN --listen HOST:PORT --data DIR");
    Ok(())
}
