//! The process, under the names that every exporter has for this.

use std::{fmt, fs};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::page::{Page, seconds};

pub(super) fn write(page: &mut Page<'_>, started_ms: u64) -> fmt::Result {
    page.gauge(
        "process_start_time_seconds",
        "When the daemon started, in seconds since 1970.",
        Some(seconds(started_ms)),
    )?;
    page.counter("process_cpu_seconds", "Time of processors that it has used.", cpu_s())?;
    page.gauge("process_resident_memory_bytes", "Memory that it has.", resident_bytes())?;
    page.gauge("process_open_fds", "Files and sockets that it has open.", open_files())?;
    page.gauge(
        "process_max_fds",
        "Files and sockets that it may have open; absent if there is no limit.",
        getrlimit(Resource::Nofile).current,
    )
}

// What follows is told by Linux alone. Elsewhere, and where /proc is not to be read, it is not known.

/// The second number of `statm`: resident pages (proc_pid_statm(5)).
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

fn open_files() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// The 14th and 15th field of `stat`, in ticks: user and system time (proc_pid_stat(5)).
fn cpu_s() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, in parentheses, and may have anything in it.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let both = ticks()? + ticks()?;
    Some(both as f64 / clock_ticks_per_second() as f64)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_of_this_process_is_plausible() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(open_files().unwrap() >= 3);
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let told = resident_bytes().unwrap() / 1_024;
        assert!(told > kib / 2 && told < kib * 2, "{told} and {kib} KiB");
        assert!(cpu_s().unwrap() < 3_600.0);
    }
}
