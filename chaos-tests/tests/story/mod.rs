//! Short histories by hand: two replicas, a client, and a clock that is set. What a fault would
//! have left behind is written into the history afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use acd::Centre;
use acd::channel::Channel;
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, Submission,
};
use acd::config::{AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements};
use acd::event::{ContactEvent, Event};
use acd::ids::{
    AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, RequestId, SessionEpoch, SiteId,
};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::{LogTime, Millis};
use chaos_tests::checks::{Bounds, Invariant, Verdict, judge};
use chaos_tests::history::{
    Answer, AppliedEntry, FinalNode, History, Outcome, Recorder, ReplicaAct, ResumeToken,
    contacts_of,
};

/// Monday 2026-11-23 08:00:00 UTC, in ms.
pub const MORNING: u64 = 1_795_420_800_000;

pub fn contact(id: &str) -> ContactId {
    ContactId::new(id).expect("printable")
}
pub fn agent(id: &str) -> AgentId {
    AgentId::new(id).expect("a slug")
}
pub fn principal(id: &str) -> PrincipalId {
    PrincipalId::new(id).expect("a slug")
}
pub fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

/// A history that is being made.
pub struct Story {
    clock: Arc<AtomicU64>,
    recorder: Recorder,
    centre: Centre,
    runs: [usize; 2],
    /// Index of the last entry.
    pub index: u64,
}

impl Story {
    /// The queue `sales`, the agents `ada` and `bo` who serve it, the front end `edge`.
    pub fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let read = clock.clone();
        let now = move || read.load(Ordering::Relaxed);
        let recorder = Recorder::with_clock(LogTime(MORNING), now);
        let runs = [recorder.started(1), recorder.started(2)];
        let mut story = Self { clock, recorder, centre: Centre::new(), runs, index: 0 };
        let site = SiteId::new("kyiv").expect("a slug");
        let sales = QueueId::new("sales").expect("a slug");
        let admin = principal("olena");
        let init =
            ClusterCommand::Init { cluster: label("t"), site: site.clone(), admin, replay: false };
        story.must("olena", init);
        let edge = ConfigCommand::PutPrincipal {
            principal: principal("edge"),
            roles: Roles::of(&[Role::Ingress]),
            site: Some(site.clone()),
            expected: None,
        };
        story.must("olena", edge);
        let mut config = QueueConfig::new(sales.clone(), label("Sales"));
        config.offer_timeout = Millis(3_000);
        config.cool_down = Millis(1_000);
        story.must("olena", ConfigCommand::PutQueue { config, expected: None });
        for name in ["ada", "bo"] {
            let grade = Grade::new(1).expect("from 1 to 10");
            let config = AgentConfig {
                id: agent(name),
                name: label(name),
                home_site: site.clone(),
                skills: Vec::new(),
                queues: vec![Assignment { queue: sales.clone(), grade }],
                capacity: Capacity::default(),
            };
            story.must("olena", ConfigCommand::PutAgent { config, expected: None });
        }
        story
    }

    pub fn pass(&mut self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A client asks, and both replicas apply it.
    pub fn ask(&mut self, submission: Submission) -> Answer {
        let stamp = LogTime(MORNING + self.recorder.now());
        self.apply(submission, stamp)
    }

    /// What somebody asked is written and stamped; then nobody leads for so long, and whoever leads
    /// after that commits it.
    pub fn in_flight(&mut self, who: &str, command: impl Into<Command>, silence_ms: u64) {
        let from = self.recorder.now();
        self.recorder.written(self.index + 1, from);
        self.pass(silence_ms);
        self.recorder.leaderless(from, self.recorder.now());
        let submission = Submission::new(principal(who), command.into());
        self.apply(submission, LogTime(MORNING + from)).expect("it is carried out");
    }

    fn apply(&mut self, submission: Submission, stamp: LogTime) -> Answer {
        self.index += 1;
        let index = self.index;
        let operation = self.recorder.called("client", 1, submission.clone());
        let mut events = Vec::new();
        let answer = self.centre.apply(index, stamp, submission.clone(), &mut events);
        let hash = self.centre.state_hash();
        let told = events.clone();
        for run in self.runs {
            let (submissions, answers) = (vec![submission.clone()], vec![answer.clone()]);
            let events = events.clone();
            let entry = AppliedEntry { index, stamp, submissions, answers, events, hash };
            self.recorder.applied(run, entry);
        }
        self.recorder.returned(operation, Outcome::of(index, &answer));
        let token = ResumeToken { epoch: 1, index };
        if index == 1 {
            self.recorder.watch_asked("board", 1, None);
            let start = ResumeToken { epoch: 1, index: 0 };
            self.recorder.watch_listed("board", start, Default::default());
        }
        self.recorder.watch_entry("board", token, &told);
        answer
    }

    pub fn asks(&mut self, who: &str, command: impl Into<Command>) -> Answer {
        self.ask(Submission::new(principal(who), command.into()))
    }

    pub fn must(&mut self, who: &str, command: impl Into<Command>) -> Reply {
        self.asks(who, command).expect("it is carried out")
    }

    pub fn ready(&mut self, name: &str) -> SessionEpoch {
        let log_in = AgentCommand::LogIn { agent: agent(name), node: NodeId(1) };
        let Reply::LoggedIn { epoch, .. } = self.must(name, log_in) else {
            unreachable!("a log-in is answered with a session")
        };
        self.must(name, AgentCommand::Ready { agent: agent(name), epoch });
        epoch
    }

    pub fn call(&mut self, id: &str) -> Reply {
        self.must("edge", call(id))
    }

    pub fn token(&self, id: &str) -> OfferToken {
        let live = self.centre.contact(&contact(id)).expect("it is live");
        live.stage.engagement().expect("it is with an agent").token
    }

    pub fn tick(&mut self) {
        self.must("node-1", ClusterCommand::Tick);
    }

    /// Nobody leads for so long.
    pub fn silence(&mut self, ms: u64) {
        let from = self.recorder.now();
        self.pass(ms);
        self.recorder.leaderless(from, self.recorder.now());
        self.term(ms);
    }

    /// Both replicas go on from a snapshot.
    pub fn restart(&mut self) {
        let hash = self.centre.state_hash();
        for (at, run) in self.runs.iter_mut().enumerate() {
            *run = self.recorder.started(at as u64 + 1);
            self.recorder.restored(*run, self.index, hash);
        }
    }

    /// A leader begins its term, and says how long nobody could be heard.
    pub fn term(&mut self, gap_ms: u64) {
        let (leader, gap) = (NodeId(1), Millis(gap_ms));
        self.must("node-1", ClusterCommand::TermStarted { leader, gap });
    }

    /// The history, after everybody who is left was let go and a last command.
    pub fn end(mut self) -> History {
        self.recorder.healed();
        let left: Vec<ContactId> = contacts_of(&self.centre).into_keys().collect();
        for contact in left {
            self.must("edge", ContactCommand::HangUp { contact });
        }
        self.pass(60_000);
        self.tick();
        let node = |node| FinalNode {
            node,
            leader: Some(1),
            applied: self.index,
            hash: self.centre.state_hash(),
            contacts: contacts_of(&self.centre),
            purged: None,
            records: None,
        };
        self.recorder.ended(vec![node(1), node(2)]);
        self.recorder.history()
    }
}

