//! What is left of a run: the folders and logs of all nodes, and the history in words.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::checks::{Invariant, Verdict};
use crate::history::{History, ReplicaAct};

/// Where a run has its files. They are removed with it, unless they are kept.
pub(super) struct Folder {
    kept: Option<PathBuf>,
    /// None: they stay in any case.
    temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// At a path that must be empty or not there yet; or wherever the system has what is temporary.
    pub(super) fn new(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            let temporary = tempfile::Builder::new().prefix("quorumcall-layer2-").tempdir()?;
            return Ok(Self { kept: None, temporary: Some(temporary) });
        };
        fs::create_dir_all(path)?;
        if fs::read_dir(path)?.next().is_some() {
            let words = format!("{} is not empty: name a folder of its own", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        Ok(Self { kept: Some(path.canonicalize()?), temporary: None })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match (&self.kept, &self.temporary) {
            (Some(path), _) => path,
            (None, Some(temporary)) => temporary.path(),
            (None, None) => Path::new("."),
        }
    }

    /// Writes the history down if it was asked for, or if the run failed; where.
    pub(super) fn keep(
        self,
        history: &History,
        chronicle: &[(u64, String)],
        verdicts: &BTreeMap<Invariant, Verdict>,
        passes: bool,
    ) -> io::Result<Option<PathBuf>> {
        let folder = match (self.kept, self.temporary) {
            (Some(path), _) => path,
            (None, Some(temporary)) if !passes => temporary.keep(),
            (None, _) => return Ok(None),
        };
        let path = folder.join("history.txt");
        let mut out = BufWriter::new(File::create(&path)?);
        for (at, what) in chronicle {
            writeln!(out, "{at} ms: {what}")?;
        }
        write(history, verdicts, &mut out)?;
        out.flush()?;
        Ok(Some(path))
    }
}

fn write(
    history: &History,
    verdicts: &BTreeMap<Invariant, Verdict>,
    out: &mut impl Write,
) -> io::Result<()> {
    for (invariant, verdict) in verdicts {
        writeln!(out, "verdict {invariant}: {verdict:?}")?;
    }
    writeln!(out, "began {:?}", history.began)?;
    writeln!(out, "leaderless {:?}", history.leaderless)?;
    writeln!(out, "ending {:?}", history.ending)?;
    for (number, operation) in history.operations.iter().enumerate() {
        writeln!(out, "operation {number}: {operation:?}")?;
    }
    for run in &history.runs {
        writeln!(out, "node {} from {} ms on", run.node, run.started)?;
        for act in &run.acts {
            match act {
                ReplicaAct::Restored { .. } => writeln!(out, "  {act:?}")?,
                ReplicaAct::Applied(entry) => {
                    let written = history.written_at.get(&entry.index);
                    writeln!(out, "  written at {written:?}: {entry:?}")?;
                }
            }
        }
    }
    for (name, told) in &history.watches {
        for (at, told) in told {
            writeln!(out, "watch {name} at {at}: {told:?}")?;
        }
    }
    Ok(())
}
