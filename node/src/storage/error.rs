//! What can be wrong with a node's disk, and what to do about it.

use std::io;

/// What is wrong with a node's disk: what happened, which file, what to do. Paths are relative to
/// the data folder. Each has an entry in `docs/errors.md`, under its [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The system refused an operation.
    #[error(
        "cannot {action} {file}: {source}; look at the disk, its free space and the owner of the \
         data folder, then start the node again"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file has a format that only newer programs know.
    #[error(
        "{file} was written by a newer program, version {version}; this one knows {known}; start \
         the newer program again"
    )]
    NewerVersion {
        /// The file.
        file: String,
        /// The version of its format.
        version: u32,
        /// The versions this program knows.
        known: String,
    },
    /// A file has a format that this program no longer knows.
    #[error(
        "{file} was written by an older program, version {version}; this one knows {known}; \
         upgrade one release at a time"
    )]
    OlderVersion {
        /// The file.
        file: String,
        /// The version of its format.
        version: u32,
        /// The versions this program knows.
        known: String,
    },
    /// A new node was to be made in a folder that is a node's already.
    #[error(
        "{file} is there already: the folder belongs to a node; start that node, or choose an \
         empty folder for a new one"
    )]
    MarkerExists {
        /// The marker.
        file: String,
    },
    /// The data folder is nobody's.
    #[error(
        "there is no {file}: the folder is empty, wiped, or not mounted; mount the right disk, or \
         let the node join the cluster anew"
    )]
    NoMarker {
        /// The marker.
        file: String,
    },
    /// The marker is not what was written.
    #[error(
        "{file} is damaged: {what}; do not trust this disk: let the node join the cluster anew, \
         with an empty data folder on another one"
    )]
    MarkerDamaged {
        /// The marker.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The log is damaged where a crash cannot have damaged it. Entries that this node has
    /// acknowledged may be gone, so it must not take part as if it still had them.
    #[error(
        "{file} is damaged at byte {at}: {what}; acknowledged entries may be lost, so this node \
         must not go on: keep a copy of the folder, remove the node from the cluster and let it \
         join anew with an empty data folder"
    )]
    LogDamaged {
        /// The file.
        file: String,
        /// Bytes from its start.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// There is a file among those of the log that is none of them: perhaps one under a wrong name.
    #[error(
        "{file} does not belong to the log; if it is a part of the log under a wrong name, give \
         it its name back, otherwise move it out of the folder"
    )]
    StrangeFile {
        /// The file.
        file: String,
    },
    /// Another process has the log open.
    #[error("{file} is locked by another process; stop the other node that uses this folder")]
    LogInUse {
        /// The lock.
        file: String,
    },
    /// The log took a request that does not follow from what it holds.
    #[error(
        "the log in {file} refused to {action}: {what}; this is a fault of the program: keep a \
         copy of the folder, report it and start the node again"
    )]
    LogRefused {
        /// The folder.
        file: String,
        /// What was asked.
        action: &'static str,
        /// Why it refused.
        what: String,
    },
    /// A snapshot is not what was written.
    #[error(
        "{file} is damaged: {what}; do not go on with it: let the node join the cluster anew, with \
         an empty data folder, and look at the disk"
    )]
    SnapshotDamaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A snapshot that a peer sent is not one.
    #[error(
        "the snapshot received as {file} is refused: {what}; it is sent again by itself; if it \
         stays so, look at the disk of the node that sends it"
    )]
    SnapshotRefused {
        /// The temporary file, which is removed.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A segment of records is not what was written.
    #[error(
        "{file} is damaged: {what}; stop the node, move the file away and let the node fetch it \
         from a peer, or restore it from a backup"
    )]
    SegmentDamaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// Records of a range of the log are not there.
    #[error(
        "{folder} has no records of the log entries {from} to {to}; fetch them from a peer, or \
         restore them from a backup"
    )]
    SegmentMissing {
        /// The folder.
        folder: String,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A segment was to be written that does not follow the one before it.
    #[error(
        "records of the log entries {from} to {to} cannot be written to {folder}, which is \
         covered up to {covered_to}; this is a fault of the program: report it"
    )]
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
    #[error(
        "the index in {file} failed: {what}; look at the disk and its free space; stop the node, \
         remove the folder, start it again: the index is made anew from the records"
    )]
    Index {
        /// The folder.
        file: String,
        /// What failed.
        what: String,
    },
    /// A page of records was asked for by words that are none.
    #[error("{what} is no place to go on from; ask for the first page again")]
    BadCursor {
        /// The cursor.
        what: String,
    },
}

impl StorageError {
    /// Its code: stable, for programs and for looking up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "E-DISK",
            Self::NewerVersion { .. } => "E-NEWER-FORMAT",
            Self::OlderVersion { .. } => "E-OLDER-FORMAT",
            Self::MarkerExists { .. } => "E-MARKER-EXISTS",
            Self::NoMarker { .. } => "E-NO-MARKER",
            Self::MarkerDamaged { .. } => "E-MARKER-DAMAGED",
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
