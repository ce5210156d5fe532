//! `quorumcall replay`: a real call log goes through the contact centre.
//!
//! ```text
//! file → calls ┬→ centre (who serves what, where) → commands
//!              ├→ shifts (who is there when)
//!              └→ what really happened
//! ```

pub mod calls;
pub mod centre;
pub mod outcome;
pub mod real;
pub mod shifts;

/// The log of the bank for tests: `QUORUMCALL_CALLS`, or where it lies beside the workspace.
/// None, and a sentence that says so, where it is absent.
#[cfg(test)]
pub(crate) fn real_log() -> Option<calls::CallLog> {
    use std::fs::File;
    use std::io::BufReader;
    use std::path::Path;

    let beside = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/anonymous-bank-1999-02-first-half.tsv"
    );
    let path = std::env::var_os("QUORUMCALL_CALLS").unwrap_or_else(|| beside.into());
    match File::open(&path) {
        Ok(file) => Some(calls::CallLog::read(BufReader::new(file)).expect("the log of the bank")),
        Err(error) => {
            let path = Path::new(&path).display();
            println!("skipped: the bank's call log is not at {path} ({error})");
            None
        }
    }
}
