//! Errors as people read them.

use std::fmt;

/// What happened, why, and what to do. Never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A stable code with an entry in `docs/errors.md`.
    pub code: &'static str,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl Explanation {
    pub(crate) fn new(
        code: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// In one line, for logs.
    pub fn line(&self) -> String {
        format!("{}: {} ({}; {})", self.what, self.why, self.code, self.remedy)
    }
}

/// In three lines, for terminals.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, what, why, remedy } = self;
        write!(f, "error {code}: {what}\n  why: {why}\n  do:  {remedy}")
    }
}

/// An error that can say what to do about it.
pub trait Explain: std::error::Error {
    /// What happened, why, and what to do.
    fn explain(&self) -> Explanation;
}
