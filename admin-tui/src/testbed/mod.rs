//! The cluster that a replay or a benchmark runs on: founded on this machine for that one command,
//! or a running one that was named.
//!
//! ```text
//! on_testbed ─ no --identity ─▶ found, start, wait ─▶ work ─▶ stop, remove
//!            └ --identity ────▶ look               ─▶ work
//! ```
//!
//! Ctrl-C or SIGTERM ends the work and then everything that was started; the logs of the nodes stay,
//! and the message says where.

mod args;
mod folder;
mod progress;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acd::ids::{NodeId, PrincipalId, SiteId};
use proto::api::v1::GetClusterRequest;
use proto::api::v1::reads_client::ReadsClient;
use proto::grpc::health::v1::HealthCheckRequest;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_client::HealthClient;
use tokio::time::{Instant, sleep, timeout};

pub use args::TestbedArgs;
pub use progress::Progress;
pub use words::{no_cluster, no_identity};

use crate::client::{Client, ClientError, Identity};
use crate::failure::{ErrorCode, Failure};
use crate::local::{LocalCluster, LocalError, LocalPlan, daemon};
use crate::stop::Stop;
use folder::Folder;

/// How long one call may take, a change of leader included.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// How long a cluster that was just started may take to be founded.
const FOUNDED_WITHIN: Duration = Duration::from_secs(60);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is to be founded if no cluster is named.
pub struct TestbedPlan {
    /// What for, in a word: becomes part of the folder's name.
    pub purpose: &'static str,
    /// What the cluster is like.
    pub local: LocalPlan,
}

/// What work on a cluster came to.
pub trait Judged {
    /// The promises that the cluster did not keep, in words; none: all went well.
    fn broken_promises(&self) -> Option<String>;
}

/// A cluster to work on.
pub struct Testbed {
    /// Its nodes by site, the lowest number of each.
    pub nodes: Vec<(SiteId, NodeId)>,
    operator: Identity,
    endpoints: Vec<String>,
    place: Place,
}

enum Place {
    /// Processes of this program.
    Own(LocalCluster),
    /// Somebody else's; identities are in this folder.
    Given(PathBuf),
}

impl Testbed {
    /// The way of the operator.
    ///
    /// # Errors
    ///
    /// As of [`client`](Self::client).
    pub fn operator(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.operator, &self.endpoints, CALL_DEADLINE);
        client.map_err(|error| no_cluster(&error))
    }

    /// Who the operator is.
    pub fn operator_name(&self) -> &PrincipalId {
        &self.operator.principal
    }

    /// The way of somebody who takes part.
    ///
    /// # Errors
    ///
    /// There is no identity for this principal, or it cannot be used.
    pub fn client(&self, principal: &PrincipalId) -> Result<Client, Failure> {
        let identity = self.identity(principal)?;
        self.connect(&identity)
    }

    /// An identity of somebody who takes part.
    pub fn identity(&self, principal: &PrincipalId) -> Result<Identity, Failure> {
        match &self.place {
            Place::Own(cluster) => {
                cluster.identity(principal).map_err(|error| words::no_local_cluster(&error))
            }
            Place::Given(folder) => {
                let path = folder.join(format!("{principal}.identity"));
                let identity = Identity::load(&path).map_err(|error| no_identity(&path, &error))?;
                if identity.principal != *principal || identity.cluster != self.operator.cluster {
                    return Err(words::other_identity(&path, principal));
                }
                Ok(identity)
            }
        }
    }

    /// A way of its own, with connections that nobody shares.
    pub fn connect(&self, identity: &Identity) -> Result<Client, Failure> {
        let client = Client::new(identity, &self.endpoints, CALL_DEADLINE);
        client.map_err(|error| no_cluster(&error))
    }

    /// Waits until every node serves.
    ///
    /// # Errors
    ///
    /// One does not within a minute.
    pub async fn serving(&self) -> Result<(), Failure> {
        serving(&self.operator()?, true).await
    }

    /// The processes of the nodes and the folder they write to; none for a cluster that was named.
    pub fn own(&mut self) -> Option<&mut LocalCluster> {
        match &mut self.place {
            Place::Own(cluster) => Some(cluster),
            Place::Given(_) => None,
        }
    }
}

