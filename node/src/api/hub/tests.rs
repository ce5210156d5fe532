//! The hub over a state without Raft: commands are applied by hand, and the hub is told of them when
//! the test says so.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use acd::channel::Channel;
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, SiteCommand,
    Submission, WorkCommand,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements, SiteConfig,
};
use acd::ids::{OfferToken, QueueId, SiteId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::LogTime;
use futures::FutureExt as _;
use openraft_rt_tokio::TokioRuntime;
use proto::api::v1::desktop_event::{self, Stage};

use super::*;
use crate::api::outbox::Next;
use crate::api::reaper::Reaper;
use crate::submit::Answer;

const MORNING: u64 = 1_795_420_800_000;
/// The node of these tests, and another one.
const HERE: NodeId = NodeId(1);
const ELSEWHERE: NodeId = NodeId(2);

fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).unwrap()
}

fn agent(id: &str) -> AgentId {
    AgentId::new(id).unwrap()
}

fn contact(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

type DeskBox = Arc<Outbox<DesktopEvent>>;
type LineBox = Arc<Outbox<IngressEvent>>;

struct Scene {
    state: State,
    hub: Arc<Hub>,
    debts: Arc<Debts>,
    watch: Watch,
    now: Cell<u64>,
}

impl Scene {
    /// Two nodes, a queue of calls, the front ends `edge` and `rim`, the gateway `desk`.
    fn new() -> Self {
        let state = State::alone(1_000);
        let debts = Arc::new(Debts::default());
        let (hub, watch) = Hub::new(HERE, state.clone(), debts.clone());
        let scene = Self { state, hub, debts, watch, now: Cell::new(MORNING) };
        let site = |id: &str| SiteId::new(id).unwrap();
        scene.must(
            "olena",
            ClusterCommand::Init {
                cluster: label("test"),
                site: site("kyiv"),
                admin: principal("olena"),
                replay: false,
            },
        );
        let config = SiteConfig::new(site("lviv"), label("lviv"));
        scene.must("olena", SiteCommand::Put { config, expected: None });
        scene.must("olena", SiteCommand::AddNode { site: site("lviv") });
        for (who, role) in
            [("edge", Role::Ingress), ("rim", Role::Ingress), ("desk", Role::Gateway)]
        {
            let (principal, roles) = (principal(who), Roles::of(&[role]));
            let site = Some(site("kyiv"));
            scene.must(
                "olena",
                ConfigCommand::PutPrincipal { principal, roles, site, expected: None },
            );
        }
        let config = QueueConfig::new(QueueId::new("sales").unwrap(), label("Sales"));
        scene.must("olena", ConfigCommand::PutQueue { config, expected: None });
        for id in ["anna", "petro"] {
            scene.put_agent(id);
        }
        scene
    }

    fn put_agent(&self, id: &str) {
        let sales = QueueId::new("sales").unwrap();
        let config = AgentConfig {
            id: agent(id),
            name: label(id),
            home_site: SiteId::new("kyiv").unwrap(),
            skills: Vec::new(),
            queues: vec![Assignment { queue: sales, grade: Grade::new(1).unwrap() }],
            capacity: Capacity::default(),
        };
        self.must("olena", ConfigCommand::PutAgent { config, expected: None });
    }

    fn must(&self, who: &str, command: impl Into<Command>) -> Reply {
        let submission = Submission::new(principal(who), command.into());
        self.now.set(self.now.get() + 10);
        self.state.apply(LogTime(self.now.get()), submission).1.unwrap()
    }

    /// Lets the hub tell what happened since it was asked last.
    fn pump(&mut self) {
        while let Some(next) = self.watch.next().now_or_never() {
            match next {
                Ok(entry) => self.hub.tell(&entry),
                Err(Ended::Compacted) => self.watch = self.hub.list_anew(),
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn log_in(&self, id: &str, node: NodeId) -> SessionEpoch {
        let reply = self.must(id, AgentCommand::LogIn { agent: agent(id), node });
        let Reply::LoggedIn { epoch, .. } = reply else { panic!("{reply:?}") };
        epoch
    }

    fn ready(&self, id: &str, epoch: SessionEpoch) {
        self.must(id, AgentCommand::Ready { agent: agent(id), epoch });
    }

    /// A session with its stream.
    fn open(&self, id: &str) -> (DeskPlace, DeskBox) {
        let mut joining = self.hub.joining(agent(id));
        joining.sent();
        joining.opened(self.log_in(id, HERE));
        let outbox = Arc::new(Outbox::new(DESKTOP_WAITING_MAX));
        (joining.take_place(outbox.clone()).unwrap(), outbox)
    }

    /// A stream of a front end.
    fn attach(&self, ingress: &str) -> (LinePlace, LineBox) {
        let mut attaching = self.hub.attaching(principal(ingress)).unwrap();
        attaching.sent();
        self.must(ingress, ContactCommand::Attach { ingress: principal(ingress), node: HERE });
        attaching.answered();
        let outbox = Arc::new(Outbox::new(INGRESS_WAITING_MAX));
        (attaching.take_place(outbox.clone()).unwrap(), outbox)
    }

    fn call(&self, ingress: &str, id: &str) {
        let enqueue = Enqueue {
            contact: contact(id),
            queue: QueueId::new("sales").unwrap(),
            channel: Channel::Voice,
            priority: Priority::new(0).unwrap(),
            site: None,
            requirements: Requirements::from([]),
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: Attributes::default(),
        };
        self.must(ingress, ContactCommand::Enqueue(enqueue));
    }

    fn token(&self, id: &str) -> OfferToken {
        let view = self.state.view();
        let stage = view.centre().contact(&contact(id)).unwrap().stage;
        stage.engagement().unwrap().token
    }

    /// Reports what is owed to the state, and says what it was.
    async fn reap(&self, refusing: usize) -> Vec<String> {
        let reported: Arc<Mutex<Vec<String>>> = Arc::default();
        let (state, now, noted) = (self.state.clone(), self.now.get(), reported.clone());
        let refuse = Arc::new(Mutex::new(refusing));
        let shutdown = Shutdown::default();
        let reaper = Reaper {
            debts: self.debts.clone(),
            hub: self.hub.clone(),
            node: HERE,
            principal: principal("node-1"),
            submit: Arc::new(move |submitted| {
                let mut refuse = refuse.lock().unwrap();
                if *refuse > 0 {
                    *refuse -= 1;
                    submitted.reply_to.answer(Answer::unavailable("nobody leads", None));
                    return;
                }
                let submission = acd::codec::decode_submission(&submitted.submission).unwrap();
                let words = match &submission.command {
                    Command::Agent(AgentCommand::SessionLost { agent, .. }) => format!("{agent}"),
                    Command::Contact(ContactCommand::Detach { ingress, .. }) => {
                        format!("{ingress}")
                    }
                    other => panic!("{other:?}"),
                };
                let (index, outcome) = state.apply(LogTime(now), submission);
                noted.lock().unwrap().push(match &outcome {
                    Ok(_) => words,
                    Err(why) => format!("{words}: {}", why.code()),
                });
                submitted.reply_to.answer(match outcome {
                    Ok(reply) => Answer::Committed { index, reply },
                    Err(why) => {
                        Answer::Refused { index, code: why.code().into(), message: why.to_string() }
                    }
                });
            }),
            shutdown: shutdown.clone(),
        };
        // Time is paused: it passes once the reaper waits for more.
        let working = TokioRuntime::spawn(reaper.run::<TokioRuntime>());
        TokioRuntime::sleep(Duration::from_secs(60)).await;
        shutdown.pull();
        working.await.unwrap();
        let reported = reported.lock().unwrap();
        reported.clone()
    }
}

/// What waits for a desktop, in words.
fn told(outbox: &Outbox<DesktopEvent>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(next) = outbox.next().now_or_never() {
        let event = match next {
            Next::Told(event) | Next::Last(event) => event.event.unwrap(),
            Next::Failed(status) => {
                all.push(format!("{:?}", status.code()));
                continue;
            }
            Next::Answered(number, _) => panic!("answered {number}"),
        };
        use desktop_event::Event as E;
        all.push(match event {
            E::Opened(opened) => {
                let items: VecDeque<_> =
                    opened.items.iter().map(|item| format!(" {}", item.contact)).collect();
                format!("opened{}", items.into_iter().collect::<String>())
            }
            E::Changed(item) => format!("{} {:?}", item.contact, item.stage()),
            E::Gone(gone) => format!("{} gone", gone.contact),
            E::Standing(standing) => {
                let stored = standing.presence.unwrap().presence.unwrap();
                match stored {
                    stored::presence::Presence::Ready(_) => "ready".into(),
                    stored::presence::Presence::NotReady(_) => "not ready".into(),
                    other => format!("{other:?}"),
                }
            }
            E::Ended(ended) => format!("{:?}", ended.why()),
            E::Answered(answered) => panic!("{answered:?}"),
        });
    }
    all
}

/// What waits for a front end, in words.
fn heard(outbox: &Outbox<IngressEvent>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(next) = outbox.next().now_or_never() {
        let event = match next {
            Next::Told(event) | Next::Last(event) => event.event.unwrap(),
            Next::Failed(status) => {
                all.push(format!("{:?}", status.code()));
                continue;
            }
            Next::Answered(number, _) => panic!("answered {number}"),
        };
        all.push(match event {
            ingress_event::Event::Happened(happened) => {
                let what = format!("{:?}", happened.event.unwrap());
                let what = what.split(['(', ' ']).next().unwrap().to_owned();
                format!("{} {what}", happened.contact)
            }
            ingress_event::Event::Compacted(_) => "compacted".into(),
            other => panic!("{other:?}"),
        });
    }
    all
}

#[test]
fn a_session_is_told_what_is_true_of_its_agent_and_of_nobody_else() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    let (_other, petro) = scene.open("petro");
    scene.pump();
    assert_eq!((told(&anna), told(&petro)), (vec!["opened".into()], vec!["opened".into()]));
    scene.ready("anna", place.epoch());
    scene.call("edge", "c-1");
    scene.pump();
    let token = scene.token("c-1");
    assert_eq!(told(&anna), ["ready", "c-1 Offered"]);
    scene.must("anna", WorkCommand::Accept { contact: contact("c-1"), token });
    scene.pump();
    scene.must("edge", ContactCommand::Bridged { contact: contact("c-1"), token });
    scene.pump();
    scene.must("anna", WorkCommand::Hold { contact: contact("c-1"), token });
    scene.pump();
    assert_eq!(told(&anna), ["c-1 Accepted", "c-1 Connected", "c-1 Held"]);
    scene.must("anna", WorkCommand::End { contact: contact("c-1"), token });
    scene.pump();
    let complete =
        WorkCommand::Complete { contact: contact("c-1"), token, disposition: None, resolved: None };
    scene.must("anna", complete);
    scene.pump();
    assert_eq!(told(&anna), ["c-1 WrapUp", "c-1 gone"]);
    assert_eq!(told(&petro), [""; 0]);
}

#[test]
fn an_offer_has_what_a_desktop_shows() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    scene.ready("anna", place.epoch());
    scene.call("edge", "c-1");
    told(&anna);
    scene.pump();
    let mut changed = None;
    while let Some(Next::Told(event)) = anna.next().now_or_never() {
        if let Some(desktop_event::Event::Changed(item)) = event.event {
            changed = Some((event.index, item));
        }
    }
    let (index, item) = changed.unwrap();
    assert_eq!(index, scene.state.last_applied());
    assert_eq!(item.stage(), Stage::Offered);
    assert_eq!((item.queue.as_str(), item.priority), ("sales", 0));
    assert_eq!(item.channel(), stored::Channel::Voice);
    assert_eq!(item.arrived_ms, scene.now.get());
    let timeout = QueueConfig::new(QueueId::new("sales").unwrap(), label("x")).offer_timeout;
    assert_eq!(item.ends_in_ms, Some(timeout.0), "the whole time is left");
}

#[test]
fn an_offer_that_was_taken_back_before_anybody_was_told_is_never_told() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    scene.ready("anna", place.epoch());
    scene.pump();
    told(&anna);
    scene.call("edge", "c-1");
    scene.must("edge", ContactCommand::HangUp { contact: contact("c-1") });
    scene.call("edge", "c-2");
    scene.pump();
    assert_eq!(told(&anna), ["c-2 Offered"]);
}

#[test]
fn a_contact_that_comes_back_by_another_offer_is_gone_before_it_is_new() {
    let mut scene = Scene::new();
    let config = QueueConfig {
        cool_down: acd::time::Millis::ZERO,
        ..QueueConfig::new(QueueId::new("sales").unwrap(), label("Sales"))
    };
    scene.must("olena", ConfigCommand::PutQueue { config, expected: None });
    let (place, anna) = scene.open("anna");
    scene.ready("anna", place.epoch());
    scene.call("edge", "c-1");
    scene.pump();
    told(&anna);
    let token = scene.token("c-1");
    scene.must("anna", WorkCommand::Decline { contact: contact("c-1"), token });
    assert_ne!(scene.token("c-1"), token, "nobody else is there");
    scene.pump();
    assert_eq!(told(&anna), ["c-1 gone", "c-1 Offered"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_logs_in_elsewhere_ends_the_session_here_and_nothing_is_owed() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    scene.log_in("anna", ELSEWHERE);
    scene.pump();
    assert_eq!(told(&anna), ["opened", "TakenOver"]);
    drop(place);
    assert_eq!(scene.hub.taken(), 0);
    assert_eq!(scene.reap(0).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_second_stream_of_an_agent_takes_over_the_first() {
    let mut scene = Scene::new();
    let (first, anna) = scene.open("anna");
    let (_second, anew) = scene.open("anna");
    scene.pump();
    assert_eq!(told(&anna), ["opened", "TakenOver"]);
    assert_eq!(told(&anew), ["opened"]);
    drop(first);
    assert_eq!(scene.reap(0).await, [""; 0], "the second goes on");
}

#[test]
fn a_session_that_was_taken_over_before_it_had_its_place_is_told_so() {
    let scene = Scene::new();
    let mut joining = scene.hub.joining(agent("anna"));
    joining.sent();
    joining.opened(scene.log_in("anna", HERE));
    scene.log_in("anna", ELSEWHERE);
    let outbox = Arc::new(Outbox::new(DESKTOP_WAITING_MAX));
    assert_eq!(joining.take_place(outbox).err(), Some(Why::TakenOver));
}

#[test]
fn a_session_is_told_why_the_cluster_ended_it() {
    let mut scene = Scene::new();
    let (_place, anna) = scene.open("anna");
    let (_other, petro) = scene.open("petro");
    scene.must("olena", AgentCommand::ForceLogOut { agent: agent("anna") });
    scene.pump();
    scene.must("node-2", SiteCommand::NodeLost { node: HERE });
    scene.pump();
    assert_eq!(told(&anna), ["opened", "Forced"]);
    assert_eq!(told(&petro), ["opened", "Lost"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_reported_until_somebody_leads() {
    let scene = Scene::new();
    let (place, _anna) = scene.open("anna");
    drop(place);
    assert_eq!(scene.reap(7).await, ["anna"]);
    let view = scene.state.view();
    let anna = view.centre().agent(&agent("anna")).unwrap();
    assert!(anna.live_session().is_none() && anna.session.is_some());
}

#[tokio::test(start_paused = true)]
async fn many_broken_streams_are_all_reported() {
    let scene = Scene::new();
    let names: Vec<String> = (0..1_000).map(|n| format!("agent{n:04}")).collect();
    let places: Vec<_> = names
        .iter()
        .map(|name| {
            scene.put_agent(name);
            scene.open(name).0
        })
        .collect();
    drop(places);
    assert_eq!(scene.reap(300).await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_desktop_that_does_not_read_is_cut_off_and_the_others_are_not() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    let (_other, petro) = scene.open("petro");
    let epoch = place.epoch();
    for _ in 0..DESKTOP_WAITING_MAX {
        scene.ready("anna", epoch);
        scene.pump();
        let reason = label("lunch");
        scene.must("anna", AgentCommand::NotReady { agent: agent("anna"), epoch, reason });
        scene.pump();
    }
    assert_eq!(told(&anna), ["ResourceExhausted"], "what waited is thrown away");
    assert_eq!(told(&petro), ["opened"]);
    drop(place);
    assert_eq!(scene.reap(0).await, ["anna"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_in_of_which_nobody_heard_is_ended_when_it_comes_to_be() {
    let mut scene = Scene::new();
    let mut joining = scene.hub.joining(agent("anna"));
    joining.sent();
    // The desktop is gone before there is an answer.
    drop(joining);
    scene.pump();
    assert_eq!(scene.reap(0).await, [""; 0]);
    scene.log_in("anna", HERE);
    scene.pump();
    assert_eq!(scene.reap(0).await, ["anna"]);

    // And when it came to be before.
    let mut joining = scene.hub.joining(agent("petro"));
    joining.sent();
    scene.log_in("petro", HERE);
    scene.pump();
    drop(joining);
    assert_eq!(scene.reap(0).await, ["petro"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_stream_that_somebody_else_opened_is_left_alone() {
    let mut scene = Scene::new();
    scene.log_in("anna", HERE);
    let (_place, _petro) = scene.open("petro");
    scene.pump();
    assert_eq!(scene.reap(0).await, [""; 0]);
}

#[test]
fn a_front_end_is_told_of_its_contacts_from_its_attachment_on() {
    let mut scene = Scene::new();
    scene.call("edge", "c-0");
    let (_place, edge) = scene.attach("edge");
    let (_second, again) = scene.attach("edge");
    let (_other, rim) = scene.attach("rim");
    scene.call("edge", "c-1");
    scene.call("rim", "r-1");
    scene.must("edge", ContactCommand::HangUp { contact: contact("c-0") });
    scene.must("edge", ContactCommand::RecordCsat { contact: contact("c-0"), score: 90 });
    scene.pump();
    let expected = ["c-1 Enqueued", "c-0 Closed", "c-0 CsatReceived"];
    assert_eq!(heard(&edge), expected);
    assert_eq!(heard(&again), expected, "each of its streams is told the same");
    assert_eq!(heard(&rim), ["r-1 Enqueued"]);
}

#[tokio::test(start_paused = true)]
async fn a_front_end_is_detached_with_its_last_stream() {
    let mut scene = Scene::new();
    let (first, _edge) = scene.attach("edge");
    let (second, edge) = scene.attach("edge");
    scene.call("edge", "c-1");
    drop(first);
    assert_eq!(scene.reap(0).await, [""; 0]);
    drop(second);
    assert_eq!(scene.reap(3).await, ["edge"]);
    scene.pump();
    assert_eq!(heard(&edge), [""; 0], "nobody is there to be told");
    let stage = scene.state.view().centre().contact(&contact("c-1")).unwrap().stage;
    assert_eq!(stage.word(), "stranded");
}

#[tokio::test(start_paused = true)]
async fn a_front_end_that_is_back_in_time_is_not_detached() {
    let scene = Scene::new();
    let (first, _) = scene.attach("edge");
    drop(first);
    let (_second, _) = scene.attach("edge");
    assert_eq!(scene.reap(0).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_front_end_whose_node_counts_as_lost_attaches_again() {
    let mut scene = Scene::new();
    let (_place, edge) = scene.attach("edge");
    scene.call("edge", "c-1");
    scene.must("node-2", SiteCommand::NodeLost { node: HERE });
    scene.pump();
    let heard = heard(&edge);
    assert_eq!(heard.last().map(String::as_str), Some("compacted"), "{heard:?}");
    assert!(scene.hub.attaching(principal("edge")).is_ok());
}

#[test]
fn a_front_end_has_a_bounded_number_of_streams() {
    let scene = Scene::new();
    let lines: Vec<_> = (0..STREAMS_PER_INGRESS_MAX).map(|_| scene.attach("edge")).collect();
    assert_eq!(scene.hub.attaching(principal("edge")).err(), Some(NoPlace::TooMany));
    drop(lines);
    assert!(scene.hub.attaching(principal("edge")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_front_end_that_does_not_read_is_cut_off() {
    let mut scene = Scene::new();
    let (place, edge) = scene.attach("edge");
    for n in 0..=INGRESS_WAITING_MAX {
        scene.must("edge", ContactCommand::RecordCsat { contact: contact("c-0"), score: 50 });
        if n == 0 {
            scene.call("edge", "c-0");
        }
        scene.pump();
    }
    assert_eq!(heard(&edge), ["ResourceExhausted"]);
    drop(place);
    assert_eq!(scene.reap(0).await, ["edge"]);
}

#[test]
fn when_the_state_is_replaced_sessions_begin_anew_and_front_ends_attach_again() {
    let mut scene = Scene::new();
    let (place, anna) = scene.open("anna");
    let (_other, petro) = scene.open("petro");
    let (_line, edge) = scene.attach("edge");
    scene.ready("anna", place.epoch());
    scene.pump();
    scene.call("edge", "c-1");
    scene.log_in("petro", ELSEWHERE);
    scene.state.forget_events();
    scene.pump();
    assert_eq!(told(&anna), ["opened c-1"], "old news are dropped");
    assert_eq!(told(&petro), ["opened", "TakenOver"]);
    assert_eq!(heard(&edge), ["compacted"]);
    // And it goes on from there.
    scene.must("edge", ContactCommand::HangUp { contact: contact("c-1") });
    scene.pump();
    assert_eq!(told(&anna), ["c-1 gone"]);
}

#[test]
fn a_node_that_ends_tells_everybody_and_takes_nobody() {
    let scene = Scene::new();
    let (_place, anna) = scene.open("anna");
    let (_line, edge) = scene.attach("edge");
    scene.hub.close();
    assert_eq!(told(&anna), ["opened", "NodeEnding"]);
    assert_eq!(heard(&edge), ["Unavailable"]);
    assert_eq!(scene.hub.attaching(principal("rim")).err(), Some(NoPlace::Closed));
    let mut joining = scene.hub.joining(agent("petro"));
    joining.opened(scene.log_in("petro", HERE));
    let outbox = Arc::new(Outbox::new(DESKTOP_WAITING_MAX));
    assert_eq!(joining.take_place(outbox).err(), Some(Why::NodeEnding));
}
