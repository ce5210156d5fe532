//! The other members, as this node sees them, and clocks.

use std::fmt;

use openraft_rt::watch::WatchReceiver;
use openraft_rt_tokio::TokioRuntime;

use super::page::Page;
use crate::Node;
use crate::peers::Reading;

pub(super) fn write(page: &mut Page<'_>, node: &Node<TokioRuntime>) -> fmt::Result {
    let members: Vec<_> = {
        let metrics = node.raft().metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().nodes().map(|(member, _)| *member).collect()
    };
    let readings = node.neighbours().readings();
    page.gauges(
        "quorumcall_peer_up",
        "1 if the member answered when it was asked last, within a second or so.",
        |out| {
            for member in members.iter().filter(|member| **member != node.number()) {
                let is_up = u32::from(readings.contains_key(member));
                out.put([("peer", &member.to_string())], is_up)?;
            }
            Ok(())
        },
    )?;
    let mut each = |name, help, value: fn(&Reading) -> f64| {
        page.gauges(name, help, |out| {
            for (peer, reading) in &readings {
                out.put([("peer", &peer.to_string())], value(reading))?;
            }
            Ok(())
        })
    };
    each(
        "quorumcall_peer_clock_offset_seconds",
        "The wall clock of the peer less that of this node.",
        |reading| reading.clock_offset_ms as f64 / 1_000.0,
    )?;
    each("quorumcall_peer_round_trip_seconds", "The round trip to the peer.", |reading| {
        reading.round_trip.as_secs_f64()
    })?;
    page.gauges("quorumcall_peer_applied_index", "The last entry the peer has applied.", |out| {
        for (peer, reading) in &readings {
            out.put([("peer", &peer.to_string())], reading.applied)?;
        }
        Ok(())
    })?;
    page.gauge(
        "quorumcall_clock_error_seconds",
        "The wall clock of this node less the median of all.",
        node.neighbours().clock_error_ms().map(|error| error as f64 / 1_000.0),
    )?;
    let replay = node.state().view().centre().is_replay();
    page.gauge(
        "quorumcall_log_time_offset_seconds",
        "Log time less the wall clock of this node.",
        (!replay).then(|| log_time_offset_s(node)),
    )
}

fn log_time_offset_s(node: &Node<TokioRuntime>) -> f64 {
    let (log, wall) = (node.now().0, node.wall_ms());
    (i128::from(log) - i128::from(wall)) as f64 / 1_000.0
}
