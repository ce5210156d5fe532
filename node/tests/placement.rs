//! Who leads: operators choose, and drains make the lead leave.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

mod common;

use acd::codec::encode_submission;
use acd::command::{ClusterCommand, Command, ConfigCommand, SiteCommand, Submission};
use acd::event::{Event, SiteState};
use acd::ids::{PrincipalId, Revision, SiteId};
use acd::record::AuditRecord;
use acd::roles::{Role, Roles};
use acd::time::Millis;
use common::*;
use node::identity::Identity;
use node::replica::Watch;
use node::rpc::Channel;
use node::seams::{SystemClock, WallClock};
use openraft_rt_tokio::TokioRuntime;
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::administration_client::AdministrationClient;
use proto::api::v1::answer::Answer as Outcome;
use proto::stored::v1 as stored;
use proto::stored::v1::leader_choice::Choice;
use tonic::Code;

const REASON: &str = "new fans for the servers";

fn request() -> stored::Request {
    let id = rand::random::<u128>().to_be_bytes().to_vec().into();
    stored::Request { id, issued_at_ms: SystemClock.now_ms() }
}

fn wish(choice: Choice) -> api::TransferLeaderRequest {
    let to = Some(stored::LeaderChoice { choice: Some(choice) });
    let (request, reason) = (Some(request()), Some(REASON.to_owned()));
    api::TransferLeaderRequest { request, reason, to }
}

fn drain(city: &str, expected: Option<Revision>) -> SiteCommand {
    SiteCommand::Drain {
        site: SiteId::new(city).unwrap(),
        deadline: Millis::minutes(10),
        expiry: Millis::hours(8),
        callback: false,
        force: false,
        expected,
    }
}

fn city(node: u64) -> &'static str {
    ["kyiv", "lviv", "dnipro"][node as usize - 1]
}

impl Cluster {
    fn administration(
        &self,
        at: u64,
        identity: &Identity,
    ) -> AdministrationClient<Channel<TokioRuntime>> {
        let origin = hyper::Uri::from_static("https://quorumcall");
        AdministrationClient::with_origin(self.channel(at, identity), origin)
    }

    /// Asks once, as the operator.
    async fn wish(&self, at: u64, wish: api::TransferLeaderRequest) -> (Outcome, Option<u64>) {
        let mut operator = self.administration(at, &self.founded.operator);
        let answer = operator.transfer_leader(wish).await.unwrap().into_inner();
        (answer.answer.unwrap().answer.unwrap(), answer.leader)
    }

