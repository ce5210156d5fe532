//! A front end: its streams to the cluster, and the contacts it has.
//!
//! ```text
//!  ask(command) ─▶ outbox ─▶ the first of its streams ─▶ a node ─▶ the cluster
//!  next() ◀─ news, in the order of the log, once ◀─ all of its streams
//! ```
//! It keeps streams to nodes of several sites, of those first that come first in its list. When one
//! breaks, another is opened, and the cluster is told what the front end still has; what was asked
//! over the broken one is asked again. When none is open, the cluster keeps the places of its
//! contacts and offers none of them.
//!
//! Every stream tells the same, each at its own pace: by the index in the log, and the position among
//! the events of that index, it is known what was told already.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use acd::reply::{Reply, Verdict};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use proto::api::v1 as api;
use proto::api::v1::ingress_client::IngressClient;
use proto::api::v1::ingress_event::{Answered, Attached, Event};
use proto::api::v1::ingress_request::{Attach, Request};
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::{Command, Reattach};
use proto::stored::v1::contact_event::Event as Happened;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::outbox::{Done, Outbox, StreamId};
use super::way::{Tried, Way};
use super::{ClientError, Committed, answer_bytes_max, words};

/// Commands on their way at a time: as many as a node takes over one stream.
const IN_FLIGHT_MAX: usize = 4_096;
/// Commands without an outcome, those on their way included.
const PENDING_MAX: usize = 65_536;
/// Requests that wait for the connection; then none are sent.
const REQUESTS_WAITING_MAX: usize = 256;
/// Contacts that are named at once when a stream is opened, or by a `reattach`.
const HELD_AT_ONCE_MAX: usize = 1_000;
/// How long a stream may take to be opened: as long as a node gives a command, and some more.
const OPEN_TIMEOUT: Duration = Duration::from_secs(12);

/// What a front end is told.
#[derive(Debug)]
pub enum IngressNews {
    /// A stream is open.
    Attached {
        /// To which node.
        endpoint: String,
        /// How many are open now.
        streams: usize,
    },
    /// A stream is gone, or could not be opened. Others are opened without being asked for.
    Detached {
        /// To which node.
        endpoint: String,
        /// Why.
        why: String,
        /// How many are open now.
        streams: usize,
    },
    /// What became of a command.
    Answered {
        /// As [`Ingress::ask`] gave it.
        tag: u64,
        /// The command.
        command: Command,
        /// Its outcome.
        result: Result<Committed, ClientError>,
    },
    /// Something happened to one of its contacts.
    Happened {
        /// Index of the log entry.
        index: u64,
        /// What.
        event: stored::ContactEvent,
    },
    /// What the cluster says of a contact that the front end still has. It may have missed what
    /// happened before.
    Verdict {
        /// The state is as of this index of the log.
        index: u64,
        /// The contact.
        contact: String,
        /// What it says.
        verdict: Verdict,
    },
}

/// A place in what one log entry after the other made happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    index: u64,
    /// How many events of that entry.
    events: u32,
}

/// A contact that a front end has.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// The offer by which it is connected.
    token: Option<u64>,
    /// What is known of it is as of this index of the log.
    as_of: u64,
}

struct Stream {
    id: StreamId,
    way: usize,
    requests: mpsc::Sender<api::IngressRequest>,
    events: Streaming<api::IngressEvent>,
    told: Position,
}

struct Opened {
    requests: mpsc::Sender<api::IngressRequest>,
    events: Streaming<api::IngressEvent>,
    index: u64,
    named: Vec<String>,
    verdicts: Vec<Verdict>,
}

struct Opening {
    way: usize,
    opened: BoxFuture<'static, Result<Opened, String>>,
}

/// A front end.
pub struct Ingress {
    name: String,
    ways: Vec<Tried>,
    sites_wanted: usize,
    /// By preference: in the order of their ways.
    streams: Vec<Stream>,
    streams_had: u64,
    opening: Vec<Opening>,
    outbox: Outbox<Command>,
    held: BTreeMap<String, Held>,
    told: Position,
    /// What one message said, at most the verdicts on all that was named in it.
    news: VecDeque<IngressNews>,
}

impl Ingress {
    /// The front end `name`, with streams to nodes of `sites` sites, those of the first ways first.
    /// Each command may take `patience`.
    pub fn new(name: &str, ways: Vec<Way>, sites: usize, patience: Duration) -> Self {
        Self {
            name: name.to_owned(),
            ways: ways.into_iter().map(Tried::new).collect(),
            sites_wanted: sites,
            streams: Vec::new(),
            streams_had: 0,
            opening: Vec::new(),
            outbox: Outbox::new(patience, IN_FLIGHT_MAX, PENDING_MAX),
            held: BTreeMap::new(),
            told: Position::default(),
            news: VecDeque::new(),
        }
    }

