//! Administration is answered once per request, and audited whatever comes of it.

mod scene;

use acd::command::{ClusterCommand, Command, ConfigCommand, LeaderChoice, Request, Submission};
use acd::event::Event;
use acd::ids::{NodeId, RequestId, Revision};
use acd::limits;
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::time::{LogTime, Millis};
use scene::*;

fn put_skill(id: &str, name: &str) -> Command {
    ConfigCommand::PutSkill { skill: skill(id), name: label(name), expected: None }.into()
}

/// Olena asks under a request id, issued at this time.
fn ask(s: &mut Scene, id: u128, issued_at: u64, command: Command) -> Result<Reply, Rejection> {
    let mut submission = Submission::new(principal("olena"), command);
    submission.request = Some(Request { id: RequestId(id), issued_at: LogTime(issued_at) });
    s.submit(submission)
}

#[test]
fn the_same_request_is_carried_out_once_and_gets_the_first_answer() {
    let mut s = Scene::new();
    let now = s.now;
    let first = ask(&mut s, 1, now, put_skill("french", "French"));
    assert_eq!(first, Ok(Reply::Revised { revision: Revision(1) }));
    s.pass(Millis::minutes(9));
    assert_eq!(ask(&mut s, 1, now, put_skill("french", "French")), first);
    let again = ask(&mut s, 2, now, put_skill("french", "French"));
    assert_eq!(again, Ok(Reply::Revised { revision: Revision(2) }), "another request");
}

#[test]
fn a_refused_request_is_refused_in_the_same_words_although_it_would_succeed_now() {
    let mut s = Scene::new();
    let now = s.now;
    let delete = ConfigCommand::DeleteSkill { skill: skill("french"), expected: None };
    let first = ask(&mut s, 1, now, delete.clone().into()).unwrap_err();
    s.put_skill("french");
    let again = ask(&mut s, 1, now, delete.into()).unwrap_err();
    assert!(matches!(again, Rejection::FirstAnswer { .. }));
    assert_eq!((again.code(), again.to_string()), (first.code(), first.to_string()));
}

#[test]
fn a_request_id_is_one_command() {
    let mut s = Scene::new();
    let now = s.now;
    ask(&mut s, 1, now, put_skill("french", "French")).unwrap();
    let other = ask(&mut s, 1, now, put_skill("german", "German"));
    assert_eq!(other, Err(Rejection::RequestReused));
    let mut stolen = Submission::new(principal("olena"), put_skill("french", "French"));
    stolen.request = Some(Request { id: RequestId(1), issued_at: LogTime(now) });
    s.grant("petro", &[acd::roles::Role::Supervisor], None);
    stolen.principal = principal("petro");
    assert_eq!(s.submit(stolen), Err(Rejection::RequestReused));
}

#[test]
fn a_request_older_than_the_window_is_unknown() {
    let mut s = Scene::new();
    let issued = s.now;
    ask(&mut s, 1, issued, put_skill("french", "French")).unwrap();
    s.pass(limits::REQUEST_WINDOW);
    assert!(ask(&mut s, 1, issued, put_skill("french", "French")).is_ok());
    s.pass(Millis(1));
    let old = ask(&mut s, 1, issued, put_skill("french", "French"));
    assert_eq!(old, Err(Rejection::RequestTooOld));
    let new = ask(&mut s, 2, issued, put_skill("french", "French"));
    assert_eq!(new, Err(Rejection::RequestTooOld), "cannot be told from a repeat");
}

#[test]
fn a_request_from_the_future_is_refused() {
    let mut s = Scene::new();
    let future = s.now + limits::REQUEST_WINDOW.0 + 1;
    let answer = ask(&mut s, 1, future, put_skill("french", "French"));
    assert_eq!(answer, Err(Rejection::RequestFromFuture));
}

#[test]
fn a_full_table_refuses_rather_than_forgets() {
    let mut s = Scene::new();
    let now = s.now;
    let many = (0..limits::REQUESTS_MAX as u128).map(|id| {
        let mut submission = Submission::new(principal("olena"), put_skill("french", "French"));
        submission.request = Some(Request { id: RequestId(id), issued_at: LogTime(now) });
        submission
    });
    let answers = s.entry(many.collect());
    assert!(answers.iter().all(Result::is_ok));
    let full = ask(&mut s, u128::MAX, now, put_skill("french", "French"));
    assert_eq!(full.unwrap_err().code(), "limit-reached");
    assert_eq!(ask(&mut s, 0, now, put_skill("french", "French")), answers[0]);
    s.pass(Millis(limits::REQUEST_WINDOW.0 + 1));
    let later = s.now;
    // A bounded number is forgotten with each entry.
    assert!(ask(&mut s, u128::MAX, later, put_skill("french", "French")).is_ok());
}

