//! Snapshots: what was written at one moment comes back, whatever became of the centre since,
//! and goes on as if nothing had been; what was not written is refused.

#![allow(clippy::disallowed_methods, reason = "a snapshot is written on another thread")]

mod chance;
mod scene;

use acd::Centre;
use acd::channel::{Channel, Channels};
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Request, SiteCommand,
    Submission, TransferTarget, WorkCommand,
};
use acd::config::{Calendar, Interval, Overflow, SitePolicy, Step};
use acd::event::Event;
use acd::ids::{CalendarId, NodeId, RequestId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::snapshot::{Restorer, Snapshot};
use acd::time::LogTime;
use chance::Chance;
use prost::Message;
use proto::stored::v1;
use scene::*;

// -- Words ------------------------------------------------------------------------------------------

fn written(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write(&mut |chunk| bytes.extend_from_slice(chunk));
    bytes
}

fn bytes_of(centre: &Centre) -> Vec<u8> {
    written(&centre.snapshot())
}

/// Restores, and checks that what comes out is what went in.
fn restored(centre: &Centre) -> Centre {
    let bytes = bytes_of(centre);
    let twin = Centre::restore(&bytes).unwrap();
    assert_eq!(twin.state_hash(), centre.state_hash());
    assert_eq!(twin.recompute_state_hash(), centre.state_hash());
    assert_eq!(twin.next_deadline(), centre.next_deadline());
    twin.check_invariants().unwrap();
    assert!(bytes_of(&twin) == bytes, "the same state is the same bytes");
    twin
}

fn refused(bytes: &[u8]) -> String {
    match Centre::restore(bytes) {
        Err(Rejection::BadSnapshot { what }) => what.into(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("a snapshot that is not one was restored"),
    }
}

/// A centre and its twin that was restored: both are told the same from there on.
struct Twins {
    scene: Scene,
    twin: Centre,
    events: Vec<Event>,
}

impl Twins {
    fn of(scene: Scene) -> Self {
        let twin = restored(&scene.centre);
        let events = scene.events.clone();
        Self { scene, twin, events }
    }

    fn submit(&mut self, submission: Submission) -> Result<Reply, Rejection> {
        let outcome = self.scene.submit(submission.clone());
        let (index, stamp) = (self.scene.index, LogTime(self.scene.now));
        let again = self.twin.apply(index, stamp, submission, &mut self.events);
        self.twin.check_invariants().unwrap();
        assert_eq!(again, outcome);
        assert_eq!(self.events, self.scene.events);
        assert_eq!(self.twin.state_hash(), self.scene.centre.state_hash());
        assert_eq!(self.twin.next_deadline(), self.scene.centre.next_deadline());
        self.events.clear();
        self.scene.events.clear();
        outcome
    }

    fn tick(&mut self) {
        let tick = ClusterCommand::Tick.into();
        self.submit(Submission::new(principal("node-1"), tick)).unwrap();
    }

    fn end(self) -> Scene {
        assert!(bytes_of(&self.twin) == bytes_of(&self.scene.centre));
        self.scene
    }
}

/// A contact in every stage, an agent in every presence, and everything else that can be.
fn everything() -> Scene {
    let mut s = Scene::new();
    s.put_skill("english");
    let mut calls = queue_config("calls");
    calls.channels = Channels::of(&[Channel::Voice, Channel::Chat, Channel::Callback]);
    calls.steps.push(Step { after: seconds(600), head_start: seconds(9), ..Step::default() });
    calls.overflow = Overflow::Callback;
    calls.calendar = Some(CalendarId::new("office").unwrap());
    let interval = |start, end| Interval { start: LogTime(start), end: LogTime(end) };
    let config = Calendar {
        id: CalendarId::new("office").unwrap(),
        name: label("Бюро"),
        open: vec![interval(0, MORNING), interval(MORNING, MORNING + 36_000_000)],
        covers_until: LogTime(MORNING + 36_000_000),
    };
    s.must("olena", ConfigCommand::PutCalendar { config, expected: None });
    s.put_queue(calls);
    for (id, policy) in [
        ("shared", SitePolicy::Shares(vec![(site("dnipro"), 2), (site("lviv"), 1)])),
        ("roomy", SitePolicy::FreeCapacity { hysteresis: 2 }),
        ("near", SitePolicy::LocalFirst { spill_after: seconds(600) }),
    ] {
        let mut config = queue_config(id);
        config.site_policy = policy;
        s.put_queue(config);
    }

    // Presences. The one who declined c1 is excluded from it for a while.
    for (id, city) in [("anna", "kyiv"), ("boris", "lviv"), ("clara", "kyiv"), ("dan", "kyiv")] {
        s.staff(id, city, &[("calls", 1)]);
    }
    s.put_agent(roster_entry("emil", "lviv", &[("calls", 10)]));
    s.staff("faina", "lviv", &[("shared", 1), ("roomy", 2)]);
    s.staff("greta", "dnipro", &[("shared", 1), ("roomy", 2)]);
    s.staff("inna", "dnipro", &[("shared", 1), ("roomy", 2)]);
    s.call("c1", "calls", "lviv");
    s.decline("c1");
    // Stages.
    s.connect("c1");
    s.work("c1", |contact, token| WorkCommand::Hold { contact, token });
    s.call("c2", "calls", "kyiv");
    s.connect("c2");
    s.work("c2", |contact, token| {
        let to = TransferTarget::Agent(agent("boris"));
        WorkCommand::Consult { contact, token, consult: scene::contact("c2x"), to }
    });
    let reference = label("s3://recordings/c2");
    let recording = ContactCommand::SetRecording { contact: contact("c2"), reference };
    s.must("edge-kyiv", recording);
    s.call("c3", "calls", "kyiv");
    s.connect("c3");
    s.end("c3");
    for (id, to) in [("s1", "shared"), ("s2", "shared"), ("r1", "roomy"), ("r2", "roomy")] {
        s.call(id, to, "kyiv");
    }
    s.accept("s1");
    s.call("c4", "calls", "lviv");
    s.call("near1", "near", "lviv");
    let mut wish = call("c5", "calls");
    (wish.preferred, wish.preferred_wait) = (s.with("s1").map(|id| agent(&id)), Some(seconds(300)));
    wish.requirements = requires(&[("english", 3)]);
    wish.attributes = attributes();
    s.enqueue(wish, "kyiv");
    let mut later = call("c6", "calls");
    later.channel = Channel::Callback;
    later.not_before = Some(LogTime(MORNING + 7_200_000));
    s.enqueue(later, "kyiv");
    for node in 1..3 {
        let ingress = principal("edge-dnipro");
        s.must("node-1", ContactCommand::Attach { ingress, node: NodeId(node) });
    }
    s.call("c7", "calls", "dnipro");
    for node in 1..3 {
        let ingress = principal("edge-dnipro");
        s.must("node-1", ContactCommand::Detach { ingress, node: NodeId(node) });
    }
    s.must("node-1", ContactCommand::Attach { ingress: principal("edge-kyiv"), node: NodeId(3) });
    let lost = AgentCommand::SessionLost { agent: agent("clara"), epoch: s.epoch("clara") };
    s.must("node-1", lost);
    let pause = AgentCommand::SetNotReady { agent: agent("anna"), reason: label("training") };
    s.must("olena", pause);
    s.staff("hanna", "dnipro", &[("near", 3)]);
    let epoch = s.epoch("hanna");
    s.must("hanna", AgentCommand::NotReady { agent: agent("hanna"), epoch, reason: label("tea") });
    // A move, closures, drains, a checkpoint; requests that were granted and refused.
    let queues = roster_entry("x", "kyiv", &[("near", 2)]).queues;
    let duration = Some(seconds(3_600));
    let mover = ConfigCommand::MoveAgent {
        agent: agent("emil"),
        queues,
        home_site: Some(site("kyiv")),
        duration,
        expected: None,
    };
    s.must("olena", mover);
    let until = LogTime(s.now + 500_000);
    let close =
        ConfigCommand::CloseQueue { queue: queue("near"), until, flush: false, expected: None };
    s.must("olena", close);
    for (n, command) in requests().into_iter().enumerate() {
        _ = s.submit(asked(n as u128, command));
    }
    s.must("node-1", SiteCommand::Lost { site: site("lviv") });
    s.must("node-1", SiteCommand::CaughtUp { site: site("lviv") });
    s.must("node-1", ClusterCommand::Checkpoint { about: 0, votes: Vec::new() });
    s.pass(seconds(1));
    s
}

fn attributes() -> acd::text::Attributes {
    let item = v1::Attribute { name: "name".into(), value: "Олена".into() };
    acd::text::Attributes::new(&v1::Attributes { items: vec![item] }.encode_to_vec()).unwrap()
}

/// Administration: done, revised, a node added, the time told, refused.
fn requests() -> Vec<(&'static str, Command)> {
    let drain: Command = SiteCommand::Drain {
        site: site("kyiv"),
        deadline: seconds(60),
        expiry: seconds(3_600),
        callback: true,
        force: false,
        expected: None,
    }
    .into();
    vec![
        ("olena", drain.clone()),
        ("olena", SiteCommand::AddNode { site: site("dnipro") }.into()),
        ("olena", ContactCommand::Remove { contact: contact("c4") }.into()),
        ("node-1", ClusterCommand::SetTime { to: LogTime(MORNING + 5_000) }.into()),
        ("olena", drain),
    ]
}

fn asked(id: u128, (who, command): (&str, Command)) -> Submission {
    let request = Request { id: RequestId(id), issued_at: LogTime(MORNING) };
    Submission { request: Some(request), ..Submission::new(principal(who), command) }
}

// -- There and back -----------------------------------------------------------------------------------

#[test]
fn everything_that_can_be_comes_back_as_it_was() {
    let s = everything();
    let stages: std::collections::BTreeSet<&str> =
        s.centre.tables().contacts().map(|c| c.stage.word()).collect();
    assert_eq!(stages.len(), 8, "{stages:?}");
    let presences: std::collections::BTreeSet<&str> =
        s.centre.tables().agents().map(|a| a.presence.word()).collect();
    assert_eq!(presences.len(), 4, "{presences:?}");
    let states: std::collections::BTreeSet<&str> =
        s.centre.tables().sites().map(|site| site.state.word()).collect();
    assert_eq!(states.len(), 3, "{states:?}");
    assert!(s.centre.queue(&queue("shared")).unwrap().credits.len() == 2);
    assert!(s.centre.queue(&queue("roomy")).unwrap().current_site.is_some());

    let twin = restored(&s.centre);
    for contact in s.centre.tables().contacts() {
        let copy = twin.contact(&contact.id).unwrap();
        assert_eq!(copy.place(), contact.place());
        assert_eq!(copy.attributes, contact.attributes);
        assert_eq!(copy.past_offers, contact.past_offers);
        assert_eq!(copy.details, contact.details);
    }
    for agent in s.centre.tables().agents() {
        let copy = twin.agent(agent.id()).unwrap();
        assert_eq!((copy.load(), copy.open_media()), (agent.load(), agent.open_media()));
        assert_eq!(copy.metrics, agent.metrics);
    }
    for queue in s.centre.tables().queues() {
        assert_eq!(twin.queue(queue.id()).unwrap().length(), queue.length());
    }
}

#[test]
fn a_centre_that_is_not_initialised_comes_back() {
    assert_eq!(restored(&Centre::new()).cluster(), None);
}

#[test]
fn the_bytes_do_not_depend_on_how_they_are_cut() {
    let bytes = bytes_of(&everything().centre);
    for size in [1, 2, 3, 7, 100, 4_096] {
        let mut restorer = Restorer::new();
        for chunk in bytes.chunks(size) {
            restorer = restorer.push(chunk).unwrap();
        }
        assert!(bytes_of(&restorer.finish().unwrap()) == bytes);
    }
}

#[test]
fn a_snapshot_comes_in_chunks_of_bounded_size() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    for n in 0..1_000 {
        s.index += 1;
        let (enqueue, stamp) = (call(&format!("c{n}"), "billing"), LogTime(s.now));
        let command = ContactCommand::Enqueue(enqueue).into();
        let submission = Submission::new(principal("edge-kyiv"), command);
        s.centre.apply(s.index, stamp, submission, &mut s.events).unwrap();
    }
    let mut sizes = Vec::new();
    s.centre.snapshot().write(&mut |chunk| sizes.push(chunk.len()));
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= 64 * 1_024), "{sizes:?}");
}

