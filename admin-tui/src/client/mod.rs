//! Talking to a cluster: any node will do, and another one if it does not answer.
//!
//! ```text
//! identity file → Client ─┬─ channel to endpoint 1 (mutual TLS, opened when first used)
//!                         ├─ channel to endpoint 2
//!                         └─ …
//! ```
//!
//! [`Client`] makes calls; [`Ingress`] and [`Desktop`] keep the streams of front ends and agents open,
//! at another node when one is gone.
//!
//! A read is tried at one node after the other until the deadline. A command carries what makes it
//! safe to repeat (a contact id, a token, a request id), so that it is repeated, too, as long as its
//! outcome is not known; at the deadline it stays unknown, and says so. No node may take all of the
//! time if there are others: one that hangs is passed over.
//!
//! A node that has stopped, or that is cut off, still tells what it has. Reads of what nodes have
//! therefore prefer an answer that is current, and take the best other one only if there is none.

mod administration;
pub mod commands;
mod conversation;
mod desktop;
mod failure;
mod fresh;
mod identity;
mod ingress;
mod outbox;
mod replicas;
mod token;
pub mod watch;
mod way;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use acd::codec::reply_from_stored;
use acd::reply::Reply;
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use proto::stored::v1 as stored;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Response, Status};

pub(crate) use conversation::Conversation;
pub use desktop::{Desktop, DesktopNews};
pub(crate) use failure::no_identity;
pub(crate) use fresh::CURRENT_MS_MAX;
pub use fresh::Fresh;
pub use identity::{Identity, IdentityError};
pub use ingress::{Ingress, IngressNews};
pub use replicas::Comparison;
pub(crate) use token::{ADDRESSES_MAX as TOKEN_ADDRESSES_MAX, Secret};
pub use way::Way;

/// How long one node may take to be connected to before another one is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often an idle connection is asked for a sign of life, and how long that may take.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The least time a node has for an answer before another one is asked, if there is as much.
const ATTEMPT_MIN: Duration = Duration::from_secs(1);
/// How long to wait before all endpoints are tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of an answer: 1,000 agents of 1 KiB, with room.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Why a cluster cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The identity names no node, and neither did anybody else.
    #[error("no node is named: neither by --endpoint nor in the identity")]
    NoEndpoint,
    /// An endpoint is no host:port.
    #[error("{endpoint:?} is no HOST:PORT")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
    },
    /// The identity cannot be used for TLS.
    #[error("the identity cannot be used: {why}")]
    BadIdentity {
        /// Why.
        why: String,
    },
    /// No node answered in time.
    #[error("no node answered within {within:?}: {last}")]
    Unavailable {
        /// How long was tried.
        within: Duration,
        /// What each said last.
        last: String,
    },
    /// A command may have been carried out, or be carried out yet.
    #[error("the outcome is not known: {last}")]
    Unknown {
        /// What is known.
        last: String,
    },
    /// The cluster refused a command.
    #[error("{message}")]
    Refused {
        /// A stable code.
        code: String,
        /// Words.
        message: String,
    },
    /// The principal may not do this.
    #[error("{message}")]
    NotPermitted {
        /// Words.
        message: String,
    },
    /// What was asked for is not there.
    #[error("{message}")]
    NotFound {
        /// Words.
        message: String,
    },
    /// The node did not understand, or could not do it.
    #[error("{code:?}: {message}")]
    Failed {
        /// gRPC's code.
        code: Code,
        /// Words.
        message: String,
    },
}

/// What became of a committed command.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Index of its log entry.
    pub index: u64,
    /// The reply.
    pub reply: Reply,
}

/// A way to a cluster. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    nodes: Vec<(String, Channel)>,
    deadline: Duration,
}

impl Client {
    /// A way to the cluster of an identity, by `endpoints`, or those the identity names if there
    /// are none. Connects when it is first used; each call takes at most `deadline`.
    ///
    /// Must be called within a tokio runtime.
    pub fn new(
        identity: &Identity,
        endpoints: &[String],
        deadline: Duration,
    ) -> Result<Self, ClientError> {
        let endpoints = if endpoints.is_empty() { &identity.endpoints } else { endpoints };
        if endpoints.is_empty() {
            return Err(ClientError::NoEndpoint);
        }
        let nodes = endpoints.iter().map(|endpoint| {
            let channel = channel(identity, endpoint)?;
            Ok((endpoint.clone(), channel))
        });
        Ok(Self { nodes: nodes.collect::<Result<_, _>>()?, deadline })
    }

