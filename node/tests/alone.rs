//! A cluster of one node.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and chance")]

use std::time::Duration;

use acd::command::{ConfigCommand, Submission};
use acd::ids::{PrincipalId, SiteId, SkillId};
use acd::text::Label;
use acd::time::Millis;
use node::config::Profile;
use node::daemon::Daemon;
use node::founding::{Founded, Plan, PlannedNode};
use node::identity::Validity;
use node::seams::{SystemClock, TcpAcceptor, WallClock};
use node::setup::Setup;
use node::submit::Answer;

const ADMIN: &str = "olena";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Several times as long as a quorum of this profile may be silent.
const REST: Duration = Duration::from_secs(1);
const YEAR_MS: u64 = 365 * 86_400_000;

async fn alone(folder: &std::path::Path) -> Daemon {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
    let address = acceptor.address().unwrap().to_string();
    let site = SiteId::new("kyiv").unwrap();
    let plan = Plan {
        cluster: Label::new("Test").unwrap(),
        admin: PrincipalId::new(ADMIN).unwrap(),
        profile: Profile::City,
        replay: false,
        nodes: vec![PlannedNode { site, address: address.clone(), listen: address }],
    };
    let now_ms = SystemClock.now_ms();
    let validity = Validity { not_before_ms: now_ms - YEAR_MS, not_after_ms: now_ms + YEAR_MS };
    let founded = Founded::from_plan(&plan, validity, &mut rand::rng()).unwrap();
    founded.write(&folder.join("all")).unwrap();
    let data = folder.join("all/node-1");
    let daemon = Daemon::start(Setup::load(&data, now_ms).unwrap(), acceptor).await.unwrap();
    let founded = async {
        while !data.join("founding.done.toml").exists() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, founded).await.unwrap();
    daemon
}

/// Writes something; all gaps until then.
async fn gaps_after_a_command(daemon: &Daemon, number: u32) -> Millis {
    let id = format!("skill-{number}");
    let (skill, name) = (SkillId::new(&id).unwrap(), Label::new(&id).unwrap());
    let put = ConfigCommand::PutSkill { skill, name, expected: None };
    let submission = Submission::new(PrincipalId::new(ADMIN).unwrap(), put.into());
    let answer = daemon.node().call(&submission).await;
    assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    daemon.node().state().view().centre().clocks().gaps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_votes_alone_hears_people_also_while_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = alone(folder.path()).await;
    // A machine that stands still makes gaps, too; but not for a whole minute of rests.
    let without_a_gap = async {
        let mut before = gaps_after_a_command(&daemon, 0).await;
        for number in 1.. {
            tokio::time::sleep(REST).await;
            let after = gaps_after_a_command(&daemon, number).await;
            if after == before {
                return;
            }
            before = after;
        }
    };
    tokio::time::timeout(PATIENCE, without_a_gap).await.expect("a rest is no gap");
    let fresh = async {
        while daemon.node().freshness().age.is_none_or(|age| age > REST) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, fresh).await.expect("what it has is fresh");
    daemon.stop().await;
}
