//! A hash of a history: two runs of one seed must come to the same.

use std::fmt::{self, Write};

use acd::codec;
use xxhash_rust::xxh3::Xxh3;

use super::{History, ReplicaAct};

/// Hashes what is written to it.
struct Hasher(Xxh3);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Hasher {
    /// One item, kept apart from its neighbours. The values print without addresses, and maps in
    /// the order of their keys.
    fn item(&mut self, what: &dyn fmt::Debug) {
        // Writing to a hasher cannot fail.
        let _ = write!(self, "{what:?}\0");
    }

    fn submission(&mut self, submission: &acd::command::Submission) {
        // Not as it prints: attributes do not print.
        let bytes = codec::encode_submission(submission);
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(&bytes);
    }
}

pub(super) fn of(history: &History) -> u128 {
    let History { began, operations, runs, watches, leaderless, slow_disks, written_at, ending } =
        history;
    let mut out = Hasher(Xxh3::new());
    out.item(&(began, operations.len(), runs.len(), watches.len()));
    out.item(&(leaderless, slow_disks, written_at));
    for operation in operations {
        let super::Operation { client, node, called, returned, submission, outcome } = operation;
        out.item(&(client, node, called, returned, outcome));
        out.submission(submission);
    }
    for super::Run { node, run, started, acts } in runs {
        out.item(&(node, run, started, acts.len()));
        for act in acts {
            match act {
                ReplicaAct::Restored { .. } => out.item(act),
                ReplicaAct::Applied(entry) => {
                    out.item(&(entry.index, entry.stamp, entry.submissions.len(), entry.hash));
                    entry.submissions.iter().for_each(|s| out.submission(s));
                    out.item(&(&entry.answers, &entry.events));
                }
            }
        }
    }
    for (name, told) in watches {
        out.item(&(name, told));
    }
    out.item(ending);
    out.0.digest128()
}
