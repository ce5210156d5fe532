//! What `node.toml` may say, and how it is refused.

use std::path::Path;

use node::config::{Limits, LogSettings, MetricsSettings, NodeConfig, Profile};
use node::explain::Explain;

const GOOD: &str = r#"node = 1
site = "kyiv"
listen = "0.0.0.0:7400"
address = "kyiv-1.example:7400"
profile = "metro"
"#;

fn parse(text: &str) -> Result<NodeConfig, String> {
    NodeConfig::parse(text, Path::new("/etc/q/node.toml"))
        .map_err(|error| error.explain().to_string())
}

#[test]
fn a_short_file_is_enough() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.node.0, 1);
    assert_eq!(config.data, Path::new("/etc/q"));
    assert_eq!(config.timing, Profile::Metro.timing());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.log, LogSettings::default());
    assert_eq!(config.metrics, None);
    assert_eq!(config.source, None);
}

#[test]
fn everything_can_be_said() {
    let text = r#"
node = 3
site = "lviv"
listen = "[::]:0"
address = "[fd00::1]:7400"
source = "fd00::1"
data = "/var/lib/quorumcall"
[timing]
rtt_ms = 10
heartbeat_ms = 30
election_ms = [100, 150]
[log]
snapshot_after_bytes = 65536
kept_entries = 0
[limits]
inbound_commands = 64
inbound_bytes = 1048576
batch_commands = 10000
batch_bytes = 1048576
batches_in_flight = 1
watch_events = 1024
[metrics]
listen = "[::1]:0"
"#;
    let config = parse(text).unwrap();
    assert_eq!(config.data, Path::new("/var/lib/quorumcall"));
    assert_eq!(config.timing.election_ms, (100, 150));
    assert_eq!(config.limits.batch_commands, 10_000);
    assert_eq!(config.log.kept_entries, 0);
    assert_eq!(config.source, Some("fd00::1".parse().unwrap()));
    assert_eq!(config.metrics, Some(MetricsSettings { listen: "[::1]:0".to_owned() }));
    assert_eq!(parse(&config.to_toml()).unwrap(), config, "as it is written");
}

#[test]
fn refusals_say_where_why_and_what_to_do() {
    let cases = [
        (
            GOOD.replace("metro", "galaxy"),
            "error E-CONFIG-SYNTAX: /etc/q/node.toml, line 5 is not understood\n  why: unknown variant `galaxy`, expected one of `city`, `metro`, `wan`\n",
        ),
        (
            format!("{GOOD}profil = \"city\"\n"),
            "error E-CONFIG-SYNTAX: /etc/q/node.toml, line 6 is not understood\n  why: unknown field `profil`",
        ),
        (
            GOOD.replace("node = 1\n", ""),
            "error E-CONFIG-SYNTAX: /etc/q/node.toml, line 1 is not understood\n  why: missing field `node`",
        ),
        (
            GOOD.replace("node = 1", "node = 0"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 1: `node` is refused\n  why: nodes are numbered from 1\n",
        ),
        (
            GOOD.replace("\"kyiv\"", "\"Kyiv\""),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 2: `site` is refused\n  why: \"Kyiv\" is not a site id\n  do:  use a name of a-z",
        ),
        (
            GOOD.replace("kyiv-1.example:7400", "kyiv-1.example:0"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 4: `address` is refused\n  why: it is not host:port\n  do:  write it as",
        ),
        (
            format!("source = \"10.0.0.1:7400\"\n{GOOD}"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 1: `source` is refused\n  why: it is not the IP address of one interface\n  do:  write an address of this machine",
        ),
        (
            format!("source = \"0.0.0.0\"\n{GOOD}"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 1: `source` is refused\n  why: it is not the IP address of one interface\n",
        ),
        (
            GOOD.replace("profile = \"metro\"\n", ""),
            "error E-CONFIG-VALUE: /etc/q/node.toml: `profile` is refused\n  why: it is missing, and so is [timing]\n  do:  add profile = \"city\"",
        ),
        (
            format!("{GOOD}[timing]\nrtt_ms = 1\nheartbeat_ms = 2\nelection_ms = [6, 9]\n"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 6: `timing` is refused\n  why: there is a profile as well",
        ),
        (
            GOOD.replace(
                "profile = \"metro\"",
                "[timing]\nrtt_ms = 80\nheartbeat_ms = 60\nelection_ms = [300, 450]",
            ),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 7: `heartbeat_ms` is refused\n  why: a heartbeat of 60 ms is less than 2 round trips of 80 ms: its answers would come too late, and the leader would refuse to write\n  do:  set it to 160 or more",
        ),
        (
            GOOD.replace(
                "profile = \"metro\"",
                "[timing]\nrtt_ms = 20\nheartbeat_ms = 60\nelection_ms = [150, 450]",
            ),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 8: `election_ms` is refused\n  why: 150 ms are less than 3 heartbeats of 60 ms: one late heartbeat would cost the leader its office\n  do:  begin at 180 or more",
        ),
        (
            format!("{GOOD}[limits]\nbatch_bytes = 5\n"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 7: `batch_bytes` is refused\n  why: it is from 131072 to 1048576, not 5\n  do:  choose one of these, or leave the key out for 262144",
        ),
        (
            format!("{GOOD}[metrics]\nlisten = \"9464\"\n"),
            "error E-CONFIG-VALUE: /etc/q/node.toml, line 7: `metrics.listen` is refused\n  why: it is not host:port\n  do:  write it as",
        ),
        (
            format!("{GOOD}[metrics]\n"),
            "error E-CONFIG-SYNTAX: /etc/q/node.toml, line 6 is not understood\n  why: missing field `listen`",
        ),
    ];
    for (text, start) in cases {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(start), "{error}\n--- should begin with ---\n{start}");
    }
}

#[test]
fn addresses_are_host_and_port() {
    for good in ["a:1", "10.0.0.1:65535", "[::1]:1", "a_b-c.d:80"] {
        parse(&GOOD.replace("kyiv-1.example:7400", good)).unwrap();
    }
    for bad in ["", "a", ":1", "a:", "a:70000", "::1:1", "[a]:1", "a b:1", "http://a:1", "a:+1"] {
        assert!(parse(&GOOD.replace("kyiv-1.example:7400", bad)).is_err(), "{bad}");
    }
}

#[test]
fn raft_takes_the_settings_of_every_profile() {
    for profile in Profile::ALL {
        let mut config = parse(GOOD).unwrap();
        config.timing = profile.timing();
        let raft = config.to_raft_config("Three cities").validate().unwrap();
        assert_eq!(raft.enable_pre_vote, Some(true));
        assert_eq!(raft.quorum_loss_probe_interval, Some(2 * raft.election_timeout_max));
        assert_eq!(raft.snapshot_policy, openraft::SnapshotPolicy::Never);
        assert!(raft.install_snapshot_timeout >= 30_000);
    }
}
