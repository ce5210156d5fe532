//! Feeds the same entries to a centre, to a second one and to the model, and compares all they
//! say and are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use acd::Centre;
use acd::command::Submission;
use acd::event::Event;
use acd::ids::{ContactId, OfferToken};
use acd::reply::Reply;
use acd::time::LogTime;

use super::compare;
use super::coverage::Coverage;
use crate::model::{Model, Outcome};

/// Entries between two restores.
const RESTORE_EVERY: u64 = 7;

/// Entries shown of a sequence that failed.
const SHOWN: usize = 40;

pub struct Driver {
    pub centre: Centre,
    /// Fed the same entries: what it is must not depend on when or where it runs.
    twin: Centre,
    pub model: Model,
    pub index: u64,
    /// The stamp of the next entry.
    pub stamp: LogTime,
    /// How much time passes between entries, about, in ms.
    pub pace: u64,
    /// Everything that was ever submitted, for repeats.
    pub past: Vec<Submission>,
    /// Tokens of all offers there ever were.
    pub tokens: Vec<(ContactId, OfferToken)>,
    /// Contact ids given out.
    pub given: u64,
    pub coverage: Coverage,
    /// The entries so far.
    trace: Vec<(LogTime, Vec<Submission>)>,
}

impl Driver {
    pub fn new(stamp: LogTime) -> Self {
        Self {
            centre: Centre::new(),
            twin: Centre::new(),
            model: Model::default(),
            index: 0,
            stamp,
            pace: 1_000,
            past: Vec::new(),
            tokens: Vec::new(),
            given: 0,
            coverage: Coverage::default(),
            trace: Vec::new(),
        }
    }

    /// Applies one entry everywhere. An error says what differs, and what led there.
    pub fn entry(&mut self, submissions: Vec<Submission>) -> Result<Vec<Outcome>, String> {
        self.trace.push((self.stamp, submissions.clone()));
        let result = catch_unwind(AssertUnwindSafe(|| self.apply(&submissions)));
        let result = result.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        });
        self.past.extend(submissions);
        result.map_err(|what| format!("{what}\nafter:\n{}", self.story()))
    }

    /// What led here: the last entries.
    fn story(&self) -> String {
        let mut story = String::new();
        let from = self.trace.len().saturating_sub(SHOWN);
        for (index, (stamp, submissions)) in self.trace.iter().enumerate().skip(from) {
            story += &format!("{} at {}:\n", index + 1, stamp.0);
            for Submission { principal, request, command, .. } in submissions {
                story += &format!("    {principal}: {command:?} {request:?}\n");
            }
        }
        story
    }

    fn apply(&mut self, submissions: &[Submission]) -> Result<Vec<Outcome>, String> {
        self.index += 1;
        let mut events = Vec::new();
        let outcomes = feed(&mut self.centre, self.index, self.stamp, submissions, &mut events);
        let again = &mut Vec::new();
        feed(&mut self.twin, self.index, self.stamp, submissions, again);

        self.model.begin(self.index, self.stamp);
        let expected: Vec<Outcome> =
            submissions.iter().map(|s| self.model.execute(s.clone())).collect();
        self.model.end();
        let expected_events = std::mem::take(&mut self.model.events);

        for (number, (is, should)) in outcomes.iter().zip(&expected).enumerate() {
            compare::outcomes(is, should).map_err(|e| format!("command {number}: {e}"))?;
            if let Ok(Reply::Checkpoint { hash }) = is {
                self.model.checkpoint = Some((self.index, *hash));
            }
        }
        compare::events(&events, &expected_events)?;
        self.centre.check_invariants()?;
        compare::states(&self.centre, &self.model)?;
        if self.twin.state_hash() != self.centre.state_hash() || *again != events {
            return Err("a second centre came to another state".into());
        }
        self.coverage.note(submissions, &outcomes, &events);
        self.tokens.extend(offers(&events));
        self.restore()?;
        Ok(outcomes)
    }

    /// Now and then the centre is replaced by its restored copy: everything after that must go on
    /// as if nothing had happened. The twin never is.
    fn restore(&mut self) -> Result<(), String> {
        if !self.index.is_multiple_of(RESTORE_EVERY) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.centre.snapshot().write(&mut |chunk| bytes.extend_from_slice(chunk));
        let restored = Centre::restore(&bytes).map_err(|r| format!("not restored: {r}"))?;
        restored.check_invariants()?;
        if restored.next_deadline() != self.centre.next_deadline() {
            return Err("the restored centre has another next deadline".into());
        }
        self.centre = restored;
        Ok(())
    }
}

fn feed(
    centre: &mut Centre,
    index: u64,
    stamp: LogTime,
    submissions: &[Submission],
    events: &mut Vec<Event>,
) -> Vec<Outcome> {
    centre.begin(index, stamp);
    let outcomes = submissions.iter().map(|s| centre.execute(s.clone(), events)).collect();
    centre.end(events);
    outcomes
}

fn offers(events: &[Event]) -> impl Iterator<Item = (ContactId, OfferToken)> {
    events.iter().filter_map(|event| match event {
        Event::Contact { contact, what: acd::event::ContactEvent::Offered { token, .. } } => {
            Some((contact.clone(), *token))
        }
        _ => None,
    })
}
