//! What the system is asked, in what order: watched from outside, with `strace`.
//!
//! Without `strace`, or where it may not trace, these tests say so and pass.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use node::raft::{Entry, EntryBytes, LeaderId, LogId, Payload, Types, Vote};
use node::seams::RealDisk;
use node::storage::{FileLog, LogSettings};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft_rt_tokio::TokioRuntime;

/// Where the traced process keeps its data.
const FOLDER: &str = "QUORUMCALL_TEST_FOLDER";
/// What it writes when an acknowledgement may go out, or a failure has to.
const TOLD: &str = "told";
const ROUNDS: u64 = 20;

/// The traced process: appends, votes, truncates and purges, and notes each time it is told.
#[tokio::test]
#[ignore = "run under strace by the tests beside it"]
async fn traced() {
    let folder = std::env::var(FOLDER).expect("run by the tests beside it");
    let mut told = OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(&folder).join(TOLD))
        .expect("a file in the folder");
    let mut note = |result: std::io::Result<()>| {
        // One write each: that is what the tracer sees.
        let word: &[u8] = if result.is_ok() { b"done\n" } else { b"failed\n" };
        told.write_all(word).expect("a write");
    };
    let settings = LogSettings { chunk_bytes: 2_000, ..Default::default() };
    let mut log =
        FileLog::<TokioRuntime>::open_or_create(&RealDisk::new(&folder), settings).expect("a log");
    for round in 0..ROUNDS {
        let leader_id = LeaderId { term: round + 1, node_id: 1 };
        note(log.save_vote(&Vote { leader_id, committed: true }).await);

        let entry = |index| Entry {
            log_id: LogId::new(leader_id, index),
            payload: Payload::Normal(EntryBytes(Bytes::from_static(&[7; 100]))),
        };
        let (tell, flushed) = Types::<TokioRuntime>::oneshot();
        let entries = [entry(2 * round), entry(2 * round + 1), entry(2 * round + 2)];
        let last = entries[1].log_id;
        let appended = log.append(entries, IOFlushed::signal(tell)).await;
        let flushed = flushed.await.expect("it is told in any case");
        note(appended.and(flushed));
        note(log.truncate_after(Some(last)).await);
        if round % 8 == 7 {
            note(log.purge(last).await);
        }
    }
}

/// Runs the traced process; the lines that `strace` wrote and the words that it noted itself. None
/// if it cannot be traced.
fn trace(folder: &Path, more: &[&str]) -> Option<(String, Vec<String>)> {
    let output = folder.join("strace.out");
    let status = Command::new("strace")
        .args(["-f", "-y", "-o"])
        .arg(&output)
        .args(["-e", "trace=write,writev,pwrite64,fdatasync,fsync,unlink,unlinkat"])
        .args(more)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "traced", "--ignored", "--quiet"])
        .env(FOLDER, folder)
        .output();
    let told = fs::read_to_string(folder.join(TOLD)).unwrap_or_default();
    let Ok(output_of) = status else {
        eprintln!("there is no strace: not checked");
        return None;
    };
    let lines = fs::read_to_string(&output).unwrap_or_default();
    if told.is_empty() || !lines.contains("fdatasync") {
        let said = String::from_utf8_lossy(&output_of.stderr);
        eprintln!("strace cannot trace here: not checked: {said}");
        return None;
    }
    Some((lines, told.lines().map(String::from).collect()))
}

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    WriteLog,
    SyncedLog,
    RemoveLog,
    Told,
}

/// A write counts from its start, a sync from its end.
fn calls(lines: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut syncing = Vec::new();
    for line in lines.lines() {
        let (process, call) = line.split_once(' ').expect("strace -f writes the process first");
        let call = call.trim_start();
        let of_log = call.contains("/log/r-");
        if call.starts_with("fdatasync(") && of_log {
            if call.ends_with("<unfinished ...>") {
                syncing.push(process);
            } else if call.ends_with("= 0") {
                calls.push(Call::SyncedLog);
            }
        } else if call.starts_with("<... fdatasync resumed>") {
            let was_log = syncing.iter().position(|other| *other == process);
            if was_log.map(|at| syncing.swap_remove(at)).is_some() && call.ends_with("= 0") {
                calls.push(Call::SyncedLog);
            }
        } else if call.contains("write") && of_log {
            calls.push(Call::WriteLog);
        } else if call.starts_with("unlink") && of_log {
            calls.push(Call::RemoveLog);
        } else if call.starts_with("write(") && call.contains("/told>") {
            calls.push(Call::Told);
        }
    }
    calls
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_path_buf();
    (folder, path)
}

#[test]
fn nobody_is_told_before_the_sync_that_covers_it() {
    let (_folder, path) = folder();
    let Some((lines, told)) = trace(&path, &[]) else { return };
    let calls = calls(&lines);
    let rounds = ROUNDS as usize;
    assert_eq!(told, vec!["done"; 3 * rounds + rounds / 8]);

    let (mut unsynced, mut syncs, mut tellings, mut removals) = (0, 0, 0, 0);
    for call in &calls {
        match call {
            Call::WriteLog => unsynced += 1,
            Call::SyncedLog => (unsynced, syncs) = (0, syncs + 1),
            // Files go after the purge that lets them go is durable.
            Call::RemoveLog => {
                removals += 1;
                assert!(syncs > tellings, "removed before the sync: {calls:?}");
            }
            Call::Told => {
                tellings += 1;
                assert_eq!(unsynced, 0, "told before the sync: {calls:?}");
                assert!(syncs >= tellings, "told without a sync: {calls:?}");
            }
        }
    }
    assert_eq!(tellings, told.len());
    assert!(removals > 0, "nothing was purged");
}

#[test]
fn a_sync_that_failed_is_told_and_so_is_everything_after_it() {
    let (_folder, path) = folder();
    let inject = ["-e", "inject=fdatasync:error=EIO:when=20+"];
    let Some((_, told)) = trace(&path, &inject) else { return };
    let done = told.iter().take_while(|word| *word == "done").count();
    assert!(done > 5, "{told:?}");
    assert!(done < told.len(), "no sync failed: {told:?}");
    assert!(told[done..].iter().all(|word| word == "failed"), "{told:?}");
}
