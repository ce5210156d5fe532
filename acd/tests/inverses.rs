//! The audit trail names the command that takes an act back. Here each is taken back, and the
//! configuration is as it was.

mod scene;

use acd::agent::Presence;
use acd::command::{AgentCommand, Command, ConfigCommand, ContactCommand, SiteCommand};
use acd::config::{AgentConfig, Assignment, Calendar, QueueConfig, Settings, SiteConfig};
use acd::event::NotReadyReason;
use acd::ids::{CalendarId, PrincipalId};
use acd::roles::{Role, Roles};
use acd::time::{LogTime, Millis};
use scene::*;

fn office() -> CalendarId {
    CalendarId::new("office").unwrap()
}

fn calendar(id: &str, days: u64) -> Calendar {
    let covers_until = LogTime(MORNING).plus(Millis::days(days));
    let id = CalendarId::new(id).unwrap();
    Calendar { id, name: label("office"), open: Vec::new(), covers_until }
}

fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.put_skill("french");
    s.must("olena", ConfigCommand::PutCalendar { config: calendar("office", 400), expected: None });
    s.put_agent(roster_entry("anna", "kyiv", &[("billing", 1)]));
    s
}

/// What is configured, revisions apart.
fn configuration(s: &Scene) -> String {
    let tables = s.centre.tables();
    let mut all: Vec<String> = Vec::new();
    for queue in tables.queues() {
        all.push(format!("{:?} {:?}", queue.config, queue.closure));
    }
    for agent in tables.agents() {
        all.push(format!("{:?} {:?} {:?}", agent.config, agent.moved, agent.presence));
    }
    for site in tables.sites() {
        all.push(format!("{:?} {:?} {:?}", site.config, site.state, site.drain));
    }
    for who in ["olena", "desk", "edge-kyiv", "petro"] {
        let found = s.centre.principal(&PrincipalId::new(who).unwrap());
        all.push(format!("{who} {:?}", found.map(|p| (p.roles, &p.site))));
    }
    all.push(format!("{:?}", s.centre.settings()));
    all.sort();
    all.join("\n")
}

/// Acts, takes it back as the audit trail says, and compares.
fn undo(s: &mut Scene, act: impl Into<Command>) {
    let (act, before) = (act.into(), configuration(s));
    s.must("olena", act.clone());
    let inverse = s.audit().pop().unwrap().inverse.clone();
    let inverse = *inverse.unwrap_or_else(|| panic!("no inverse: {act:?}"));
    s.must("olena", inverse.clone());
    let after = configuration(s);
    let differs: Vec<_> = before.lines().zip(after.lines()).filter(|(a, b)| a != b).collect();
    assert_eq!(differs, [], "{act:?}\ntaken back by\n{inverse:?}");
    assert_eq!(before.len(), after.len());
}

/// Acts; nothing takes it back.
fn no_undo(s: &mut Scene, act: impl Into<Command>) {
    s.must("olena", act);
    assert_eq!(s.audit().pop().unwrap().inverse, None);
}

fn move_anna(to: &str, duration: Option<Millis>) -> ConfigCommand {
    let (queues, home_site) = (vec![Assignment { queue: queue(to), grade: grade(2) }], None);
    ConfigCommand::MoveAgent { agent: agent("anna"), queues, home_site, duration, expected: None }
}

fn close(seconds_from_now: u64) -> ConfigCommand {
    let until = LogTime(MORNING).plus(seconds(seconds_from_now));
    ConfigCommand::CloseQueue { queue: queue("loans"), until, flush: false, expected: None }
}

