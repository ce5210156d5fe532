//! Single commands of a front end: contacts are put in, are offered to a free agent at once, and
//! hang up; half of each. A unit is a command.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use proto::api::v1::answer::Answer;
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::{Command as Contact, HangUp};
use proto::stored::v1::submission::Command;

use super::centre::{EDGE, Maker};
use super::drive::{Counts, Load};
use super::line::Line;
use crate::failure::Failure;

/// The load.
pub(super) struct Commands {
    line: Line,
    maker: Maker,
    /// What is under way, by tag.
    under_way: HashMap<u64, UnderWay>,
    tags: u64,
    /// Contacts that are in and have not hung up, oldest first.
    present: VecDeque<String>,
    /// Contacts come to stay, in queues that nobody serves.
    stays: bool,
    counts: Counts,
}

struct UnderWay {
    due: Instant,
    contact: String,
    arrives: bool,
}

impl Commands {
    pub(super) fn new(line: Line, maker: Maker) -> Self {
        Self {
            line,
            maker,
            under_way: HashMap::new(),
            tags: 0,
            present: VecDeque::new(),
            stays: false,
            counts: Counts::new(),
        }
    }

    /// Only puts contacts in, into queues that nobody serves.
    pub(super) fn backlog(line: Line, maker: Maker) -> Self {
        Self { stays: true, ..Self::new(line, maker) }
    }

    fn send(&mut self, due: Instant, contact: String, command: Contact) {
        let arrives = matches!(command, Contact::Enqueue(_));
        self.tags += 1;
        let command = stored::ContactCommand { command: Some(command) };
        self.line.put(self.tags, EDGE, Command::Contact(command));
        self.under_way.insert(self.tags, UnderWay { due, contact, arrives });
    }

    fn hang_up(&mut self, due: Instant, contact: String) {
        let command = Contact::HangUp(HangUp { contact: contact.clone() });
        self.send(due, contact, command);
    }

    /// Takes out what is still in, so that the next run finds what this one found.
    pub(super) async fn empty(&mut self) -> Result<(), Failure> {
        loop {
            while self.under_way.len() < 1_024
                && let Some(contact) = self.present.pop_front()
            {
                self.hang_up(Instant::now(), contact);
            }
            if self.under_way.is_empty() {
                return Ok(());
            }
            self.flush().await?;
            self.next().await?;
        }
    }
}

impl Load for Commands {
    fn begin(&mut self, due: Instant) {
        match self.present.pop_front() {
            Some(contact) => self.hang_up(due, contact),
            None => {
                let enqueue = if self.stays { self.maker.waiting() } else { self.maker.contact() };
                self.counts.contacts += 1;
                self.send(due, enqueue.contact.clone(), Contact::Enqueue(enqueue));
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.line.flush().await
    }

    async fn next(&mut self) -> Result<u64, Failure> {
        let outcomes = self.line.next().await?;
        let now = Instant::now();
        let mut done = 0;
        for (tag, answer) in outcomes {
            let Some(UnderWay { due, contact, arrives }) = self.under_way.remove(&tag) else {
                continue;
            };
            done += 1;
            let committed = self.counts.outcome(answer.answer, now.saturating_duration_since(due));
            if arrives && committed && !self.stays {
                self.present.push_back(contact);
            }
        }
        Ok(done)
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }
}

impl Counts {
    /// Counts what became of a command; whether it was carried out.
    pub(super) fn outcome(&mut self, answer: Option<Answer>, latency: std::time::Duration) -> bool {
        match answer {
            Some(Answer::Committed(_)) => {
                self.committed += 1;
                self.commands.add(latency);
                return true;
            }
            Some(Answer::Refused(refused)) => *self.refused.entry(refused.code).or_default() += 1,
            Some(Answer::Unavailable(_)) => self.unavailable += 1,
            Some(Answer::Unknown(_)) | None => self.unknown += 1,
        }
        false
    }
}
