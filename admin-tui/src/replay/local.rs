//! The call log through the state machine, in this process: no network, no disk, no other clock
//! than that of the log.

use std::collections::BTreeMap;

use acd::Centre;
use acd::command::{ClusterCommand, Command, SiteCommand, Submission};
use acd::event::Event;
use acd::ids::{ContactId, NodeId, PrincipalId, SiteId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::text::Label;
use acd::time::LogTime;

use super::play::{Pace, Turn, Venue, play};
use super::story::by_rule;
use super::world::World;
use super::{Replayed, Script};
use crate::cli::Speed;

/// Replays calls through a centre of this process.
pub(super) fn replay(
    script: &Script<'_>,
    speed: Speed,
    explain: Option<&ContactId>,
) -> Result<Replayed, Rejection> {
    let mut process = InProcess { centre: Centre::new(), index: 0, now: script.start };
    let nodes = process.configure(script)?;
    let mut world = World::new(script.calls, &script.shifts, script.cities, &script.homes, &nodes)?;
    let pace = Pace::new(speed, script.start);
    // Only the pace ever waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|_| Rejection::LimitReached { what: "threads", max: 0 })?;
    let played = runtime.block_on(play(&mut process, &mut world, pace, explain, |_, _| {}))?;
    let state_hash = format!("{:032x}", process.centre.state_hash());
    Ok(Replayed { played, state_hash, state_hash_equal: None })
}

struct InProcess {
    centre: Centre,
    index: u64,
    now: LogTime,
}

impl InProcess {
    /// Applies a command in an entry of its own.
    fn apply(&mut self, submission: Submission) -> (Result<Reply, Rejection>, Vec<Event>) {
        self.index += 1;
        let mut events = Vec::new();
        let outcome = self.centre.apply(self.index, self.now, submission, &mut events);
        (outcome, events)
    }

    /// Makes the centre: one node a city, then everything of the file.
    fn configure(&mut self, script: &Script<'_>) -> Result<BTreeMap<SiteId, NodeId>, Rejection> {
        let operator = PrincipalId::new("replay")?;
        let Some((first, others)) = script.cities.split_first() else {
            return Err(Rejection::NoSite);
        };
        let mut ask = |command: Command| self.apply(Submission::new(operator.clone(), command)).0;
        let init = ClusterCommand::Init {
            cluster: Label::new("replay")?,
            site: first.clone(),
            admin: operator.clone(),
            replay: false,
        };
        ask(init.into())?;
        let mut nodes = BTreeMap::from([(first.clone(), NodeId(1))]);
        for command in &script.commands {
            ask(command.clone())?;
        }
        for city in others {
            let command = SiteCommand::AddNode { site: city.clone() };
            if let Reply::NodeAdded { node } = ask(command.into())? {
                nodes.insert(city.clone(), node);
            }
        }
        Ok(nodes)
    }
}

impl Venue for InProcess {
    type Error = Rejection;

    async fn next_deadline(&mut self) -> Result<Option<LogTime>, Rejection> {
        Ok(self.centre.next_deadline())
    }

    async fn let_pass(&mut self, now: LogTime) -> Result<Vec<Event>, Rejection> {
        self.now = now;
        let leader = PrincipalId::new("node-1")?;
        let (outcome, events) = self.apply(Submission::new(leader, ClusterCommand::Tick.into()));
        outcome.map(|_| events)
    }

    async fn ask(&mut self, now: LogTime, submission: Submission) -> Result<Turn, Rejection> {
        self.now = now;
        let (outcome, events) = self.apply(submission);
        Ok(Turn { refused: outcome.err().map(|refusal| refusal.code().to_owned()), events })
    }

    async fn why_it_waits(
        &mut self,
        contact: &ContactId,
    ) -> Result<BTreeMap<String, u32>, Rejection> {
        Ok(self
            .centre
            .explain(contact)
            .map(|explanation| by_rule(&explanation))
            .unwrap_or_default())
    }
}
