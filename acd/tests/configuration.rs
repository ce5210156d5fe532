//! Configuration: revisions, deletion of what is in use, successors, and taking things back.

mod scene;

use acd::command::{ClusterCommand, Command, ConfigCommand, SiteCommand};
use acd::config::{
    AgentConfig, Assignment, Calendar, Interval, Overflow, QueueConfig, Settings, SitePolicy,
    SkillLevel, Step,
};
use acd::event::{ContactEvent, Event, ObjectKind, OverflowCause};
use acd::ids::{CalendarId, Revision};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::time::{LogTime, Millis};
use scene::*;

fn office() -> CalendarId {
    CalendarId::new("office").unwrap()
}

fn calendar(hours: u64) -> Calendar {
    let (start, end) = (LogTime(MORNING), LogTime(MORNING).plus(Millis::hours(hours)));
    let covers_until = LogTime(MORNING).plus(Millis::days(400));
    Calendar {
        id: office(),
        name: label("office"),
        open: vec![Interval { start, end }],
        covers_until,
    }
}

/// Queues `billing` (with everything it may refer to) and `loans`, a skill, a calendar, and anna.
fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_skill("french");
    s.must("olena", ConfigCommand::PutCalendar { config: calendar(9), expected: None });
    s.put_queue(queue_config("loans"));
    s.put_queue(QueueConfig {
        steps: vec![Step {
            skills: requires(&[("french", 3)]),
            sites: vec![site("lviv")],
            extra_queues: vec![queue("loans")],
            ..step_at(0)
        }],
        overflow: Overflow::Queue(queue("loans")),
        calendar: Some(office()),
        ..queue_config("billing")
    });
    let skills = vec![(skill("french"), SkillLevel::new(5).unwrap())];
    s.hire(AgentConfig { skills, ..roster_entry("anna", "kyiv", &[("loans", 1)]) });
    s
}

fn delete_queue(id: &str, successor: Option<&str>) -> ConfigCommand {
    let successor = successor.map(queue);
    ConfigCommand::DeleteQueue { queue: queue(id), successor, expected: None }
}

// -- Revisions ------------------------------------------------------------------------------------

/// The revision that was told last, if any.
fn told(s: &Scene, kind: ObjectKind, id: &str) -> Option<Revision> {
    let of = |event: &Event| match event {
        Event::Config { kind: k, id: i, revision } if *k == kind && i == id => *revision,
        _ => None,
    };
    s.events.iter().rev().find_map(of)
}

#[test]
fn the_revision_is_told_of_whatever_changes_it_also_by_the_clock() {
    let mut s = scene();
    let close = |s: &mut Scene| {
        let (queue, until) = (queue("loans"), LogTime(s.now + 60_000));
        s.must("olena", ConfigCommand::CloseQueue { queue, until, flush: false, expected: None })
    };
    let check = |s: &Scene, reply: Option<Reply>| {
        let is = s.centre.queue(&queue("loans")).unwrap().revision;
        assert_eq!(told(s, ObjectKind::Queue, "loans"), Some(is));
        assert!(reply.is_none_or(|reply| reply == Reply::Revised { revision: is }));
    };
    let reply = close(&mut s);
    check(&s, Some(reply));
    let reply =
        s.must("olena", ConfigCommand::ReopenQueue { queue: queue("loans"), expected: None });
    check(&s, Some(reply));
    close(&mut s);
    s.pass(seconds(60));
    assert_eq!(s.centre.queue(&queue("loans")).unwrap().closure, None);
    check(&s, None);

    let to_billing = |s: &mut Scene| {
        let queues = vec![Assignment { queue: queue("billing"), grade: grade(1) }];
        let (agent, duration) = (agent("anna"), Some(seconds(60)));
        let home_site = None;
        let expected = None;
        s.must("olena", ConfigCommand::MoveAgent { agent, queues, home_site, duration, expected })
    };
    let check = |s: &Scene| {
        let is = s.centre.agent(&agent("anna")).unwrap();
        assert!(is.moved.is_none());
        assert_eq!(told(s, ObjectKind::Agent, "anna"), Some(is.revision));
    };
    to_billing(&mut s);
    s.must("olena", ConfigCommand::EndMove { agent: agent("anna"), expected: None });
    check(&s);
    to_billing(&mut s);
    s.pass(seconds(60));
    check(&s);

    for command in [drain("lviv"), SiteCommand::Return { site: site("lviv"), expected: None }] {
        let reply = s.must("olena", command);
        let is = s.centre.site(&site("lviv")).unwrap().revision;
        assert_eq!(reply, Reply::Revised { revision: is });
        assert_eq!(told(&s, ObjectKind::Site, "lviv"), Some(is));
    }
}

