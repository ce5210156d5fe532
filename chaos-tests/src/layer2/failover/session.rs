//! A desktop that does what all do: takes what it is offered, talks a little, is done; and opens its
//! session anew, at home first, when it is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acd::ids::{ContactId, OfferToken, PrincipalId};
use futures::stream;
use proto::api::v1::desktop_client::DesktopClient;
use proto::api::v1::desktop_event::{Answered, Event, Item, Stage};
use proto::api::v1::desktop_request::{Open, Ready, Request};
use proto::api::v1::{DesktopEvent, DesktopRequest};
use proto::stored::v1::WorkCommand;
use proto::stored::v1::work_command::{Accept, Command, Complete};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::centre::nodes_from;
use super::times::{Notes, Offer};
use crate::layer2::door::{ProcessDoor, origin};
use crate::layer2::net::{CITIES, city_of};

/// How long opening a session may take; in a rush it takes its time.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long a conversation lasts.
const TALK: Duration = Duration::from_millis(300);
/// Requests on their way: far below what a session may have.
const REQUESTS: usize = 32;

/// The tag of the first request of a session.
const READY: u64 = 1;

/// An agent's place.
pub(super) struct Desk {
    pub(super) agent: PrincipalId,
    pub(super) city: usize,
    /// Which of the city's agents.
    pub(super) number: usize,
    pub(super) door: Arc<ProcessDoor>,
    pub(super) notes: Notes,
    /// Tells whether there is a session at a node of the agent's city.
    pub(super) is_home: watch::Sender<bool>,
    /// Changes when everybody is to go home.
    pub(super) homeward: watch::Receiver<u64>,
}

/// Works for good.
pub(super) async fn work(mut desk: Desk) {
    let nodes = nodes_from(desk.city);
    // Agents of a city are spread over its nodes.
    let mut turn = desk.number % nodes.iter().filter(|n| city_of(**n) == desk.city).count().max(1);
    loop {
        let node = nodes[turn % nodes.len()];
        let was_called_home = desk.session(node).await;
        desk.is_home.send_replace(false);
        turn = if was_called_home { 0 } else { turn + 1 };
        sleep(AGAIN_AFTER).await;
    }
}

/// Where requests go.
type Requests = mpsc::Sender<DesktopRequest>;

impl Desk {
    /// One session, until it is over; whether because everybody is to go home.
    async fn session(&mut self, node: u64) -> bool {
        let Ok(way) = self.door.way(&self.agent, node) else { return false };
        let (requests, waiting) = mpsc::channel(REQUESTS);
        let open = Request::Open(Open { agent: self.agent.as_str().to_owned() });
        ask(&requests, 0, open).await;
        let sent =
            stream::unfold(
                waiting,
                |mut waiting| async move { Some((waiting.recv().await?, waiting)) },
            );
        let mut client = DesktopClient::with_origin(way, origin());
        let Ok(Ok(events)) = timeout(OPEN_WITHIN, client.session(sent)).await else {
            return false;
        };
        let mut events = events.into_inner();
        let Ok(Ok(Some(DesktopEvent { event: Some(Event::Opened(all)), .. }))) =
            timeout(OPEN_WITHIN, events.message()).await
        else {
            return false;
        };
        let city = city_of(node);
        self.is_home.send_replace(city == self.city);
        self.homeward.mark_unchanged();
        ask(&requests, READY, Request::Ready(Ready {})).await;
        let mut jobs = Jobs {
            requests,
            known: BTreeSet::new(),
            tag: READY,
            asked: BTreeMap::from([(READY, Request::Ready(Ready {}))]),
            talks: JoinSet::new(),
        };
        for item in &all.items {
            jobs.take_up(item);
        }
        loop {
            let message = tokio::select! {
                biased;
                message = events.message() => message,
                called = self.homeward.changed(), if city != self.city => {
                    return called.is_ok();
                }
            };
            match message {
                Ok(Some(DesktopEvent { event: Some(Event::Changed(item)), .. })) => {
                    if item.stage() == Stage::Offered {
                        self.note(city, &item);
                    }
                    jobs.take_up(&item);
                }
                Ok(Some(DesktopEvent { event: Some(Event::Ended(_)), .. }) | None) | Err(_) => {
                    return false;
                }
                Ok(Some(DesktopEvent { event: Some(Event::Answered(answered)), .. })) => {
                    jobs.hear(answered);
                }
                Ok(Some(_)) => {}
            }
        }
    }

    /// Notes an offer that is received now.
    fn note(&self, session: usize, item: &Item) {
        let at = Instant::now();
        let from = |city: &usize| item.contact.starts_with(&format!("edge-{}:", CITIES[*city]));
        if let (Some(anchor), Ok(contact)) =
            ((0..CITIES.len()).find(from), ContactId::new(&item.contact))
        {
            let token = OfferToken(item.token);
            self.notes.offered(Offer { at, session, anchor, contact, token });
        }
    }
}

/// Sends a request; a session that is over takes none, which is found out by its events.
async fn ask(requests: &Requests, tag: u64, request: Request) {
    let _ = requests.send(DesktopRequest { tag, request: Some(request) }).await;
}

/// What an agent does with contacts.
struct Jobs {
    requests: Requests,
    /// What was asked for, so that it is asked once.
    known: BTreeSet<(u64, i32)>,
    tag: u64,
    /// What was asked and not yet answered, by tag.
    asked: BTreeMap<u64, Request>,
    /// Conversations end with the session.
    talks: JoinSet<()>,
}

impl Jobs {
    fn take_up(&mut self, item: &Item) {
        while self.talks.try_join_next().is_some() {}
        if !self.known.insert((item.token, item.stage)) {
            return;
        }
        let (contact, token) = (item.contact.clone(), item.token);
        match item.stage() {
            Stage::Offered => {
                self.later(Duration::ZERO, Command::Accept(Accept { contact, token }));
            }
            Stage::Accepted | Stage::Connected | Stage::Held | Stage::WrapUp => {
                let complete = Complete { contact, token, disposition: None, resolved: None };
                self.later(TALK, Command::Complete(complete));
            }
            Stage::Unspecified => {}
        }
    }

    /// Asks for something after a while.
    fn later(&mut self, after: Duration, command: Command) {
        self.tag += 1;
        let request = Request::Work(WorkCommand { command: Some(command) });
        self.asked.insert(self.tag, request.clone());
        self.send(after, self.tag, request);
    }

    fn send(&mut self, after: Duration, tag: u64, request: Request) {
        let requests = self.requests.clone();
        self.talks.spawn(async move {
            sleep(after).await;
            ask(&requests, tag, request).await;
        });
    }

    /// What is not known to be in the log is asked again: while nobody leads nothing else comes of it.
    fn hear(&mut self, answered: Answered) {
        use proto::api::v1::answer::Answer::{Committed, Refused};
        let Answered { tag, answer } = answered;
        match answer.and_then(|answer| answer.answer) {
            Some(Committed(_) | Refused(_)) => {
                self.asked.remove(&tag);
            }
            _ => {
                if let Some(request) = self.asked.get(&tag).cloned() {
                    self.send(AGAIN_AFTER, tag, request);
                }
            }
        }
    }
}
