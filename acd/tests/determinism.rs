//! The same log gives the same state and the same events, on every replica and on every run.

mod scene;

use acd::Centre;
use acd::channel::Channel;
use acd::codec;
use acd::command::{CheckpointVote, ClusterCommand, Command, ContactCommand, Enqueue, Submission};
use acd::config::{Overflow, QueueConfig, SitePolicy, Step, Strategy};
use acd::event::Event;
use acd::ids::NodeId;
use acd::reply::Reply;
use acd::time::{LogTime, Millis};
use scene::*;

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.roll(items.len() as u64) as usize]
    }
}

const CITIES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
const QUEUES: [&str; 3] = ["calls", "chats", "shared"];

/// Three queues of different policies, twelve agents in three cities.
fn staffed() -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("calls") });
    s.put_queue(QueueConfig {
        channels: all_channels(),
        site_policy: SitePolicy::LocalFirst { spill_after: seconds(15) },
        strategy: Strategy::LeastOccupied,
        wait_max: seconds(90),
        overflow: Overflow::Queue(queue("calls")),
        ..queue_config("chats")
    });
    s.put_queue(QueueConfig {
        channels: all_channels(),
        steps: vec![step_at(0), Step { extra_queues: vec![queue("calls")], ..step_at(20) }],
        site_policy: SitePolicy::Shares(vec![(site("kyiv"), 2), (site("lviv"), 1)]),
        strategy: Strategy::RoundRobin,
        ..queue_config("shared")
    });
    for n in 0..12u32 {
        let queues = [("calls", n % 3 + 1), ("chats", (n + 1) % 3 + 1), ("shared", 1)];
        s.staff(&format!("a{n}"), CITIES[n as usize % 3], &queues[..1 + n as usize % 3]);
    }
    for city in CITIES {
        s.attach(&format!("edge-{city}"), city);
    }
    s
}

/// A day in short: customers come and go, agents answer or do not, a city is lost and comes back.
fn long_mixed_scene() -> Scene {
    let mut s = staffed();
    let mut dice = Dice(8);
    let mut live: Vec<String> = Vec::new();
    for n in 0..1_200 {
        let city = dice.of(&CITIES);
        live.retain(|id| s.state(id) != "closed");
        let id = live.get(dice.roll(30) as usize).cloned().unwrap_or("none".into());
        match (dice.roll(8), s.state(&id)) {
            (0 | 1, _) => {
                let channel = Channel::ALL[dice.roll(5) as usize];
                let new = other(channel, &format!("c{n}"), dice.of(&QUEUES));
                let preferred = (dice.roll(4) == 0).then(|| agent("a1"));
                s.enqueue(Enqueue { preferred, ..new }, city);
                live.push(format!("c{n}"));
            }
            (2, _) => s.pass(seconds(dice.roll(9))),
            (3, _) if dice.roll(2) == 0 => {
                let who = format!("a{}", dice.roll(12));
                s.log_in(&who, city);
                s.ready(&who);
            }
            (4, _) if dice.roll(4) == 0 => {
                drop(s.try_as("desk", ContactCommand::HangUp { contact: contact(&id) }))
            }
            (5, "offered") => s.decline(&id),
            (_, "offered") => s.accept(&id),
            (_, "accepted") => s.bridge(&id),
            (5, "connected") => s.transfer(&id, to_queue(dice.of(&QUEUES))),
            (6, "connected") => s.hold(&id),
            (_, "connected") => s.end(&id),
            (_, "held") => s.retrieve(&id),
            _ => {}
        }
        match n {
            500 => s.lose("lviv"),
            700 => s.caught_up("lviv"),
            1_000 => s.drain("dnipro"),
            _ => {}
        }
    }
    s.pass(Millis::hours(1));
    s
}

/// Applies a log to an empty centre.
fn replay(log: &[(LogTime, Vec<Submission>)]) -> (Centre, Vec<Event>) {
    let mut centre = Centre::new();
    let mut events = Vec::new();
    for (index, (stamp, submissions)) in (1..).zip(log) {
        centre.begin(index, *stamp);
        for submission in submissions {
            // A refusal is as much an answer as any other; it is compared by its events and hash.
            let _ = centre.execute(submission.clone(), &mut events);
        }
        centre.end(&mut events);
    }
    (centre, events)
}

#[test]
fn a_log_replayed_gives_the_same_hash_and_the_same_events() {
    let s = long_mixed_scene();
    let happened = |what: &str| s.events.iter().any(|e| format!("{e:?}").contains(what));
    for what in
        ["Connected", "Transferred", "Overflowed", "Spilled", "Stranded", "Orphaned", "Rona"]
    {
        assert!(happened(what), "the scene is long enough for {what}");
    }
    for _ in 0..2 {
        let (centre, events) = replay(&s.log);
        assert_eq!(centre.state_hash(), s.centre.state_hash());
        assert!(events == s.events);
    }
}

