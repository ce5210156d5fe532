//! Whole contacts, by three parties: a front end puts them in, a watch tells who they are offered
//! to, and a desktop server accepts and completes them. A unit is a contact.

use std::collections::HashMap;
use std::time::Instant;

use proto::api::v1::watch_request::Kind;
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::Command as Contact;
use proto::stored::v1::contact_event::Event as Happened;
use proto::stored::v1::submission::Command;
use proto::stored::v1::work_command::{Accept, Command as Work, Complete};
use tonic::transport::Channel;

use super::centre::{DESK, EDGE, Maker};
use super::drive::{Counts, Load};
use super::line::{Line, Outcome};
use super::words::{broken, unseen};
use crate::client::watch::{Happened as Entry, Watch};
use crate::failure::Failure;

/// The load.
pub(super) struct Routed {
    edge: Line,
    desk: Line,
    watch: Watch,
    maker: Maker,
    /// Contacts that are not over: when they should have begun.
    contacts: HashMap<String, Instant>,
    /// Commands under way, by tag.
    under_way: HashMap<u64, UnderWay>,
    tags: u64,
    counts: Counts,
}

struct UnderWay {
    since: Instant,
    contact: String,
    token: u64,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Enqueue,
    Accept,
    Complete,
}

enum Heard {
    Answers(Vec<Outcome>),
    Entry(Entry),
}

impl Routed {
    /// By these lines; the watch is at a node that `channel` leads to.
    pub(super) async fn new(
        edge: Line,
        desk: Line,
        channel: Channel,
        maker: Maker,
    ) -> Result<Self, Failure> {
        let watch = Watch::open(channel, None, &[Kind::Contact]).await;
        let mut watch = watch.map_err(|error| broken(&error))?;
        watch.started().await.map_err(|error| unseen(&error))?;
        Ok(Self {
            edge,
            desk,
            watch,
            maker,
            contacts: HashMap::new(),
            under_way: HashMap::new(),
            tags: 0,
            counts: Counts::new(),
        })
    }

    fn work(&mut self, contact: String, token: u64, step: Step) {
        self.tags += 1;
        let command = match step {
            Step::Accept => Work::Accept(Accept { contact: contact.clone(), token }),
            _ => {
                let contact = contact.clone();
                Work::Complete(Complete { contact, token, ..Default::default() })
            }
        };
        let command = Command::Work(stored::WorkCommand { command: Some(command) });
        self.desk.put(self.tags, DESK, command);
        let under_way = UnderWay { since: Instant::now(), contact, token, step };
        self.under_way.insert(self.tags, under_way);
    }

    fn happened(&mut self, entry: Entry) {
        for event in entry.events {
            if let Some(stored::event::Event::Contact(event)) = event.event
                && let Some(Happened::Offered(offered)) = event.event
                && self.contacts.contains_key(&event.contact)
            {
                self.work(event.contact, offered.token, Step::Accept);
            }
        }
    }

    /// How many contacts are over by these answers.
    fn answered(&mut self, outcomes: Vec<Outcome>) -> u64 {
        let now = Instant::now();
        let mut over = 0;
        for (tag, answer) in outcomes {
            let Some(UnderWay { since, contact, token, step }) = self.under_way.remove(&tag) else {
                continue;
            };
            let latency = now.saturating_duration_since(since);
            let committed = self.counts.outcome(answer.answer, latency);
            match (step, committed) {
                (Step::Enqueue, true) => {}
                (Step::Accept, true) => self.work(contact, token, Step::Complete),
                // Refused: it is offered anew, or gone, for instance to a repeat.
                (Step::Accept, false) => {}
                (Step::Enqueue, false) | (Step::Complete, _) => {
                    if let Some(due) = self.contacts.remove(&contact) {
                        over += 1;
                        if committed {
                            self.counts.routed.add(now.saturating_duration_since(due));
                        }
                    }
                }
            }
        }
        over
    }
}

impl Load for Routed {
    fn begin(&mut self, due: Instant) {
        let enqueue = self.maker.contact();
        let contact = enqueue.contact.clone();
        self.counts.contacts += 1;
        self.tags += 1;
        let command = stored::ContactCommand { command: Some(Contact::Enqueue(enqueue)) };
        self.edge.put(self.tags, EDGE, Command::Contact(command));
        self.contacts.insert(contact.clone(), due);
        let under_way = UnderWay { since: due, contact, token: 0, step: Step::Enqueue };
        self.under_way.insert(self.tags, under_way);
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.edge.flush().await?;
        self.desk.flush().await
    }

    async fn next(&mut self) -> Result<u64, Failure> {
        let heard = tokio::select! {
            answers = self.edge.next() => Heard::Answers(answers?),
            answers = self.desk.next() => Heard::Answers(answers?),
            entry = self.watch.next() => Heard::Entry(entry.map_err(|error| unseen(&error))?),
        };
        match heard {
            Heard::Answers(answers) => Ok(self.answered(answers)),
            Heard::Entry(entry) => {
                self.happened(entry);
                Ok(0)
            }
        }
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }
}
