use alloc::{format, string::String, string::ToString, vec, vec::Vec};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use proto::stored::v1;

use super::samples::{self, VARIANTS, variant};
use super::*;

#[test]
fn every_command_comes_back_as_it_was() {
    for submission in samples::submissions() {
        let bytes = encode_submission(&submission);
        assert_eq!(decode_submission(&bytes), Ok(submission));
    }
}

#[test]
fn every_command_comes_back_from_its_message() {
    for Submission { command, .. } in samples::submissions() {
        assert_eq!(command_from_stored(command_to_stored(&command)), Ok(command));
    }
    assert!(command_from_stored(v1::AnyCommand { command: None }).is_err());
}

#[test]
fn every_command_has_a_sample() {
    let samples: Vec<_> = samples::submissions().iter().map(|s| variant(&s.command)).collect();
    for variant in VARIANTS {
        assert!(samples.contains(variant), "{variant} has no sample");
    }
}

#[test]
fn an_entry_comes_back_as_it_was() {
    let submissions: Vec<Bytes> =
        samples::submissions().iter().map(|s| Bytes::from(encode_submission(s))).collect();
    let bytes = Bytes::from(encode_entry(LogTime(limits::STAMP_MAX), submissions.clone()));
    let entry = StoredEntry { stamp: LogTime(limits::STAMP_MAX), submissions };
    assert_eq!(decode_entry(bytes), Ok(entry));

    let nothing = decode_entry(encode_entry(LogTime(0), Vec::<Bytes>::new()).into());
    assert_eq!(nothing, Ok(StoredEntry { stamp: LogTime(0), submissions: vec![] }));
}

/// Such bytes are on people's disks. If this test fails, the change needs a
/// new format version, not a new constant.
#[test]
fn the_bytes_of_an_enqueue_do_not_change() {
    let bytes = encode_submission(&samples::enqueue());
    assert_eq!(hex(&bytes), ENQUEUE);
}

#[rustfmt::skip] // one field a line
const ENQUEUE: &str = concat!(
    "0a0a", "7369702d656467652e31",                                   // principal
    "1219", "0a10fffffffffffffffffffffffffffffff8", "10fbc8e2e1c133", // request: id, issued_at_ms
    "1a21", "d0a0d0b0d185d183d0bdd0bad0b82c20",
            "332dd0b920d0bfd0bed0b2d0b5d180d185",                     // reason
    "2a69", "0a67",                                                   // contact command, enqueue:
        "0a0d", "43616c6c3a3140656467657e37",                         //   contact
        "1207", "62696c6c696e67",                                     //   queue
        "1805",                                                       //   channel
        "2002",                                                       //   priority
        "2a04", "6b796976",                                           //   site
        "320b", "0a07656e676c6973681007",                             //   requirements
        "320a", "0a0673746f636b731001",
        "3a04", "616e6e61",                                           //   preferred
        "4000",                                                       //   preferred_wait_ms
        "48fbc8e2e1c133",                                             //   not_before_ms
        "521b", "0a120a046e616d65120ad09ed0bbd0b5d0bdd0b0",           //   attributes
                "0a050a03766970",
    "5029",                                                           // session
);

