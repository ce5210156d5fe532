//! What is in `deploy/` fits the program: keys, metrics, exit codes, and the programs that read it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use node::config::{Limits, LogSettings, NodeConfig, Profile, Timing};
use node::panics;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Tables and keys of a file, as `table.key`.
fn keys(text: &str) -> BTreeSet<String> {
    let table: toml::Table = text.parse().unwrap();
    table
        .iter()
        .flat_map(|(name, value)| match value.as_table() {
            Some(inner) => inner.keys().map(|key| format!("{name}.{key}")).collect(),
            None => vec![name.clone()],
        })
        .collect()
}

#[test]
fn the_sample_of_node_toml_has_every_key_and_shows_the_defaults() {
    let sample = read("deploy/node.toml");
    let path = Path::new("/var/lib/quorumcall/node.toml");
    let config = NodeConfig::parse(&sample, path).unwrap();
    assert_eq!(config.data, Path::new("/var/lib/quorumcall/."));
    assert_eq!(config.timing, Profile::Metro.timing());

    // `#key = value` is a default, `# text` a remark.
    let is_default = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let uncommented: String = sample
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| is_default(rest)).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_ne!(uncommented, sample);
    let spelt_out = NodeConfig::parse(&uncommented, path).unwrap();
    assert_eq!(spelt_out, config, "what is commented out is what counts without it");
    assert_eq!((spelt_out.limits, spelt_out.log), (Limits::default(), LogSettings::default()));

    let reference = read("docs/founding.md");
    let (_, reference) = reference.split_once("## `node.toml`").unwrap();
    let (_, reference) = reference.split_once("```toml\n").unwrap();
    let (reference, _) = reference.split_once("```").unwrap();
    assert_eq!(keys(&uncommented), keys(reference));
}

/// Words that look like names of metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("quorumcall_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn rules_ask_only_for_metrics_that_there_are() {
    let page = read("docs/metrics.md");
    let described = metrics(&page);
    for file in ["quorumcall.rules.yml", "quorumcall.tests.yml"] {
        let text = read(&format!("deploy/prometheus/{file}"));
        let used = metrics(&text);
        assert!(used.len() > 10, "{file}: {used:?}");
        for metric in used {
            let family = metric.strip_suffix("_bucket").unwrap_or(metric);
            assert!(described.contains(family), "{file} asks for {metric}");
        }
    }
}

/// The sections of a page, as links name them.
fn anchors(page: &str) -> BTreeSet<String> {
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().chars().filter_map(letter).collect())
        .collect()
}

#[test]
fn every_alert_says_how_urgent_it_is_what_happened_and_where_to_read_on() {
    let rules = read("deploy/prometheus/quorumcall.rules.yml");
    // Whatever tells of the guide's sections tells of those that there are.
    let guide = fs::read_to_string(root().join("docs/operations.md")).ok();
    let sections = guide.as_deref().map(anchors);
    let mut names = BTreeSet::new();
    for alert in rules.split("- alert: ").skip(1) {
        let (name, rule) = alert.split_once('\n').unwrap();
        assert!(name.starts_with("Quorumcall") && names.insert(name), "{name}");
        let has = |key: &str| rule.lines().any(|line| line.trim_start().starts_with(key));
        assert!(has("expr: ") && has("summary: ") && has("description: "), "{name}");
        assert!(
            has("labels: { severity: page }") || has("labels: { severity: ticket }"),
            "{name}: how urgent it is"
        );
        let runbook = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: "));
        let section = runbook.and_then(|link| link.strip_prefix("docs/operations.md#"));
        let section = section.unwrap_or_else(|| panic!("{name} names no section of the guide"));
        if let Some(sections) = &sections {
            assert!(sections.contains(section), "{name}: there is no section {section}");
        }
    }
    assert!(names.len() > 25, "{names:?}");
}

#[test]
fn the_service_starts_again_after_a_fault_and_not_after_a_refusal() {
    let unit = read("deploy/systemd/quorumcall-node.service");
    let setting = |key: &str| {
        let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(key)).collect();
        assert_eq!(values.len(), 1, "{key}");
        values[0].to_owned()
    };
    assert_eq!(setting("Restart="), "on-failure");
    let kept_down = setting("RestartPreventExitStatus=");
    let kept_down: Vec<i32> = kept_down.split(' ').map(|code| code.parse().unwrap()).collect();
    assert_eq!(kept_down, [1, 2], "refused or ended by itself; wrong use or configuration");
    assert!(!kept_down.contains(&panics::EXIT_CODE));
    assert_eq!(setting("ExecStart="), "/usr/bin/quorumcall-node run --data /var/lib/quorumcall");
    let help = Command::new(env!("CARGO_BIN_EXE_quorumcall-node")).args(["run", "--help"]).output();
    assert!(String::from_utf8(help.unwrap().stdout).unwrap().contains("--data <DIR>"));
}

#[test]
fn the_sizing_shows_the_times_of_the_profiles() {
    let page = read("docs/sizing.md");
    // As people write them: 1,500.
    let text = |ms: u64| match (ms / 1_000, ms % 1_000) {
        (0, ms) => ms.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    };
    for profile in Profile::ALL {
        let Timing { rtt_ms, heartbeat_ms, election_ms: (shortest, longest) } = profile.timing();
        let word = profile.word();
        let (shortest, longest) = (text(shortest), text(longest));
        for row in [
            format!("| `{word}` | {rtt_ms} ms | {heartbeat_ms} ms | {shortest}–{longest} ms |"),
            format!("| `{word}` | {longest} + {shortest}…{longest} ms | 4 × {rtt_ms} ms |"),
        ] {
            assert!(page.contains(&row), "docs/sizing.md lacks {row}");
        }
    }
}

/// Says what it skips: see there with `--nocapture`.
#[cfg(target_os = "linux")]
#[test]
fn the_programs_that_read_it_take_it() {
    let output = Command::new(root().join("deploy/check")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
