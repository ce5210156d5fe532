//! A client with a certificate of its own, on one stream of commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acd::codec::encode_submission;
use acd::command::Submission;
use acd::ids::{ContactId, NodeId};
use futures::stream;
use node::identity::{client_config, node_name};
use node::rpc::{Channel, Dial, Timer};
use node::seams::{SystemClock, TcpConnector};
use node::submit::{Answer, outcome_from_wire};
use proto::api::v1::commands_client::CommandsClient;
use proto::api::v1::submit_request::Command;
use proto::api::v1::{SubmitRequest, SubmitResponse};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::load::{CLIENT, Half, Maker};
use super::{Bed, Tokio};

/// A stream to a node.
pub struct Client {
    requests: mpsc::Sender<SubmitRequest>,
    responses: Streaming<SubmitResponse>,
}

/// What a run of commands took.
pub struct Outcome {
    pub elapsed: Duration,
    /// From handing a command over to having its answer; sorted.
    pub latencies: Vec<Duration>,
}

/// A place for one command in flight: contacts come and hang up in turn.
struct Slot {
    present: Option<ContactId>,
    since: Instant,
}

impl Client {
    /// Opens a stream to a node.
    pub async fn connect(bed: &Bed, node: u64) -> Self {
        let member = bed.founded.founding.member(NodeId(node)).expect("a founder");
        let tls = client_config(&bed.identity(CLIENT), Arc::new(SystemClock));
        let dial = Dial {
            connector: Arc::new(TcpConnector),
            address: member.address.clone(),
            server_name: node_name(bed.founded.founding.cluster, NodeId(node)),
            tls: tls.expect("a good identity").into(),
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
        };
        let channel = Channel::<Tokio>::new(dial, Timer::start());
        let origin = hyper::Uri::from_static("https://quorumcall");
        let mut client = CommandsClient::with_origin(channel, origin);
        let (requests, queue) = mpsc::channel(64);
        let queue = stream::unfold(queue, |mut queue: mpsc::Receiver<_>| async move {
            Some((queue.recv().await?, queue))
        });
        let responses = client.submit(queue).await.expect("the node takes commands");
        Self { requests, responses: responses.into_inner() }
    }

    /// Keeps so many commands in flight for a time: contacts that are offered to an agent at once,
    /// and then hang up. What is answered together is followed by as many in one message.
    pub async fn run(&mut self, maker: &mut Maker, in_flight: usize, time: Duration) -> Outcome {
        let mut latencies = Vec::new();
        let mut slots: Vec<Slot> = Vec::new();
        slots.resize_with(in_flight, || Slot { present: None, since: Instant::now() });
        let begin = Instant::now();
        let mut next: Vec<u64> = (0..in_flight as u64).collect();
        let mut waiting = 0;
        // Contacts that were put in are taken out again, so that runs do not differ.
        loop {
            let over = begin.elapsed() >= time;
            next.retain(|tag| !over || slots[*tag as usize].present.is_some());
            if next.is_empty() && waiting == 0 {
                break;
            }
            waiting += next.len();
            if !next.is_empty() {
                let commands = next.drain(..).map(|tag| slots[tag as usize].next(tag, maker));
                let request = SubmitRequest { commands: commands.collect() };
                self.requests.send(request).await.expect("the stream is open");
            }
            let response = self.responses.message().await.expect("the stream is open");
            let response = response.expect("the stream is open");
            let now = Instant::now();
            for outcome in response.outcomes {
                let (tag, answer) = outcome_from_wire(outcome);
                if !matches!(answer, Answer::Committed { .. }) {
                    panic!("a command was not carried out: {answer:?}");
                }
                latencies.push(now - slots[tag as usize].since);
                next.push(tag);
                waiting -= 1;
            }
        }
        let elapsed = begin.elapsed();
        latencies.sort();
        Outcome { elapsed, latencies }
    }
}

impl Slot {
    fn next(&mut self, tag: u64, maker: &mut Maker) -> Command {
        let submission = match self.present.take() {
            Some(contact) => maker.hang_up(contact),
            None => {
                let (contact, enqueue) = maker.enqueue(Half::Free);
                self.present = Some(contact);
                enqueue
            }
        };
        self.since = Instant::now();
        wire(tag, &submission)
    }
}

/// What a client sends. What class a command is of and whether it leads, the node sees itself.
fn wire(tag: u64, submission: &Submission) -> Command {
    let submission = encode_submission(submission).into();
    Command { tag, submission, arrival: false, leads: false }
}
