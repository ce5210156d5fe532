//! What boards show: rows worked out from a fork, while the centre goes on.

mod scene;

use acd::board::{AgentTally, Board, Configured, QueueRow, SiteRow};
use acd::command::{ConfigCommand, Submission};
use acd::explain::AGENTS_LISTED_MAX;
use acd::time::{LogTime, Millis};
use scene::*;

/// Two queues; anna in kyiv talks, boris in lviv is free for loans, vira in dnipro is not ready,
/// taras is not there.
fn day() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.put_queue(queue_config("loans"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    s.staff("boris", "lviv", &[("loans", 1)]);
    s.staff("vira", "dnipro", &[("billing", 1), ("loans", 2)]);
    s.not_ready("vira", "lunch");
    s.put_agent(roster_entry("taras", "kyiv", &[("billing", 1)]));
    s.attach("edge-kyiv", "kyiv");
    s.attach("edge-lviv", "lviv");
    s.call("c0", "billing", "kyiv");
    s.connect("c0");
    s.pass(seconds(10));
    s.call("c1", "billing", "lviv");
    s.pass(seconds(5));
    s.call("c2", "billing", "kyiv");
    s
}

fn row<'a>(board: &'a Board, id: &str) -> QueueRow<'a> {
    let mut rows = board.queue_rows(Some(&queue(id)));
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn at<'a>(rows: &'a [SiteRow<'a>], city: &str) -> &'a SiteRow<'a> {
    rows.iter().find(|row| row.site.id().as_str() == city).unwrap()
}

#[test]
fn a_queue_tells_who_waits_and_who_serves_it() {
    let mut s = day();
    let board = s.centre.board();
    let billing = row(&board, "billing");
    assert_eq!(
        (billing.waiting, billing.offered, billing.connected, billing.stranded),
        (2, 0, 1, 0)
    );
    assert_eq!(billing.oldest_wait, Some(seconds(5)));
    let tally = AgentTally { busy: 1, not_ready: 1, offline: 1, ..AgentTally::default() };
    assert_eq!(billing.agents, tally);
    assert_eq!(billing.metrics.today.answered, 1);
    let loans = row(&board, "loans");
    assert_eq!((loans.waiting, loans.oldest_wait), (0, None));
    assert_eq!(loans.agents, AgentTally { free: 1, not_ready: 1, ..AgentTally::default() });
    // What it expects is what the centre answers when it is asked for one queue.
    s.complete("c0");
    let board = s.centre.board();
    for id in ["billing", "loans"] {
        assert_eq!(Some(row(&board, id).expected), s.centre.expected_wait(&queue(id)), "{id}");
    }
    assert_eq!(row(&board, "billing").offered, 1);
    let ids: Vec<_> = board.queue_rows(None).iter().map(|r| r.queue.id().to_string()).collect();
    assert_eq!(ids, ["billing", "loans"]);
}

#[test]
fn a_board_is_what_it_was_when_it_was_taken() {
    let mut s = day();
    let before = s.centre.board();
    let c1 = s.centre.contact_slot(&contact("c1")).unwrap();
    let anna = s.centre.agent_slot(&agent("anna")).unwrap();
    s.hang_up("c1", "lviv");
    s.complete("c0");
    s.pass(Millis::minutes(20));
    s.must(
        "olena",
        ConfigCommand::CloseQueue {
            queue: queue("loans"),
            flush: false,
            until: LogTime(s.now + 60_000),
            expected: None,
        },
    );
    assert_eq!((row(&before, "billing").waiting, row(&before, "loans").is_open), (2, true));
    assert_eq!(before.contact(c1).stage.word(), "queued");
    let work: Vec<_> = before.agent_row(before.agent(anna)).work.into_iter().collect();
    assert_eq!((work.len(), work[0].contact.as_str(), work[0].stage), (1, "c0", "connected"));
    let now = s.centre.board();
    assert_eq!((row(&now, "billing").waiting, row(&now, "loans").is_open), (1, false), "c2 rang");
}

