//! The stored formats of Quorumcall, generated from `quorumcall/**/*.proto`.

/// What is written to disk: log entries, snapshots.
pub mod stored {
    /// Version 1.
    #[allow(missing_docs, reason = "generated; the .proto files are the documentation")]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/quorumcall.stored.v1.rs"));
    }
}
