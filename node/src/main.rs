//! The daemon `quorumcall-node`.
//!
//! Exit codes: 0 done; 1 refused, or the node ended by itself; 2 wrong use or configuration;
//! 3 something it needs is not available; 4 a fault of the program.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the seams of a node are filled here, with those of this machine"
)]

mod program;

use std::process::ExitCode;

use clap::Parser;

/// Gives freed memory back in small steps; the system's allocator pauses for up to 16 ms after a
/// mass of frees, such as a snapshot's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = program::Arguments::parse().command;
    match command {
        program::Command::Init(arguments) => program::init(&arguments),
        program::Command::Join(arguments) => {
            program::without_huge_pages();
            program::join(&arguments)
        }
        program::Command::Found(arguments) => program::found(&arguments),
        program::Command::Issue(arguments) => program::issue(&arguments),
        program::Command::Run(arguments) => {
            program::without_huge_pages();
            program::run(&arguments)
        }
    }
}
