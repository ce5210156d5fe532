//! An agent's desktop: one session after the other, wherever there is a node.
//!
//! ```text
//!            ┌──────────── lost, the node ends ───────────┐
//!  resting → opening → open (news, requests) ─────────────┤
//!     ▲        │ failed: the next way                     ▼
//!     └────────┘                          over: logged out, taken over, forced
//! ```
//! A new session inherits all the agent had and begins with it; what was asked of the one before and
//! not answered is asked again.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use proto::api::v1 as api;
use proto::api::v1::desktop_client::DesktopClient;
use proto::api::v1::desktop_event::{Answered, Ended, Event, Gone, Item, Opened, Standing, Why};
use proto::api::v1::desktop_request::{Open, Request};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::outbox::{Outbox, StreamId};
use super::way::{Tried, Way};
use super::{ClientError, Committed, answer_bytes_max, words};

/// Requests on their way at a time: as many as a node takes over one session.
const IN_FLIGHT_MAX: usize = 64;
/// Requests without an outcome, those on their way included.
const PENDING_MAX: usize = 1_024;
/// How long a log-in may take: in a rush they are admitted at a bounded rate, all within half a
/// minute.
const OPEN_TIMEOUT: Duration = Duration::from_secs(40);

/// What a desktop is told.
#[derive(Debug)]
pub enum DesktopNews {
    /// A session is open, or the node had to list anew. It replaces everything known before.
    Opened {
        /// Index of the log entry it is about.
        index: u64,
        /// Which of the ways it is on.
        way: usize,
        /// All the agent has.
        all: Opened,
    },
    /// A contact of the agent is new, or stands elsewhere now.
    Changed {
        /// Index of the log entry it is about.
        index: u64,
        /// The contact.
        item: Item,
    },
    /// The agent does not have it any more.
    Gone {
        /// Index of the log entry it is about.
        index: u64,
        /// The contact.
        gone: Gone,
    },
    /// The agent's presence is this now.
    Standing {
        /// Index of the log entry it is about.
        index: u64,
        /// The presence.
        standing: Standing,
    },
    /// What became of a request.
    Answered {
        /// As [`Desktop::ask`] gave it.
        tag: u64,
        /// The request.
        request: Request,
        /// Its outcome.
        result: Result<Committed, ClientError>,
    },
    /// The session is gone, or could not be opened. Another is opened without being asked for.
    Broken {
        /// On which node.
        endpoint: String,
        /// Why.
        why: String,
    },
    /// The session is over: logged out, taken over or ended by force. [`Desktop::reopen`] opens
    /// another.
    Over {
        /// Why.
        why: Why,
    },
}

struct Session {
    id: StreamId,
    way: usize,
    requests: mpsc::Sender<api::DesktopRequest>,
    events: Streaming<api::DesktopEvent>,
}

struct Begun {
    requests: mpsc::Sender<api::DesktopRequest>,
    events: Streaming<api::DesktopEvent>,
    index: u64,
    all: Opened,
}

/// A session that is being opened.
struct Opening {
    way: usize,
    begun: BoxFuture<'static, Result<Begun, String>>,
}

/// An agent's desktop.
pub struct Desktop {
    agent: String,
    ways: Vec<Tried>,
    session: Option<Session>,
    sessions_had: u64,
    opening: Option<Opening>,
    is_over: bool,
    outbox: Outbox<Request>,
    news: VecDeque<DesktopNews>,
}

impl Desktop {
    /// A desktop of `agent`. Sessions are opened by the first of the ways that works; the first is
    /// opened by [`next`](Self::next). Each request may take `patience`.
    pub fn new(agent: &str, ways: Vec<Way>, patience: Duration) -> Self {
        Self {
            agent: agent.to_owned(),
            ways: ways.into_iter().map(Tried::new).collect(),
            session: None,
            sessions_had: 0,
            opening: None,
            is_over: false,
            outbox: Outbox::new(patience, IN_FLIGHT_MAX, PENDING_MAX),
            news: VecDeque::new(),
        }
    }

