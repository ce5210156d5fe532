//! A simulated cluster of real nodes without faults: it founds itself, elects a leader, and takes
//! commands at any node.

use std::sync::Arc;
use std::time::Duration;

use acd::command::{ConfigCommand, Submission};
use acd::ids::{PrincipalId, SkillId};
use acd::reply::Reply;
use acd::text::Label;
use chaos_tests::cluster::{ADMIN, Cluster, Observers};
use chaos_tests::sim::{Host, Network, World, run};
use node::config::Profile;
use node::raft::LogId;
use node::replica::{Applied, Observer};
use node::submit::Answer;
use openraft_rt::AsyncRuntime;

type Runtime = chaos_tests::sim::NodeRuntime;

struct Nobody;

impl Observer for Nobody {
    fn applied(&self, _: Applied<'_>) {}
    fn restored(&self, _: Option<LogId>, _: u128) {}
}

fn nobody() -> Observers {
    Arc::new(|_| Arc::new(Nobody))
}

/// A cluster that has founded itself.
async fn founded(world: &World, sites: &[&str]) -> Arc<Cluster> {
    let network = Network::new(world);
    let cluster = Arc::new(Cluster::found(world, &network, sites, Profile::Metro, nobody()));
    for node in cluster.nodes() {
        cluster.start_node(node).await;
    }
    for _ in 0..200 {
        let members = |node| cluster.read(node, |centre| centre.nodes().count());
        if cluster.nodes().into_iter().all(|node| members(node) == Some(sites.len())) {
            return cluster;
        }
        Runtime::sleep(Duration::from_millis(50)).await;
    }
    panic!("the cluster does not found itself");
}

fn put_skill(name: &str) -> Submission {
    let skill = SkillId::new(name).unwrap();
    let put = ConfigCommand::PutSkill { skill, name: Label::new(name).unwrap(), expected: None };
    Submission::new(PrincipalId::new(ADMIN).unwrap(), put.into())
}

#[test]
fn a_command_is_carried_out_whichever_node_gets_it() {
    run(1, |world: World| async move {
        let cluster = founded(&world, &["kyiv", "lviv", "dnipro"]).await;
        for number in cluster.nodes() {
            let node = cluster.node(number).unwrap();
            let put = put_skill(&format!("skill-{number}"));
            let call = world.spawn_on(Host::Node(number), async move { node.call(&put).await });
            let answer = call.await.unwrap();
            assert!(
                matches!(answer, Answer::Committed { reply: Reply::Revised { .. }, .. }),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn what_is_read_after_catching_up_has_everything_committed_before() {
    run(2, |world: World| async move {
        let cluster = founded(&world, &["kyiv", "lviv", "dnipro"]).await;
        for number in [1, 2, 3, 2, 1] {
            let writer = cluster.node(number).unwrap();
            let put = put_skill("skill");
            let write = world.spawn_on(Host::Node(number), async move { writer.call(&put).await });
            let Answer::Committed { index, .. } = write.await.unwrap() else { panic!("refused") };
            for reader in cluster.nodes() {
                let node = cluster.node(reader).unwrap();
                let read = world.spawn_on(Host::Node(reader), async move {
                    let view = node.catch_up().await.unwrap();
                    view.applied().unwrap().index
                });
                assert!(read.await.unwrap() >= index);
            }
        }
    });
}

#[test]
fn one_node_is_a_cluster() {
    run(3, |world: World| async move {
        let cluster = founded(&world, &["kyiv"]).await;
        let node = cluster.node(1).unwrap();
        let put = put_skill("skill");
        let call = world.spawn_on(Host::Node(1), async move { node.call(&put).await });
        assert!(matches!(call.await.unwrap(), Answer::Committed { .. }));
    });
}
