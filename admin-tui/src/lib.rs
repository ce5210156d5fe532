//! The operator's program `quorumcall`, without its `main`.
//!
//! A command takes its arguments and returns what is to be printed, or a [`Failure`]; only
//! [`run`] writes and chooses the exit code. (But questions and progress, which cannot wait, go to
//! the terminal at once.)

mod apply;
pub mod bench;
pub mod centre_file;
pub mod cli;
pub mod client;
pub mod demo;
mod failure;
pub mod local;
mod output;
pub mod replay;
mod stop;
mod terminal;
pub mod testbed;
#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

pub use failure::{Answer, ErrorCode, Failure};

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
    if let cli::Command::Demo(args) = &cli.command {
        return demo::run(args, out, err);
    }
    let done = carry_out(&cli, out, err).and_then(|answer| {
        print(&answer.text, out)?;
        answer.failure.map_or(Ok(()), Err)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever closed stderr does not want to know, and the exit code tells the rest.
            let _ = writeln!(err, "{failure}");
            ExitCode::from(failure.code.exit_code())
        }
    }
}

fn carry_out(
    cli: &cli::Cli,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Answer, Failure> {
    use cli::Command;
    use terminal::StandardTerminal;
    let options = &cli.options;
    match &cli.command {
        Command::Cluster(verb) => return verb.run(options),
        Command::Site(verb) => return verb.run(options, &mut StandardTerminal, out),
        Command::Node(verb) => return verb.run(options, &mut StandardTerminal),
        Command::Queue(verb) => verb.run(options),
        Command::Audit(verb) => verb.run(options),
        Command::Agent(verb) => return verb.run(options, &mut StandardTerminal),
        Command::Contact(verb) => verb.run(options),
        Command::Apply(args) => return apply::apply(options, args, &mut StandardTerminal),
        Command::Diff(args) => return apply::diff(options, args),
        Command::Replay(args) => return replay::run(args, err),
        Command::Bench(args) => return bench::run(args, err),
        // It shows what happens while it goes on, and chooses the exit code.
        Command::Demo(_) => Ok(String::new()),
    }
    .map(Answer::from)
}

/// Help and version are answers, everything else the parser says is a wrong use.
fn print_usage(error: &clap::Error, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let text = error.render();
    // As above: nobody is left to be told.
    let _ = if error.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str, out: &mut impl Write) -> Result<(), Failure> {
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