#[test]
fn a_snapshot_is_of_the_moment_it_was_taken_whatever_happens_later() {
    let mut chance = Chance::new(7);
    let mut s = chance.scene();
    let mut taken = Vec::new();
    for n in 0..600 {
        if n % 50 == 0 {
            taken.push((s.centre.snapshot(), bytes_of(&s.centre), s.centre.state_hash()));
        }
        s.now += chance.pause();
        let submission = chance.submission(&s.centre);
        _ = s.submit(submission);
    }
    // As a node does it: on another thread.
    let thread = std::thread::spawn(move || {
        for (snapshot, bytes, hash) in taken {
            assert_eq!(snapshot.state_hash(), hash);
            assert!(written(&snapshot) == bytes);
        }
    });
    thread.join().unwrap();
}

// -- Ever after ---------------------------------------------------------------------------------------

#[test]
fn a_restored_centre_goes_on_exactly_as_the_other() {
    let mut met = std::collections::BTreeSet::new();
    // Every stage, presence and state of a site is to be met at the moment of a snapshot.
    for seed in 0..400 {
        if seed >= 24 && met.len() == 8 + 4 + 6 {
            break;
        }
        let mut chance = Chance::new(seed);
        let mut s = chance.scene();
        let before = 20 + chance.below(400);
        for _ in 0..before {
            s.now += chance.pause();
            let submission = chance.submission(&s.centre);
            _ = s.submit(submission);
        }
        for _ in 0..4 {
            let tables = s.centre.tables();
            met.extend(tables.contacts().map(|contact| contact.stage.word()));
            met.extend(tables.agents().map(|agent| agent.presence.word()));
            met.extend(tables.sites().map(|site| site.state.word()));
            // The slots of the twin have no holes, those of the other have.
            let mut twins = Twins::of(s);
            for _ in 0..60 {
                twins.scene.now += chance.pause();
                let submission = chance.submission(&twins.scene.centre);
                _ = twins.submit(submission);
            }
            s = twins.end();
        }
    }
    assert_eq!(met.len(), 8 + 4 + 6, "{met:?}");
}

