//! Log time: gaps, deadlines, calendars, closures.

mod scene;

use acd::agent::Presence;
use acd::command::{ClusterCommand, ConfigCommand, ContactCommand, SiteCommand, Submission};
use acd::config::{Calendar, Interval, Overflow, QueueConfig};
use acd::event::{Alarm, Event, OfferEnd};
use acd::ids::{CalendarId, NodeId};
use acd::limits;
use acd::record::Outcome;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::time::{LogTime, Millis};
use scene::*;

fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s
}

/// Nobody leads for this long; then node 2 does.
fn leaderless(s: &mut Scene, time: Millis) {
    s.now += time.0;
    s.must("node-2", ClusterCommand::TermStarted { leader: NodeId(2), gap: time });
}

fn tick() -> Submission {
    Submission::new(principal("node-1"), ClusterCommand::Tick.into())
}

fn by(who: &str, command: impl Into<acd::command::Command>) -> Submission {
    Submission::new(principal(who), command.into())
}

// -- Gaps -----------------------------------------------------------------------------------------

#[test]
fn a_leaderless_half_minute_does_not_end_as_mass_rona() {
    let mut s = scene();
    for n in 0..20 {
        s.staff(&format!("a{n}"), "kyiv", &[("billing", 1)]);
        s.call(&format!("c{n}"), "billing", "kyiv");
    }
    s.pass(seconds(5));
    leaderless(&mut s, seconds(30));
    for n in 0..20 {
        assert_eq!(s.state(&format!("c{n}")), "offered");
    }
    s.pass(Millis(14_999));
    assert_eq!(s.state("c0"), "offered", "20 s of time to answer, less the 5 before");
    s.pass(Millis(1));
    assert_eq!(s.offer_ends("c0"), [OfferEnd::Rona]);
}

