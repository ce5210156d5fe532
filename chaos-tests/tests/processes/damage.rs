//! What a node does that finds its disk not as it left it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use node::storage::SledIndex;
use node::storage::records::RecordIndex;

use crate::client::Clients;
use crate::cluster::{Cluster, copy_folder};
use crate::load::{self, Load, put_skill};
use crate::{LOOK_EVERY, PATIENCE, SMALL, contacts};

/// Segments before the damage.
const SEGMENTS: usize = 3;
/// Contacts after those, so that there is a log behind the snapshot.
const CONTACTS: usize = 100;

/// A node that has run and was stopped, and copies of its folder to damage.
struct Node {
    cluster: Cluster,
    good: PathBuf,
}

impl Node {
    async fn stopped() -> Self {
        let mut cluster = Cluster::found(1, SMALL);
        cluster.run();
        let clients = Arc::new(Clients::of(&cluster));
        load::configure(&clients).await;
        let load = Load::begin(&clients, 1);
        until_segments(&load, &cluster).await;
        load.end().await;
        cluster.stop(1);
        let good = cluster.founded().join("good");
        copy_folder(&cluster.data(1), &good);
        Self { cluster, good }
    }

    /// The folder as it was, to be damaged.
    fn fresh(&self) -> PathBuf {
        let data = self.cluster.data(1);
        fs::remove_dir_all(&data).expect("it is there");
        copy_folder(&self.good, &data);
        data
    }

    /// The node refuses to start, with these words.
    fn must_refuse(&self, code: i32, words: &[&str]) {
        let (exit, said) = self.cluster.refused(1);
        assert_eq!(exit, code, "{said}");
        for words in words {
            assert!(said.contains(words), "`{words}` is not in: {said}");
        }
    }