#[test]
fn each_change_adds_one_to_the_revision_and_a_stale_one_is_refused() {
    let mut s = Scene::new();
    let put = |expected: Option<u64>| ConfigCommand::PutQueue {
        config: queue_config("billing"),
        expected: expected.map(Revision),
    };
    let revised = |n| Reply::Revised { revision: Revision(n) };
    assert_eq!(s.must("olena", put(Some(0))), revised(1), "must not exist yet");
    let (expected, actual) = (Revision(0), Revision(1));
    let stale = Rejection::StaleRevision { id: "billing".into(), expected, actual };
    assert_eq!(s.refused("olena", put(Some(0))), stale);
    assert_eq!(s.must("olena", put(Some(1))), revised(2));
    assert_eq!(s.must("olena", put(None)), revised(3), "whatever is there");
    assert_eq!(s.refused("olena", put(Some(2))).code(), "stale-revision");
}

#[test]
fn every_kind_of_object_has_revisions() {
    let mut s = scene();
    let expected = Some(Revision(77));
    let put_principal = ConfigCommand::PutPrincipal {
        principal: principal("desk"),
        roles: Roles::of(&[Role::Gateway]),
        site: None,
        expected,
    };
    let stale: Vec<Command> = vec![
        ConfigCommand::PutQueue { config: queue_config("loans"), expected }.into(),
        ConfigCommand::DeleteQueue { queue: queue("loans"), successor: None, expected }.into(),
        ConfigCommand::ReopenQueue { queue: queue("loans"), expected }.into(),
        ConfigCommand::PutCalendar { config: calendar(1), expected }.into(),
        ConfigCommand::DeleteCalendar { calendar: office(), expected }.into(),
        ConfigCommand::PutSkill { skill: skill("french"), name: label("x"), expected }.into(),
        ConfigCommand::DeleteSkill { skill: skill("french"), expected }.into(),
        ConfigCommand::PutAgent { config: roster_entry("anna", "kyiv", &[]), expected }.into(),
        ConfigCommand::DeleteAgent { agent: agent("anna"), expected }.into(),
        ConfigCommand::EndMove { agent: agent("anna"), expected }.into(),
        put_principal.into(),
        ConfigCommand::DeletePrincipal { principal: principal("desk"), expected }.into(),
        ConfigCommand::PutSettings { settings: Settings::default(), expected }.into(),
        SiteCommand::Delete { site: site("lviv"), expected }.into(),
        SiteCommand::CancelDrain { site: site("lviv"), expected }.into(),
    ];
    for command in stale {
        let code = s.refused("olena", command.clone()).code().to_string();
        // A site that is not drained has no drain to cancel, whatever the plan.
        let expected = match &command {
            Command::Site(SiteCommand::CancelDrain { .. }) => "wrong-site-state",
            _ => "stale-revision",
        };
        assert_eq!(code, expected, "{command:?}");
    }
}

// -- Deletion -------------------------------------------------------------------------------------

#[test]
fn what_is_in_use_is_not_deleted_and_the_user_is_named() {
    let mut s = scene();
    s.must(
        "olena",
        ConfigCommand::CloseQueue {
            queue: queue("loans"),
            until: LogTime(s.now + 1),
            flush: false,
            expected: None,
        },
    );
    s.pass(Millis(1));
    let expected = None;
    for (command, user) in [
        (Command::from(delete_queue("loans", None)), "agent anna"),
        (ConfigCommand::DeleteSkill { skill: skill("french"), expected }.into(), "agent anna"),
        (ConfigCommand::DeleteCalendar { calendar: office(), expected }.into(), "queue billing"),
        (SiteCommand::Delete { site: site("lviv"), expected }.into(), "node 2"),
    ] {
        match s.refused("olena", command) {
            Rejection::InUse { by, .. } => assert_eq!(by, user),
            other => panic!("{other}"),
        }
    }
    s.put_agent(roster_entry("anna", "kyiv", &[]));
    let loans = s.refused("olena", delete_queue("loans", None));
    assert_eq!(loans, Rejection::InUse { id: "loans".into(), by: "queue billing".into() });
}

