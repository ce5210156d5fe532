//! Measures how many commands a second go through with a round trip between the cities: a front end in
//! the leader's city, beside the leader, with so many commands in flight. Every contact comes in and
//! hangs up: two commands, both durable at a majority when they are answered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acd::channel::{Channel, Channels};
use acd::codec::encode_submission;
use acd::command::{Command, ConfigCommand, ContactCommand, Enqueue, Submission};
use acd::config::{Priority, QueueConfig, Requirements};
use acd::ids::{ContactId, PrincipalId, QueueId, SiteId};
use acd::rejection::Rejection;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use futures::stream;
use node::submit::{Answer, outcome_from_wire};
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command as Wire;
use proto::api::v1::{SubmitRequest, SubmitResponse};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::door::{ProcessDoor, admin, origin};
use super::inject::Injector;
use super::net::{CITIES, city_of, nodes};
use super::{END_WITHIN, Scene, Trouble, daemon, kept, profile};
use crate::history::{Outcome, Recorder};
use crate::workload::Door;

/// Commands in flight on one stream: half of what a node takes.
const PER_STREAM: u32 = 2_048;
/// How long the load goes on before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long any command may take.
const PATIENCE: Duration = Duration::from_secs(30);
const CONFIGURED_WITHIN: Duration = Duration::from_secs(30);
const QUEUE: &str = "service";

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long, warming up aside.
    pub lasts: Duration,
    /// The round trip between cities, in ms, at most 80.
    pub rtt_ms: u64,
    /// Commands in flight.
    pub in_flight: u32,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The round trip between cities, in ms.
    pub rtt_ms: u64,
    /// The nodes' profile: city, metro or wan.
    pub profile: &'static str,
    /// Commands in flight.
    pub in_flight: u32,
    /// How long, in ms.
    pub measured_ms: u64,
    /// Commands that were carried out.
    pub commands: u64,
    /// The same per second.
    pub commands_per_second: u64,
    /// Commands that were not put into the log, and asked again.
    pub unavailable: u64,
    /// From a command to its answer, in ms: half of them.
    pub p50_ms: f64,
    /// 99 of a hundred.
    pub p99_ms: f64,
}

/// Measures.
///
/// # Errors
///
/// If there is no daemon, nothing can be founded, or a command is refused or not answered.
pub fn measure(settings: &Settings) -> Result<Measured, Trouble> {
    let folder = kept::Folder::new(None)?;
    let daemon = daemon::daemon()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(run(settings, daemon, folder.path()));
    runtime.shutdown_timeout(END_WITHIN);
    measured
}

async fn run(settings: &Settings, daemon: PathBuf, folder: &Path) -> Result<Measured, Trouble> {
    // Logs and snapshots as they are installed.
    let Scene { cluster, net, door } = Scene::set(settings.rtt_ms, daemon, folder, "").await?;
    let recorder = Recorder::with_clock(Default::default(), || 0);
    let injector = Injector { cluster, net, door: door.clone(), recorder };
    let leader = injector.one_leads().await?;
    let city = CITIES[city_of(leader)];
    let front_end = PrincipalId::new(&format!("edge-{city}"));
    let front_end = front_end.map_err(|rejection| Trouble(rejection.to_string()))?;
    configure(&door, &front_end, city).await?;

    let mut streams = JoinSet::new();
    let begins = Instant::now() + WARM_UP;
    let ends = begins + settings.lasts;
    let mut left = settings.in_flight;
    while left > 0 {
        let slots = left.min(PER_STREAM);
        left -= slots;
        let way = door.dial(&front_end, leader)?;
        let client = CommandsClient::with_origin(way, origin());
        let number = streams.len();
        let stream = Stream { front_end: front_end.clone(), number, slots, begins, ends };
        streams.spawn(stream.run(client));
    }
    let mut counted = Counted::default();
    while let Some(ran) = streams.join_next().await {
        let Counted { mut micros, unavailable } =
            ran.map_err(|error| Trouble(error.to_string()))??;
        counted.micros.append(&mut micros);
        counted.unavailable += unavailable;
    }
    injector.cluster.stop().await?;
    counted.micros.sort_unstable();
    let commands = counted.micros.len() as u64;
    let percentile = |percent: usize| {
        let at = counted.micros.len() * percent / 100;
        let micros = counted.micros.get(at.min(counted.micros.len().saturating_sub(1)));
        f64::from(micros.copied().unwrap_or_default()) / 1_000.0
    };
    let measured_ms = u64::try_from(settings.lasts.as_millis()).unwrap_or(u64::MAX);
    Ok(Measured {
        rtt_ms: settings.rtt_ms,
        profile: profile(settings.rtt_ms).word(),
        in_flight: settings.in_flight,
        measured_ms,
        commands,
        commands_per_second: commands * 1_000 / measured_ms.max(1),
        unavailable: counted.unavailable,
        p50_ms: percentile(50),
        p99_ms: percentile(99),
    })
}

