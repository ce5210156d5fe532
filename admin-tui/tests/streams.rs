//! Streams of front ends and desktops, against nodes that do what they are told.

mod fake_node;

use std::time::Duration;

use acd::reply::Verdict;
use admin_tui::client::{Desktop, DesktopNews, Ingress, IngressNews, Way};
use fake_node::FakeNode;
use proto::api::v1::desktop_event::Why;
use proto::api::v1::desktop_request::{Ready, Request};
use proto::stored::v1::contact_command::{Command, HangUp};
use proto::stored::v1::{ContactEvent, Enqueue};
use tonic::transport::Endpoint;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn way(node: &FakeNode, site: &str) -> Way {
    let endpoint = node.endpoint();
    let channel = Endpoint::from_shared(format!("http://{endpoint}")).expect("an address");
    Way { site: site.to_owned(), endpoint, channel: channel.connect_lazy() }
}

fn enqueue(contact: &str) -> Command {
    let queue = "sales".to_owned();
    Command::Enqueue(Enqueue { contact: contact.to_owned(), queue, ..Enqueue::default() })
}

fn hang_up(contact: &str) -> Command {
    Command::HangUp(HangUp { contact: contact.to_owned() })
}

/// The first news that is one of these.
async fn ingress_news<T>(ingress: &mut Ingress, pick: impl Fn(IngressNews) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = pick(ingress.next().await) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("news in time")
}

async fn desktop_news<T>(desktop: &mut Desktop, pick: impl Fn(DesktopNews) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = pick(desktop.next().await) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("news in time")
}

/// Waits until it has as many streams.
async fn has_streams(ingress: &mut Ingress, wanted: usize) {
    ingress_news(ingress, |news| match news {
        IngressNews::Attached { streams, .. } | IngressNews::Detached { streams, .. } => {
            (streams == wanted).then_some(())
        }
        _ => None,
    })
    .await;
}

fn answered(news: IngressNews) -> Option<(u64, bool)> {
    match news {
        IngressNews::Answered { tag, result, .. } => Some((tag, result.is_ok())),
        _ => None,
    }
}

fn happened(news: IngressNews) -> Option<u64> {
    match news {
        IngressNews::Happened { index, .. } => Some(index),
        _ => None,
    }
}

fn opened(news: DesktopNews) -> Option<usize> {
    match news {
        DesktopNews::Opened { way, .. } => Some(way),
        _ => None,
    }
}

#[tokio::test]
async fn a_front_end_is_attached_at_two_sites_its_own_first() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await, FakeNode::start(3).await];
    let ways = vec![way(&nodes[0], "kyiv"), way(&nodes[1], "kyiv"), way(&nodes[2], "lviv")];
    let mut edge = Ingress::new("edge-kyiv", ways, 2, PATIENCE);
    has_streams(&mut edge, 2).await;
    assert_eq!(nodes.each_ref().map(FakeNode::attached), [1, 0, 1]);
    // Commands go by the first one.
    let tag = edge.ask(enqueue("a")).expect("room");
    assert_eq!(ingress_news(&mut edge, answered).await, (tag, true));
    assert_eq!(nodes.each_ref().map(|node| node.commands().len()), [1, 0, 0]);
}

#[tokio::test]
async fn what_a_broken_stream_did_not_answer_is_asked_over_another_one() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await];
    let ways = vec![way(&nodes[0], "kyiv"), way(&nodes[1], "lviv")];
    let mut edge = Ingress::new("edge-kyiv", ways, 2, PATIENCE);
    has_streams(&mut edge, 2).await;
    nodes[0].be_mute(true);
    let tags = [edge.ask(enqueue("a")), edge.ask(hang_up("a"))].map(|tag| tag.expect("room"));
    // The first node gets them, and dies.
    let dies = async {
        while nodes[0].commands().len() < 2 {
            tokio::task::yield_now().await;
        }
        nodes[0].kill();
    };
    let answers = async {
        [ingress_news(&mut edge, answered).await, ingress_news(&mut edge, answered).await]
    };
    let ((), answers) = tokio::join!(dies, answers);
    assert_eq!(answers, tags.map(|tag| (tag, true)));
    let same = [enqueue("a"), hang_up("a")];
    assert_eq!(nodes[0].commands(), same);
    assert_eq!(nodes[1].commands(), same, "in the same order");
}

#[tokio::test]
async fn what_all_streams_tell_is_told_once_and_what_one_missed_by_the_other() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await];
    let ways = vec![way(&nodes[0], "kyiv"), way(&nodes[1], "lviv")];
    let mut edge = Ingress::new("edge-kyiv", ways, 2, PATIENCE);
    has_streams(&mut edge, 2).await;
    let about = |contact: &str| ContactEvent { contact: contact.to_owned(), event: None };
    nodes[0].tell(10, about("a"));
    nodes[0].tell(10, about("b"));
    assert_eq!(ingress_news(&mut edge, happened).await, 10);
    assert_eq!(ingress_news(&mut edge, happened).await, 10);
    // The other one is behind, tells the same, and then something new.
    nodes[1].tell(10, about("a"));
    nodes[1].tell(10, about("b"));
    nodes[1].tell(10, about("c"));
    nodes[1].tell(11, about("a"));
    assert_eq!(ingress_news(&mut edge, happened).await, 10);
    assert_eq!(ingress_news(&mut edge, happened).await, 11);
    nodes[0].tell(11, about("a"));
    nodes[0].tell(12, about("a"));
    assert_eq!(ingress_news(&mut edge, happened).await, 12);
}

