//! The operator's program `quorumcall`, without its `main`.
//!
//! A command takes its arguments and returns what is to be printed, or a [`Failure`]; only
//! [`run`] writes and chooses the exit code.

pub mod bench;
pub mod centre_file;
pub mod cli;
pub mod client;
pub mod demo;
mod failure;
pub mod local;
pub mod replay;
pub mod testbed;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

pub use failure::{ErrorCode, Failure};

/// Runs the program: answers go to `out`, errors to `err`.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error, out, err),
    };
    let done = match cli.command {
        cli::Command::Replay(args) => replay::run(&args, err),
        cli::Command::Bench(args) => bench::run(&args, err),
        cli::Command::Demo(args) => return demo::run(&args, out, err),
    };
    match done.and_then(|text| print(&text, out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever closed stderr does not want to know, and the exit code tells the rest.
            let _ = writeln!(err, "{failure}");
            ExitCode::from(failure.code.exit_code())
        }
    }
}

/// Help and version are answers, everything else the parser says is a wrong use.
fn print_usage(error: &clap::Error, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let text = error.render();
    // As above: nobody is left to be told.
    let _ = if error.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str, out: &mut impl Write) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
            code: ErrorCode::Output,
            what: "the answer could not be written".into(),
            why: error.to_string(),
            remedy: "look at where standard output goes, and run the command again".into(),
        }),
        _ => Ok(()),
    }
}