#[test]
fn who_may_not_ask_uses_up_no_request() {
    let mut s = Scene::new();
    let request = Request { id: RequestId(7), issued_at: LogTime(s.now) };
    let mut submission = Submission::new(principal("desk"), put_skill("french", "French"));
    submission.request = Some(request);
    assert_eq!(s.submit(submission).unwrap_err().code(), "not-permitted");
    let now = s.now;
    assert!(ask(&mut s, 7, now, put_skill("french", "French")).is_ok());
}

// -- Audit ----------------------------------------------------------------------------------------

#[test]
fn the_audit_trail_says_who_what_why_and_what_came_of_it() {
    let mut s = Scene::new();
    let mut submission = Submission::new(principal("olena"), put_skill("french", "French"));
    submission.reason = Some(label("new market"));
    let request = Request { id: RequestId(7), issued_at: LogTime(s.now) };
    submission.request = Some(request);
    s.submit(submission).unwrap();
    let record = s.audit().pop().unwrap().clone();
    assert_eq!((record.principal, record.at), (principal("olena"), LogTime(s.now)));
    assert_eq!((record.reason, record.request), (Some(label("new market")), Some(request)));
    assert_eq!((record.command, record.refused), (put_skill("french", "French"), None));
    let delete = ConfigCommand::DeleteSkill { skill: skill("french"), expected: None };
    assert_eq!(record.inverse.map(|c| *c), Some(delete.into()));
}

#[test]
fn acts_that_were_refused_are_audited_too() {
    let mut s = Scene::new();
    let not_permitted = s.refused("desk", put_skill("french", "French"));
    let record = s.audit().pop().unwrap();
    assert_eq!((&record.principal, &record.refused), (&principal("desk"), &Some(not_permitted)));
    assert_eq!(record.inverse, None, "there is nothing to take back");
    let delete = ConfigCommand::DeleteSkill { skill: skill("french"), expected: None };
    let unknown = s.refused("olena", delete);
    assert_eq!(s.audit().pop().unwrap().refused, Some(unknown));
}

#[test]
fn a_repeat_is_not_a_second_act() {
    let mut s = Scene::new();
    let now = s.now;
    ask(&mut s, 1, now, put_skill("french", "French")).unwrap();
    let acts = s.audit().len();
    ask(&mut s, 1, now, put_skill("french", "French")).unwrap();
    assert_eq!(s.audit().len(), acts);
}

#[test]
fn what_customers_and_agents_do_is_not_administration() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    let acts = s.audit().len();
    s.call("c1", "billing", "kyiv");
    s.connect("c1");
    s.complete("c1");
    assert_eq!(s.audit().len(), acts);
    let agent = agent("anna");
    s.must("olena", acd::command::AgentCommand::ForceLogOut { agent });
    assert_eq!(s.audit().len(), acts + 1);
}

#[test]
fn a_lead_that_is_to_move_is_in_the_audit_trail_with_what_came_of_it() {
    let mut s = Scene::new();
    let wish = |to, stays| ClusterCommand::TransferLeader { to, stays };
    let node = |n| LeaderChoice::Node(NodeId(n));
    assert_eq!(s.must("olena", wish(node(1), None)), Reply::Done);
    let why = "node 1 does not answer";
    let refused = s.refused("olena", wish(node(1), Some(label(why))));
    assert_eq!(
        (refused.code(), refused.to_string()),
        ("leader-stays", format!("the leader stays: {why}"))
    );
    assert_eq!(s.refused("olena", wish(node(9), Some(label(why)))).code(), "unknown");
    let nowhere = LeaderChoice::NotSite(site("nowhere"));
    assert_eq!(s.refused("olena", wish(nowhere, None)).code(), "unknown");
    assert_eq!(s.refused("node-1", wish(node(1), None)).code(), "not-permitted");
    let audited = s.events.iter().filter_map(|event| match event {
        Event::Audit(record) => match &record.command {
            Command::Cluster(ClusterCommand::TransferLeader { .. }) => {
                Some(record.refused.as_ref().map_or("done", |refused| refused.code()))
            }
            _ => None,
        },
        _ => None,
    });
    let audited: Vec<_> = audited.collect();
    assert_eq!(audited, ["done", "leader-stays", "unknown", "unknown", "not-permitted"]);
}

#[test]
fn a_choice_of_leaders_knows_who_is_meant() {
    let (kyiv, lviv) = (site("kyiv"), site("lviv"));
    let at_kyiv = |choice: LeaderChoice| choice.is(NodeId(1), Some(&kyiv));
    assert!(at_kyiv(LeaderChoice::Node(NodeId(1))) && !at_kyiv(LeaderChoice::Node(NodeId(2))));
    assert!(
        at_kyiv(LeaderChoice::NotNode(NodeId(2))) && !at_kyiv(LeaderChoice::NotNode(NodeId(1)))
    );
    assert!(
        at_kyiv(LeaderChoice::Site(kyiv.clone())) && !at_kyiv(LeaderChoice::Site(lviv.clone()))
    );
    assert!(at_kyiv(LeaderChoice::NotSite(lviv)) && !at_kyiv(LeaderChoice::NotSite(kyiv.clone())));
}
