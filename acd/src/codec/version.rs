//! Which versions of a format can be read, and by what.

use alloc::format;

use bytes::Bytes;

use super::stored::malformed;
use crate::rejection::Rejection;

/// The readers of a format, oldest version first, without gaps. The last is the version that is
/// written.
pub(super) struct Readers<T: 'static> {
    /// What is read, as refusals call it.
    pub what: &'static str,
    /// Each version that can be read, with its reader.
    pub readers: &'static [(u32, Reader<T>)],
}

/// Reads one version.
pub(super) type Reader<T> = fn(Bytes) -> Result<T, Rejection>;

impl<T> Readers<T> {
    /// Reads bytes of a version, or refuses that version.
    pub fn read(&self, version: u32, bytes: Bytes) -> Result<T, Rejection> {
        match self.readers.iter().find(|(known, _)| *known == version) {
            Some((_, reader)) => reader(bytes),
            None => Err(self.unknown(version)),
        }
    }

    fn unknown(&self, version: u32) -> Rejection {
        let what = self.what;
        let known = match self.readers {
            [(first, _), .., (last, _)] => format!("versions {first} to {last}"),
            [(only, _)] => format!("version {only}"),
            [] => "no version".into(),
        };
        malformed(format!("the {what} is of format version {version}; this program knows {known}"))
    }
}
