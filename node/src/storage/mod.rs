//! What a node keeps on disk.

mod error;
mod framed;
pub mod marker;

pub use error::StorageError;
pub use marker::Marker;
