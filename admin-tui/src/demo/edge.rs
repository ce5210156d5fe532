//! A city's front end: its customers come, wait, hang up, and are connected.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use acd::reply::{Reply, Verdict};
use prost::Message;
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command::{BridgeFailed, Bridged, Command, HangUp, RequestCallback};
use proto::stored::v1::contact_event::Event;
use tokio::sync::watch;
use tokio::time::Instant;

use super::books::{Books, Phase};
use super::diary::Diary;
use super::dice::Dice;
use super::traffic::Customer;
use crate::client::{ClientError, Committed, Ingress, IngressNews, Way};

/// How long a command may take, through elections and the loss of nodes.
const PATIENCE: Duration = Duration::from_secs(30);
/// To how many sites it keeps a stream.
const SITES: usize = 2;
/// How long a telephone system takes to connect two people: ms.
const BRIDGE_MS: (u64, u64) = (60, 240);
/// Of 100 attempts to connect, those that fail.
const BRIDGE_FAILS: f64 = 0.01;
/// How long a customer waits to be called back.
const CALLBACK_PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait at the end for what is on its way: as long as a node gives a command.
const DRAIN: Duration = Duration::from_secs(10);

/// Attributes of a contact by which a desktop knows how long the conversation is to be: ms.
pub(super) const TALK_MS: &str = "demo.talk-ms";
/// How long wrap-up is to be: ms.
pub(super) const WRAP_UP_MS: &str = "demo.wrap-up-ms";
/// Whether the customer ends the conversation: "yes".
pub(super) const CUSTOMER_ENDS: &str = "demo.customer-ends";
/// Whether the agent puts the customer on hold in the middle: "yes".
pub(super) const HOLD: &str = "demo.hold";

/// A city's front end.
pub struct EdgePlan {
    /// The city.
    pub city: String,
    /// The ingress.
    pub name: String,
    /// The nodes, by preference.
    pub ways: Vec<Way>,
    /// What is left to chance.
    pub dice: Dice,
}

/// Where a customer is, as the front end knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// To be connected by this offer.
    Connecting(u64),
    Talking,
}

struct Guest {
    customer: Customer,
    stage: Stage,
    /// The cluster said that the contact is in.
    is_in: bool,
    /// The customer has hung up.
    has_left: bool,
    called_back: bool,
}

enum Act {
    Arrive,
    LosePatience(String),
    Bridge(String, u64),
    HangUp(String),
}

/// A city's front end at work.
pub struct Edge<A: Iterator> {
    city: String,
    ingress: Ingress,
    arrivals: Peekable<A>,
    /// When customers began to come.
    began: Instant,
    is_present: bool,
    guests: BTreeMap<String, Guest>,
    diary: Diary<Act>,
    dice: Dice,
    books: Arc<Books>,
}

impl<A: Iterator<Item = Customer> + Send> Edge<A> {
    /// Prepares it.
    pub fn new(plan: EdgePlan, arrivals: A, books: Arc<Books>) -> Self {
        let EdgePlan { city, name, ways, dice } = plan;
        Self {
            city,
            ingress: Ingress::new(&name, ways, SITES, PATIENCE),
            arrivals: arrivals.peekable(),
            began: Instant::now(),
            is_present: false,
            guests: BTreeMap::new(),
            diary: Diary::default(),
            dice,
            books,
        }
    }

