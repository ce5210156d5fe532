//! What a log does when its files are not what was written.

use std::fs;
use std::os::unix::fs::FileExt;

use openraft::storage::RaftLogStorage;
use openraft_rt_tokio::TokioRuntime;

use super::check::{Torn, check};
use super::tests::*;
use super::*;
use crate::raft::{Entry, Payload};

/// Changes bytes of a file where they are.
fn put(path: &Path, at: usize, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// Cuts a file, or makes it longer with zeros.
fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// One chunk with every kind of record, of which the last is what the test wants. Returned with
/// the offsets at which records begin, and the end.
async fn every_kind(last: u8) -> (tempfile::TempDir, RealDisk, Vec<u64>) {
    let (_original, disk) = new_disk();
    let mut log = create(&disk);
    log.save_vote(&vote(1)).await.unwrap();
    append(&mut log, [Entry { log_id: id(1, 0), payload: Payload::Blank }]).await;
    append(&mut log, [membership(1, 1), entry(1, 2, 3), entry(1, 3, 0)]).await;
    log.save_committed(Some(id(1, 1))).await.unwrap();
    append(&mut log, [entry(1, 4, 300), entry(1, 5, 1)]).await;
    log.truncate_after(Some(id(1, 3))).await.unwrap();
    log.purge(id(1, 0)).await.unwrap();
    match last {
        0 => log.save_vote(&vote(2)).await.unwrap(),
        1 => append(&mut log, [entry(2, 4, 40)]).await,
        2 => {
            log.save_committed(Some(id(1, 3))).await.unwrap();
            log.mark().unwrap();
            // The mark stays where it was when the log was opened: what is tested here is what
            // can be told without it.
            mark::write(&disk, 0).unwrap();
        }
        3 => log.truncate_after(Some(id(1, 2))).await.unwrap(),
        4 => log.purge(id(1, 2)).await.unwrap(),
        _ => unreachable!("there are five kinds of actions"),
    }
    let (folder, disk) = crashed(&disk);
    let bytes = fs::read(&chunk_files(&disk)[0]).unwrap();
    let mut rest = &bytes[..];
    let mut boundaries = vec![0];
    while !rest.is_empty() {
        <codec::Record<TokioRuntime> as codeq::Decode>::decode(&mut rest).unwrap();
        boundaries.push((bytes.len() - rest.len()) as u64);
    }
    (folder, disk, boundaries)
}

fn look(disk: &RealDisk) -> Result<check::Found, StorageError> {
    check::<TokioRuntime>(&disk.root().join(LOG_FOLDER))
}

/// Why all of this is: what `raft-log` does with values that are text, which it writes with their
/// length and nothing else.
#[test]
fn raft_log_alone_drops_acknowledged_entries_when_a_length_is_changed() {
    use std::sync::mpsc::{SyncSender, sync_channel};

    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Plain;

    impl raft_log::Types for Plain {
        type LogId = (u64, u64);
        type LogPayload = String;
        type Vote = (u64, u64);
        type UserData = ();
        type Callback = SyncSender<io::Result<()>>;

        fn log_index(log_id: &Self::LogId) -> u64 {
            log_id.1
        }

        fn payload_size(payload: &String) -> u64 {
            payload.len() as u64
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let config = Arc::new(raft_log::Config::new(folder.path().to_str().unwrap()));
    let mut log = RaftLog::<Plain>::open(config.clone()).unwrap();
    let entries: Vec<_> = (0..10).map(|index| ((1, index), "entry".to_string())).collect();
    log.append(entries.clone()).unwrap();
    let (tell, told) = sync_channel(1);
    log.flush(true, Some(tell)).unwrap();
    told.recv().unwrap().unwrap();
    drop(log);

    let path = folder.path().join(chunked_wal::Config::chunk_file_name(0.into()));
    let bytes = fs::read(&path).unwrap();
    let third = bytes.windows(5).enumerate().filter(|(_, text)| text == b"entry").nth(2).unwrap().0;
    put(&path, third - 4, &[1]);
    let log = RaftLog::<Plain>::open(config).unwrap();
    let left: Vec<_> = log.read(0, 100).map(Result::unwrap).collect();
    assert_eq!(left, entries[..2], "eight synced entries are gone, and nobody was told");
}

#[tokio::test]
async fn no_changed_byte_is_taken_for_a_crash() {
    for last in 0..5 {
        let (_folder, disk, boundaries) = every_kind(last).await;
        let path = &chunk_files(&disk)[0];
        let good = fs::read(path).unwrap();
        let whole = look(&disk).unwrap();
        assert_eq!((whole.torn.len(), whole.end), (0, good.len() as u64));
        let last_record = boundaries[boundaries.len() - 2] as usize;
        for at in 0..good.len() {
            // Everything for the last record, where a crash would have been; some elsewhere.
            let near_end = at >= last_record;
            let values = (1..=u8::MAX).filter(|change| near_end || change.count_ones() == 1);
            for change in values {
                put(path, at, &[good[at] ^ change]);
                let found = look(&disk);
                let Err(error) = found else {
                    panic!("kind {last}, byte {at} ^ {change:#x}: {found:?}");
                };
                assert_eq!(error.code(), "E-LOG-DAMAGED", "byte {at}: {error}");
            }
            put(path, at, &good[at..=at]);
        }
    }
}

#[tokio::test]
async fn a_write_that_was_cut_short_loses_the_incomplete_record_only() {
    for last in 0..5 {
        let (_folder, disk, boundaries) = every_kind(last).await;
        let path = &chunk_files(&disk)[0];
        let good = fs::read(path).unwrap();
        for length in (0..good.len() as u64).rev() {
            let keep = *boundaries.iter().rfind(|start| **start <= length).unwrap();
            cut(path, length);
            let found = look(&disk).unwrap();
            assert_eq!(found.end, keep, "{length} bytes");
            let expected = match (keep, length) {
                (0, _) => vec![Torn::Chunk { file: path.clone() }],
                (keep, length) if keep == length => vec![],
                (keep, _) => vec![Torn::Record { file: path.clone(), keep }],
            };
            assert_eq!(found.torn, expected, "{length} bytes");

            // The same with zeros up to where the file ended.
            cut(path, keep);
            cut(path, good.len() as u64);
            let found = look(&disk).unwrap();
            assert_eq!((found.end, found.torn.len()), (keep, 1), "zeros from {keep} on");
            put(path, 0, &good);
        }
    }
}

#[tokio::test]
async fn zeros_inside_a_record_or_with_something_behind_them_are_damage() {
    let (_folder, disk, boundaries) = every_kind(1).await;
    let path = &chunk_files(&disk)[0];
    let good = fs::read(path).unwrap();
    let [.., before, last, _] = boundaries[..] else { panic!("there are many records") };
    let mut wiped = good.clone();
    wiped[before as usize..last as usize].fill(0);
    let mut half = good.clone();
    half[last as usize + 6..].fill(0);
    for bytes in [wiped, half] {
        fs::write(path, &bytes).unwrap();
        assert_eq!(look(&disk).unwrap_err().code(), "E-LOG-DAMAGED");
    }
}

#[tokio::test]
async fn a_log_goes_on_after_its_incomplete_record_was_cut_off() {
    let (_original, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..3).map(|index| entry(1, index, 20))).await;
    let (_folder, disk) = crashed(&disk);
    let path = &chunk_files(&disk)[0];
    let length = fs::metadata(path).unwrap().len();
    cut(path, length - 1);
    // Looking changes nothing.
    for _ in 0..2 {
        let found = Log::verify(&disk).unwrap();
        assert_eq!((found.records, found.torn.len()), (3, 1));
    }

    let mut log = open(&disk).unwrap();
    assert_eq!(Log::verify(&disk).unwrap_err().code(), "E-LOG-IN-USE");
    assert_eq!(all(&mut log).await, [entry(1, 0, 20), entry(1, 1, 20)]);
    append(&mut log, [entry(2, 2, 5)]).await;
    drop(log);
    let mut log = open(&disk).unwrap();
    assert_eq!(all(&mut log).await.len(), 3);
}

#[tokio::test]
async fn a_log_of_many_files_is_refused_when_one_is_damaged_or_missing() {
    let (_original, disk) = new_disk();
    let mut log = Log::open_or_create(&disk, settings(600)).unwrap();
    append(&mut log, (0..40).map(|index| entry(1, index, 50))).await;
    log.mark().unwrap();
    let files = chunk_files(&disk).len();
    assert!(files >= 4, "{files} files");

    for at in 0..files {
        let last = at + 1 == files;
        // Gone.
        let (_folder, copy) = crashed(&disk);
        let path = &chunk_files(&copy)[at];
        fs::remove_file(path).unwrap();
        assert_eq!(open(&copy).err().unwrap().code(), "E-LOG-DAMAGED", "file {at} gone");
        // Empty.
        fs::write(path, []).unwrap();
        assert_eq!(open(&copy).err().unwrap().code(), "E-LOG-DAMAGED", "file {at} empty");
        // Under another name.
        let (_folder, copy) = crashed(&disk);
        let path = &chunk_files(&copy)[at];
        fs::rename(path, path.with_extension("bak")).unwrap();
        assert_eq!(open(&copy).err().unwrap().code(), "E-STRANGE-FILE", "file {at} renamed");
        // Cut short. In the last file this is a crash, but for the mark.
        let (_folder, copy) = crashed(&disk);
        let path = &chunk_files(&copy)[at];
        let good = fs::read(path).unwrap();
        for length in (0..good.len()).rev() {
            cut(path, length as u64);
            assert_eq!(look(&copy).is_ok(), last, "file {at} of {length} bytes");
        }
        fs::write(path, &good[..good.len() - 1]).unwrap();
        assert_eq!(open(&copy).err().unwrap().code(), "E-LOG-DAMAGED", "file {at} cut");
        // A changed byte.
        put(path, 0, &good);
        for position in 0..good.len() {
            put(path, position, &[good[position] ^ 0x04]);
            assert_eq!(look(&copy).unwrap_err().code(), "E-LOG-DAMAGED", "{at}: {position}");
            put(path, position, &good[position..=position]);
        }
    }
}

#[tokio::test]
async fn a_new_file_that_was_not_begun_is_removed() {
    let (_original, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..3).map(|index| entry(1, index, 20))).await;
    for (torn, zeros) in [(false, 0), (false, 100), (true, 0), (true, 100)] {
        let (_folder, copy) = crashed(&disk);
        let first = &chunk_files(&copy)[0];
        let length = fs::metadata(first).unwrap().len();
        let next = chunked_wal::Config::chunk_file_name(length.into());
        fs::write(first.with_file_name(next), vec![0; zeros]).unwrap();
        if torn {
            let file = fs::OpenOptions::new().write(true).open(first).unwrap();
            file.set_len(length - 3).unwrap();
        }
        let mut log = open(&copy).unwrap();
        assert_eq!(all(&mut log).await.len(), if torn { 2 } else { 3 });
    }
}

#[tokio::test]
async fn a_file_that_was_begun_has_a_whole_one_before_it() {
    let (_original, disk) = new_disk();
    let mut log = create(&disk);
    append(&mut log, (0..3).map(|index| entry(1, index, 20))).await;
    let (_folder, copy) = crashed(&disk);
    let first = &chunk_files(&copy)[0];
    let good = fs::read(first).unwrap();
    let next = chunked_wal::Config::chunk_file_name((good.len() as u64).into());
    // The first bytes of its first record.
    fs::write(first.with_file_name(next), [0, 0, 0, 5, 1]).unwrap();
    assert_eq!(look(&copy).unwrap().torn.len(), 1);
    fs::write(first, &good[..good.len() - 1]).unwrap();
    assert_eq!(look(&copy).unwrap_err().code(), "E-LOG-DAMAGED");
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_taken_for_a_new_one() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    log.save_vote(&vote(1)).await.unwrap();
    drop(log);
    fs::remove_dir_all(disk.root().join(LOG_FOLDER)).unwrap();
    let error = open(&disk).err().unwrap();
    assert_eq!(error.code(), "E-LOG-DAMAGED");
    assert!(error.to_string().contains("what came after is gone"), "{error}");
}

#[tokio::test]
async fn a_log_without_its_mark_is_refused() {
    let (_folder, disk) = new_disk();
    let mut log = create(&disk);
    log.save_vote(&vote(1)).await.unwrap();
    drop(log);
    fs::remove_file(disk.root().join("log-mark")).unwrap();
    assert_eq!(open(&disk).err().unwrap().code(), "E-LOG-DAMAGED");
    let again = Log::open_or_create(&disk, LogSettings::default());
    assert_eq!(again.err().unwrap().code(), "E-LOG-DAMAGED");
    fs::remove_dir_all(disk.root().join(LOG_FOLDER)).unwrap();
    assert_eq!(open(&disk).err().unwrap().code(), "E-LOG-DAMAGED");
}

#[tokio::test]
async fn a_crash_while_the_first_log_is_made_leaves_a_folder_that_can_be_opened() {
    let (_folder, disk) = new_disk();
    drop(create(&disk));
    fs::remove_file(disk.root().join("log-mark")).unwrap();
    assert_eq!(open(&disk).err().unwrap().code(), "E-LOG-DAMAGED");
    drop(create(&disk));
    fs::remove_file(disk.root().join("log-mark")).unwrap();
    fs::write(&chunk_files(&disk)[0], []).unwrap();
    drop(create(&disk));
    assert!(open(&disk).is_ok());
}

#[tokio::test]
async fn a_log_of_a_newer_program_is_refused_with_words() {
    let (_folder, disk, boundaries) = every_kind(1).await;
    let path = &chunk_files(&disk)[0];
    let mut bytes = fs::read(path).unwrap();
    // The log id of the last record, in a frame of version 2 with a proper check.
    let at = boundaries[boundaries.len() - 2] as usize + 4;
    bytes[at + 1] = 2;
    let check = xxhash_rust::xxh3::xxh3_64(&bytes[at..at + 6]) as u32;
    bytes[at + 6..at + 10].copy_from_slice(&check.to_be_bytes());
    fs::write(path, &bytes).unwrap();
    let error = open(&disk).err().unwrap();
    assert_eq!(error.code(), "E-NEWER-FORMAT");
    assert!(error.to_string().contains("version 2; this one knows version 1"), "{error}");
}
