//! What can be wrong with a node's disk, and what to do about it.

use std::io;

use crate::explain::{Explain, Explanation};

/// What is wrong with a node's disk: what happened, which file, what to do. Paths are relative to
/// the data folder. Each has an entry in `docs/errors.md`, under its [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", self.what(), self.remedy())]
#[non_exhaustive]
pub enum StorageError {
    /// The system refused an operation.
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file has a format that only newer programs know.
    NewerVersion {
        /// The file.
        file: String,
        /// The version of its format.
        version: u32,
        /// The versions this program knows.
        known: String,
    },
    /// A file has a format that this program no longer knows.
    OlderVersion {
        /// The file.
        file: String,
        /// The version of its format.
        version: u32,
        /// The versions this program knows.
        known: String,
    },
    /// A new node was to be made in a folder that is a node's already.
    MarkerExists {
        /// The marker.
        file: String,
    },
    /// The data folder is nobody's.
    NoMarker {
        /// The marker.
        file: String,
    },
    /// The marker is not what was written.
    MarkerDamaged {
        /// The marker.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The log is damaged where a crash cannot have damaged it. Entries that this node has
    /// acknowledged may be gone, so it must not take part as if it still had them.
    LogDamaged {
        /// The file.
        file: String,
        /// Bytes from its start.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// There is a file among those of the log that is none of them: perhaps one under a wrong name.
    StrangeFile {
        /// The file.
        file: String,
    },
    /// Another process has the log open.
    LogInUse {
        /// The lock.
        file: String,
    },
    /// The log took a request that does not follow from what it holds.
    LogRefused {
        /// The folder.
        file: String,
        /// What was asked.
        action: &'static str,
        /// Why it refused.
        what: String,
    },
    /// A snapshot is not what was written.
    SnapshotDamaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A snapshot that a peer sent is not one.
    SnapshotRefused {
        /// The temporary file, which is removed.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A segment of records is not what was written.
    SegmentDamaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// Records of a range of the log are not there.
    SegmentMissing {
        /// The folder.
        folder: String,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A segment was to be written that does not follow the one before it.
    SegmentOutOfOrder {
        /// The folder.
        folder: String,
        /// The first of the range.
        from: u64,
        /// The last of the range.
        to: u64,
        /// What is covered so far.
        covered_to: u64,
    },
    /// The index over the records cannot be used even after it was made anew.
    Index {
        /// The folder.
        file: String,
        /// What failed.
        what: String,
    },
    /// A page of records was asked for by words that are none.
    BadCursor {
        /// The cursor.
        what: String,
    },
    /// The data folder is another node's.
    MarkerOfAnother {
        /// The marker.
        file: String,
        /// What it says, and what was expected.
        what: String,
    },
}

impl StorageError {
    /// What happened, and to which file.
    fn what(&self) -> String {
        match self {
            Self::Io { action, file, source } => format!("cannot {action} {file}: {source}"),
            Self::NewerVersion { file, version, known } => format!(
                "{file} was written by a newer program, version {version}; this one knows {known}"
            ),
            Self::OlderVersion { file, version, known } => format!(
                "{file} was written by an older program, version {version}; this one knows {known}"
            ),
            Self::MarkerExists { file } => {
                format!("{file} is there already: the folder belongs to a node")
            }
            Self::NoMarker { file } => {
                format!("there is no {file}: the folder is empty, wiped, or not mounted")
            }
            Self::MarkerDamaged { file, what } => format!("{file} is damaged: {what}"),
            Self::LogDamaged { file, at, what } => {
                format!("{file} is damaged at byte {at}: {what}")
            }
            Self::StrangeFile { file } => format!("{file} does not belong to the log"),
            Self::LogInUse { file } => format!("{file} is locked by another process"),
            Self::LogRefused { file, action, what } => {
                format!("the log in {file} refused to {action}: {what}")
            }
            Self::SnapshotDamaged { file, what } => format!("{file} is damaged: {what}"),
            Self::SnapshotRefused { file, what } => {
                format!("the snapshot received as {file} is refused: {what}")
            }
            Self::SegmentDamaged { file, what } => format!("{file} is damaged: {what}"),
            Self::SegmentMissing { folder, from, to } => {
                format!("{folder} has no records of the log entries {from} to {to}")
            }
            Self::SegmentOutOfOrder { folder, from, to, covered_to } => format!(
                "records of the log entries {from} to {to} cannot be written to {folder}, which \
                 is covered up to {covered_to}"
            ),
            Self::Index { file, what } => format!("the index in {file} failed: {what}"),
            Self::BadCursor { what } => format!("{what} is no place to go on from"),
            Self::MarkerOfAnother { file, what } => format!("{file} is of another node: {what}"),
        }
    }

    /// What to do about it.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "look at the disk, its free space and the owner of the data folder, then start \
                 the node again"
            }
            Self::NewerVersion { .. } => "start the newer program again",
            Self::OlderVersion { .. } => "upgrade one release at a time",
            Self::MarkerExists { .. } => "start that node, or choose an empty folder for a new one",
            Self::NoMarker { .. } => "mount the right disk, or let the node join the cluster anew",
            Self::MarkerDamaged { .. } => {
                "do not trust this disk: let the node join the cluster anew, with an empty data \
                 folder on another one"
            }
            Self::LogDamaged { .. } => {
                "acknowledged entries may be lost, so this node must not go on: keep a copy of \
                 the folder, remove the node from the cluster and let it join anew with an empty \
                 data folder"
            }
            Self::StrangeFile { .. } => {
                "if it is a part of the log under a wrong name, give it its name back, otherwise \
                 move it out of the folder"
            }
            Self::LogInUse { .. } => "stop the other node that uses this folder",
            Self::LogRefused { .. } => {
                "this is a fault of the program: keep a copy of the folder, report it and start \
                 the node again"
            }
            Self::SnapshotDamaged { .. } => {
                "do not go on with it: let the node join the cluster anew, with an empty data \
                 folder, and look at the disk"
            }
            Self::SnapshotRefused { .. } => {
                "it is sent again by itself; if it stays so, look at the disk of the node that \
                 sends it"
            }
            Self::SegmentDamaged { .. } => {
                "stop the node, move the file away and let the node fetch it from a peer, or \
                 restore it from a backup"
            }
            Self::SegmentMissing { .. } => "fetch them from a peer, or restore them from a backup",
            Self::SegmentOutOfOrder { .. } => "this is a fault of the program: report it",
            Self::Index { .. } => {
                "look at the disk and its free space; stop the node, remove the folder, start it \
                 again: the index is made anew from the records"
            }
            Self::BadCursor { .. } => "ask for the first page again",
            Self::MarkerOfAnother { .. } => {
                "mount the disk of this node, or put node.toml and node.identity into the folder \
                 of theirs"
            }
        }
    }

    /// Its code: stable, for programs and for looking up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "E-DISK",
            Self::NewerVersion { .. } => "E-NEWER-FORMAT",
            Self::OlderVersion { .. } => "E-OLDER-FORMAT",
            Self::MarkerExists { .. } => "E-MARKER-EXISTS",
            Self::NoMarker { .. } => "E-NO-MARKER",
            Self::MarkerDamaged { .. } => "E-MARKER-DAMAGED",
            Self::MarkerOfAnother { .. } => "E-MARKER-OF-ANOTHER",
            Self::LogDamaged { .. } => "E-LOG-DAMAGED",
            Self::StrangeFile { .. } => "E-STRANGE-FILE",
            Self::LogInUse { .. } => "E-LOG-IN-USE",
            Self::LogRefused { .. } => "E-LOG-REFUSED",
            Self::SnapshotDamaged { .. } => "E-SNAPSHOT-DAMAGED",
            Self::SnapshotRefused { .. } => "E-SNAPSHOT-REFUSED",
            Self::SegmentDamaged { .. } => "E-SEGMENT-DAMAGED",
            Self::SegmentMissing { .. } => "E-SEGMENT-MISSING",
            Self::SegmentOutOfOrder { .. } => "E-SEGMENT-OUT-OF-ORDER",
            Self::Index { .. } => "E-INDEX",
            Self::BadCursor { .. } => "E-BAD-CURSOR",
        }
    }

    /// For `map_err`: an operation on a file that the system refused.
    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, file: file.into(), source }
    }
}