#[tokio::test]
async fn a_front_end_attaches_again_with_what_it_has_and_is_told_what_became_of_it() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await];
    let ways = vec![way(&nodes[0], "kyiv"), way(&nodes[1], "lviv")];
    let mut edge = Ingress::new("edge-kyiv", ways, 1, PATIENCE);
    has_streams(&mut edge, 1).await;
    for contact in ["a", "b", "over"] {
        edge.ask(enqueue(contact)).expect("room");
        ingress_news(&mut edge, answered).await;
    }
    nodes[1].judge("over", Verdict::Closed);
    nodes[1].judge("b", Verdict::WithAgent(acd::ids::OfferToken(7)));
    nodes[0].kill();
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        let verdict = |news| match news {
            IngressNews::Verdict { contact, verdict, .. } => Some((contact, verdict)),
            _ => None,
        };
        verdicts.push(ingress_news(&mut edge, verdict).await);
    }
    let seven = Verdict::WithAgent(acd::ids::OfferToken(7));
    let expected = [("a", Verdict::Waiting), ("b", seven), ("over", Verdict::Closed)];
    assert_eq!(verdicts, expected.map(|(contact, verdict)| (contact.to_owned(), verdict)));
    assert_eq!(edge.held(), 2);
    // Its own city is back: the stream moves there.
    nodes[0].revive().await;
    ingress_news(&mut edge, |news| match news {
        IngressNews::Attached { endpoint, streams: 1 } => {
            (endpoint == nodes[0].endpoint()).then_some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_desktop_logs_in_elsewhere_when_its_node_is_gone_and_asks_again() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await];
    let ways = vec![way(&nodes[0], "kyiv"), way(&nodes[1], "lviv")];
    let mut desktop = Desktop::new("anna", ways, PATIENCE);
    assert_eq!(desktop_news(&mut desktop, opened).await, 0);
    nodes[0].be_mute(true);
    let tag = desktop.ask(Request::Ready(Ready {})).expect("room");
    let dies = async {
        while nodes[0].requests() == 0 {
            tokio::task::yield_now().await;
        }
        nodes[0].kill();
    };
    let again = desktop_news(&mut desktop, opened);
    assert_eq!(tokio::join!(dies, again), ((), 1));
    let answer = desktop_news(&mut desktop, |news| match news {
        DesktopNews::Answered { tag, result, .. } => Some((tag, result.is_ok())),
        _ => None,
    });
    assert_eq!(answer.await, (tag, true));
    // Back home, on purpose.
    nodes[0].be_mute(false);
    nodes[0].revive().await;
    desktop.move_to(0);
    assert_eq!(desktop_news(&mut desktop, opened).await, 0);
    assert_eq!(desktop.way(), Some(0));
}

#[tokio::test]
async fn a_desktop_that_was_taken_over_stays_so_until_it_is_told() {
    let node = FakeNode::start(1).await;
    let mut desktop = Desktop::new("anna", vec![way(&node, "kyiv")], PATIENCE);
    assert_eq!(desktop_news(&mut desktop, opened).await, 0);
    node.end_sessions(Why::TakenOver);
    let over = desktop_news(&mut desktop, |news| match news {
        DesktopNews::Over { why } => Some(why),
        _ => None,
    });
    assert_eq!(over.await, Why::TakenOver);
    let quiet = tokio::time::timeout(Duration::from_millis(300), desktop.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    desktop.reopen();
    assert_eq!(desktop_news(&mut desktop, opened).await, 0);
}

#[tokio::test]
async fn a_node_that_takes_nothing_is_left() {
    let nodes = [FakeNode::start(1).await, FakeNode::start(2).await];
    let ways = || vec![way(&nodes[0], "kyiv"), way(&nodes[1], "lviv")];
    let mut edge = Ingress::new("edge-kyiv", ways(), 2, PATIENCE);
    has_streams(&mut edge, 2).await;
    let mut desktop = Desktop::new("anna", ways(), PATIENCE);
    assert_eq!(desktop_news(&mut desktop, opened).await, 0);
    nodes[0].be_cut_off(true);
    let (asked, ready) = (edge.ask(enqueue("a")), desktop.ask(Request::Ready(Ready {})));
    let (came, went) = tokio::join!(
        ingress_news(&mut edge, answered),
        desktop_news(&mut desktop, |news| match news {
            DesktopNews::Answered { tag, result, .. } => Some((tag, result.is_ok())),
            _ => None,
        }),
    );
    assert_eq!((Some(came.0), Some(went.0), came.1, went.1), (asked, ready, true, true));
    assert_eq!(desktop.way(), Some(1));
}
