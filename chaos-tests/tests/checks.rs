//! Each check on a history in which nothing is wrong, and on the same history with what a fault
//! would have left in it.

mod story;

use acd::command::{AgentCommand, ConfigCommand, ContactCommand, WorkCommand};
use acd::event::{ContactEvent, Event, OfferEnd};
use acd::ids::{Seq, SkillId};
use acd::record::Record;
use acd::reply::Reply;
use acd::time::LogTime;
use chaos_tests::checks::{Invariant, Verdict};
use chaos_tests::history::{
    FinalNode, FinalRecords, History, Outcome, Place, ReplicaAct, Told, Watched,
};
use chaos_tests::report::Report;
use node::storage::records::LoggedRecord;
use story::{
    Story, agent, assert_bad, assert_good, change, contact, label, offer_in, request, verdict,
};

const BOTH: [u64; 2] = [1, 2];

/// A call that is put in, answered and completed.
fn served() -> (Story, u64) {
    let mut story = Story::new();
    story.ready("ada");
    story.call("c-1");
    let offered = story.index;
    let (contact, token) = (contact("c-1"), story.token("c-1"));
    story.must("ada", WorkCommand::Accept { contact: contact.clone(), token });
    story.must("edge", ContactCommand::Bridged { contact: contact.clone(), token });
    story.pass(1_000);
    let complete = WorkCommand::Complete { contact, token, disposition: None, resolved: None };
    story.must("ada", complete);
    (story, offered)
}

#[test]
fn a_served_call_breaks_nothing() {
    let history = served().0.end();
    assert_good(&history);
    let verdicts = chaos_tests::checks::judge(&history, Default::default());
    let report = Report::new(7, 1, Default::default(), &history, &verdicts);
    let json = serde_json::to_value(&report).expect("it is plain data");
    assert_eq!(json["seed"], 7);
    assert_eq!(json["invariants"]["I5"], "true");
    assert_eq!(json["history_hash"].as_str().map(str::len), Some(32));
}

#[test]
fn nothing_at_all_is_unknown_and_fails() {
    let history = History::default();
    for invariant in Invariant::ALL {
        assert!(matches!(verdict(&history, invariant), Verdict::Unknown { .. }));
    }
}

#[test]
fn a_contact_that_a_replica_lost_or_invented_is_noticed() {
    let mut history = served().0.end();
    let ending = history.ending.as_mut().expect("it ended");
    ending.nodes[1].contacts.insert(contact("c-2"), Place::Queued);
    assert_bad(&history, Invariant::I1);

    let mut story = Story::new();
    story.call("c-1");
    let entered = story.index;
    let mut history = story.end();
    change(&mut history, entered, &BOTH, |entry| entry.events.clear());
    assert_bad(&history, Invariant::I1);
}

#[test]
fn a_second_offer_while_one_is_live_is_noticed() {
    let (mut story, offered) = served();
    story.tick();
    let after = offered + 1;
    let mut history = story.end();
    let mut second = None;
    change(&mut history, offered, &BOTH[..1], |entry| {
        offer_in(entry, "c-1");
    });
    if let ReplicaAct::Applied(entry) = &history.runs[0].acts[offered as usize - 1] {
        second = entry.events.iter().find(|e| is_offer(e)).cloned();
    }
    let second = second.expect("it was offered");
    change(&mut history, after, &BOTH, |entry| entry.events.insert(0, second.clone()));
    assert_bad(&history, Invariant::I2);
    // The one voice slot is taken, by the contact itself.
    assert_bad(&history, Invariant::I3);
}

fn is_offer(event: &Event) -> bool {
    matches!(event, Event::Contact { what: ContactEvent::Offered { .. }, .. })
}

/// Two callers wait; the first had an offer and lost it with the agent's session.
fn returned_to_its_place() -> (Story, u64) {
    let mut story = Story::new();
    let epoch = story.ready("ada");
    story.call("c-1");
    story.pass(500);
    story.call("c-2");
    story.must("node-1", AgentCommand::SessionLost { agent: agent("ada"), epoch });
    story.pass(500);
    story.ready("bo");
    let offered = story.index;
    (story, offered)
}

