//! A cluster of real processes on this machine, for demonstrations, replays and benchmarks.
//!
//! Each node is a process of its own with a folder, a log file and a port on loopback. Its standard
//! input is a pipe that this program holds: should this program die in any way, the nodes stop by
//! themselves. They are in a process group of their own, so that a Ctrl-C at the terminal reaches
//! this program alone, which then ends them in order.

mod daemon;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use acd::ids::{PrincipalId, SiteId};

pub use daemon::{DaemonError, daemon};

use crate::client::{Identity, IdentityError};

/// The first operator of a local cluster.
pub const OPERATOR: &str = "operator";
/// How long a node may take to listen, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of a node's log that are shown when it does not start.
const LOG_LINES_SHOWN: usize = 10;

/// Why a local cluster does not run.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// There is no daemon.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// A file or folder.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The daemon did not do what it was asked to.
    #[error("{what}: {said}")]
    Refused {
        /// What it was asked to do.
        what: String,
        /// What it said.
        said: String,
    },
    /// A node does not come up, or does not stop.
    #[error("node {node} {what}; its log {log} ends with:\n{end}")]
    Node {
        /// Which.
        node: u64,
        /// What it does not do.
        what: &'static str,
        /// Its log.
        log: String,
        /// The end of it.
        end: String,
    },
    /// An identity that was just made cannot be read.
    #[error("{path}: {error}")]
    Identity {
        /// Which.
        path: String,
        /// Why.
        error: IdentityError,
    },
}

/// What a local cluster is like.
#[derive(Clone, Debug)]
pub struct LocalPlan {
    /// The name people see.
    pub name: String,
    /// The site of each node; at most five.
    pub nodes: Vec<SiteId>,
    /// How far apart nodes are meant to be: city, metro or wan.
    pub profile: &'static str,
    /// Whether clients own log time.
    pub replay: bool,
    /// Added to each node.toml.
    pub settings: String,
}

/// A cluster of real processes. They are killed when it is dropped; [`stop`](Self::stop) lets them
/// end well.
pub struct LocalCluster {
    daemon: PathBuf,
    folder: PathBuf,
    sites: Vec<SiteId>,
    endpoints: Vec<String>,
    processes: Vec<Option<Child>>,
}