    /// The nodes this way leads to, by their endpoints.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Channel)> {
        self.nodes.iter().map(|(endpoint, channel)| (endpoint.as_str(), channel))
    }

    /// Asks one node after the other until one answers.
    pub async fn read<T, F>(&self, ask: impl Fn(Channel) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.read_preferring(ask, |_| true, |_, _| false).await
    }

    /// Asks one node after the other until one answers that is current: it has not stopped, knows a
    /// leader, and has heard of it a moment ago. If there is none, the best of the other answers
    /// counts; who shows it shows how old it is.
    pub async fn read_fresh<T, F>(&self, ask: impl Fn(Channel) -> F) -> Result<T, ClientError>
    where
        T: Fresh,
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.read_preferring(ask, fresh::is_current, fresh::is_better).await
    }

    /// Takes the first answer that is good; after a round, the best of those that are not.
    async fn read_preferring<T, F>(
        &self,
        ask: impl Fn(Channel) -> F,
        is_good: impl Fn(&T) -> bool,
        is_better: impl Fn(&T, &T) -> bool,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let until = Instant::now() + self.deadline;
        let mut heard = Heard::default();
        loop {
            let mut best: Option<T> = None;
            for (endpoint, channel) in &self.nodes {
                match timeout_at(self.attempt(until), ask(channel.clone())).await {
                    Ok(Ok(answer)) => {
                        let answer = answer.into_inner();
                        if is_good(&answer) {
                            return Ok(answer);
                        }
                        if best.as_ref().is_none_or(|best| is_better(&answer, best)) {
                            best = Some(answer);
                        }
                    }
                    Ok(Err(status)) if is_elsewhere(&status) => {
                        heard.note(endpoint, words(&status));
                    }
                    // Somebody has answered already; what another one cannot do is no matter.
                    Ok(Err(_)) if best.is_some() => {}
                    Ok(Err(status)) => return Err(failed(&status)),
                    Err(_) => heard.note(endpoint, NO_ANSWER.into()),
                }
            }
            if let Some(best) = best {
                return Ok(best);
            }
            sleep(PAUSE).await;
            if Instant::now() >= until {
                return Err(ClientError::Unavailable {
                    within: self.deadline,
                    last: heard.words(),
                });
            }
        }
    }

    /// Until when one node may take for its answer.
    fn attempt(&self, until: Instant) -> Instant {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let share = (self.deadline / nodes).max(ATTEMPT_MIN);
        until.min(Instant::now() + share)
    }

    /// Gives a command to one node after the other until its outcome is known. `send` must send the
    /// same command each time, with the ids that make it safe to repeat.
    pub async fn command<F>(&self, send: impl Fn(Channel) -> F) -> Result<Committed, ClientError>
    where
        F: Future<Output = Result<Response<api::Answer>, Status>>,
    {
        let until = Instant::now() + self.deadline;
        let mut heard = Heard::default();
        // Whether it may be in the log, after what was heard so far.
        let mut may_be_done = false;
        loop {
            for (endpoint, channel) in &self.nodes {
                let Ok(answer) = timeout_at(self.attempt(until), send(channel.clone())).await
                else {
                    may_be_done = true;
                    heard.note(endpoint, NO_ANSWER.into());
                    continue;
                };
                match answer.map(|answer| outcome(answer.into_inner())) {
                    Ok(Outcome::Known(known)) => return known,
                    Ok(Outcome::Open { may_be_done: maybe, why }) => {
                        may_be_done |= maybe;
                        heard.note(endpoint, why);
                    }
                    Err(status) if is_elsewhere(&status) => {
                        may_be_done |= !was_not_sent(&status);
                        heard.note(endpoint, words(&status));
                    }
                    Err(status) => return Err(failed(&status)),
                }
            }
            sleep(PAUSE).await;
            if Instant::now() >= until {
                return Err(too_late(may_be_done, self.deadline, heard.words()));
            }
        }
    }
}

