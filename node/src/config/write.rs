//! `node.toml` as this program writes it.

use std::fmt::{self, Write};

use super::{Limits, LogSettings, MetricsSettings, NodeConfig, Timing};

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn to_toml(config: &NodeConfig) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    write(config, &mut text).expect("a string takes everything");
    text
}

fn write(config: &NodeConfig, out: &mut String) -> fmt::Result {
    writeln!(out, "# What this node is told. Restart the node after a change.")?;
    writeln!(out, "node = {} # never changes", config.node.0)?;
    writeln!(out, "site = {}", quoted(config.site.as_str()))?;
    writeln!(out, "listen = {} # where it waits for connections", quoted(&config.listen))?;
    writeln!(out, "address = {} # where others find it", quoted(&config.address))?;
    if let Some(source) = config.source {
        let source = quoted(&source.to_string());
        writeln!(out, "source = {source} # where its connections to others come from")?;
    }
    if let Some(data) = config.data.to_str().filter(|data| !data.is_empty()) {
        writeln!(out, "data = {}", quoted(data))?;
    }
    let Timing { rtt_ms, heartbeat_ms, election_ms: (shortest, longest) } = config.timing;
    match config.timing.profile() {
        Some(profile) => writeln!(
            out,
            "profile = {} # for round trips of up to {rtt_ms} ms; the same on all nodes",
            quoted(profile.word())
        )?,
        None => writeln!(
            out,
            "\n[timing]\nrtt_ms = {rtt_ms}\nheartbeat_ms = {heartbeat_ms}\n\
             election_ms = [{shortest}, {longest}]"
        )?,
    }
    let LogSettings { snapshot_after_bytes, kept_entries } = config.log;
    if config.log != LogSettings::default() {
        writeln!(out, "\n[log]")?;
        writeln!(out, "snapshot_after_bytes = {snapshot_after_bytes}")?;
        writeln!(out, "kept_entries = {kept_entries}")?;
    }
    if config.limits != Limits::default() {
        let Limits {
            inbound_commands,
            inbound_bytes,
            batch_commands,
            batch_bytes,
            batches_in_flight,
            watch_events,
        } = config.limits;
        writeln!(out, "\n[limits]")?;
        writeln!(out, "inbound_commands = {inbound_commands}")?;
        writeln!(out, "inbound_bytes = {inbound_bytes}")?;
        writeln!(out, "batch_commands = {batch_commands}")?;
        writeln!(out, "batch_bytes = {batch_bytes}")?;
        writeln!(out, "batches_in_flight = {batches_in_flight}")?;
        writeln!(out, "watch_events = {watch_events}")?;
    }
    if let Some(MetricsSettings { listen }) = &config.metrics {
        writeln!(out, "\n[metrics]\nlisten = {}", quoted(listen))?;
    }
    Ok(())
}