#[test]
fn the_bytes_of_an_entry_do_not_change() {
    let bytes = encode_entry(LogTime(1_770_000_000_123), [vec![1, 2], vec![]]);
    assert_eq!(hex(&bytes), "080110fbc8e2e1c1331a0201021a00");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// -- Refusals -----------------------------------------------------------------------------------

/// What is said of a submission that is right but for this change of its stored form.
fn refusal(sample: &str, change: impl Fn(&mut v1::Submission)) -> String {
    let of_variant = |s: &Submission| variant(&s.command) == sample;
    let submission = samples::submissions().into_iter().find(of_variant).unwrap();
    let mut stored: v1::Submission = submission.to_stored();
    change(&mut stored);
    decode_submission(&stored.encode_to_vec()).unwrap_err().to_string()
}

/// A change inside one command of one group.
macro_rules! within {
    ($group:ident, $module:ident, $variant:ident, $command:ident => $change:expr) => {
        refusal(concat!(stringify!($group), "::", stringify!($variant)), |submission| {
            let Some(v1::submission::Command::$group(group)) = &mut submission.command else {
                unreachable!("the sample is of this group")
            };
            let Some(v1::$module::Command::$variant($command)) = &mut group.command else {
                unreachable!("the sample is of this variant")
            };
            $change;
        })
    };
}

macro_rules! enqueue {
    ($enqueue:ident => $change:expr) => {
        within!(Contact, contact_command, Enqueue, $enqueue => $change)
    };
}

macro_rules! put_queue {
    ($queue:ident => $change:expr) => {
        within!(Config, config_command, PutQueue, command => {
            let $queue = command.config.as_mut().unwrap();
            $change
        })
    };
}

#[test]
fn a_missing_part_is_named() {
    let missing = [
        (
            refusal("Contact::Enqueue", |s| s.command = None),
            "malformed: Submission.command is missing or unknown to this version",
        ),
        (
            refusal("Site::Put", |s| {
                s.command = Some(v1::submission::Command::Site(v1::SiteCommand { command: None }));
            }),
            "malformed: SiteCommand.command is missing or unknown to this version",
        ),
        (enqueue!(e => e.channel = 0), "malformed: Enqueue.channel is missing"),
        (put_queue!(q => q.target = None), "malformed: QueueConfig.target is missing"),
        (put_queue!(q => q.strategy = 0), "malformed: QueueConfig.strategy is missing"),
        (put_queue!(q => q.overflow = None), "malformed: QueueConfig.overflow is missing"),
        (
            put_queue!(q => q.overflow = Some(v1::Overflow::default())),
            "malformed: Overflow.outcome is missing or unknown to this version",
        ),
        (
            put_queue!(q => q.site_policy = Some(v1::SitePolicy::default())),
            "malformed: SitePolicy.policy is missing or unknown to this version",
        ),
        (
            put_queue!(q => q.head_starts[0].head_start = None),
            "malformed: PriorityHeadStart.head_start is missing or unknown to this version",
        ),
        (
            within!(Site, site_command, Put, put => put.config.as_mut().unwrap().return_mode = None),
            "malformed: SiteConfig.return_mode is missing",
        ),
        (
            within!(Config, config_command, PutAgent, put => put.config = None),
            "malformed: PutAgent.config is missing",
        ),
        (
            within!(Work, work_command, Transfer, transfer => transfer.to = None),
            "malformed: Transfer.to is missing",
        ),
        (
            within!(Agent, agent_command, OpenMedium, open => open.medium = 0),
            "malformed: OpenMedium.medium is missing",
        ),
    ];
    for (said, expected) in missing {
        assert_eq!(said, expected);
    }
}

#[test]
fn what_is_no_id_text_or_word_is_refused() {
    let refused = [
        (refusal("Site::Put", |s| s.principal = "Bob".into()), "\"Bob\" is not a principal id"),
        (
            refusal("Site::Put", |s| s.request.as_mut().unwrap().id = vec![7; 15].into()),
            "malformed: Request.id has 15 bytes, must have 16",
        ),
        (
            refusal("Site::Put", |s| s.reason = Some(String::new())),
            "text must have 1 to 200 bytes and no control characters: \"\"",
        ),
        (enqueue!(e => e.contact = "a b".into()), "\"a b\" is not a contact id"),
        (enqueue!(e => e.queue.clear()), "\"\" is not a queue id"),
        (enqueue!(e => e.site = Some("Київ".into())), "\"????\" is not a site id"),
        (
            enqueue!(e => e.attributes = vec![0xff].into()),
            "attributes refused: not an encoded Attributes message",
        ),
        (
            enqueue!(e => e.channel = 6),
            "malformed: Enqueue.channel is 6, which is unknown to this version",
        ),
        (
            put_queue!(q => q.channels.push(-1)),
            "malformed: QueueConfig.channels is -1, which is unknown to this version",
        ),
        (
            within!(Config, config_command, PutPrincipal, put => put.roles.push(0)),
            "malformed: PutPrincipal.roles is missing",
        ),
        (
            within!(Cluster, cluster_command, Checkpoint, c => c.votes[0].hash = Bytes::new()),
            "malformed: CheckpointVote.hash has 0 bytes, must have 16",
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_number_out_of_its_bounds_is_refused() {
    let refused = [
        (enqueue!(e => e.priority = 10), "priority is 10, must be 0 to 9"),
        (enqueue!(e => e.requirements[0].level = 0), "skill level is 0, must be 1 to 10"),
        (
            enqueue!(e => e.not_before_ms = Some(limits::STAMP_MAX + 1)),
            "Enqueue.not_before_ms is 32472144000001, must be 0 to 32472144000000",
        ),
        (
            enqueue!(e => e.preferred_wait_ms = Some(u64::MAX)),
            "duration in ms is 18446744073709551615, must be 0 to 34560000000",
        ),
        (
            within!(Cluster, cluster_command, TermStarted, t => t.gap_ms = u64::MAX),
            "TermStarted.gap_ms is 18446744073709551615, must be 0 to 32472144000000",
        ),
        (
            within!(Contact, contact_command, RecordCsat, csat => csat.score = 101),
            "RecordCsat.score is 101, must be 0 to 100",
        ),
        (
            put_queue!(q => q.target.as_mut().unwrap().percent = 256),
            "ServiceTarget.percent is 256, must be 0 to 255",
        ),
        (
            within!(Config, config_command, PutAgent, put => {
                let config = put.config.as_mut().unwrap();
                config.capacity.as_mut().unwrap().chat.as_mut().unwrap().max = 21;
            }),
            "capacity is 21, must be 0 to 20",
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_list_that_is_too_long_or_names_a_thing_twice_is_refused() {
    let refused = [
        (
            enqueue!(e => e.requirements.push(e.requirements[0].clone())),
            "skill english is named twice",
        ),
        (
            within!(Contact, contact_command, Reattach, reattach => {
                reattach.contacts = vec![reattach.contacts[0].clone(); 1_001];
            }),
            "no more than 1000 contacts in a re-attachment",
        ),
        (
            within!(Cluster, cluster_command, Checkpoint, checkpoint => {
                checkpoint.votes = vec![checkpoint.votes[0].clone(); 17];
            }),
            "no more than 16 votes in a checkpoint",
        ),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
}

#[test]
fn required_skills_come_out_in_their_one_order() {
    let submission = samples::enqueue();
    let mut stored: v1::Submission = submission.to_stored();
    let Some(v1::submission::Command::Contact(group)) = &mut stored.command else {
        unreachable!("an enqueue is of this group")
    };
    let Some(v1::contact_command::Command::Enqueue(enqueue)) = &mut group.command else {
        unreachable!("it is an enqueue")
    };
    enqueue.requirements.reverse();
    assert_eq!(decode_submission(&stored.encode_to_vec()), Ok(submission));
}

#[test]
fn a_medium_that_is_left_out_of_the_capacity_has_none() {
    let mut stored: v1::Capacity = crate::config::Capacity::default().to_stored();
    stored.message = None;
    let capacity = crate::config::Capacity::from_stored(stored, "capacity").unwrap();
    assert_eq!(capacity.max, [1, 3, 5, 0]);
}

#[test]
fn an_entry_of_another_version_is_refused_by_its_version() {
    let entry = |format_version, stamp_ms, count| {
        let submissions = vec![Bytes::new(); count];
        let bytes = v1::Entry { format_version, stamp_ms, submissions }.encode_to_vec();
        decode_entry(bytes.into())
    };
    let said = |result: Result<StoredEntry, Rejection>| result.unwrap_err().to_string();
    let version = "malformed: the entry is of format version";
    assert_eq!(said(entry(2, 1, 1)), format!("{version} 2; this program knows version 1"));
    assert_eq!(said(entry(0, 1, 1)), format!("{version} 0; this program knows version 1"));
    // A later version in which field 2 is text.
    let later = Bytes::from_static(&[0x08, 0x02, 0x12, 0x01, b'x']);
    assert_eq!(said(decode_entry(later)), format!("{version} 2; this program knows version 1"));

    assert_eq!(said(decode_entry(Bytes::from_static(&[0xff]))), "malformed: not an Entry message");
    assert_eq!(
        said(entry(1, limits::STAMP_MAX + 1, 0)),
        "Entry.stamp_ms is 32472144000001, must be 0 to 32472144000000"
    );
    assert!(entry(1, 1, limits::COMMANDS_PER_ENTRY_MAX).is_ok());
    assert_eq!(
        said(entry(1, 1, limits::COMMANDS_PER_ENTRY_MAX + 1)),
        "no more than 10000 commands in an entry"
    );
}

#[test]
fn one_broken_submission_leaves_the_others_readable() {
    let good = encode_submission(&samples::enqueue());
    let entry = encode_entry(LogTime(1), [vec![0xff], good]);
    let entry = decode_entry(entry.into()).unwrap();
    let not_a_submission = Rejection::Malformed { what: "not a Submission message".into() };
    assert_eq!(decode_submission(&entry.submissions[0]), Err(not_a_submission));
    assert_eq!(decode_submission(&entry.submissions[1]), Ok(samples::enqueue()));
}

// -- Whatever the bytes -------------------------------------------------------------------------

/// Refused, or a submission that is as good as any: it can be encoded and comes back.
fn refused_or_sound(bytes: &[u8]) {
    if let Ok(submission) = decode_submission(bytes) {
        let again = decode_submission(&encode_submission(&submission));
        assert_eq!(again, Ok(submission));
    }
    if let Ok(entry) = decode_entry(Bytes::copy_from_slice(bytes)) {
        let again = encode_entry(entry.stamp, entry.submissions.clone());
        assert_eq!(decode_entry(again.into()), Ok(entry));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes_are_refused_or_sound(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        refused_or_sound(&bytes);
    }

    #[test]
    fn damaged_commands_are_refused_or_sound(
        sample in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let samples = samples::submissions();
        let mut bytes = encode_submission(sample.get(&samples));
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut cut_short = bytes[..cut.index(bytes.len() + 1)].to_vec();
        cut_short.extend_from_slice(&tail);
        bytes.extend_from_slice(&tail);
        for damaged in [bytes, cut_short] {
            refused_or_sound(&damaged);
            refused_or_sound(&encode_entry(LogTime(1), [damaged]));
        }
    }
}
