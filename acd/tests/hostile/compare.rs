//! Everything that can be seen of the centre, held against the model.

use std::collections::BTreeSet;
use std::fmt::Debug;

use acd::Centre;
use acd::agent;
use acd::contact::{Contact, Details, Stage};
use acd::event::Event;
use acd::reply::Reply;
use acd::roles::Role;

use crate::model::{Model, Outcome, things};

type Finding = Result<(), String>;

fn same<T: PartialEq + Debug>(what: &str, is: T, should: T) -> Finding {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}:\n  centre {is:?}\n  model  {should:?}"))
}

/// Outcomes: replies are equal, rejections have the same code. The model has no hash.
pub fn outcomes(is: &Outcome, should: &Outcome) -> Finding {
    match (is, should) {
        (Ok(Reply::Checkpoint { .. }), Ok(Reply::Checkpoint { .. })) => Ok(()),
        (Ok(is), Ok(should)) => same("reply", is, should),
        (Err(is), Err(should)) if is.code() == should.code() => Ok(()),
        (is, should) => same("outcome", format!("{is:?}"), format!("{should:?}")),
    }
}

/// An event as the model can know it: without hashes, inverses, and words of rejections.
fn known(event: &Event) -> String {
    match event {
        Event::Checkpoint { index, .. } => format!("Checkpoint {index}"),
        Event::Audit(record) => {
            let mut record = record.clone();
            record.inverse = None;
            let code = record.refused.take().map(|r| r.code().to_owned());
            format!("Audit {record:?}, refused: {code:?}")
        }
        other => format!("{other:?}"),
    }
}

pub fn events(is: &[Event], should: &[Event]) -> Finding {
    let differ = |(a, b): (&Event, &Event)| a != b && known(a) != known(b);
    match is.iter().zip(should).position(differ) {
        Some(at) => {
            let before = &is[at.saturating_sub(3)..at];
            let what = format!("event {at}, after {before:#?}");
            same(&what, known(&is[at]), known(&should[at]))
        }
        None => {
            let common = is.len().min(should.len());
            same("further events", &is[common..], &should[common..])
        }
    }
}

/// The whole state.
pub fn states(centre: &Centre, model: &Model) -> Finding {
    same("initialised", centre.cluster(), model.cluster.as_ref())?;
    same("now", centre.clocks().now, model.now)?;
    same("gaps", centre.clocks().gaps, model.gaps)?;
    same("attended", centre.clocks().attended(), model.attended())?;
    same("next deadline", centre.next_deadline(), model.next_deadline())?;
    same("settings", centre.settings(), &model.settings)?;
    let counts = (model.contacts.len(), model.agents.len(), model.queues.len(), model.sites.len());
    same("counts", centre.counts(), counts)?;
    for contact in model.contacts.values() {
        let found = centre.contact(&contact.id);
        let found = found.ok_or_else(|| format!("{} is not live", contact.id))?;
        contacts(centre, found, contact).map_err(|e| format!("contact {}: {e}", contact.id))?;
        same("both live and closed", centre.closed_contact(&contact.id), None)?;
    }
    for agent in model.agents.values() {
        let id = &agent.config.id;
        let found = centre.agent(id).ok_or_else(|| format!("{id} is not on the roster"))?;
        agents(centre, found, model, agent).map_err(|e| format!("agent {id}: {e}"))?;
    }
    for queue in model.queues.values() {
        let id = &queue.config.id;
        let found = centre.queue(id).ok_or_else(|| format!("there is no queue {id}"))?;
        queues(found, model, queue).map_err(|e| format!("queue {id}: {e}"))?;
    }
    for site in model.sites.values() {
        let id = &site.config.id;
        let found = centre.site(id).ok_or_else(|| format!("there is no site {id}"))?;
        sites(found, model, site).map_err(|e| format!("site {id}: {e}"))?;
    }
    for (id, principal) in &model.principals {
        let found = centre.principal(id).ok_or_else(|| format!("{id} has no roles"))?;
        same("roles", found.roles, principal.roles)?;
        same("site of a principal", &found.site, &principal.site)?;
        same("revision of a principal", found.revision.0, principal.revision)?;
    }
    same("last node", centre.last_node(), model.last_node)?;
    same("revision of members", centre.members_revision().0, model.members_revision)?;
    let is = centre.members().map(|(n, site)| (n.id, site, n.role, n.leaving, n.home.as_ref()));
    let should = model.nodes.iter();
    let should = should.map(|(id, n)| (*id, &n.site, n.role, n.leaving, n.home.as_ref()));
    same("members", is.collect::<Vec<_>>(), should.collect())?;
    same("tokens", centre.tokens().collect::<Vec<_>>(), model.tokens.iter().collect())?;
    for node in 1..=model.last_node {
        let id = acd::ids::PrincipalId::new(&format!("node-{node}")).expect("a slug");
        let is_member = centre.roles_of(&id).contains(Role::Node);
        let should = model.nodes.keys().any(|n| n.0 == node);
        same("membership of a node", (node, is_member), (node, should))?;
    }
    closed(centre, model)
}