/// A queue that nobody serves, and a front end.
async fn configure(door: &ProcessDoor, front_end: &PrincipalId, city: &str) -> Result<(), Trouble> {
    let commands = || -> Result<Vec<Command>, Rejection> {
        let mut queue = QueueConfig::new(QueueId::new(QUEUE)?, Label::new(QUEUE)?);
        queue.channels = Channels::of(&[Channel::Voice]);
        let (roles, site) = (Roles::of(&[Role::Ingress]), Some(SiteId::new(city)?));
        let principal = front_end.clone();
        Ok(vec![
            ConfigCommand::PutQueue { config: queue, expected: None }.into(),
            ConfigCommand::PutPrincipal { principal, roles, site, expected: None }.into(),
        ])
    };
    let until = Instant::now() + CONFIGURED_WITHIN;
    for command in commands().map_err(|rejection| Trouble(rejection.to_string()))? {
        let put = Submission::new(admin(), command);
        let mut asked = nodes().cycle();
        loop {
            let node = asked.next().unwrap_or(1);
            let outcome = timeout(PATIENCE, door.submit(node, put.clone())).await;
            match outcome.unwrap_or(Outcome::Unknown) {
                Outcome::Committed { .. } => break,
                Outcome::Unavailable | Outcome::Unknown if Instant::now() < until => {}
                other => return Err(Trouble(format!("{:?}: {other:?}", put.command))),
            }
        }
    }
    Ok(())
}

/// What a stream counted.
#[derive(Default)]
struct Counted {
    micros: Vec<u32>,
    unavailable: u64,
}

/// One stream of commands.
struct Stream {
    front_end: PrincipalId,
    number: usize,
    slots: u32,
    begins: Instant,
    ends: Instant,
}

/// One of the commands in flight: the tag is its number.
struct Slot {
    sent: Instant,
    /// The contacts it has put in.
    contacts: u64,
    /// The last of them is still there, and hangs up next.
    is_in: bool,
}

impl Stream {
    fn command(&self, tag: u64, slot: &Slot) -> Result<Wire, Rejection> {
        let id = format!("{}.{tag}.{}", self.number, slot.contacts);
        let contact = ContactId::new(&id)?;
        let command = match slot.is_in {
            true => ContactCommand::HangUp { contact },
            false => ContactCommand::Enqueue(Enqueue {
                contact,
                queue: QueueId::new(QUEUE)?,
                channel: Channel::Voice,
                priority: Priority::default(),
                site: None,
                requirements: Requirements::default(),
                preferred: None,
                preferred_wait: None,
                not_before: None,
                attributes: Attributes::default(),
            }),
        };
        let submission = Submission::new(self.front_end.clone(), command.into());
        let submission = encode_submission(&submission).into();
        Ok(Wire { tag, submission, arrival: false, leads: false })
    }

    async fn run(self, mut client: CommandsClient<super::door::Way>) -> Result<Counted, Trouble> {
        let trouble = |why: String| Trouble(format!("a stream of commands: {why}"));
        let (requests, waiting) = mpsc::channel(self.slots as usize + 1);
        let sent =
            stream::unfold(
                waiting,
                |mut waiting| async move { Some((waiting.recv().await?, waiting)) },
            );
        let now = Instant::now();
        let slot = || Slot { sent: now, contacts: 0, is_in: false };
        let mut slots: Vec<Slot> = (0..self.slots).map(|_| slot()).collect();
        let first = slots.iter().enumerate().map(|(tag, slot)| self.command(tag as u64, slot));
        let first = first.collect::<Result<Vec<_>, _>>();
        let first = first.map_err(|rejection| trouble(rejection.to_string()))?;
        // As many as a message may have.
        for commands in first.chunks(1_000) {
            let request = SubmitRequest { commands: commands.to_vec() };
            requests.send(request).await.map_err(|error| trouble(error.to_string()))?;
        }
        let responses = client.submit(sent).await.map_err(|status| trouble(status.to_string()))?;
        let mut responses = responses.into_inner();
        let mut counted = Counted::default();
        while Instant::now() < self.ends {
            let response = timeout(PATIENCE, responses.message()).await;
            let response = response.map_err(|_| trouble(format!("no answer in {PATIENCE:?}")))?;
            let response = response.map_err(|status| trouble(status.to_string()))?;
            let Some(response) = response else {
                return Err(trouble("the node closed it".to_owned()));
            };
            let commands = self.next(response, &mut slots, &mut counted)?;
            let request = SubmitRequest { commands };
            requests.send(request).await.map_err(|error| trouble(error.to_string()))?;
        }
        Ok(counted)
    }

    /// What follows on answers.
    fn next(
        &self,
        response: SubmitResponse,
        slots: &mut [Slot],
        counted: &mut Counted,
    ) -> Result<Vec<Wire>, Trouble> {
        let now = Instant::now();
        let mut commands = Vec::with_capacity(response.outcomes.len());
        for (tag, answer) in response.outcomes.into_iter().map(outcome_from_wire) {
            let Some(slot) = usize::try_from(tag).ok().and_then(|tag| slots.get_mut(tag)) else {
                return Err(Trouble(format!("an answer to {tag}, which was not asked")));
            };
            match answer {
                Answer::Committed { .. } => {
                    if now >= self.begins {
                        let micros = now.duration_since(slot.sent).as_micros();
                        counted.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
                    }
                    slot.contacts += u64::from(slot.is_in);
                    slot.is_in = !slot.is_in;
                }
                // The same again: ids make repeats harmless.
                Answer::Unavailable { .. } | Answer::Unknown { .. } => counted.unavailable += 1,
                Answer::Refused { code, message, .. } => {
                    return Err(Trouble(format!("{code}: {message}")));
                }
            }
            slot.sent = now;
            let command = self.command(tag, slot);
            commands.push(command.map_err(|rejection| Trouble(rejection.to_string()))?);
        }
        Ok(commands)
    }
}
