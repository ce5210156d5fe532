//! Real daemons, as they are installed: founded, started, killed, stopped, their disks filled and their
//! clocks set wrong.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Trouble;
use super::clock::Clocks;
use super::net::{CITIES, city_of, front_of, node_at, nodes};

/// The first operator.
pub const ADMIN: &str = "admin";
/// How long a node may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of a node's log that are shown of one that does not do what it should.
const LINES_SHOWN: usize = 8;
/// Bytes a file may have on a full disk: any log has more.
const FULL_BYTES: u32 = 4_096;

/// The process of a node, and the thread that writes down what it says.
struct Process {
    child: Child,
    scribe: JoinHandle<()>,
}

/// A cluster of processes. They are killed when it is dropped.
pub struct Cluster {
    daemon: PathBuf,
    folder: PathBuf,
    clocks: Clocks,
    /// By node, the first one first.
    processes: Mutex<Vec<Option<Process>>>,
}

impl Cluster {
    /// Founds a cluster of five nodes in three cities; `settings` are added to each node.toml. Nothing
    /// runs then.
    ///
    /// # Errors
    ///
    /// If the daemon refuses, or files cannot be written.
    pub fn found(
        daemon: PathBuf,
        folder: &Path,
        profile: &str,
        settings: &str,
    ) -> Result<Self, Trouble> {
        fs::create_dir_all(folder)?;
        let mut plan =
            format!("cluster = \"Layer 2\"\nadmin = \"{ADMIN}\"\nprofile = \"{profile}\"\n");
        for node in nodes() {
            let (site, front, own) = (CITIES[city_of(node)], front_of(node), node_at(node));
            plan += &format!(
                "[[nodes]]\nsite = \"{site}\"\naddress = \"{front}\"\nlisten = \"{own}\"\n"
            );
        }
        let written = folder.join("plan.toml");
        fs::write(&written, plan)?;
        let mut found = Command::new(&daemon);
        found.args(["found", "--plan"]).arg(&written).arg("--out").arg(folder.join("cluster"));
        let founded = found.output()?;
        if !founded.status.success() {
            let said = String::from_utf8_lossy(&founded.stderr);
            return Err(Trouble(format!("the cluster was not founded: {said}")));
        }
        let processes = nodes().map(|_| None).collect();
        let cluster = Self {
            daemon,
            folder: folder.to_owned(),
            clocks: Clocks::new(folder, nodes())?,
            processes: Mutex::new(processes),
        };
        for node in nodes() {
            let path = cluster.data(node).join("node.toml");
            let text = fs::read_to_string(&path)?;
            // The proxy knows by it who dials.
            let source = format!("source = \"{}\"\n", node_at(node).ip());
            fs::write(&path, format!("{source}{text}{settings}"))?;
        }
        Ok(cluster)
    }

