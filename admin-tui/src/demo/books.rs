//! What all who take part write down together.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::failover::Failovers;
use super::ledger::Ledger;

/// Lines of the chronicle that are kept: more than a second makes.
const LINES_KEPT: usize = 64;

#[derive(Default)]
struct Chronicle {
    lines: VecDeque<(Instant, String)>,
    /// How many of them nobody has asked for.
    new: usize,
}

/// What all who take part write down together.
#[derive(Default)]
pub struct Books {
    /// Contacts, and who had them.
    pub ledger: Ledger,
    /// What was killed, and when contacts were routed again.
    pub failovers: Failovers,
    chronicle: Mutex<Chronicle>,
    present: AtomicUsize,
    terms: AtomicU64,
    last_term: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Books {
    /// Notes that something happened that everybody should see.
    pub fn tell(&self, line: String) {
        let mut chronicle = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        if chronicle.lines.len() == LINES_KEPT {
            chronicle.lines.pop_front();
        }
        chronicle.lines.push_back((Instant::now(), line));
        chronicle.new = LINES_KEPT.min(chronicle.new + 1);
    }

    /// A front end or desktop is connected for the first time.
    pub fn is_present(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are.
    pub fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// A leader began its term with this log index. It may be told twice, by two nodes.
    pub fn term_began(&self, index: u64) {
        if self.last_term.fetch_max(index, Ordering::Relaxed) < index {
            self.terms.fetch_add(1, Ordering::Relaxed);
            self.failovers.term_began(index);
        }
    }

    /// How often that happened.
    pub fn terms(&self) -> u64 {
        self.terms.load(Ordering::Relaxed)
    }

    /// Something did not work; it is tried again.
    pub fn trouble(&self, what: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// What did not work last.
    pub fn last_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happened last, and when.
    pub fn last_lines(&self, lines_max: usize) -> Vec<(Instant, String)> {
        let chronicle = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        last(&chronicle.lines, lines_max)
    }

    /// What happened since this was asked last, and when.
    pub fn news(&self) -> Vec<(Instant, String)> {
        let mut chronicle = self.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        let new = mem::take(&mut chronicle.new);
        last(&chronicle.lines, new)
    }
}

fn last(lines: &VecDeque<(Instant, String)>, lines_max: usize) -> Vec<(Instant, String)> {
    lines.range(lines.len().saturating_sub(lines_max)..).cloned().collect()
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everybody connects.
    Opening,
    /// Customers come, agents answer.
    Open,
    /// Nobody comes any more; agents end what they do and log out.
    Closing,
    /// Everybody leaves.
    Over,
}

/// Waits until it is this far; also if nobody is left to say so.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: Vec<(Instant, String)>) -> Vec<String> {
        lines.into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn every_line_is_news_once() {
        let books = Books::default();
        assert!(books.news().is_empty());
        // As many as when a city is killed, and more.
        let told: Vec<_> = (0..20).map(|line| format!("line {line}")).collect();
        told.iter().for_each(|line| books.tell(line.clone()));
        assert_eq!(words(books.news()), told);
        assert!(books.news().is_empty());
        // Also if it reads the same.
        books.tell("line 19".to_owned());
        assert_eq!(words(books.news()), ["line 19"]);
        assert_eq!(words(books.last_lines(2)), ["line 19", "line 19"], "they are still there");
    }

    #[test]
    fn of_too_many_lines_the_last_are_kept() {
        let books = Books::default();
        (0..LINES_KEPT + 3).for_each(|line| books.tell(line.to_string()));
        let kept: Vec<_> = (3..LINES_KEPT + 3).map(|line| line.to_string()).collect();
        assert_eq!(words(books.last_lines(usize::MAX)), kept);
        assert_eq!(words(books.news()), kept);
    }
}
