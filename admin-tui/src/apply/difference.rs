//! How a running centre differs from what a file wants, object by object and field by field.

use std::collections::BTreeMap;

use acd::command::{Command, ConfigCommand};
use acd::config::{Calendar, Interval, QueueConfig, Settings, SiteConfig};
use acd::ids::{PrincipalId, Revision};
use acd::time::LogTime;
use jiff::Timestamp;
use serde::Serialize;

use super::object::{Kind, Object, expecting, object_of};
use super::running::Running;
use crate::centre_file::Written;
use crate::output::one_of;

/// Instants that are shown of a list that changes; the others are counted.
const INSTANTS_SHOWN: usize = 3;

/// An object that is to change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub object: Object,
    pub what: What,
    /// The revision it has; 0: it is not there.
    pub revision: Revision,
    /// What changes of it. Of what is added, what is not by default; of what is removed, nothing.
    pub fields: Vec<Field>,
    /// The command that would put there what is there.
    pub before: Option<Command>,
    /// The command that puts there what is wanted.
    pub after: Option<Command>,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// It is new.
    Added,
    /// It becomes another.
    Changed,
    /// What was compiled of it reaches further; as far as both reach it is the same.
    Renewed,
    /// It goes away.
    Removed,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    /// As the file names it; entries of tables behind a dot.
    pub field: String,
    /// As the file writes it. Null: it is not there.
    pub before: Option<String>,
    /// The same.
    pub after: Option<String>,
}

/// All differences, by object. What the file does not name is removed if `prune`, but for whoever
/// `applies` it.
pub(super) fn differences(
    wanted: Vec<Command>,
    running: &Running,
    prune: bool,
    applies: &PrincipalId,
) -> Vec<Change> {
    // A queue is put twice if it names one that comes later: the last one counts.
    let wanted: BTreeMap<Object, Command> = wanted
        .into_iter()
        .filter_map(|command| Some((object_of(&command)?, expecting(command, None))))
        .collect();
    let mut changes = Vec::new();
    for (object, after) in &wanted {
        let change = match running.objects.get(object) {
            None => Some(added(object, after)),
            Some(there) => changed(object, there.revision, &there.put, after, running.now),
        };
        changes.extend(change);
    }
    if prune {
        let unnamed = running.objects.iter().filter(|(object, _)| {
            !wanted.contains_key(*object)
                && object.kind != Kind::Settings
                && !is_self(object, applies)
        });
        changes.extend(unnamed.map(|(object, there)| Change {
            object: object.clone(),
            what: What::Removed,
            revision: there.revision,
            fields: Vec::new(),
            before: Some(there.put.clone()),
            after: None,
        }));
        changes.sort_by(|a, b| a.object.cmp(&b.object));
    }
    changes
}

/// Whether an object is the principal who applies the file.
pub(super) fn is_self(object: &Object, applies: &PrincipalId) -> bool {
    object.kind == Kind::Principal && object.id == applies.as_str()
}

/// Fields that are told of everything that is new: nobody can leave them out of a file.
const ALWAYS_TOLD: [&str; 2] = ["home_site", "name"];

fn added(object: &Object, after: &Command) -> Change {
    let other = fields_between(default_of(after).as_ref(), Some(after));
    let is_told = |field: &Field| {
        ALWAYS_TOLD.contains(&&*field.field) || other.iter().any(|other| other.field == field.field)
    };
    let mut fields = fields_between(None, Some(after));
    fields.retain(is_told);
    fields.extend(openings(after));
    Change {
        object: object.clone(),
        what: What::Added,
        revision: Revision(0),
        fields,
        before: None,
        after: Some(after.clone()),
    }
}

/// How often a new calendar opens.
fn openings(after: &Command) -> Option<Field> {
    let Command::Config(ConfigCommand::PutCalendar { config, .. }) = after else { return None };
    let openings = one_of(config.open.len() as u64, "opening", "openings");
    Some(Field { field: "open".into(), before: None, after: Some(openings) })
}

fn changed(
    object: &Object,
    revision: Revision,
    before: &Command,
    after: &Command,
    now: LogTime,
) -> Option<Change> {
    if before == after {
        return None;
    }
    let what = if is_renewal(before, after, now) { What::Renewed } else { What::Changed };
    let mut fields = fields_between(Some(before), Some(after));
    fields.extend(instants_between(before, after, what, now));
    Some(Change {
        object: object.clone(),
        what,
        revision,
        fields,
        before: Some(before.clone()),
        after: Some(after.clone()),
    })
}

