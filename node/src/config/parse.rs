//! `node.toml` as it is written.

use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use acd::ids::{NodeId, SiteId};
use serde::Deserialize;
use toml::Spanned;

use super::limits::{self, Bound};
use super::{
    ADDRESS_BYTES_MAX, ConfigError, Limits, LogSettings, MetricsSettings, NodeConfig, Profile,
    Timing, TimingError,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    node: Spanned<u64>,
    site: Spanned<String>,
    listen: Spanned<String>,
    address: Spanned<String>,
    source: Option<Spanned<String>>,
    data: Option<String>,
    profile: Option<Spanned<Profile>>,
    timing: Option<Spanned<WrittenTiming>>,
    #[serde(default)]
    log: WrittenLog,
    #[serde(default)]
    limits: WrittenLimits,
    metrics: Option<WrittenMetrics>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTiming {
    rtt_ms: Spanned<u64>,
    heartbeat_ms: Spanned<u64>,
    election_ms: Spanned<(u64, u64)>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLog {
    snapshot_after_bytes: Option<Spanned<u64>>,
    kept_entries: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    inbound_commands: Option<Spanned<u64>>,
    inbound_bytes: Option<Spanned<u64>>,
    batch_commands: Option<Spanned<u64>>,
    batch_bytes: Option<Spanned<u64>>,
    batches_in_flight: Option<Spanned<u64>>,
    watch_events: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMetrics {
    listen: Spanned<String>,
}

/// A text with the place it is from.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) path: &'a Path,
}

/// Whether a text is host:port. `0` as a port is only for those who listen.
pub fn is_address(text: &str, port_zero: bool) -> bool {
    let whole_host = |host: &str| {
        // An IPv6 address has colons of its own and stands in brackets.
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        match bare {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(plain),
        }
    };
    text.len() <= ADDRESS_BYTES_MAX
        && text.rsplit_once(':').is_some_and(|(host, port)| {
            whole_host(host)
                && port.bytes().all(|b| b.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port != 0 || port_zero)
        })
}

/// Whether an address to listen at stands for all addresses of a machine, so that nobody elsewhere
/// can dial it.
pub fn is_unspecified(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

impl Source<'_> {
    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(self.text).map_err(|error| ConfigError::Syntax {
            path: self.path.to_owned(),
            line: error.span().map(|span| self.line(span.start)),
            what: error.message().to_owned(),
        })
    }

    pub(crate) fn refuse(
        &self,
        span: Option<Range<usize>>,
        key: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_owned(),
            line: span.map(|span| self.line(span.start)),
            key,
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn site(&self, site: &Spanned<String>) -> Result<SiteId, ConfigError> {
        SiteId::new(site.as_ref()).map_err(|error| {
            self.refuse(
                Some(site.span()),
                "site",
                error.to_string(),
                "use a name of a-z, 0-9, `.`, `_` and `-`, of at most 63 characters",
            )
        })
    }

    /// Checks host:port. `0` as a port is only for those who listen.
    pub(crate) fn address(
        &self,
        key: &'static str,
        address: &Spanned<String>,
        port_zero: bool,
    ) -> Result<String, ConfigError> {
        if is_address(address.as_ref(), port_zero) {
            return Ok(address.as_ref().clone());
        }
        Err(self.refuse(
            Some(address.span()),
            key,
            "it is not host:port",
            "write it as kyiv-1.example:7400, 10.0.0.1:7400 or [fd00::1]:7400",
        ))
    }

    /// Checks an address of a machine, without a port. The one that stands for all of them is none
    /// to come from.
    fn ip(&self, key: &'static str, ip: &Spanned<String>) -> Result<IpAddr, ConfigError> {
        match ip.as_ref().parse::<IpAddr>() {
            Ok(ip) if !ip.is_unspecified() => Ok(ip),
            _ => Err(self.refuse(
                Some(ip.span()),
                key,
                "it is not the IP address of one interface",
                "write an address of this machine, without a port, as 10.0.0.1 or fd00::1, or \
                 leave the key out: the system chooses then",
            )),
        }
    }

    fn bounded(&self, value: Option<Spanned<u64>>, bound: &Bound) -> Result<u64, ConfigError> {
        let Some(value) = value else { return Ok(bound.default) };
        let Bound { key, least, most, default } = *bound;
        let number = *value.as_ref();
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        Err(self.refuse(
            Some(value.span()),
            key,
            format!("it is from {least} to {most}, not {number}"),
            format!("choose one of these, or leave the key out for {default}"),
        ))
    }
}

pub(super) fn parse(text: &str, path: &Path) -> Result<NodeConfig, ConfigError> {
    let source = Source { text, path };
    let written: Written = source.read()?;
    if *written.node.as_ref() == 0 {
        return Err(source.refuse(
            Some(written.node.span()),
            "node",
            "nodes are numbered from 1",
            "use the number that the cluster gave this node",
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(NodeConfig {
        node: NodeId(*written.node.as_ref()),
        site: source.site(&written.site)?,
        listen: source.address("listen", &written.listen, true)?,
        address: source.address("address", &written.address, false)?,
        source: written.source.map(|ip| source.ip("source", &ip)).transpose()?,
        data: folder.join(written.data.as_deref().unwrap_or("")),
        timing: timing(&source, written.profile, written.timing)?,
        log: LogSettings {
            snapshot_after_bytes: source
                .bounded(written.log.snapshot_after_bytes, &limits::SNAPSHOT_AFTER_BYTES)?,
            kept_entries: source.bounded(written.log.kept_entries, &limits::KEPT_ENTRIES)?,
        },
        limits: read_limits(&source, written.limits)?,
        metrics: match written.metrics {
            None => None,
            Some(WrittenMetrics { listen }) => {
                let listen = source.address("metrics.listen", &listen, true)?;
                Some(MetricsSettings { listen })
            }
        },
    })
}

fn timing(
    source: &Source<'_>,
    profile: Option<Spanned<Profile>>,
    written: Option<Spanned<WrittenTiming>>,
) -> Result<Timing, ConfigError> {
    let written = match (profile, written) {
        (Some(profile), None) => return Ok(profile.into_inner().timing()),
        (None, Some(written)) => written.into_inner(),
        (Some(_), Some(written)) => {
            return Err(source.refuse(
                Some(written.span()),
                "timing",
                "there is a profile as well, and only one of them can count",
                "remove `profile` or `[timing]`",
            ));
        }
        (None, None) => {
            return Err(source.refuse(
                None,
                "profile",
                "it is missing, and so is [timing]",
                "add profile = \"city\" for round trips of up to 5 ms between the nodes, \
                 \"metro\" for 20 ms, \"wan\" for 80 ms",
            ));
        }
    };
    Timing {
        rtt_ms: *written.rtt_ms.as_ref(),
        heartbeat_ms: *written.heartbeat_ms.as_ref(),
        election_ms: *written.election_ms.as_ref(),
    }
    .check()
    .map_err(|error| {
        let span = match error {
            TimingError::Heartbeat { .. } => written.heartbeat_ms.span(),
            TimingError::Election { .. } | TimingError::Range { .. } => written.election_ms.span(),
            TimingError::Bounds => written.rtt_ms.span(),
        };
        source.refuse(Some(span), error.key(), error.to_string(), error.remedy())
    })
}

fn read_limits(source: &Source<'_>, written: WrittenLimits) -> Result<Limits, ConfigError> {
    // All bounds are far below what a usize holds.
    let read = |value, bound| source.bounded(value, bound).map(|number| number as usize);
    Ok(Limits {
        inbound_commands: read(written.inbound_commands, &limits::INBOUND_COMMANDS)?,
        inbound_bytes: read(written.inbound_bytes, &limits::INBOUND_BYTES)?,
        batch_commands: read(written.batch_commands, &limits::BATCH_COMMANDS)?,
        batch_bytes: read(written.batch_bytes, &limits::BATCH_BYTES)?,
        batches_in_flight: read(written.batches_in_flight, &limits::BATCHES_IN_FLIGHT)?,
        watch_events: read(written.watch_events, &limits::WATCH_EVENTS)?,
    })
}
