//! Commands that wait for the batcher.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use acd::command::{ClusterCommand, Command, ContactCommand};
use bytes::Bytes;
use tokio::sync::Notify;

use super::answer::ReplyTo;

/// Who goes first when the node is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Finishes or steers work: accept, complete, presence, administration, what the leader writes
    /// on its own account.
    Work,
    /// Brings new work: an enqueue.
    Arrival,
}

impl Class {
    /// The class of a command.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Contact(ContactCommand::Enqueue(_)) => Self::Arrival,
            _ => Self::Work,
        }
    }
}

/// Whether a command moves time. It must be the first of its entry.
pub fn leads_its_entry(command: &Command) -> bool {
    use ClusterCommand::{AdvanceTo, SetTime, TermStarted};
    matches!(command, Command::Cluster(AdvanceTo { .. } | SetTime { .. } | TermStarted { .. }))
}

/// A command on its way to the log.
#[derive(Debug)]
pub struct Submitted {
    /// The encoded submission.
    pub submission: Bytes,
    /// When it goes.
    pub class: Class,
    /// Whether it must be the first of its entry.
    pub leads: bool,
    /// Where the answer goes.
    pub reply_to: ReplyTo,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Commands. Arrivals are refused when half as many wait.
    pub commands_max: usize,
    /// Bytes of commands; likewise.
    pub bytes_max: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    work: VecDeque<Submitted>,
    arrivals: VecDeque<Submitted>,
    bytes: usize,
    /// Set once the batcher is gone: nobody would take what comes.
    closed: bool,
}

/// Commands on their way to the log.
#[derive(Debug)]
pub struct Inbox {
    limits: InboxLimits,
    lanes: Mutex<Lanes>,
    filled: Notify,
}

impl Inbox {
    /// Empty.
    pub fn new(limits: InboxLimits) -> Self {
        Self { limits, lanes: Mutex::default(), filled: Notify::new() }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Nothing in here panics half-way.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command in.
    ///
    /// # Errors
    ///
    /// Gives it back if there is no room for one of its class.
    pub fn put(&self, submitted: Submitted) -> Result<(), Submitted> {
        let InboxLimits { commands_max, bytes_max } = self.limits;
        let (commands_max, bytes_max) = match submitted.class {
            Class::Work => (commands_max, bytes_max),
            Class::Arrival => (commands_max / 2, bytes_max / 2),
        };
        let bytes = submitted.submission.len();
        let mut lanes = self.lanes();
        let commands = lanes.work.len() + lanes.arrivals.len();
        if lanes.closed || commands >= commands_max || lanes.bytes + bytes > bytes_max {
            return Err(submitted);
        }
        lanes.bytes += bytes;
        match submitted.class {
            Class::Work => lanes.work.push_back(submitted),
            Class::Arrival => lanes.arrivals.push_back(submitted),
        }
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what waits and may be in one entry, up to so many commands and bytes (but at least
    /// one), work first.
    pub(super) fn take(&self, commands_max: usize, bytes_max: usize) -> Vec<Submitted> {
        let mut lanes = self.lanes();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < commands_max {
            let next = if lanes.work.is_empty() { &mut lanes.arrivals } else { &mut lanes.work };
            let Some(first) = next.front() else { break };
            let full = first.leads || bytes + first.submission.len() > bytes_max;
            if full && !taken.is_empty() {
                break;
            }
            bytes += first.submission.len();
            taken.extend(next.pop_front());
        }
        lanes.bytes -= bytes;
        taken
    }

    /// Returns when something waits.
    pub(super) async fn filled(&self) {
        loop {
            let mut filled = pin!(self.filled.notified());
            filled.as_mut().enable();
            if !self.is_empty() {
                return;
            }
            filled.await;
        }
    }

    fn is_empty(&self) -> bool {
        let lanes = self.lanes();
        lanes.work.is_empty() && lanes.arrivals.is_empty()
    }

    /// Takes everything, and nothing any more.
    pub(super) fn close(&self) -> Vec<Submitted> {
        self.lanes().closed = true;
        self.drain()
    }

    /// Takes everything.
    pub(super) fn drain(&self) -> Vec<Submitted> {
        let mut lanes = self.lanes();
        lanes.bytes = 0;
        let mut all: Vec<_> = lanes.work.drain(..).collect();
        all.extend(lanes.arrivals.drain(..));
        all
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn submitted(class: Class, text: &'static str) -> Submitted {
        let (to, _) = mpsc::unbounded_channel();
        let submission = Bytes::from_static(text.as_bytes());
        Submitted { submission, class, leads: false, reply_to: ReplyTo::new(0, to) }
    }

    fn put(inbox: &Inbox, class: Class, text: &'static str) -> bool {
        inbox.put(submitted(class, text)).is_ok()
    }

    fn taken(inbox: &Inbox, commands: usize, bytes: usize) -> Vec<Bytes> {
        inbox.take(commands, bytes).into_iter().map(|w| w.submission).collect()
    }

    #[test]
    fn work_goes_before_arrivals() {
        let inbox = Inbox::new(InboxLimits { commands_max: 10, bytes_max: 100 });
        assert!(put(&inbox, Class::Arrival, "enqueue"));
        assert!(put(&inbox, Class::Work, "accept"));
        assert_eq!(taken(&inbox, 10, 100), ["accept", "enqueue"]);
    }

    #[test]
    fn arrivals_are_refused_before_work_is() {
        let inbox = Inbox::new(InboxLimits { commands_max: 4, bytes_max: 100 });
        assert!(put(&inbox, Class::Arrival, "1") && put(&inbox, Class::Arrival, "2"));
        assert!(!put(&inbox, Class::Arrival, "3"));
        assert!(put(&inbox, Class::Work, "4") && put(&inbox, Class::Work, "5"));
        assert!(!put(&inbox, Class::Work, "6"));
        assert_eq!(taken(&inbox, 1, 100), ["4"]);
        assert!(put(&inbox, Class::Work, "6"));
    }

    #[test]
    fn batches_are_bounded_by_bytes_but_never_empty() {
        let inbox = Inbox::new(InboxLimits { commands_max: 10, bytes_max: 100 });
        for text in ["a long one", "short", "short"] {
            assert!(put(&inbox, Class::Work, text));
        }
        assert_eq!(taken(&inbox, 10, 3), ["a long one"]);
        assert_eq!(taken(&inbox, 10, 10), ["short", "short"]);
        assert!(taken(&inbox, 10, 10).is_empty());
    }

    #[test]
    fn what_moves_time_begins_an_entry() {
        let inbox = Inbox::new(InboxLimits { commands_max: 10, bytes_max: 100 });
        assert!(put(&inbox, Class::Work, "before"));
        let leads = Submitted { leads: true, ..submitted(Class::Work, "time") };
        assert!(inbox.put(leads).is_ok());
        assert!(put(&inbox, Class::Work, "after"));
        assert_eq!(taken(&inbox, 10, 100), ["before"]);
        assert_eq!(taken(&inbox, 10, 100), ["time", "after"]);
    }

    #[test]
    fn a_reply_that_is_dropped_is_unknown() {
        let (to, mut answers) = mpsc::unbounded_channel();
        drop(ReplyTo::new(7, to));
        assert!(matches!(answers.try_recv(), Ok((7, crate::submit::Answer::Unknown { .. }))));
    }
}
