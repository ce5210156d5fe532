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
    /// There is no cluster to ask.
    NoCluster,
    /// Standard output does not take what is written.
    Output,
}

impl ErrorCode {
    /// All codes, in order.
    pub const ALL: [Self; 12] = [
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
        Self::Output,
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
            Self::Output => "E-OUTPUT",
        }
    }

    /// The exit code: 1 rejected, 2 usage, 3 unavailable, 5 not permitted.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::CentreRefused => 1,
            Self::FileMissing
            | Self::FileIsDirectory
            | Self::NotACallLog
            | Self::NoCalls
            | Self::NoAgents
            | Self::NoSuchCall
            | Self::BadCities => 2,
            Self::FileUnreadable | Self::NoCluster | Self::Output => 3,
            Self::FileForbidden => 5,
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
