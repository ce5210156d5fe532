//! An agent at a desktop: answers, talks, wraps up, goes on breaks, now and then declines or lets it
//! ring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use proto::api::v1::desktop_event::{Item, Opened, Stage, Standing, Why};
use proto::api::v1::desktop_request::{LogOut, NotReady, Ready, Request};
use proto::stored::v1 as stored;
use proto::stored::v1::not_ready_reason::Reason;
use proto::stored::v1::presence::Presence;
use proto::stored::v1::work_command::{Accept, Command, Complete, Decline, End, Hold, Retrieve};
use tokio::sync::watch;
use tokio::time::Instant;

use super::board::Board;
use super::books::{Books, Phase};
use super::diary::Diary;
use super::dice::Dice;
use super::edge::{CUSTOMER_ENDS, HOLD, TALK_MS, WRAP_UP_MS};
use crate::client::{ClientError, Committed, Desktop, DesktopNews, Way};

/// How long a request may take, through elections and the loss of nodes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it takes to answer: ms.
const ANSWER_MS: (u64, u64) = (600, 1_400);
/// Of 100 offers, those that are declined, and those that ring in vain.
const DECLINES: f64 = 0.02;
const LETS_RING: f64 = 0.015;
/// Of 100 contacts, those after which there is a break, and how long it is: ms.
const BREAKS: f64 = 0.03;
const BREAK_MS: (u64, u64) = (3_000, 6_000);
/// How long until an agent is ready after a log-in, and after having let it ring: ms.
const READY_MS: (u64, u64) = (50, 400);
const BACK_MS: (u64, u64) = (1_000, 2_500);
/// How much longer than the customer wanted to talk an agent waits for the customer to hang up.
const CUSTOMER_LATE: Duration = Duration::from_secs(3);
/// How long until something that came to nothing is done again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often somebody away from home looks whether the own city is back.
const LOOK_HOME: Duration = Duration::from_secs(1);
/// Talk and wrap-up of a contact that does not say.
const TALK: Duration = Duration::from_secs(3);
const WRAP_UP: Duration = Duration::from_secs(1);
/// How long it may take to end everything and to log out.
const LEAVE: Duration = Duration::from_secs(10);

/// An agent's desktop.
pub struct DeskPlan {
    /// The agent.
    pub agent: String,
    /// The nodes, by preference: first those of the own city.
    pub ways: Vec<Way>,
    /// What is left to chance.
    pub dice: Dice,
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Ready,
    OpenMedium(i32),
    LookHome,
    LogOut,
    Do(String, u64, Deed),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Accept,
    Decline,
    Hold,
    Retrieve,
    End,
    Complete,
}

/// A contact before the agent.
#[derive(Clone, Debug)]
struct Work {
    token: u64,
    stage: Stage,
    talk: Duration,
    wrap_up: Duration,
    hold: bool,
    customer_ends: bool,
}

/// An agent at work.
pub struct Desk {
    agent: String,
    /// The site of each way.
    sites: Vec<String>,
    desktop: Desktop,
    work: BTreeMap<String, Work>,
    diary: Diary<Act>,
    dice: Dice,
    books: Arc<Books>,
    board: watch::Receiver<Arc<Board>>,
    is_present: bool,
    is_leaving: bool,
    is_gone: bool,
}

impl Desk {
    /// Prepares it.
    pub fn new(plan: DeskPlan, books: Arc<Books>, board: watch::Receiver<Arc<Board>>) -> Self {
        let DeskPlan { agent, ways, dice } = plan;
        Self {
            sites: ways.iter().map(|way| way.site.clone()).collect(),
            desktop: Desktop::new(&agent, ways, PATIENCE),
            agent,
            work: BTreeMap::new(),
            diary: Diary::default(),
            dice,
            books,
            board,
            is_present: false,
            is_leaving: false,
            is_gone: false,
        }
    }