#[test]
fn a_queue_in_which_somebody_waits_or_talks_is_in_use() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    let in_use = Rejection::InUse { id: "billing".into(), by: "1 contacts".into() };
    assert_eq!(s.refused("olena", delete_queue("billing", None)), in_use);
    s.hang_up("c1", "kyiv");
    s.must("olena", delete_queue("billing", None));
    let gone = Event::Config { kind: ObjectKind::Queue, id: "billing".into(), revision: None };
    assert!(s.events.contains(&gone));
}

#[test]
fn what_nothing_uses_is_deleted() {
    let mut s = scene();
    s.log_out("anna");
    let expected = None;
    s.must("olena", ConfigCommand::DeleteAgent { agent: agent("anna"), expected });
    s.must("olena", delete_queue("billing", None));
    s.must("olena", delete_queue("loans", None));
    s.must("olena", ConfigCommand::DeleteSkill { skill: skill("french"), expected });
    s.must("olena", ConfigCommand::DeleteCalendar { calendar: office(), expected });
    let principal = principal("edge-dnipro");
    s.must("olena", ConfigCommand::DeletePrincipal { principal, expected });
    s.must("node-1", SiteCommand::RemoveNode { node: Scene::node_of("dnipro") });
    s.must("olena", SiteCommand::Delete { site: site("dnipro"), expected });
    assert_eq!(s.centre.counts(), (0, 0, 0, 2));
}

#[test]
fn a_successor_takes_everything_over() {
    let mut s = Scene::new();
    s.put_queue(queue_config("new"));
    s.put_queue(queue_config("old"));
    s.put_queue(QueueConfig {
        overflow: Overflow::Queue(queue("old")),
        steps: vec![Step { extra_queues: vec![queue("old")], ..step_at(0) }],
        ..queue_config("third")
    });
    s.staff("anna", "kyiv", &[("old", 1), ("new", 5)]);
    s.call("talking", "old", "kyiv");
    s.connect("talking");
    s.staff("boris", "kyiv", &[("old", 2)]);
    s.call("ringing", "old", "kyiv");
    s.pass(seconds(1));
    s.call("waiting", "old", "kyiv");
    let place = s.contact("waiting").place();
    s.must("olena", delete_queue("old", Some("new")));
    assert_eq!(s.centre.queue(&queue("old")).map(|_| ()), None);
    let moved = ContactEvent::Overflowed {
        from: queue("old"),
        to: queue("new"),
        cause: OverflowCause::Deleted,
    };
    assert!(s.history("waiting").contains(&&moved));
    assert_eq!(s.contact("waiting").place(), place);
    assert_eq!((s.state("talking"), s.state("ringing")), ("connected", "offered"));
    let serves = |s: &Scene, id: &str| s.centre.agent(&agent(id)).unwrap().queues().to_vec();
    let new = |n| vec![Assignment { queue: queue("new"), grade: grade(n) }];
    assert_eq!((serves(&s, "anna"), serves(&s, "boris")), (new(1), new(2)), "the better grade");
    let third = s.centre.queue(&queue("third")).unwrap().config.clone();
    assert_eq!(third.overflow, Overflow::Queue(queue("new")));
    assert_eq!(third.steps[0].extra_queues, [queue("new")]);
    s.connect("ringing");
    s.complete("talking");
    assert_eq!(s.with("waiting").as_deref(), Some("anna"));
    s.complete("ringing");
    assert_eq!(s.record("ringing").queue, queue("new"));
}

#[test]
fn a_successor_takes_the_channels_that_wait() {
    let mut s = Scene::new();
    let channels = acd::channel::Channels::of(&[acd::channel::Channel::Email]);
    s.put_queue(QueueConfig { channels, ..queue_config("mail") });
    s.put_queue(queue_config("billing"));
    s.call("c1", "billing", "kyiv");
    let hand_over = delete_queue("billing", Some("mail"));
    assert_eq!(s.refused("olena", hand_over).code(), "channel-not-taken");
    let itself = delete_queue("billing", Some("billing"));
    assert_eq!(s.refused("olena", itself).code(), "invalid-config");
}

// -- Changes under those who wait -----------------------------------------------------------------

