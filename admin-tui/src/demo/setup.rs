//! From nothing to a cluster whose nodes listen.

use std::time::Duration;

use acd::ids::SiteId;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::failures::{floor as not_open, local, no_daemon};
use super::floor::{Badges, FloorError, Place};
use super::folder::Folder;
use super::plan::{CITIES, NODES};
use super::progress::Progress;
use super::strikes::Machines;
use crate::failure::{ErrorCode, Failure};
use crate::local::{LocalCluster, LocalPlan, daemon};

/// How long a node may take to listen.
const LISTEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Founds the cluster and starts its nodes.
pub(super) async fn set_up(
    folder: &Folder,
    progress: &mut Progress<'_>,
) -> Result<(Machines, Badges, Vec<Place>), Failure> {
    if std::env::var_os("CARGO").is_some() {
        progress.say("building quorumcall-node…");
    }
    let daemon = blocking(|| daemon(|| {})).await?.map_err(|error| no_daemon(&error))?;
    progress.say("founding a cluster of three cities…");
    let path = folder.path().to_owned();
    let founded = blocking(move || {
        let mut sites = Vec::new();
        for (city, nodes) in CITIES.iter().zip(NODES) {
            let site = SiteId::new(city).map_err(|why| FloorError::Centre(why.to_string()))?;
            sites.extend(std::iter::repeat_n(site, nodes));
        }
        let plan = LocalPlan {
            name: "Three cities".into(),
            nodes: sites,
            profile: "city",
            replay: false,
            settings: String::new(),
        };
        let mut cluster = LocalCluster::found(daemon, &path, &plan)?;
        let badges = Badges::issue(&cluster)?;
        for node in cluster.nodes() {
            cluster.start(node)?;
        }
        Ok::<_, FloorError>((cluster, badges))
    });
    let (cluster, badges) = founded.await?.map_err(|error| not_open(&error))?;
    let machines = Machines::new(cluster);
    let mut places = Vec::new();
    let nodes = machines.cluster().nodes();
    let until = Instant::now() + LISTEN_WITHIN;
    for node in nodes {
        while !machines.cluster().is_up(node).map_err(|error| local(&error))? {
            if Instant::now() >= until {
                let late = machines.cluster().stuck(node, "does not listen");
                return Err(local(&late));
            }
            sleep(LOOK_EVERY).await;
        }
        let cluster = machines.cluster();
        let site = cluster.site(node).map_or(String::new(), |site| site.as_str().to_owned());
        let endpoint = cluster.endpoint(node).unwrap_or_default().to_owned();
        progress.say(&format!("node {node} in {site} listens on {endpoint}"));
        places.push(Place { site, endpoint });
    }
    Ok((machines, badges, places))
}

/// Does something that takes a while, aside.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|error| Failure {
        code: ErrorCode::LocalCluster,
        what: "the demonstration does not begin".into(),
        why: error.to_string(),
        remedy: "report this with the command that led to it".into(),
    })
}
