//! A cluster of nothing but state machines: one takes the commands, a second one applies the same
//! log. It can be broken on purpose, in the ways that the checks are there to notice.

mod play;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use acd::Centre;
use acd::codec;
use acd::command::{ClusterCommand, Command, SiteCommand, Submission};
use acd::event::Event;
use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::time::{LogTime, Millis};
use chaos_tests::history::{Answer, AppliedEntry, Outcome, Recorder, ResumeToken, contacts_of};
use chaos_tests::workload::{Door, Seen, Watch};
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use openraft_rt::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
pub use play::{play, verdicts};

/// Monday 2026-11-23 08:00:00 UTC, in ms.
const MORNING: u64 = 1_795_420_800_000;
const CITIES: [&str; 3] = ["kyiv", "lviv", "odesa"];

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// Answers before the entry is safe, and loses it now and then.
    LosesAcknowledged,
    /// The gap of a new term is not taken off.
    CountsGaps,
    /// An entry is applied twice.
    AppliesTwice,
    /// The second replica applies the commands of an entry in another order.
    OtherOrder,
    /// Watches skip an entry.
    SkipsInWatches,
    /// Whoever carries an old token speaks for the present one.
    IgnoresFences,
}

struct Replica {
    centre: Centre,
    run: usize,
    node: u64,
    applied: u64,
}

struct State {
    broken: Broken,
    dice: u64,
    index: u64,
    replicas: Vec<Replica>,
    pending: VecDeque<(Submission, oneshot::Sender<Outcome>)>,
    /// What watches can resume from.
    told: BTreeMap<u64, Arc<Vec<Event>>>,
    watches: Vec<(u64, mpsc::UnboundedSender<Seen>)>,
    /// Nodes that cannot be reached, until when.
    down: BTreeMap<u64, u64>,
    over: bool,
}

/// The way in.
pub struct OneCentre {
    state: Mutex<State>,
    recorder: Recorder,
}

/// A watch on it.
pub struct OneWatch(mpsc::UnboundedReceiver<Seen>);

impl Watch for OneWatch {
    async fn next(&mut self) -> Seen {
        self.0.next().await.unwrap_or(Seen::Ended)
    }
}

impl Door for OneCentre {
    type Watch = OneWatch;

    async fn submit(&self, node: u64, submission: Submission) -> Outcome {
        let receiver = {
            let mut state = self.state();
            if state.is_down(node) {
                return Outcome::Unavailable;
            }
            let (sender, receiver) = oneshot::channel();
            state.pending.push_back((submission, sender));
            receiver
        };
        receiver.await.unwrap_or(Outcome::Unknown)
    }

    async fn watch(&self, node: u64, from: Option<ResumeToken>) -> Option<OneWatch> {
        let mut state = self.state();
        if state.is_down(node) {
            return None;
        }
        let (sender, receiver) = mpsc::unbounded();
        let first = state.told.first_key_value().map_or(0, |(index, _)| *index);
        let send = |seen| sender.unbounded_send(seen).expect("the receiver is here");
        match from {
            Some(token) if token.index + 1 < first => {
                send(Seen::Compacted);
                return Some(OneWatch(receiver));
            }
            Some(token) => {
                for (index, events) in state.told.range(token.index + 1..) {
                    let token = ResumeToken { epoch: 1, index: *index };
                    send(Seen::Entry { token, events: events.clone() });
                }
            }
            None => {
                let token = ResumeToken { epoch: 1, index: state.index };
                send(Seen::Listed { token, contacts: contacts_of(&state.replicas[0].centre) });
            }
        }
        state.watches.push((node, sender));
        Some(OneWatch(receiver))
    }
}

impl State {
    fn roll(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) % n
    }

    fn is_down(&self, node: u64) -> bool {
        self.down.contains_key(&node)
    }
}

impl OneCentre {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn stamp(&self) -> LogTime {
        LogTime(MORNING + self.recorder.now())
    }