impl LocalCluster {
    /// Founds a cluster in a folder, which must be empty or not there yet. Nothing runs then.
    pub fn found(daemon: PathBuf, folder: &Path, plan: &LocalPlan) -> Result<Self, LocalError> {
        let failed = |path: &Path, error| LocalError::File { path: shown(path), error };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(folder, error))?;
        let mut text = format!(
            "cluster = {:?}\nadmin = {OPERATOR:?}\nprofile = {:?}\nreplay = {}\n",
            plan.name, plan.profile, plan.replay
        );
        // Bound together, so that no port is given twice; free again before the nodes take them.
        let mut listeners = Vec::new();
        let mut endpoints = Vec::new();
        for site in &plan.nodes {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (address, listener) =
                bound.map_err(|error| failed(Path::new("127.0.0.1"), error))?;
            text += &format!("[[nodes]]\nsite = \"{site}\"\naddress = \"{address}\"\n");
            endpoints.push(address.to_string());
            listeners.push(listener);
        }
        drop(listeners);
        let path = folder.join("plan.toml");
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        let mut found = Command::new(&daemon);
        found.arg("found").arg("--plan").arg(&path).arg("--out").arg(folder.join("cluster"));
        run("the cluster was not founded", &mut found)?;
        let cluster = Self {
            daemon,
            folder: folder.to_owned(),
            sites: plan.nodes.clone(),
            processes: endpoints.iter().map(|_| None).collect(),
            endpoints,
        };
        for node in cluster.nodes() {
            let path = cluster.data(node).join("node.toml");
            let written = fs::read_to_string(&path);
            written
                .and_then(|text| fs::write(&path, format!("{text}{}", plan.settings)))
                .map_err(|error| failed(&path, error))?;
        }
        Ok(cluster)
    }

    /// The numbers of the nodes.
    pub fn nodes(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.endpoints.len() as u64
    }

    /// The numbers of a site's nodes.
    pub fn nodes_at(&self, site: &SiteId) -> Vec<u64> {
        self.nodes().filter(|node| self.site(*node) == Some(site)).collect()
    }

    /// A node's site.
    pub fn site(&self, node: u64) -> Option<&SiteId> {
        self.sites.get(index(node)?)
    }

    /// Where a node listens: host:port.
    pub fn endpoint(&self, node: u64) -> Option<&str> {
        self.endpoints.get(index(node)?).map(String::as_str)
    }

    /// Where all is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a node.
    pub fn data(&self, node: u64) -> PathBuf {
        self.folder.join(format!("cluster/node-{node}"))
    }

    /// The log of a node, over all of its lives.
    pub fn log_path(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// The operator's identity file.
    pub fn operator_path(&self) -> PathBuf {
        self.folder.join("cluster/operator.identity")
    }

    /// The identity of the operator.
    pub fn operator(&self) -> Result<Identity, LocalError> {
        load(&self.operator_path())
    }

    /// An identity for somebody else, made when it is first asked for.
    pub fn identity(&self, principal: &PrincipalId) -> Result<Identity, LocalError> {
        let path = self.folder.join(format!("cluster/{principal}.identity"));
        if !path.exists() {
            let mut issue = Command::new(&self.daemon);
            issue.arg("issue").arg("--authority").arg(self.folder.join("cluster/ca.pem"));
            issue.arg("--principal").arg(principal.as_str()).arg("--out").arg(&path);
            for endpoint in &self.endpoints {
                issue.arg("--endpoint").arg(endpoint);
            }
            run("the identity was not issued", &mut issue)?;
        }
        load(&path)
    }

    /// Starts a node and does not wait. One that runs is left alone.
    pub fn start(&mut self, node: u64) -> Result<(), LocalError> {
        if self.is_running(node) {
            return Ok(());
        }
        let path = self.log_path(node);
        let failed = |error| LocalError::File { path: shown(&path), error };
        let log: File = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let mut command = Command::new(&self.daemon);
        command.arg("run").arg("--data").arg(self.data(node)).arg("--stop-at-end-of-input");
        command.args(["--log-format", "json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        let child = command
            .spawn()
            .map_err(|error| LocalError::File { path: shown(&self.daemon), error })?;
        if let Some(place) = self.process(node) {
            *place = Some(child);
        }
        Ok(())
    }

    /// Starts all nodes, and waits until each of them listens.
    pub fn start_all(&mut self) -> Result<(), LocalError> {
        for node in self.nodes() {
            self.start(node)?;
        }
        let deadline = Instant::now() + PATIENCE;
        for node in self.nodes() {
            while !self.is_up(node)? {
                if Instant::now() > deadline {
                    return Err(self.stuck(node, "does not listen"));
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    /// Whether a node that was started listens. An error if it has ended instead.
    pub fn is_up(&mut self, node: u64) -> Result<bool, LocalError> {
        let endpoint = self.endpoint(node).unwrap_or_default();
        if std::net::TcpStream::connect(endpoint).is_ok() {
            return Ok(true);
        }
        match self.is_running(node) {
            true => Ok(false),
            false => Err(self.stuck(node, "does not start")),
        }
    }

    /// Whether the process of a node is there.
    pub fn is_running(&mut self, node: u64) -> bool {
        let Some(place) = self.process(node) else { return false };
        match place.as_mut().map(Child::try_wait) {
            // It cannot be asked: then it is ours and there.
            Some(Ok(None) | Err(_)) => true,
            Some(Ok(Some(_))) => {
                *place = None;
                false
            }
            None => false,
        }
    }

    /// The processes of the nodes that were started and have not been found ended.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.iter().flatten().map(Child::id).collect()
    }

    /// Kills a node as a power cut would: SIGKILL, without a last word.
    pub fn kill(&mut self, node: u64) {
        if let Some(mut child) = self.process(node).and_then(Option::take) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets all nodes end well: each stops when its input ends. Returns when all have, or kills
    /// those that take too long.
    pub fn stop(&mut self) -> Result<(), LocalError> {
        for child in self.processes.iter_mut().flatten() {
            drop(child.stdin.take());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut late = None;
        for node in self.nodes() {
            while self.is_running(node) {
                if Instant::now() > deadline {
                    late = Some(node);
                    self.kill(node);
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        late.map_or(Ok(()), |node| Err(self.stuck(node, "did not stop")))
    }

    /// Removes everything but the logs.
    pub fn remove_data(&self) -> io::Result<()> {
        fs::remove_dir_all(self.folder.join("cluster"))
    }

    fn process(&mut self, node: u64) -> Option<&mut Option<Child>> {
        self.processes.get_mut(index(node)?)
    }

    /// What is wrong with a node, with the end of its log.
    pub fn stuck(&self, node: u64, what: &'static str) -> LocalError {
        let log = self.log_path(node);
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        LocalError::Node { node, what, log: shown(&log), end }
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        for node in self.nodes() {
            self.kill(node);
        }
    }
}

fn index(node: u64) -> Option<usize> {
    usize::try_from(node.checked_sub(1)?).ok()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn load(path: &Path) -> Result<Identity, LocalError> {
    Identity::load(path).map_err(|error| LocalError::Identity { path: shown(path), error })
}

fn run(what: &str, command: &mut Command) -> Result<Output, LocalError> {
    let refused = |said: String| LocalError::Refused { what: what.to_owned(), said };
    let output = command.output().map_err(|error| refused(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
