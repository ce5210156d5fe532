//! Commands, one call at a time, and who may give them.

use acd::codec::encode_submission;
use acd::command::{
    AgentCommand, ClusterCommand, ConfigCommand, ContactCommand, SiteCommand, Submission,
    WorkCommand,
};
use acd::config::SiteConfig;
use acd::ids::{AgentId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, SiteId, SkillId};
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::Label;
use acd::time::LogTime;
use node::api::SESSION;
use node::seams::{SystemClock, WallClock};
use node::submit::Answer;
use proto::api::v1 as api;
use proto::api::v1::watch_request::Filter;
use proto::stored::v1 as stored;
use proto::stored::v1::{contact_command, submission, work_command};
use tonic::{Code, Request, Status};

use crate::centre::*;
use crate::common::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_calls_take_a_contact_from_its_arrival_to_its_end() {
    let centre = Centre::open("").await;
    let session = centre.log_in(1, "anna").await;
    let Reply::Enqueued { seq, .. } = centre.enqueue("c1", "billing").await else { panic!() };
    let Reply::Enqueued { seq: again, .. } = centre.enqueue("c1", "billing").await else {
        panic!()
    };
    assert_eq!(again, seq, "a repeat gets the first answer");
    let (contact, token) = ("c1".to_owned(), centre.token("c1").await);

    // An agent acts from the session it has; a desktop server keeps sessions apart by itself.
    let accept = work_command::Accept { contact: contact.clone(), token };
    let (index, code, words) = refused(centre.work(3, "anna").accept(accept.clone())).await;
    assert_eq!((index, &*code), (0, "session-missing"));
    assert!(words.contains(SESSION), "{words}");
    let mut odd = Request::new(accept.clone());
    odd.metadata_mut().insert(SESSION, "first".parse().unwrap());
    assert_eq!(refused(centre.work(3, "anna").accept(odd)).await.1, "malformed");
    let stale = in_session(session + 1_000_000, accept.clone());
    assert_eq!(refused(centre.work(3, "anna").accept(stale)).await.1, "stale-session");
    let anna = async || centre.work(3, "anna").accept(in_session(session, accept.clone())).await;
    assert_eq!(committed(anna).await, Reply::Accepted { bridging: true });
    assert_eq!(committed(anna).await, Reply::Accepted { bridging: true });
    // The stream of commands is no way round that.
    let id = ContactId::new("c1").unwrap();
    let command = WorkCommand::Accept { contact: id, token: OfferToken(token) };
    let without = Submission::new(PrincipalId::new("anna").unwrap(), command.into());
    let answer = centre.cluster.ask(3, &centre.identity("anna"), &without).await;
    assert!(
        matches!(&answer, Answer::Refused { code, .. } if code == "session-missing"),
        "{answer:?}"
    );
    let desk = async || centre.work(2, "desk").accept(accept.clone()).await;
    assert_eq!(committed(desk).await, Reply::Accepted { bridging: true });

    let bridged = contact_command::Bridged { contact: contact.clone(), token };
    committed(async || centre.contacts(3, "edge").bridged(bridged.clone()).await).await;
    let hold = work_command::Hold { contact: contact.clone(), token };
    committed(async || centre.work(1, "anna").hold(in_session(session, hold.clone())).await).await;
    assert_eq!(centre.contact("c1").await.live.unwrap().stage, "held");
    let retrieve = work_command::Retrieve { contact: contact.clone(), token };
    let retrieve =
        async || centre.work(1, "anna").retrieve(in_session(session, retrieve.clone())).await;
    committed(retrieve).await;
    let end = work_command::End { contact: contact.clone(), token };
    committed(async || centre.work(1, "anna").end(in_session(session, end.clone())).await).await;
    assert_eq!(centre.contact("c1").await.live.unwrap().stage, "wrap-up");
    let complete = work_command::Complete {
        contact: contact.clone(),
        token,
        disposition: Some("bill explained".to_owned()),
        resolved: Some(true),
    };
    let complete =
        async || centre.work(1, "anna").complete(in_session(session, complete.clone())).await;
    committed(complete).await;
    let csat = contact_command::RecordCsat { contact: contact.clone(), score: 90 };
    committed(async || centre.contacts(1, "edge").record_csat(csat.clone()).await).await;
    let over = centre.contact("c1").await;
    assert_eq!(over.live, None);
    let closed = over.closed.unwrap();
    assert_eq!((closed.outcome(), closed.agent), (stored::Outcome::Handled, Some("anna".into())));

    // A stale token is refused by whoever applies it, with what is true.
    for (index, code, words) in [
        refused(
            centre
                .contacts(1, "edge")
                .bridge_failed(contact_command::BridgeFailed { contact: contact.clone(), token }),
        )
        .await,
        refused(
            centre
                .work(1, "desk")
                .decline(work_command::Decline { contact: contact.clone(), token: token + 1 }),
        )
        .await,
    ] {
        assert!(index > 0);
        assert_eq!(code, "stale-token");
        assert!(words.contains("is closed"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_is_told_so_and_what_cannot_be_is_refused_with_words() {
    let centre = Centre::open("").await;
    let path = "/quorumcall.api.v1.Contacts/Enqueue takes one of the roles ingress, gateway";
    let words = denied(centre.contacts(2, "vera").enqueue(call("c1", "billing"))).await;
    assert_eq!(words, format!("{path}; vera has viewer"));
    let words = denied(centre.contacts(2, "nobody").enqueue(call("c1", "billing"))).await;
    assert_eq!(words, format!("{path}; nobody has none that this node knows of"));
    denied(centre.reads(1, "edge").get_cluster(api::GetClusterRequest::default())).await;
    denied(centre.reads(1, "anna").get_cluster(api::GetClusterRequest::default())).await;
    denied(centre.watches(1, "edge").watch(api::WatchRequest::default())).await;
    denied(centre.administration(1, "vera").configure(api::ConfigureRequest::default())).await;
    denied(centre.work(1, "edge").hold(work_command::Hold::default())).await;

    // A role that is given counts, and is gone when it is taken away, at once where it was applied.
    let grant = |roles: &[Role]| ConfigCommand::PutPrincipal {
        principal: principal("nobody"),
        roles: Roles::of(roles),
        site: None,
        expected: None,
    };
    centre.configure(grant(&[Role::Viewer])).await;
    centre.cluster.agree().await;
    let cluster = centre.reads(2, "nobody").get_cluster(api::GetClusterRequest::default()).await;
    assert_eq!(cluster.unwrap().into_inner().cluster.unwrap().name, "Test");
    centre.configure(grant(&[])).await;
    centre.cluster.agree().await;
    denied(centre.reads(2, "nobody").get_cluster(api::GetClusterRequest::default())).await;

    // Malformed ids: of commands, refused; of reads, invalid.
    let (index, code, words) =
        refused(centre.contacts(1, "edge").enqueue(call("a b", "billing"))).await;
    assert_eq!((index, &*code, &*words), (0, "invalid-id", "\"a b\" is not a contact id"));
    let nowhere = stored::Enqueue { queue: "Billing".into(), ..call("c1", "billing") };
    assert_eq!(refused(centre.contacts(1, "edge").enqueue(nowhere)).await.1, "invalid-id");
    let mut reads = centre.reads(1, "vera");
    let contact = "a b".to_owned();
    let get = api::GetContactRequest { linearizable: false, contact: contact.clone() };
    assert_eq!(invalid(reads.get_contact(get)).await, "\"a b\" is not a contact id");
    let explain = api::ExplainContactRequest { linearizable: false, contact };
    assert_eq!(invalid(reads.explain_contact(explain)).await, "\"a b\" is not a contact id");
    let get = api::GetAgentRequest { linearizable: false, agent: "Anna".into() };
    assert_eq!(invalid(reads.get_agent(get)).await, "\"Anna\" is not a agent id");
    let list = api::ListQueuesRequest { queue: Some("!".into()), ..Default::default() };
    invalid(reads.list_queues(list)).await;
    let list = api::ListAgentsRequest { presence: Some("gone".into()), ..Default::default() };
    let words = invalid(reads.list_agents(list)).await;
    assert_eq!(words, "a presence is one of: offline, ready, not-ready, unreachable");
    let list = api::ListAgentsRequest { page_size: 1_001, ..Default::default() };
    assert_eq!(invalid(reads.list_agents(list)).await, "a page has at most 1000 rows");
    let list = api::ListContactsRequest { stage: Some("lost".into()), ..Default::default() };
    invalid(reads.list_contacts(list)).await;
    let list = api::ListContactsRequest { text: "x".repeat(201), ..Default::default() };
    invalid(reads.list_contacts(list)).await;
    let filter = Some(Filter { kinds: vec![0] });
    invalid(centre.watches(1, "vera").watch(api::WatchRequest { after: None, filter })).await;

    // What is not there.
    for status in [
        reads
            .list_queues(api::ListQueuesRequest {
                queue: Some("sales".into()),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        reads
            .list_agents(api::ListAgentsRequest {
                site: Some("odesa".into()),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        reads
            .get_agent(api::GetAgentRequest { agent: "danylo".into(), ..Default::default() })
            .await
            .unwrap_err(),
        reads
            .get_contact(api::GetContactRequest { contact: "c9".into(), ..Default::default() })
            .await
            .unwrap_err(),
        reads
            .explain_contact(api::ExplainContactRequest {
                contact: "c9".into(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
    }

    // A message that no command is as large as is not read.
    let huge = stored::Enqueue { contact: "x".repeat(300 << 10), ..call("c1", "billing") };
    let status = centre.contacts(1, "edge").enqueue(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");

    // No such method.
    let mut channel = centre.channel(1, ADMIN);
    let request = hyper::Request::post("https://quorumcall/quorumcall.api.v1.Contacts/Steal");
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let response = tower_service::Service::call(&mut channel, request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administration_is_asked_by_request_and_each_method_takes_its_own_commands() {
    let centre = Centre::open("").await;
    centre.log_in(1, "anna").await;
    let config = |command: ConfigCommand| match choice(command) {
        submission::Command::Config(command) => Some(command),
        _ => panic!(),
    };
    let agent = |command: AgentCommand| match choice(command) {
        submission::Command::Agent(command) => Some(command),
        _ => panic!(),
    };
    let site = |command: SiteCommand| match choice(command) {
        submission::Command::Site(command) => Some(command),
        _ => panic!(),
    };
    let contact = |command: ContactCommand| match choice(command) {
        submission::Command::Contact(command) => Some(command),
        _ => panic!(),
    };
    let mut sasha = centre.administration(2, "sasha");
    let mut olena = centre.administration(3, ADMIN);

    // Without a request nothing is done; a repeat gets the first answer.
    let skill = ConfigCommand::PutSkill {
        skill: SkillId::new("russian").unwrap(),
        name: label("Russian"),
        expected: Some(acd::ids::Revision(0)),
    };
    let skill = config(skill);
    let put = api::ConfigureRequest { request: None, reason: None, command: skill.clone() };
    assert_eq!(refused(sasha.configure(put.clone())).await.1, "request-missing");
    let put = api::ConfigureRequest { request: request(), reason: Some("asked".into()), ..put };
    let first = committed(async || sasha.clone().configure(put.clone()).await).await;
    let again = committed(async || sasha.clone().configure(put.clone()).await).await;
    assert_eq!(first, again);
    let other = api::ConfigureRequest { request: request(), ..put.clone() };
    assert_eq!(refused(sasha.configure(other)).await.1, "stale-revision");
    let nothing = api::ConfigureRequest { command: None, request: request(), reason: None };
    let (_, code, words) = refused(sasha.configure(nothing)).await;
    assert_eq!((&*code, words.contains("missing")), ("malformed", true), "{words}");

    // Roles are finer than methods.
    let settings =
        ConfigCommand::PutSettings { settings: acd::config::Settings::default(), expected: None };
    let put = api::ConfigureRequest { request: request(), reason: None, command: config(settings) };
    assert_eq!(refused(sasha.configure(put)).await.1, "not-permitted");

    let anna = AgentId::new("anna").unwrap();
    let steer = |command| api::SteerAgentRequest { request: request(), reason: None, command };
    let not_ready =
        steer(agent(AgentCommand::SetNotReady { agent: anna.clone(), reason: label("training") }));
    committed(async || sasha.clone().steer_agent(not_ready.clone()).await).await;
    let log_in = steer(agent(AgentCommand::LogIn { agent: anna, node: NodeId(1) }));
    assert_eq!(refused(sasha.steer_agent(log_in)).await.1, "wrong-method");

    centre.enqueue("c1", "billing").await;
    let c1 = ContactId::new("c1").unwrap();
    let steer = |command| api::SteerContactRequest { request: request(), reason: None, command };
    let to = QueueId::new("loans").unwrap();
    let moved = steer(contact(ContactCommand::Move { contact: c1.clone(), to }));
    committed(async || sasha.clone().steer_contact(moved.clone()).await).await;
    assert_eq!(centre.contact("c1").await.live.unwrap().queue, "loans");
    let hang_up = steer(contact(ContactCommand::HangUp { contact: c1.clone() }));
    assert_eq!(refused(sasha.steer_contact(hang_up)).await.1, "wrong-method");
    let remove = steer(contact(ContactCommand::Remove { contact: c1 }));
    committed(async || sasha.clone().steer_contact(remove.clone()).await).await;

    let kyiv = SiteId::new("kyiv").unwrap();
    let steer = |command| api::SteerSiteRequest { request: request(), reason: None, command };
    let config =
        SiteConfig { leader_priority: 60, ..SiteConfig::new(kyiv.clone(), label("Київ")) };
    let put = steer(site(SiteCommand::Put { config, expected: None }));
    denied(sasha.steer_site(put.clone())).await;
    committed(async || olena.clone().steer_site(put.clone()).await).await;
    for reported in [
        SiteCommand::Suspect { site: kyiv.clone() },
        SiteCommand::Lost { site: kyiv },
        SiteCommand::NodeLost { node: NodeId(1) },
    ] {
        let (index, code, _) = refused(olena.steer_site(steer(site(reported)))).await;
        assert_eq!((index, &*code), (0, "wrong-method"));
    }
    let submission::Command::Cluster(advance) =
        choice(ClusterCommand::AdvanceTo { to: LogTime(SystemClock.now_ms()) })
    else {
        panic!()
    };
    let Some(stored::cluster_command::Command::AdvanceTo(advance)) = advance.command else {
        panic!()
    };
    assert_eq!(refused(olena.advance_time(advance)).await.1, "not-a-replay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_in_a_command_does_not_fill_the_log() {
    let centre = Centre::open("").await;
    let operator = &centre.cluster.founded.operator;
    let skill = ConfigCommand::PutSkill {
        skill: SkillId::new("german").unwrap(),
        name: Label::new("German").unwrap(),
        expected: None,
    };
    let plain = encode_submission(&Submission::new(operator.principal().clone(), skill.into()));
    // Field 1000, of some bytes.
    let padded = |bytes: usize| {
        let mut padded = plain.clone();
        prost::encoding::bytes::encode(1_000, &vec![0; bytes], &mut padded);
        padded
    };
    let answer = centre.cluster.ask_encoded(1, operator, padded(1_000)).await;
    assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    let answer = centre.cluster.ask_encoded(1, operator, padded(128 << 10)).await;
    let Answer::Refused { index: 0, code, message } = answer else { panic!("{answer:?}") };
    assert_eq!(code, "malformed");
    assert!(message.contains("131072 bytes"), "{message}");
}