    /// Asks until the leader knows enough of the others to do it; who leads then.
    async fn led_by(&self, at: u64, wish: api::TransferLeaderRequest) -> u64 {
        let done = async {
            loop {
                match self.wish(at, wish.clone()).await {
                    (Outcome::Committed(_), leader) => return leader.unwrap(),
                    (Outcome::Unavailable(_), _) => {}
                    (Outcome::Refused(refused), _) if refused.message.contains("clock") => {}
                    other => panic!("{other:?}"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap()
    }

    /// Why the leader stays, once it knows enough of the others.
    async fn stays(&self, at: u64, choice: Choice) -> (String, String) {
        let told = async {
            loop {
                match self.wish(at, wish(choice.clone())).await {
                    (Outcome::Refused(refused), None) => return (refused.code, refused.message),
                    (Outcome::Unavailable(_), _) => tokio::time::sleep(LOOK_EVERY).await,
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap()
    }

    /// Drains a city over the API, as the operator.
    async fn drain(&self, at: u64, command: SiteCommand) -> Outcome {
        let submission = Submission::new(PrincipalId::new(ADMIN).unwrap(), command.into());
        let stored = stored::Submission::decode(&*encode_submission(&submission)).unwrap();
        let Some(stored::submission::Command::Site(command)) = stored.command else { panic!() };
        let (request, reason) = (Some(request()), Some(REASON.to_owned()));
        let steer = api::SteerSiteRequest { request, reason, command: Some(command) };
        let mut operator = self.administration(at, &self.founded.operator);
        operator.steer_site(steer).await.unwrap().into_inner().answer.unwrap()
    }

    /// Waits until the leader knows of the others' clocks and positions.
    async fn are_known(&self) {
        let leads = leader(self).await;
        let others = self.running.iter().flatten().count() - 1;
        until("the others are known", || self.node(leads).neighbours().readings().len() == others)
            .await;
    }

    fn state(&self, at: u64, city: &str) -> SiteState {
        let view = self.node(at).state().view();
        view.centre().site(&SiteId::new(city).unwrap()).unwrap().state
    }
}

/// The acts of administration that a watch saw, until one is as wanted.
async fn audited(watch: &mut Watch, last: impl Fn(&Command) -> bool) -> Vec<AuditRecord> {
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|record: &AuditRecord| last(&record.command)) {
        let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
        seen.extend(entry.events.iter().filter_map(|event| match event {
            Event::Audit(record) => Some((**record).clone()),
            _ => None,
        }));
    }
    seen
}

fn is_wish(command: &Command) -> bool {
    matches!(command, Command::Cluster(ClusterCommand::TransferLeader { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_where_an_operator_wants_it() {
    let cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let (second, third) = (leads % 3 + 1, (leads + 1) % 3 + 1);
    cluster.are_known().await;
    let ((), mut watch) = cluster.node(second).state().watch(|_| ());

    // Asked at a node that neither leads nor will: it knows the new leader when it answers.
    let asked = wish(Choice::Node(second));
    assert_eq!(cluster.led_by(third, asked.clone()).await, second);
    assert_eq!(cluster.node(third).freshness().leader, Some(second));
    let records = audited(&mut watch, is_wish).await;
    let record = records.last().unwrap();
    assert_eq!((record.principal.as_str(), &record.refused), (ADMIN, &None));
    assert_eq!(record.reason.as_ref().unwrap().as_str(), REASON);
    assert!(record.request.is_some());

    // A repeat asks for who should lead, and not for another change.
    assert_eq!(cluster.led_by(third, asked).await, second);
    assert_eq!(cluster.led_by(second, wish(Choice::Site(city(third).into()))).await, third);
    assert_eq!(cluster.led_by(leads, wish(Choice::NotNode(second))).await, third);
    let now = cluster.led_by(third, wish(Choice::NotNode(third))).await;
    assert_ne!(now, third);
    let now = cluster.led_by(third, wish(Choice::NotSite(city(now).into()))).await;
    assert_eq!(leader(&cluster).await, now);
    cluster.must(third, &put_skill(ADMIN, "after")).await;
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_told_why_the_lead_stays() {
    let mut cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let (second, third) = (leads % 3 + 1, (leads + 1) % 3 + 1);
    cluster.are_known().await;
    let ((), mut watch) = cluster.node(leads).state().watch(|_| ());

    let (code, _) = cluster.stays(second, Choice::Node(9)).await;
    assert_eq!(code, "unknown");
    let (code, _) = cluster.stays(second, Choice::Site("odesa".into())).await;
    assert_eq!(code, "unknown");
    let missing = api::TransferLeaderRequest { request: None, ..wish(Choice::Node(second)) };
    let (Outcome::Refused(refused), None) = cluster.wish(second, missing).await else { panic!() };
    assert_eq!(refused.code, "request-missing");
    let nobody = api::TransferLeaderRequest { to: None, ..wish(Choice::Node(second)) };
    let (Outcome::Refused(refused), None) = cluster.wish(second, nobody).await else { panic!() };
    assert_eq!(refused.code, "malformed");

    cluster.drain(second, drain(city(third), None)).await;
    let (code, words) = cluster.stays(second, Choice::Node(third)).await;
    assert_eq!(code, "leader-stays");
    assert!(
        words.contains(&format!("node {third} is at {}, which is drain", city(third))),
        "{words}"
    );
    let records = audited(&mut watch, is_wish).await;
    assert_eq!(records.last().unwrap().refused.as_ref().unwrap().code(), "unknown");

    cluster.stop(third).await;
    let is_silent = async {
        loop {
            let (code, words) = cluster.stays(second, Choice::Node(third)).await;
            assert_eq!(code, "leader-stays");
            if words.contains(&format!("node {third} does not answer")) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_silent).await.unwrap();
    assert_eq!(leader(&cluster).await, leads, "who was told so knows who leads");
    let told = |record: &AuditRecord| {
        let refused = record.refused.as_ref().map(|refused| refused.to_string());
        refused.is_some_and(|words| words.contains("does not answer"))
    };
    let mut records = Vec::new();
    while !records.iter().any(told) {
        records = audited(&mut watch, is_wish).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_and_admins_move_the_lead() {
    let cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let sasha = PrincipalId::new("sasha").unwrap();
    let put = ConfigCommand::PutPrincipal {
        principal: sasha.clone(),
        roles: Roles::of(&[Role::Supervisor, Role::Viewer]),
        site: None,
        expected: None,
    };
    cluster.must(1, &Submission::new(PrincipalId::new(ADMIN).unwrap(), put.into())).await;
    let authority = &cluster.founded.authority;
    let identity = authority.issue_to(&sasha, validity(), &mut rand::rng()).unwrap();
    let mut supervisor = cluster.administration(leads, &identity);
    let status = supervisor.transfer_leader(wish(Choice::NotNode(leads))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert_eq!(leader(&cluster).await, leads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_is_gone_before_its_city_is_drained() {
    let cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let third = (leads + 1) % 3 + 1;
    cluster.are_known().await;
    let ((), mut watch) = cluster.node(third).state().watch(|_| ());
    let stale = cluster.drain(third, drain(city(leads), Some(Revision(77)))).await;
    let Outcome::Refused(refused) = stale else { panic!("{stale:?}") };
    assert_eq!(refused.code, "stale-revision");
    assert_eq!(leader(&cluster).await, leads, "a plan that is stale moves nothing");

    let drained = cluster.drain(third, drain(city(leads), Some(Revision(1)))).await;
    assert!(matches!(drained, Outcome::Committed(_)), "{drained:?}");
    assert_ne!(leader(&cluster).await, leads);
    let is_done = |command: &Command| matches!(command, Command::Site(SiteCommand::Drain { .. }));
    let mut records = audited(&mut watch, is_done).await;
    records.extend(audited(&mut watch, is_done).await);
    let acts: Vec<_> =
        records.iter().map(|record| (is_wish(&record.command), &record.refused)).collect();
    let [(false, Some(_)), (true, None), (false, None)] = acts[..] else { panic!("{records:?}") };
    assert!(records.iter().all(|record| record.reason.as_ref().unwrap().as_str() == REASON));
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_city_is_drained_by_other_ways_hands_over_as_well() {
    let cluster = Cluster::found("").await;
    let leads = leader(&cluster).await;
    let command = drain(city(leads), None);
    // Through the log alone, as the stream of commands does it.
    cluster.must(leads, &Submission::new(PrincipalId::new(ADMIN).unwrap(), command.into())).await;
    let mut now = leads;
    let left = async {
        while now == leads {
            tokio::time::sleep(LOOK_EVERY).await;
            now = leader(&cluster).await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.unwrap();
    cluster.must(leads, &put_skill(ADMIN, "after")).await;
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_is_drained_although_nobody_else_can_lead() {
    let cluster = Cluster::found_at(&["kyiv"], "").await;
    leader(&cluster).await;
    let ((), mut watch) = cluster.node(1).state().watch(|_| ());
    let done = async {
        loop {
            match cluster.drain(1, drain("kyiv", None)).await {
                Outcome::Committed(_) => return,
                Outcome::Unavailable(_) => tokio::time::sleep(LOOK_EVERY).await,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap();
    assert!(matches!(cluster.state(1, "kyiv"), SiteState::Draining | SiteState::Drained));
    let record = audited(&mut watch, is_wish).await.pop().unwrap();
    let words = record.refused.unwrap().to_string();
    assert_eq!(words, "the leader stays: no other node has a vote there");
    assert_eq!(leader(&cluster).await, 1);
}
