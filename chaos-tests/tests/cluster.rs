//! A simulated cluster of real nodes without faults: it founds itself, elects a leader, and takes
//! commands at any node.

use std::sync::Arc;
use std::time::Duration;

use acd::command::{ConfigCommand, SiteCommand, Submission};
use acd::config::SiteConfig;
use acd::ids::{PrincipalId, SiteId, SkillId};
use acd::reply::Reply;
use acd::text::Label;
use chaos_tests::cluster::{ADMIN, Cluster, Observers};
use chaos_tests::sim::clock::START_MS;
use chaos_tests::sim::faults::Subject;
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

/// Runs a command of the first operator at a node.
async fn call(world: &World, cluster: &Arc<Cluster>, number: u64, command: Submission) -> Answer {
    let node = cluster.node(number).unwrap();
    let call = world.spawn_on(Host::Node(number), async move { node.call(&command).await });
    call.await.unwrap()
}

fn now(cluster: &Cluster, number: u64) -> u64 {
    cluster.read(number, |centre| centre.now().0).unwrap()
}

#[test]
fn after_a_rest_of_the_whole_cluster_log_time_is_set_once_and_goes_on() {
    run(4, |world: World| async move {
        let cluster = founded(&world, &["kyiv", "lviv", "dnipro"]).await;
        let hosts = [Host::Node(1), Host::Node(2), Host::Node(3)];
        world.power_cut(&hosts);
        Runtime::sleep(Duration::from_secs(600)).await;
        for number in cluster.nodes() {
            Subject::start(&*cluster, number).await;
        }
        Runtime::sleep(Duration::from_secs(10)).await;
        let answer = call(&world, &cluster, 1, put_skill("after")).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        let set_ms = now(&cluster, 1);
        assert!(set_ms > START_MS + 600_000, "log time was set to wall time");
        let gaps = cluster.read(1, |centre| centre.clocks().gaps).unwrap();
        Runtime::sleep(Duration::from_secs(20)).await;
        let _ = call(&world, &cluster, 1, put_skill("later")).await;
        assert_eq!(cluster.read(1, |centre| centre.clocks().gaps).unwrap(), gaps, "set once");
        assert!(now(&cluster, 1) >= set_ms + 19_000, "and it goes on");
    });
}

#[test]
fn a_silence_of_the_followers_is_a_gap_also_when_the_leader_keeps_its_term() {
    run(5, |world: World| async move {
        let cluster = founded(&world, &["kyiv", "lviv", "dnipro"]).await;
        let leader = cluster.leader().unwrap();
        let gaps = || cluster.read(leader, |centre| centre.clocks().gaps.0).unwrap();
        Runtime::sleep(Duration::from_secs(5)).await;
        let before = gaps();
        let others: Vec<_> = cluster.nodes().into_iter().filter(|node| *node != leader).collect();
        for node in &others {
            world.pause(Host::Node(*node));
        }
        Runtime::sleep(Duration::from_secs(30)).await;
        for node in &others {
            world.resume(Host::Node(*node));
        }
        Runtime::sleep(Duration::from_secs(5)).await;
        let answer = call(&world, &cluster, 1, put_skill("after")).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        let gap = gaps() - before;
        assert!((28_000..36_000).contains(&gap), "a gap of {gap} ms");
    });
}

/// Waits until a node leads; how long that took.
async fn until_led(world: &World, cluster: &Cluster, by: impl Fn(u64) -> bool) -> Duration {
    let began = world.now();
    while !cluster.leader().is_some_and(&by) {
        assert!(world.now() - began < Duration::from_secs(3_600), "it never leads");
        Runtime::sleep(Duration::from_millis(100)).await;
    }
    world.now() - began
}

#[test]
fn the_first_city_gets_the_lead_and_waits_longer_for_it_after_it_lost_it_soon() {
    run(6, |world: World| async move {
        let cities = ["kyiv", "lviv", "dnipro"];
        let cluster = founded(&world, &cities).await;
        until_led(&world, &cluster, |_| true).await;
        let leader = cluster.leader().unwrap();
        let first = leader % 3 + 1;
        let city = cities[first as usize - 1];
        let name = Label::new(city).unwrap();
        let config =
            SiteConfig { leader_priority: 90, ..SiteConfig::new(SiteId::new(city).unwrap(), name) };
        let put = SiteCommand::Put { config, expected: None };
        let put = Submission::new(PrincipalId::new(ADMIN).unwrap(), put.into());
        let answer = call(&world, &cluster, leader, put).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
        // Not at once: whoever leads does so for a minute.
        Runtime::sleep(Duration::from_secs(30)).await;
        assert_eq!(cluster.leader(), Some(leader));
        until_led(&world, &cluster, |node| node == first).await;

        Runtime::sleep(Duration::from_secs(20)).await;
        world.pause(Host::Node(first));
        until_led(&world, &cluster, |node| node != first).await;
        world.resume(Host::Node(first));
        let away = until_led(&world, &cluster, |node| node == first).await;
        assert!(away > Duration::from_secs(115) && away < Duration::from_secs(135), "{away:?}");
        // Without troubles it stays there.
        Runtime::sleep(Duration::from_secs(150)).await;
        assert_eq!(cluster.leader(), Some(first));
    });
}
