use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use acd::channel::Channel;
use acd::command::{ClusterCommand, Command};
use acd::config::Priority;
use acd::ids::{AgentId, PrincipalId, QueueId, Seq, SiteId};
use acd::record::{AuditRecord, ContactRecord, Outcome, Record};
use acd::text::Attributes;
use acd::time::Millis;

use super::*;
use crate::seams::RealDisk;

/// The n-th record. Each tenth is of administration.
fn record(n: u64) -> LoggedRecord {
    let record = if n.is_multiple_of(10) {
        Record::Audit(Box::new(AuditRecord {
            at: LogTime(1_000 * n),
            principal: PrincipalId::new("olena").unwrap(),
            request: None,
            reason: None,
            command: Command::Cluster(ClusterCommand::Tick {}),
            refused: None,
            inverse: None,
        }))
    } else {
        Record::Contact(Box::new(contact(n)))
    };
    // Two records an entry.
    LoggedRecord { index: n / 2, ordinal: (n % 2) as u32, stamp: LogTime(1_000 * (n / 2)), record }
}

fn contact(n: u64) -> ContactRecord {
    ContactRecord {
        contact: ContactId::new(&format!("call-{n}")).unwrap(),
        seq: Seq(n),
        channel: Channel::Voice,
        priority: Priority::new(2).unwrap(),
        ingress: PrincipalId::new("sip").unwrap(),
        site: SiteId::new("kyiv").unwrap(),
        queue: QueueId::new(["billing", "sales"][n as usize % 2]).unwrap(),
        agent: n.is_multiple_of(3).then(|| AgentId::new("anna").unwrap()),
        agent_site: None,
        token: None,
        outcome: Outcome::Handled,
        arrived: LogTime(n),
        entered_queue: LogTime(n),
        answered: None,
        closed: LogTime(n),
        talk: Millis(n),
        hold: Millis::ZERO,
        wrap_up: Millis::ZERO,
        transfers: 0,
        failed_offers: 0,
        disposition: None,
        resolved: None,
        recording: None,
        consult_of: None,
        attributes: Attributes::default(),
    }
}

/// The records of a range of the log.
fn of(range: RangeInclusive<u64>) -> Vec<LoggedRecord> {
    (2 * range.start()..2 * (range.end() + 1)).map(record).collect()
}

fn in_memory(folder: &tempfile::TempDir) -> Result<RecordStore, StorageError> {
    let disk = Arc::new(RealDisk::new(folder.path()));
    RecordStore::open(disk, Box::new(MemoryIndex::default()))
}

fn in_files(folder: &tempfile::TempDir) -> RecordStore {
    let index = SledIndex::open(folder.path().join(INDEX_FOLDER)).unwrap();
    let disk = Arc::new(RealDisk::new(folder.path()));
    RecordStore::open(disk, Box::new(index)).unwrap()
}

fn write(store: &RecordStore, range: RangeInclusive<u64>) {
    store.write_segment(range.clone(), of(range)).unwrap();
}

fn segment_files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let disk = RealDisk::new(folder.path());
    let names = disk.list(RECORD_FOLDER).unwrap();
    names.iter().map(|name| folder.path().join(RECORD_FOLDER).join(name)).collect()
}

fn new_folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn query(by: By) -> Query {
    Query { by, from: LogTime(0), to: LogTime(u64::MAX), limit: PAGE_MAX, after: None }
}

fn found(store: &RecordStore, by: By) -> Vec<LoggedRecord> {
    store.find(&query(by)).unwrap().records
}

/// Whether every query answers as if somebody had looked at each of these records.
fn answers_for(store: &RecordStore, records: &[LoggedRecord]) -> bool {
    let is = |wanted: fn(&Record) -> bool, by| {
        let expected: Vec<_> =
            records.iter().filter(|logged| wanted(&logged.record)).cloned().collect();
        found(store, by) == expected
    };
    let queue = |name| By::Queue(QueueId::new(name).unwrap());
    let principal = |name| By::Principal(PrincipalId::new(name).unwrap());
    is(|_| true, By::Time)
        && is(|r| matches!(r, Record::Contact(c) if c.queue.as_str() == "sales"), queue("sales"))
        && is(|r| matches!(r, Record::Contact(c) if c.agent.is_some()), {
            By::Agent(AgentId::new("anna").unwrap())
        })
        && is(|r| matches!(r, Record::Contact(_)), principal("sip"))
        && is(|r| matches!(r, Record::Audit(_)), principal("olena"))
        && is(|_| false, queue("sale"))
        && records.iter().all(|logged| match &logged.record {
            Record::Contact(c) => store.contact(&c.contact).unwrap() == [logged.clone()],
            Record::Audit(_) => true,
        })
}

