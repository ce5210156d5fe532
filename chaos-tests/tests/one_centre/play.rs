//! One seed from the founding to the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acd::Centre;
use acd::command::{ClusterCommand, Command, SiteCommand, Submission};
use acd::config::SiteConfig;
use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::text::Label;
use acd::time::LogTime;
use chaos_tests::checks::{Bounds, Invariant, Verdict, judge};
use chaos_tests::history::{FinalNode, History, Recorder, contacts_of};
use chaos_tests::workload::{Floor, Plan};
use openraft_rt::AsyncRuntime;
use openraft_rt_sim::SimRuntime;

use super::{Broken, CITIES, MORNING, OneCentre, Replica, State};

/// The first commands of the cluster.
fn founding() -> Vec<Submission> {
    let admin = PrincipalId::new("olena").expect("a slug");
    let site = |city: &str| SiteId::new(city).expect("a slug");
    let label = |text: &str| Label::new(text).expect("a label");
    let init = ClusterCommand::Init {
        cluster: label("test"),
        site: site(CITIES[0]),
        admin: admin.clone(),
        replay: false,
    };
    let mut all: Vec<Command> = vec![init.into()];
    for city in &CITIES[1..] {
        let config = SiteConfig::new(site(city), label(city));
        all.push(SiteCommand::Put { config, expected: None }.into());
        all.push(SiteCommand::AddNode { site: site(city) }.into());
    }
    all.into_iter().map(|command| Submission::new(admin.clone(), command)).collect()
}

/// Plays a seed; its history.
pub fn play(seed: u64, broken: Broken) -> History {
    let mut runtime = SimRuntime::with_seed(seed);
    runtime.block_on(async move {
        let recorder = Recorder::on::<SimRuntime>(LogTime(MORNING));
        let replicas = (1..=2)
            .map(|node| Replica {
                centre: Centre::new(),
                run: recorder.started(node),
                node,
                applied: 0,
            })
            .collect();
        let state = State {
            broken: Broken::Nothing,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            index: 0,
            replicas,
            pending: VecDeque::new(),
            told: BTreeMap::new(),
            watches: Vec::new(),
            down: BTreeMap::new(),
            over: false,
        };
        let door = Arc::new(OneCentre { state: Mutex::new(state), recorder: recorder.clone() });
        for submission in founding() {
            door.entry(&mut door.state(), vec![(submission, None)]);
        }
        let nodes = CITIES
            .iter()
            .enumerate()
            .map(|(at, city)| (NodeId(at as u64 + 1), SiteId::new(city).expect("a slug")));
        let admin = PrincipalId::new("olena").expect("a slug");
        let plan = Plan::new(seed, nodes.collect(), admin);
        let floor = Floor::open(plan, door.clone(), recorder.clone());
        SimRuntime::spawn(door.clone().run(false));
        floor.set_up::<SimRuntime>().await.expect("the configuration is accepted");
        door.state().over = true;
        SimRuntime::sleep(Duration::from_millis(50)).await;
        {
            let mut state = door.state();
            (state.over, state.broken) = (false, broken);
        }
        SimRuntime::spawn(door.clone().run(true));
        floor.serve::<SimRuntime>().await;
        door.state().over = true;
        SimRuntime::sleep(Duration::from_secs(5)).await;
        {
            let mut state = door.state();
            state.over = false;
            state.down.clear();
        }
        SimRuntime::spawn(door.clone().run(false));
        recorder.healed();
        floor.finish::<SimRuntime>(Duration::from_secs(50)).await;
        // What was under way when everybody went home.
        SimRuntime::sleep(Duration::from_secs(3)).await;
        let mut state = door.state();
        state.over = true;
        let ending = state.replicas.iter().map(|replica| FinalNode {
            node: replica.node,
            leader: Some(1),
            applied: replica.applied,
            hash: replica.centre.state_hash(),
            contacts: contacts_of(&replica.centre),
            purged: None,
            records: None,
        });
        recorder.ended(ending.collect());
        recorder.history()
    })
}

/// The verdicts on a history.
pub fn verdicts(history: &History) -> BTreeMap<Invariant, Verdict> {
    judge(history, Bounds::default())
}
