//! What is counted, when, and where; ratios are the readers' business.

mod scene;

use acd::channel::Channel;
use acd::command::{ClusterCommand, ContactCommand};
use acd::config::{Overflow, QueueConfig, ServiceTarget};
use acd::ids::NodeId;
use acd::limits;
use acd::metrics::{AgentCounters, QueueCounters, Ratio};
use acd::time::{LogTime, Millis};
use scene::*;

/// Target 20 s, abandons below 5 s are short; anna in Kyiv serves it.
fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s
}

/// A queue's counters of the day.
fn queue_day(s: &Scene, id: &str) -> QueueCounters {
    let queue = s.centre.queue(&queue(id)).unwrap();
    queue.metrics.at(LogTime(s.now), s.centre.settings()).today
}

fn site_day(s: &Scene, city: &str) -> QueueCounters {
    let site = s.centre.site(&site(city)).unwrap();
    site.metrics.at(LogTime(s.now), s.centre.settings()).today
}

fn agent_day(s: &Scene, id: &str) -> AgentCounters {
    let agent = s.centre.agent(&agent(id)).unwrap();
    agent.metrics.at(LogTime(s.now), s.centre.settings()).today
}

/// The counters that are not zero, by name; sums of time and the histogram left out.
fn counts(c: &QueueCounters) -> Vec<(&'static str, u32)> {
    let all = [
        ("offered", c.offered),
        ("answered", c.answered),
        ("answered in target", c.answered_in_target),
        ("abandoned", c.abandoned),
        ("abandoned in target", c.abandoned_in_target),
        ("short abandons", c.short_abandons),
        ("overflowed", c.overflowed),
        ("rejected", c.rejected),
        ("callbacks", c.callbacks),
        ("lost", c.lost),
        ("transferred", c.transferred),
        ("declined", c.declined),
        ("rona", c.rona),
        ("handled", c.handled),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}

// -- One transition, one count --------------------------------------------------------------------

#[test]
fn an_answered_call_is_counted_once_at_the_queue_the_agents_site_and_the_agent() {
    let mut s = scene();
    s.call("c1", "billing", "lviv");
    assert_eq!(counts(&queue_day(&s, "billing")), [], "counted when waiting ends");
    s.pass(seconds(4));
    s.connect("c1");
    let answered = [("offered", 1), ("answered", 1), ("answered in target", 1)];
    assert_eq!(counts(&queue_day(&s, "billing")), answered);
    s.pass(seconds(60));
    s.hold("c1");
    s.pass(seconds(7));
    s.end("c1");
    s.pass(seconds(10));
    s.complete("c1");
    let all = [&answered[..], &[("handled", 1)]].concat();
    let day = queue_day(&s, "billing");
    assert_eq!(counts(&day), all);
    assert_eq!((day.wait_ms, day.wait_max_ms), (4_000, 4_000));
    assert_eq!((day.talk_ms, day.hold_ms, day.wrap_up_ms), (60_000, 7_000, 10_000));
    assert_eq!(day.wait_histogram[0], 1, "up to 5 s");
    assert_eq!((site_day(&s, "kyiv"), site_day(&s, "lviv")), (day, QueueCounters::default()));
    let anna = agent_day(&s, "anna");
    assert_eq!((anna.answered, anna.handled), (1, 1));
    assert_eq!((anna.talk_ms, anna.hold_ms, anna.wrap_up_ms), (60_000, 7_000, 10_000));
}

#[test]
fn an_abandon_is_counted_with_its_wait_at_the_customers_site() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    for (id, wait) in [("short", 4_999), ("in-target", 5_000), ("late", 20_001)] {
        s.call(id, "billing", "lviv");
        s.pass(Millis(wait));
        s.hang_up(id, "lviv");
    }
    let day = queue_day(&s, "billing");
    let expected =
        [("offered", 3), ("abandoned", 3), ("abandoned in target", 2), ("short abandons", 1)];
    assert_eq!(counts(&day), expected);
    assert_eq!(day.abandon_rate(), Ratio::new(2, 3), "short ones apart");
    assert_eq!(site_day(&s, "lviv"), day);
}

