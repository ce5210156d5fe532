//! Reads: lists, pages, single things, and how old they are.

use std::collections::BTreeSet;

use acd::command::{ConfigCommand, WorkCommand};
use acd::ids::{ContactId, OfferToken, SkillId};
use proto::api::v1 as api;
use proto::api::v1::configured_object::Object;
use proto::stored::v1 as stored;

use crate::centre::*;
use crate::common::*;

/// Snapshots soon, and with them records.
const SMALL_LOG: &str = "[log]\nsnapshot_after_bytes = 65536\n";

fn put_skill_command(id: &str) -> ConfigCommand {
    let skill = SkillId::new(id).unwrap();
    ConfigCommand::PutSkill { skill, name: label(id), expected: None }
}

fn ids<T>(rows: &[T], id: impl Fn(&T) -> &str) -> Vec<String> {
    rows.iter().map(|row| id(row).to_owned()).collect()
}

fn contact_ids(response: &api::ListContactsResponse) -> Vec<String> {
    ids(&response.contacts, |contact| &contact.id)
}

fn agent_ids(response: &api::ListAgentsResponse) -> Vec<String> {
    ids(&response.agents, |agent| &agent.config.as_ref().unwrap().id)
}

/// The bridge and the end of a call that an agent was offered.
async fn talk(centre: &Centre, who: &str, id: &str) -> u64 {
    let token = centre.token(id).await;
    let (contact, offer) = (ContactId::new(id).unwrap(), OfferToken(token));
    centre.submit(1, who, WorkCommand::Accept { contact, token: offer }).await;
    let bridged = stored::contact_command::Bridged { contact: id.to_owned(), token };
    committed(async || centre.contacts(1, "edge").bridged(bridged.clone()).await).await;
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_have_filters_and_pages_and_say_how_many_there_are() {
    let centre = Centre::open("").await;
    centre.log_in(1, "anna").await;
    centre.log_in(2, "bohdan").await;
    for n in 1..=7 {
        centre.enqueue(&format!("call-{n}"), "billing").await;
    }
    for n in 1..=3 {
        centre.enqueue(&format!("loan-{n}"), "loans").await;
    }
    talk(&centre, "anna", "call-1").await;

    // Contacts, by place.
    let reads = centre.reads(1, "vera");
    let contacts = async |request: api::ListContactsRequest| {
        let request = api::ListContactsRequest { linearizable: true, ..request };
        patiently(async || reads.clone().list_contacts(request.clone()).await).await
    };
    let all = contacts(api::ListContactsRequest::default()).await;
    assert_eq!((all.total, all.contacts.len()), (10, 10));
    let places: Vec<_> = all.contacts.iter().map(|c| (c.effective_ms, c.seq)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let mut pages = Vec::new();
    for skip in (0..10).step_by(4) {
        let page = contacts(api::ListContactsRequest { skip, page_size: 4, ..Default::default() });
        let page = page.await;
        assert_eq!(page.total, 10);
        pages.extend(contact_ids(&page));
    }
    assert_eq!(pages, contact_ids(&all));
    let of = async |queue: Option<&str>, site: Option<&str>, stage: Option<&str>, text: &str| {
        let of = |word: Option<&str>| word.map(str::to_owned);
        let (queue, site, stage, text) = (of(queue), of(site), of(stage), text.to_owned());
        contacts(api::ListContactsRequest { queue, site, stage, text, ..Default::default() }).await
    };
    assert_eq!(of(Some("loans"), None, None, "").await.total, 3);
    assert_eq!(of(None, Some("kyiv"), None, "").await.total, 10, "their media is where edge is");
    assert_eq!(of(None, Some("lviv"), None, "").await.total, 0);
    assert_eq!(contact_ids(&of(None, None, Some("connected"), "").await), ["call-1"]);
    assert_eq!(contact_ids(&of(None, None, Some("offered"), "").await), ["call-2"]);
    let waiting = of(Some("billing"), None, Some("queued"), "CALL-").await;
    assert_eq!(contact_ids(&waiting), ["call-3", "call-4", "call-5", "call-6", "call-7"]);
    assert_eq!(of(None, None, None, "an-").await.total, 3);

    // Agents, by id.
    let agents = async |request: api::ListAgentsRequest| {
        let request = api::ListAgentsRequest { linearizable: true, ..request };
        patiently(async || reads.clone().list_agents(request.clone()).await).await
    };
    let all = agents(api::ListAgentsRequest::default()).await;
    assert_eq!(
        (all.total, agent_ids(&all)),
        (3, vec!["anna".into(), "bohdan".into(), "iryna".into()])
    );
    let first = agents(api::ListAgentsRequest { page_size: 2, ..Default::default() }).await;
    assert_eq!((first.total, agent_ids(&first)), (3, vec!["anna".into(), "bohdan".into()]));
    let after = "bohdan".to_owned();
    let rest = agents(api::ListAgentsRequest { after, page_size: 2, ..Default::default() }).await;
    assert_eq!((rest.total, agent_ids(&rest)), (3, vec!["iryna".into()]));
    let loans = api::ListAgentsRequest { queue: Some("loans".into()), ..Default::default() };
    assert_eq!(agent_ids(&agents(loans).await), ["iryna"]);
    let named = api::ListAgentsRequest { text: "АНН".into(), ..Default::default() };
    assert_eq!(agent_ids(&agents(named).await), ["anna"]);
    let ready = api::ListAgentsRequest { presence: Some("ready".into()), ..Default::default() };
    assert_eq!(agent_ids(&agents(ready).await), ["anna", "bohdan"]);
    for (site, who) in [("kyiv", "anna"), ("lviv", "bohdan"), ("dnipro", "iryna")] {
        let there = api::ListAgentsRequest { site: Some(site.into()), ..Default::default() };
        assert_eq!(agent_ids(&agents(there).await), [who], "{site}");
    }
    let anna = api::GetAgentRequest { linearizable: true, agent: "anna".into() };
    let anna = patiently(async || reads.clone().get_agent(anna.clone()).await).await;
    let anna = anna.agent.unwrap();
    assert_eq!(anna, all.agents[0]);
    assert_eq!(anna.session.unwrap().site, "kyiv");
    let work = api::agent_status::AgentWork {
        contact: "call-1".into(),
        stage: "connected".into(),
        queue: "billing".into(),
    };
    assert_eq!(anna.work, [work]);
    assert_eq!(anna.metrics.unwrap().today.unwrap().answered, 1);

    // Queues, by id, with what agents and contacts there do.
    let queues = api::ListQueuesRequest { linearizable: true, queue: None };
    let queues = patiently(async || reads.clone().list_queues(queues.clone()).await).await.queues;
    assert_eq!(ids(&queues, |queue| &queue.config.as_ref().unwrap().id), ["billing", "loans"]);
    let billing = &queues[0];
    assert!(billing.open);
    let counts = (billing.waiting, billing.offered, billing.connected, billing.stranded);
    assert_eq!(counts, (5, 1, 1, 0));
    assert!(billing.oldest_wait_ms.is_some() && billing.expected_head_of_line_ms.is_some());
    assert_eq!(billing.agents, Some(api::AgentCounts { busy: 2, ..Default::default() }));
    assert_eq!(billing.metrics.as_ref().unwrap().today.as_ref().unwrap().answered, 1);
    assert_eq!(queues[1].agents, Some(api::AgentCounts { offline: 1, ..Default::default() }));
    let one = api::ListQueuesRequest { linearizable: true, queue: Some("loans".into()) };
    let one = patiently(async || reads.clone().list_queues(one.clone()).await).await.queues;
    assert_eq!((one.len(), one[0].waiting), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_explained_while_it_lives_and_recorded_when_it_is_over() {
    let centre = Centre::open(SMALL_LOG).await;
    centre.log_in(2, "bohdan").await;
    centre.enqueue("first", "billing").await;
    centre.enqueue("second", "billing").await;
    centre.enqueue("third", "billing").await;

    // With whom, and why.
    let reads = centre.reads(3, "vera");
    let explain = async |id: &str| {
        let request = api::ExplainContactRequest { linearizable: true, contact: id.to_owned() };
        patiently(async || reads.clone().explain_contact(request.clone()).await).await
    };
    let first = explain("first").await;
    let with = first.with.unwrap();
    assert_eq!((&*first.stage, &*with.agent, &*with.site), ("offered", "bohdan", "lviv"));
    assert_eq!(with.reason.unwrap().grade, 1);
    assert_eq!(first.excluded, []);
    // Why nobody.
    let third = explain("third").await;
    assert_eq!((&*third.stage, &*third.queue, third.with), ("queued", "billing", None));
    let excluded: BTreeSet<_> =
        third.excluded.iter().map(|e| (&*e.rule, &*e.about, e.agents)).collect();
    assert_eq!(excluded, BTreeSet::from([("offline", "", 2), ("busy", "", 1)]));
    let agents: Vec<_> = third.agents.iter().map(|a| (&*a.agent, &*a.rule)).collect();
    assert_eq!(agents, [("anna", "offline"), ("bohdan", "busy"), ("iryna", "offline")]);
    let third = centre.contact("third").await;
    let live = third.live.unwrap();
    assert_eq!((live.ahead, &*live.ingress, &*live.site), (Some(1), "edge", "kyiv"));
    assert_eq!(centre.contact("first").await.live.unwrap().ahead, None, "it does not wait");
    let token = centre.token("first").await;
    let (contact, offer) = (ContactId::new("first").unwrap(), OfferToken(token));
    centre.submit(1, "bohdan", WorkCommand::Decline { contact, token: offer }).await;
    let first = explain("first").await;
    let past: Vec<_> = first.past_offers.iter().map(|o| (o.token, &*o.agent, o.end())).collect();
    assert_eq!(past, [(token, "bohdan", stored::OfferEnd::Declined)]);

    // Over: remembered at once, recorded with the next snapshot.
    centre.hang_up("first").await;
    let over = centre.contact("first").await;
    assert_eq!((over.live, over.closed.unwrap().outcome()), (None, stored::Outcome::Abandoned));
    let recorded = async {
        for n in 0.. {
            let get = api::GetContactRequest { contact: "first".into(), ..Default::default() };
            let records = reads.clone().get_contact(get).await.unwrap().into_inner().records;
            if let [record] = &*records {
                return record.clone();
            }
            centre
                .configure(put_skill_command(&format!("skill-{}-{}", "x".repeat(50), n % 100)))
                .await;
        }
        unreachable!()
    };
    let record = tokio::time::timeout(PATIENCE, recorded).await.unwrap();
    assert_eq!((&*record.contact, record.outcome()), ("first", stored::Outcome::Abandoned));
    assert_eq!(record.failed_offers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_is_told_with_its_nodes_and_sites() {
    let centre = Centre::open("").await;
    centre.log_in(1, "anna").await;
    centre.log_in(2, "bohdan").await;
    centre.enqueue("c1", "billing").await;
    centre.enqueue("c2", "loans").await;
    let leads = leader(&centre.cluster).await;
    let follows = leads % 3 + 1;
    let request = api::GetClusterRequest { linearizable: true };
    let reads = centre.reads(follows, "vera");
    let get = async || patiently(async || reads.clone().get_cluster(request).await).await;
    // Peers are asked every second.
    let told = async {
        loop {
            let told = get().await;
            let nodes = &told.cluster.as_ref().unwrap().nodes;
            if nodes.iter().all(|node| node.applied.is_some()) {
                return told;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    let (freshness, cluster) = (told.freshness.unwrap(), told.cluster.unwrap());
    assert_eq!(
        (&*freshness.cluster, freshness.node, freshness.leader),
        ("Test", follows, Some(leads))
    );
    assert_eq!((freshness.part(), freshness.halted), (api::Part::Follower, None));
    assert_eq!(freshness.token.unwrap().index, freshness.applied);
    assert!(freshness.age_ms.is_some() && freshness.term > 0 && freshness.now_ms > 0);
    assert_eq!((&*cluster.name, cluster.version, cluster.replay), ("Test", 1, false));
    assert_eq!(cluster.id, centre.cluster.founded.founding.cluster.to_string());
    assert_eq!((cluster.contacts, cluster.agents, cluster.queues), (2, 3, 2));
    assert_eq!(cluster.state_hash.len(), 32);

    let sites = ["kyiv", "lviv", "dnipro"];
    for (number, node) in (1..).zip(&cluster.nodes) {
        assert_eq!((node.node, &*node.site), (number, sites[number as usize - 1]));
        assert_eq!(node.address, centre.cluster.setup(number).config.address);
        assert_eq!((node.voter, node.leads), (true, number == leads));
        let heard = (node.heard_ms.is_some(), node.round_trip_us.is_some());
        assert_eq!(heard, (true, number != follows), "of itself there is no round trip");
    }
    assert_eq!(ids(&cluster.sites, |site| &site.id), ["dnipro", "kyiv", "lviv"]);
    let kyiv = &cluster.sites[1];
    assert_eq!((&*kyiv.nodes, kyiv.engaged, kyiv.waiting), (&[1][..], 1, 1));
    assert_eq!(kyiv.agents, Some(api::AgentCounts { busy: 1, ..Default::default() }));
    assert!(matches!(
        kyiv.state.as_ref().unwrap().state,
        Some(stored::site_state::State::Active(_))
    ));
    let lviv = &cluster.sites[2];
    assert_eq!(lviv.agents, Some(api::AgentCounts { free: 1, ..Default::default() }));
    let dnipro = &cluster.sites[0];
    assert_eq!(dnipro.agents, Some(api::AgentCounts { offline: 1, ..Default::default() }));

    // What was heard stays when the node is gone, and gets old.
    let mut centre = centre;
    let gone = (1..=3).find(|number| *number != leads && *number != follows).unwrap();
    let before = cluster.nodes[gone as usize - 1].heard_ms.unwrap();
    centre.cluster.stop(gone).await;
    let reads = centre.reads(follows, "vera");
    let old = async {
        loop {
            let told = reads.clone().get_cluster(api::GetClusterRequest::default()).await.unwrap();
            let cluster = told.into_inner().cluster.unwrap();
            // Longer than between two questions.
            if cluster.nodes[gone as usize - 1].heard_ms.unwrap() > before + 3_000 {
                return cluster.nodes[gone as usize - 1].clone();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let node = tokio::time::timeout(PATIENCE, old).await.unwrap();
    assert!(node.applied.is_some() && node.round_trip_us.is_some(), "{node:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_comes_whole_in_an_order_in_which_it_can_be_applied() {
    let centre = Centre::open("").await;
    centre.configure(put_skill_command("russian")).await;
    centre.configure(put_queue("loans")).await;
    let mut objects = Vec::new();
    let begun =
        async || centre.reads(2, "vera").get_configuration(api::GetConfigurationRequest {}).await;
    let mut stream = patiently(begun).await;
    while let Some(object) = stream.message().await.unwrap() {
        objects.push((object.revision, object.object.unwrap()));
    }
    let Object::Freshness(freshness) = &objects[0].1 else { panic!("{:?}", objects[0]) };
    assert_eq!(freshness.node, 2);
    let name = |(revision, object): &(u64, Object)| match object {
        Object::Freshness(_) => "freshness".to_owned(),
        Object::Site(site) => format!("site {} {revision}", site.id),
        Object::Skill(skill) => format!("skill {} {revision}", skill.id),
        Object::Calendar(calendar) => format!("calendar {} {revision}", calendar.id),
        Object::Queue(queue) => format!("queue {} {revision}", queue.id),
        Object::Agent(agent) => format!("agent {} {revision}", agent.id),
        Object::Principal(principal) => {
            let roles: Vec<_> = principal.roles().map(|role| role.as_str_name()).collect();
            format!("principal {} {}", principal.id, roles.join(" "))
        }
        Object::Settings(_) => format!("settings {revision}"),
    };
    let names: Vec<_> = objects.iter().skip(1).map(name).collect();
    assert_eq!(
        names,
        [
            "site dnipro 1",
            "site kyiv 1",
            "site lviv 1",
            "skill russian 1",
            "queue billing 1",
            "queue loans 2",
            "agent anna 1",
            "agent bohdan 1",
            "agent iryna 1",
            "principal desk ROLE_GATEWAY",
            "principal edge ROLE_INGRESS",
            "principal olena ROLE_VIEWER ROLE_SUPERVISOR ROLE_OPERATOR ROLE_ADMIN",
            "principal sasha ROLE_SUPERVISOR",
            "principal vera ROLE_VIEWER",
            "settings 0",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linearizable_read_of_a_follower_has_what_was_just_committed() {
    let centre = Centre::open("").await;
    for n in 1..=20 {
        let leads = leader(&centre.cluster).await;
        let id = format!("call-{n}");
        committed(async || centre.contacts(leads, "edge").enqueue(call(&id, "loans")).await).await;
        let contact = id.clone();
        let get = api::GetContactRequest { linearizable: true, contact };
        let follower = centre.reads(leads % 3 + 1, "vera");
        let told = patiently(async || follower.clone().get_contact(get.clone()).await).await;
        assert_eq!(told.live.unwrap().ahead, Some(n - 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_in_the_audit_trail_at_every_node_whether_on_disk_or_not() {
    let centre = Centre::open(SMALL_LOG).await;
    for n in 0..30 {
        centre.configure(put_skill_command(&format!("skill-{n}"))).await;
    }
    // Enough for a snapshot, and with it a segment.
    for n in 0..400 {
        centre.enqueue(&format!("call-{n}"), "billing").await;
    }
    centre.configure(put_skill_command("last")).await;
    let skill = |entry: &api::AuditEntry| {
        use stored::any_command::Command;
        use stored::config_command::Command as Config;
        let command = entry.record.as_ref()?.command.as_ref()?.command.as_ref()?;
        let Command::Config(stored::ConfigCommand { command: Some(Config::PutSkill(put)) }) =
            command
        else {
            return None;
        };
        Some(put.skill.clone())
    };
    let mut told = Vec::new();
    for node in 1..=3 {
        let reads = centre.reads(node, "vera");
        let mut skills = Vec::new();
        let mut after = None;
        loop {
            let request = api::ListAuditRequest {
                linearizable: true,
                page_size: 7,
                principal: Some(ADMIN.to_owned()),
                after: after.clone(),
                ..api::ListAuditRequest::default()
            };
            let page = patiently(async || reads.clone().list_audit(request.clone()).await).await;
            skills.extend(page.entries.iter().filter_map(skill));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(skills.last().map(String::as_str), Some("last"), "node {node}");
        let wanted = (0..30).map(|n| format!("skill-{n}")).chain(["last".to_owned()]);
        assert_eq!(skills, wanted.collect::<Vec<_>>(), "node {node}");
        told.push(skills);
    }
    let reads = centre.reads(1, "vera");
    let request = api::ListAuditRequest {
        principal: Some("vera".into()),
        ..api::ListAuditRequest::default()
    };
    let none = patiently(async || reads.clone().list_audit(request.clone()).await).await;
    assert!(none.entries.is_empty(), "she has done nothing");
}