#[test]
fn a_changed_policy_is_that_of_those_who_wait_too() {
    let mut s = Scene::new();
    let site_policy = SitePolicy::LocalFirst { spill_after: Millis::hours(1) };
    s.put_queue(QueueConfig { site_policy, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "lviv");
    assert_eq!(s.state("c1"), "queued");
    s.put_queue(queue_config("billing"));
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_skill_that_is_learned_counts_at_once() {
    let mut s = Scene::new();
    s.put_skill("french");
    let steps = vec![Step { skills: requires(&[("french", 3)]), ..step_at(0) }];
    s.put_queue(QueueConfig { steps, ..queue_config("billing") });
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    let skills = vec![(skill("french"), SkillLevel::new(3).unwrap())];
    s.put_agent(AgentConfig { skills, ..roster_entry("anna", "kyiv", &[("billing", 1)]) });
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

#[test]
fn a_queue_made_anew_under_an_old_name_is_a_new_queue() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.call("c1", "billing", "kyiv");
    s.hang_up("c1", "kyiv");
    s.put_agent(roster_entry("anna", "kyiv", &[]));
    s.must("olena", delete_queue("billing", None));
    s.put_queue(queue_config("loans"));
    s.call("c2", "loans", "kyiv");
    assert_eq!(s.state("c2"), "queued", "anna serves nothing now");
    s.put_queue(queue_config("billing"));
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1)]));
    assert_eq!(s.state("c2"), "queued");
    s.call("c3", "billing", "kyiv");
    assert_eq!(s.with("c3").as_deref(), Some("anna"));
}

// -- Identities -----------------------------------------------------------------------------------

#[test]
fn the_last_admin_stays_admin() {
    let mut s = Scene::new();
    let put = |roles: &[Role]| ConfigCommand::PutPrincipal {
        principal: principal("olena"),
        roles: Roles::of(roles),
        site: None,
        expected: None,
    };
    let delete = ConfigCommand::DeletePrincipal { principal: principal("olena"), expected: None };
    assert_eq!(s.refused("olena", put(&[Role::Viewer])).code(), "invalid-config");
    assert_eq!(s.refused("olena", delete.clone()).code(), "invalid-config");
    s.grant("petro", &[Role::Admin], None);
    s.must("olena", delete);
    let petro = ConfigCommand::DeletePrincipal { principal: principal("petro"), expected: None };
    assert_eq!(s.refused("petro", petro).code(), "invalid-config");
}

#[test]
fn queues_do_not_overflow_in_a_circle() {
    let mut s = Scene::new();
    let to = |id: &str, other: &str| QueueConfig {
        overflow: Overflow::Queue(queue(other)),
        ..queue_config(id)
    };
    for id in ["a", "b", "c"] {
        s.put_queue(queue_config(id));
    }
    s.put_queue(to("a", "b"));
    s.put_queue(to("b", "c"));
    let back = ConfigCommand::PutQueue { config: to("c", "a"), expected: None };
    assert_eq!(s.refused("olena", back).code(), "invalid-config");
    // A successor would close the circle: b would send to itself by way of a.
    let (queue, successor) = (queue("c"), Some(queue("a")));
    s.must("olena", ConfigCommand::DeleteQueue { queue, successor, expected: None });
    let config = &s.centre.queue(&scene::queue("b")).unwrap().config;
    assert_eq!(config.overflow, Overflow::Reject);
}

// -- Versions -------------------------------------------------------------------------------------

#[test]
fn the_version_of_the_rules_is_raised_step_by_step_and_known_or_not_said_by_each_replica() {
    let mut s = Scene::new();
    assert_eq!(s.centre.version(), 1);
    let raise = |to| ClusterCommand::RaiseVersion { to };
    assert_eq!(s.refused("olena", raise(3)).code(), "wrong-version");
    assert_eq!(s.refused("olena", raise(1)).code(), "wrong-version");
    s.must("olena", raise(2));
    assert_eq!(s.centre.version(), 2);
    assert!(s.events.contains(&Event::VersionRaised { to: 2 }));
    assert!(s.events.contains(&Event::VersionUnknown { to: 2 }), "this program knows 1");
    let mut bytes = Vec::new();
    s.centre.snapshot().write(&mut |chunk| bytes.extend_from_slice(chunk));
    let refused = acd::Centre::restore(&bytes).err().expect("refused").to_string();
    assert!(refused.contains("goes by version 2, this program knows 1"), "{refused}");
}