#[test]
fn everything_goes_on_until_everybody_is_served_or_given_up() {
    let mut twins = Twins::of(everything());
    while let Some(next) = twins.scene.centre.next_deadline() {
        twins.scene.now = twins.scene.now.max(next.0);
        twins.tick();
    }
    assert!(twins.scene.now > MORNING + 7_200_000, "the callback was made");
    twins.end();
}

#[test]
fn deadlines_that_are_due_and_have_not_fired_fire_in_the_same_order() {
    let mut s = Scene::new();
    let mut config = queue_config("billing");
    config.steps.push(Step { after: seconds(10), head_start: seconds(1), ..Step::default() });
    config.wait_max = seconds(20);
    s.put_queue(config);
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1)]));
    let apply = |s: &mut Scene, who: &str, command: Command| {
        s.index += 1;
        let submission = Submission::new(principal(who), command);
        s.centre.apply(s.index, LogTime(s.now), submission, &mut s.events).unwrap();
    };
    for n in 0..2_500 {
        let mut enqueue = call(&format!("c{n}"), "billing");
        if n % 5 == 0 {
            // Some would wait for an agent who is not there: given up at once.
            (enqueue.preferred, enqueue.preferred_wait) = (Some(agent("anna")), Some(seconds(15)));
        }
        apply(&mut s, "edge-kyiv", ContactCommand::Enqueue(enqueue).into());
    }
    // Steps are due for all, and fire for the first thousand.
    s.now += 10_000;
    apply(&mut s, "node-1", ClusterCommand::Tick.into());
    let at = |s: &Centre, n: usize| s.contact(&contact(&format!("c{n}"))).map(|c| c.step);
    assert_eq!((at(&s.centre, 999), at(&s.centre, 1_000)), (Some(1), Some(0)));
    let twin = restored(&s.centre);
    assert_eq!((at(&twin, 999), at(&twin, 1_000)), (Some(1), Some(0)), "nothing is fired anew");
    assert!(twin.next_deadline().unwrap() <= twin.now());

    let mut twins = Twins::of(s);
    // A command on one of those left over fires its deadline first; then waiting ends for all,
    // while steps are still due.
    let hang_up = ContactCommand::HangUp { contact: contact("c2400") }.into();
    twins.submit(Submission::new(principal("edge-kyiv"), hang_up)).unwrap();
    twins.scene.now += 10_000;
    for _ in 0..3 {
        twins.tick();
    }
    let mut twins = Twins::of(twins.scene);
    while twins.scene.centre.next_deadline().is_some_and(|next| next <= twins.scene.centre.now()) {
        twins.tick();
    }
    assert_eq!(twins.scene.centre.counts().0, 0);
    twins.end();
}

