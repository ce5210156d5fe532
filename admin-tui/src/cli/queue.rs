//! `quorumcall queue`.

use acd::ids::QueueId;
use clap::{Args, Subcommand};
use proto::api::v1 as api;
use serde::Serialize;

use super::{Options, ReadArgs, parse_queue};
use crate::centre_file::{Written, written_queue};
use crate::client::{Client, ClientError, Conversation, reads};
use crate::failure::{ErrorCode, Failure};
use crate::output::{
    AgentCounts, Facts, Freshness, Printed, QueueMetrics, Table, ahead, duration, incomplete, left,
    percent, print, right,
};

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    /// The queues, by id.
    List(ReadArgs),
    /// One queue, with its configuration.
    Show(QueueShowArgs),
}

/// Arguments of `quorumcall queue show`.
#[derive(Debug, Args)]
pub struct QueueShowArgs {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = parse_queue)]
    pub queue: QueueId,
    /// How to read.
    #[command(flatten)]
    pub read: ReadArgs,
}

impl QueueVerb {
    pub(crate) fn run(&self, options: &Options) -> Result<String, Failure> {
        let conversation = Conversation::open(options)?;
        match self {
            Self::List(read) => {
                let answer = conversation.ask(|client| list_queues(client, *read, None))?;
                let freshness = Freshness::of(answer.freshness)?;
                let queues = answer.queues.into_iter().map(QueueRow::of);
                let queues = queues.collect::<Result<_, _>>()?;
                print(&QueueList { freshness, queues }, options.output)
            }
            Self::Show(args) => {
                let id = args.queue.as_str();
                let answer = conversation.ask(|client| list_queues(client, args.read, Some(id)))?;
                let freshness = Freshness::of(answer.freshness)?;
                let found = answer
                    .queues
                    .into_iter()
                    .find(|queue| queue.config.as_ref().is_some_and(|config| config.id == id));
                let stored = found.ok_or_else(|| Failure {
                    code: ErrorCode::NotFound,
                    what: format!("there is no queue {id}"),
                    why: "the centre has no queue with this id".into(),
                    remedy: "`quorumcall queue list` shows the queues".into(),
                })?;
                let config = stored.config.clone().unwrap_or_default();
                let config = written_queue(config).map_err(|_| {
                    incomplete("has a configuration that this program does not know")
                })?;
                let queue = QueueRow::of(stored)?;
                print(&QueueShown { freshness, queue, config }, options.output)
            }
        }
    }
}

/// Asks a node for queues.
pub(super) async fn list_queues(
    client: Client,
    read: ReadArgs,
    queue: Option<&str>,
) -> Result<api::ListQueuesResponse, ClientError> {
    let request =
        api::ListQueuesRequest { linearizable: read.linearizable, queue: queue.map(str::to_owned) };
    client
        .read_fresh(|channel| {
            let request = request.clone();
            async move { reads(channel).list_queues(request).await }
        })
        .await
}

/// A queue.
#[derive(Debug, Serialize)]
struct QueueRow {
    /// The id.
    id: String,
    /// The name people see.
    name: String,
    /// Whether it takes contacts now.
    open: bool,
    /// Closed at once, until then.
    closed_until_ms: Option<u64>,
    /// Contacts that wait.
    waiting: u32,
    /// Contacts before an agent or being connected.
    offered: u32,
    /// Contacts with an agent.
    connected: u32,
    /// Contacts whose ingress is gone.
    stranded: u32,
    /// How long the longest has been waiting.
    oldest_wait_ms: Option<u64>,
    /// Expected wait of who comes now, by both estimators.
    expected_wait: ExpectedWait,
    /// Agents who serve it, by what they do.
    agents: AgentCounts,
    /// The service target.
    target: Target,
    /// Revision, for plans.
    revision: u64,
    /// Counters.
    metrics: QueueMetrics,
}

#[derive(Debug, Serialize)]
struct ExpectedWait {
    /// By the head-of-line delay; null: nobody waits.
    head_of_line_ms: Option<u64>,
    /// By the queue length; null: nobody is ready, or nothing was handled today.
    queue_length_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Target {
    /// So many of 100 contacts …
    percent: u32,
    /// … are answered within this.
    within_ms: u64,
}

impl QueueRow {
    fn of(stored: api::QueueStatus) -> Result<Self, Failure> {
        let api::QueueStatus {
            config,
            revision,
            open,
            closed_until_ms,
            waiting,
            offered,
            connected,
            stranded,
            oldest_wait_ms,
            agents,
            metrics,
            expected_head_of_line_ms,
            expected_queue_length_ms,
        } = stored;
        let config = config.ok_or_else(|| incomplete("has a queue without a name"))?;
        let target = config.target.unwrap_or_default();
        Ok(Self {
            id: config.id,
            name: config.name,
            open,
            closed_until_ms,
            waiting,
            offered,
            connected,
            stranded,
            oldest_wait_ms,
            expected_wait: ExpectedWait {
                head_of_line_ms: expected_head_of_line_ms,
                queue_length_ms: expected_queue_length_ms,
            },
            agents: AgentCounts::of(agents),
            target: Target { percent: target.percent, within_ms: target.within_ms },
            revision,
            metrics: QueueMetrics::of(metrics),
        })
    }

