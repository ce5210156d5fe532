//! The people of a call log before a contact centre, turn by turn.
//!
//! ```text
//! until nobody does anything more:
//!   time moves to whatever comes first: what somebody does, or a deadline of the centre
//!   deadline:  it fires; people learn what happened
//!   otherwise: one does what is due → the centre answers → people learn what happened → …
//! ```
//!
//! One command at a time, and everybody learns of it before the next one: so what comes of a log
//! depends on nothing but the log, whether the centre is in this process or a cluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acd::command::{Command, ContactCommand, Submission};
use acd::event::Event;
use acd::ids::ContactId;
use acd::time::LogTime;

use super::ledger::Ledger;
use super::story::Story;
use super::world::World;
use crate::cli::Speed;

/// Refusals of people who come too late: the caller is gone, the offer is over. They are told, and
/// nothing has changed.
const TOO_LATE: [&str; 3] = ["stale-token", "wrong-state", "stale-session"];

/// What a centre made of a command.
pub(super) struct Turn {
    /// The code of its refusal; none: it was carried out.
    pub(super) refused: Option<String>,
    /// What happened, in order.
    pub(super) events: Vec<Event>,
}

/// A contact centre whose log time belongs to the people before it.
pub(super) trait Venue {
    /// Why it cannot go on.
    type Error;

    /// When something happens by itself, as of now.
    async fn next_deadline(&mut self) -> Result<Option<LogTime>, Self::Error>;

    /// Lets time come to `now`; what is due then happens.
    async fn let_pass(&mut self, now: LogTime) -> Result<Vec<Event>, Self::Error>;

    /// Lets time come to `now` and has a command carried out.
    async fn ask(&mut self, now: LogTime, submission: Submission) -> Result<Turn, Self::Error>;

    /// Why a contact waits: agents by the first rule that excludes them.
    async fn why_it_waits(
        &mut self,
        contact: &ContactId,
    ) -> Result<BTreeMap<String, u32>, Self::Error>;
}

/// What came of it.
pub(super) struct Played {
    /// What was counted from what was acknowledged and what happened.
    pub(super) ledger: Ledger,
    /// Commands that were refused although nobody was too late, by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// The contact that somebody asked about.
    pub(super) story: Option<Story>,
}

/// Log time against the wall clock.
pub(super) struct Pace {
    speed: Speed,
    from: LogTime,
    since: Instant,
}

impl Pace {
    /// Log time is `from`, now.
    pub(super) fn new(speed: Speed, from: LogTime) -> Self {
        Self { speed, from, since: Instant::now() }
    }

    /// Waits until log time `to` has come.
    async fn wait_for(&self, to: LogTime) {
        let Speed::Times(times) = self.speed else {
            return;
        };
        let due = Duration::from_millis(to.since(self.from).0) / times.get();
        tokio::time::sleep(due.saturating_sub(self.since.elapsed())).await;
    }
}

/// Lets people act and deadlines fire, in the order of time, until nobody does anything more.
/// `progress` is told the time and how many calls came in by then.
pub(super) async fn play<V: Venue>(
    venue: &mut V,
    world: &mut World<'_>,
    pace: Pace,
    explain: Option<&ContactId>,
    mut progress: impl FnMut(LogTime, u64),
) -> Result<Played, V::Error> {
    let mut now = pace.from;
    let mut calls = 0;
    let mut played = Played {
        ledger: Ledger::default(),
        refused: BTreeMap::new(),
        story: explain.cloned().map(Story::new),
    };
    while let Some(next) = world.next_time() {
        let due = venue.next_deadline().await?.filter(|due| *due < next);
        now = due.unwrap_or(next).max(now);
        pace.wait_for(now).await;
        progress(now, calls);
        if due.is_some() {
            let events = venue.let_pass(now).await?;
            learn(now, &events, world, &mut played, venue).await?;
        }
        while let Some(submission) = world.next_submission(now) {
            let enqueued = match &submission.command {
                Command::Contact(ContactCommand::Enqueue(e)) => Some(e.contact.clone()),
                _ => None,
            };
            let Turn { refused, events } = venue.ask(now, submission).await?;
            match refused {
                Some(code) if TOO_LATE.contains(&code.as_str()) => {}
                Some(code) => *played.refused.entry(code).or_default() += 1,
                None => {
                    if let Some(contact) = enqueued {
                        calls += 1;
                        played.ledger.acknowledge(&contact);
                    }
                }
            }
            learn(now, &events, world, &mut played, venue).await?;
        }
    }
    Ok(played)
}

async fn learn<V: Venue>(
    now: LogTime,
    events: &[Event],
    world: &mut World<'_>,
    played: &mut Played,
    venue: &mut V,
) -> Result<(), V::Error> {
    for event in events {
        world.learn(now, event);
        played.ledger.enter(event);
        let Some(story) = &mut played.story else { continue };
        let why = match story.asks_why(event) {
            Some(contact) => venue.why_it_waits(contact).await?,
            None => BTreeMap::new(),
        };
        story.hear(now, event, why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use acd::rejection::{ContactNow, Rejection};

    #[test]
    fn codes_of_coming_too_late_are_codes_of_refusals() {
        let contact = || ContactId::new("call-1").expect("an id");
        for late in [
            Rejection::StaleToken { contact: contact(), now: ContactNow::Closed },
            Rejection::WrongState { contact: contact(), state: "closed" },
            Rejection::StaleSession { agent: "anat".into() },
        ] {
            assert!(TOO_LATE.contains(&late.code()), "{late}");
        }
    }
}
