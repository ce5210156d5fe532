//! The account of those outside: which contacts the cluster acknowledged, which it closed, and what
//! sessions had before them. It knows nothing but what was said to a front end or a desktop, so it
//! can tell whether the cluster lost a contact, or gave one to two agents.
//!
//! **Twice**: an agent has an offer, or what came of it, from the first to the last log index at which
//! anybody was told so: the desktop in what it was shown or in the answer to what it asked, the front
//! end in what happened. Two offers of one contact, by their tokens, that were had at one index are
//! one too many. A session that takes over another one's offer has the same token: that is one offer.
//! What a desktop still shows because nobody could tell it otherwise is not counted: by its token
//! everything it asks is refused.
//!
//! **Lost**: what was acknowledged and not closed, and of which the cluster knows nothing at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::stored::v1::Outcome;
use tokio::time::Instant;

/// How long a contact that is closed is kept: longer than anything about it may be on its way. At
/// 10 contacts a second that are 1,200 contacts of some 300 bytes.
const KEPT_FOR: Duration = Duration::from_secs(120);
/// How often those are looked for that are kept no longer.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// Offers that are kept of one contact; of more the first are forgotten.
const OFFERS_KEPT: usize = 32;

/// An offer that somebody has, from one log index to another, both included.
#[derive(Clone, Copy, Debug)]
struct Had {
    token: u64,
    first: u64,
    last: u64,
}

impl Had {
    /// Whether there was a moment at which both were had. At the first and the last index it was had
    /// for a part of what happened there only: one may have ended there and the other begun.
    fn overlaps(&self, other: &Self) -> bool {
        let (from, to) = (self.first.max(other.first), self.last.min(other.last));
        let is_within = |had: &Self| had.first < from && from < had.last;
        from < to || (from == to && (is_within(self) || is_within(other)))
    }
}

/// A contact that is closed.
#[derive(Clone, Copy, Debug)]
struct Closed {
    at: Instant,
    /// How. None: that was missed.
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// Where its media is.
    site: String,
    acknowledged: bool,
    answered: bool,
    closed: Option<Closed>,
    had: Vec<Had>,
    twice: bool,
}

#[derive(Debug)]
struct Book {
    contacts: BTreeMap<String, Entry>,
    tidied: Instant,
    /// Of those that are kept no longer.
    past: Counts,
    twice: BTreeSet<String>,
}

/// How many contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acknowledged: they are in, or were turned away.
    pub offered: u64,
    /// Of them answered.
    pub answered: u64,
    /// Of them left before they were answered.
    pub abandoned: u64,
    /// Of them not answered and not closed.
    pub waiting: u64,
    /// Of them in conversation.
    pub talking: u64,
    /// Of them closed in another way without having been answered: turned away, waited too long.
    pub ended_otherwise: u64,
    /// Before two agents at a time.
    pub double_offered: u64,
}

/// The account.
#[derive(Debug)]
pub struct Ledger {
    book: Mutex<Book>,
}

impl Default for Ledger {
    fn default() -> Self {
        let (contacts, past) = (BTreeMap::new(), Counts::default());
        let tidied = Instant::now();
        Self { book: Mutex::new(Book { contacts, tidied, past, twice: BTreeSet::new() }) }
    }
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        // What is in it is true after every statement.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A customer comes: the contact will be put in, with its media at this site.
    pub fn comes(&self, contact: &str, site: &str) {
        let mut book = self.book();
        book.tidy();
        book.contacts.entry(contact.to_owned()).or_default().site = site.to_owned();
    }

    /// The cluster said that it is in.
    pub fn acknowledged(&self, contact: &str) {
        self.book().change(contact, |entry| entry.acknowledged = true);
    }

    /// The cluster refused it, or nobody knows whether it took it: nothing was promised.
    pub fn not_acknowledged(&self, contact: &str) {
        let mut book = self.book();
        if book.contacts.get(contact).is_some_and(|entry| !entry.acknowledged) {
            book.contacts.remove(contact);
        }
    }

    /// The front end was told that it is answered.
    pub fn answered(&self, contact: &str) {
        self.book().change(contact, |entry| entry.answered = true);
    }

    /// The front end was told that it is closed; how, unless that was missed.
    pub fn closed(&self, contact: &str, outcome: Option<Outcome>) {
        self.book().change(contact, |entry| {
            // What is closed was in, also if the word of that came later or not at all.
            entry.acknowledged = true;
            let closed = entry.closed.get_or_insert(Closed { at: Instant::now(), outcome });
            closed.outcome = closed.outcome.or(outcome);
        });
    }

    /// Somebody has it by this offer at this log index.
    pub fn had(&self, contact: &str, token: u64, index: u64) {
        let mut book = self.book();
        let Some(entry) = book.contacts.get_mut(contact) else { return };
        if entry.have(token, index) {
            entry.twice = true;
            book.twice.insert(contact.to_owned());
        }
    }

    /// Where the media of a contact is.
    pub fn site(&self, contact: &str) -> Option<String> {
        self.book().contacts.get(contact).map(|entry| entry.site.clone())
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        let book = self.book();
        let mut counts = Counts { double_offered: book.twice.len() as u64, ..book.past };
        book.contacts.values().for_each(|entry| counts.add(entry));
        counts
    }

    /// Those that were before two agents at a time.
    pub fn twice(&self) -> Vec<String> {
        self.book().twice.iter().cloned().collect()
    }

    /// Those that were acknowledged and not closed: the cluster must know them.
    pub fn open(&self) -> Vec<String> {
        let book = self.book();
        let open = book.contacts.iter().filter(|(_, e)| e.acknowledged && e.closed.is_none());
        open.map(|(contact, _)| contact.clone()).collect()
    }
}

