//! How a command fails: a code, what happened, why, and what to do.

use std::fmt;

/// What went wrong, by a name that stays. Each has an entry in `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A file is not there.
    FileMissing,
    /// A path leads to something that is no file.
    FileIsDirectory,
    /// The system does not let this user read a file.
    FileForbidden,
    /// A file could not be read to its end.
    FileUnreadable,
    /// A file is no call log.
    NotACallLog,
    /// A call log has nothing to replay.
    NoCalls,
    /// No call of a log names who answered.
    NoAgents,
    /// A call that is asked about is not in the log.
    NoSuchCall,
    /// The cities of a replay are no list of cities.
    BadCities,
    /// A centre is refused.
    CentreRefused,
    /// A cluster does not answer, or there is none.
    NoCluster,
    /// No cluster could be started on this machine, or it does not go on.
    LocalCluster,
    /// A file is no identity, or not the one that is needed.
    BadIdentity,
    /// The principal may not do this.
    NotPermitted,
    /// A cluster is not one that calls can be replayed through.
    NotForReplay,
    /// A benchmark came to no result.
    NoResult,
    /// A replay or a benchmark ended otherwise than it must.
    NotAsExpected,
    /// What should happen when makes no sense.
    BadSchedule,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Standard output does not take what is written.
    Output,
    /// The file that says who asks is not there.
    IdentityMissing,
    /// Others may read the file that says who asks.
    IdentityExposed,
    /// The file that says who asks is something else.
    IdentityMalformed,
    /// Nobody says where nodes are.
    NoEndpoint,
    /// No node answered.
    Unavailable,
    /// A command may have been carried out.
    OutcomeUnknown,
    /// The cluster refused a command.
    Refused,
    /// What is asked for is not there.
    NotFound,
    /// A node did not understand, or could not do it.
    NodeFailed,
    /// What a plan was made from has changed.
    StalePlan,
    /// The cluster is not as the file says.
    Drift,
    /// Another node leads than was asked for.
    LeaderElsewhere,
    /// Nobody is there who could confirm a plan.
    NeedsYes,
    /// Nobody says why something is to be done.
    NeedsReason,
    /// A plan was not confirmed.
    NotConfirmed,
    /// What a plan needs is not so.
    Precondition,
    /// A drain that was waited for ended before the site was drained.
    NotDrained,
    /// The system denies something that every program needs.
    System,
}

