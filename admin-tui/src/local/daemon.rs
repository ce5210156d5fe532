//! Where the daemon `quorumcall-node` is.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the daemon is called.
const DAEMON: &str = "quorumcall-node";

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// It is not beside this program.
    #[error("{DAEMON} is not beside {beside}")]
    Missing {
        /// This program.
        beside: String,
    },
    /// It cannot be built.
    #[error("{DAEMON} cannot be built: {why}")]
    Build {
        /// Why.
        why: String,
    },
    /// Nobody knows where this program is.
    #[error("this program cannot be found: {0}")]
    Myself(#[from] io::Error),
}

/// The daemon: beside this program, as it is installed. Under `cargo run`, which builds one program
/// alone, it is built first (or found to be up to date), with the same profile; `progress` is told
/// before that begins.
pub fn daemon(progress: impl FnOnce()) -> Result<PathBuf, DaemonError> {
    let myself = env::current_exe()?;
    let folder = myself.parent().unwrap_or(Path::new("."));
    // Where cargo puts tests is beneath where it puts programs.
    let folder = folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder);
    let beside = folder.join(format!("{DAEMON}{}", env::consts::EXE_SUFFIX));
    if let Some(cargo) = env::var_os("CARGO") {
        progress();
        build(Path::new(&cargo), folder)?;
    }
    if !beside.is_file() {
        return Err(DaemonError::Missing { beside: myself.display().to_string() });
    }
    Ok(beside)
}

fn build(cargo: &Path, folder: &Path) -> Result<(), DaemonError> {
    let failed = |why: String| DaemonError::Build { why };
    let mut command = Command::new(cargo);
    // What cargo told this program about its package would make it build what reads that anew.
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(["build", "--quiet", "--bin", DAEMON]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")]);
    // target/release, target/debug, or target/PROFILE.
    let profile = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    match profile.as_deref() {
        Some("debug") => {}
        Some(profile) => {
            command.args(["--profile", profile]);
        }
        None => return Err(failed("nobody knows with which profile".to_owned())),
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("cargo ended with {status}"))) }
}
