//! What a node keeps on disk.

mod error;
mod framed;
pub mod log;
pub mod marker;

pub use error::StorageError;
pub use log::{FileLog, LogSettings};
pub use marker::Marker;