/// The object with nothing said of it but what must be.
fn default_of(after: &Command) -> Option<Command> {
    let expected = None;
    Some(match after {
        Command::Site(acd::command::SiteCommand::Put { config, .. }) => {
            let config = SiteConfig::new(config.id.clone(), config.name.clone());
            acd::command::SiteCommand::Put { config, expected }.into()
        }
        Command::Config(ConfigCommand::PutQueue { config, .. }) => {
            let config = QueueConfig::new(config.id.clone(), config.name.clone());
            ConfigCommand::PutQueue { config, expected }.into()
        }
        Command::Config(ConfigCommand::PutAgent { config, .. }) => {
            let config = acd::config::AgentConfig {
                skills: Vec::new(),
                queues: Vec::new(),
                capacity: acd::config::Capacity::default(),
                ..config.clone()
            };
            ConfigCommand::PutAgent { config, expected }.into()
        }
        _ => return None,
    })
}

/// The fields that differ, by name.
fn fields_between(before: Option<&Command>, after: Option<&Command>) -> Vec<Field> {
    let fields = |command: Option<&Command>| -> BTreeMap<String, String> {
        command
            .and_then(Written::of)
            .map(|written| written.fields())
            .into_iter()
            .flatten()
            .collect()
    };
    let (before, mut after) = (fields(before), fields(after));
    let mut found = Vec::new();
    for (field, before) in before {
        let after = after.remove(&field);
        if after.as_ref() != Some(&before) {
            found.push(Field { field, before: Some(before), after });
        }
    }
    let new = |(field, after)| Field { field, before: None, after: Some(after) };
    found.extend(after.into_iter().map(new));
    found.sort_by(|a, b| a.field.cmp(&b.field));
    found
}

/// Whether nothing but the horizon of what is compiled is another.
fn is_renewal(before: &Command, after: &Command, now: LogTime) -> bool {
    match (before, after) {
        (
            Command::Config(ConfigCommand::PutCalendar { config: before, .. }),
            Command::Config(ConfigCommand::PutCalendar { config: after, .. }),
        ) => {
            let until = before.covers_until.min(after.covers_until);
            before.name == after.name
                && before.covers_until < after.covers_until
                && hours_between(before, now, until) == hours_between(after, now, until)
        }
        (
            Command::Config(ConfigCommand::PutSettings { settings: before, .. }),
            Command::Config(ConfigCommand::PutSettings { settings: after, .. }),
        ) => {
            let ends = (before.day_starts.last(), after.day_starts.last());
            let (Some(until), true) = (ends.0, ends.0 < ends.1) else { return false };
            let days = |settings: &Settings| -> Vec<LogTime> {
                let days = settings.day_starts.iter().copied();
                days.filter(|day| *day > now && *day <= *until).collect()
            };
            let rest =
                |settings: &Settings| Settings { day_starts: Vec::new(), ..settings.clone() };
            rest(before) == rest(after) && days(before) == days(after)
        }
        _ => false,
    }
}

/// When a calendar is open between two instants.
fn hours_between(calendar: &Calendar, from: LogTime, until: LogTime) -> Vec<Interval> {
    let clip = |open: &Interval| Interval { start: open.start.max(from), end: open.end.min(until) };
    calendar.open.iter().map(clip).filter(|open| open.start < open.end).collect()
}

/// What changes of long lists of instants: those that go, and those that come.
fn instants_between(before: &Command, after: &Command, what: What, now: LogTime) -> Option<Field> {
    let (field, before, after) = match (before, after) {
        (
            Command::Config(ConfigCommand::PutCalendar { config: before, .. }),
            Command::Config(ConfigCommand::PutCalendar { config: after, .. }),
        ) => {
            // The fields already say how far it reaches now.
            if what == What::Renewed {
                return None;
            }
            let hours = |calendar: &Calendar| -> Vec<String> {
                let open = hours_between(calendar, now, LogTime(u64::MAX));
                open.iter()
                    .map(|open| format!("{}/{}", instant(open.start), instant(open.end)))
                    .collect()
            };
            ("open", hours(before), hours(after))
        }
        (
            Command::Config(ConfigCommand::PutSettings { settings: before, .. }),
            Command::Config(ConfigCommand::PutSettings { settings: after, .. }),
        ) => {
            let days = |settings: &Settings| -> Vec<String> {
                let days = settings.day_starts.iter().copied();
                let mut days = days.filter(|day| *day > now);
                match what {
                    What::Renewed => days.next_back().map(instant).into_iter().collect(),
                    _ => days.map(instant).collect(),
                }
            };
            ("day_starts", days(before), days(after))
        }
        _ => return None,
    };
    let goes: Vec<_> = before.iter().filter(|instant| !after.contains(instant)).collect();
    let comes: Vec<_> = after.iter().filter(|instant| !before.contains(instant)).collect();
    let field = Field { field: field.into(), before: few(&goes), after: few(&comes) };
    (field.before.is_some() || field.after.is_some()).then_some(field)
}

/// The first few, and how many more there are.
fn few(all: &[&String]) -> Option<String> {
    let shown: Vec<_> = all.iter().take(INSTANTS_SHOWN).map(|text| text.as_str()).collect();
    let more = all.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(shown.join(", ")),
        (false, more) => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

fn instant(at: LogTime) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}

#[cfg(test)]
mod tests;
