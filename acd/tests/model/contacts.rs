//! What front ends report of customers.

use acd::channel::Channel;
use acd::command::{ContactCommand, Enqueue};
use acd::config::Overflow;
use acd::event::{ContactEvent, Event, OfferEnd, OverflowCause};
use acd::ids::{ContactId, PrincipalId, QueueId};
use acd::limits;
use acd::record::{Outcome as Ending, TurnedAway};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::time::{LogTime, Millis};

use super::things::{Asked, Contact, Stage};
use super::waiting::takes_callbacks;
use super::{Model, Outcome, unknown};

impl Model {
    pub fn contact_command(&mut self, who: &PrincipalId, command: ContactCommand) -> Outcome {
        match command {
            ContactCommand::Enqueue(enqueue) => self.enqueue(who, enqueue),
            ContactCommand::HangUp { contact } => self.hang_up(who, &contact),
            ContactCommand::Bridged { contact, token } => self.bridged(who, &contact, token),
            ContactCommand::BridgeFailed { contact, token } => {
                self.bridge_failed(who, &contact, token)
            }
            ContactCommand::RequestCallback { contact, not_before } => {
                self.request_callback(who, &contact, not_before)
            }
            ContactCommand::SetRecording { contact, reference } => {
                if !self.own_contact(who, &contact)? {
                    return Err(self.closed_or_unknown(&contact));
                }
                self.cm(&contact).recording = Some(reference.clone());
                self.tell(&contact, ContactEvent::RecordingSet { reference });
                Ok(Reply::Done)
            }
            ContactCommand::RecordCsat { score, .. } if score > 100 => {
                let value = u64::from(score);
                Err(Rejection::OutOfRange { what: "CSAT score", value, min: 0, max: 100 })
            }
            ContactCommand::RecordCsat { contact, score } => {
                // Whose it was is known for a while only.
                self.own_contact(who, &contact)?;
                let what = ContactEvent::CsatReceived { score };
                self.events.push(Event::Contact { contact, what });
                Ok(Reply::Done)
            }
            ContactCommand::Attach { ingress, node } => self.attach(who, ingress, node),
            ContactCommand::Detach { ingress, node } => {
                self.may_speak_for(who, &ingress)?;
                self.lose_stream(&ingress, node);
                Ok(Reply::Done)
            }
            ContactCommand::Reattach { contacts } => self.reattach(who, &contacts),
            ContactCommand::Move { contact, to } => self.move_contact(&contact, &to),
            ContactCommand::Remove { contact } => {
                self.fire_left_over_of_contact(&contact);
                self.waiting_contact(&contact)?;
                self.close_before_answer(&contact, Ending::Removed, OfferEnd::Withdrawn);
                Ok(Reply::Done)
            }
        }
    }