fn contacts(centre: &Centre, is: &Contact, should: &things::Contact) -> Finding {
    let tables = centre.tables();
    same("number", is.seq.0, should.seq)?;
    same("channel", is.channel, should.channel)?;
    same("priority", is.priority, should.priority)?;
    same("queue", tables.queue(is.queue).id(), &should.queue)?;
    same("site", tables.site(is.site).id(), &should.site)?;
    same("ingress", &is.ingress, &should.ingress)?;
    same("requirements", &is.requirements[..], &should.requirements[..])?;
    same("attributes", &is.attributes, &should.attributes)?;
    same("arrived", is.arrived, should.arrived)?;
    same("effective", is.effective, should.effective)?;
    same("entered queue", is.entered_queue, should.entered_queue)?;
    same("stage", is.stage.word(), should.word())?;
    same("step", usize::from(is.step), should.step)?;
    same("spilled", is.spilled, should.spilled)?;
    same("orphaned", is.orphaned, should.orphaned)?;
    let preferred = is.preferred.as_ref().map(|p| (p.agent.clone(), p.until));
    same("preferred", &preferred, &should.preferred)?;
    same("wait deadline", is.wait_deadline, should.wait_deadline)?;
    same("review", is.review, should.review)?;
    same("deadline", is.stage.deadline(), should.deadline)?;
    let since = match is.stage {
        Stage::Scheduled { until } => things::Stage::Scheduled { until },
        Stage::Queued => things::Stage::Queued,
        Stage::Stranded { .. } => things::Stage::Stranded,
        Stage::Offered { .. } => things::Stage::Offered,
        Stage::Accepted { .. } => things::Stage::Accepted,
        Stage::Connected { .. } => things::Stage::Connected,
        Stage::Held { since, .. } => things::Stage::Held { since },
        Stage::WrapUp { since, .. } => things::Stage::WrapUp { since },
    };
    same("stage since", since, should.stage)?;
    let with = is.stage.engagement().map(|with| things::With {
        token: with.token,
        agent: tables.agent(with.agent).id().clone(),
        site: tables.site(with.site).id().clone(),
        offered: with.offered,
        reason: with.reason,
    });
    same("with", &with, &should.with)?;
    same("past offers", &is.past_offers, &should.past_offers)?;
    same("failed offers", is.failed_offers, should.failed_offers)?;
    same("answered", is.answered, should.answered)?;
    let times = (is.talk.0, is.hold.0, is.talk_here.0, is.hold_here.0);
    let expected = (should.talk, should.hold, should.talk_here, should.hold_here);
    same("talk, hold, talk here, hold here", times, expected)?;
    same("transfers", is.transfers, should.transfers)?;
    let details = is.details.as_deref().cloned().unwrap_or_default();
    let expected = Details {
        disposition: should.disposition.clone(),
        resolved: should.resolved,
        recording: should.recording.clone(),
        consult_of: should.consult_of.clone(),
        consults: should.consults.clone(),
    };
    same("details", details, expected)
}