impl ErrorCode {
    /// All codes, in order.
    pub const ALL: [Self; 38] = [
        Self::FileMissing,
        Self::FileIsDirectory,
        Self::FileForbidden,
        Self::FileUnreadable,
        Self::NotACallLog,
        Self::NoCalls,
        Self::NoAgents,
        Self::NoSuchCall,
        Self::BadCities,
        Self::CentreRefused,
        Self::NoCluster,
        Self::LocalCluster,
        Self::BadIdentity,
        Self::NotPermitted,
        Self::NotForReplay,
        Self::NoResult,
        Self::NotAsExpected,
        Self::BadSchedule,
        Self::Interrupted,
        Self::Output,
        Self::IdentityMissing,
        Self::IdentityExposed,
        Self::IdentityMalformed,
        Self::NoEndpoint,
        Self::Unavailable,
        Self::OutcomeUnknown,
        Self::Refused,
        Self::NotFound,
        Self::NodeFailed,
        Self::StalePlan,
        Self::Drift,
        Self::LeaderElsewhere,
        Self::NeedsYes,
        Self::NeedsReason,
        Self::NotConfirmed,
        Self::Precondition,
        Self::NotDrained,
        Self::System,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileMissing => "E-FILE-MISSING",
            Self::FileIsDirectory => "E-FILE-IS-DIRECTORY",
            Self::FileForbidden => "E-FILE-FORBIDDEN",
            Self::FileUnreadable => "E-FILE-UNREADABLE",
            Self::NotACallLog => "E-NOT-A-CALL-LOG",
            Self::NoCalls => "E-NO-CALLS",
            Self::NoAgents => "E-NO-AGENTS",
            Self::NoSuchCall => "E-NO-SUCH-CALL",
            Self::BadCities => "E-BAD-CITIES",
            Self::CentreRefused => "E-CENTRE-REFUSED",
            Self::NoCluster => "E-NO-CLUSTER",
            Self::LocalCluster => "E-LOCAL-CLUSTER",
            Self::BadIdentity => "E-BAD-IDENTITY",
            Self::NotPermitted => "E-NOT-PERMITTED",
            Self::NotForReplay => "E-NOT-FOR-REPLAY",
            Self::NoResult => "E-NO-RESULT",
            Self::NotAsExpected => "E-NOT-AS-EXPECTED",
            Self::BadSchedule => "E-BAD-SCHEDULE",
            Self::Interrupted => "E-INTERRUPTED",
            Self::Output => "E-OUTPUT",
            Self::IdentityMissing => "E-IDENTITY-MISSING",
            Self::IdentityExposed => "E-IDENTITY-EXPOSED",
            Self::IdentityMalformed => "E-IDENTITY-MALFORMED",
            Self::NoEndpoint => "E-NO-ENDPOINT",
            Self::Unavailable => "E-UNAVAILABLE",
            Self::OutcomeUnknown => "E-OUTCOME-UNKNOWN",
            Self::Refused => "E-REFUSED",
            Self::NotFound => "E-NOT-FOUND",
            Self::NodeFailed => "E-NODE-FAILED",
            Self::StalePlan => "E-STALE-PLAN",
            Self::Drift => "E-DRIFT",
            Self::LeaderElsewhere => "E-LEADER-ELSEWHERE",
            Self::NeedsYes => "E-NEEDS-YES",
            Self::NeedsReason => "E-NEEDS-REASON",
            Self::NotConfirmed => "E-NOT-CONFIRMED",
            Self::Precondition => "E-PRECONDITION",
            Self::NotDrained => "E-NOT-DRAINED",
            Self::System => "E-SYSTEM",
        }
    }

    /// The exit code: 1 rejected, 2 usage, 3 unavailable, 4 outcome unknown, 5 not permitted; 130, as
    /// shells have it, after Ctrl-C.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::CentreRefused
            | Self::Refused
            | Self::NotFound
            | Self::StalePlan
            | Self::Drift
            | Self::LeaderElsewhere
            | Self::NotForReplay
            | Self::NotAsExpected
            | Self::NotConfirmed
            | Self::Precondition
            | Self::NotDrained => 1,
            Self::FileMissing
            | Self::FileIsDirectory
            | Self::NotACallLog
            | Self::NoCalls
            | Self::NoAgents
            | Self::NoSuchCall
            | Self::BadCities
            | Self::BadIdentity
            | Self::BadSchedule
            | Self::IdentityMissing
            | Self::IdentityExposed
            | Self::IdentityMalformed
            | Self::NoEndpoint
            | Self::NeedsYes
            | Self::NeedsReason => 2,
            Self::FileUnreadable
            | Self::NoCluster
            | Self::LocalCluster
            | Self::NoResult
            | Self::Output
            | Self::Unavailable
            | Self::NodeFailed
            | Self::System => 3,
            Self::OutcomeUnknown => 4,
            Self::FileForbidden | Self::NotPermitted => 5,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, what, why, remedy } = self;
        write!(f, "error {}: {what}\n  why: {why}\n  do:  {remedy}", code.as_str())
    }
}

/// What a command answers, and whether it failed all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// Why it did not do all that it was asked to.
    pub failure: Option<Failure>,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, failure: None }
    }
}

impl Failure {
    /// What must not come of anything did.
    pub(crate) fn not_as_expected(why: String) -> Self {
        Self {
            code: ErrorCode::NotAsExpected,
            what: "the cluster did not keep a promise".into(),
            why,
            remedy: "keep the folders and the logs of its nodes, and report it with them".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_entry_in_the_reference() {
        let reference = include_str!("../../docs/errors.md");
        for code in ErrorCode::ALL {
            let heading = format!("## {}\n", code.as_str());
            assert!(reference.contains(&heading), "{}", code.as_str());
            let exit = format!("exit code {}", code.exit_code());
            let entry = reference.split(&heading).nth(1).unwrap_or_default();
            let entry = entry.split("\n## ").next().unwrap_or_default();
            assert!(entry.contains(&exit), "{}: {exit}", code.as_str());
        }
    }
}
