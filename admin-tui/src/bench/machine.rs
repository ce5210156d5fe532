//! What this machine does meanwhile: its disk, and the processor time of the nodes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::histogram::{Latencies, Percentiles};

/// How often the disk is asked to make something durable.
const SYNCS: usize = 200;
/// No disk is waited for longer.
const SYNCS_WITHIN: Duration = Duration::from_secs(10);
/// The kernel counts processor time in these, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What `statfs` says of file systems that are kept in memory: tmpfs and ramfs (`linux/magic.h`).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58F6];

/// Whether a folder is kept in memory, where a sync makes nothing durable.
pub(super) fn is_in_memory(folder: &Path) -> io::Result<bool> {
    let system = rustix::fs::statfs(folder)?;
    Ok(IN_MEMORY.contains(&(system.f_type as u64)))
}

/// How long the disk under a folder takes to make 4 KiB durable at the end of a file, as a log does.
pub(super) fn sync_times(folder: &Path) -> io::Result<Option<Percentiles>> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path)?;
    let mut times = Latencies::new();
    let began = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4_096])?;
        let sync = Instant::now();
        file.sync_data()?;
        times.add(sync.elapsed());
        if began.elapsed() > SYNCS_WITHIN {
            break;
        }
    }
    drop(file);
    fs::remove_file(path)?;
    Ok(times.percentiles())
}

/// Seconds of processor time of a process so far. None: the system does not tell.
pub(super) fn processor_seconds(pid: u32) -> Option<f64> {
    // pid (name) state …; the 12th and 13th field after the name are user and system time.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    seconds_of(&stat)
}

fn seconds_of(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut ticks = rest.split(' ').skip(11).map_while(|ticks| ticks.parse::<f64>().ok());
    Some((ticks.next()? + ticks.next()?) / TICKS_PER_SECOND)
}

/// Resident memory of a process, in MiB. None: the system does not tell.
pub(super) fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_anything_in_it() {
        let stat = "7 (a) b ( c) S 1 7 7 0 -1 4194560 10 0 0 0 150 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(seconds_of(stat), Some(2.0));
        assert_eq!(seconds_of("nonsense"), None);
    }

    #[test]
    fn a_disk_is_measured_where_the_files_will_be() {
        let times = sync_times(&std::env::temp_dir()).expect("a folder for temporary files");
        assert!(times.is_some_and(|times| times.max >= times.p50));
    }
}
