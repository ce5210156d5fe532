//! What the whole daemon asks of the system, in what order: watched from outside, with `strace`.
//! Without `strace`, or where it may not trace, this says so and passes.

use std::fs;
use std::process::Command;

use acd::command::ConfigCommand;
use acd::ids::{PrincipalId, SkillId};
use acd::text::Label;
use node::submit::Answer;

use crate::client::Clients;
use crate::cluster::{ADMIN, Cluster};
use crate::load::by_admin;

const COMMANDS: usize = 40;
/// Bytes of a write that may be an answer. HTTP/2's own frames, encrypted, are shorter: a ping is
/// 39, a window update 35.
const ANSWER_BYTES_MIN: u64 = 45;

/// What happened, in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    /// The entry of a command is handed to the system.
    Write(usize),
    /// A sync of the log has returned.
    Synced,
    /// Something is sent to the client that may be an answer.
    Send,
}

fn text(number: usize) -> String {
    format!("evidence-number-{number:04}")
}

/// A write counts from its start, a sync from its end.
fn calls(lines: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut syncing: Vec<&str> = Vec::new();
    for line in lines.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let of_log = call.contains("/log/r-");
        if call.starts_with("fdatasync(") && of_log {
            if call.ends_with("<unfinished ...>") {
                syncing.push(process);
            } else if call.ends_with("= 0") {
                calls.push(Call::Synced);
            }
        } else if call.starts_with("<... fdatasync resumed>") {
            let was_log = syncing.iter().position(|other| *other == process);
            if was_log.map(|at| syncing.swap_remove(at)).is_some() && call.ends_with("= 0") {
                calls.push(Call::Synced);
            }
        } else if of_log {
            calls.extend((0..COMMANDS).filter(|n| call.contains(&text(*n))).map(Call::Write));
        } else if call.contains("<TCP") || call.contains("<socket:") {
            let sent = call.rsplit_once("= ").and_then(|(_, sent)| sent.trim().parse().ok());
            // One that was interrupted in the trace counts in any case.
            if sent.is_none_or(|sent: u64| sent >= ANSWER_BYTES_MIN) {
                calls.push(Call::Send);
            }
        }
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_leaves_before_the_sync_of_what_it_answers() {
    let mut cluster = Cluster::found(1, "");
    let trace = cluster.founded().join("strace.out");
    let daemon = cluster.command(1);
    let traced = Command::new("strace")
        .args(["-f", "-y", "-s", "2000", "-o"])
        .arg(&trace)
        .args(["-e", "trace=write,writev,sendto,sendmsg,pwrite64,fdatasync"])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .env_remove("QUORUMCALL_LOG")
        // Otherwise the daemon begins twice, which is only longer.
        .env("MIMALLOC_ALLOW_THP", "0")
        .stderr(cluster.log_file(1))
        .spawn();
    let Ok(traced) = traced else { return eprintln!("there is no strace: not checked") };
    cluster.adopt(1, traced);
    let may_trace = tokio::task::block_in_place(|| cluster.runs_or_ended(1));
    if !may_trace {
        return eprintln!("strace cannot trace here: not checked: {}", cluster.log(1));
    }
    cluster.wait_for(1, "the cluster is founded");
    let clients = Clients::of(&cluster);
    let operator = PrincipalId::new(ADMIN).expect("a proper name");
    let mut conversation = clients.talk(1, &operator).await;
    for number in 0..COMMANDS {
        let name = Label::new(&text(number)).expect("a proper name");
        let skill = SkillId::new(&format!("skill-{number}")).expect("a proper name");
        let put = by_admin(ConfigCommand::PutSkill { skill, name, expected: None });
        let answer = conversation.ask(&put).await;
        assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
    }
    cluster.stop_traced(1);
    let calls = calls(&fs::read_to_string(&trace).expect("what strace wrote"));

    // One command at a time: from the write of its entry to its sync nothing may leave, and
    // between its sync and the next write its answer must have.
    let begin = calls.iter().position(|call| *call == Call::Write(0)).expect("the first entry");
    let mut waiting = None;
    let mut answers = 0;
    for call in &calls[begin..] {
        match call {
            Call::Write(number) => {
                assert_eq!(*number, answers, "written before the last was answered: {calls:?}");
                waiting = Some((*number, false));
            }
            Call::Synced => waiting = waiting.map(|(number, _)| (number, true)),
            // With nothing to wait for it is the rest of an answer that was sent in pieces.
            Call::Send => {
                if let Some((number, synced)) = waiting.take() {
                    assert!(synced, "the answer to {number} left before the sync: {calls:?}");
                    answers = number + 1;
                }
            }
        }
    }
    assert_eq!(answers, COMMANDS, "{calls:?}");
}