    fn open_text(&self) -> &'static str {
        match (self.open, self.closed_until_ms) {
            (true, _) => "open",
            (false, Some(_)) => "closed at once",
            (false, None) => "closed",
        }
    }
}

/// A duration that may not be known.
fn duration_or_nothing(ms: Option<u64>) -> String {
    ms.map(duration).unwrap_or_default()
}

#[derive(Debug, Serialize)]
struct QueueList {
    freshness: Freshness,
    queues: Vec<QueueRow>,
}

impl Printed for QueueList {
    fn table(&self) -> String {
        let mut table = Table::new([
            left("QUEUE"),
            left("NAME"),
            left("OPEN"),
            right("WAITING"),
            right("OLDEST"),
            right("OFFERED"),
            right("CONNECTED"),
            right("STRANDED"),
            right("FREE"),
            right("BUSY"),
            right("IN TARGET"),
            right("ANSWERED"),
            right("ABANDONED"),
        ]);
        for queue in &self.queues {
            let today = queue.metrics.today();
            table.row([
                queue.id.clone(),
                queue.name.clone(),
                queue.open_text().into(),
                queue.waiting.to_string(),
                duration_or_nothing(queue.oldest_wait_ms),
                queue.offered.to_string(),
                queue.connected.to_string(),
                queue.stranded.to_string(),
                queue.agents.free.to_string(),
                queue.agents.busy.to_string(),
                percent(today.service_level().negative),
                today.answered.to_string(),
                today.abandoned.to_string(),
            ]);
        }
        format!("{}\n{}", table.text("no queues"), self.freshness.line())
    }
}

#[derive(Debug, Serialize)]
struct QueueShown {
    freshness: Freshness,
    queue: QueueRow,
    /// As centre.toml has it, with durations in milliseconds.
    config: Written,
}

impl Printed for QueueShown {
    fn table(&self) -> String {
        let queue = &self.queue;
        let today = queue.metrics.today();
        let level = today.service_level();
        let Target { percent: target, within_ms } = queue.target;
        let open = match queue.closed_until_ms {
            Some(until) => {
                format!("closed at once, until {}", ahead(until, self.freshness.now_ms))
            }
            None => queue.open_text().into(),
        };
        let expected =
            match (queue.expected_wait.head_of_line_ms, queue.expected_wait.queue_length_ms) {
                (None, None) => "not known".into(),
                (head, length) => {
                    let text = |ms: Option<u64>| ms.map_or("not known".into(), duration);
                    format!(
                        "{} by the head of the line, {} by the length",
                        text(head),
                        text(length)
                    )
                }
            };
        let mut facts = Facts::default();
        facts
            .fact("queue", &queue.id)
            .fact("name", &queue.name)
            .fact("open", open)
            .fact("waiting", queue.waiting.to_string())
            .fact("oldest wait", queue.oldest_wait_ms.map_or("nobody waits".into(), duration))
            .fact("expected wait", expected)
            .fact("before an agent", queue.offered.to_string())
            .fact("with an agent", queue.connected.to_string())
            .fact("stranded", queue.stranded.to_string())
            .fact("agents", queue.agents.words())
            .fact("target", format!("{target} % within {}", duration(within_ms)))
            .fact(
                "in target today",
                format!(
                    "{} of those offered, {} of those answered",
                    percent(level.negative),
                    percent(level.answered)
                ),
            )
            .fact("answered today", format!("{} of {}", today.answered, today.offered))
            .fact(
                "abandoned today",
                format!("{}, of them {} at once", today.abandoned, today.short_abandons),
            )
            .fact("speed of answer", average(today.asa_ms()))
            .fact("handling time", average(today.aht_ms()))
            .fact("longest wait", duration(today.wait_max_ms))
            .fact("revision", queue.revision.to_string());
        let mut config = Facts::default();
        for (field, value) in self.config.fields() {
            config.fact(&field, value);
        }
        format!(
            "{}\nconfiguration, as centre.toml has it\n{}\n{}",
            facts.text(),
            config.text(),
            self.freshness.line()
        )
    }
}

/// An average of the day, in ms.
fn average(ratio: acd::metrics::Ratio) -> String {
    ratio.scaled(1).map_or("no data".into(), |ms| format!("{} on average", duration(ms)))
}
