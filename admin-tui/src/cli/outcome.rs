//! What became of an act of administration.

use acd::reply::Reply;
use serde::Serialize;

use crate::client::{ClientError, Committed};
use crate::output::plain;

/// What became of an act of administration.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// planned, unchanged, done, refused, unknown, unavailable, not-tried.
    outcome: &'static str,
    /// The id of its request, in hex, by which the cluster and the audit trail know it.
    request: Option<String>,
    /// The revision of its object now. Null: it was not changed, or nobody knows.
    new_revision: Option<u64>,
    /// Why it was not done.
    error: Option<OutcomeError>,
}

/// Why something was not done.
#[derive(Clone, Debug, Serialize)]
struct OutcomeError {
    /// Of the contact centre's refusal; empty: there was none.
    code: String,
    message: String,
}

impl Outcome {
    /// Nothing yet.
    pub(super) fn planned() -> Self {
        Self::word("planned")
    }

    /// It was so already.
    pub(super) fn unchanged() -> Self {
        Self::word("unchanged")
    }

    /// Another one failed first.
    pub(super) fn not_tried() -> Self {
        Self::word("not-tried")
    }

    fn word(outcome: &'static str) -> Self {
        Self { outcome, request: None, new_revision: None, error: None }
    }

    /// What the answer to a request means.
    pub(super) fn of(request: &[u8], answer: &Result<Committed, ClientError>) -> Self {
        let request = Some(request.iter().map(|byte| format!("{byte:02x}")).collect());
        match answer {
            Ok(Committed { reply, .. }) => {
                let new_revision = match reply {
                    Reply::Revised { revision } => Some(revision.0),
                    _ => None,
                };
                Self { outcome: "done", request, new_revision, error: None }
            }
            Err(error) => {
                let (outcome, code) = match error {
                    ClientError::Refused { code, .. } => ("refused", code.clone()),
                    ClientError::NotPermitted { .. } => ("refused", "not-permitted".into()),
                    ClientError::Unknown { .. } => ("unknown", String::new()),
                    _ => ("unavailable", String::new()),
                };
                let error = Some(OutcomeError { code, message: error.to_string() });
                Self { outcome, request, new_revision: None, error }
            }
        }
    }

    /// The id of its request, in hex; empty: there is none.
    pub(super) fn request(&self) -> &str {
        self.request.as_deref().unwrap_or_default()
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let revision = self.new_revision.map(|at| format!(", revision {at}")).unwrap_or_default();
        let why = self.error.as_ref().map(|error| format!(" ({})", plain(&error.message)));
        let word = match self.outcome {
            // What needs a look.
            "refused" | "unknown" | "unavailable" => self.outcome.to_uppercase(),
            word => word.to_owned(),
        };
        format!("{word}{revision}{}", why.unwrap_or_default())
    }
}
