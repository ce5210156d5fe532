//! `quorumcall`: the operator's program.

use std::io;
use std::process::ExitCode;

/// No pauses after mass frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Standard error is not locked: a thread that panics has to say so.
    admin_tui::run(std::env::args_os(), &mut io::stdout().lock(), &mut io::stderr())
}
