//! A cluster from its plan to its folders and back.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acd::command::{ClusterCommand, Command};
use acd::ids::NodeId;
use node::config::{NodeConfig, Profile};
use node::explain::Explain;
use node::founding::{Founded, Founding, FoundingError, Plan};
use node::identity::{Authority, Identity, Validity};
use node::setup::{Setup, SetupError};
use rand::SeedableRng;
use rand::rngs::StdRng;

const PLAN: &str = r#"
cluster = "Three cities"
admin = "olena"
profile = "city"

[[nodes]]
site = "kyiv"
address = "kyiv-1.example:7400"
listen = "0.0.0.0:7400"

[[nodes]]
site = "lviv"
address = "10.0.0.2:7400"

[[nodes]]
site = "dnipro"
address = "[fd00::3]:7400"
"#;

const VALID: Validity = Validity { not_before_ms: 0, not_after_ms: 4_000_000_000_000 };
const NOW_MS: u64 = 1_800_000_000_000;

fn plan(text: &str) -> Result<Plan, String> {
    Plan::parse(text, Path::new("plan.toml")).map_err(|error| error.explain().to_string())
}

fn founded(seed: u64) -> Founded {
    Founded::from_plan(&plan(PLAN).unwrap(), VALID, &mut StdRng::seed_from_u64(seed)).unwrap()
}

#[test]
fn every_node_finds_in_its_folder_what_was_planned() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/cluster");
    let founded = founded(1);
    founded.write(&out).unwrap();

    let mut incarnations = BTreeSet::new();
    for (number, site) in [(1, "kyiv"), (2, "lviv"), (3, "dnipro")] {
        let own = out.join(format!("node-{number}"));
        let setup = Setup::load(&own, NOW_MS).unwrap();
        assert_eq!(setup.config.node, NodeId(number));
        assert_eq!(setup.config.site.as_str(), site);
        assert_eq!(setup.config.data, own);
        assert_eq!(setup.config.timing, Profile::City.timing());
        assert_eq!(setup.identity.node(), Some(NodeId(number)));
        let founding = setup.founding.unwrap();
        assert_eq!(founding, founded.founding);
        incarnations.insert(founding.member(NodeId(number)).unwrap().incarnation);
        let members = founding.raft_members();
        assert_eq!(members.len(), 3);
        assert_eq!(members[&number].address, setup.config.address);
        assert_eq!(members[&number].site, site);
    }
    assert_eq!(incarnations.len(), 3);
    let listens = NodeConfig::load(&out.join("node-1/node.toml")).unwrap().listen;
    assert_eq!(listens, "0.0.0.0:7400");

    let cluster = founded.founding.cluster;
    let operator = Identity::load(&out.join("operator.identity")).unwrap();
    assert_eq!(operator.principal().as_str(), "olena");
    assert_eq!(operator.cluster(), cluster);
    assert_eq!(Authority::load(&out.join("ca.pem")).unwrap().cluster(), cluster);
}

#[test]
fn nobody_else_may_read_what_is_founded() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cluster");
    founded(1).write(&out).unwrap();
    let mut folders = vec![out];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
    }
    assert_eq!(files, 2 + 3 * 3);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), "another").unwrap();
    let error = founded(1).write(folder.path()).unwrap_err();
    assert!(matches!(error, FoundingError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("ca.pem")).unwrap(), "another");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_same_seed_founds_the_same_numbers() {
    assert_eq!(founded(1).founding, founded(1).founding);
    assert_ne!(founded(1).founding.cluster, founded(2).founding.cluster);
}

#[test]
fn the_first_command_names_the_first_site_and_the_operator() {
    let Some(Command::Cluster(ClusterCommand::Init { cluster, site, admin, replay })) =
        founded(1).founding.init_command()
    else {
        panic!("no init command");
    };
    assert_eq!(cluster.as_str(), "Three cities");
    assert_eq!((site.as_str(), admin.as_str(), replay), ("kyiv", "olena", false));
}

