//! Transparent huge pages are kept away from the daemon: a command that touches new memory would
//! wait while the kernel finds and clears 2 MiB of it.

/// What mimalloc reads before `main`, so that setting it in this process would be too late.
#[cfg(target_os = "linux")]
const SETTING: &str = "MIMALLOC_ALLOW_THP";

/// Starts this program again in its place, with huge pages off, unless the setting is there
/// already: then somebody decided, or this is the second start. The process keeps its number, so
/// nobody who supervises it notices.
#[cfg(target_os = "linux")]
pub fn without_huge_pages() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    if env::var_os(SETTING).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let error = match env::current_exe() {
        Ok(program) => {
            let mut again = Command::new(program);
            if let Some(name) = arguments.next() {
                again.arg0(name);
            }
            // Returns only if it failed.
            again.args(arguments).env(SETTING, "0").exec()
        }
        Err(error) => error,
    };
    eprintln!("warning: huge pages stay on ({error}); set {SETTING}=0 to start without");
}

/// Other systems have no transparent huge pages.
#[cfg(not(target_os = "linux"))]
pub fn without_huge_pages() {}
