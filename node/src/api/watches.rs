//! Everything that happens, told to whoever watches.
//!
//! A watch is a place in the ring of events that the node keeps anyway, and is read from only when
//! the connection has room for more. Whoever does not read costs one place and one message; when the
//! ring has moved on, they are told so.

use std::sync::Arc;

use acd::codec::event_to_stored;
use acd::event::Event;
use acd::ids::PrincipalId;
use futures::stream::{self, BoxStream};
use openraft_rt::AsyncRuntime;
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::watch_request::Kind;
use proto::api::v1::watch_response::{Ended as Over, Entry, News, Started, Why};
use proto::api::v1::watches_server::Watches;
use tonic::{Request, Response, Status};

use super::access::may_go_on;
use super::intake::caller;
use crate::replica::{Ended, EntryEvents, State, Token, Watch};

/// Bytes of events in one message; one event may be larger. Flushing a queue makes 100,000 events of
/// one entry, and clients take 4 MiB by default.
const MESSAGE_BYTES: usize = 256 << 10;
/// The method, in the table of who may call what.
const WATCH: &str = "/quorumcall.api.v1.Watches/Watch";
/// Kinds that one filter may name: each some times over.
const KINDS_MAX: usize = 64;

/// Tells what happens.
pub(super) struct WatchesService<RT> {
    pub(super) state: State,
    pub(super) runtime: std::marker::PhantomData<fn() -> RT>,
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Watches for WatchesService<RT> {
    type WatchStream = BoxStream<'static, Result<api::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<api::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let principal = caller(&request)?;
        let api::WatchRequest { after, filter } = request.into_inner();
        let kinds = Kinds::parse(&filter.unwrap_or_default().kinds)?;
        let from = match after {
            None => Ok(self.state.watch(|_| ()).1),
            Some(api::Token { epoch, index }) => {
                let token = Token { epoch, index };
                self.state.resume::<RT>(token).await.map_err(|why| (token, why))
            }
        };
        let next = match from {
            Ok(watch) => {
                let (told, state) = (watch.token(), self.state.clone());
                Next::Begin(Telling { principal, state, told, watch, kinds, entry: None })
            }
            Err((token, why)) => Next::Over(token, why),
        };
        Ok(Response::new(Box::pin(stream::unfold(next, Next::message))))
    }
}

/// What a watch tells next.
enum Next {
    /// That it stands.
    Begin(Telling),
    /// What happens.
    Tell(Telling),
    /// That it is over.
    Over(Token, Ended),
    /// Nothing.
    Nothing,
}

impl Next {
    async fn message(self) -> Option<(Result<api::WatchResponse, Status>, Self)> {
        match self {
            Self::Begin(telling) => {
                let message = message(telling.told, News::Started(Started {}));
                Some((Ok(message), Self::Tell(telling)))
            }
            Self::Tell(mut telling) => match telling.next().await {
                Ok(news) => Some((Ok(news), Self::Tell(telling))),
                Err(Stop::Ended(why)) => Some((Ok(over(telling.told, why)), Self::Nothing)),
                Err(Stop::Dismissed(why)) => {
                    let words = format!("{WATCH} {why}");
                    Some((Err(Status::permission_denied(words)), Self::Nothing))
                }
            },
            Self::Over(token, why) => Some((Ok(over(token, why)), Self::Nothing)),
            Self::Nothing => None,
        }
    }
}

/// Why a watch that stood is over.
enum Stop {
    /// Nothing more can be told.
    Ended(Ended),
    /// Whoever watches may not any more.
    Dismissed(String),
}

/// A watch that stands.
struct Telling {
    principal: PrincipalId,
    state: State,
    watch: Watch,
    kinds: Kinds,
    /// The last entry that was told whole.
    told: Token,
    /// The entry that is being told, and how many of its events were looked at.
    entry: Option<(Arc<EntryEvents>, usize)>,
}