#[test]
fn the_waiting_age_goes_on_through_a_gap() {
    let mut s = scene();
    let steps = vec![acd::config::Step { sites: vec![site("lviv")], ..step_at(0) }, step_at(30)];
    s.put_queue(QueueConfig { steps, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    leaderless(&mut s, seconds(30));
    assert_eq!(s.with("c1").as_deref(), Some("anna"), "thirty seconds are thirty seconds");
    s.connect("c1");
    s.complete("c1");
    let record = s.record("c1");
    assert_eq!(record.answered.unwrap().since(record.arrived), seconds(30));
}

#[test]
fn what_is_asked_of_people_and_front_ends_moves_by_the_gap() {
    let mut s = scene();
    s.put_queue(QueueConfig { wait_max: seconds(60), ..queue_config("billing") });
    s.attach("edge-lviv", "lviv");
    s.put_agent(roster_entry("anna", "kyiv", &[]));
    s.log_in("anna", "kyiv");
    s.call("waiting", "billing", "kyiv");
    s.call("stranded", "billing", "lviv");
    s.detach("edge-lviv", "lviv");
    s.lose_session("anna");
    s.pass(seconds(50));
    leaderless(&mut s, Millis::minutes(10));
    assert_eq!((s.state("waiting"), s.state("stranded")), ("queued", "stranded"));
    assert!(matches!(s.presence("anna"), Presence::Unreachable { .. }));
    s.pass(seconds(10));
    assert_eq!(s.record("waiting").outcome, Outcome::WaitedTooLong);
    s.pass(seconds(60));
    assert_eq!(*s.presence("anna"), Presence::Offline);
    s.pass(seconds(180));
    assert_eq!(s.record("stranded").outcome, Outcome::LostIngress);
}

#[test]
fn a_gap_is_at_most_the_time_since_the_last_entry() {
    let mut s = scene();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.now += 1_000;
    let gap = Millis::hours(9);
    s.must("node-2", ClusterCommand::TermStarted { leader: NodeId(2), gap });
    s.pass(seconds(20));
    assert_eq!(s.offer_ends("c1"), [OfferEnd::Rona]);
}

// -- Deadlines ------------------------------------------------------------------------------------

/// This many calls whose maximum wait ends at the same instant, a millisecond ago.
fn due(count: usize) -> Scene {
    let mut s = scene();
    s.put_queue(QueueConfig { wait_max: seconds(60), ..queue_config("impatient") });
    let arrive = |n| by("edge-kyiv", ContactCommand::Enqueue(call(&format!("d{n}"), "impatient")));
    s.entry((0..count).map(arrive).collect());
    s.now += 60_001;
    s
}

/// How many contacts have been closed.
fn closed(s: &Scene) -> usize {
    let closed = |event: &&Event| {
        let Event::Contact { what, .. } = event else { return false };
        matches!(what, acd::event::ContactEvent::Closed(_))
    };
    s.events.iter().filter(closed).count()
}

#[test]
fn at_most_a_thousand_deadlines_fire_in_an_entry_and_the_rest_leads_the_next() {
    let most = limits::DEADLINES_PER_ENTRY_MAX as usize;
    let mut s = due(most + 200);
    s.entry(vec![tick(), tick(), tick()]);
    assert_eq!(closed(&s), most, "however many commands the entry has");
    assert_eq!(s.centre.next_deadline(), Some(LogTime(s.now - 1)), "due already");
    s.entry(vec![tick()]);
    assert_eq!(closed(&s), most + 200);
}

#[test]
fn a_contact_whose_deadline_is_due_fires_it_before_a_command() {
    let last = limits::DEADLINES_PER_ENTRY_MAX as usize;
    let mut s = due(last + 1);
    let hang_up = ContactCommand::HangUp { contact: contact(&format!("d{last}")) };
    s.must("edge-kyiv", hang_up);
    let record = s.record(&format!("d{last}"));
    assert_eq!(record.outcome, Outcome::WaitedTooLong, "it had been over when they hung up");
}

#[test]
fn an_agent_whose_deadline_is_due_fires_it_before_a_command() {
    let mut s = due(limits::DEADLINES_PER_ENTRY_MAX as usize);
    s.now -= 60_001;
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.lose_session("anna");
    s.now += Millis::minutes(2).0;
    s.log_in("anna", "kyiv");
    let offline = acd::event::AgentEvent::Offline;
    assert!(s.agent_history("anna").contains(&&offline), "it was too late");
    assert!(matches!(s.presence("anna"), Presence::NotReady(_)));
}

#[test]
fn a_queue_whose_closure_is_over_is_open_for_a_command() {
    let mut s = due(limits::DEADLINES_PER_ENTRY_MAX as usize);
    s.now -= 60_001;
    let until = LogTime(s.now + 60_001);
    s.must("olena", close("billing", until, false));
    s.now += 60_001;
    let reply = s.must("edge-kyiv", ContactCommand::Enqueue(call("c1", "billing")));
    assert!(matches!(reply, Reply::Enqueued { .. }), "{reply:?}");
}

#[test]
fn a_site_whose_cordon_is_over_is_in_service_for_a_command() {
    let mut s = due(limits::DEADLINES_PER_ENTRY_MAX as usize);
    s.now -= 60_001;
    let (deadline, expiry) = (Millis(60_001), Millis(60_001));
    let (callback, force, expected) = (false, false, None);
    let lviv = site("lviv");
    s.must("olena", SiteCommand::Drain { site: lviv, deadline, expiry, callback, force, expected });
    s.now += 60_001;
    let cancel = SiteCommand::CancelDrain { site: site("lviv"), expected: None };
    assert_eq!(s.try_as("olena", cancel).unwrap_err().code(), "wrong-site-state");
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn a_deadline_made_in_an_entry_does_not_fire_in_it() {
    let mut s = scene();
    s.put_queue(QueueConfig { offer_timeout: Millis(1), ..queue_config("hasty") });
    s.staff("anna", "kyiv", &[("hasty", 1)]);
    let late = ClusterCommand::SetTime { to: LogTime(s.now).plus(seconds(60)) };
    let enqueue = ContactCommand::Enqueue(call("c1", "hasty"));
    let answers = s.entry(vec![by("edge-kyiv", enqueue), by("node-1", late), tick()]);
    assert_eq!(answers[1], Err(Rejection::NotFirst));
    assert_eq!(s.state("c1"), "offered");
    s.now += 1;
    s.entry(vec![]);
    assert_eq!(s.offer_ends("c1"), [OfferEnd::Rona], "an empty entry lets time pass");
}

// -- The clock ------------------------------------------------------------------------------------

#[test]
fn time_never_goes_back() {
    let mut s = scene();
    let now = s.centre.now();
    s.now -= 5_000;
    s.entry(vec![tick()]);
    assert_eq!(s.centre.now(), now);
    s.now += 5_000;
    let back = ClusterCommand::SetTime { to: LogTime(now.0 - 1) };
    assert_eq!(s.refused("node-1", back), Rejection::TimeGoesBack);
}

#[test]
fn nobody_waited_while_the_clock_was_put_right() {
    let mut s = scene();
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    let (from, to) = (LogTime(s.now), LogTime(s.now).plus(Millis::hours(1)));
    s.must("node-1", ClusterCommand::SetTime { to });
    s.now = to.0;
    assert_eq!((s.centre.now(), s.state("c1")), (to, "offered"));
    assert!(s.events.contains(&Event::TimeSet { from, to }));
    let audited = s.audit().pop().unwrap();
    assert_eq!(audited.command, ClusterCommand::SetTime { to }.into());
    s.pass(seconds(20));
    assert_eq!(s.offer_ends("c1"), [OfferEnd::Rona]);
}

#[test]
fn clients_own_the_time_of_a_replay_and_of_nothing_else() {
    let mut s = scene();
    let to = LogTime(s.now).plus(seconds(60));
    assert_eq!(s.refused("desk", ClusterCommand::AdvanceTo { to }), Rejection::NotAReplay);
    let mut s = Scene::blank();
    let (cluster, site, admin) = (label("replay"), site("kyiv"), principal("olena"));
    s.must("olena", ClusterCommand::Init { cluster, site, admin, replay: true });
    let to = LogTime(915_148_800_000);
    let reply = s.must("olena", ClusterCommand::AdvanceTo { to });
    assert_eq!(reply, Reply::Time { now: to, next_deadline: None });
    s.now += 5_000;
    s.entry(vec![tick()]);
    assert_eq!(s.centre.now(), to, "stamps do not count");
    let back = ClusterCommand::AdvanceTo { to: LogTime(to.0 - 1) };
    assert_eq!(s.refused("olena", back), Rejection::TimeGoesBack);
}

// -- Opening hours --------------------------------------------------------------------------------

/// Open from now for an hour; known for a day.
fn calendar(now: u64) -> Calendar {
    let (start, end) = (LogTime(now), LogTime(now).plus(Millis::hours(1)));
    Calendar {
        id: CalendarId::new("office").unwrap(),
        name: label("office"),
        open: vec![Interval { start, end }],
        covers_until: LogTime(now).plus(Millis::days(1)),
    }
}

fn office() -> Scene {
    let mut s = Scene::new();
    let config = calendar(s.now);
    s.must("olena", ConfigCommand::PutCalendar { config, expected: None });
    let calendar = Some(CalendarId::new("office").unwrap());
    s.put_queue(QueueConfig { calendar, closed: Overflow::Reject, ..queue_config("billing") });
    s
}

#[test]
fn closing_time_serves_those_who_wait_and_lets_nobody_in() {
    let mut s = office();
    s.pass(Millis(Millis::hours(1).0 - 1));
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(1));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.record("c2").outcome, Outcome::TurnedAwayClosed);
    s.staff("anna", "kyiv", &[("billing", 1)]);
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_calendar_that_has_run_out_raises_an_alarm_and_does_not_close_the_queue() {
    let mut s = office();
    s.pass(Millis::days(1));
    let alarm = Alarm::CalendarEnds { calendar: "office".into(), at: LogTime(s.now) };
    assert!(s.events.contains(&Event::Alarm(alarm)));
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
}

#[test]
fn the_alarm_comes_a_month_before_the_calendar_runs_out() {
    let mut s = Scene::new();
    let mut config = calendar(s.now);
    config.covers_until = LogTime(s.now).plus(Millis::days(400));
    s.must("olena", ConfigCommand::PutCalendar { config, expected: None });
    let alarms = |s: &Scene| s.events.iter().filter(|e| matches!(e, Event::Alarm(_))).count();
    s.pass(Millis(Millis::days(370).0 - 1));
    assert_eq!(alarms(&s), 0);
    s.pass(Millis(1));
    assert_eq!(alarms(&s), 1);
}

// -- Closures -------------------------------------------------------------------------------------

fn close(id: &str, until: LogTime, flush: bool) -> ConfigCommand {
    ConfigCommand::CloseQueue { queue: queue(id), until, flush, expected: None }
}

#[test]
fn a_closure_ends_by_itself() {
    let mut s = scene();
    let until = LogTime(s.now).plus(seconds(60));
    s.must("olena", close("billing", until, false));
    s.pass(Millis(59_999));
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.record("c1").outcome, Outcome::TurnedAwayClosed);
    s.pass(Millis(1));
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "queued");
}

#[test]
fn a_closure_turns_away_those_who_wait_only_with_flush() {
    for (flush, state) in [(false, "queued"), (true, "closed")] {
        let mut s = scene();
        s.call("c1", "billing", "kyiv");
        s.enqueue(other(acd::channel::Channel::Callback, "back", "billing"), "kyiv");
        let until = LogTime(s.now).plus(seconds(60));
        s.must("olena", close("billing", until, flush));
        assert_eq!((s.state("c1"), s.state("back")), (state, "queued"));
    }
}

#[test]
fn a_closure_is_ended_before_its_time() {
    let mut s = scene();
    s.must("olena", close("billing", LogTime(s.now).plus(seconds(60)), false));
    s.must("olena", ConfigCommand::ReopenQueue { queue: queue("billing"), expected: None });
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
}

#[test]
fn a_closure_ends_in_the_future() {
    let mut s = scene();
    let now = close("billing", LogTime(s.now), false);
    assert_eq!(s.refused("olena", now).code(), "out-of-range");
}