pub fn call(id: &str) -> ContactCommand {
    ContactCommand::Enqueue(Enqueue {
        contact: contact(id),
        queue: QueueId::new("sales").expect("a slug"),
        channel: Channel::Voice,
        priority: Priority::default(),
        site: None,
        requirements: Requirements::from([]),
        preferred: None,
        preferred_wait: None,
        not_before: None,
        attributes: Attributes::default(),
    })
}

/// The same request each time.
pub fn request(story: &Story, number: u128, command: impl Into<Command>) -> Submission {
    let issued_at = LogTime(MORNING + story.recorder().now());
    let request = Some(acd::command::Request { id: RequestId(number), issued_at });
    Submission { request, ..Submission::new(principal("olena"), command.into()) }
}

/// Changes an entry as both replicas, or only one, applied it.
pub fn change(history: &mut History, index: u64, nodes: &[u64], with: impl Fn(&mut AppliedEntry)) {
    for run in history.runs.iter_mut().filter(|run| nodes.contains(&run.node)) {
        for act in &mut run.acts {
            if let ReplicaAct::Applied(entry) = act
                && entry.index == index
            {
                with(Arc::make_mut(entry));
            }
        }
    }
}

/// The offer of a contact within an entry.
pub fn offer_in<'a>(entry: &'a mut AppliedEntry, id: &str) -> &'a mut Event {
    let is_it = |event: &&mut Event| match event {
        Event::Contact { contact, what: ContactEvent::Offered { .. } } => contact.as_str() == id,
        _ => false,
    };
    entry.events.iter_mut().find(is_it).expect("it is offered in that entry")
}

/// What one check says.
pub fn verdict(history: &History, invariant: Invariant) -> Verdict {
    let bounds = Bounds { drained: 120_000, ..Bounds::default() };
    judge(history, bounds).remove(&invariant).expect("every invariant is judged")
}

/// Everything holds.
pub fn assert_good(history: &History) {
    for invariant in Invariant::ALL {
        assert_eq!(verdict(history, invariant), Verdict::True, "{invariant}");
    }
}

/// This one does not hold.
pub fn assert_bad(history: &History, invariant: Invariant) {
    let verdict = verdict(history, invariant);
    assert!(matches!(verdict, Verdict::False { .. }), "{invariant}: {verdict:?}");
}