#[test]
fn who_waits_for_one_agent_only_goes_on_waiting_for_that_agent() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[]);
    let apply = |s: &mut Scene, who: &str, command: Command| {
        s.index += 1;
        let submission = Submission::new(principal(who), command);
        s.centre.apply(s.index, LogTime(s.now), submission, &mut s.events).unwrap();
    };
    // Anna serves no queue, but was named. One call she has, for twelve hundred she is to be
    // waited for.
    for n in 0..1_201 {
        let mut enqueue = call(&format!("c{n}"), "billing");
        (enqueue.preferred, enqueue.preferred_wait) = (Some(agent("anna")), Some(seconds(10)));
        apply(&mut s, "edge-kyiv", ContactCommand::Enqueue(enqueue).into());
    }
    s.connect("c0");
    // All wishes are over, but only a thousand were looked at: a fresh look would give up the
    // others too.
    s.now += 10_000;
    apply(&mut s, "node-1", ClusterCommand::Tick.into());
    let wish =
        |s: &Centre, n: usize| s.contact(&contact(&format!("c{n}"))).unwrap().preferred.clone();
    assert!(wish(&s.centre, 1_000).is_none() && wish(&s.centre, 1_001).is_some());
    let twin = restored(&s.centre);
    assert!(wish(&twin, 1_000).is_none() && wish(&twin, 1_001).is_some());
    // Anna gets rid of her call, in the same entry in which the last wishes are given up.
    let mut twins = Twins::of(s);
    let (contact, token) = (contact("c0"), twins.scene.token("c0"));
    let end = WorkCommand::Complete { contact, token, disposition: None, resolved: None };
    twins.submit(Submission::new(principal("anna"), end.into())).unwrap();
    twins.tick();
    assert!(wish(&twins.twin, 1_200).is_none());
    twins.end();
}