    /// Works until it is over.
    pub async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        let mut before = Phase::Opening;
        loop {
            let now = *phase.borrow_and_update();
            if now != before {
                match now {
                    Phase::Opening => {}
                    Phase::Open => {
                        self.began = Instant::now();
                        self.note_next_arrival();
                    }
                    Phase::Closing => self.diary.clear(),
                    Phase::Over => break,
                }
                before = now;
            }
            tokio::select! {
                news = self.ingress.next() => self.hear(news),
                () = self.diary.wait() => {
                    if let Some(act) = self.diary.due(Instant::now()) {
                        self.act(act);
                    }
                }
                changed = phase.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        // What is on its way is waited for: what was acknowledged should be known.
        let drained = async {
            while self.ingress.pending() > 0 {
                let news = self.ingress.next().await;
                self.hear(news);
            }
        };
        // What is not known by then was not promised to anybody.
        let _ = tokio::time::timeout(DRAIN, drained).await;
    }

    fn note_in(&mut self, after: Duration, act: Act) {
        self.diary.note(Instant::now() + after, act);
    }

    fn note_next_arrival(&mut self) {
        if let Some(next) = self.arrivals.peek() {
            self.diary.note(self.began + next.at, Act::Arrive);
        }
    }

    fn ask(&mut self, command: Command) {
        if self.ingress.ask(command).is_none() {
            self.books.tell(format!("the front end of {} has too much to do", self.city));
        }
    }

    // -- What customers do ----------------------------------------------------------------------------

    fn act(&mut self, act: Act) {
        match act {
            Act::Arrive => {
                if let Some(customer) = self.arrivals.next() {
                    self.arrive(customer);
                }
                self.note_next_arrival();
            }
            Act::LosePatience(contact) => self.lose_patience(&contact),
            Act::Bridge(contact, token) => self.bridge(&contact, token),
            Act::HangUp(contact) => {
                let is_talking =
                    self.guests.get(&contact).is_some_and(|guest| guest.stage == Stage::Talking);
                if is_talking {
                    self.ask(Command::HangUp(HangUp { contact }));
                }
            }
        }
    }

    fn arrive(&mut self, customer: Customer) {
        let contact = format!("{}-{}", self.city, customer.number);
        self.books.ledger.comes(&contact, &self.city);
        self.ask(Command::Enqueue(enqueue(&contact, &customer)));
        self.note_in(customer.patience, Act::LosePatience(contact.clone()));
        let guest = Guest {
            customer,
            stage: Stage::Waiting,
            is_in: false,
            has_left: false,
            called_back: false,
        };
        self.guests.insert(contact, guest);
    }

    fn lose_patience(&mut self, contact: &str) {
        let Some(guest) = self.guests.get_mut(contact) else { return };
        if guest.stage != Stage::Waiting {
            return;
        }
        let call_back = guest.customer.called_back && !guest.called_back;
        guest.has_left = !call_back;
        guest.called_back |= call_back;
        // Whoever is not in yet leaves as soon as that is known.
        if !guest.is_in {
            return;
        }
        self.leave(contact);
    }

    /// Hangs up, or is called back instead.
    fn leave(&mut self, contact: &str) {
        let Some(guest) = self.guests.get(contact) else { return };
        let contact = contact.to_owned();
        if guest.has_left {
            return self.ask(Command::HangUp(HangUp { contact }));
        }
        self.note_in(CALLBACK_PATIENCE, Act::LosePatience(contact.clone()));
        self.ask(Command::RequestCallback(RequestCallback { contact, not_before_ms: None }));
    }

    fn bridge(&mut self, contact: &str, token: u64) {
        let stage = self.guests.get(contact).map(|guest| guest.stage);
        if stage != Some(Stage::Connecting(token)) {
            return;
        }
        let contact = contact.to_owned();
        let fails = self.dice.happens(BRIDGE_FAILS);
        self.ask(match fails {
            true => Command::BridgeFailed(BridgeFailed { contact, token }),
            false => Command::Bridged(Bridged { contact, token }),
        });
    }

    // -- What the cluster says ------------------------------------------------------------------------

    fn hear(&mut self, news: IngressNews) {
        match news {
            IngressNews::Attached { .. } => {
                if !self.is_present {
                    self.is_present = true;
                    self.books.is_present();
                }
            }
            IngressNews::Detached { endpoint, why, .. } => {
                self.books.trouble(format!("{} at {endpoint}: {why}", self.city));
            }
            IngressNews::Answered { command, result, .. } => self.answered(command, result),
            IngressNews::Happened { index, event } => {
                self.books.failovers.saw(index);
                if let Some(what) = event.event {
                    self.happened(index, &event.contact, what);
                }
            }
            IngressNews::Verdict { index, contact, verdict } => {
                self.books.failovers.saw(index);
                self.judged(&contact, verdict);
            }
        }
    }

    fn answered(&mut self, command: Command, result: Result<Committed, ClientError>) {
        if let Ok(done) = &result {
            self.books.failovers.saw(done.index);
        }
        match (command, result) {
            (Command::Enqueue(enqueue), result) => self.came_in(&enqueue.contact, result),
            (Command::Bridged(bridged), Ok(_)) => self.talk(&bridged.contact),
            // Everything else shows in what happens: a hang-up that came too late, a token that is
            // stale, a callback that crossed with an offer.
            _ => {}
        }
    }

    fn came_in(&mut self, contact: &str, result: Result<Committed, ClientError>) {
        match result {
            Ok(Committed { reply: Reply::TurnedAway { .. }, .. }) => {
                self.books.ledger.acknowledged(contact);
                self.closed(contact, None);
            }
            Ok(_) => {
                self.books.ledger.acknowledged(contact);
                let Some(guest) = self.guests.get_mut(contact) else { return };
                guest.is_in = true;
                if guest.stage == Stage::Waiting && (guest.has_left || guest.called_back) {
                    self.leave(contact);
                }
            }
            Err(ClientError::Refused { code, message }) => {
                self.books.tell(format!("{contact} was refused: {code}: {message}"));
                self.books.ledger.not_acknowledged(contact);
                self.guests.remove(contact);
            }
            // The customer hears nothing and hangs up; if the contact is in after all, the front end
            // says that it does not have it.
            Err(error) => {
                self.books.tell(format!("{contact} came to nothing: {error}"));
                self.books.ledger.not_acknowledged(contact);
                self.guests.remove(contact);
                self.ask(Command::HangUp(HangUp { contact: contact.to_owned() }));
            }
        }
    }

    fn happened(&mut self, index: u64, contact: &str, what: Event) {
        match what {
            Event::Offered(offered) => self.books.ledger.had(contact, offered.token, index),
            Event::Accepted(accepted) => {
                self.books.ledger.had(contact, accepted.token, index);
                self.connect(contact, accepted.token, true);
            }
            Event::Connected(connected) => {
                self.books.ledger.had(contact, connected.token, index);
                self.talk(contact);
            }
            Event::OfferEnded(_) => self.wait_again(contact),
            Event::Closed(record) => {
                if record.answered_ms.is_some() {
                    self.books.ledger.answered(contact);
                }
                let outcome = stored::Outcome::try_from(record.outcome).ok();
                self.closed(contact, outcome);
            }
            _ => {}
        }
    }

    /// What is true of a contact after something may have been missed.
    fn judged(&mut self, contact: &str, verdict: Verdict) {
        let stage = self.guests.get(contact).map(|guest| guest.stage);
        match verdict {
            Verdict::Waiting if stage != Some(Stage::Waiting) => self.wait_again(contact),
            Verdict::Waiting => {}
            Verdict::WithAgent(token) => {
                let is_known = [Stage::Talking, Stage::Connecting(token.0)].map(Some);
                // If it is only offered yet, this is refused, and it will be told when it is accepted.
                if !is_known.contains(&stage) {
                    self.connect(contact, token.0, false);
                }
            }
            // How it ended was missed; who hung up meanwhile is known here.
            Verdict::Closed => {
                let has_left = self.guests.get(contact).is_some_and(|guest| guest.has_left);
                self.closed(contact, has_left.then_some(stored::Outcome::Abandoned));
            }
            Verdict::NotYours => {
                self.guests.remove(contact);
            }
            // It stays in the ledger as one that the cluster should know.
            Verdict::Unknown => {
                self.guests.remove(contact);
                self.books.tell(format!("the cluster does not know {contact} any more"));
            }
        }
    }

    fn connect(&mut self, contact: &str, token: u64, takes_time: bool) {
        let Some(guest) = self.guests.get_mut(contact) else { return };
        guest.stage = Stage::Connecting(token);
        let after = match takes_time {
            true => self.dice.between(BRIDGE_MS.0, BRIDGE_MS.1),
            false => Duration::ZERO,
        };
        self.note_in(after, Act::Bridge(contact.to_owned(), token));
    }

    fn talk(&mut self, contact: &str) {
        let Some(guest) = self.guests.get_mut(contact) else { return };
        if guest.stage == Stage::Talking {
            return;
        }
        guest.stage = Stage::Talking;
        self.books.ledger.answered(contact);
        if guest.customer.customer_ends {
            let after = guest.customer.talk;
            self.note_in(after, Act::HangUp(contact.to_owned()));
        }
    }

    fn wait_again(&mut self, contact: &str) {
        let Some(guest) = self.guests.get_mut(contact) else { return };
        if guest.stage == Stage::Talking {
            return;
        }
        guest.stage = Stage::Waiting;
        // Who has been waiting for too long already leaves now.
        let waited = self.began + guest.customer.at;
        if !guest.called_back && waited.elapsed() > guest.customer.patience {
            self.lose_patience(contact);
        }
    }

    fn closed(&mut self, contact: &str, outcome: Option<stored::Outcome>) {
        self.guests.remove(contact);
        self.books.ledger.closed(contact, outcome);
    }
}

fn enqueue(contact: &str, customer: &Customer) -> stored::Enqueue {
    let ms = |duration: Duration| duration.as_millis().to_string();
    let mut items =
        vec![attribute(TALK_MS, ms(customer.talk)), attribute(WRAP_UP_MS, ms(customer.wrap_up))];
    for (name, is_so) in [(CUSTOMER_ENDS, customer.customer_ends), (HOLD, customer.hold)] {
        if is_so {
            items.push(attribute(name, "yes".to_owned()));
        }
    }
    let channel = match customer.kind.chat {
        true => stored::Channel::Chat,
        false => stored::Channel::Voice,
    };
    let english = stored::Requirement { skill: "english".to_owned(), level: 5 };
    stored::Enqueue {
        contact: contact.to_owned(),
        queue: customer.kind.queue.to_owned(),
        channel: channel.into(),
        priority: u32::from(customer.gold),
        requirements: if customer.english { vec![english] } else { Vec::new() },
        attributes: stored::Attributes { items }.encode_to_vec().into(),
        ..stored::Enqueue::default()
    }
}

fn attribute(name: &str, value: String) -> stored::Attribute {
    stored::Attribute { name: name.to_owned(), value }
}