fn agents(centre: &Centre, is: &agent::Agent, model: &Model, should: &things::Agent) -> Finding {
    let tables = centre.tables();
    let id = &should.config.id;
    same("config", &*is.config, &should.config)?;
    same("number", is.seq.0, should.seq)?;
    same("revision", is.revision.0, should.revision)?;
    let moved = is.moved.as_ref().map(|m| (m.queues.clone(), m.home_site.clone(), m.until));
    let expected = should.moved.as_ref().map(|m| (m.queues.clone(), m.home_site.clone(), m.until));
    same("moved", moved, expected)?;
    let session = is.session.map(|s| things::Session {
        epoch: s.epoch.0,
        node: s.node,
        site: tables.site(s.site).id().clone(),
    });
    same("session", &session, &should.session)?;
    let presence = match is.presence.clone() {
        agent::Presence::Offline => things::Presence::Offline,
        agent::Presence::Ready => things::Presence::Ready,
        agent::Presence::NotReady(reason) => things::Presence::NotReady(reason),
        agent::Presence::Unreachable { deadline, before } => {
            things::Presence::Unreachable { deadline, before }
        }
    };
    same("presence", &presence, &should.presence)?;
    same("pending", &is.pending, &should.pending)?;
    same("closed media", is.closed_media, should.closed_media)?;
    same("idle", (is.idle.0, is.idle_since), (should.idle, should.idle_since))?;
    same("occupancy", is.occupancy_ppm, should.occupancy_ppm)?;
    same("last offer", is.last_offer.0, should.last_offer)?;
    same("activity since", is.activity_since, should.activity_since)?;
    same("metrics", &is.metrics, &should.metrics)?;
    same("load", is.load(), model.load_of(id))
}

fn queues(is: &acd::queue::Queue, model: &Model, should: &things::Queue) -> Finding {
    same("config", &*is.config, &should.config)?;
    same("number", is.seq.0, should.seq)?;
    same("revision", is.revision.0, should.revision)?;
    same("closed until", is.closure.map(|c| c.until), should.closed_until)?;
    let credits: Vec<_> = is.credits.iter().map(|c| (c.site.clone(), c.credit)).collect();
    same("credits", &credits, &should.credits)?;
    same("current site", &is.current_site, &should.current_site)?;
    same("metrics", &is.metrics, &should.metrics)?;
    same("length", is.length(), model.length_of(&should.config.id))
}

fn sites(is: &acd::site::Site, model: &Model, should: &things::Site) -> Finding {
    same("config", &is.config, &should.config)?;
    same("number", is.seq.0, should.seq)?;
    same("revision", is.revision.0, should.revision)?;
    same("state", is.state, should.state)?;
    same("silent", is.silent, should.silent)?;
    same("drain", is.drain, should.drain)?;
    same("metrics", &is.metrics, &should.metrics)?;
    same("engaged", is.engaged(), model.engaged_at(&should.config.id))
}

fn closed(centre: &Centre, model: &Model) -> Finding {
    let mut ids = BTreeSet::new();
    for should in &model.closed {
        if !ids.insert(&should.id) {
            return Err(format!("{} is closed twice", should.id));
        }
        let found = centre.closed_contact(&should.id);
        let is = found.ok_or_else(|| format!("{} is forgotten too early", should.id))?;
        let left = (is.seq.0, &is.ingress, is.arrived, is.closed, is.channel, is.outcome);
        let right = (
            should.seq,
            &should.ingress,
            should.arrived,
            should.closed,
            should.channel,
            should.outcome,
        );
        same("closed contact", left, right)?;
        same("its token", (is.token, &is.agent), (should.token, &should.agent))?;
    }
    Ok(())
}
