//! How many contacts an agent has at once, and what may interrupt what.

mod scene;

use acd::channel::{Channel, Media, Medium};
use acd::config::{AgentConfig, Capacity, QueueConfig};
use scene::*;

/// A queue of all channels, anna serves it.
fn anna(capacity: Capacity) -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { channels: all_channels(), ..queue_config("billing") });
    s.hire(AgentConfig { capacity, ..roster_entry("anna", "kyiv", &[("billing", 1)]) });
    s
}

/// Puts contacts in, says which are with anna.
fn taken(s: &mut Scene, channel: Channel, ids: &[&str]) -> usize {
    for id in ids {
        s.enqueue(other(channel, id, "billing"), "kyiv");
    }
    ids.iter().filter(|id| s.with(id).is_some()).count()
}

#[test]
fn by_default_one_call_three_chats_five_mails() {
    let six = ["1", "2", "3", "4", "5", "6"];
    for (channel, most) in [
        (Channel::Voice, 1),
        (Channel::Callback, 1),
        (Channel::Chat, 3),
        (Channel::Email, 5),
        (Channel::Message, 3),
    ] {
        let mut s = anna(Capacity::default());
        assert_eq!(taken(&mut s, channel, &six), most, "{channel:?}");
    }
}

#[test]
fn a_call_may_interrupt_mail_and_mail_never_a_call() {
    let mut s = anna(Capacity::default());
    assert_eq!(taken(&mut s, Channel::Email, &["m1"]), 1);
    s.accept("m1");
    assert_eq!(taken(&mut s, Channel::Voice, &["c1"]), 1);
    s.connect("c1");
    assert_eq!(taken(&mut s, Channel::Email, &["m2"]), 0);
    s.complete("c1");
    assert_eq!(s.with("m2").as_deref(), Some("anna"));
}

#[test]
fn a_chat_is_not_interrupted_by_a_call() {
    let mut s = anna(Capacity::default());
    assert_eq!(taken(&mut s, Channel::Chat, &["t1"]), 1);
    assert_eq!(taken(&mut s, Channel::Voice, &["c1"]), 0);
    assert_eq!(taken(&mut s, Channel::Chat, &["t2"]), 1, "a chat beside a chat");
}

#[test]
fn who_may_interrupt_is_configured() {
    let mut capacity = Capacity::default();
    capacity.interruptible_by[Medium::Chat.index()] = Media::of(&[Medium::Voice]);
    let mut s = anna(capacity);
    assert_eq!(taken(&mut s, Channel::Chat, &["t1"]), 1);
    assert_eq!(taken(&mut s, Channel::Voice, &["c1"]), 1);
    assert_eq!(taken(&mut s, Channel::Chat, &["t2"]), 0, "but not the other way round");
}

#[test]
fn an_agent_without_capacity_for_a_medium_gets_none_of_it() {
    let mut s = anna(Capacity { max: [0, 3, 0, 0], ..Capacity::default() });
    assert_eq!(taken(&mut s, Channel::Voice, &["c1"]), 0);
    assert_eq!(taken(&mut s, Channel::Chat, &["t1"]), 1);
}

#[test]
fn lowering_the_capacity_evicts_nobody_and_offers_nothing() {
    let mut s = anna(Capacity::default());
    assert_eq!(taken(&mut s, Channel::Chat, &["t1", "t2", "t3"]), 3);
    for id in ["t1", "t2", "t3"] {
        s.accept(id);
    }
    let capacity = Capacity { max: [1, 1, 5, 3], ..Capacity::default() };
    s.put_agent(AgentConfig { capacity, ..roster_entry("anna", "kyiv", &[("billing", 1)]) });
    assert_eq!(s.state("t3"), "connected");
    assert_eq!(taken(&mut s, Channel::Chat, &["t4"]), 0);
    s.complete("t1");
    s.complete("t2");
    assert_eq!(s.state("t4"), "queued", "one is the most");
    s.complete("t3");
    assert_eq!(s.with("t4").as_deref(), Some("anna"));
}

#[test]
fn raising_the_capacity_offers_at_once() {
    let mut s = anna(Capacity { max: [1, 1, 5, 3], ..Capacity::default() });
    assert_eq!(taken(&mut s, Channel::Chat, &["t1", "t2"]), 1);
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1)]));
    assert_eq!(s.with("t2").as_deref(), Some("anna"));
}

#[test]
fn wrap_up_holds_its_slot() {
    let mut s = anna(Capacity { max: [1, 1, 5, 3], ..Capacity::default() });
    assert_eq!(taken(&mut s, Channel::Chat, &["t1", "t2"]), 1);
    s.accept("t1");
    s.end("t1");
    assert_eq!((s.state("t1"), s.state("t2")), ("wrap-up", "queued"));
    s.complete("t1");
    assert_eq!(s.with("t2").as_deref(), Some("anna"));
}

#[test]
fn several_contacts_of_an_agent_end_in_any_order() {
    let mut s = anna(Capacity::default());
    taken(&mut s, Channel::Email, &["m1", "m2", "m3"]);
    for id in ["m2", "m3", "m1"] {
        s.accept(id);
        s.complete(id);
    }
    assert_eq!(taken(&mut s, Channel::Voice, &["c1"]), 1);
}