    /// What `found` made.
    pub fn founded(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// The folder of a node.
    pub fn data(&self, node: u64) -> PathBuf {
        self.founded().join(format!("node-{node}"))
    }

    fn log_path(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// What a node has said in all of its lives.
    pub fn said(&self, node: u64) -> String {
        // Nothing yet, perhaps.
        fs::read_to_string(self.log_path(node)).unwrap_or_default()
    }

    /// The last of it.
    pub fn last_words(&self, node: u64) -> String {
        let said = self.said(node);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }

    /// Whether clocks can be set wrong.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Option<Process>>> {
        // What is in it is whole after every statement.
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a node that does not run.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(&self, node: u64) -> Result<(), Trouble> {
        let mut command = Command::new("sh");
        // A file that may not grow is an error of the write then, as on a full disk, not a signal.
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.daemon);
        command.args(["run", "--stop-at-end-of-input", "--log-format", "json", "--data"]);
        command.arg(self.data(node));
        command.env_remove("QUORUMCALL_LOG").env_remove("MIMALLOC_ALLOW_THP");
        self.clocks.give(node, &mut command);
        // Not straight into a file: what it says must get through when its files may not grow.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut log = OpenOptions::new().create(true).append(true).open(self.log_path(node))?;
        let mut child = command.spawn()?;
        let words = child.stderr.take();
        let scribe = std::thread::spawn(move || {
            if let Some(mut words) = words {
                // What cannot be written down is lost; the node goes on.
                let _ = io::copy(&mut words, &mut log);
            }
        });
        self.processes()[node as usize - 1] = Some(Process { child, scribe });
        Ok(())
    }

    /// Whether the process of a node is there.
    pub fn is_running(&self, node: u64) -> bool {
        let mut processes = self.processes();
        let process = &mut processes[node as usize - 1];
        process.as_mut().is_some_and(|process| matches!(process.child.try_wait(), Ok(None)))
    }

    /// SIGKILL: without a last word.
    pub fn kill(&self, node: u64) {
        let process = self.processes()[node as usize - 1].take();
        if let Some(mut process) = process {
            // It may have ended by itself.
            let _ = process.child.kill();
            let _ = process.child.wait();
            let _ = process.scribe.join();
        }
    }

    fn signal(&self, node: u64, signal: &str) -> Result<(), Trouble> {
        let mut kill = Command::new("kill");
        kill.args(["-s", signal]);
        self.on_process(node, kill)
    }

    /// Runs a program that does something to the process whose number is added to its arguments.
    fn on_process(&self, node: u64, mut program: Command) -> Result<(), Trouble> {
        let pid = match &self.processes()[node as usize - 1] {
            Some(process) => process.child.id().to_string(),
            None => return Err(Trouble(format!("node {node} does not run"))),
        };
        let done = program.arg(pid).output()?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(Trouble(format!("{program:?}: {said}")))
    }

    /// SIGSTOP: it stands still, and knows nothing of it.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&self, node: u64) -> Result<(), Trouble> {
        self.signal(node, "STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&self, node: u64) -> Result<(), Trouble> {
        self.signal(node, "CONT")
    }

    /// From now on no file of the node may grow: its disk is full.
    ///
    /// # Errors
    ///
    /// If it does not run, or this machine has no `prlimit` (of util-linux).
    pub fn fill_disk(&self, node: u64) -> Result<(), Trouble> {
        let mut limit = Command::new("prlimit");
        limit.arg(format!("--fsize={FULL_BYTES}:")).arg("--pid");
        self.on_process(node, limit)
    }

    /// Waits until a process has ended by itself; its exit code. None: it goes on, or was killed.
    pub async fn ended(&self, node: u64, within: Duration) -> Option<i32> {
        let until = Instant::now() + within;
        loop {
            let ended = {
                let mut processes = self.processes();
                let process = processes[node as usize - 1].as_mut()?;
                process.child.try_wait().ok().flatten()
            };
            if let Some(status) = ended {
                // Its last words are written down then.
                self.kill(node);
                return status.code();
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until all nodes have said something.
    ///
    /// # Errors
    ///
    /// Which node has not, with its last words.
    pub async fn all_say(&self, words: &str, within: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + within;
        for node in nodes() {
            while !self.said(node).contains(words) {
                if Instant::now() > until || !self.is_running(node) {
                    let last = self.last_words(node);
                    return Err(Trouble(format!("node {node} does not say `{words}`: {last}")));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Lets all nodes end well.
    ///
    /// # Errors
    ///
    /// Which node did not.
    pub async fn stop(&self) -> Result<(), Trouble> {
        for process in self.processes().iter_mut().flatten() {
            drop(process.child.stdin.take());
        }
        let mut trouble = None;
        for node in nodes() {
            if self.ended(node, STOP_WITHIN).await != Some(0) {
                let last = self.last_words(node);
                trouble.get_or_insert(Trouble(format!("node {node} did not stop well: {last}")));
                self.kill(node);
            }
        }
        trouble.map_or(Ok(()), Err)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in nodes() {
            self.kill(node);
        }
    }
}