impl Telling {
    /// The next message about an entry of which something is told.
    async fn next(&mut self) -> Result<api::WatchResponse, Stop> {
        loop {
            let (entry, from) = match self.entry.take() {
                Some(begun) => begun,
                None => (self.watch.next().await.map_err(Stop::Ended)?, 0),
            };
            // Roles are configuration, and may have been taken away.
            if from == 0 && entry.events.iter().any(|event| matches!(event, Event::Config { .. })) {
                may_go_on(&self.state, &self.principal, WATCH).map_err(Stop::Dismissed)?;
            }
            let (events, upto) = self.events(&entry, from);
            if events.is_empty() {
                continue;
            }
            let more = upto < entry.events.len();
            if !more {
                self.told = self.watch.token();
            }
            let news = Entry { stamp_ms: entry.stamp.0, events, more };
            if more {
                self.entry = Some((entry, upto));
            }
            return Ok(message(self.told, News::Entry(news)));
        }
    }

    /// Events that are told, as many as go into one message, and up to where they were looked at:
    /// to the next that is told, or to the end.
    fn events(&self, entry: &EntryEvents, from: usize) -> (Vec<proto::stored::v1::Event>, usize) {
        let mut told = Vec::new();
        let mut bytes = 0;
        for (at, event) in entry.events.iter().enumerate().skip(from) {
            if !self.kinds.has(event) {
                continue;
            }
            if bytes >= MESSAGE_BYTES {
                return (told, at);
            }
            let event = event_to_stored(event);
            bytes += event.encoded_len();
            told.push(event);
        }
        (told, entry.events.len())
    }
}

fn message(token: Token, news: News) -> api::WatchResponse {
    let Token { epoch, index } = token;
    api::WatchResponse { token: Some(api::Token { epoch, index }), news: Some(news) }
}

fn over(token: Token, why: Ended) -> api::WatchResponse {
    let why = match why {
        Ended::Compacted => Why::Compacted,
        Ended::Behind => Why::Behind,
        Ended::Closed => Why::NodeEnding,
    };
    message(token, News::Ended(Over { why: why.into() }))
}

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u32);

impl Kinds {
    /// None: all of them.
    fn parse(kinds: &[i32]) -> Result<Self, Status> {
        if kinds.is_empty() {
            return Ok(Self(u32::MAX));
        }
        if kinds.len() > KINDS_MAX {
            return Err(Status::invalid_argument(format!(
                "a filter names {KINDS_MAX} kinds at most"
            )));
        }
        kinds.iter().try_fold(Self(0), |Self(set), number| match Kind::try_from(*number) {
            Ok(Kind::Unspecified) | Err(_) => {
                let words = format!("kind {number} of events is unknown to this version");
                Err(Status::invalid_argument(words))
            }
            Ok(kind) => Ok(Self(set | 1 << kind as u32)),
        })
    }

    fn has(self, event: &Event) -> bool {
        let kind = match event {
            Event::Contact { .. } => Kind::Contact,
            Event::Agent { .. } => Kind::Agent,
            Event::Site { .. }
            | Event::DrainDeadline { .. }
            | Event::NodeAdded { .. }
            | Event::NodeRoleChanged { .. }
            | Event::NodeLeaving { .. }
            | Event::TokenEnded { .. }
            | Event::NodeRemoved { .. }
            | Event::NodeLost { .. }
            | Event::IngressStreams { .. }
            | Event::TermStarted { .. }
            | Event::TimeSet { .. }
            | Event::Checkpoint { .. }
            | Event::Diverged { .. }
            | Event::VersionRaised { .. }
            | Event::VersionUnknown { .. } => Kind::Cluster,
            Event::QueueClosed { .. } | Event::QueueReopened { .. } | Event::Config { .. } => {
                Kind::Config
            }
            Event::Alarm(_) => Kind::Alarm,
            Event::Audit(_) => Kind::Audit,
        };
        self.0 & 1 << kind as u32 != 0
    }
}