    /// Asks something of the cluster: its tag, by which [`next`](Self::next) names the answer. None:
    /// 65,536 commands have no outcome yet.
    ///
    /// A contact that is put in is held from now on, until the cluster says that it is over.
    pub fn ask(&mut self, command: Command) -> Option<u64> {
        let arrival = match &command {
            Command::Enqueue(enqueue) => Some(enqueue.contact.clone()),
            _ => None,
        };
        let tag = self.outbox.ask(command)?;
        if let Some(contact) = arrival {
            self.held.entry(contact).or_default();
        }
        Some(tag)
    }

    /// A contact that it has from before.
    pub fn hold(&mut self, contact: &str, token: Option<u64>) {
        self.held.insert(contact.to_owned(), Held { token, as_of: 0 });
    }

    /// It does not have the contact any longer, whatever the cluster thinks.
    pub fn forget(&mut self, contact: &str) {
        self.held.remove(contact);
    }

    /// Contacts it has.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Commands without an outcome.
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Waits until there is something new; keeps the streams open and the commands moving meanwhile,
    /// and only then. May be dropped and called again at any time.
    pub async fn next(&mut self) -> IngressNews {
        loop {
            if let Some(news) = self.news.pop_front() {
                return news;
            }
            let now = Instant::now();
            if let Some(done) = self.outbox.expired(now) {
                self.done(done);
                continue;
            }
            let may_open = self.open_streams(now);
            self.send(now);
            let wake = self.outbox.next_due().into_iter().chain(may_open).min();
            let is_full = self.outbox.next(now).is_some();
            let first = self.streams.first().map(|stream| stream.requests.clone());
            tokio::select! {
                (at, message) = next_message(&mut self.streams) => self.hear(at, message),
                (at, opened) = next_opened(&mut self.opening) => self.opened(at, opened),
                () = has_room(first), if is_full => {}
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    // -- Streams --------------------------------------------------------------------------------------

    /// Opens what is missing. When there may be more to open.
    fn open_streams(&mut self, now: Instant) -> Option<Instant> {
        let mut sites: Vec<&str> = Vec::new();
        for tried in &self.ways {
            if !sites.contains(&tried.way.site.as_str()) {
                sites.push(&tried.way.site);
            }
        }
        let (mut good, mut to_open, mut later) = (0, Vec::new(), None::<Instant>);
        for site in sites {
            if good >= self.sites_wanted {
                break;
            }
            let there = |way: usize| self.ways[way].way.site == site;
            if self.streams.iter().any(|stream| there(stream.way)) {
                good += 1;
                continue;
            }
            // One that failed before is not counted on, so that another site is tried meanwhile.
            if let Some(opening) = self.opening.iter().find(|opening| there(opening.way)) {
                good += usize::from(self.ways[opening.way].failures == 0);
                continue;
            }
            let best = (0..self.ways.len())
                .filter(|way| there(*way))
                .min_by_key(|way| self.ways[*way].not_before);
            let Some(way) = best else { continue };
            if self.ways[way].is_rested(now) {
                good += usize::from(self.ways[way].failures == 0);
                to_open.push(way);
            } else {
                let when = self.ways[way].not_before;
                later = Some(later.map_or(when, |later| later.min(when)));
            }
        }
        for way in to_open {
            let opened = self.open(way).boxed();
            self.opening.push(Opening { way, opened });
        }
        later
    }

    fn open(&self, way: usize) -> impl Future<Output = Result<Opened, String>> + Send + 'static {
        let channel = self.ways[way].way.channel.clone();
        let held = self.held.iter().take(HELD_AT_ONCE_MAX).map(|(contact, held)| {
            stored::HeldContact { contact: contact.clone(), token: held.token }
        });
        let attach = Attach { ingress: self.name.clone(), held: held.collect() };
        let opened = async move {
            let named = attach.held.iter().map(|held| held.contact.clone()).collect();
            let first = api::IngressRequest { tag: 0, request: Some(Request::Attach(attach)) };
            let (requests, waiting) = mpsc::channel(REQUESTS_WAITING_MAX);
            requests.try_send(first).map_err(|error| error.to_string())?;
            let sent = stream::unfold(waiting, |mut waiting| async move {
                Some((waiting.recv().await?, waiting))
            });
            let mut client =
                IngressClient::new(channel).max_decoding_message_size(answer_bytes_max());
            let events = client.attach(sent).await.map_err(|status| words(&status))?;
            let mut events = events.into_inner();
            let first = events.message().await.map_err(|status| words(&status))?;
            let (index, verdicts) = attached(first.ok_or("it closed the stream at once")?)?;
            Ok(Opened { requests, events, index, named, verdicts })
        };
        timeout(OPEN_TIMEOUT, opened)
            .map(|opened| opened.unwrap_or_else(|_| Err("it took too long".to_owned())))
    }

    fn opened(&mut self, at: usize, opened: Result<Opened, String>) {
        let Opening { way, .. } = self.opening.remove(at);
        let endpoint = self.ways[way].way.endpoint.clone();
        let opened = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.ways[way].failed(Instant::now());
                let streams = self.streams.len();
                return self.news.push_back(IngressNews::Detached { endpoint, why, streams });
            }
        };
        self.ways[way].worked();
        self.streams_had += 1;
        let id = StreamId(self.streams_had);
        let Opened { requests, events, index, named, verdicts } = opened;
        self.streams.push(Stream { id, way, requests, events, told: Position::default() });
        self.streams.sort_by_key(|stream| stream.way);
        while self.streams.len() > self.sites_wanted {
            // One at a preferred site is back.
            if let Some(last) = self.streams.pop() {
                self.outbox.lost(last.id, "the stream is no longer needed");
            }
        }
        self.news.push_back(IngressNews::Attached { endpoint, streams: self.streams.len() });
        for (contact, verdict) in named.into_iter().zip(verdicts) {
            self.judge(index, contact, verdict);
        }
        if self.held.len() > HELD_AT_ONCE_MAX {
            self.claim_rest();
        }
    }

