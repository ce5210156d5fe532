//! The call log through the state machine, in this process: no network, no disk, no other clock
//! than that of the log.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use acd::Centre;
use acd::command::{
    ClusterCommand, Command, ConfigCommand, ContactCommand, SiteCommand, Submission,
};
use acd::event::Event;
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, SiteId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::text::Label;
use acd::time::{LogTime, Millis};

use super::calls::Call;
use super::ledger::Ledger;
use super::shifts::shifts;
use super::story::Story;
use super::world::World;
use crate::cli::Speed;

/// Time for the centre to be configured before the first call.
const LEAD: Millis = Millis::seconds(1);

/// What came of it.
pub struct Replayed {
    /// What was counted from what happened.
    pub ledger: Ledger,
    /// The centre at the end.
    pub centre: Centre,
    /// Commands that were refused although nobody was too late, by code.
    pub refused: BTreeMap<String, u64>,
    /// The contact that somebody asked about.
    pub story: Option<Story>,
}

/// Replays calls through a centre made by these commands.
pub fn replay(
    calls: &[Call],
    commands: Vec<Command>,
    cities: &[SiteId],
    speed: Speed,
    explain: Option<&ContactId>,
) -> Result<Replayed, Rejection> {
    let shifts = shifts(calls);
    let first = calls.iter().map(Call::arrival).chain(shifts.iter().map(|s| s.from)).min();
    let start = LogTime(first.unwrap_or_default().0.saturating_sub(LEAD.0));
    let homes = homes(&commands);
    let mut run = Run {
        centre: Centre::new(),
        index: 0,
        now: start,
        events: Vec::new(),
        ledger: Ledger::default(),
        story: explain.cloned().map(Story::new),
        pace: Pace { speed, from: start, since: Instant::now() },
    };
    let nodes = run.configure(commands, cities)?;
    let mut world = World::new(calls, &shifts, cities, &homes, &nodes)?;
    let refused = run.play(&mut world)?;
    Ok(Replayed { ledger: run.ledger, centre: run.centre, refused, story: run.story })
}

fn homes(commands: &[Command]) -> BTreeMap<AgentId, SiteId> {
    let home = |command: &Command| match command {
        Command::Config(ConfigCommand::PutAgent { config, .. }) => {
            Some((config.id.clone(), config.home_site.clone()))
        }
        _ => None,
    };
    commands.iter().filter_map(home).collect()
}

/// Log time against the wall clock.
struct Pace {
    speed: Speed,
    from: LogTime,
    since: Instant,
}

impl Pace {
    /// Waits until log time `to` has come.
    fn wait_for(&self, to: LogTime) {
        let Speed::Times(times) = self.speed else {
            return;
        };
        let due = Duration::from_millis(to.since(self.from).0) / times.get();
        thread::sleep(due.saturating_sub(self.since.elapsed()));
    }
}

struct Run {
    centre: Centre,
    index: u64,
    now: LogTime,
    events: Vec<Event>,
    ledger: Ledger,
    story: Option<Story>,
    pace: Pace,
}

impl Run {
    /// Applies a command in an entry of its own; what happened goes to the ledger and the world.
    fn apply(
        &mut self,
        submission: Submission,
        world: Option<&mut World<'_>>,
    ) -> Result<Reply, Rejection> {
        self.index += 1;
        let enqueued = match &submission.command {
            Command::Contact(ContactCommand::Enqueue(e)) => Some(e.contact.clone()),
            _ => None,
        };
        let outcome = self.centre.apply(self.index, self.now, submission, &mut self.events);
        if let (Ok(_), Some(contact)) = (&outcome, enqueued) {
            self.ledger.acknowledge(&contact);
        }
        if let Some(world) = world {
            for event in &self.events {
                world.learn(self.now, event);
            }
        }
        for event in self.events.drain(..) {
            self.ledger.enter(&event);
            if let Some(story) = &mut self.story {
                story.hear(self.now, &self.centre, &event);
            }
        }
        outcome
    }

    /// Makes the centre: one node a city, then everything of the file.
    fn configure(
        &mut self,
        commands: Vec<Command>,
        cities: &[SiteId],
    ) -> Result<BTreeMap<SiteId, NodeId>, Rejection> {
        let operator = PrincipalId::new("replay")?;
        let Some(first) = cities.first() else {
            return Err(Rejection::NoSite);
        };
        let init = ClusterCommand::Init {
            cluster: Label::new("replay")?,
            site: first.clone(),
            admin: operator.clone(),
            replay: false,
        };
        self.apply(Submission::new(operator.clone(), init.into()), None)?;
        let mut nodes = BTreeMap::from([(first.clone(), NodeId(1))]);
        for command in commands {
            self.apply(Submission::new(operator.clone(), command), None)?;
        }
        for city in &cities[1..] {
            let command = SiteCommand::AddNode { site: city.clone() };
            let reply = self.apply(Submission::new(operator.clone(), command.into()), None)?;
            if let Reply::NodeAdded { node } = reply {
                nodes.insert(city.clone(), node);
            }
        }
        Ok(nodes)
    }

    /// Lets people act and deadlines fire, in the order of time, until nobody does anything more.
    fn play(&mut self, world: &mut World<'_>) -> Result<BTreeMap<String, u64>, Rejection> {
        let leader = PrincipalId::new("node-1")?;
        let mut refused = BTreeMap::new();
        while let Some(next) = world.next_time() {
            let due = self.centre.next_deadline().filter(|due| *due < next);
            self.now = due.unwrap_or(next).max(self.now);
            self.pace.wait_for(self.now);
            if due.is_some() {
                let tick = Submission::new(leader.clone(), ClusterCommand::Tick.into());
                self.apply(tick, Some(world))?;
            }
            while let Some(submission) = world.next_submission(self.now) {
                // People may be too late: the caller is gone, the offer is over. They are told,
                // and nothing has changed.
                if let Err(rejection) = self.apply(submission, Some(world))
                    && !is_too_late(&rejection)
                {
                    *refused.entry(rejection.code().to_owned()).or_default() += 1;
                }
            }
        }
        Ok(refused)
    }
}

fn is_too_late(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::StaleToken { .. }
            | Rejection::WrongState { .. }
            | Rejection::StaleSession { .. }
    )
}