#[test]
fn records_are_found_by_time_contact_queue_agent_and_principal() {
    let folder = new_folder();
    for store in [in_memory(&folder).unwrap(), in_files(&new_folder())] {
        write(&store, 0..=9);
        write(&store, 10..=24);
        assert!(answers_for(&store, &of(0..=24)));
        assert_eq!(store.covered_to(), Some(24));
    }
    // And again after a restart, from the files alone.
    assert!(answers_for(&in_memory(&folder).unwrap(), &of(0..=24)));
    assert!(answers_for(&in_files(&folder), &of(0..=24)));
}

#[test]
fn pages_follow_each_other_without_a_gap_or_a_repeat() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    write(&store, 0..=24);
    for limit in [1, 7, 50, 51] {
        let mut query = Query { limit, ..query(By::Time) };
        let mut records = Vec::new();
        loop {
            let page = store.find(&query).unwrap();
            assert!(page.records.len() <= limit);
            records.extend(page.records);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(records, of(0..=24), "{limit} a page");
    }
}

#[test]
fn a_time_range_includes_its_start_and_not_its_end() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    write(&store, 0..=24);
    let query = Query { from: LogTime(3_000), to: LogTime(5_000), ..query(By::Time) };
    assert_eq!(store.find(&query).unwrap().records, of(3..=4));
}

#[test]
fn a_cursor_that_no_page_gave_out_is_refused() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    for cursor in ["", "zz", "дзвінок", &"g".repeat(40)] {
        let query = Query { after: Some(cursor.into()), ..query(By::Time) };
        assert_eq!(store.find(&query).unwrap_err().code(), "E-BAD-CURSOR");
    }
}

#[test]
fn ranges_follow_each_other_or_fill_what_is_missing() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    let refused = |range: RangeInclusive<u64>| {
        let error = store.write_segment(range.clone(), of(range)).unwrap_err();
        assert_eq!(error.code(), "E-SEGMENT-OUT-OF-ORDER");
    };
    // A node that joined by a snapshot at 99.
    store.write_segment(100..=109, vec![]).unwrap();
    refused(111..=120);
    refused(105..=120);
    refused(90..=100);
    write(&store, 110..=119);
    // From its peers.
    write(&store, 0..=49);
    assert_eq!(store.missing(), [50..=99]);
    let error = store.records(40..=60).unwrap_err();
    assert!(matches!(error, StorageError::SegmentMissing { from: 50, to: 60, .. }), "{error}");
    write(&store, 50..=99);
    assert_eq!(store.missing(), []);
    assert_eq!(store.records(40..=60).unwrap(), of(40..=60));
    assert_eq!(store.records(95..=112).unwrap(), [of(95..=99), of(110..=112)].concat());
    assert_eq!(store.records(115..=130).unwrap_err().code(), "E-SEGMENT-MISSING");
    assert_eq!(store.covered_to(), Some(119));
}

#[test]
fn records_of_another_range_or_order_are_refused() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    assert!(store.write_segment(0..=4, of(0..=5)).is_err());
    let mut turned = of(0..=4);
    turned.reverse();
    assert!(store.write_segment(0..=4, turned).is_err());
    assert_eq!(store.covered_to(), None);
}

#[test]
fn old_segments_are_deleted_whole_and_the_newest_stays() {
    for in_memory_too in [true, false] {
        let folder = new_folder();
        let store = if in_memory_too { in_memory(&folder).unwrap() } else { in_files(&folder) };
        write(&store, 0..=9);
        write(&store, 10..=19);
        write(&store, 20..=24);
        assert_eq!(store.delete_before(LogTime(15_000)).unwrap(), 1);
        assert!(answers_for(&store, &of(10..=24)));
        assert_eq!(store.delete_before(LogTime(u64::MAX)).unwrap(), 1);
        assert!(answers_for(&store, &of(20..=24)));
        assert_eq!((store.covered_to(), segment_files(&folder).len()), (Some(24), 1));
        drop(store);
        assert!(answers_for(&in_files(&folder), &of(20..=24)));
    }
}