    /// Names the contacts for which there was no room when the stream was opened.
    fn claim_rest(&mut self) {
        let rest: Vec<_> = self.held.iter().skip(HELD_AT_ONCE_MAX).map(held_contact).collect();
        for contacts in rest.chunks(HELD_AT_ONCE_MAX) {
            // If there is no room: the outbox is full of commands about these very contacts, each of
            // which brings out what is true.
            self.outbox.ask(Command::Reattach(Reattach { contacts: contacts.to_vec() }));
        }
    }

    fn close(&mut self, at: usize, why: String) {
        let stream = self.streams.remove(at);
        self.outbox.lost(stream.id, &why);
        self.ways[stream.way].failed(Instant::now());
        let endpoint = self.ways[stream.way].way.endpoint.clone();
        let streams = self.streams.len();
        self.news.push_back(IngressNews::Detached { endpoint, why, streams });
    }

    // -- Commands -------------------------------------------------------------------------------------

    fn send(&mut self, now: Instant) {
        let Some(stream) = self.streams.first() else { return };
        while let Some((tag, command)) = self.outbox.next(now) {
            let command = stored::ContactCommand { command: Some(command.clone()) };
            let request = api::IngressRequest { tag, request: Some(Request::Command(command)) };
            if stream.requests.try_send(request).is_err() {
                // Full, or broken: then its events end, too.
                return;
            }
            self.outbox.sent(stream.id);
        }
    }

    fn done(&mut self, (tag, command, result): Done<Command>) {
        match (&command, &result) {
            (Command::Enqueue(enqueue), Ok(done)) => {
                if matches!(done.reply, Reply::TurnedAway { .. }) {
                    self.held.remove(&enqueue.contact);
                }
            }
            (
                Command::Enqueue(enqueue),
                Err(ClientError::Refused { .. } | ClientError::NotPermitted { .. }),
            ) => {
                self.held.remove(&enqueue.contact);
            }
            (
                Command::Reattach(asked),
                Ok(Committed { index, reply: Reply::Verdicts(verdicts) }),
            ) => {
                let contacts = asked.contacts.iter().map(|held| held.contact.clone());
                for (contact, verdict) in contacts.zip(verdicts.clone()) {
                    self.judge(*index, contact, verdict);
                }
            }
            _ => {}
        }
        self.news.push_back(IngressNews::Answered { tag, command, result });
    }

    /// The cluster's word on a contact, as of an index.
    fn judge(&mut self, index: u64, contact: String, verdict: Verdict) {
        let Some(held) = self.held.get_mut(&contact).filter(|held| held.as_of <= index) else {
            return;
        };
        held.as_of = index;
        match verdict {
            Verdict::Waiting | Verdict::WithAgent(_) => {}
            Verdict::Closed | Verdict::NotYours => {
                self.held.remove(&contact);
            }
            Verdict::Unknown => {
                let on_its_way = |command: &Command| matches!(command, Command::Enqueue(enqueue) if enqueue.contact == contact);
                if self.outbox.any(on_its_way) {
                    return;
                }
                self.held.remove(&contact);
            }
        }
        self.news.push_back(IngressNews::Verdict { index, contact, verdict });
    }

