use alloc::{boxed::Box, string::String, string::ToString, vec, vec::Vec};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use proto::stored::v1;

use super::samples::{self, VARIANTS, variant};
use super::version::Readers;
use super::*;
use crate::record::{AuditRecord, Outcome, Record};

#[test]
fn a_record_of_a_contact_comes_back_as_it_was() {
    for record in samples::contact_records() {
        let record = Record::Contact(Box::new(record));
        assert_eq!(decode_record(encode_record(&record).into()), Ok(record));
    }
}

#[test]
fn a_contact_that_ended_in_any_way_has_a_record() {
    const OUTCOMES: [Outcome; 11] = [
        Outcome::Handled,
        Outcome::Abandoned,
        Outcome::WaitedTooLong,
        Outcome::TurnedAwayClosed,
        Outcome::TurnedAwayFull,
        Outcome::Flushed,
        Outcome::LostIngress,
        Outcome::Orphaned,
        Outcome::Removed,
        Outcome::ConsultOver,
        Outcome::Cut,
    ];
    for outcome in OUTCOMES {
        let mut contact = samples::contact_records().remove(0);
        contact.outcome = outcome;
        let record = Record::Contact(Box::new(contact));
        assert_eq!(decode_record(encode_record(&record).into()), Ok(record));
    }
}

#[test]
fn every_command_comes_back_from_the_audit_trail_with_its_inverse() {
    let records = samples::audit_records();
    let seen: Vec<_> = records.iter().map(|record| variant(&record.command)).collect();
    assert!(VARIANTS.iter().all(|variant| seen.contains(variant)));
    for record in records {
        let record = Record::Audit(Box::new(record));
        assert_eq!(decode_record(encode_record(&record).into()), Ok(record));
    }
}

#[test]
fn a_refusal_in_the_audit_trail_keeps_its_code_and_its_words() {
    let refused = Rejection::NotInitialised;
    let audit =
        AuditRecord { refused: Some(refused.clone()), ..samples::audit_records().remove(0) };
    let bytes = encode_record(&Record::Audit(Box::new(audit)));
    let Ok(Record::Audit(audit)) = decode_record(bytes.clone().into()) else {
        panic!("an audit record");
    };
    let read = audit.refused.clone().expect("it was refused");
    assert_eq!((read.code(), read.to_string()), (refused.code(), refused.to_string()));
    assert_eq!(encode_record(&Record::Audit(audit)), bytes);
}

/// Such bytes are on people's disks. If this test fails, the change needs a
/// new format version, not a new constant.
#[test]
fn the_bytes_of_a_record_do_not_change() {
    let record = Record::Contact(Box::new(samples::contact_records().remove(1)));
    let bytes = encode_record(&record);
    let hex: String = bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    assert_eq!(hex, ABANDONED);
}

#[rustfmt::skip] // one field a line
const ABANDONED: &str = concat!(
    "0801",                                               // format_version
    "1266",                                               // contact:
        "0a0d", "43616c6c3a3140656467657e37",             //   contact
        "10c801",                                         //   seq
        "1801",                                           //   channel
        "2002",                                           //   priority
        "2a0a", "7369702d656467652e31",                   //   ingress
        "3204", "6b796976",                               //   site
        "3a07", "62696c6c696e67",                         //   queue
        "5802",                                           //   outcome
        "60fbc8e2e1c133",                                 //   arrived_ms
        "68fbc8e2e1c133",                                 //   entered_queue_ms
        "78fbc8e2e1c133",                                 //   closed_ms
        "ca011b", "0a120a046e616d65120ad09ed0bbd0b5d0bdd0b00a050a03766970", // attributes
);

#[test]
fn a_record_that_lacks_a_part_is_refused_by_the_name_of_the_part() {
    let audit = |change: fn(&mut v1::AuditRecord)| {
        let mut stored: v1::AuditRecord = samples::audit_records().remove(0).to_stored();
        change(&mut stored);
        let record = v1::record::Record::Audit(stored);
        decode_record(v1::Record { format_version: 1, record: Some(record) }.encode_to_vec().into())
    };
    let refused = [
        (
            decode_record(v1::Record { format_version: 1, record: None }.encode_to_vec().into()),
            "malformed: Record.record is missing or unknown to this version",
        ),
        (decode_record(Bytes::from_static(&[0xff])), "malformed: not a Record message"),
        (audit(|audit| audit.command = None), "malformed: AuditRecord.command is missing"),
        (
            audit(|audit| audit.inverse = Some(v1::AnyCommand::default())),
            "malformed: AnyCommand.command is missing or unknown to this version",
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_record_of_a_newer_version_is_refused_by_its_version() {
    // A version in which field 2 is a number.
    let newer = Bytes::from_static(&[0x08, 0x02, 0x10, 0x01]);
    assert_eq!(
        decode_record(newer).unwrap_err().to_string(),
        "malformed: the record is of format version 2; this program knows version 1"
    );
}

// -- The version before -------------------------------------------------------------------------

/// A program one version on: it reads what this one writes, and its own format, in which the
/// stamp is in seconds.
const NEXT_ENTRY_READERS: Readers<StoredEntry> =
    Readers { what: "entry", readers: &[(1, decode_entry_1), (2, decode_entry_2)] };

fn decode_entry_2(bytes: Bytes) -> Result<StoredEntry, Rejection> {
    let mut entry = decode_entry_1(bytes)?;
    entry.stamp.0 *= 1_000;
    Ok(entry)
}

#[test]
fn an_entry_of_the_version_before_is_still_read() {
    let read = |bytes: &Bytes| {
        let version = v1::EntryVersion::decode(&**bytes).unwrap().format_version;
        NEXT_ENTRY_READERS.read(version, bytes.clone())
    };
    let entry = |stamp| StoredEntry { stamp: LogTime(stamp), submissions: vec![] };

    let of_this_version = Bytes::from(encode_entry(LogTime(7_000), Vec::<Bytes>::new()));
    assert_eq!(read(&of_this_version), Ok(entry(7_000)));
    let next = v1::Entry { format_version: 2, stamp_ms: 7, submissions: vec![] };
    assert_eq!(read(&next.encode_to_vec().into()), Ok(entry(7_000)));

    let last = v1::Entry { format_version: 3, stamp_ms: 7, submissions: vec![] };
    assert_eq!(
        read(&last.encode_to_vec().into()).unwrap_err().to_string(),
        "malformed: the entry is of format version 3; this program knows versions 1 to 2"
    );
}

#[test]
fn a_program_reads_its_own_version_and_at_most_the_one_before() {
    fn versions<T>(readers: &Readers<T>) -> Vec<u32> {
        readers.readers.iter().map(|(version, _)| *version).collect()
    }
    let before = FORMAT_VERSION.saturating_sub(1).max(1);
    let expected: Vec<u32> = (before..=FORMAT_VERSION).collect();
    assert_eq!(versions(&ENTRY_READERS), expected);
    assert_eq!(versions(&record::RECORD_READERS), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn damaged_records_are_refused_or_sound(
        sample in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let contacts = samples::contact_records().into_iter();
        let contacts = contacts.map(|contact| Record::Contact(Box::new(contact)));
        let audits = samples::audit_records().into_iter();
        let audits = audits.map(|audit| Record::Audit(Box::new(audit)));
        let records: Vec<Record> = contacts.chain(audits).collect();
        let mut bytes = encode_record(sample.get(&records));
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(record) = decode_record(bytes.into()) {
            prop_assert_eq!(decode_record(encode_record(&record).into()), Ok(record));
        }
    }
}
