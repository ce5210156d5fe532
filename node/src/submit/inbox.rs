//! Commands that wait for the batcher.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::command::{ClusterCommand, Command, ContactCommand};
use bytes::Bytes;
use openraft_rt::{AsyncRuntime, Instant as _};
use tokio::sync::Notify;

use super::answer::{Answer, ReplyTo};
use super::door::COMMAND_DEADLINE;

/// Who is let in when the node is pressed. Those who are in keep their order: a front end that sends
/// an arrival and then its hang-up must not see the second overtake the first.
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

#[derive(Default)]
struct Queue {
    /// Commands, with when they came.
    waiting: VecDeque<(Submitted, Duration)>,
    bytes: usize,
    /// Set once the node ends: nobody would take what comes.
    closed: bool,
}

/// Tells time since some moment.
pub type Stopwatch = Box<dyn Fn() -> Duration + Send + Sync>;

/// Tells time since now.
pub fn stopwatch<RT: AsyncRuntime>() -> Stopwatch {
    let started = RT::Instant::now();
    Box::new(move || RT::Instant::now().saturating_duration_since(started))
}

/// Commands on their way to the log.
pub struct Inbox {
    limits: InboxLimits,
    now: Stopwatch,
    queue: Mutex<Queue>,
    filled: Notify,
}

/// Why a command was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// There is no room for one of its class.
    Pressed,
    /// The node is ending.
    Closed,
}

impl Inbox {
    /// Empty.
    pub fn new(limits: InboxLimits, now: Stopwatch) -> Self {
        Self { limits, now, queue: Mutex::default(), filled: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command in.
    ///
    /// # Errors
    ///
    /// Gives it back with why.
    pub fn put(&self, submitted: Submitted) -> Result<(), (Submitted, Full)> {
        let InboxLimits { commands_max, bytes_max } = self.limits;
        let (commands_max, bytes_max) = match submitted.class {
            Class::Work => (commands_max, bytes_max),
            Class::Arrival => (commands_max / 2, bytes_max / 2),
        };
        let bytes = submitted.submission.len();
        let now = (self.now)();
        let mut queue = self.queue();
        if queue.closed {
            return Err((submitted, Full::Closed));
        }
        if queue.waiting.len() >= commands_max || queue.bytes + bytes > bytes_max {
            return Err((submitted, Full::Pressed));
        }
        queue.bytes += bytes;
        queue.waiting.push_back((submitted, now));
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what waits and may be in one entry, up to so many commands and bytes (but at least
    /// one). What waited for longer than [`COMMAND_DEADLINE`] is told so instead: its sender was told
    /// that the outcome is unknown, and does not expect it any more.
    pub(super) fn take(&self, commands_max: usize, bytes_max: usize) -> Vec<Submitted> {
        let now = (self.now)();
        let mut taken = Vec::new();
        let mut late = Vec::new();
        let mut bytes = 0;
        let mut queue = self.queue();
        while taken.len() < commands_max
            && let Some((first, came)) = queue.waiting.front()
        {
            let is_late = now.saturating_sub(*came) > COMMAND_DEADLINE;
            let size = first.submission.len();
            let full = first.leads || bytes + size > bytes_max;
            if full && !is_late && !taken.is_empty() {
                break;
            }
            let Some((first, _)) = queue.waiting.pop_front() else { break };
            queue.bytes -= size;
            if is_late {
                late.push(first);
            } else {
                bytes += size;
                taken.push(first);
            }
        }
        drop(queue);
        for submitted in late {
            submitted.reply_to.answer(Answer::unavailable("it waited too long", None));
        }
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

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue().waiting.is_empty()
    }

    /// How many commands wait, and their bytes.
    pub fn load(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.waiting.len(), queue.bytes)
    }

    /// Takes nothing in any more.
    pub fn close(&self) {
        self.queue().closed = true;
    }

    /// Takes everything out.
    pub(super) fn drain(&self) -> Vec<Submitted> {
        let mut queue = self.queue();
        queue.bytes = 0;
        queue.waiting.drain(..).map(|(submitted, _)| submitted).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

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

    fn inbox(commands_max: usize) -> Inbox {
        let limits = InboxLimits { commands_max, bytes_max: 100 };
        Inbox::new(limits, Box::new(|| Duration::ZERO))
    }

    #[test]
    fn commands_keep_their_order() {
        let inbox = inbox(10);
        assert!(put(&inbox, Class::Arrival, "enqueue"));
        assert!(put(&inbox, Class::Work, "hang up"));
        assert_eq!(taken(&inbox, 10, 100), ["enqueue", "hang up"]);
    }

    #[test]
    fn what_waited_too_long_is_not_written_any_more() {
        let now = Arc::new(AtomicU64::new(0));
        let clock = now.clone();
        let limits = InboxLimits { commands_max: 10, bytes_max: 100 };
        let now_s = move || Duration::from_secs(clock.load(Ordering::Relaxed));
        let inbox = Inbox::new(limits, Box::new(now_s));
        assert!(put(&inbox, Class::Work, "old"));
        now.store(COMMAND_DEADLINE.as_secs(), Ordering::Relaxed);
        assert!(put(&inbox, Class::Work, "young"));
        now.store(COMMAND_DEADLINE.as_secs() + 1, Ordering::Relaxed);
        assert_eq!(taken(&inbox, 10, 100), ["young"]);
    }

    #[test]
    fn an_inbox_that_is_closed_takes_nothing() {
        let inbox = inbox(10);
        inbox.close();
        let refused = inbox.put(submitted(Class::Work, "late")).unwrap_err();
        assert_eq!(refused.1, Full::Closed);
    }

    #[test]
    fn arrivals_are_refused_before_work_is() {
        let inbox = inbox(4);
        assert!(put(&inbox, Class::Arrival, "1") && put(&inbox, Class::Arrival, "2"));
        assert!(!put(&inbox, Class::Arrival, "3"));
        assert!(put(&inbox, Class::Work, "4") && put(&inbox, Class::Work, "5"));
        assert!(!put(&inbox, Class::Work, "6"));
        assert_eq!(inbox.load(), (4, 4));
        assert_eq!(taken(&inbox, 1, 100), ["1"]);
        assert_eq!(inbox.load(), (3, 3));
        assert!(put(&inbox, Class::Work, "6"));
    }

    #[test]
    fn batches_are_bounded_by_bytes_but_never_empty() {
        let inbox = inbox(10);
        for text in ["a long one", "short", "short"] {
            assert!(put(&inbox, Class::Work, text));
        }
        assert_eq!(taken(&inbox, 10, 3), ["a long one"]);
        assert_eq!(taken(&inbox, 10, 10), ["short", "short"]);
        assert!(taken(&inbox, 10, 10).is_empty());
    }

    #[test]
    fn what_moves_time_begins_an_entry() {
        let inbox = inbox(10);
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
