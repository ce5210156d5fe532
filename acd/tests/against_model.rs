//! The centre decides what a naive model decides that scans everything: same answers, same
//! events, same state, after every entry of long sequences of sensible, hostile and repeated
//! commands. A second centre fed the same entries has the same hash.
//!
//! `QUORUMCALL_CASES` sets the number of sequences, `QUORUMCALL_SEED` where chance begins,
//! `QUORUMCALL_COVERAGE_CASES` and `QUORUMCALL_CROWDS` the length of the other tests.

mod hostile;
mod model;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use acd::time::LogTime;
use hostile::coverage::Coverage;
use hostile::dice::Dice;
use hostile::{arrivals, commands, world};

#[allow(clippy::disallowed_methods, reason = "a test may be told how long to run")]
fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Plays a sequence; an error says where centre and model part.
fn play(beginning: u64, numbers: &[u64]) -> Result<Coverage, String> {
    let mut world = world::found(&mut Dice::new(beginning))?;
    for number in numbers {
        commands::next(&mut world, *number)?;
    }
    Ok(world.coverage)
}

#[test]
fn the_centre_decides_as_a_scan_of_everything_would() {
    let cases = from_environment("QUORUMCALL_CASES", 25);
    let config = Config {
        cases: cases as u32,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(from_environment("QUORUMCALL_SEED", 1)),
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    let sequences = (any::<u64>().no_shrink(), vec(any::<u64>().no_shrink(), 50..400));
    let result = TestRunner::new(config).run(&sequences, |(beginning, numbers)| {
        play(beginning, &numbers).map(|_| ()).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("aborted: {reason}"),
    }
}

#[test]
fn what_a_full_entry_leaves_over_comes_before_commands_on_it() {
    for beginning in 0..from_environment("QUORUMCALL_CROWDS", 1) {
        let mut dice = Dice::new(beginning);
        let played = world::found(&mut dice).and_then(|mut world| {
            for _ in 0..100 {
                commands::next(&mut world, dice.roll())?;
            }
            let soon = LogTime(world.model.now.0 + 1_000);
            let crowd = arrivals::crowd(&mut world, soon);
            world.stamp = world.model.now;
            world.entry(crowd)?;
            commands::after_a_gap(&mut world, &mut dice, 3_600_000)?;
            (0..5).try_for_each(|_| commands::next(&mut world, dice.roll()))
        });
        played.unwrap_or_else(|difference| panic!("{difference}"));
    }
}

/// What must occur in sequences, by kind. Not here: refusals of bytes and texts, which are parsed
/// at the edge, and of snapshots, and two that take luck: `last-voter` and `address-taken`.
const REACHABLE: &[(&str, &str)] = &[
    ("carried out", "Init Tick TermStarted SetTime AdvanceTo Checkpoint TransferLeader"),
    ("carried out", "Enqueue HangUp Bridged BridgeFailed RequestCallback SetRecording RecordCsat"),
    ("carried out", "Attach Detach Reattach Move Remove"),
    ("carried out", "Accept Decline Hold Retrieve End Complete SetDisposition Transfer Consult"),
    ("carried out", "LogIn LogOut Ready NotReady OpenMedium SessionLost"),
    ("carried out", "SetReady SetNotReady ForceLogOut"),
    ("carried out", "Put Delete AddNode RemoveNode NodeLost Suspect Heard Lost CaughtUp"),
    ("carried out", "IssueToken RevokeToken RedeemToken SetNodeRole RetireNode"),
    ("carried out", "DeclareLost Drain CancelDrain Return"),
    ("carried out", "PutQueue DeleteQueue CloseQueue ReopenQueue PutCalendar DeleteCalendar"),
    ("carried out", "PutSkill DeleteSkill PutAgent DeleteAgent MoveAgent EndMove"),
    ("carried out", "PutPrincipal DeletePrincipal PutSettings"),
    ("reply", "Done Enqueued TurnedAway Accepted LoggedIn Revised NodeAdded Verdicts Time"),
    ("reply", "Checkpoint TokenIssued"),
    ("verdict", "Waiting WithAgent Closed Unknown NotYours"),
    ("contact", "Enqueued Queued Scheduled StepReached PlaceChanged Spilled PreferredGivenUp"),
    ("contact", "Offered OfferEnded Accepted Connected Held Retrieved WrapUpStarted Transferred"),
    ("contact", "Overflowed BecameCallback Stranded Resumed Orphaned Adopted ConsultStarted"),
    ("contact", "DispositionSet RecordingSet CsatReceived Closed"),
    ("offer end", "Declined Rona AgentLost BridgeFailed BridgeTimeout Abandoned IngressLost"),
    ("offer end", "Withdrawn Transferred"),
    ("overflow", "Closed Full WaitedTooLong Moved Deleted"),
    ("callback", "Asked Closed Full WaitedTooLong Drained"),
    ("ending", "Handled Abandoned WaitedTooLong TurnedAwayClosed TurnedAwayFull Flushed"),
    ("ending", "LostIngress Orphaned Removed ConsultOver Cut"),
    ("strategy", "LongestIdle LeastOccupied MostSkilled RoundRobin"),
    ("site choice", "Any Local Spilled Share FreeCapacity"),
    ("step", "0 1 2 3"),
    ("preferred", "true false"),
    ("agent", "LoggedIn LoggedOut Unreachable Offline Ready NotReady NotReadyWhenFree"),
    ("agent", "MediumClosed MediumOpened Moved MoveEnded"),
    ("site", "Active Suspect Lost Returning Draining Drained"),
    ("alarm", "CalendarEnds DrainExpiredUnwell"),
    ("event", "DrainDeadline QueueClosed QueueReopened Config NodeAdded NodeRemoved NodeLost"),
    ("event", "NodeRoleChanged NodeLeaving TokenEnded"),
    ("event", "IngressStreams TermStarted TimeSet Checkpoint Diverged Audit"),
    ("rejection", "out-of-range named-twice reserved-name invalid-config not-permitted not-yours"),
    ("rejection", "already-initialised not-initialised unknown stale-revision in-use"),
    ("rejection", "limit-reached contact-id-reused channel-not-taken no-site stale-token"),
    ("rejection", "wrong-state stale-session agent-busy wrong-site-state time-goes-back"),
    ("rejection", "token-unknown token-expired token-used token-revoked token-known"),
    ("rejection", "node-leaving fewer-voters wrong-node"),
    ("rejection", "not-a-replay not-first request-too-old request-from-future request-reused"),
];

#[test]
fn every_command_event_and_refusal_there_is_occurs_in_the_sequences() {
    let mut seen = Coverage::default();
    for beginning in 0..from_environment("QUORUMCALL_COVERAGE_CASES", 80) {
        let mut dice = Dice::new(beginning);
        let numbers: Vec<u64> = (0..350).map(|_| dice.roll()).collect();
        seen.add(play(beginning, &numbers).unwrap_or_else(|difference| panic!("{difference}")));
    }
    for ((kind, name), count) in &seen.seen {
        println!("{kind}: {name}: {count}");
    }
    let missing = seen.missing(REACHABLE);
    assert!(missing.is_empty(), "never seen: {missing:#?}");
}