    fn enqueue(&mut self, who: &PrincipalId, command: Enqueue) -> Outcome {
        let asked = Asked::Enqueue(who.clone(), command.clone());
        if let Some(repeat) = self.repeated(&command.contact, &asked)? {
            return Ok(repeat);
        }
        let Enqueue { contact: id, queue, channel, priority, preferred, .. } = command;
        let config = self.find_queue(&queue)?.config.clone();
        if !config.channels.contains(channel) {
            return Err(Rejection::ChannelNotTaken { queue: queue.as_str().into() });
        }
        let own_site = self.principals.get(who).and_then(|p| p.site.clone());
        let site = command.site.or(own_site).ok_or(Rejection::NoSite)?;
        self.find_site(&site)?;
        let mut requirements = command.requirements.to_vec();
        requirements.sort();
        if requirements.len() > limits::REQUIREMENTS_MAX {
            let max = limits::REQUIREMENTS_MAX as u64;
            return Err(Rejection::LimitReached { what: "required skills", max });
        }
        if let Some(twice) = requirements.windows(2).find(|w| w[0].skill == w[1].skill) {
            let id = twice[0].skill.as_str().into();
            return Err(Rejection::NamedTwice { what: "skill", id });
        }
        if let Some(r) = requirements.iter().find(|r| !self.skills.contains_key(&r.skill)) {
            return Err(unknown("skill", r.skill.as_str()));
        }
        if let Some(agent) = &preferred {
            self.find_agent(agent)?;
        }
        let too_long = |value: u64| Rejection::OutOfRange {
            what: "duration",
            value,
            min: 0,
            max: limits::DURATION_MAX.0,
        };
        if let Some(wait) = command.preferred_wait.filter(|w| *w > limits::DURATION_MAX) {
            return Err(too_long(wait.0));
        }
        let later = command.not_before.filter(|at| *at > self.now);
        if let Some(at) = later {
            if channel != Channel::Callback {
                return Err(Rejection::InvalidConfig { what: "only callbacks can be scheduled" });
            }
            if at.since(self.now) > limits::DURATION_MAX {
                return Err(too_long(at.since(self.now).0));
            }
        }
        let obstacle = if later.is_some() { None } else { self.obstacle(&queue) };
        if self.is_gone(who) {
            self.ingresses.remove(who);
        }
        let head_start = config.head_start(priority);
        let reply = self.create(Contact {
            requirements,
            attributes: command.attributes,
            priority,
            effective: self.now.0 as i64 - head_start.0 as i64,
            ..self.blank(id.clone(), channel, queue.clone(), site, who.clone(), asked)
        });
        if let Some(why) = obstacle {
            let (overflow, cause) = match why {
                TurnedAway::Closed => (config.closed.clone(), OverflowCause::Closed),
                TurnedAway::Full => (config.overflow.clone(), OverflowCause::Full),
            };
            let turned_away = match overflow {
                Overflow::Callback if channel == Channel::Callback => false,
                Overflow::Callback if takes_callbacks(&config, channel) => {
                    self.become_callback(&id, Some(cause));
                    false
                }
                // One hop: where it could not wait either, it is not sent.
                Overflow::Queue(other) if self.has_room(&other, channel) => {
                    self.overflow_to(&id, &other, cause);
                    false
                }
                _ => true,
            };
            if turned_away {
                let outcome = match why {
                    TurnedAway::Closed => Ending::TurnedAwayClosed,
                    TurnedAway::Full => Ending::TurnedAwayFull,
                };
                self.close_unanswered(&id, outcome);
                return Ok(Reply::TurnedAway { why });
            }
        }
        if let Some(agent) = preferred {
            let wait = command.preferred_wait.unwrap_or(config.preferred_wait);
            self.cm(&id).preferred = Some((agent, later.unwrap_or(self.now).plus(wait)));
        }
        match later {
            Some(until) => self.schedule(&id, until),
            None => self.wait(&id),
        }
        Ok(reply)
    }

    fn has_room(&self, queue: &QueueId, channel: Channel) -> bool {
        let takes = self.queues.get(queue).is_some_and(|q| q.config.channels.contains(channel));
        takes && self.obstacle(queue).is_none()
    }

    fn obstacle(&self, id: &QueueId) -> Option<TurnedAway> {
        let queue = &self.queues[id];
        let now = self.now;
        let out_of_hours = queue.config.calendar.as_ref().is_some_and(|calendar| {
            let calendar = &self.calendars[calendar].config;
            now < calendar.covers_until
                && !calendar.open.iter().any(|i| i.start <= now && now < i.end)
        });
        if out_of_hours || queue.closed_until.is_some() {
            return Some(TurnedAway::Closed);
        }
        (self.length_of(id) >= queue.config.length_max).then_some(TurnedAway::Full)
    }

    /// The answer a repeat gets; an error if the id is another contact's.
    pub fn repeated(&self, id: &ContactId, asked: &Asked) -> Result<Option<Reply>, Rejection> {
        let reply = |seq, arrived| Reply::Enqueued { seq: acd::ids::Seq(seq), arrived };
        let (first, answer) = if let Some(live) = self.contacts.get(id) {
            (&live.asked, reply(live.seq, live.arrived))
        } else if let Some(closed) = self.find_closed(id) {
            let answer = match closed.outcome {
                Ending::TurnedAwayClosed => Reply::TurnedAway { why: TurnedAway::Closed },
                Ending::TurnedAwayFull => Reply::TurnedAway { why: TurnedAway::Full },
                _ => reply(closed.seq, closed.arrived),
            };
            (&closed.asked, answer)
        } else {
            return Ok(None);
        };
        if first == asked {
            return Ok(Some(answer));
        }
        Err(Rejection::ContactIdReused { contact: id.clone() })
    }

    /// A contact without anything particular, not in yet.
    pub fn blank(
        &self,
        id: ContactId,
        channel: Channel,
        queue: QueueId,
        site: acd::ids::SiteId,
        ingress: PrincipalId,
        asked: Asked,
    ) -> Contact {
        Contact {
            id,
            seq: 0,
            channel,
            priority: acd::config::Priority::default(),
            wait_deadline: self.longest_wait(&queue, channel),
            queue,
            site,
            ingress,
            requirements: Vec::new(),
            attributes: acd::text::Attributes::default(),
            asked,
            arrived: self.now,
            effective: self.now.0 as i64,
            entered_queue: self.now,
            step: 0,
            spilled: false,
            orphaned: false,
            preferred: None,
            review: None,
            stage: Stage::Queued,
            deadline: None,
            with: None,
            past_offers: Vec::new(),
            failed_offers: 0,
            answered: None,
            talk: 0,
            hold: 0,
            talk_here: 0,
            hold_here: 0,
            transfers: 0,
            disposition: None,
            resolved: None,
            recording: None,
            consult_of: None,
            consults: Vec::new(),
        }
    }