    /// Works until the agent has logged out, at closing time.
    pub async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        let mut leave_by = None;
        while !self.is_gone {
            if leave_by.is_none() && *phase.borrow_and_update() >= Phase::Closing {
                leave_by = Some(Instant::now() + LEAVE);
                self.leave();
            }
            if leave_by.is_some_and(|by| by <= Instant::now()) {
                return;
            }
            tokio::select! {
                news = self.desktop.next() => self.hear(news),
                () = self.diary.wait() => {
                    if let Some(act) = self.diary.due(Instant::now()) {
                        self.act(act);
                    }
                }
                changed = phase.changed(), if leave_by.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep_until(leave_by.unwrap_or_else(Instant::now)),
                    if leave_by.is_some() => {}
            }
        }
    }

    fn note_in(&mut self, after: Duration, act: Act) {
        self.diary.note(Instant::now() + after, act);
    }

    fn note_between(&mut self, (low, high): (u64, u64), act: Act) {
        let after = self.dice.between(low, high);
        self.note_in(after, act);
    }

    fn ask(&mut self, request: Request) {
        if self.desktop.ask(request).is_none() {
            self.books.trouble(format!("the desktop of {} has too much to do", self.agent));
        }
    }

    // -- What the agent does --------------------------------------------------------------------------

    fn act(&mut self, act: Act) {
        match act {
            Act::Ready => self.ask(Request::Ready(Ready {})),
            Act::OpenMedium(medium) => self.ask(Request::OpenMedium(medium)),
            Act::LookHome => self.look_home(),
            Act::LogOut => self.log_out_if_free(),
            Act::Do(contact, token, deed) => self.take_on(contact, token, deed),
        }
    }

    fn take_on(&mut self, contact: String, token: u64, deed: Deed) {
        let Some(work) = self.work.get(&contact).filter(|work| work.token == token) else { return };
        // What it was meant for may be over.
        let fits = match deed {
            Deed::Accept | Deed::Decline => work.stage == Stage::Offered,
            Deed::Hold => work.stage == Stage::Connected,
            Deed::Retrieve => work.stage == Stage::Held,
            Deed::End => matches!(work.stage, Stage::Connected | Stage::Held),
            Deed::Complete => {
                matches!(work.stage, Stage::Connected | Stage::Held | Stage::WrapUp)
            }
        };
        if !fits {
            return;
        }
        let command = match deed {
            Deed::Accept => Command::Accept(Accept { contact, token }),
            Deed::Decline => Command::Decline(Decline { contact, token }),
            Deed::Hold => Command::Hold(Hold { contact, token }),
            Deed::Retrieve => Command::Retrieve(Retrieve { contact, token }),
            Deed::End => Command::End(End { contact, token }),
            Deed::Complete => {
                let disposition = Some("done".to_owned());
                Command::Complete(Complete { contact, token, disposition, resolved: Some(true) })
            }
        };
        self.ask(Request::Work(stored::WorkCommand { command: Some(command) }));
    }

    /// Plans what to do with a contact that stands somewhere new.
    fn plan(&mut self, contact: &str) {
        let Some(work) = self.work.get(contact).cloned() else { return };
        let token = work.token;
        let act = |deed| Act::Do(contact.to_owned(), token, deed);
        if self.is_leaving {
            return self.let_go(contact);
        }
        match work.stage {
            Stage::Offered => {
                let chance = self.dice.unit();
                if chance < LETS_RING {
                    return;
                }
                let declines = chance < LETS_RING + DECLINES;
                let deed = if declines { Deed::Decline } else { Deed::Accept };
                self.note_between(ANSWER_MS, act(deed));
            }
            Stage::Connected => {
                let late = if work.customer_ends { CUSTOMER_LATE } else { Duration::ZERO };
                self.note_in(work.talk + late, act(Deed::End));
                if work.hold {
                    self.note_in(work.talk / 3, act(Deed::Hold));
                    self.note_in(work.talk * 2 / 3, act(Deed::Retrieve));
                }
            }
            Stage::WrapUp => self.note_in(work.wrap_up, act(Deed::Complete)),
            Stage::Unspecified | Stage::Accepted | Stage::Held => {}
        }
    }

    /// Closing time: what can be ended is, and what cannot goes back when the agent logs out.
    fn leave(&mut self) {
        self.is_leaving = true;
        self.diary.clear();
        for contact in self.work.keys().cloned().collect::<Vec<_>>() {
            self.let_go(&contact);
        }
        self.log_out_if_free();
    }

    fn let_go(&mut self, contact: &str) {
        let Some(work) = self.work.get(contact) else { return };
        if matches!(work.stage, Stage::Connected | Stage::Held | Stage::WrapUp) {
            self.take_on(contact.to_owned(), work.token, Deed::Complete);
        }
    }

    fn log_out_if_free(&mut self) {
        let is_free = |work: &Work| matches!(work.stage, Stage::Offered | Stage::Accepted);
        if self.is_leaving && self.work.values().all(is_free) && self.desktop.way().is_some() {
            self.ask(Request::LogOut(LogOut {}));
        }
    }

    // -- Home -----------------------------------------------------------------------------------------

    fn is_away(&self) -> bool {
        let way = self.desktop.way();
        way.is_some_and(|way| self.sites.get(way) != self.sites.first())
    }

    /// Whoever works in another city goes home, between two contacts, when the own one is back.
    fn look_home(&mut self) {
        if self.is_leaving || !self.is_away() {
            return;
        }
        let home = self.sites.first().cloned().unwrap_or_default();
        if self.work.is_empty() && self.board.borrow().is_in_service(&home) {
            let nodes = self.sites.iter().take_while(|site| **site == home).count();
            let which = (self.dice.unit() * nodes as f64) as usize;
            self.desktop.move_to(which.min(nodes.saturating_sub(1)));
        }
        self.note_in(LOOK_HOME, Act::LookHome);
    }

    // -- What the cluster says ------------------------------------------------------------------------

    fn hear(&mut self, news: DesktopNews) {
        match news {
            DesktopNews::Opened { index, all, .. } => self.opened(index, all),
            DesktopNews::Changed { index, item } => {
                self.still_has(index);
                self.changed(index, item);
            }
            DesktopNews::Gone { index, gone } => {
                // What else is gone may be told next; so nothing is said here of the others.
                self.books.failovers.saw(index);
                if self.work.get(&gone.contact).is_some_and(|work| work.token == gone.token) {
                    self.work.remove(&gone.contact);
                }
                self.log_out_if_free();
            }
            DesktopNews::Standing { index, standing } => {
                self.still_has(index);
                self.stands(&standing);
            }
            DesktopNews::Answered { request, result, .. } => self.answered(request, result),
            DesktopNews::Broken { endpoint, why } => {
                self.books.trouble(format!("{} at {endpoint}: {why}", self.agent));
            }
            DesktopNews::Over { why: Why::LoggedOut } if self.is_leaving => self.is_gone = true,
            // By a log-in of this very desktop that nobody waited for any longer, or by a supervisor.
            DesktopNews::Over { .. } => self.desktop.reopen(),
        }
    }

    /// A session is told what is true at an index, first what is gone: what is not is still here.
    fn still_has(&self, index: u64) {
        self.books.failovers.saw(index);
        for (contact, work) in &self.work {
            self.books.ledger.had(contact, work.token, index);
        }
    }

    fn opened(&mut self, index: u64, all: Opened) {
        if !self.is_present {
            self.is_present = true;
            self.books.is_present();
        }
        self.books.failovers.saw(index);
        let listed: BTreeMap<_, _> =
            all.items.iter().map(|item| (item.contact.clone(), item.token)).collect();
        self.work.retain(|contact, work| listed.get(contact) == Some(&work.token));
        for item in all.items {
            self.changed(index, item);
        }
        if let Some(standing) = all.standing {
            self.stands(&standing);
        }
        if self.is_away() && !self.diary.any(|act| *act == Act::LookHome) {
            self.note_in(LOOK_HOME, Act::LookHome);
        }
        self.log_out_if_free();
    }

    fn changed(&mut self, index: u64, item: Item) {
        self.books.ledger.had(&item.contact, item.token, index);
        let stage = item.stage();
        let known = self.work.get(&item.contact);
        if known.is_some_and(|work| work.token == item.token && work.stage == stage) {
            return;
        }
        let is_new = known.is_none_or(|work| work.token != item.token);
        let contact = item.contact.clone();
        if is_new && stage == Stage::Offered {
            self.offered(&contact, index);
        }
        let auto_answer = item.auto_answer;
        let work = match known {
            Some(work) if !is_new => Work { stage, ..work.clone() },
            _ => work_of(item, stage),
        };
        let token = work.token;
        let was_held = known.is_some_and(|work| work.stage == Stage::Held);
        self.work.insert(contact.clone(), work);
        if is_new && stage == Stage::Held {
            // The session that put it on hold is gone.
            self.note_in(AGAIN, Act::Do(contact.clone(), token, Deed::Retrieve));
            self.note_in(AGAIN + TALK, Act::Do(contact.clone(), token, Deed::End));
        }
        match (stage, auto_answer) {
            (Stage::Offered, true) => self.take_on(contact, token, Deed::Accept),
            // It was planned when they were connected.
            (Stage::Connected, _) if was_held => {}
            _ => self.plan(&contact),
        }
        self.log_out_if_free();
    }

    fn offered(&self, contact: &str, index: u64) {
        let site = self.desktop.way().and_then(|way| self.sites.get(way));
        let anchor = self.books.ledger.site(contact);
        if let (Some(site), Some(anchor)) = (site, anchor) {
            self.books.failovers.offered(site, &anchor, index);
        }
    }

    fn stands(&mut self, standing: &Standing) {
        if self.is_leaving {
            return;
        }
        let presence = standing.presence.as_ref().and_then(|presence| presence.presence.as_ref());
        if let Some(Presence::NotReady(why)) = presence
            && !self.diary.any(|act| *act == Act::Ready)
        {
            match &why.reason {
                Some(Reason::LoggedIn(_)) => self.note_between(READY_MS, Act::Ready),
                Some(Reason::Rona(_)) => self.note_between(BACK_MS, Act::Ready),
                Some(Reason::Said(_)) => self.note_between(BREAK_MS, Act::Ready),
                // The supervisor decides when that is over.
                Some(Reason::Supervisor(_)) | None => {}
            }
        }
        for medium in &standing.closed_media {
            let act = Act::OpenMedium(*medium);
            if !self.diary.any(|noted| *noted == act) {
                self.note_between(BACK_MS, act);
            }
        }
    }

    fn answered(&mut self, request: Request, result: Result<Committed, ClientError>) {
        let index = match &result {
            Ok(done) => Some(done.index),
            Err(_) => None,
        };
        self.books.failovers.saw(index.unwrap_or(0));
        let Request::Work(stored::WorkCommand { command: Some(command) }) = request else {
            if let (Request::LogOut(_), Err(_)) = (&request, &result)
                && self.is_leaving
            {
                // It still has something; that is ended first.
                for contact in self.work.keys().cloned().collect::<Vec<_>>() {
                    self.let_go(&contact);
                }
                // And if it has nothing, the answer was lost.
                self.note_in(AGAIN, Act::LogOut);
            }
            return;
        };
        let (contact, token) = match &command {
            Command::Accept(c) => (&c.contact, c.token),
            Command::Hold(c) => (&c.contact, c.token),
            Command::Retrieve(c) => (&c.contact, c.token),
            Command::End(c) => (&c.contact, c.token),
            Command::Complete(c) => (&c.contact, c.token),
            // A repeat of it may be answered when somebody else has the contact already.
            Command::Decline(_) => return,
            _ => return,
        };
        match index {
            Some(index) => self.books.ledger.had(contact, token, index),
            None => {
                // If it has moved on, what happened tells; if not, it is done again.
                let contact = contact.clone();
                if self.work.get(&contact).is_some_and(|work| work.token == token) {
                    let deed = match command {
                        Command::Accept(_) => Deed::Accept,
                        Command::Complete(_) => Deed::Complete,
                        Command::Retrieve(_) => Deed::Retrieve,
                        Command::End(_) => Deed::End,
                        // The conversation goes on without it.
                        _ => return,
                    };
                    self.note_in(AGAIN, Act::Do(contact, token, deed));
                }
                return;
            }
        }
        if matches!(command, Command::Complete(_)) && !self.is_leaving && self.dice.happens(BREAKS)
        {
            self.ask(Request::NotReady(NotReady { reason: "coffee".to_owned() }));
        }
    }
}