#[test]
fn what_was_answered_is_answered_the_same_again() {
    let mut s = everything();
    s.hang_up("near1", "lviv");
    let mut twins = Twins::of(s);
    // A request is answered as it was the first time; the same id for anything else is refused.
    for (n, command) in requests().into_iter().enumerate() {
        _ = twins.submit(asked(n as u128, command));
    }
    let time = twins.submit(asked(3, requests().remove(3))).unwrap();
    assert!(matches!(time, Reply::Time { now: LogTime(now), .. } if now == MORNING + 5_000));
    let refusal = twins.submit(asked(4, requests().remove(4))).unwrap_err();
    assert!(
        matches!(&refusal, Rejection::FirstAnswer { code, .. } if &**code == "wrong-site-state")
    );
    let reused = twins.submit(asked(0, requests().remove(1))).unwrap_err();
    assert_eq!(reused, Rejection::RequestReused);
    // A closed contact is told so; its id is not free yet.
    let edge = |id: &str, command: ContactCommand| Submission::new(principal(id), command.into());
    let hang_up = ContactCommand::HangUp { contact: contact("near1") };
    assert_eq!(twins.submit(edge("edge-lviv", hang_up)), Ok(Reply::Done));
    let again = ContactCommand::Enqueue(call("near1", "near"));
    let again = twins.submit(edge("edge-lviv", again)).unwrap();
    assert!(matches!(again, Reply::Enqueued { .. }));
    assert_eq!(twins.scene.state("near1"), "closed");
    let other = ContactCommand::Enqueue(call("near1", "calls"));
    let other = twins.submit(edge("edge-lviv", other)).unwrap_err();
    assert_eq!(other, Rejection::ContactIdReused { contact: contact("near1") });
    // Later it is forgotten on both sides at once.
    for _ in 0..12 {
        twins.scene.now += 60_000;
        twins.tick();
    }
    let forgotten = twins.submit(asked(3, requests().remove(3))).unwrap_err();
    assert_eq!(forgotten, Rejection::RequestTooOld);
    twins.end();
}