    /// Applies an entry everywhere and tells everybody.
    fn entry(
        &self,
        state: &mut State,
        mut batch: Vec<(Submission, Option<oneshot::Sender<Outcome>>)>,
    ) {
        state.index += 1;
        let (index, stamp) = (state.index, self.stamp());
        let mut submissions: Vec<Submission> =
            batch.iter().map(|(s, _)| through_codec(s)).collect();
        if state.broken == Broken::IgnoresFences {
            submissions.iter_mut().for_each(|s| present_token(&state.replicas[0].centre, s));
        }
        let shown: Vec<Submission> = batch.iter().map(|(s, _)| s.clone()).collect();
        let lost = state.broken == Broken::LosesAcknowledged && state.roll(40) == 0;
        if lost {
            // What the answer would have been, from a copy; nobody applies it.
            let mut copy = restored(&state.replicas[0].centre);
            let (answers, ..) = apply(&mut copy, index, stamp, &submissions);
            answer(index, &mut batch, &answers);
            return;
        }
        let mut first: Option<(Vec<Answer>, Vec<Event>)> = None;
        let broken = state.broken;
        for (at, replica) in state.replicas.iter_mut().enumerate() {
            let mut order = submissions.clone();
            if broken == Broken::OtherOrder && at == 1 {
                order.reverse();
            }
            let (answers, events, hash) = apply(&mut replica.centre, index, stamp, &order);
            replica.applied = index;
            let entry = AppliedEntry {
                index,
                stamp,
                submissions: shown.clone(),
                answers: answers.clone(),
                events: events.clone(),
                hash,
            };
            self.recorder.applied(replica.run, entry);
            first.get_or_insert((answers, events));
        }
        let (answers, events) = first.expect("there is a replica");
        answer(index, &mut batch, &answers);
        self.tell(state, index, events);
    }

    fn tell(&self, state: &mut State, index: u64, events: Vec<Event>) {
        if events.is_empty() || state.broken == Broken::SkipsInWatches && state.roll(200) == 0 {
            return;
        }
        let events = Arc::new(events);
        let token = ResumeToken { epoch: 1, index };
        state.told.insert(index, events.clone());
        if state.told.len() > 60 {
            state.told.pop_first();
        }
        state.watches.retain(|(_, watch)| {
            watch.unbounded_send(Seen::Entry { token, events: events.clone() }).is_ok()
        });
    }

    fn by_node(&self, state: &mut State, command: impl Into<Command>) {
        let node = PrincipalId::new("node-1").expect("a slug");
        self.entry(state, vec![(Submission::new(node, command.into()), None)]);
    }

    /// Sequences what comes, and lets things happen to the cluster.
    async fn run(self: Arc<Self>, troubles: bool) {
        let node = NodeId(1);
        loop {
            let wait = self.state().roll(12);
            SimRuntime::sleep(Duration::from_millis(wait)).await;
            if self.state().over {
                return;
            }
            if troubles && self.state().roll(1_500) == 0 {
                // Nobody leads for a while.
                let silence = 800 + self.state().roll(3_000);
                let from = self.recorder.now();
                SimRuntime::sleep(Duration::from_millis(silence)).await;
                self.recorder.leaderless(from, self.recorder.now());
                let state = &mut *self.state();
                let broken = state.broken == Broken::CountsGaps;
                let gap = Millis(if broken { 0 } else { silence });
                self.by_node(state, ClusterCommand::TermStarted { leader: node, gap });
            }
            let state = &mut *self.state();
            if troubles {
                self.trouble(state);
            }
            let now = self.recorder.now();
            let back: Vec<u64> =
                state.down.iter().filter(|(_, until)| **until <= now).map(|(n, _)| *n).collect();
            for node in back {
                state.down.remove(&node);
            }
            let due = state.replicas[0].centre.next_deadline().is_some_and(|d| d <= self.stamp());
            let size = 1 + state.roll(6) as usize;
            let mut batch: Vec<_> = Vec::new();
            while batch.len() < size
                && let Some((submission, sender)) = state.pending.pop_front()
            {
                batch.push((submission, Some(sender)));
            }
            if !batch.is_empty() {
                self.entry(state, batch);
            } else if due {
                self.by_node(state, ClusterCommand::Tick);
            }
        }
    }

