//! What each would serve, and what becomes of the queues.

use std::collections::BTreeMap;

use acd::command::ConfigCommand;
use acd::config::{Assignment, Grade};
use acd::ids::{AgentId, QueueId, Revision, SiteId};
use acd::time::Millis;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;
use stored::presence::Presence as State;

use super::AgentMoveArgs;
use super::who::Found;
use crate::cli::outcome::Outcome;
use crate::failure::{ErrorCode, Failure};
use crate::output::{
    AgentCounts, Freshness, Printed, Table, ahead, incomplete, left, one_of, plain, right,
};

/// Who would be moved, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    freshness: Freshness,
    /// The queue to serve.
    to: Option<String>,
    /// The queue it takes the place of. Null: of all.
    from: Option<String>,
    /// The site they belong to in reports.
    to_site: Option<String>,
    /// For how long. Null: for good.
    for_ms: Option<u64>,
    /// By agent.
    moves: Vec<Row>,
    /// The queues they leave or come to.
    queues: Vec<QueueRow>,
}

/// An agent who would be moved.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The agent.
    pub agent: String,
    /// offline, ready, not-ready, unreachable.
    presence: &'static str,
    /// Where the session is.
    site: Option<String>,
    /// Where the agent belongs.
    home_site: String,
    /// Contacts and offers; they stay.
    contacts: usize,
    /// The revision the plan is made from.
    revision: u64,
    /// Queues served now, with the grade of each.
    serves_now: BTreeMap<String, u32>,
    /// Queues served then.
    serves_then: BTreeMap<String, u32>,
    /// A temporary move that this one takes the place of: until when. Null: none.
    moved_until_ms: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(skip)]
    id: AgentId,
    #[serde(skip)]
    then: Vec<Assignment>,
    #[serde(skip)]
    is_change: bool,
    /// Why it cannot be: the agent does not serve the queue to leave.
    #[serde(skip)]
    lacks: Option<QueueId>,
}

/// A queue that they leave or come to.
#[derive(Debug, Serialize)]
struct QueueRow {
    /// The queue.
    queue: String,
    /// Contacts that wait.
    waiting: u32,
    /// Agents with a session who serve it.
    agents_now: i64,
    /// The same then.
    agents_then: i64,
}

impl Plan {
    /// What would be done, from what is true now.
    pub(super) fn new(args: &AgentMoveArgs, found: Found) -> Result<Self, Failure> {
        let freshness = Freshness::of(found.freshness)?;
        let moves = found.agents.into_iter().map(|agent| Row::new(args, agent));
        let mut moves = moves.collect::<Result<Vec<_>, _>>()?;
        if args.agents.is_empty() {
            // A filter means those who can be.
            moves.retain(|row| row.lacks.is_none());
        }
        let queues = queue_rows(&moves, &found.queues);
        let word = |id: &Option<QueueId>| id.as_ref().map(|id| id.as_str().to_owned());
        Ok(Self {
            freshness,
            to: word(&args.to),
            from: word(&args.from),
            to_site: args.to_site.as_ref().map(|id| id.as_str().to_owned()),
            for_ms: args.span.map(|span| span.0),
            moves,
            queues,
        })
    }

    /// Why it cannot be carried out. None: it can.
    pub(super) fn obstacle(&self) -> Option<Failure> {
        let lacking = self.moves.iter().find_map(|row| Some((row, row.lacks.as_ref()?)));
        let (row, queue) = lacking?;
        Some(Failure {
            code: ErrorCode::Precondition,
            what: "nobody was moved".into(),
            why: format!(
                "{} does not serve {queue}, so that there is nothing to replace",
                row.agent
            ),
            remedy: "leave --from out to replace all that they serve, or leave this agent out"
                .into(),
        })
    }

    /// How many would be moved.
    pub(super) fn moves(&self) -> usize {
        self.moves.iter().filter(|row| row.is_change).count()
    }

    /// Those who are to be moved.
    pub(super) fn to_do(&self) -> Vec<usize> {
        (0..self.moves.len()).filter(|row| self.moves[*row].is_change).collect()
    }

    /// An agent of the plan.
    pub(super) fn row(&self, row: usize) -> &Row {
        &self.moves[row]
    }

    /// Notes what became of one.
    pub(super) fn note(&mut self, row: usize, outcome: Outcome) {
        self.moves[row].outcome = outcome;
    }
}

