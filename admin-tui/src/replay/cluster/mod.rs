//! The call log through a cluster: real commands, real log, real watches.
//!
//! ```text
//! people ─ a stream of commands for each principal ─▶ the node that leads ─▶ Raft
//!        ◀─ answers, and one watch ─────────────────── the same node
//! ```
//!
//! The cluster's log time is the replay's: it moves it to when somebody does something or something
//! is due, and waits for the answer and for what happened before anybody does the next thing. So
//! the cluster goes through the same states as the state machine of a local replay, whatever the
//! machine and the network do meanwhile, and the numbers are the same.
//!
//! Cost: a call is five round trips, one after the other, of some 1 to 2 ms each: time moves, it
//! arrives, is accepted, is bridged; time moves and it ends. Two commands of one principal go
//! together; everything else must wait, for it depends on what happened.

mod lines;
mod prepare;
mod venue;

use std::io::Write;
use std::time::Instant;

use acd::ids::{PrincipalId, SiteId};
use acd::time::LogTime;

use super::calls::clock_time;
use super::centre::{DESKTOPS, ingress};
use super::play::{Pace, play};
use super::world::World;
use super::{Replayed, Script, stopped};
use crate::cli::ReplayArgs;
use crate::failure::{ErrorCode, Failure};
use crate::local::LocalPlan;
use crate::testbed::{Progress, Testbed, TestbedPlan, no_cluster, on_testbed};
use lines::Lines;

/// Nodes of a cluster that is founded at once.
const NODES_MAX: usize = 5;

/// Replays calls through a cluster.
pub(super) fn replay(
    script: &Script<'_>,
    args: &ReplayArgs,
    err: &mut dyn Write,
) -> Result<(Replayed, Option<Failure>), Failure> {
    if args.testbed.identity.is_none() {
        check_cities(script.cities)?;
    }
    let plan = TestbedPlan {
        purpose: "replay",
        local: LocalPlan {
            name: "Replay".to_owned(),
            nodes: script.cities.to_vec(),
            // Nobody waits for a failover here; but a node that a busy machine holds up for a
            // moment must not be taken for lost, for then its agents would get no calls.
            profile: "wan",
            replay: true,
            settings: String::new(),
        },
    };
    on_testbed(
        &args.testbed,
        plan,
        err,
        async |testbed: &mut Testbed, progress: &mut Progress<'_>| {
            on_cluster(script, args, testbed, progress).await
        },
    )
}

/// A cluster on this machine has a node in each city.
fn check_cities(cities: &[SiteId]) -> Result<(), Failure> {
    if cities.len() <= NODES_MAX {
        return Ok(());
    }
    Err(Failure {
        code: ErrorCode::BadCities,
        what: format!("no cluster is started for {} cities", cities.len()),
        why: format!("it has a node in each city, and is founded with at most {NODES_MAX}"),
        remedy: "name fewer cities, or replay with --local".into(),
    })
}

async fn on_cluster(
    script: &Script<'_>,
    args: &ReplayArgs,
    testbed: &Testbed,
    progress: &mut Progress<'_>,
) -> Result<Replayed, Failure> {
    let refused = |rejection| stopped(&rejection);
    let desk = PrincipalId::new(DESKTOPS).map_err(refused)?;
    let edges: Result<Vec<_>, _> = script.cities.iter().map(ingress).collect();
    let edges = edges.map_err(refused)?;

    let nodes = prepare::check(script, testbed).await?;
    let mut lines = Lines::new(testbed, desk, &edges).await?;
    prepare::configure(script, &mut lines).await?;
    let mut world = World::new(script.calls, &script.shifts, script.cities, &script.homes, &nodes)
        .map_err(refused)?;

    let began = Instant::now();
    let all = script.calls.len();
    let mut day = String::new();
    let tell = |now: LogTime, calls: u64| {
        let at = clock_time(now);
        let (today, _) = at.split_once(' ').unwrap_or((&at, ""));
        if today != day {
            progress.say(&format!("{today}: {calls} of {all} calls so far"));
            day = today.to_owned();
        }
        progress.show(|| {
            let seconds = began.elapsed().as_secs();
            format!("{at}: {calls} of {all} calls, after {seconds} s (Ctrl-C ends it)")
        });
    };
    let pace = Pace::new(args.speed, script.start);
    let played = play(&mut lines, &mut world, pace, args.explain.as_ref(), tell).await?;
    let seconds = began.elapsed().as_secs_f64();
    progress.say(&format!("{all} calls replayed in {seconds:.1} s"));

    let comparison = testbed.operator()?.compare_states().await;
    let comparison = comparison.map_err(|error| no_cluster(&error))?;
    Ok(Replayed {
        played,
        state_hash: comparison.state_hash,
        state_hash_equal: Some(comparison.equal),
    })
}