/// What an answer says of a command.
enum Outcome {
    /// Its outcome is known.
    Known(Result<Committed, ClientError>),
    /// Not yet: it should be repeated.
    Open {
        /// Whether it may be in the log.
        may_be_done: bool,
        /// Why its outcome is not known.
        why: String,
    },
}

fn outcome(answer: api::Answer) -> Outcome {
    use api::answer::Answer;
    match answer.answer {
        Some(Answer::Committed(done)) => {
            let reply = reply_from_stored(done.reply.unwrap_or_default());
            let reply = reply.map_err(|why| ClientError::Failed {
                code: Code::Internal,
                message: format!("carried out, with a reply that {why}"),
            });
            Outcome::Known(reply.map(|reply| Committed { index: done.index, reply }))
        }
        Some(Answer::Refused(api::answer::Refused { code, message, .. })) => {
            Outcome::Known(Err(match code.as_str() {
                "not-permitted" | "not-yours" => ClientError::NotPermitted { message },
                _ => ClientError::Refused { code, message },
            }))
        }
        Some(Answer::Unavailable(unavailable)) => {
            Outcome::Open { may_be_done: false, why: unavailable.message }
        }
        Some(Answer::Unknown(unknown)) => Outcome::Open { may_be_done: true, why: unknown.message },
        None => Outcome::Open {
            may_be_done: true,
            why: "an answer this program does not know".to_owned(),
        },
    }
}

/// What a command's outcome is when it is not waited for any longer.
fn too_late(may_be_done: bool, within: Duration, last: String) -> ClientError {
    match may_be_done {
        true => ClientError::Unknown { last },
        false => ClientError::Unavailable { within, last },
    }
}

/// What a node that does not answer is taken to have said.
const NO_ANSWER: &str = "no answer in time";

/// What each node said last: one that is gone must not hide why another one cannot do it.
#[derive(Default)]
struct Heard(BTreeMap<String, String>);

impl Heard {
    fn note(&mut self, endpoint: &str, words: String) {
        self.0.insert(endpoint.to_owned(), words);
    }

    fn words(&self) -> String {
        if self.0.is_empty() {
            return "none was reached".to_owned();
        }
        let said = self.0.iter().map(|(endpoint, words)| format!("{endpoint}: {words}"));
        said.collect::<Vec<_>>().join("; ")
    }
}

/// Identifies a request of administration: random, and from now.
pub fn new_request() -> stored::Request {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let id: u128 = rand::random();
    stored::Request {
        id: id.to_be_bytes().to_vec().into(),
        // A clock before 1970 is refused by the node, in words.
        issued_at_ms: now.map_or(0, |now| now.as_millis() as u64),
    }
}

fn channel(identity: &Identity, endpoint: &str) -> Result<Channel, ClientError> {
    let bad = || ClientError::BadEndpoint { endpoint: endpoint.to_owned() };
    if endpoint.rsplit_once(':').is_none_or(|(host, port)| {
        host.is_empty() || port.parse::<u16>().is_err() || host.contains('/')
    }) {
        return Err(bad());
    }
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&identity.authority))
        .identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key))
        .domain_name(identity.any_node());
    let bad_identity = |why: tonic::transport::Error| ClientError::BadIdentity { why: chain(&why) };
    Ok(Endpoint::from_shared(format!("https://{endpoint}"))
        .map_err(|_| bad())?
        .tls_config(tls)
        .map_err(bad_identity)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .connect_lazy())
}

/// The reads of a node.
pub fn reads(channel: Channel) -> ReadsClient<Channel> {
    ReadsClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// Bytes of an answer that clients should take.
pub const fn answer_bytes_max() -> usize {
    ANSWER_BYTES_MAX
}

/// Whether another node may do better.
fn is_elsewhere(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

/// Whether the node was not even reached. Otherwise the call broke on its way there or back.
fn was_not_sent(status: &Status) -> bool {
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        if cause.is::<tonic::ConnectError>() {
            return true;
        }
        next = cause.source();
    }
    false
}

fn failed(status: &Status) -> ClientError {
    let message = words(status);
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => ClientError::NotPermitted { message },
        Code::NotFound => ClientError::NotFound { message },
        code => ClientError::Failed { code, message },
    }
}

/// What a status says, with what led to it: tonic's own words are often just "transport error".
fn words(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), chain(source)),
        None => status.message().to_owned(),
    }
}

/// An error and what led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}