#[test]
fn a_rona_is_not_a_second_offered() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(20));
    assert_eq!(counts(&queue_day(&s, "billing")), [("rona", 1)]);
    assert_eq!((agent_day(&s, "anna").rona, site_day(&s, "kyiv").rona), (1, 1));
    s.staff("boris", "lviv", &[("billing", 1)]);
    s.pass(seconds(5));
    s.connect("c1");
    assert_eq!(counts(&queue_day(&s, "billing")), [("offered", 1), ("answered", 1), ("rona", 1)]);
    assert_eq!(queue_day(&s, "billing").wait_ms, 25_000, "ringing was waiting");
}

#[test]
fn a_decline_is_counted_for_who_declined() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.decline("c1");
    assert_eq!(counts(&queue_day(&s, "billing")), [("declined", 1)]);
    assert_eq!((agent_day(&s, "anna").declined, site_day(&s, "kyiv").declined), (1, 1));
}

#[test]
fn a_hang_up_during_an_offer_is_an_abandon_and_neither_decline_nor_rona() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(10));
    s.hang_up("c1", "kyiv");
    let abandoned = [("offered", 1), ("abandoned", 1), ("abandoned in target", 1)];
    assert_eq!(counts(&queue_day(&s, "billing")), abandoned);
    assert_eq!(agent_day(&s, "anna").handled, 0);
}

#[test]
fn a_transfer_ends_one_wait_and_begins_another() {
    let mut s = scene();
    s.put_queue(queue_config("loans"));
    s.staff("boris", "lviv", &[("loans", 1)]);
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.pass(seconds(30));
    s.transfer("c1", to_queue("loans"));
    let from = [
        ("offered", 1),
        ("answered", 1),
        ("answered in target", 1),
        ("transferred", 1),
        ("handled", 1),
    ];
    assert_eq!(counts(&queue_day(&s, "billing")), from);
    assert_eq!(counts(&queue_day(&s, "loans")), []);
    s.pass(seconds(8));
    s.connect("c1");
    s.pass(seconds(5));
    s.complete("c1");
    let loans = queue_day(&s, "loans");
    assert_eq!((loans.answered, loans.wait_ms, loans.talk_ms), (1, 8_000, 5_000));
    assert_eq!(queue_day(&s, "billing").talk_ms, 30_000);
    assert_eq!((agent_day(&s, "anna").transferred, agent_day(&s, "boris").transferred), (1, 0));
}

#[test]
fn an_overflow_is_offered_in_both_queues_and_answered_in_one() {
    let mut s = Scene::new();
    s.put_queue(queue_config("general"));
    let overflow = Overflow::Queue(queue("general"));
    s.put_queue(QueueConfig { wait_max: seconds(60), overflow, ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(60));
    assert_eq!(counts(&queue_day(&s, "billing")), [("offered", 1), ("overflowed", 1)]);
    assert_eq!(counts(&queue_day(&s, "general")), []);
    s.staff("anna", "kyiv", &[("general", 1)]);
    s.connect("c1");
    let general = queue_day(&s, "general");
    assert_eq!((general.offered, general.answered, general.wait_ms), (1, 1, 0));
}

#[test]
fn whoever_is_turned_away_is_rejected() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { length_max: 1, wait_max: seconds(9), ..queue_config("billing") });
    s.call("c1", "billing", "kyiv");
    s.call("c2", "billing", "kyiv");
    s.pass(seconds(9));
    assert_eq!(counts(&queue_day(&s, "billing")), [("offered", 2), ("rejected", 2)]);
}

#[test]
fn a_callback_is_counted_and_goes_on_waiting() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    let contact = contact("c1");
    s.must("edge-kyiv", ContactCommand::RequestCallback { contact, not_before: None });
    assert_eq!(counts(&queue_day(&s, "billing")), [("callbacks", 1)]);
}

#[test]
fn whoever_is_given_up_is_lost_and_not_an_abandon() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.attach("edge-lviv", "lviv");
    s.call("c1", "billing", "lviv");
    s.detach("edge-lviv", "lviv");
    s.call("c2", "billing", "kyiv");
    s.must("olena", ContactCommand::Remove { contact: contact("c2") });
    s.pass(Millis::minutes(5));
    assert_eq!(counts(&queue_day(&s, "billing")), [("offered", 2), ("lost", 2)]);
}

// -- Ratios through real commands -----------------------------------------------------------------

/// Answers `calls` calls after this wait.
fn answer(s: &mut Scene, prefix: &str, calls: usize, wait: u64) {
    for n in 0..calls {
        let id = format!("{prefix}{n}");
        s.call(&id, "billing", "kyiv");
        s.pass(seconds(wait));
        s.connect(&id);
        s.complete(&id);
    }
}

