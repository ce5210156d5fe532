//! What would become of a site, and two operators who act on it at once.

use acd::codec::command_to_stored;
use acd::command::{Command, SiteCommand};
use acd::ids::{Revision, SiteId};
use acd::time::Millis;
use proto::api::v1 as api;
use proto::api::v1::answer::Answer as Outcome;
use proto::stored::v1 as stored;
use proto::stored::v1::any_command::Command as Group;
use tonic::Code;

use crate::centre::*;
use crate::common::*;

impl Centre {
    /// The impact on a site, as a plan is made from it.
    async fn impact(&self, at: u64, site: &str) -> (api::Freshness, api::SiteImpact) {
        let request = api::GetSiteImpactRequest { linearizable: true, site: site.into() };
        let reads = self.reads(at, "vera");
        let told = patiently(async || reads.clone().get_site_impact(request.clone()).await).await;
        (told.freshness.unwrap(), told.impact.unwrap())
    }

    /// Asks for a drain under the request; what is answered, whatever it is.
    async fn drain(&self, at: u64, request: &stored::Request, revision: u64) -> Outcome {
        let command: Command = SiteCommand::Drain {
            site: SiteId::new("lviv").unwrap(),
            deadline: Millis::minutes(10),
            expiry: Millis::hours(8),
            callback: false,
            force: false,
            expected: Some(Revision(revision)),
        }
        .into();
        let Some(Group::Site(command)) = command_to_stored(&command).command else { panic!() };
        let ask = api::SteerSiteRequest {
            request: Some(request.clone()),
            reason: Some("maintenance".into()),
            command: Some(command),
        };
        let known = async {
            loop {
                let answer = self.administration(at, ADMIN).steer_site(ask.clone()).await;
                match answer.map(|answer| answer.into_inner().answer) {
                    Ok(Some(outcome @ (Outcome::Committed(_) | Outcome::Refused(_)))) => {
                        return outcome;
                    }
                    Ok(_) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, known).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_who_act_at_once_the_second_has_a_stale_plan() {
    let centre = Centre::open("").await;
    let (first, second) = (centre.impact(1, "lviv").await.1, centre.impact(3, "lviv").await.1);
    assert_eq!(first.revision, second.revision);
    let one = request().unwrap();
    let other = stored::Request { id: vec![7; 16].into(), ..one.clone() };
    assert!(matches!(centre.drain(1, &one, first.revision).await, Outcome::Committed(_)));
    let refused = centre.drain(3, &other, second.revision).await;
    let Outcome::Refused(api::answer::Refused { code, message, .. }) = refused else { panic!() };
    assert_eq!(code, "stale-revision", "{message}");
    let now = centre.impact(3, "lviv").await.1;
    assert_eq!((now.revision, now.drain.is_some()), (first.revision + 1, true));

    // Either can be looked up by its request, at any node.
    let reads = centre.reads(2, "vera");
    let outcome = async |id: bytes::Bytes| {
        let ask = api::GetOutcomeRequest { linearizable: true, id };
        let told = patiently(async || reads.clone().get_outcome(ask.clone()).await).await;
        told.answer.and_then(|answer| answer.answer)
    };
    let Some(Outcome::Committed(done)) = outcome(one.id).await else { panic!() };
    assert_eq!((done.index, done.reply.is_some()), (0, true));
    let Some(Outcome::Refused(refused)) = outcome(other.id).await else { panic!() };
    assert_eq!(refused.code, "stale-revision");
    assert_eq!(outcome(vec![9; 16].into()).await, None);
    let short = api::GetOutcomeRequest { linearizable: false, id: vec![1].into() };
    assert_eq!(reads.clone().get_outcome(short).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_impact_tells_what_is_left_of_work_and_quorum() {
    let mut centre = Centre::open("").await;
    centre.log_in(1, "anna").await;
    centre.enqueue("c1", "billing").await;
    centre.enqueue("c2", "billing").await;
    let leads = leader(&centre.cluster).await;
    // Peers are asked every second.
    let all_answer = async {
        loop {
            let (freshness, impact) = centre.impact(leads, "kyiv").await;
            let quorum = impact.quorum.clone().unwrap();
            if quorum.answer_elsewhere == 2 {
                return (freshness, impact, quorum);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let (freshness, kyiv, quorum) = tokio::time::timeout(PATIENCE, all_answer).await.unwrap();
    assert_eq!((kyiv.offered, kyiv.talking, kyiv.waiting), (1, 0, 1));
    let billing = &kyiv.queues[0];
    assert_eq!((&*billing.queue, billing.waiting, billing.handled), ("billing", 1, 1));
    assert_eq!(
        (billing.load_now_per_mille, billing.load_then_per_mille),
        (Some(2_000), None),
        "nobody is left"
    );
    assert_eq!((quorum.voters, quorum.needed, quorum.kept), (3, 2, true));
    assert_eq!((quorum.leader, freshness.leader), (Some(leads), Some(leads)));
    let sites = ["kyiv", "lviv", "dnipro"];
    assert_eq!(quorum.leader_site.as_deref(), Some(sites[leads as usize - 1]));
    assert_eq!(quorum.voter_sites, ["dnipro", "kyiv", "lviv"]);

    // With one city gone, another one is not to be given up as well.
    let gone = leads % 3 + 1;
    centre.cluster.stop(gone).await;
    let left = async {
        loop {
            let quorum = centre.impact(leads, sites[leads as usize - 1]).await.1.quorum.unwrap();
            if quorum.answer_elsewhere == 1 {
                return quorum;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let quorum = tokio::time::timeout(PATIENCE, left).await.unwrap();
    assert!(!quorum.kept, "{quorum:?}");
    let gone = centre.impact(leads, sites[gone as usize - 1]).await.1.quorum.unwrap();
    assert!(gone.kept, "the one that is gone already is no loss: {gone:?}");

    let request = api::GetSiteImpactRequest { linearizable: false, site: "odesa".into() };
    let refused = centre.reads(leads, "vera").get_site_impact(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