#[test]
fn a_contact_that_lost_its_place_when_it_returned_is_noticed() {
    let (story, offered) = returned_to_its_place();
    let mut history = story.end();
    assert_good(&history);
    // With its arrival reset the first is behind the second.
    change(&mut history, offered, &BOTH, |entry| {
        if let Event::Contact { contact: id, .. } = offer_in(entry, "c-1") {
            *id = contact("c-2");
        }
    });
    assert_bad(&history, Invariant::I4);
}

#[test]
fn a_place_that_changes_without_a_step_is_noticed() {
    let (story, offered) = returned_to_its_place();
    let mut history = story.end();
    change(&mut history, offered, &BOTH, |entry| {
        let what = ContactEvent::PlaceChanged { from: 0, to: 1, step: 0 };
        entry.events.insert(0, Event::Contact { contact: contact("c-1"), what });
    });
    assert_bad(&history, Invariant::I4);
}

#[test]
fn an_answer_before_the_entry_is_safe_is_noticed() {
    // The power fails after the answer: the entry is gone, and the next one takes its index.
    let mut history = served().0.end();
    let last = history.operations.len() - 1;
    history.operations.remove(last);
    for run in &mut history.runs {
        run.acts.retain(|act| !matches!(act, ReplicaAct::Applied(e) if e.index == 5));
    }
    assert_bad(&history, Invariant::I5);

    // The same at the end of the log.
    let (story, _) = served();
    let mut history = story.end();
    let ending = history.ending.as_mut().expect("it ended");
    for node in &mut ending.nodes {
        node.applied -= 1;
    }
    assert_bad(&history, Invariant::I5);
}

#[test]
fn two_leaders_of_one_term_are_noticed() {
    // A vote that was forgotten was given twice: two entries at one index, both acknowledged.
    let mut history = served().0.end();
    change(&mut history, 6, &[2], |entry| entry.stamp = LogTime(entry.stamp.0 + 1));
    assert_bad(&history, Invariant::I5);

    // Or one of them is only ever seen by its leader, before a restart.
    let mut history = served().0.end();
    history.runs[1].acts.remove(5);
    assert_bad(&history, Invariant::I5);
}

/// A contact is put in and leaves; after a restart its front end repeats itself. A request too.
fn repeated_after_a_restart() -> (Story, u64, u64) {
    let mut story = Story::new();
    story.call("c-1");
    story.must("edge", ContactCommand::HangUp { contact: contact("c-1") });
    let skill = SkillId::new("polish").expect("a slug");
    let expected = Some(acd::ids::Revision(0));
    let command = ConfigCommand::PutSkill { skill, name: label("Polish"), expected };
    let submission = request(&story, 1, command);
    story.ask(submission.clone()).expect("it is carried out");
    story.restart();
    story.call("c-1");
    let repeated = story.index;
    story.ask(submission).expect("it gets the first answer");
    let asked_again = story.index;
    (story, repeated, asked_again)
}

#[test]
fn what_is_forgotten_in_a_snapshot_is_noticed() {
    let (story, repeated, asked_again) = repeated_after_a_restart();
    let history = story.end();
    assert_good(&history);

    let mut forgotten = history.clone();
    change(&mut forgotten, repeated, &BOTH, |entry| {
        entry.answers = vec![Ok(Reply::Enqueued { seq: Seq(99), arrived: entry.stamp })];
    });
    assert_bad(&forgotten, Invariant::I6);

    let mut invented = history.clone();
    let entered = enqueued(&history);
    change(&mut invented, repeated, &BOTH, |entry| entry.events.push(entered.clone()));
    assert_bad(&invented, Invariant::I1);

    let mut refused = history.clone();
    change(&mut refused, asked_again, &BOTH, |entry| {
        let revision = acd::ids::Revision(0);
        let (id, actual) = ("polish".to_owned(), acd::ids::Revision(1));
        let stale = acd::rejection::Rejection::StaleRevision { id, expected: revision, actual };
        entry.answers = vec![Err(stale)];
    });
    assert_bad(&refused, Invariant::I6);

    let mut other_state = history;
    for run in &mut other_state.runs {
        if let Some(ReplicaAct::Restored { hash, .. }) = run.acts.first_mut() {
            *hash ^= 1;
        }
    }
    assert_bad(&other_state, Invariant::I9);
}

