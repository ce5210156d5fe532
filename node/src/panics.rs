//! What becomes of the process when a thread or a task panics.
//!
//! A task that panicked is simply gone: a node without its Raft, or without its batcher, would hold
//! its port, its connections and its lock and do nothing. So the program ends with the first
//! panic, and is started again by whoever supervises it; what was acknowledged is on disk.
//!
//! The index over the records is the exception: `sled` may panic over damaged files, on the thread
//! that called it or on threads of its own, and is then made anew. Calls of it are
//! [`contained`](contain).

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// The exit code after a panic, and after nothing else: whoever supervises the program starts it again
/// after this one, and not after a refusal, which somebody has to look at first.
pub const EXIT_CODE: i32 = 4;
/// What names of threads of `sled` begin with.
const SLED_THREADS: [&str; 2] = ["sled", "log flusher"];

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Calls something that may panic and is thrown away then. The panic goes no further than here,
/// and does not end the process.
///
/// # Errors
///
/// What the panic carried.
pub fn contain<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    let before = CONTAINED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result
}

/// From now on a panic that is not contained ends the process, after it was told on standard error.
pub fn end_the_process() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if !is_contained() {
            eprintln!(
                "error E-FAULT: the node ends\n  why: a fault of the program, told above\n  do:  \
                 start it again; report what is told above"
            );
            std::process::exit(EXIT_CODE);
        }
    }));
}

fn is_contained() -> bool {
    // A thread that is ending has no locals any more; nothing is contained there.
    CONTAINED.try_with(Cell::get).unwrap_or(false)
        || thread::current()
            .name()
            .is_some_and(|name| SLED_THREADS.iter().any(|of_sled| name.starts_with(of_sled)))
}