#[test]
fn whatever_was_made_or_changed_can_be_taken_back() {
    let mut s = scene();
    let expected = None;
    undo(&mut s, ConfigCommand::PutQueue { config: queue_config("new"), expected });
    let config = QueueConfig { auto_answer: true, ..queue_config("loans") };
    undo(&mut s, ConfigCommand::PutQueue { config, expected });
    undo(&mut s, ConfigCommand::PutSkill { skill: skill("german"), name: label("G"), expected });
    undo(&mut s, ConfigCommand::PutSkill { skill: skill("french"), name: label("F"), expected });
    undo(&mut s, ConfigCommand::PutCalendar { config: calendar("new", 300), expected });
    undo(&mut s, ConfigCommand::PutCalendar { config: calendar("office", 300), expected });
    let config = roster_entry("boris", "lviv", &[("loans", 3)]);
    undo(&mut s, ConfigCommand::PutAgent { config, expected });
    let config = AgentConfig { name: label("Анна"), ..roster_entry("anna", "lviv", &[]) };
    undo(&mut s, ConfigCommand::PutAgent { config, expected });
    for (who, site) in [("petro", None), ("edge-kyiv", Some(site("lviv")))] {
        let (principal, roles) = (principal(who), Roles::of(&[Role::Viewer]));
        undo(&mut s, ConfigCommand::PutPrincipal { principal, roles, site, expected });
    }
    let settings = Settings { orphan_after: seconds(1), ..Settings::default() };
    undo(&mut s, ConfigCommand::PutSettings { settings, expected });
    let config = SiteConfig { leader_priority: 1, ..SiteConfig::new(site("lviv"), label("L")) };
    undo(&mut s, SiteCommand::Put { config, expected });
    let config = SiteConfig::new(site("odesa"), label("Odesa"));
    undo(&mut s, SiteCommand::Put { config, expected });
}

#[test]
fn whatever_was_deleted_can_be_made_again() {
    let mut s = scene();
    let expected = None;
    undo(&mut s, ConfigCommand::DeleteQueue { queue: queue("loans"), successor: None, expected });
    undo(&mut s, ConfigCommand::DeleteSkill { skill: skill("french"), expected });
    undo(&mut s, ConfigCommand::DeleteCalendar { calendar: office(), expected });
    undo(&mut s, ConfigCommand::DeleteAgent { agent: agent("anna"), expected });
    undo(&mut s, ConfigCommand::DeletePrincipal { principal: principal("desk"), expected });
    let config = SiteConfig::new(site("odesa"), label("Odesa"));
    s.must("olena", SiteCommand::Put { config, expected });
    undo(&mut s, SiteCommand::Delete { site: site("odesa"), expected });
}

#[test]
fn moves_can_be_taken_back_and_made_again() {
    let mut s = scene();
    undo(&mut s, move_anna("loans", None));
    undo(&mut s, move_anna("loans", Some(Millis::hours(1))));
    s.must("olena", move_anna("loans", Some(Millis::hours(1))));
    s.pass(seconds(60));
    undo(&mut s, ConfigCommand::EndMove { agent: agent("anna"), expected: None });
    undo(&mut s, move_anna("billing", Some(Millis::hours(5))));
}

#[test]
fn a_move_for_good_that_ends_a_temporary_one_has_no_inverse() {
    let mut s = scene();
    s.must("olena", move_anna("loans", Some(Millis::hours(1))));
    no_undo(&mut s, move_anna("loans", None));
}

#[test]
fn closures_can_be_taken_back() {
    let mut s = scene();
    undo(&mut s, close(60));
    s.must("olena", close(60));
    undo(&mut s, close(600));
    undo(&mut s, ConfigCommand::ReopenQueue { queue: queue("loans"), expected: None });
}

#[test]
fn a_drain_is_cancelled() {
    let mut s = scene();
    undo(&mut s, drain("lviv"));
    s.suspect("lviv");
    no_undo(&mut s, SiteCommand::DeclareLost { site: site("lviv"), expected: None });
}

#[test]
fn a_moved_contact_is_moved_back() {
    let mut s = scene();
    s.call("c1", "billing", "kyiv");
    undo(&mut s, ContactCommand::Move { contact: contact("c1"), to: queue("loans") });
    assert_eq!(s.centre.queue(&queue("billing")).unwrap().length(), 1);
    no_undo(&mut s, ContactCommand::Remove { contact: contact("c1") });
}

#[test]
fn an_agent_set_not_ready_is_set_ready_again_only_if_ready_before() {
    let mut s = scene();
    let not_ready =
        || AgentCommand::SetNotReady { agent: agent("anna"), reason: label("training") };
    s.log_in("anna", "kyiv");
    s.ready("anna");
    undo(&mut s, not_ready());
    s.not_ready("anna", "lunch");
    no_undo(&mut s, not_ready());
    let supervisor = NotReadyReason::Supervisor(label("training"));
    assert_eq!(*s.presence("anna"), Presence::NotReady(supervisor));
}
