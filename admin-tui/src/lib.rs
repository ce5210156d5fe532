//! The operator's program `quorumcall`, without its `main`.

pub mod centre_file;
pub mod replay;