    /// The node starts, says these words, and takes a command.
    async fn must_run(&mut self, words: &str) {
        let before = self.cluster.log(1).len();
        self.cluster.start(1);
        let clients = Clients::of(&self.cluster);
        clients.must(1, &put_skill("afterwards")).await;
        self.cluster.stop(1);
        let said = self.cluster.log(1).split_off(before);
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

/// Waits until all nodes have written some segments, and a log behind them.
async fn until_segments(load: &Load, cluster: &Cluster) {
    let deadline = Instant::now() + PATIENCE;
    let count = |node| files(&cluster.data(node).join("records"), ".seg").len();
    while !cluster.nodes().all(|node| count(node) >= SEGMENTS) {
        assert!(Instant::now() < deadline, "no segments are written");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    contacts(load, cluster, load.contacts() + CONTACTS).await;
}

/// The files of a folder with a suffix, in their order; none if there is no folder.
fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let files = files.map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.filter(|file| file.to_string_lossy().ends_with(suffix)).collect();
    files.sort();
    files
}

/// Changes a byte, a part of the file's length from its beginning.
fn flip(file: &Path, per_mille: usize) {
    let mut bytes = fs::read(file).expect("a file");
    let at = (bytes.len() - 1) * per_mille / 1_000;
    bytes[at] ^= 0x40;
    fs::write(file, bytes).expect("a file");
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).expect("names are plain")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_folder_is_refused_or_mended_and_never_guessed() {
    let mut node = Node::stopped().await;

    // The log: a record that was never whole is cut off, and nothing else is.
    let chunk = files(&node.fresh().join("log"), ".wal").pop().expect("a chunk");
    let mut bytes = fs::read(&chunk).expect("a chunk");
    bytes.extend([0, 0, 0, 1]);
    fs::write(&chunk, bytes).expect("a chunk");
    node.must_run("clearing away a log record that was never complete").await;
    for per_mille in [100, 500, 990, 1_000] {
        let chunk = files(&node.fresh().join("log"), ".wal").pop().expect("a chunk");
        flip(&chunk, per_mille);
        let words = ["E-LOG-DAMAGED", name(&chunk), "join anew with an empty data folder"];
        node.must_refuse(1, &words);
    }
    let chunk = files(&node.fresh().join("log"), ".wal").pop().expect("a chunk");
    let length = fs::metadata(&chunk).expect("a chunk").len();
    let shorter = fs::OpenOptions::new().write(true).open(&chunk).expect("a chunk");
    shorter.set_len(length - 100).expect("it can be cut");
    node.must_refuse(1, &["E-LOG-DAMAGED", "what came after is gone"]);
    fs::remove_dir_all(node.fresh().join("log")).expect("a log");
    node.must_refuse(1, &["E-LOG-DAMAGED"]);
    fs::write(node.fresh().join("log/copy of r-1.wal"), b"").expect("a file");
    node.must_refuse(1, &["E-STRANGE-FILE", "copy of r-1.wal"]);

    // A snapshot: the log before it is gone.
    for per_mille in [1, 500, 1_000] {
        let snapshot = files(&node.fresh().join("snapshots"), ".snap").pop().expect("a snapshot");
        flip(&snapshot, per_mille);
        node.must_refuse(1, &["E-SNAPSHOT-DAMAGED", name(&snapshot), "join the cluster anew"]);
    }

    // Records: the contact centre goes on without them.
    for per_mille in [1, 700] {
        let segment = files(&node.fresh().join("records"), ".seg").remove(0);
        flip(&segment, per_mille);
        // Without its index the node reads every segment.
        fs::remove_dir_all(node.cluster.data(1).join("record-index")).expect("an index");
        let words = format!(
            "{} is damaged",
            segment.strip_prefix(node.cluster.data(1)).expect("in it").display()
        );
        node.must_run(&words).await;
    }

    // The index over them is made anew, whether or not the library under it notices.
    for file in ["conf", "db"] {
        let index = node.fresh().join("record-index");
        let length = fs::read(index.join(file)).expect("a file of the index").len();
        fs::write(index.join(file), vec![0xa5; length]).expect("a file of the index");
        node.must_run("the node runs").await;
        let index = SledIndex::open(index).expect("an index");
        let records = files(&node.cluster.data(1).join("records"), ".seg");
        assert_eq!(index.segments().expect("a good index").len(), records.len(), "{file}");
    }
    for per_mille in [0, 1, 10, 100, 500] {
        let index = node.fresh().join("record-index");
        flip(&index.join("db"), per_mille);
        node.must_run("the node runs").await;
        let index = SledIndex::open(index).expect("an index");
        let records = files(&node.cluster.data(1).join("records"), ".seg");
        assert_eq!(index.segments().expect("a good index").len(), records.len(), "{per_mille}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_folder_is_refused_with_what_to_do() {
    let node = Node::stopped().await;
    let other = Cluster::found(1, "");

    // Another cluster's identity and settings over this data, and the other way round.
    let data = node.fresh();
    for file in ["node.identity", "founding.toml"] {
        fs::copy(other.data(1).join(file), data.join(file)).expect("a copy");
    }
    node.must_refuse(2, &["E-FOUNDED-BEFORE", "move founding.toml away"]);
    fs::remove_file(data.join("founding.done.toml")).expect("a file");
    node.must_refuse(1, &["E-MARKER-OF-ANOTHER", "mount the disk of this node"]);

    // A disk that was emptied, with what `found` made put back but for founding.toml.
    let data = node.fresh();
    for folder in ["log", "snapshots", "records", "record-index"] {
        fs::remove_dir_all(data.join(folder)).expect("a folder");
    }
    for file in ["marker", "log-mark"] {
        fs::remove_file(data.join(file)).expect("a file");
    }
    node.must_refuse(1, &["E-NO-MARKER", "join the cluster anew"]);
    // And one whose marker alone is gone, though somebody brought the founding back.
    let data = node.fresh();
    fs::remove_file(data.join("marker")).expect("a marker");
    fs::rename(data.join("founding.done.toml"), data.join("founding.toml")).expect("a founding");
    node.must_refuse(1, &["E-NO-MARKER"]);
    let data = node.fresh();
    flip(&data.join("marker"), 500);
    node.must_refuse(1, &["E-MARKER-DAMAGED", "do not trust this disk"]);

    // A key that others may read.
    let identity = node.fresh().join("node.identity");
    let exposed = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&identity, exposed).expect("it is ours");
    node.must_refuse(2, &["E-IDENTITY-EXPOSED", "chmod 600"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_folder_is_refused() {
    let mut cluster = Cluster::found(1, "");
    cluster.run();
    let (code, said) = cluster.refused(1);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("E-LISTEN-IN-USE"), "{said}");

    // At another port it gets as far as the log.
    let settings = cluster.data(1).join("node.toml");
    let text = fs::read_to_string(&settings).expect("node.toml");
    let host = cluster.addresses[0].rsplit_once(':').expect("host:port").0;
    let listen = text.lines().find(|line| line.starts_with("listen")).expect("it listens");
    let text = text.replace(listen, &format!("listen = \"{host}:0\""));
    fs::write(&settings, text).expect("node.toml");
    let (code, said) = cluster.refused(1);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("E-LOG-IN-USE"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_was_moved_away_is_fetched_from_a_peer() {
    let mut cluster = Cluster::found(3, SMALL);
    cluster.run();
    let clients = Arc::new(Clients::of(&cluster));
    load::configure(&clients).await;
    let load = Load::begin(&clients, 3);
    until_segments(&load, &cluster).await;
    load.end().await;
    cluster.stop(1);
    let folder = cluster.data(1).join("records");
    let segments = files(&folder, ".seg");
    assert!(segments.len() >= 3, "{segments:?}");
    let before = fs::read(&segments[1]).expect("a segment");
    fs::rename(&segments[1], folder.join("aside")).expect("it can be moved");
    cluster.start(1);
    let deadline = Instant::now() + PATIENCE;
    while !segments[1].exists() {
        assert!(Instant::now() < deadline, "{}", cluster.log(1));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    cluster.stop(1);
    assert_eq!(fs::read(&segments[1]).expect("a segment"), before);
}