fn enqueued(history: &History) -> Event {
    let acts = history.runs.iter().flat_map(|run| &run.acts);
    let mut events = acts.filter_map(|act| match act {
        ReplicaAct::Applied(entry) => Some(&entry.events),
        ReplicaAct::Restored { .. } => None,
    });
    let is_it = |event: &&Event| {
        matches!(event, Event::Contact { what: ContactEvent::Enqueued { .. }, .. })
    };
    events.find_map(|events| events.iter().find(is_it)).cloned().expect("something came in")
}

#[test]
fn watches_that_miss_repeat_or_split_are_noticed() {
    let history = served().0.end();
    let edited = |edit: &dyn Fn(&mut Watched)| {
        let mut history = history.clone();
        edit(history.watches.get_mut("board").expect("somebody watched"));
        assert_bad(&history, Invariant::I7);
    };
    edited(&|told| {
        told.remove(6);
    });
    edited(&|told| told.insert(6, told[5].clone()));
    edited(&|told| told.swap(5, 6));
    edited(&|told| {
        if let Told::Entry { events, .. } = &mut told[6].1 {
            std::sync::Arc::make_mut(events).pop();
        }
    });
    let mut compacted = history.clone();
    let told = compacted.watches.get_mut("board").expect("somebody watched");
    told.truncate(6);
    told.push((0, Told::Compacted));
    told.push((0, Told::Closed));
    assert_eq!(verdict(&compacted, Invariant::I7), Verdict::True);
}

#[test]
fn a_watch_that_is_forgotten_is_noticed() {
    let history = served().0.end();
    let ended = |how: Option<Told>| {
        let mut history = history.clone();
        let told = history.watches.get_mut("board").expect("somebody watched");
        told.truncate(6);
        told.extend(how.map(|how| (0, how)));
        history
    };
    assert_bad(&ended(None), Invariant::I7);
    // Nobody came back to it, or nobody answered who asked again.
    assert_bad(&ended(Some(Told::Ended)), Invariant::I7);
    assert_bad(&ended(Some(Told::Compacted)), Invariant::I7);
    assert_bad(&ended(Some(Told::Asked { node: 1, from: None })), Invariant::I7);
    assert_eq!(verdict(&ended(Some(Told::Closed)), Invariant::I7), Verdict::True);
}

/// What the log of a history is to be remembered by, as each node has it on its disk.
fn with_records(mut history: History) -> History {
    let mut records = Vec::new();
    for act in &history.runs[0].acts {
        let ReplicaAct::Applied(entry) = act else { continue };
        let of = |event: &Event| match event {
            Event::Contact { what: ContactEvent::Closed(record), .. } => {
                Some(Record::Contact(record.clone()))
            }
            Event::Audit(record) => Some(Record::Audit(record.clone())),
            _ => None,
        };
        let made = (0..).zip(entry.events.iter().filter_map(of));
        records.extend(made.map(|(ordinal, record)| LoggedRecord {
            index: entry.index,
            ordinal,
            stamp: entry.stamp,
            record,
        }));
    }
    let last = records.last().expect("something was to be remembered").index;
    for node in &mut history.ending.as_mut().expect("it ended").nodes {
        node.purged = Some(last - 1);
        let covered_to = Some(last);
        let records = records.clone();
        node.records = Some(FinalRecords { covered_to, records, ..Default::default() });
    }
    history
}

/// A history in which one node's records were changed.
fn with_other_records(change: impl Fn(&mut FinalNode, &mut FinalRecords)) -> History {
    let mut history = with_records(served().0.end());
    let node = &mut history.ending.as_mut().expect("it ended").nodes[1];
    let mut records = node.records.take().expect("it has records");
    change(node, &mut records);
    node.records = Some(records);
    history
}