    // -- Events ---------------------------------------------------------------------------------------

    fn hear(&mut self, at: usize, message: Option<Result<api::IngressEvent, Status>>) {
        let (index, event) = match message {
            Some(Ok(api::IngressEvent { index, event })) => (index, event),
            Some(Err(status)) => return self.close(at, words(&status)),
            None => return self.close(at, "the node closed the stream".to_owned()),
        };
        match event {
            Some(Event::Answered(Answered { tag, answer })) => {
                let over = self.streams[at].id;
                let (answer, now) = (answer.unwrap_or_default(), Instant::now());
                if let Some(done) = self.outbox.answered(over, tag, answer, now) {
                    self.done(done);
                } else if let Some(why) = self.outbox.is_barren(over, now) {
                    self.close(at, why);
                }
            }
            Some(Event::Happened(event)) => self.happened(at, index, event),
            Some(Event::Compacted(_)) => {
                self.close(at, "the node does not know what happened meanwhile".to_owned());
            }
            Some(Event::Attached(_)) => self.close(at, "it was attached twice".to_owned()),
            // From a later version of the contract: nothing this program could act upon.
            None => {}
        }
    }

    fn happened(&mut self, at: usize, index: u64, event: stored::ContactEvent) {
        let told = &mut self.streams[at].told;
        *told = match told.index == index {
            true => Position { index, events: told.events + 1 },
            false => Position { index, events: 1 },
        };
        if *told <= self.told {
            return;
        }
        self.told = *told;
        if let Some(held) = self.held.get_mut(&event.contact) {
            if held.as_of > index {
                return;
            }
            held.as_of = index;
            match &event.event {
                Some(Happened::Closed(_)) => {
                    self.held.remove(&event.contact);
                }
                Some(Happened::Connected(connected)) => held.token = Some(connected.token),
                Some(Happened::Queued(_) | Happened::OfferEnded(_)) => held.token = None,
                Some(Happened::StrandedUntilMs(_)) => {
                    // It is still here.
                    let contacts = vec![held_contact((&event.contact, held))];
                    // If there is no room it is claimed when the next stream is opened.
                    self.outbox.ask(Command::Reattach(Reattach { contacts }));
                }
                _ => {}
            }
        }
        self.news.push_back(IngressNews::Happened { index, event });
    }
}

fn held_contact((contact, held): (&String, &Held)) -> stored::HeldContact {
    stored::HeldContact { contact: contact.clone(), token: held.token }
}

/// The index and verdicts of the first event of a stream.
fn attached(first: api::IngressEvent) -> Result<(u64, Vec<Verdict>), String> {
    let Some(Event::Attached(Attached { verdicts })) = first.event else {
        return Err("its first word was something else".to_owned());
    };
    match verdicts.map(super::outcome) {
        // Nothing was named.
        None => Ok((first.index, Vec::new())),
        Some(super::Outcome::Known(Ok(Committed { index, reply }))) => match reply {
            Reply::Verdicts(verdicts) => Ok((index, verdicts)),
            _ => Ok((index, Vec::new())),
        },
        Some(super::Outcome::Known(Err(error))) => Err(error.to_string()),
        Some(super::Outcome::Open { why, .. }) => Err(why),
    }
}

/// The next message of any stream, with the stream's position. Those at preferred sites come first;
/// none can starve the others, for all of them tell the same.
async fn next_message(
    streams: &mut [Stream],
) -> (usize, Option<Result<api::IngressEvent, Status>>) {
    poll_fn(|cx| {
        for (at, stream) in streams.iter_mut().enumerate() {
            if let Poll::Ready(message) = stream.events.poll_next_unpin(cx) {
                return Poll::Ready((at, message));
            }
        }
        Poll::Pending
    })
    .await
}

async fn next_opened(opening: &mut [Opening]) -> (usize, Result<Opened, String>) {
    poll_fn(|cx| {
        for (at, opening) in opening.iter_mut().enumerate() {
            if let Poll::Ready(opened) = Pin::new(&mut opening.opened).poll(cx) {
                return Poll::Ready((at, opened));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until a stream takes a request.
async fn has_room(requests: Option<mpsc::Sender<api::IngressRequest>>) {
    match requests {
        // A closed one has none; that it is closed is found out elsewhere.
        Some(requests) => match requests.reserve().await {
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