#[test]
fn a_replica_that_differed_says_so_after_a_restore_too() {
    let mut s = Scene::new();
    s.must("node-1", ClusterCommand::Checkpoint { about: 0, votes: Vec::new() });
    let about = s.index;
    let mut twins = Twins::of(s);
    let vote = |node, hash| acd::command::CheckpointVote { node: NodeId(node), hash };
    let votes = vec![vote(1, 1), vote(2, 1)];
    let next = ClusterCommand::Checkpoint { about, votes }.into();
    twins.submit(Submission::new(principal("node-1"), next)).unwrap();
    let mut twin = restored(&twins.scene.centre);
    let about = twins.scene.index;
    let next = ClusterCommand::Checkpoint { about, votes: vec![vote(1, 1), vote(2, 1)] }.into();
    let mut events = Vec::new();
    let submission = Submission::new(principal("node-1"), next);
    twin.apply(about + 1, LogTime(twins.scene.now), submission, &mut events).unwrap();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Diverged { index, .. } if *index == about))
    );
}

// -- Refused ------------------------------------------------------------------------------------------

#[test]
fn a_snapshot_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let bytes = bytes_of(&everything().centre);
    for length in 0..bytes.len() {
        refused(&bytes[..length]);
    }
    assert_eq!(refused(&[]), "cut short: it ends before its trailer");
}

#[test]
fn a_snapshot_with_more_behind_it_is_refused() {
    let bytes = bytes_of(&everything().centre);
    for more in [&[0][..], &[0x80], &[1, 2], &bytes] {
        refused(&[&bytes, more].concat());
    }
}