#[test]
fn records_that_are_lost_repeated_changed_or_invented_are_noticed() {
    assert_good(&with_records(served().0.end()));
    let edited = |edit: &dyn Fn(&mut Vec<LoggedRecord>)| {
        assert_bad(&with_other_records(|_, kept| edit(&mut kept.records)), Invariant::I1);
    };
    edited(&|records| {
        records.pop();
    });
    edited(&|records| records.insert(1, records[0].clone()));
    edited(&|records| records[0].stamp = LogTime(7));
    edited(&|records| {
        let Some(Record::Contact(record)) = records.last_mut().map(|last| &mut last.record) else {
            unreachable!("the last thing that happens is that a contact is closed")
        };
        record.resolved = Some(false);
    });
    edited(&|records| {
        let record = records[0].record.clone();
        records.push(LoggedRecord { index: 999, ordinal: 0, stamp: LogTime(7), record });
    });
}

#[test]
fn a_log_that_is_purged_before_its_records_are_safe_is_noticed() {
    let edited = |edit: &dyn Fn(&mut FinalNode, &mut FinalRecords)| {
        assert_bad(&with_other_records(edit), Invariant::I5);
    };
    edited(&|node, kept| node.purged = kept.covered_to.map(|to| to + 1));
    edited(&|_, kept| *kept = FinalRecords::default());
    edited(&|_, kept| kept.missing.push(3..=4));
    edited(&|_, kept| kept.damaged = Some("a segment is damaged".into()));

    // Where nobody has anything to show, nothing is shown.
    let mut none = with_records(served().0.end());
    for node in &mut none.ending.as_mut().expect("it ended").nodes {
        (node.purged, node.records) = (None, Some(FinalRecords::default()));
    }
    assert!(matches!(verdict(&none, Invariant::I5), Verdict::Unknown { .. }));
}

#[test]
fn a_stale_token_that_passes_is_noticed() {
    let mut story = Story::new();
    story.ready("ada");
    story.call("c-1");
    let (id, old) = (contact("c-1"), story.token("c-1"));
    story.must("ada", WorkCommand::Decline { contact: id.clone(), token: old });
    story.pass(1_500);
    story.tick();
    let present = story.token("c-1");
    story
        .asks("ada", WorkCommand::Accept { contact: id.clone(), token: old })
        .expect_err("the token is old");
    let refused = story.index;
    let mut history = story.end();
    assert_good(&history);
    change(&mut history, refused, &BOTH, |entry| {
        entry.answers = vec![Ok(Reply::Accepted { bridging: true })];
    });
    assert_bad(&history, Invariant::I8);
    // Also if only what it did shows.
    change(&mut history, refused, &BOTH, |entry| {
        entry.answers = vec![Ok(Reply::Done)];
        entry.submissions[0].command = acd::command::ClusterCommand::Tick.into();
        let what = ContactEvent::Accepted { token: present, agent: agent("ada") };
        entry.events.push(Event::Contact { contact: id.clone(), what });
    });
    assert_bad(&history, Invariant::I8);
}

#[test]
fn an_old_session_that_passes_is_noticed() {
    let mut story = Story::new();
    let old = story.ready("ada");
    story.ready("ada");
    let ready = AgentCommand::Ready { agent: agent("ada"), epoch: old };
    story.asks("ada", ready).expect_err("the session is old");
    let refused = story.index;
    let mut history = story.end();
    assert_good(&history);
    change(&mut history, refused, &BOTH, |entry| entry.answers = vec![Ok(Reply::Done)]);
    assert_bad(&history, Invariant::I8);
}

#[test]
fn a_replica_that_goes_another_way_is_noticed() {
    let (story, offered) = served();
    let history = story.end();
    let mut other_hash = history.clone();
    change(&mut other_hash, offered, &[2], |entry| entry.hash ^= 1);
    assert_bad(&other_hash, Invariant::I9);
    let mut other_order = history.clone();
    change(&mut other_order, offered, &[2], |entry| entry.events.reverse());
    assert_bad(&other_order, Invariant::I9);
    let mut other_end = history;
    other_end.ending.as_mut().expect("it ended").nodes[1].hash ^= 1;
    assert_bad(&other_end, Invariant::I9);
}

#[test]
fn one_replica_agrees_with_nobody_however_often_it_starts() {
    let mut story = Story::new();
    story.call("c-1");
    story.restart();
    let mut history = story.end();
    history.runs.retain(|run| run.node == 1);
    assert_eq!(history.runs.len(), 2);
    assert!(matches!(verdict(&history, Invariant::I9), Verdict::Unknown { .. }));
}