    /// Asks something of the cluster: its tag, by which [`next`](Self::next) names the answer. None:
    /// 1,024 requests have no outcome yet.
    pub fn ask(&mut self, request: Request) -> Option<u64> {
        self.outbox.ask(request)
    }

    /// The way of the session. None: there is none at the moment.
    pub fn way(&self) -> Option<usize> {
        self.session.as_ref().map(|session| session.way)
    }

    /// Whether a session is being opened.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Requests without an outcome.
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Opens a session by one of the ways, which takes over the present one. Does nothing while a
    /// session is being opened.
    pub fn move_to(&mut self, way: usize) {
        if self.opening.is_none() && way < self.ways.len() {
            self.open(way);
        }
    }

    /// Opens a session after one is over.
    pub fn reopen(&mut self) {
        self.is_over = false;
    }

    /// Waits until there is something new; keeps a session open and the requests moving meanwhile,
    /// and only then. May be dropped and called again at any time.
    pub async fn next(&mut self) -> DesktopNews {
        loop {
            if let Some(news) = self.news.pop_front() {
                return news;
            }
            let now = Instant::now();
            if let Some((tag, request, result)) = self.outbox.expired(now) {
                return DesktopNews::Answered { tag, request, result };
            }
            let may_open = self.open_session(now);
            self.send(now);
            let wake = self.outbox.next_due().into_iter().chain(may_open).min();
            let is_full = self.session.is_some() && self.outbox.next(now).is_some();
            let (session, opening) = (&mut self.session, &mut self.opening);
            let requests = session.as_ref().map(|session| session.requests.clone());
            tokio::select! {
                message = next_message(session) => self.hear(message),
                begun = next_begun(opening) => self.begun(begun),
                () = has_room(requests), if is_full => {}
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    // -- Sessions -------------------------------------------------------------------------------------

    /// Opens a session if there is none. When that may be tried.
    fn open_session(&mut self, now: Instant) -> Option<Instant> {
        if self.session.is_some() || self.opening.is_some() || self.is_over {
            return None;
        }
        match self.ways.iter().position(|tried| tried.is_rested(now)) {
            Some(way) => {
                self.open(way);
                None
            }
            None => self.ways.iter().map(|tried| tried.not_before).min(),
        }
    }

    fn open(&mut self, way: usize) {
        let channel = self.ways[way].way.channel.clone();
        let open = Request::Open(Open { agent: self.agent.clone() });
        let begun = async move {
            let (requests, waiting) = mpsc::channel(IN_FLIGHT_MAX);
            let first = api::DesktopRequest { tag: 0, request: Some(open) };
            requests.try_send(first).map_err(|error| error.to_string())?;
            let sent = stream::unfold(waiting, |mut waiting| async move {
                Some((waiting.recv().await?, waiting))
            });
            let mut client =
                DesktopClient::new(channel).max_decoding_message_size(answer_bytes_max());
            let events = client.session(sent).await.map_err(|status| words(&status))?;
            let mut events = events.into_inner();
            let first = events.message().await.map_err(|status| words(&status))?;
            let first = first.ok_or("it closed the session at once")?;
            match first.event {
                Some(Event::Opened(all)) => Ok(Begun { requests, events, index: first.index, all }),
                Some(Event::Ended(Ended { why })) => {
                    Err(format!("the session was over at once: {}", why_of(why).as_str_name()))
                }
                _ => Err("its first word was something else".to_owned()),
            }
        };
        let begun = timeout(OPEN_TIMEOUT, begun)
            .map(|begun| begun.unwrap_or_else(|_| Err("it took too long".to_owned())));
        self.opening = Some(Opening { way, begun: begun.boxed() });
    }

    fn begun(&mut self, (way, begun): (usize, Result<Begun, String>)) {
        self.opening = None;
        match begun {
            Ok(Begun { requests, events, index, all }) => {
                self.ways[way].worked();
                self.sessions_had += 1;
                let id = StreamId(self.sessions_had);
                let session = Session { id, way, requests, events };
                if let Some(before) = self.session.replace(session) {
                    self.outbox.lost(before.id, "another session took over");
                }
                self.is_over = false;
                self.news.push_back(DesktopNews::Opened { index, way, all });
            }
            Err(why) => {
                self.ways[way].failed(Instant::now());
                let endpoint = self.ways[way].way.endpoint.clone();
                self.news.push_back(DesktopNews::Broken { endpoint, why });
            }
        }
    }

    /// The session is gone; another is opened.
    fn lose(&mut self, why: String) {
        let Some(session) = self.session.take() else { return };
        self.outbox.lost(session.id, &why);
        self.ways[session.way].failed(Instant::now());
        let endpoint = self.ways[session.way].way.endpoint.clone();
        self.news.push_back(DesktopNews::Broken { endpoint, why });
    }

    fn ended(&mut self, why: Why) {
        match why {
            Why::Unspecified | Why::Lost | Why::NodeEnding => {
                self.lose(format!("the session is over: {}", why.as_str_name()));
            }
            // By the session that is being opened.
            Why::TakenOver if self.opening.is_some() => {
                if let Some(session) = self.session.take() {
                    self.outbox.lost(session.id, "another session took over");
                }
            }
            Why::LoggedOut | Why::TakenOver | Why::Forced => {
                if let Some(session) = self.session.take() {
                    self.outbox.lost(session.id, "the session is over");
                }
                self.is_over = true;
                self.news.push_back(DesktopNews::Over { why });
            }
        }
    }

    // -- Requests and events --------------------------------------------------------------------------

    fn send(&mut self, now: Instant) {
        let Some(session) = &self.session else { return };
        while let Some((tag, request)) = self.outbox.next(now) {
            let request = api::DesktopRequest { tag, request: Some(request.clone()) };
            if session.requests.try_send(request).is_err() {
                // Full, or broken: then its events end, too.
                return;
            }
            self.outbox.sent(session.id);
        }
    }

    fn hear(&mut self, message: Result<Option<api::DesktopEvent>, Status>) {
        let Some((over, way)) = self.session.as_ref().map(|session| (session.id, session.way))
        else {
            return;
        };
        let (index, event) = match message {
            Ok(Some(api::DesktopEvent { index, event })) => (index, event),
            Ok(None) => return self.lose("the node closed the session".to_owned()),
            Err(status) => return self.lose(words(&status)),
        };
        let news = match event {
            Some(Event::Answered(Answered { tag, answer })) => {
                let answer = answer.unwrap_or_default();
                let now = Instant::now();
                let Some((tag, request, result)) = self.outbox.answered(over, tag, answer, now)
                else {
                    if let Some(why) = self.outbox.is_barren(over, now) {
                        self.lose(why);
                    }
                    return;
                };
                let is_out = matches!(request, Request::LogOut(_)) && result.is_ok();
                self.news.push_back(DesktopNews::Answered { tag, request, result });
                if is_out {
                    self.ended(Why::LoggedOut);
                }
                return;
            }
            Some(Event::Opened(all)) => DesktopNews::Opened { index, way, all },
            Some(Event::Changed(item)) => DesktopNews::Changed { index, item },
            Some(Event::Gone(gone)) => DesktopNews::Gone { index, gone },
            Some(Event::Standing(standing)) => DesktopNews::Standing { index, standing },
            Some(Event::Ended(Ended { why })) => return self.ended(why_of(why)),
            // From a later version of the contract: nothing this program could act upon.
            None => return,
        };
        self.news.push_back(news);
    }
}

fn why_of(why: i32) -> Why {
    Why::try_from(why).unwrap_or(Why::Unspecified)
}

async fn next_message(session: &mut Option<Session>) -> Result<Option<api::DesktopEvent>, Status> {
    match session {
        Some(session) => session.events.message().await,
        None => std::future::pending().await,
    }
}

async fn next_begun(opening: &mut Option<Opening>) -> (usize, Result<Begun, String>) {
    match opening {
        Some(opening) => (opening.way, opening.begun.as_mut().await),
        None => std::future::pending().await,
    }
}

/// Waits until a session takes a request.
async fn has_room(requests: Option<mpsc::Sender<api::DesktopRequest>>) {
    match requests {
        // A closed one has none; that it is closed is found out elsewhere.
        Some(requests) => match requests.reserve().await {
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