    pub fn create(&mut self, mut contact: Contact) -> Reply {
        contact.seq = self.next_seq();
        let (id, seq) = (contact.id.clone(), acd::ids::Seq(contact.seq));
        let event = ContactEvent::Enqueued {
            queue: contact.queue.clone(),
            channel: contact.channel,
            priority: contact.priority,
            effective: contact.effective,
            site: contact.site.clone(),
            ingress: contact.ingress.clone(),
        };
        self.contacts.insert(id.clone(), contact);
        self.tell(&id, event);
        Reply::Enqueued { seq, arrived: self.now }
    }

    fn schedule(&mut self, id: &ContactId, until: LogTime) {
        let contact = self.cm(id);
        contact.stage = Stage::Scheduled { until };
        contact.deadline = None;
        contact.review = Some(until);
        self.tell(id, ContactEvent::Scheduled { until });
    }

    fn hang_up(&mut self, who: &PrincipalId, id: &ContactId) -> Outcome {
        if !self.own_contact(who, id)? {
            let known = self.find_closed(id).is_some();
            return if known { Ok(Reply::Done) } else { Err(unknown("contact", id.as_str())) };
        }
        if self.c(id).is_live() {
            return self.end_conversation(id);
        }
        self.close_before_answer(id, Ending::Abandoned, OfferEnd::Abandoned);
        Ok(Reply::Done)
    }

    fn request_callback(
        &mut self,
        who: &PrincipalId,
        id: &ContactId,
        not_before: Option<LogTime>,
    ) -> Outcome {
        if !self.own_contact(who, id)? {
            return Err(self.closed_or_unknown(id));
        }
        let contact = self.c(id);
        if contact.channel == Channel::Callback {
            return Ok(Reply::Done);
        }
        if !self.may_become_callback(id) {
            return Err(Rejection::ChannelNotTaken { queue: contact.queue.as_str().into() });
        }
        if contact.is_live() {
            return Err(self.wrong_state(id));
        }
        let later = not_before.filter(|at| *at > self.now);
        if let Some(Millis(wait)) = later.map(|at| at.since(self.now))
            && wait > limits::DURATION_MAX.0
        {
            let max = limits::DURATION_MAX.0;
            return Err(Rejection::OutOfRange { what: "time", value: wait, min: 0, max });
        }
        let was_stranded = contact.stage == Stage::Stranded;
        self.call_back_instead(id, None);
        match later {
            Some(until) => self.schedule(id, until),
            None if was_stranded => self.strand(id),
            None => self.return_to_queue(id),
        }
        Ok(Reply::Done)
    }

    pub fn call_back_instead(&mut self, id: &ContactId, cause: Option<OverflowCause>) {
        if self.c(id).is_before_answer() {
            self.end_offer(id, OfferEnd::Withdrawn);
        }
        self.cm(id).review = None;
        self.become_callback(id, cause);
    }

    /// Refuses unless the contact waits, in its place or before an agent.
    fn waiting_contact(&self, id: &ContactId) -> Result<(), Rejection> {
        match self.contacts.get(id) {
            None => Err(self.closed_or_unknown(id)),
            Some(contact) if contact.is_live() => Err(self.wrong_state(id)),
            Some(_) => Ok(()),
        }
    }

    fn move_contact(&mut self, id: &ContactId, to: &QueueId) -> Outcome {
        let config = self.find_queue(to)?.config.clone();
        self.fire_left_over_of_contact(id);
        let Some(contact) = self.contacts.get(id) else {
            return Err(self.closed_or_unknown(id));
        };
        if !config.channels.contains(contact.channel) {
            return Err(Rejection::ChannelNotTaken { queue: to.as_str().into() });
        }
        self.waiting_contact(id)?;
        if contact.queue == *to {
            return Ok(Reply::Done);
        }
        let stays = matches!(contact.stage, Stage::Scheduled { .. } | Stage::Stranded);
        if contact.is_before_answer() {
            self.end_offer(id, OfferEnd::Withdrawn);
        }
        self.overflow_to(id, to, OverflowCause::Moved);
        if !stays {
            self.return_to_queue(id);
        }
        Ok(Reply::Done)
    }
}