    fn trouble(&self, state: &mut State) {
        let site = |at: u64| SiteId::new(CITIES[at as usize % 3]).expect("a slug");
        match state.roll(3_000) {
            0..4 => {
                // A node goes down, with its sessions and watches.
                let node = 1 + state.roll(3);
                let until = self.recorder.now() + 500 + state.roll(3_000);
                state.down.insert(node, until);
                state.watches.retain(|(at, _)| *at != node);
                self.by_node(state, SiteCommand::NodeLost { node: NodeId(node) });
            }
            4..7 => {
                let site = site(state.roll(3));
                self.by_node(state, SiteCommand::Suspect { site: site.clone() });
                if state.roll(2) == 0 {
                    self.by_node(state, SiteCommand::Lost { site: site.clone() });
                    self.by_node(state, SiteCommand::CaughtUp { site });
                } else {
                    self.by_node(state, SiteCommand::Heard { site });
                }
            }
            7..13 => self.restart(state),
            13..20 => {
                self.by_node(state, ClusterCommand::Checkpoint { about: 0, votes: Vec::new() });
            }
            20..23 => {
                let to = self.stamp();
                self.by_node(state, ClusterCommand::SetTime { to });
            }
            _ => {}
        }
        if state.broken == Broken::AppliesTwice && state.roll(400) == 0 {
            let replica = &mut state.replicas[1];
            let tick = Submission::new(
                PrincipalId::new("node-1").expect("a slug"),
                ClusterCommand::Tick.into(),
            );
            let (index, stamp) = (replica.applied, self.stamp());
            let (answers, events, hash) =
                apply(&mut replica.centre, index, stamp, std::slice::from_ref(&tick));
            let entry =
                AppliedEntry { index, stamp, submissions: vec![tick], answers, events, hash };
            self.recorder.applied(replica.run, entry);
        }
    }

    /// One replica, or both, go on from a snapshot.
    fn restart(&self, state: &mut State) {
        let at = state.roll(3);
        for replica in state.replicas.iter_mut() {
            if at != 2 && at + 1 != replica.node {
                continue;
            }
            replica.centre = restored(&replica.centre);
            replica.run = self.recorder.started(replica.node);
            self.recorder.restored(replica.run, replica.applied, replica.centre.state_hash());
        }
    }
}

/// What would come out of a log file.
fn through_codec(submission: &Submission) -> Submission {
    let bytes = codec::encode_submission(submission);
    codec::decode_submission(&bytes).expect("what was encoded is decoded")
}

fn apply(
    centre: &mut Centre,
    index: u64,
    stamp: LogTime,
    submissions: &[Submission],
) -> (Vec<Answer>, Vec<Event>, u128) {
    let mut events = Vec::new();
    centre.begin(index, stamp);
    let answers = submissions.iter().map(|s| centre.execute(s.clone(), &mut events)).collect();
    centre.end(&mut events);
    (answers, events, centre.state_hash())
}

fn answer(
    index: u64,
    batch: &mut Vec<(Submission, Option<oneshot::Sender<Outcome>>)>,
    answers: &[Answer],
) {
    for ((_, sender), answer) in batch.drain(..).zip(answers) {
        if let Some(sender) = sender {
            // Whoever asked may have lost patience.
            let _ = sender.send(Outcome::of(index, answer));
        }
    }
}

fn restored(centre: &Centre) -> Centre {
    let mut bytes = Vec::new();
    centre.snapshot().write(&mut |chunk| bytes.extend_from_slice(chunk));
    Centre::restore(&bytes).expect("what was written is restored")
}

/// A fence that is not checked: the command counts as one under the present token.
fn present_token(centre: &Centre, submission: &mut Submission) {
    use acd::command::WorkCommand as W;
    let Command::Work(work) = &mut submission.command else { return };
    let Some(live) = centre.contact(work.subject().0) else { return };
    let Some(with) = live.stage.engagement() else { return };
    let agent = centre.tables().agent(with.agent).id().as_str();
    submission.principal = PrincipalId::new(agent).expect("a slug");
    submission.session = None;
    match work {
        W::Accept { token, .. }
        | W::Decline { token, .. }
        | W::Hold { token, .. }
        | W::Retrieve { token, .. }
        | W::End { token, .. }
        | W::Complete { token, .. }
        | W::SetDisposition { token, .. }
        | W::Transfer { token, .. }
        | W::Consult { token, .. } => *token = with.token,
    }
}
