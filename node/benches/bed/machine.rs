//! What this machine does: its disk, its processor time by thread, percentiles.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The kernel counts processor time in these, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long this disk takes to make 4 KiB durable at the end of a file, as a log does; sorted.
pub fn sync_times(folder: &Path) -> Vec<Duration> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path).expect("a file");
    let mut times = Vec::new();
    for _ in 0..500 {
        file.write_all(&[7; 4096]).expect("room on the disk");
        let begin = Instant::now();
        file.sync_data().expect("a sync");
        times.push(begin.elapsed());
    }
    drop(file);
    fs::remove_file(path).expect("the file was there");
    times.sort();
    times
}

/// Says what the disk under a folder does.
pub fn say_disk(folder: &Path) {
    let times = sync_times(folder);
    let (p50, p99, max) = (at(&times, 500), at(&times, 990), at(&times, 1_000));
    println!("fdatasync of 4 KiB: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}");
}

/// What so many of a thousand of sorted times do not exceed.
pub fn at(sorted: &[Duration], per_mille: usize) -> Duration {
    match sorted.len() {
        0 => Duration::ZERO,
        n => sorted[(n - 1) * per_mille / 1_000],
    }
}

/// Bytes of the files under a folder.
pub fn bytes_under(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
            Ok(metadata) => metadata.len(),
            // It was removed meanwhile.
            Err(_) => 0,
        })
        .sum()
}

/// Bytes this process had written to disks so far, as far as the kernel knows.
pub fn bytes_written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Seconds of processor time of this process so far, those of threads that ended included.
pub fn processor_seconds() -> f64 {
    seconds_of(Path::new("/proc/self")).map_or(0.0, |(_, seconds)| seconds)
}

/// Seconds of processor time so far by name of thread, of those that have not ended.
pub fn processor_seconds_by_thread() -> BTreeMap<String, f64> {
    let mut by_thread = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        if let Some((name, seconds)) = seconds_of(&task.path()) {
            *by_thread.entry(name).or_default() += seconds;
        }
    }
    by_thread
}

/// Name and processor time of a process or thread.
fn seconds_of(folder: &Path) -> Option<(String, f64)> {
    // pid (name) state …; the 12th and 13th field after the name are user and system time.
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    let ticks = rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    Some((name.to_owned(), ticks.sum::<f64>() / TICKS_PER_SECOND))
}