#[test]
fn a_snapshot_with_any_one_bit_flipped_is_refused() {
    let mut small = Scene::new();
    small.put_queue(queue_config("billing"));
    small.staff("anna", "kyiv", &[("billing", 1)]);
    small.call("c1", "billing", "kyiv");
    small.call("c2", "billing", "kyiv");
    small.hang_up("c2", "kyiv");
    let mut bytes = bytes_of(&small.centre);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    let mut bytes = bytes_of(&everything().centre);
    for bit in (0..bytes.len() * 8).step_by(11) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn bytes_by_chance_are_refused() {
    let mut chance = Chance::new(1);
    for length in 0..3_000 {
        let bytes: Vec<u8> = (0..length).map(|_| chance.below(256) as u8).collect();
        refused(&bytes);
    }
    // A length that would fill the memory.
    assert_eq!(refused(&[0xff; 64]), "item 1: longer than 131072 bytes");
    refused(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
}

/// The items of a snapshot.
fn items(bytes: &[u8]) -> Vec<v1::SnapshotItem> {
    let mut rest = bytes;
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push(v1::SnapshotItem::decode_length_delimited(&mut rest).unwrap());
    }
    items
}

/// What is said of a snapshot whose items were changed, although its trailer is right.
fn refusal(change: impl FnOnce(&mut Vec<v1::SnapshotItem>)) -> String {
    use v1::snapshot_item::Item;
    let mut items = items(&bytes_of(&everything().centre));
    let Some(Item::Trailer(mut trailer)) = items.pop().and_then(|last| last.item) else {
        panic!("a snapshot ends with its trailer");
    };
    change(&mut items);
    let mut bytes = Vec::new();
    for item in &items {
        item.encode_length_delimited(&mut bytes).unwrap();
    }
    trailer.items = items.len() as u64;
    trailer.checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    let trailer = v1::SnapshotItem { item: Some(Item::Trailer(trailer)) };
    trailer.encode_length_delimited(&mut bytes).unwrap();
    refused(&bytes)
}

#[test]
fn another_version_is_refused_with_the_one_that_is_known() {
    use v1::snapshot_item::Item;
    let said = refusal(|items| {
        items[0].item = Some(Item::Header(v1::SnapshotHeader { format_version: 2 }));
    });
    assert_eq!(said, "item 1: format version 2; this program knows version 1");
}

#[test]
fn what_is_wrong_is_said_with_the_item_it_is_in() {
    use v1::snapshot_item::Item;
    /// The first item of a kind, to be changed.
    macro_rules! first {
        ($kind:ident, $stored:ident => $change:expr) => {
            refusal(|items| {
                let found = items.iter_mut().find_map(|item| match &mut item.item {
                    Some(Item::$kind(stored)) => Some(stored),
                    _ => None,
                });
                let $stored = found.unwrap();
                $change;
            })
        };
    }
    let says = |said: String, words: &str| {
        let (item, what) = said.split_once(": ").unwrap();
        assert!(item.starts_with("item ") && what.contains(words), "{said}");
    };
    says(first!(Contact, c => c.queue = "nowhere".into()), "in a queue that is not there");
    says(first!(Contact, c => c.site = "nowhere".into()), "at a site that is not there");
    says(first!(Contact, c => c.step = 2), "at a step that its queue has not");
    says(first!(Contact, c => c.stage = None), "Contact.stage is missing");
    says(first!(Contact, c => c.seq = u64::MAX), "a number that has not been drawn");
    says(first!(Contact, c => c.id = "a b".into()), "not a contact id");
    says(first!(Contact, c => c.attributes = vec![0xff].into()), "attributes refused");
    says(first!(Agent, a => a.presence = None), "Agent.presence is missing");
    says(first!(Node, n => n.site = "nowhere".into()), "a node at a site that is not there");
    says(first!(Node, n => n.id = 77), "a number that has not been given");
    says(first!(Queue, q => q.config.as_mut().unwrap().channels.clear()), "at least one channel");
    says(first!(Site, s => s.metrics = None), "Site.metrics is missing");
    says(first!(Centre, c => c.settings = None), "Centre.settings is missing");
    says(first!(FirstAnswer, f => f.answer = None), "FirstAnswer.answer is missing");
    says(refusal(|items| items.swap(3, 4)), "out of order");
    says(refusal(|items| items.insert(5, items[5].clone())), "");
    says(refusal(|items| _ = items.remove(0)), "begins with its header");
    says(refusal(|items| _ = items.remove(1)), "");
    let swapped = refusal(|items| {
        let closed = |item: &v1::SnapshotItem| matches!(item.item, Some(Item::ClosedContact(_)));
        let at = items.iter().position(closed).unwrap();
        items[at].item = items[at - 1].item.clone();
    });
    says(swapped, "twice");
    // What no single item shows, the hash does.
    let other = first!(Contact, c => c.failed_offers += 1);
    assert_eq!(other, "the state read has another hash than the state written");
    let lost = refusal(|items| {
        let contact = |item: &v1::SnapshotItem| matches!(item.item, Some(Item::Contact(_)));
        let at = items.iter().position(contact).unwrap();
        items.remove(at);
    });
    assert_eq!(lost, "the state read has another hash than the state written");
    let waits = refusal(|items| {
        let waiting = |item: &&mut v1::SnapshotItem| match &item.item {
            Some(Item::Contact(c)) => c.preferred.is_some(),
            _ => false,
        };
        let item = items.iter_mut().find(waiting).unwrap();
        if let Some(Item::Contact(c)) = &mut item.item {
            c.stage =
                Some(v1::Stage { stage: Some(v1::stage::Stage::Queued(v1::stage::Queued {})) });
            c.preferred.as_mut().unwrap().agent = "nobody".into();
        }
    });
    assert_eq!(waits, "a contact waits for an unknown agent");
}
