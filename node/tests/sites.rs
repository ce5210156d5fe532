//! Cities and nodes that are lost, and come back.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod common;

use std::time::Duration;

use acd::Centre;
use acd::channel::Channel;
use acd::command::{
    AgentCommand, Command, ConfigCommand, ContactCommand, Enqueue, SiteCommand, Submission,
};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, Priority, QueueConfig, Requirements, ReturnMode,
    SiteConfig,
};
use acd::event::{Event, SiteState};
use acd::ids::{AgentId, ContactId, NodeId, PrincipalId, QueueId, SessionEpoch, SiteId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::Millis;
use common::*;
use node::replica::Watch;
use node::submit::Answer;

const EDGE: &str = "edge";

fn agent(id: &str) -> AgentId {
    AgentId::new(id).unwrap()
}
fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}
fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}
fn queue() -> QueueId {
    QueueId::new("billing").unwrap()
}

impl Cluster {
    /// What a command of somebody is answered at a node, once somebody leads.
    async fn reply(&self, at: u64, who: &str, command: impl Into<Command>) -> Reply {
        let submission = Submission::new(PrincipalId::new(who).unwrap(), command.into());
        let answered = async {
            loop {
                match self.node(at).call(&submission).await {
                    Answer::Committed { reply, .. } => return reply,
                    Answer::Unavailable { .. } | Answer::Unknown { .. } => {}
                    refused => panic!("{submission:?}: {refused:?}"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap()
    }

    /// A queue that is patient with its agents, two of them, and a front end at this node.
    async fn staff(&self, at: u64) {
        let mut config = QueueConfig::new(queue(), label("Billing"));
        config.offer_timeout = Millis::minutes(10);
        config.handle_max = Millis::hours(1);
        self.reply(at, ADMIN, ConfigCommand::PutQueue { config, expected: None }).await;
        for name in ["anna", "boris"] {
            let config = AgentConfig {
                id: agent(name),
                name: label(name),
                home_site: site("kyiv"),
                skills: Vec::new(),
                queues: vec![Assignment { queue: queue(), grade: Grade::new(1).unwrap() }],
                capacity: Capacity::default(),
            };
            self.reply(at, ADMIN, ConfigCommand::PutAgent { config, expected: None }).await;
        }
        let principal = PrincipalId::new(EDGE).unwrap();
        let roles = Roles::of(&[Role::Ingress]);
        let (site, ingress) = (Some(site("kyiv")), principal.clone());
        let put = ConfigCommand::PutPrincipal { principal, roles, site, expected: None };
        self.reply(at, ADMIN, put).await;
        self.reply(at, EDGE, ContactCommand::Attach { ingress, node: NodeId(at) }).await;
    }

    /// An agent logs in at a node.
    async fn log_in(&self, name: &str, at: u64) -> SessionEpoch {
        let log_in = AgentCommand::LogIn { agent: agent(name), node: NodeId(at) };
        let Reply::LoggedIn { epoch, .. } = self.reply(at, name, log_in).await else {
            panic!("{name} is not logged in")
        };
        epoch
    }

    /// The same, and is ready.
    async fn at_work(&self, name: &str, at: u64) {
        let epoch = self.log_in(name, at).await;
        self.reply(at, name, AgentCommand::Ready { agent: agent(name), epoch }).await;
    }

    async fn call_comes(&self, id: &str, at: u64) {
        let enqueue = Enqueue {
            contact: ContactId::new(id).unwrap(),
            queue: queue(),
            channel: Channel::Voice,
            priority: Priority::new(0).unwrap(),
            site: None,
            requirements: Requirements::from([]),
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: Attributes::default(),
        };
        self.reply(at, EDGE, ContactCommand::Enqueue(enqueue)).await;
    }

    /// Waits until the state is such at a node.
    async fn sees(&self, at: u64, what: &str, is_so: impl Fn(&Centre) -> bool) {
        until(what, || is_so(self.node(at).state().view().centre())).await;
    }

    /// For as long as a leader looks fifty times at who answers, next to nothing is written.
    async fn is_quiet(&self, at: u64) {
        let applied = || self.node(at).state().last_applied();
        let before = applied();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let grown = applied() - before;
        assert!(grown < 10, "{grown} entries, although nothing happens");
    }

    /// What a watch at a node has seen until now.
    async fn seen(&self, at: u64, watch: &mut Watch) -> Vec<Event> {
        let end = ConfigCommand::PutSkill {
            skill: acd::ids::SkillId::new("the-end").unwrap(),
            name: label("The end"),
            expected: None,
        };
        self.reply(at, ADMIN, end).await;
        let is_end = |event: &Event| matches!(event, Event::Config { id, .. } if id == "the-end");
        let mut seen = Vec::new();
        while !seen.iter().any(is_end) {
            let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
            seen.extend(entry.events.iter().cloned());
        }
        seen
    }
}

/// Whom a call is offered to.
fn offered_to(centre: &Centre, id: &str) -> Option<String> {
    let contact = centre.contact(&ContactId::new(id).unwrap())?;
    let with = contact.stage.engagement()?;
    Some(centre.tables().agent(with.agent).id().to_string())
}

fn presence(centre: &Centre, name: &str) -> &'static str {
    centre.agent(&agent(name)).map_or("nobody", |agent| agent.presence.word())
}

fn state(centre: &Centre, id: &str) -> Option<SiteState> {
    centre.site(&site(id)).map(|site| site.state)
}

/// A city with an agent and a call that rings there is lost, and comes back.
async fn a_city_is_lost(is_leaders: bool) {
    let mut cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let gone = if is_leaders { leads } else { leads % 3 + 1 };
    let here = gone % 3 + 1;
    let city = ["kyiv", "lviv", "dnipro"][gone as usize - 1];
    let mut config = SiteConfig::new(site(city), label(city));
    config.return_mode = ReturnMode::After(Millis(300));
    cluster.reply(here, ADMIN, SiteCommand::Put { config, expected: None }).await;
    cluster.staff(here).await;
    cluster.at_work("anna", gone).await;
    cluster.call_comes("call-1", here).await;
    cluster.sees(here, "the call rings there", |c| offered_to(c, "call-1").is_some()).await;
    cluster.at_work("boris", here).await;
    let ((), mut watch) = cluster.node(here).state().watch(|_| ());
    cluster.is_quiet(here).await;

    cluster.stop(gone).await;
    cluster.sees(here, "the city is lost", |c| state(c, city) == Some(SiteState::Lost)).await;
    let is_elsewhere = |c: &Centre| offered_to(c, "call-1").as_deref() == Some("boris");
    cluster.sees(here, "the call rings elsewhere", is_elsewhere).await;
    cluster.sees(here, "anna is unreachable", |c| presence(c, "anna") == "unreachable").await;
    cluster.is_quiet(here).await;

    cluster.start(gone).await;
    cluster.sees(here, "it is back", |c| state(c, city) == Some(SiteState::Active)).await;
    cluster.log_in("anna", gone).await;
    cluster.call_comes("call-2", here).await;
    let is_there = |c: &Centre| offered_to(c, "call-2").as_deref() == Some("anna");
    cluster.sees(here, "calls ring there again", is_there).await;
    cluster.is_quiet(here).await;

    let events = cluster.seen(here, &mut watch).await;
    let states = events.iter().filter_map(|event| match event {
        Event::Site { site, state } if site.as_str() == city => Some(state.word()),
        _ => None,
    });
    let states: Vec<_> = states.collect();
    let lost = states.iter().position(|state| *state == "lost").unwrap();
    assert_eq!(
        states[lost - 1..lost + 3],
        ["suspect", "lost", "returning", "active"],
        "{states:?}"
    );
    let ends = events.iter().filter(|event| {
        let Event::Contact { contact, what } = event else { return false };
        let is_end = matches!(what, acd::event::ContactEvent::OfferEnded { .. });
        contact.as_str() == "call-1" && is_end
    });
    assert_eq!(ends.count(), 1, "the call was taken back once");
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_city_that_is_lost_ring_elsewhere_and_it_comes_back() {
    a_city_is_lost(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_leaders_city_ring_elsewhere_when_it_is_lost_and_it_comes_back() {
    a_city_is_lost(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_living_city_is_lost_with_its_sessions_alone() {
    let mut cluster = Cluster::found_at(&["kyiv", "kyiv", "lviv"], "").await;
    let leads = leader(&cluster).await;
    let gone = if leads == 1 { 2 } else { 1 };
    let neighbour = 3 - gone;
    cluster.staff(3).await;
    cluster.at_work("anna", gone).await;
    cluster.call_comes("call-1", 3).await;
    cluster.sees(3, "the call rings there", |c| offered_to(c, "call-1").is_some()).await;
    cluster.at_work("boris", neighbour).await;
    let ((), mut watch) = cluster.node(3).state().watch(|_| ());

    cluster.stop(gone).await;
    cluster.sees(3, "anna is unreachable", |c| presence(c, "anna") == "unreachable").await;
    let is_elsewhere = |c: &Centre| offered_to(c, "call-1").as_deref() == Some("boris");
    cluster.sees(3, "the call rings at the neighbour's", is_elsewhere).await;
    cluster.is_quiet(3).await;
    cluster.start(gone).await;
    cluster.agree().await;

    let events = cluster.seen(3, &mut watch).await;
    let lost: Vec<_> = events.iter().filter(|e| matches!(e, Event::NodeLost { .. })).collect();
    assert_eq!(lost, [&Event::NodeLost { node: NodeId(gone) }]);
    let is_lost = |event: &&Event| matches!(event, Event::Site { state: SiteState::Lost, .. });
    assert_eq!(events.iter().find(is_lost), None, "the city lives");
}