impl Book {
    fn change(&mut self, contact: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.contacts.get_mut(contact) {
            change(entry);
        }
    }

    fn tidy(&mut self) {
        if self.tidied.elapsed() < TIDY_EVERY {
            return;
        }
        self.tidied = Instant::now();
        let past = &mut self.past;
        self.contacts.retain(|_, entry| {
            let stays = entry.closed.is_none_or(|closed| closed.at.elapsed() < KEPT_FOR);
            if !stays {
                past.add(entry);
            }
            stays
        });
    }
}

impl Entry {
    /// Whether it is had twice, and was not before.
    fn have(&mut self, token: u64, index: u64) -> bool {
        let at = self.had.iter().position(|had| had.token == token).unwrap_or_else(|| {
            if self.had.len() == OFFERS_KEPT {
                self.had.remove(0);
            }
            self.had.push(Had { token, first: index, last: index });
            self.had.len() - 1
        });
        let had = &mut self.had[at];
        (had.first, had.last) = (had.first.min(index), had.last.max(index));
        let had = *had;
        let mut others = self.had.iter().filter(|other| other.token != token);
        !self.twice && others.any(|other| other.overlaps(&had))
    }
}

impl Counts {
    fn add(&mut self, entry: &Entry) {
        let Entry { acknowledged: true, answered, closed, .. } = entry else { return };
        self.offered += 1;
        let count = match (answered, closed) {
            (true, Some(_)) => &mut self.answered,
            (true, None) => {
                self.talking += 1;
                &mut self.answered
            }
            (false, None) => &mut self.waiting,
            (false, Some(Closed { outcome: Some(Outcome::Abandoned), .. })) => &mut self.abandoned,
            (false, Some(_)) => &mut self.ended_otherwise,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(contacts: &[&str]) -> Ledger {
        let ledger = Ledger::default();
        for contact in contacts {
            ledger.comes(contact, "kyiv");
            ledger.acknowledged(contact);
        }
        ledger
    }

    #[tokio::test]
    async fn one_offer_after_the_other_is_no_double() {
        let ledger = with(&["a"]);
        ledger.had("a", 1, 10);
        ledger.had("a", 1, 11);
        ledger.had("a", 2, 12);
        ledger.had("a", 2, 15);
        // Of the first one is told late.
        ledger.had("a", 1, 11);
        // One that is withdrawn in the very entry that made it, and made the next one.
        ledger.had("a", 3, 16);
        ledger.had("a", 4, 16);
        ledger.had("a", 4, 17);
        ledger.had("a", 5, 17);
        assert_eq!(ledger.counts().double_offered, 0);
    }

    #[tokio::test]
    async fn two_offers_of_a_contact_at_one_index_are_one_too_many() {
        let ledger = with(&["a", "b"]);
        ledger.had("a", 1, 10);
        ledger.had("a", 2, 12);
        assert_eq!(ledger.counts().double_offered, 0, "nobody said that the first is still had");
        ledger.had("a", 1, 13);
        assert_eq!(ledger.counts().double_offered, 1);
        ledger.had("b", 3, 20);
        ledger.had("b", 3, 25);
        ledger.had("b", 4, 22);
        assert_eq!(ledger.twice(), ["a", "b"]);
        ledger.had("a", 1, 14);
        assert_eq!(ledger.counts().double_offered, 2, "each counts once");
    }

    #[tokio::test]
    async fn a_session_that_takes_over_has_the_same_offer() {
        let ledger = with(&["a"]);
        ledger.had("a", 1, 10); // On one node …
        ledger.had("a", 1, 30); // … and, after a new log-in, on another.
        ledger.had("a", 1, 20); // What the first one was told arrives late.
        assert_eq!(ledger.counts().double_offered, 0);
    }

    #[tokio::test]
    async fn an_agent_who_vanished_does_not_have_it_any_longer() {
        let ledger = with(&["a"]);
        ledger.had("a", 1, 10); // Then the city was gone, and nobody could say so.
        ledger.had("a", 2, 90);
        ledger.had("a", 2, 95);
        assert_eq!(ledger.counts().double_offered, 0);
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_open_until_it_is_closed() {
        let ledger = with(&["waits", "talks", "served", "left", "turned-away", "left-too"]);
        // That it is closed is known before it is known how.
        ledger.closed("left-too", None);
        ledger.closed("left-too", Some(Outcome::Abandoned));
        ledger.comes("on-its-way", "kyiv");
        ledger.comes("refused", "kyiv");
        ledger.not_acknowledged("refused");
        for contact in ["talks", "served"] {
            ledger.answered(contact);
        }
        ledger.closed("served", Some(Outcome::Handled));
        ledger.closed("served", Some(Outcome::Handled));
        ledger.closed("left", Some(Outcome::Abandoned));
        ledger.closed("turned-away", None);
        assert_eq!(ledger.open(), ["talks", "waits"]);
        let expected = Counts {
            offered: 6,
            answered: 2,
            abandoned: 2,
            waiting: 1,
            talking: 1,
            ended_otherwise: 1,
            double_offered: 0,
        };
        assert_eq!(ledger.counts(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_closed_is_counted_and_forgotten_after_a_while() {
        let ledger = with(&["a"]);
        ledger.closed("a", Some(Outcome::Abandoned));
        tokio::time::advance(KEPT_FOR + TIDY_EVERY).await;
        ledger.comes("b", "kyiv");
        assert_eq!(ledger.site("a"), None);
        assert_eq!(ledger.counts().abandoned, 1);
    }
}