#[test]
fn files_of_different_nodes_or_clusters_are_not_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    founded(1).write(&one).unwrap();
    founded(2).write(&two).unwrap();
    let load = |node: &str| Setup::load(&one.join(node), NOW_MS).unwrap_err();

    fs::copy(one.join("node-2/node.identity"), one.join("node-1/node.identity")).unwrap();
    let error = load("node-1");
    assert!(matches!(error, SetupError::Mismatch { .. }));
    assert!(error.to_string().contains("node.toml is of node 1, but node.identity is of node-2"));

    fs::copy(two.join("node-2/founding.toml"), one.join("node-2/founding.toml")).unwrap();
    let error = load("node-2");
    assert!(error.to_string().contains("founding.toml is of cluster"), "{error}");

    let path = one.join("node-3/node.toml");
    let text = fs::read_to_string(&path).unwrap().replace("dnipro", "odesa");
    fs::write(&path, text).unwrap();
    let error = load("node-3");
    assert!(error.to_string().contains("has node 3 at dnipro"), "{error}");
}

#[test]
fn a_node_that_has_begun_does_not_found_again() {
    let folder = tempfile::tempdir().unwrap();
    founded(1).write(folder.path()).unwrap();
    let own = folder.path().join("node-1");
    assert!(Setup::load(&own, NOW_MS).unwrap().founding.is_some());
    for _ in 0..2 {
        node::founding::close(&own).unwrap();
        assert_eq!(Setup::load(&own, NOW_MS).unwrap().founding, None);
    }
    assert!(own.join("founding.done.toml").is_file());
}

#[test]
fn a_node_does_not_start_with_an_expired_certificate() {
    let folder = tempfile::tempdir().unwrap();
    founded(1).write(folder.path()).unwrap();
    let error = Setup::load(&folder.path().join("node-1"), 4_000_000_001_000).unwrap_err();
    assert!(error.to_string().contains("the certificate of node-1 has expired"), "{error}");
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let six: String =
        (1..=6).map(|n| format!("[[nodes]]\nsite = \"s{n}\"\naddress = \"a:{n}\"\n")).collect();
    let head = PLAN.split("[[nodes]]").next().unwrap();
    for (text, why) in [
        (format!("{head}{six}"), "a cluster is founded with 1 to 5 nodes, not 6"),
        (format!("{head}nodes = []"), "a cluster is founded with 1 to 5 nodes, not 0"),
        (
            PLAN.replace("10.0.0.2:7400", "kyiv-1.example:7400"),
            "line 13: `address` is refused\n  why: kyiv-1.example:7400 is the address of another",
        ),
        (PLAN.replace("olena", "node-1"), "line 3: `admin` is refused\n  why: node-1 is the name"),
        (PLAN.replace("lviv", "Львів"), "line 12: `site` is refused"),
        (PLAN.replace("Three cities", ""), "line 2: `cluster` is refused"),
        (PLAN.replace("city", "village"), "line 4 is not understood"),
    ] {
        let error = plan(&text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_plan_that_cannot_lose_a_site_is_warned_of() {
    assert!(plan(PLAN).unwrap().warnings().is_empty());
    let two_in_kyiv = plan(&PLAN.replace("lviv", "kyiv")).unwrap().warnings();
    assert_eq!(two_in_kyiv.len(), 1);
    assert!(two_in_kyiv[0].starts_with("without kyiv, which has 2 of 3 nodes"), "{two_in_kyiv:?}");
    let end = PLAN.rfind("[[nodes]]").unwrap();
    let two_cities = plan(&PLAN[..end]).unwrap().warnings();
    assert_eq!(two_cities.len(), 3);
    assert!(two_cities[2].contains("witness"), "{two_cities:?}");
}

#[test]
fn a_founding_that_was_edited_is_refused() {
    let text = founded(1).founding.to_toml();
    let parse = |text: &str| {
        Founding::parse(text, Path::new("founding.toml"))
            .map_err(|error| error.explain().to_string())
    };
    assert_eq!(parse(&text).unwrap(), founded(1).founding);
    for (from, to, why) in [
        ("node = 2", "node = 7", "founders are numbered from 1 without gaps"),
        ("cluster = \"", "cluster = \"0", "expected 32 hex digits"),
        ("replay = false", "replay = false\nextra = 1", "unknown field `extra`"),
    ] {
        let error = parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