fn work_of(item: Item, stage: Stage) -> Work {
    // What cannot be read is as if it were not said.
    let attributes = stored::Attributes::decode(item.attributes).unwrap_or_default().items;
    let value = |name: &str| {
        let found = attributes.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| attribute.value.as_str())
    };
    let ms = |name, default| {
        let ms = value(name).and_then(|value| value.parse().ok());
        ms.map_or(default, Duration::from_millis)
    };
    Work {
        token: item.token,
        stage,
        talk: ms(TALK_MS, TALK),
        wrap_up: ms(WRAP_UP_MS, WRAP_UP),
        hold: value(HOLD).is_some(),
        customer_ends: value(CUSTOMER_ENDS).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> Desk {
        let plan = DeskPlan { agent: "olena".into(), ways: Vec::new(), dice: Dice::new(1, 1) };
        let (_, board) = watch::channel(Arc::default());
        Desk::new(plan, Arc::default(), board)
    }

    fn in_conversation() -> Desk {
        let item = Item { contact: "c1".into(), token: 7, ..Default::default() };
        let mut desk = desk();
        desk.work.insert("c1".into(), work_of(item, Stage::Connected));
        desk
    }

    fn nothing_came_of(desk: &mut Desk, request: Request) {
        desk.answered(request, Err(ClientError::Unknown { last: "no answer".into() }));
    }

    fn work(command: Command) -> Request {
        Request::Work(stored::WorkCommand { command: Some(command) })
    }

    #[test]
    fn a_free_agent_whose_log_out_failed_logs_out_again() {
        let mut desk = desk();
        nothing_came_of(&mut desk, Request::LogOut(LogOut {}));
        assert!(!desk.diary.any(|_| true), "it is not closing time");
        desk.leave();
        nothing_came_of(&mut desk, Request::LogOut(LogOut {}));
        assert!(desk.diary.any(|act| *act == Act::LogOut));
    }

    #[test]
    fn a_conversation_goes_on_if_it_could_not_be_put_on_hold() {
        let mut desk = in_conversation();
        let hold = Command::Hold(Hold { contact: "c1".into(), token: 7 });
        nothing_came_of(&mut desk, work(hold));
        assert!(!desk.diary.any(|_| true));
    }

    #[test]
    fn a_conversation_that_could_not_be_ended_is_ended_again() {
        let mut desk = in_conversation();
        let end = Command::End(End { contact: "c1".into(), token: 7 });
        nothing_came_of(&mut desk, work(end));
        assert!(desk.diary.any(|act| *act == Act::Do("c1".into(), 7, Deed::End)));
    }
}