#[test]
fn a_log_that_was_stored_and_read_gives_the_same_hash() {
    let s = long_mixed_scene();
    let stored = |submission: &Submission| {
        codec::decode_submission(&codec::encode_submission(submission)).unwrap()
    };
    let log: Vec<_> =
        s.log.iter().map(|(stamp, entry)| (*stamp, entry.iter().map(stored).collect())).collect();
    assert_eq!(replay(&log).0.state_hash(), s.centre.state_hash());
}

#[test]
fn one_entry_of_many_commands_is_many_entries_of_one() {
    let mut one = staffed();
    let mut many = staffed();
    let submissions: Vec<_> = (0..50)
        .map(|n| {
            let enqueue = call(&format!("c{n}"), QUEUES[n % 3]);
            Submission::new(principal("edge-kyiv"), ContactCommand::Enqueue(enqueue).into())
        })
        .collect();
    one.entry(submissions.clone());
    for submission in submissions {
        many.submit(submission).unwrap();
    }
    assert_eq!(one.centre.state_hash(), many.centre.state_hash());
}

#[test]
fn a_change_of_anything_changes_the_hash() {
    let mut s = staffed();
    let mut hashes = vec![s.centre.state_hash()];
    let mut note = |s: &Scene| {
        assert!(!hashes.contains(&s.centre.state_hash()));
        hashes.push(s.centre.state_hash());
    };
    s.pass(Millis(1));
    note(&s);
    s.call("c1", "calls", "kyiv");
    note(&s);
    s.accept("c1");
    note(&s);
    s.bridge("c1");
    note(&s);
    s.complete("c1");
    note(&s);
    s.put_skill("french");
    note(&s);
    s.suspect("lviv");
    note(&s);
    s.grant("petro", &[acd::roles::Role::Viewer], None);
    note(&s);
}

// -- Checkpoints ----------------------------------------------------------------------------------

/// A checkpoint; its index and hash.
fn checkpoint(s: &mut Scene, about: u64, votes: &[(u64, u128)]) -> (u64, u128) {
    let vote = |(node, hash): &(u64, u128)| CheckpointVote { node: NodeId(*node), hash: *hash };
    let votes = votes.iter().map(vote).collect();
    let command: Command = ClusterCommand::Checkpoint { about, votes }.into();
    match s.must("node-1", command) {
        Reply::Checkpoint { hash } => (s.index, hash),
        other => panic!("{other:?}"),
    }
}

/// What this replica says of a vote on the checkpoint it has just taken with hash 1 off or not.
fn diverged(hashes: impl Fn(u128) -> Vec<u128>) -> Option<u128> {
    let mut s = staffed();
    let (index, own) = checkpoint(&mut s, 0, &[]);
    let votes: Vec<_> = (1..).zip(hashes(own)).collect();
    checkpoint(&mut s, index, &votes);
    s.events.iter().find_map(|event| match event {
        Event::Diverged { index: at, own: said, majority } => {
            assert_eq!((*at, *said), (index, own));
            Some(*majority)
        }
        _ => None,
    })
}

#[test]
fn replicas_that_agree_say_nothing() {
    assert_eq!(diverged(|own| vec![own, own, own]), None);
}

#[test]
fn a_replica_in_the_majority_goes_on() {
    assert_eq!(diverged(|own| vec![own, own + 1, own]), None);
}

#[test]
fn a_replica_in_the_minority_says_so() {
    assert!(diverged(|own| vec![own, own + 1, own + 1]).is_some());
}

#[test]
fn without_a_majority_nobody_is_judged() {
    assert_eq!(diverged(|own| vec![own, own + 1]), None);
    assert_eq!(diverged(|own| vec![own, own + 1, own + 2]), None);
}

#[test]
fn a_vote_about_another_checkpoint_says_nothing() {
    let mut s = staffed();
    let (index, own) = checkpoint(&mut s, 0, &[]);
    checkpoint(&mut s, index - 1, &[(1, own + 1), (2, own + 1)]);
    assert!(!s.events.iter().any(|event| matches!(event, Event::Diverged { .. })));
}

#[test]
fn a_checkpoint_is_the_hash_of_the_state_it_was_taken_in() {
    let mut s = staffed();
    let (_, hash) = checkpoint(&mut s, 0, &[]);
    assert_eq!(hash, s.centre.state_hash());
}

#[test]
fn a_few_votes_or_those_of_strangers_judge_nobody() {
    // Three nodes are members. One vote is no quorum, and nodes 8 and 9 are not asked.
    assert_eq!(diverged(|own| vec![own + 1]), None);
    let mut s = staffed();
    let (index, own) = checkpoint(&mut s, 0, &[]);
    checkpoint(&mut s, index, &[(1, own), (8, own + 1), (9, own + 1)]);
    assert!(!s.events.iter().any(|event| matches!(event, Event::Diverged { .. })));
}
