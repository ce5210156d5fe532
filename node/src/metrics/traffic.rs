//! Commands, connections and calls.

use std::fmt;

use openraft_rt_tokio::TokioRuntime;

use super::page::Page;
use crate::rpc::Refusal;
use crate::submit::Origin;
use crate::{Load, Node};

pub(super) fn write(page: &mut Page<'_>, node: &Node<TokioRuntime>) -> fmt::Result {
    commands(page, node)?;
    calls(page, node)
}

fn commands(page: &mut Page<'_>, node: &Node<TokioRuntime>) -> fmt::Result {
    page.counters(
        "quorumcall_commands",
        "Commands that came in at this node, by whom they came from and what became of them.",
        |out| {
            for origin in Origin::ALL {
                for (outcome, count) in node.commands().answers(origin) {
                    out.put([("from", origin.word()), ("outcome", outcome)], count)?;
                }
            }
            Ok(())
        },
    )?;
    page.histogram(
        "quorumcall_command_seconds",
        "How long commands of clients took that were carried out, from coming in here to the answer.",
        &node.commands().latencies_us.read(),
        1e6,
    )?;
    let Load { commands, bytes, batches } = node.load();
    page.gauge(
        "quorumcall_inbox_commands",
        "Commands that wait for a batch on this node.",
        Some(commands as u64),
    )?;
    page.gauge("quorumcall_inbox_bytes", "Their bytes.", Some(bytes as u64))?;
    page.gauge(
        "quorumcall_batches_in_flight",
        "Entries that this node has proposed and that are not applied yet.",
        Some(batches as u64),
    )?;
    page.histogram(
        "quorumcall_batch_commands",
        "Commands in each entry that this node has proposed.",
        &node.commands().batches.read(),
        1.0,
    )
}

fn calls(page: &mut Page<'_>, node: &Node<TokioRuntime>) -> fmt::Result {
    let rpc = node.rpc();
    page.gauge(
        "quorumcall_rpc_connections",
        "Connections of clients and peers that are open.",
        Some(rpc.connections.get()),
    )?;
    page.counters(
        "quorumcall_rpc_connections_refused",
        "Connections that were not served, by why.",
        |out| {
            for why in Refusal::ALL {
                out.put([("reason", why.word())], rpc.refusals(why))?;
            }
            Ok(())
        },
    )?;
    page.counters("quorumcall_rpc_requests", "Calls that are over, by how they ended.", |out| {
        for (name, method) in rpc.methods() {
            // The first count of a status is not to be the first sample of its series; but of all
            // that never happen there would be a thousand.
            let told = method.ended().filter(|(status, count)| *count > 0 || *status == "OK");
            for (status, count) in told {
                out.put([("method", name), ("status", status)], count)?;
            }
        }
        Ok(())
    })?;
    page.gauges("quorumcall_rpc_requests_in_flight", "Calls that are not over.", |out| {
        for (name, method) in rpc.methods() {
            out.put([("method", name)], method.in_flight.get())?;
        }
        Ok(())
    })
}