/// Does `work` on a cluster: on the one that was named, or on one that is founded for it. Where the
/// cluster did not keep its promises, that is said too, and what it wrote stays.
///
/// # Errors
///
/// There is no such cluster, it cannot be founded, Ctrl-C, or what the work says.
pub fn on_testbed<T: Judged>(
    args: &TestbedArgs,
    plan: TestbedPlan,
    err: &mut dyn Write,
    work: impl AsyncFnOnce(&mut Testbed, &mut Progress<'_>) -> Result<T, Failure>,
) -> Result<(T, Option<Failure>), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| words::no_runtime(&error))?;
    let mut progress = Progress::new(err);
    let done = runtime.block_on(async {
        match &args.identity {
            Some(path) => on_given(path, &args.endpoints, &mut progress, work).await,
            None => on_own(plan, args.folder.as_deref(), &mut progress, work).await,
        }
    });
    // Something that blocks may still be under way after a Ctrl-C; nobody waits for it.
    runtime.shutdown_background();
    done
}

async fn on_given<T: Judged>(
    path: &Path,
    endpoints: &[String],
    progress: &mut Progress<'_>,
    work: impl AsyncFnOnce(&mut Testbed, &mut Progress<'_>) -> Result<T, Failure>,
) -> Result<(T, Option<Failure>), Failure> {
    let operator = Identity::load(path).map_err(|error| no_identity(path, &error))?;
    let beside = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let endpoints =
        if endpoints.is_empty() { operator.endpoints.clone() } else { endpoints.to_vec() };
    let place = Place::Given(beside);
    let mut testbed = Testbed { nodes: Vec::new(), operator, endpoints, place };
    until_interrupted(async {
        testbed.nodes = founded(&testbed.operator()?, None).await?;
        serving(&testbed.operator()?, false).await?;
        work(&mut testbed, progress).await
    })
    .await
    .map(|done| {
        let failure = done.broken_promises().map(Failure::not_as_expected);
        (done, failure)
    })
}

async fn on_own<T: Judged>(
    plan: TestbedPlan,
    asked: Option<&Path>,
    progress: &mut Progress<'_>,
    work: impl AsyncFnOnce(&mut Testbed, &mut Progress<'_>) -> Result<T, Failure>,
) -> Result<(T, Option<Failure>), Failure> {
    let TestbedPlan { purpose, local } = plan;
    let folder = Folder::choose(purpose, asked);
    match folder.is_taken() {
        Ok(false) => {}
        Ok(true) => return Err(words::folder_taken(folder.path())),
        Err(error) => return Err(words::folder_unusable(folder.path(), &error)),
    }
    let worked = until_interrupted(async {
        let mut testbed = start(&folder, local, progress).await?;
        let done = work(&mut testbed, progress).await;
        if let Place::Own(mut cluster) = testbed.place {
            // In an order of their own, so that the next command has the machine for itself.
            let stopped = blocking(move || cluster.stop()).await?;
            if let (Ok(_), Err(error)) = (&done, &stopped) {
                progress.say(&format!("a node had to be killed: {error}"));
            }
        }
        done
    })
    .await;
    settle(worked, &folder, progress)
}

/// Leaves of a folder what is still of use: nothing, the logs, or all of it.
fn settle<T: Judged>(
    worked: Result<T, Failure>,
    folder: &Folder,
    progress: &mut Progress<'_>,
) -> Result<(T, Option<Failure>), Failure> {
    match worked {
        Ok(done) => {
            if let Some(why) = done.broken_promises() {
                // All of it is evidence.
                let failure = words::with_logs(Failure::not_as_expected(why), folder.path());
                return Ok((done, Some(failure)));
            }
            if let Err(error) = folder.remove() {
                let path = folder.path().display();
                progress.say(&format!("{path} was left behind: {error}"));
            }
            Ok((done, None))
        }
        Err(failure) => {
            // The nodes are ended: whatever held them is dropped. If there is nothing to remove,
            // they were never founded.
            let _ = folder.leave_logs();
            Err(words::with_logs(failure, folder.path()))
        }
    }
}

async fn start(
    folder: &Folder,
    plan: LocalPlan,
    progress: &mut Progress<'_>,
) -> Result<Testbed, Failure> {
    let building = "building quorumcall-node, which takes a while the first time";
    let program = daemon(|| progress.say(building))
        .map_err(|error| words::no_local_cluster(&LocalError::Daemon(error)))?;
    let path = folder.path().to_owned();
    let sites: Vec<_> = plan.nodes.iter().map(SiteId::as_str).collect();
    progress.say(&format!("starting nodes in {}: {}", sites.join(", "), path.display()));
    let cluster = blocking(move || {
        let mut cluster = LocalCluster::found(program, &path, &plan)?;
        cluster.start_all()?;
        Ok(cluster)
    })
    .await?;
    let cluster = cluster.map_err(|error| words::no_local_cluster(&error))?;
    let operator = cluster.operator().map_err(|error| words::no_local_cluster(&error))?;
    let endpoints = cluster.nodes().filter_map(|node| Some(cluster.endpoint(node)?.to_owned()));
    let (endpoints, nodes) = (endpoints.collect(), cluster.nodes().count());
    let place = Place::Own(cluster);
    let mut testbed = Testbed { nodes: Vec::new(), operator, endpoints, place };
    testbed.nodes = founded(&testbed.operator()?, Some(nodes)).await?;
    testbed.serving().await?;
    Ok(testbed)
}

/// Waits until every node serves, of a cluster that was named every one that can be asked: one that
/// is starting ends what it takes for sessions of its last life.
async fn serving(operator: &Client, all: bool) -> Result<(), Failure> {
    let until = Instant::now() + FOUNDED_WITHIN;
    for at in 0..operator.nodes().count() {
        let Some(channel) = operator.node(at) else { continue };
        let mut health = HealthClient::new(channel);
        loop {
            let asked = health.check(HealthCheckRequest::default());
            let last = match timeout(CALL_DEADLINE, asked).await {
                Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => break,
                Ok(Ok(_)) => "a node does not serve yet".to_owned(),
                Ok(Err(_)) if !all => break,
                Ok(Err(status)) => status.message().to_owned(),
                Err(_) => "a node does not say whether it serves".to_owned(),
            };
            if Instant::now() >= until {
                return Err(words::not_founded(FOUNDED_WITHIN, &last));
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// The first node of each site of a cluster. One that was just started is waited for until it knows
/// so many nodes.
async fn founded(
    operator: &Client,
    started: Option<usize>,
) -> Result<Vec<(SiteId, NodeId)>, Failure> {
    let until = Instant::now() + FOUNDED_WITHIN;
    loop {
        let answer = operator.read(|channel| async move {
            let request = GetClusterRequest { linearizable: false };
            ReadsClient::new(channel).get_cluster(request).await
        });
        let last = match answer.await {
            Ok(answer) => {
                let sites = answer.cluster.unwrap_or_default().sites;
                let found: usize = sites.iter().map(|site| site.nodes.len()).sum();
                let expected = started.unwrap_or(1);
                if found >= expected {
                    let first = sites.iter().filter_map(|site| {
                        let id = SiteId::new(&site.id).ok()?;
                        Some((id, NodeId(site.nodes.iter().copied().min()?)))
                    });
                    return Ok(first.collect());
                }
                format!("{found} of {expected} nodes are written down")
            }
            // The founding is what makes the operator one.
            Err(ClientError::NotPermitted { message }) if started.is_some() => message,
            Err(error @ ClientError::Unavailable { .. }) => error.to_string(),
            Err(error) => return Err(no_cluster(&error)),
        };
        if Instant::now() >= until {
            return Err(words::not_founded(FOUNDED_WITHIN, &last));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Something that blocks, beside everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| words::no_runtime(&error.into()))
}

/// Ends what would not end by itself when somebody asks. What it had started ends when it is
/// dropped.
async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stop = Stop::listen().map_err(|error| words::no_runtime(&error))?;
    tokio::select! {
        biased;
        () = stop.asked() => Err(Failure {
            code: ErrorCode::Interrupted,
            what: "the work was ended before its time".into(),
            why: "Ctrl-C or SIGTERM".into(),
            remedy: "run the command again".into(),
        }),
        done = work => done,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Work(Option<&'static str>);

    impl Judged for Work {
        fn broken_promises(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }
    }

    fn run_in() -> Folder {
        let folder = Folder::choose("settled", None);
        fs::create_dir_all(folder.path().join("cluster/node-1")).expect("a temporary folder");
        fs::write(folder.path().join("node-1.log"), "words").expect("a file");
        folder
    }

    #[test]
    fn what_a_cluster_wrote_stays_if_it_broke_a_promise() {
        let mut told = Vec::new();
        let mut progress = Progress::new(&mut told);
        let folder = run_in();
        let broken = Ok(Work(Some("2 contacts were lost")));
        let (_, failure) = settle(broken, &folder, &mut progress).unwrap_or_else(|f| panic!("{f}"));
        let failure = failure.expect("one");
        assert_eq!((failure.code, failure.code.exit_code()), (ErrorCode::NotAsExpected, 1));
        assert_eq!(failure.why, "2 contacts were lost");
        assert!(failure.remedy.contains(&folder.path().display().to_string()), "{failure}");
        assert!(folder.path().join("cluster/node-1").exists());
        // Of what did not come to an end the logs stay.
        let stopped = Err::<Work, _>(words::not_founded(FOUNDED_WITHIN, "silence"));
        assert!(settle(stopped, &folder, &mut progress).is_err());
        assert!(!folder.path().join("cluster").exists());
        assert!(folder.path().join("node-1.log").exists());
        let kept = settle(Ok(Work(None)), &folder, &mut progress);
        assert!(kept.is_ok_and(|(_, failure)| failure.is_none()));
        assert!(!folder.path().exists());
    }
}
