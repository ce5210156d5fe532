//! Wrong wall clocks of single processes, without root: a library of a few lines (`clock.c`) that is
//! loaded before the C library's, and a file for each node that says by how much its clock is off.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("clock.c");

/// Clocks that can be set, where there is a C compiler.
pub struct Clocks {
    folder: PathBuf,
    library: Option<PathBuf>,
}

impl Clocks {
    /// Builds the library, and files that say that all clocks are right.
    ///
    /// # Errors
    ///
    /// If files cannot be written. Without a compiler clocks cannot be set, and nothing is wrong.
    pub fn new(folder: &Path, nodes: impl Iterator<Item = u64>) -> io::Result<Self> {
        let source = folder.join("clock.c");
        let library = folder.join("clock.so");
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        let built =
            cfg!(target_os = "linux") && compiler.output().is_ok_and(|o| o.status.success());
        let clocks = Self { folder: folder.to_owned(), library: built.then_some(library) };
        for node in nodes {
            clocks.set(node, 0)?;
        }
        Ok(clocks)
    }

    /// Whether clocks can be set.
    pub fn can_be_set(&self) -> bool {
        self.library.is_some()
    }

    fn file(&self, node: u64) -> PathBuf {
        self.folder.join(format!("clock-{node}"))
    }

    /// Gives a process a clock that can be set.
    pub fn give(&self, node: u64, command: &mut Command) {
        if let Some(library) = &self.library {
            command.env("LD_PRELOAD", library).env("WRONG_CLOCK", self.file(node));
        }
    }

    /// A node's wall clock is off by so much from now on.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn set(&self, node: u64, off_by_ms: i64) -> io::Result<()> {
        let mut open = OpenOptions::new();
        // Written over, never cut: the process has it in its memory.
        let mut file = open.write(true).create(true).truncate(false).open(self.file(node))?;
        file.write_all(&off_by_ms.to_ne_bytes())
    }
}