#[test]
fn the_four_service_levels_of_the_published_interval() {
    let mut s = Scene::new();
    let target = ServiceTarget { percent: 80, within: seconds(2), short_abandon: Millis::ZERO };
    s.put_queue(QueueConfig { target, ..queue_config("billing") });
    for n in 0..10 {
        let id = format!("abandoned{n}");
        s.call(&id, "billing", "kyiv");
        s.pass(seconds(2));
        s.hang_up(&id, "kyiv");
    }
    s.staff("anna", "kyiv", &[("billing", 1)]);
    answer(&mut s, "in", 70, 2);
    answer(&mut s, "late", 20, 3);
    let level = |s: &Scene| {
        let level = queue_day(s, "billing").service_level();
        [level.ignore, level.negative, level.positive, level.answered].map(|r| r.per_mille())
    };
    assert_eq!(level(&s), [Some(778), Some(700), Some(800), Some(778)]);
    s.not_ready("anna", "lunch");
    for n in 0..5 {
        let id = format!("gave-up{n}");
        s.call(&id, "billing", "kyiv");
        s.pass(seconds(3));
        s.hang_up(&id, "kyiv");
    }
    assert_eq!(level(&s), [Some(737), Some(667), Some(762), Some(778)]);
    assert_eq!(queue_day(&s, "billing").asa_ms().scaled(1), Some(2_222), "(70 × 2 + 20 × 3) / 90");
}

#[test]
fn handling_time_and_occupancy() {
    let mut s = scene();
    s.pass(seconds(100));
    for id in ["c1", "c2"] {
        s.call(id, "billing", "kyiv");
        s.pass(seconds(5));
        s.connect(id);
        s.pass(seconds(60));
        s.hold(id);
        s.pass(seconds(15));
        s.end(id);
        s.pass(seconds(20));
        s.complete(id);
    }
    assert_eq!(queue_day(&s, "billing").aht_ms().scaled(1), Some(95_000), "60 + 15 + 20 s");
    let anna = agent_day(&s, "anna");
    assert_eq!((anna.handling_ms, anna.available_ms), (200_000, 100_000), "ringing is handling");
    assert_eq!(anna.occupancy().per_mille(), Some(667));
}

#[test]
fn who_is_at_lunch_is_neither_handling_nor_available() {
    let mut s = scene();
    s.pass(seconds(10));
    s.not_ready("anna", "lunch");
    s.pass(seconds(1_000));
    s.ready("anna");
    s.pass(seconds(10));
    s.log_out("anna");
    let anna = agent_day(&s, "anna");
    assert_eq!((anna.handling_ms, anna.available_ms), (0, 20_000));
}

// -- Intervals ------------------------------------------------------------------------------------

#[test]
fn a_wait_is_counted_in_the_interval_in_which_it_ended() {
    let mut s = scene();
    s.pass(Millis(limits::INTERVAL.0 - 5_000));
    s.call("c1", "billing", "kyiv");
    s.pass(seconds(10));
    s.connect("c1");
    let block = |s: &Scene| {
        let queue = s.centre.queue(&queue("billing")).unwrap();
        queue.metrics.at(LogTime(s.now), s.centre.settings())
    };
    assert_eq!((block(&s).previous.offered, block(&s).interval.offered), (0, 1));
    s.pass(limits::INTERVAL);
    assert_eq!((block(&s).previous.offered, block(&s).interval.offered), (1, 0));
    assert_eq!(block(&s).today.offered, 1);
    s.pass(Millis::days(1));
    assert_eq!(block(&s).today.offered, 0, "a new day");
}

#[test]
fn a_gap_is_waiting_to_the_customer_and_so_to_the_count() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    s.now += 30_000;
    s.must("node-2", ClusterCommand::TermStarted { leader: NodeId(2), gap: seconds(30) });
    s.connect("c1");
    let day = queue_day(&s, "billing");
    assert_eq!((day.answered_in_target, day.wait_ms), (0, 30_000));
}

#[test]
fn mail_is_counted_like_calls() {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.enqueue(other(Channel::Email, "m1", "billing"), "kyiv");
    s.accept("m1");
    s.complete("m1");
    let day = queue_day(&s, "billing");
    assert_eq!((day.offered, day.answered, day.handled), (1, 1, 1));
}