#[test]
fn a_cluster_that_does_not_recover_is_noticed() {
    let history = served().0.end();
    let mut headless = history.clone();
    headless.ending.as_mut().expect("it ended").nodes[1].leader = Some(2);
    assert_bad(&headless, Invariant::I10);
    let mut behind = history.clone();
    behind.ending.as_mut().expect("it ended").nodes[1].applied -= 1;
    assert_bad(&behind, Invariant::I10);
    let mut mute = history.clone();
    let healed = mute.ending.as_ref().expect("it ended").healed;
    for operation in mute.operations.iter_mut().filter(|o| o.called >= healed) {
        operation.outcome = Outcome::Unknown;
    }
    assert_bad(&mute, Invariant::I10);
    let usual = chaos_tests::checks::judge(&history, Default::default());
    let slow = usual.get(&Invariant::I10);
    assert!(matches!(slow, Some(Verdict::False { .. })), "a minute is too long: {slow:?}");
    let mut unfinished = history;
    unfinished.ending = None;
    assert!(matches!(verdict(&unfinished, Invariant::I10), Verdict::Unknown { .. }));
}

#[test]
fn a_cluster_that_stands_still_while_disks_are_slow_is_noticed() {
    let mut story = Story::new();
    let from = story.recorder().now();
    story.pass(4_000);
    story.call("c-1");
    let to = story.recorder().now();
    story.recorder().slow_disks(from, to);
    assert_eq!(verdict(&story.end(), Invariant::I10), Verdict::True);

    let mut story = Story::new();
    story.pass(1);
    let from = story.recorder().now();
    story.pass(4_000);
    story.recorder().slow_disks(from, story.recorder().now());
    story.pass(1);
    story.call("c-1");
    assert_bad(&story.end(), Invariant::I10);
}

#[test]
fn an_offer_to_somebody_who_cannot_take_it_is_noticed() {
    let (story, offered) = served();
    let mut history = story.end();
    change(&mut history, offered, &BOTH, |entry| {
        if let Event::Contact { what: ContactEvent::Offered { agent: to, .. }, .. } =
            offer_in(entry, "c-1")
        {
            *to = agent("bo"); // Who is not logged in.
        }
    });
    assert_bad(&history, Invariant::I11);
}

#[test]
fn an_offer_that_rings_in_vain_while_nobody_leads_is_noticed() {
    let mut story = Story::new();
    story.ready("ada");
    story.call("c-1");
    let token = story.token("c-1");
    story.pass(1_000);
    story.silence(5_000);
    let term = story.index;
    story.must("ada", WorkCommand::Accept { contact: contact("c-1"), token });
    let mut history = story.end();
    assert_good(&history);

    // Another leader says nothing of the silence.
    let mut silent = history.clone();
    change(&mut silent, term, &BOTH, |entry| entry.events.clear());
    assert_bad(&silent, Invariant::I11);

    // Or it does, and the deadline fires all the same.
    change(&mut history, term, &BOTH, |entry| {
        let ended = ContactEvent::OfferEnded { token, agent: agent("ada"), end: OfferEnd::Rona };
        entry.events.insert(0, Event::Contact { contact: contact("c-1"), what: ended });
    });
    assert_bad(&history, Invariant::I11);
}

#[test]
fn a_silence_after_an_entry_that_the_next_leader_commits_is_noticed() {
    for gap_ms in [5_000, 0] {
        let mut story = Story::new();
        story.ready("ada");
        story.pass(1_000);
        story.in_flight("edge", story::call("c-1"), 5_000);
        story.term(gap_ms);
        let history = story.end();
        match gap_ms {
            0 => assert_bad(&history, Invariant::I11),
            _ => assert_good(&history),
        }
    }
}

#[test]
fn silences_of_which_none_is_long_add_up() {
    let mut story = Story::new();
    for _ in 0..4 {
        let from = story.recorder().now();
        story.pass(400);
        story.recorder().leaderless(from, story.recorder().now());
        story.pass(100);
    }
    story.term(0);
    assert_bad(&story.end(), Invariant::I11);
}
