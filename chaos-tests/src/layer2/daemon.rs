//! Where the daemon `quorumcall-node` is, and how it is built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Trouble;

/// What the daemon is called.
const DAEMON: &str = "quorumcall-node";

/// The daemon: beside this program. Under cargo, which builds one program alone, it is built first (or
/// found to be up to date) with the same profile.
///
/// # Errors
///
/// If it is not there, or cannot be built.
pub fn daemon() -> Result<PathBuf, Trouble> {
    let trouble = |why: String| Trouble(format!("{DAEMON}: {why}"));
    let myself = env::current_exe().map_err(|error| trouble(error.to_string()))?;
    // target/PROFILE/chaos-tests, or target/PROFILE/deps/layer2-0123456789abcdef.
    let mut folder = myself.parent().unwrap_or(Path::new("."));
    if folder.file_name().is_some_and(|name| name == "deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let beside = folder.join(format!("{DAEMON}{}", env::consts::EXE_SUFFIX));
    if let Some(cargo) = env::var_os("CARGO") {
        build(Path::new(&cargo), folder).map_err(trouble)?;
    }
    if beside.is_file() {
        return Ok(beside);
    }
    let there = beside.display();
    Err(trouble(format!("it is not at {there}; build it: cargo build -p quorumcall-node")))
}

fn build(cargo: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new(cargo);
    // What cargo told this program about its package would make it build what reads that anew.
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(["build", "--quiet", "--package", "quorumcall-node", "--bin", DAEMON]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")]);
    match folder.file_name().map(|name| name.to_string_lossy().into_owned()).as_deref() {
        Some("debug") => {}
        Some(profile) => {
            command.args(["--profile", profile]);
        }
        None => return Err("nobody knows with which profile to build it".to_owned()),
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo ended with {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
