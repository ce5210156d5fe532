//! What `diff` and `apply` print.

use acd::ids::Revision;
use serde::Serialize;

use super::difference::{Change, Field, What};
use super::object::{Kind, Object};
use super::send::Outcome;
use crate::client::ClientError;
use crate::output::{Freshness, Printed, one_of, plain};

/// The differences between a centre and a file, and what became of them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    freshness: Freshness,
    /// The file.
    file: String,
    summary: Summary,
    /// Object by object.
    changes: Vec<Row>,
    /// What --prune leaves alone all the same.
    kept: Vec<Object>,
}

/// How many changes of each kind there are.
#[derive(Debug, Default, Serialize)]
struct Summary {
    added: u64,
    changed: u64,
    renewed: u64,
    removed: u64,
    /// Changes that were made.
    done: u64,
    /// Changes that were not made, or of which nobody knows.
    not_done: u64,
}

/// A change.
#[derive(Debug, Serialize)]
struct Row {
    kind: Kind,
    id: String,
    /// added, changed, renewed, removed.
    change: What,
    /// The revision from which the plan starts; 0: it is not there.
    revision: u64,
    /// Field by field.
    fields: Vec<Field>,
    /// planned, done, begun, refused, unknown, unavailable, not-tried.
    outcome: &'static str,
    /// The revision it has now. Null: it was not changed, or is gone.
    new_revision: Option<u64>,
    /// Why it was not made.
    error: Option<RowError>,
}

/// Why a change was not made.
#[derive(Debug, Serialize)]
struct RowError {
    /// Of the contact centre's refusal; empty: there was none.
    code: String,
    message: String,
}

impl Report {
    /// What would be done.
    pub(super) fn planned(
        freshness: Freshness,
        file: String,
        changes: &[Change],
        kept: Vec<Object>,
    ) -> Self {
        let mut summary = Summary::default();
        for change in changes {
            *match change.what {
                What::Added => &mut summary.added,
                What::Changed => &mut summary.changed,
                What::Renewed => &mut summary.renewed,
                What::Removed => &mut summary.removed,
            } += 1;
        }
        let row = |change: &Change| Row {
            kind: change.object.kind,
            id: change.object.id.clone(),
            change: change.what,
            revision: change.revision.0,
            fields: change.fields.clone(),
            outcome: "planned",
            new_revision: None,
            error: None,
        };
        Self { freshness, file, summary, changes: changes.iter().map(row).collect(), kept }
    }

    /// What was done.
    pub(super) fn carried_out(mut self, outcomes: &[Outcome]) -> Self {
        for (row, outcome) in self.changes.iter_mut().zip(outcomes) {
            let counter = match outcome {
                Outcome::Done(_) => &mut self.summary.done,
                _ => &mut self.summary.not_done,
            };
            *counter += 1;
            (row.outcome, row.error) = match outcome {
                Outcome::Done(revision) => {
                    row.new_revision = revision.map(|Revision(revision)| revision);
                    ("done", None)
                }
                Outcome::Begun => ("begun", None),
                Outcome::Failed { error, .. } => {
                    let (outcome, code) = match error {
                        ClientError::Refused { code, .. } => ("refused", code.clone()),
                        ClientError::NotPermitted { .. } => ("refused", "not-permitted".into()),
                        ClientError::Unknown { .. } => ("unknown", String::new()),
                        _ => ("unavailable", String::new()),
                    };
                    (outcome, Some(RowError { code, message: error.to_string() }))
                }
                Outcome::NotTried => ("not-tried", None),
            };
        }
        self
    }

    /// Whether the centre is as the file says. Hours that could reach further are as it says.
    pub(super) fn has_drifted(&self) -> bool {
        self.changes.iter().any(|row| row.change != What::Renewed)
    }

    /// How many changes there are, in words: `2 added, 1 removed`.
    pub(super) fn summary(&self) -> String {
        let Summary { added, changed, renewed, removed, .. } = self.summary;
        let parts =
            [(added, "added"), (changed, "changed"), (renewed, "renewed"), (removed, "removed")];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        parts.join(", ")
    }

    /// The cluster's name.
    pub(super) fn cluster(&self) -> &str {
        &self.freshness.cluster
    }
}

impl Row {
    fn write(&self, text: &mut String) {
        let sign = match self.change {
            What::Added => '+',
            What::Changed => '~',
            What::Renewed => '>',
            What::Removed => '-',
        };
        let object = Object { kind: self.kind, id: self.id.clone() };
        let outcome = match self.outcome {
            "planned" => String::new(),
            "done" => format!("{:<12}", "done"),
            "not-tried" => format!("{:<12}", "not tried"),
            // What needs a look.
            outcome => format!("{:<12}", outcome.to_uppercase()),
        };
        let at = match self.change {
            What::Added => String::new(),
            _ => format!(" (revision {})", self.revision),
        };
        *text += &format!("{outcome}{sign} {}{at}\n", plain(&object.to_string()));
        if let Some(RowError { code, message }) = &self.error {
            let code = if code.is_empty() { String::new() } else { format!("{code}: ") };
            *text += &format!("    {}{}\n", plain(&code), plain(message));
        }
        // What was done as planned was shown before, or is of no interest any more.
        if self.outcome != "planned" {
            return;
        }
        for Field { field, before, after } in &self.fields {
            let value = match (before, after) {
                (None, Some(after)) => after.clone(),
                (Some(before), Some(after)) => format!("{before} → {after}"),
                (Some(before), None) => format!("{before} → (none)"),
                (None, None) => String::new(),
            };
            *text += &format!("    {}: {}\n", plain(field), plain(&value));
        }
    }
}

impl Printed for Report {
    fn table(&self) -> String {
        let mut text = String::new();
        for row in &self.changes {
            row.write(&mut text);
        }
        let planned = self.changes.iter().all(|row| row.outcome == "planned");
        let Summary { done, not_done, .. } = self.summary;
        text += &match (self.changes.is_empty(), planned) {
            (true, _) => format!("no changes: the centre is as {} says\n", plain(&self.file)),
            (false, true) => format!("\n{}\n", self.summary()),
            (false, false) if not_done == 0 => {
                format!("\n{} made\n", one_of(done, "change", "changes"))
            }
            (false, false) => {
                format!("\n{} made, {not_done} not\n", one_of(done, "change", "changes"))
            }
        };
        for object in &self.kept {
            text += &format!("kept: {object}, which is you\n");
        }
        text.push('\n');
        text + &self.freshness.line()
    }
}
