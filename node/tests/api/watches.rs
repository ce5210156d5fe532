//! Watches: what happens, in order, from a token on, at any node.

use acd::command::ConfigCommand;
use acd::ids::{PrincipalId, SkillId};
use acd::roles::{Role, Roles};
use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use node::seams::{Connector as _, SystemClock, TcpConnector, WallClock};
use proto::api::v1 as api;
use proto::api::v1::watch_request::{Filter, Kind};
use proto::api::v1::watch_response::{News, Why};
use proto::api::v1::watches_client::WatchesClient;
use proto::stored::v1::Event;
use proto::stored::v1::event;
use tonic::body::Body;
use tonic::{Code, Streaming};

use crate::centre::*;
use crate::common::*;

async fn watch(
    centre: &Centre,
    number: u64,
    after: Option<api::Token>,
    kinds: &[Kind],
) -> Streaming<api::WatchResponse> {
    let filter = Some(Filter { kinds: kinds.iter().map(|kind| (*kind).into()).collect() });
    let request = api::WatchRequest { after, filter };
    centre.watches(number, "vera").watch(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<api::WatchResponse>) -> (api::Token, News) {
    let message = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap();
    let api::WatchResponse { token, news } = message.unwrap().unwrap();
    (token.unwrap(), news.unwrap())
}

async fn started(watch: &mut Streaming<api::WatchResponse>) -> api::Token {
    let (token, News::Started(_)) = next(watch).await else { panic!("it does not stand") };
    token
}

async fn ended(watch: &mut Streaming<api::WatchResponse>) -> Why {
    loop {
        if let (_, News::Ended(over)) = next(watch).await {
            assert_eq!(watch.message().await.unwrap(), None, "nothing comes after the end");
            return over.why();
        }
    }
}

/// What is told up to an index, entry by entry, with the token behind each.
async fn told_up_to(
    watch: &mut Streaming<api::WatchResponse>,
    index: u64,
) -> Vec<(api::Token, Vec<Event>)> {
    let mut told = Vec::new();
    loop {
        let (token, News::Entry(entry)) = next(watch).await else { panic!("it is over") };
        assert!(!entry.events.is_empty() && !entry.more && entry.stamp_ms > 0);
        told.push((token, entry.events));
        if token.index >= index {
            return told;
        }
    }
}

async fn token(centre: &Centre, number: u64) -> api::Token {
    let request = api::ListQueuesRequest { linearizable: true, queue: None };
    let list = async || centre.reads(number, "vera").list_queues(request.clone()).await;
    patiently(list).await.freshness.unwrap().token.unwrap()
}

fn put_skill(id: &str) -> ConfigCommand {
    let skill = SkillId::new(id).unwrap();
    ConfigCommand::PutSkill { skill, name: label(id), expected: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_a_list_tells_exactly_what_follows_at_every_node() {
    let centre = Centre::open("").await;
    let from = token(&centre, 1).await;
    for id in ["one", "two", "three"] {
        centre.configure(put_skill(id)).await;
    }
    centre.enqueue("c1", "loans").await;
    centre.hang_up("c1").await;
    centre.cluster.agree().await;
    let upto = token(&centre, 1).await;

    // Of what is configured: the three, nothing before, nothing twice.
    let mut configured = watch(&centre, 1, Some(from), &[Kind::Config]).await;
    assert_eq!(started(&mut configured).await, from);
    for id in ["one", "two", "three"] {
        let (token, News::Entry(entry)) = next(&mut configured).await else { panic!() };
        assert!(token.index > from.index && token.index <= upto.index);
        let [Event { event: Some(event::Event::Config(changed)) }] = &*entry.events else {
            panic!("{entry:?}")
        };
        assert_eq!((&*changed.id, changed.revision), (id, Some(1)));
    }

    // The same at every node, and from the middle on at another one.
    let kinds = [Kind::Config, Kind::Contact];
    let mut at_1 = watch(&centre, 1, Some(from), &kinds).await;
    started(&mut at_1).await;
    let mut all = Vec::new();
    let over = |told: &[(api::Token, Vec<Event>)]| {
        let over = |event: &Event| {
            matches!(&event.event, Some(event::Event::Contact(contact))
            if matches!(contact.event, Some(proto::stored::v1::contact_event::Event::Closed(_))))
        };
        told.iter().any(|(_, events)| events.iter().any(over))
    };
    while !over(&all) {
        let index = all.last().map_or(from.index, |(token, _): &(api::Token, _)| token.index) + 1;
        all.extend(told_up_to(&mut at_1, index).await);
    }
    assert_eq!(all.len(), 5, "{all:?}");
    let (last, _) = all[all.len() - 1];
    for (number, after) in [(2, 0), (3, 2), (1, 4)] {
        let (resumed, rest) = match after {
            0 => (from, &all[..]),
            _ => (all[after - 1].0, &all[after..]),
        };
        let mut watch = watch(&centre, number, Some(resumed), &kinds).await;
        assert_eq!(started(&mut watch).await, resumed);
        assert_eq!(told_up_to(&mut watch, last.index).await, rest);
    }

    // Without a token: from now on.
    let mut live = watch(&centre, 2, None, &[Kind::Audit]).await;
    started(&mut live).await;
    centre.configure(put_skill("four")).await;
    let (_, News::Entry(entry)) = next(&mut live).await else { panic!() };
    let [Event { event: Some(event::Event::Audit(act)) }] = &*entry.events else { panic!() };
    assert_eq!((&*act.principal, &act.refused), (ADMIN, &None));

    // A token of another life, and one that is ahead of everybody.
    let other_life = api::Token { epoch: from.epoch + 1, ..from };
    assert_eq!(ended(&mut watch(&centre, 1, Some(other_life), &[]).await).await, Why::Compacted);
    let ahead = api::Token { index: upto.index + 1_000_000, ..upto };
    assert_eq!(ended(&mut watch(&centre, 1, Some(ahead), &[]).await).await, Why::Behind);

    // The end of the node.
    let mut last = watch(&centre, 3, None, &[]).await;
    started(&mut last).await;
    centre.cluster.node(3).state().close();
    assert_eq!(ended(&mut last).await, Why::NodeEnding);
}

/// A connection with little room, as that of somebody who hardly reads.
#[derive(Clone)]
struct Narrow(SendRequest<Body>);

impl Narrow {
    const WINDOW_BYTES: u32 = 65_535;

    async fn open(centre: &Centre, number: u64, who: &str) -> Self {
        let dial = centre.dial(number, who);
        let stream = TcpConnector.connect(&dial.address).await.unwrap();
        let tls = tokio_rustls::TlsConnector::from(dial.tls.config());
        let stream = tls.connect(dial.server_name, stream).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(Self::WINDOW_BYTES)
            .initial_connection_window_size(Self::WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

impl tower_service::Service<hyper::Request<Body>> for Narrow {
    type Response = hyper::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: hyper::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_costs_no_memory_and_is_told_what_is_gone() {
    let centre = Centre::open("[limits]\nwatch_events = 1024\n").await;
    let from = token(&centre, 1).await;
    let narrow = Narrow::open(&centre, 1, "vera").await;
    let mut client = WatchesClient::with_origin(narrow, origin());
    let request = api::WatchRequest { after: Some(from), filter: None };
    let mut unread = client.watch(request).await.unwrap().into_inner();
    started(&mut unread).await;

    // Far more than the window has room for, and than the ring keeps.
    let attributes = proto::stored::v1::Attributes {
        items: vec![proto::stored::v1::Attribute { name: "note".into(), value: "x".repeat(2_000) }],
    };
    let attributes: Bytes = prost::Message::encode_to_vec(&attributes).into();
    let clients: Vec<_> = (0..16).map(|n| centre.contacts(1 + n % 3, "edge")).collect();
    let calls = clients.into_iter().enumerate().map(async |(n, client)| {
        for m in 0..64 {
            let id = format!("call-{n}-{m}");
            let enqueue =
                proto::stored::v1::Enqueue { attributes: attributes.clone(), ..call(&id, "loans") };
            committed(async || client.clone().enqueue(enqueue.clone()).await).await;
            let hang_up = proto::stored::v1::contact_command::HangUp { contact: id };
            committed(async || client.clone().hang_up(hang_up.clone()).await).await;
        }
    });
    join_all(calls).await;
    centre.cluster.agree().await;

    // What was on its way when the connection was full comes, in order, and then the end: the node
    // kept one message for this watch, not two megabytes.
    let (mut bytes, mut last) = (0, from);
    let why = loop {
        let (token, news) = next(&mut unread).await;
        match news {
            News::Entry(entry) => {
                bytes += prost::Message::encoded_len(&entry);
                if !entry.more {
                    assert!(token.index > last.index);
                    last = token;
                }
            }
            News::Ended(over) => break over.why(),
            News::Started(_) => panic!("it stood already"),
        }
    };
    assert_eq!(why, Why::Compacted);
    assert!(bytes < 1 << 20, "{bytes} bytes were kept");
    // The same token is gone for good; a list gives a new one.
    assert_eq!(ended(&mut watch(&centre, 2, Some(last), &[]).await).await, Why::Compacted);
    let again = token(&centre, 2).await;
    assert_eq!(started(&mut watch(&centre, 2, Some(again), &[]).await).await, again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_entry_comes_in_parts_that_make_the_whole() {
    let centre = Centre::open("").await;
    let attributes = proto::stored::v1::Attributes {
        items: vec![proto::stored::v1::Attribute { name: "note".into(), value: "x".repeat(4_000) }],
    };
    let attributes: Bytes = prost::Message::encode_to_vec(&attributes).into();
    let clients: Vec<_> = (0..16).map(|n| centre.contacts(1 + n % 3, "edge")).collect();
    let calls = clients.into_iter().enumerate().map(async |(n, client)| {
        for m in 0..16 {
            let id = format!("call-{n}-{m}");
            let enqueue =
                proto::stored::v1::Enqueue { attributes: attributes.clone(), ..call(&id, "loans") };
            committed(async || client.clone().enqueue(enqueue.clone()).await).await;
        }
    });
    join_all(calls).await;
    let from = token(&centre, 1).await;
    // One entry turns away all who wait: 256 records of 4 KB.
    let close = ConfigCommand::CloseQueue {
        queue: acd::ids::QueueId::new("loans").unwrap(),
        flush: true,
        until: acd::time::LogTime(SystemClock.now_ms() + 3_600_000),
        expected: None,
    };
    centre.configure(close).await;
    let mut parts = watch(&centre, 1, Some(from), &[Kind::Contact]).await;
    started(&mut parts).await;
    let (mut closed, mut messages) = (0, 0);
    loop {
        let (token, News::Entry(entry)) = next(&mut parts).await else { panic!() };
        assert!(prost::Message::encoded_len(&entry) < 512 << 10);
        messages += 1;
        closed += entry.events.len();
        if !entry.more {
            assert!(token.index > from.index);
            break;
        }
        assert_eq!(token, from, "it is resumed with the whole entry");
    }
    assert_eq!(closed, 256);
    assert!(messages > 2, "{messages}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loses_the_role_is_told_nothing_more() {
    let centre = Centre::open("").await;
    let from = token(&centre, 2).await;
    let mut contacts = watch(&centre, 2, Some(from), &[Kind::Contact]).await;
    started(&mut contacts).await;
    let principal = PrincipalId::new("vera").unwrap();
    let roles = Roles::of(&[Role::Ingress]);
    let now = ConfigCommand::PutPrincipal { principal, roles, site: None, expected: None };
    centre.configure(now).await;
    centre.enqueue("c1", "loans").await;
    let told = tokio::time::timeout(PATIENCE, contacts.message()).await.unwrap();
    let status = told.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("vera has ingress"), "{status}");
}