#[test]
fn a_segment_that_was_not_finished_never_was() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    write(&store, 0..=9);
    let file = &segment_files(&folder)[0];
    fs::copy(file, file.with_extension("seg.tmp")).unwrap();
    assert!(answers_for(&in_memory(&folder).unwrap(), &of(0..=9)));
    assert_eq!(segment_files(&folder).len(), 1);
}

#[test]
fn a_changed_byte_refuses_the_segment_and_not_the_others() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    write(&store, 0..=1);
    write(&store, 2..=3);
    let path = &segment_files(&folder)[0];
    let good = fs::read(path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for at in 0..good.len() {
        file.write_all_at(&[good[at] ^ 0x08], at as u64).unwrap();
        let error = store.records(0..=3).unwrap_err();
        assert_eq!(error.code(), "E-SEGMENT-DAMAGED", "byte {at}");
        assert!(error.to_string().contains("let the node fetch it from a peer"), "{error}");
        assert_eq!(store.records(2..=3).unwrap(), of(2..=3));
        // Never a wrong record, whichever way it is found.
        for n in 0..4 {
            let LoggedRecord { record: Record::Contact(contact), .. } = record(n) else { continue };
            match store.contact(&contact.contact) {
                Ok(found) => assert_eq!(found, [record(n)], "byte {at}"),
                Err(error) => assert_eq!(error.code(), "E-SEGMENT-DAMAGED", "byte {at}"),
            }
        }
        // The node starts, and says what it has.
        let restarted = in_memory(&folder).unwrap();
        assert_eq!(restarted.covered_to(), Some(3));
        assert_eq!(restarted.records(0..=1).unwrap_err().code(), "E-SEGMENT-DAMAGED");
        assert_eq!(found(&restarted, By::Time), of(2..=3), "byte {at}");
        file.write_all_at(&good[at..=at], at as u64).unwrap();
    }
    for length in (0..good.len()).rev() {
        file.set_len(length as u64).unwrap();
        assert_eq!(store.records(0..=1).unwrap_err().code(), "E-SEGMENT-DAMAGED");
    }
}

#[test]
fn a_segment_under_another_ones_name_is_refused() {
    let folder = new_folder();
    let store = in_memory(&folder).unwrap();
    write(&store, 0..=9);
    write(&store, 10..=19);
    let files = segment_files(&folder);
    fs::copy(&files[1], &files[0]).unwrap();
    assert_eq!(store.records(0..=9).unwrap_err().code(), "E-SEGMENT-DAMAGED");
}

// -- The index ------------------------------------------------------------------------------------

fn index_files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.path().join(INDEX_FOLDER)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn indexed() -> tempfile::TempDir {
    let folder = new_folder();
    let store = in_files(&folder);
    write(&store, 0..=9);
    write(&store, 10..=19);
    folder
}

#[test]
fn an_index_that_lost_a_file_is_made_anew() {
    let folder = indexed();
    for at in 0..index_files(&folder).len() {
        let files = index_files(&folder);
        let Some(file) = files.get(at) else { continue };
        fs::remove_file(file).unwrap();
        assert!(answers_for(&in_files(&folder), &of(0..=19)), "without {}", file.display());
    }
    fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    assert!(answers_for(&in_files(&folder), &of(0..=19)));
}

#[test]
fn an_index_with_changed_bytes_is_made_anew_or_still_right() {
    let folder = indexed();
    // Bytes that mean something, spread over each file.
    for file in index_files(&folder) {
        let bytes = fs::read(&file).unwrap();
        let meaning: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for at in meaning.iter().step_by(meaning.len() / 24 + 1) {
            let Ok(open) = fs::OpenOptions::new().read(true).write(true).open(&file) else {
                continue; // Made anew, without this file.
            };
            let mut byte = [0];
            if open.read_at(&mut byte, *at as u64).unwrap() == 1 {
                open.write_all_at(&[byte[0] ^ 0x11], *at as u64).unwrap();
            }
            drop(open);
            let right = answers_for(&in_files(&folder), &of(0..=19));
            assert!(right, "{} byte {at}", file.display());
        }
    }
}

#[test]
fn an_index_in_which_a_pair_is_lost_added_or_changed_is_made_anew() {
    let changes: [fn(&sled::Db, sled::IVec); 3] = [
        |db, key| drop(db.remove(key).unwrap()),
        |db, key| drop(db.insert([&key[..], &[0]].concat(), &[0; 16]).unwrap()),
        |db, key| drop(db.insert(key, &[0; 16]).unwrap()),
    ];
    for change in changes {
        let folder = indexed();
        let db = sled::open(folder.path().join(INDEX_FOLDER)).unwrap();
        let key = db.iter().keys().last().unwrap().unwrap();
        change(&db, key);
        drop(db);
        assert!(answers_for(&in_files(&folder), &of(0..=19)));
    }
}