impl Explain for StorageError {
    fn explain(&self) -> Explanation {
        Explanation::new(
            self.code(),
            "the node cannot use its data folder",
            self.what(),
            self.remedy(),
        )
    }
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Io { source, .. } => source.kind(),
            StorageError::NoMarker { .. } | StorageError::SegmentMissing { .. } => {
                io::ErrorKind::NotFound
            }
            StorageError::MarkerExists { .. } => io::ErrorKind::AlreadyExists,
            StorageError::LogInUse { .. } => io::ErrorKind::ResourceBusy,
            StorageError::BadCursor { .. } => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<StorageError> {
        let file = || String::from("f");
        let what = || String::from("w");
        vec![
            StorageError::io("read", "f")(io::ErrorKind::NotFound.into()),
            StorageError::NewerVersion { file: file(), version: 3, known: what() },
            StorageError::OlderVersion { file: file(), version: 1, known: what() },
            StorageError::MarkerExists { file: file() },
            StorageError::NoMarker { file: file() },
            StorageError::MarkerDamaged { file: file(), what: what() },
            StorageError::MarkerOfAnother { file: file(), what: what() },
            StorageError::LogDamaged { file: file(), at: 1, what: what() },
            StorageError::StrangeFile { file: file() },
            StorageError::LogInUse { file: file() },
            StorageError::LogRefused { file: file(), action: "append", what: what() },
            StorageError::SnapshotDamaged { file: file(), what: what() },
            StorageError::SnapshotRefused { file: file(), what: what() },
            StorageError::SegmentDamaged { file: file(), what: what() },
            StorageError::SegmentMissing { folder: file(), from: 1, to: 2 },
            StorageError::SegmentOutOfOrder { folder: file(), from: 1, to: 2, covered_to: 3 },
            StorageError::Index { file: file(), what: what() },
            StorageError::BadCursor { what: what() },
        ]
    }

    #[test]
    fn every_code_has_an_entry_in_the_reference() {
        let reference = include_str!("../../../docs/errors.md");
        let section = reference.split("\n## Storage of a node\n").nth(1).expect("the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let entries: BTreeSet<&str> =
            section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let codes: BTreeSet<&str> = all().iter().map(StorageError::code).collect();
        assert_eq!(codes, entries);
    }

    #[test]
    fn every_error_says_what_to_do() {
        for error in all() {
            let said = error.to_string();
            assert!(said.contains("; ") || said.contains(": "), "{said}");
        }
    }
}