impl Row {
    fn new(args: &AgentMoveArgs, stored: api::AgentStatus) -> Result<Self, Failure> {
        let config = stored.config.ok_or_else(|| incomplete("has an agent without a name"))?;
        let presence = match stored.presence.and_then(|presence| presence.presence) {
            Some(State::Ready(_)) => "ready",
            Some(State::NotReady(_)) => "not-ready",
            Some(State::Unreachable(_)) => "unreachable",
            Some(State::Offline(_)) => "offline",
            None => "unknown",
        };
        let now = stored.moved.as_ref().map_or(&config.queues, |moved| &moved.queues);
        let home_now = stored.moved.as_ref().map_or(&config.home_site, |moved| &moved.home_site);
        // A move for good changes what is served when no temporary move is.
        let base = if args.span.is_some() { now } else { &config.queues };
        let serves_now = by_queue(now);
        let mut lacks = None;
        let serves_then = match &args.to {
            None => by_queue(base),
            Some(to) => {
                let mut then = by_queue(base);
                let mut grade = then.get(to.as_str()).copied();
                match &args.from {
                    None => then.clear(),
                    Some(from) => match then.remove(from.as_str()) {
                        Some(replaced) => grade = grade.or(Some(replaced)),
                        None => lacks = Some(from.clone()),
                    },
                }
                then.insert(to.as_str().to_owned(), args.grade.or(grade).unwrap_or(1));
                then
            }
        };
        let moves_home = args.to_site.as_ref().is_some_and(|site| site.as_str() != home_now);
        let is_change = serves_then != serves_now || moves_home || stored.moved.is_some();
        let then = serves_then.iter().map(|(queue, grade)| {
            let queue = QueueId::new(queue).ok()?;
            Some(Assignment { queue, grade: Grade::new(*grade).ok()? })
        });
        let then = then.collect::<Option<Vec<_>>>();
        let then = then.ok_or_else(|| incomplete("has an agent with queues of no proper name"))?;
        let id = AgentId::new(&config.id);
        let id = id.map_err(|_| incomplete("has an agent of no proper name"))?;
        Ok(Self {
            agent: config.id,
            presence,
            site: stored.session.map(|session| session.site),
            home_site: home_now.clone(),
            contacts: stored.work.len(),
            revision: stored.revision,
            serves_now,
            serves_then,
            moved_until_ms: stored.moved.as_ref().map(|moved| moved.until_ms),
            outcome: if is_change { Outcome::planned() } else { Outcome::unchanged() },
            id,
            then,
            is_change: is_change && lacks.is_none(),
            lacks,
        })
    }

    /// The command that moves the agent.
    pub(super) fn to_command(
        &self,
        home_site: Option<SiteId>,
        duration: Option<Millis>,
    ) -> ConfigCommand {
        ConfigCommand::MoveAgent {
            agent: self.id.clone(),
            queues: self.then.clone(),
            home_site,
            duration,
            expected: Some(Revision(self.revision)),
        }
    }
}

fn by_queue(queues: &[stored::Assignment]) -> BTreeMap<String, u32> {
    queues.iter().map(|a| (a.queue.clone(), a.grade)).collect()
}

fn queue_rows(moves: &[Row], queues: &[api::QueueStatus]) -> Vec<QueueRow> {
    let mut differences: BTreeMap<&str, i64> = BTreeMap::new();
    for row in moves.iter().filter(|row| row.is_change) {
        let counts = i64::from(matches!(row.presence, "ready" | "not-ready"));
        for queue in row.serves_now.keys().filter(|id| !row.serves_then.contains_key(*id)) {
            *differences.entry(queue).or_default() -= counts;
        }
        for queue in row.serves_then.keys().filter(|id| !row.serves_now.contains_key(*id)) {
            *differences.entry(queue).or_default() += counts;
        }
    }
    let row = |queue: &api::QueueStatus| {
        let id = &queue.config.as_ref()?.id;
        let difference = differences.get(id.as_str())?;
        let agents_now = AgentCounts::of(queue.agents).logged_in() as i64;
        let agents_then = (agents_now + difference).max(0);
        Some(QueueRow { queue: id.clone(), waiting: queue.waiting, agents_now, agents_then })
    };
    queues.iter().filter_map(row).collect()
}

fn text(queues: &BTreeMap<String, u32>) -> String {
    let queues: Vec<_> = queues.iter().map(|(queue, grade)| format!("{queue} {grade}")).collect();
    queues.join(", ")
}

impl Printed for Plan {
    fn table(&self) -> String {
        let now_ms = self.freshness.now_ms;
        let mut agents = Table::new([
            left("AGENT"),
            left("SITE"),
            left("PRESENCE"),
            right("CONTACTS"),
            left("SERVES"),
            left("THEN"),
            left("OUTCOME"),
        ]);
        let mut notes = String::new();
        for row in &self.moves {
            agents.row([
                row.agent.clone(),
                row.site.clone().unwrap_or_default(),
                row.presence.into(),
                row.contacts.to_string(),
                text(&row.serves_now),
                text(&row.serves_then),
                row.outcome.words(),
            ]);
            if let Some(until) = row.moved_until_ms {
                let (agent, until) = (plain(&row.agent), ahead(until, now_ms));
                notes += &format!("{agent} is moved until {until}; this takes its place\n");
            }
        }
        let mut queues = Table::new([
            left("QUEUE"),
            right("WAITING"),
            right("AGENTS NOW"),
            right("AGENTS THEN"),
        ]);
        for QueueRow { queue, waiting, agents_now, agents_then } in &self.queues {
            let (now, then) = (agents_now.to_string(), agents_then.to_string());
            queues.row([queue.clone(), waiting.to_string(), now, then]);
        }
        let until = match self.for_ms {
            Some(ms) => {
                format!(", back by themselves {}", ahead(now_ms.saturating_add(ms), now_ms))
            }
            None => ", for good".into(),
        };
        let site = self.to_site.as_deref().map(|to| format!(", counted for {}", plain(to)));
        let count = one_of(self.moves() as u64, "agent moves", "agents move");
        format!(
            "{}{notes}\n{}\n{count}{}{until}\n\n{}",
            agents.text("nobody is meant"),
            queues.text("no queue would notice"),
            site.unwrap_or_default(),
            self.freshness.line()
        )
    }
}