#[test]
fn an_index_of_half_made_files_is_opened_without_them() {
    let folder = indexed();
    let half_made = folder.path().join(INDEX_FOLDER).join("snap.0000000000000001.generating");
    fs::write(&half_made, b"half").unwrap();
    assert!(answers_for(&in_files(&folder), &of(0..=19)));
}

#[test]
fn an_index_that_knows_too_much_is_made_anew() {
    let folder = indexed();
    // The file of a segment was moved away.
    fs::remove_file(&segment_files(&folder)[1]).unwrap();
    assert!(answers_for(&in_files(&folder), &of(0..=9)));
}

/// An index that fails once when told to.
struct Failing {
    index: MemoryIndex,
    fails: Arc<AtomicBool>,
}

impl Failing {
    fn check(&self) -> Result<(), StorageError> {
        if self.fails.swap(false, Ordering::Relaxed) {
            return Err(StorageError::Index { file: "index".into(), what: "told to".into() });
        }
        Ok(())
    }
}

impl RecordIndex for Failing {
    fn segments(&self) -> Result<Vec<u64>, StorageError> {
        self.index.segments()
    }

    fn add(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        self.check()?;
        self.index.add(segment, pairs)
    }

    fn remove(&self, segment: u64, pairs: &[Pair]) -> Result<(), StorageError> {
        self.check()?;
        self.index.remove(segment, pairs)
    }

    fn scan(&self, after: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.check()?;
        self.index.scan(after, to, limit)
    }

    fn clear(&self) -> Result<(), StorageError> {
        self.index.clear()
    }
}

#[test]
fn an_index_that_fails_at_work_is_made_anew_and_nobody_notices() {
    let folder = new_folder();
    let fails = Arc::new(AtomicBool::new(false));
    let index = Failing { index: MemoryIndex::default(), fails: fails.clone() };
    let disk = Arc::new(RealDisk::new(folder.path()));
    let store = RecordStore::open(disk, Box::new(index)).unwrap();
    write(&store, 0..=9);
    for work in [
        (|store| write(store, 10..=19)) as fn(&RecordStore),
        |store| assert!(answers_for(store, &of(0..=19))),
        |store| assert_eq!(store.delete_before(LogTime(10_000)).unwrap(), 1),
    ] {
        fails.store(true, Ordering::Relaxed);
        work(&store);
        assert!(!fails.load(Ordering::Relaxed));
    }
    assert!(answers_for(&store, &of(10..=19)));
}

#[test]
fn an_index_in_files_finds_what_one_in_memory_finds() {
    let (files, memory) = (new_folder(), new_folder());
    let (in_files, in_memory) = (in_files(&files), in_memory(&memory).unwrap());
    // More records of a queue than one list holds, and a hole that is filled later.
    for range in [200..=299, 300..=301, 302..=450, 0..=99, 100..=199] {
        write(&in_files, range.clone());
        write(&in_memory, range);
    }
    let queue = |name| By::Queue(QueueId::new(name).unwrap());
    let agent = By::Agent(AgentId::new("anna").unwrap());
    let contact = By::Contact(ContactId::new("call-7").unwrap());
    for by in [By::Time, queue("billing"), queue("sales"), queue("bill"), agent, contact] {
        for (from, to) in [(0, u64::MAX), (64_000, 64_001), (99_999, 300_500), (451_000, 500_000)] {
            for limit in [1, 63, 64, 65, PAGE_MAX] {
                let (from, to) = (LogTime(from), LogTime(to));
                let mut query = Query { by: by.clone(), from, to, limit, after: None };
                loop {
                    let page = in_files.find(&query).unwrap();
                    assert_eq!(page, in_memory.find(&query).unwrap(), "{query:?}");
                    let Some(next) = page.next else { break };
                    query.after = Some(next);
                }
            }
        }
    }
    in_files.delete_before(LogTime(300_000)).unwrap();
    in_memory.delete_before(LogTime(300_000)).unwrap();
    assert_eq!(found(&in_files, queue("sales")), found(&in_memory, queue("sales")));
    drop(in_files);
    assert_eq!(found(&self::in_files(&files), By::Time), found(&in_memory, By::Time));
}
