//! The examples in `docs/founding.md` are true.

use std::path::Path;

use node::config::{Limits, LogSettings, MetricsSettings, NodeConfig, Profile};
use node::founding::Plan;

/// The TOML examples of the page.
fn examples() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/founding.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut parts = page.split("```");
    let mut found = Vec::new();
    while let (Some(_), Some(code)) = (parts.next(), parts.next()) {
        found.extend(code.strip_prefix("toml\n").map(str::to_owned));
    }
    found
}

#[test]
fn the_examples_are_taken_and_show_the_defaults() {
    let [plan, config, timing] = &examples()[..] else { panic!("three examples") };
    assert_eq!(Plan::parse(plan, Path::new("plan.toml")).unwrap().nodes.len(), 3);

    let path = Path::new("node.toml");
    let parsed = NodeConfig::parse(config, path).unwrap();
    assert_eq!(parsed.limits, Limits::default());
    assert_eq!(parsed.log, LogSettings::default());
    assert_eq!(parsed.timing, Profile::Metro.timing());
    assert_eq!(parsed.metrics, Some(MetricsSettings { listen: "127.0.0.1:9464".to_owned() }));

    let other = config.replace("profile = \"metro\"", "") + timing;
    assert_eq!(NodeConfig::parse(&other, path).unwrap().timing.heartbeat_ms, 30);
}