#[test]
fn a_contact_knows_who_is_ahead_and_whom_it_is_with() {
    let s = day();
    let board = s.centre.board();
    for id in ["c0", "c1", "c2"] {
        let id = contact(id);
        let on_board = board.contact(s.centre.contact_slot(&id).unwrap());
        assert_eq!(board.ahead(on_board), s.centre.position(&id).map(|p| p.ahead), "{id}");
        assert_eq!(board.with(on_board), s.centre.explain(&id).unwrap().with, "{id}");
    }
}

#[test]
fn a_site_tells_who_works_there_and_for_how_long() {
    let mut s = day();
    s.lose_session("boris");
    let board = s.centre.board();
    let rows = board.site_rows();
    let cities: Vec<_> = rows.iter().map(|row| row.site.id().to_string()).collect();
    assert_eq!(cities, ["dnipro", "kyiv", "lviv"]);
    let kyiv = at(&rows, "kyiv");
    assert_eq!((kyiv.nodes.len(), kyiv.waiting, kyiv.site.engaged()), (1, 1, 1));
    assert_eq!(kyiv.agents, AgentTally { busy: 1, offline: 1, ..AgentTally::default() });
    // A conversation that goes on counts.
    assert_eq!(kyiv.handling, seconds(15));
    let lviv = at(&rows, "lviv");
    assert_eq!(lviv.agents, AgentTally { unreachable: 1, ..AgentTally::default() });
    assert_eq!((lviv.waiting, lviv.available), (1, seconds(15)));
    assert_eq!(at(&rows, "dnipro").agents, AgentTally { not_ready: 1, ..AgentTally::default() });
    // When it is over, it was as long as it was told.
    s.complete("c0");
    s.hang_up("c1", "lviv");
    let board = s.centre.board();
    assert_eq!(at(&board.site_rows(), "kyiv").handling, seconds(15));
}

#[test]
fn the_configuration_is_in_an_order_in_which_it_can_be_applied() {
    let mut s = day();
    s.put_skill("russian");
    let configuration = s.centre.configuration();
    s.put_skill("polish");
    s.put_queue(queue_config("loans"));
    let objects: Vec<_> = configuration.objects().collect();
    let name = |(object, revision): &(Configured, acd::ids::Revision)| match object {
        Configured::Site(site) => format!("site {} {revision}", site.id),
        Configured::Skill(skill) => format!("skill {} {revision}", skill.id),
        Configured::Calendar(calendar) => format!("calendar {} {revision}", calendar.id),
        Configured::Queue(queue) => format!("queue {} {revision}", queue.id),
        Configured::Agent(agent) => format!("agent {} {revision}", agent.id),
        Configured::Principal(principal) => format!("principal {} {revision}", principal.id),
        Configured::Settings(_) => format!("settings {revision}"),
    };
    assert_eq!(
        objects.iter().map(name).collect::<Vec<_>>(),
        [
            "site dnipro 1",
            "site kyiv 1",
            "site lviv 1",
            "skill russian 1",
            "queue billing 1",
            "queue loans 1",
            "agent anna 1",
            "agent boris 1",
            "agent taras 1",
            "agent vira 1",
            "principal desk 1",
            "principal edge-dnipro 1",
            "principal edge-kyiv 1",
            "principal edge-lviv 1",
            "principal olena 1",
            "settings 0",
        ]
    );
}

#[test]
fn an_explanation_lists_the_first_agents_by_id_however_many_there_are() {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    // The last ones first.
    let hire = |n: usize| {
        let config = roster_entry(&format!("agent-{n:04}"), "kyiv", &[("billing", 1)]);
        Submission::new(
            principal("olena"),
            ConfigCommand::PutAgent { config, expected: None }.into(),
        )
    };
    s.entry((0..1_200).rev().map(hire).collect());
    s.call("c0", "billing", "kyiv");
    let told = s.centre.explain(&contact("c0")).unwrap();
    assert_eq!(told.excluded.values().sum::<u32>(), 1_200);
    let listed: Vec<_> = told.agents.iter().map(|(id, _)| id.to_string()).collect();
    let first: Vec<_> = (0..AGENTS_LISTED_MAX).map(|n| format!("agent-{n:04}")).collect();
    assert_eq!(listed, first);
}
