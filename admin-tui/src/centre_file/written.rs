//! An object of a running centre as a file would write it, with nothing left out: what two
//! configurations are compared by, and what people are shown of them.

use acd::codec::command_from_stored;
use acd::command::{Command, ConfigCommand, SiteCommand};
use acd::rejection::Rejection;
use proto::stored::v1 as stored;
use serde::ser::{Error as _, Serialize, Serializer};
use toml::{Table, Value};

use super::{
    AgentEntry, CalendarEntry, Duration, PrincipalEntry, QueueEntry, SettingsEntry, SiteEntry,
    SkillEntry, Text,
};

/// Tables whose entries are fields of their own: each entry says something by itself. The others are
/// one value.
const TABLES_OF_FIELDS: [&str; 6] =
    ["capacity", "head_starts", "interruptible_by", "queues", "skills", "target"];

/// Fields that hold a duration, or a table of them.
const DURATIONS: [&str; 13] = [
    "after",
    "connect_timeout",
    "cool_down",
    "handle_max",
    "head_start",
    "head_starts",
    "offer_timeout",
    "preferred_wait",
    "short_abandon",
    "spill_after",
    "wait_max",
    "within",
    "wrap_up",
];

/// An object as a file writes it. For programs, durations become milliseconds (`wrap_up = "30s"`:
/// `"wrap_up_ms": 30000`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written(Table);

impl Written {
    /// What a file says to have this object. None: the command does not put an object there.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        // What was checked can be written: it has an id, and words for all that is in it. The
        // roles `node` and `agent`, which have none in a file, are given to nobody by hand.
        Table::try_from(Entry::of(command)?).ok().map(Self)
    }

    /// Field by field: each name with its value as TOML. The id is left out, and so are the lists of
    /// instants, of which there may be thousands.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        for (name, value) in &self.0 {
            match value {
                Value::Table(table) if TABLES_OF_FIELDS.contains(&&**name) => {
                    flatten(&mut fields, name, table);
                }
                Value::Array(steps) if name == "step" => {
                    for (step, at) in steps.iter().zip(1..) {
                        if let Value::Table(step) = step {
                            flatten(&mut fields, &format!("step {at}"), step);
                        }
                    }
                }
                _ if name == "id" || name == "open" || name == "day_starts" => {}
                value => fields.push((name.clone(), value.to_string())),
            }
        }
        fields
    }
}

/// Adds the entries of a table, and those of the tables in it.
fn flatten(fields: &mut Vec<(String, String)>, name: &str, table: &Table) {
    for (key, value) in table {
        let name = format!("{name}.{key}");
        match value {
            Value::Table(table) if key == "skills" => flatten(fields, &name, table),
            value => fields.push((name, value.to_string())),
        }
    }
}

/// What stands in a file.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Entry {
    Site(SiteEntry),
    Skill(SkillEntry),
    Calendar(CalendarEntry),
    Queue(Box<QueueEntry>),
    Agent(AgentEntry),
    Principal(PrincipalEntry),
    Settings(SettingsEntry),
}

impl Entry {
    fn of(command: &Command) -> Option<Self> {
        Some(match command {
            Command::Site(SiteCommand::Put { config, .. }) => {
                Self::Site(SiteEntry::from_config(config))
            }
            Command::Config(command) => match command {
                ConfigCommand::PutSkill { skill, name, .. } => {
                    Self::Skill(SkillEntry { id: Text(skill.clone()), name: Text(name.clone()) })
                }
                ConfigCommand::PutCalendar { config, .. } => {
                    Self::Calendar(CalendarEntry::from_config(config))
                }
                ConfigCommand::PutQueue { config, .. } => {
                    Self::Queue(Box::new(QueueEntry::from_config(config)))
                }
                ConfigCommand::PutAgent { config, .. } => {
                    Self::Agent(AgentEntry::from_config(config))
                }
                ConfigCommand::PutPrincipal { principal, roles, site, .. } => {
                    Self::Principal(PrincipalEntry::from_config(principal, *roles, site.as_ref()))
                }
                ConfigCommand::PutSettings { settings, .. } => {
                    Self::Settings(SettingsEntry::from_config(settings))
                }
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// A queue as a file writes it.
pub(crate) fn written_queue(config: stored::QueueConfig) -> Result<Written, Rejection> {
    written(stored::config_command::Command::PutQueue(stored::config_command::PutQueue {
        config: Some(config),
        expected: None,
    }))
}

/// An agent as a file writes it.
pub(crate) fn written_agent(config: stored::AgentConfig) -> Result<Written, Rejection> {
    written(stored::config_command::Command::PutAgent(stored::config_command::PutAgent {
        config: Some(config),
        expected: None,
    }))
}

fn written(command: stored::config_command::Command) -> Result<Written, Rejection> {
    let config = stored::ConfigCommand { command: Some(command) };
    let command = stored::any_command::Command::Config(config);
    let command = command_from_stored(stored::AnyCommand { command: Some(command) })?;
    Written::of(&command).ok_or(Rejection::InvalidConfig { what: "it cannot be written" })
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = in_milliseconds(&Value::Table(self.0.clone())).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

/// The value with its durations in milliseconds.
fn in_milliseconds(value: &Value) -> Result<serde_json::Value, serde_json::Error> {
    Ok(match value {
        Value::Table(table) => {
            let entry = |(name, value): (&String, &Value)| {
                Ok(if DURATIONS.contains(&&**name) {
                    (format!("{name}_ms"), milliseconds(value)?)
                } else {
                    (name.clone(), in_milliseconds(value)?)
                })
            };
            table.iter().map(entry).collect::<Result<serde_json::Map<_, _>, _>>()?.into()
        }
        Value::Array(list) => {
            list.iter().map(in_milliseconds).collect::<Result<Vec<_>, _>>()?.into()
        }
        other => serde_json::to_value(other)?,
    })
}

/// A duration, or each of a table of them, in milliseconds. What is none (`strict`) stays a word.
fn milliseconds(value: &Value) -> Result<serde_json::Value, serde_json::Error> {
    Ok(match value {
        Value::String(text) => match text.parse::<Duration>() {
            Ok(duration) => duration.0.0.into(),
            Err(_) => text.clone().into(),
        },
        Value::Table(table) => {
            let entry = |(name, value): (&String, &Value)| Ok((name.clone(), milliseconds(value)?));
            table.iter().map(entry).collect::<Result<serde_json::Map<_, _>, _>>()?.into()
        }
        other => serde_json::to_value(other)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::centre_file::CentreFile;
    use acd::time::LogTime;

    const FILE: &str = include_str!("../../../docs/centre-file.md");

    fn example() -> CentreFile {
        let toml = FILE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        CentreFile::parse(toml.expect("an example")).expect("valid")
    }

    fn commands() -> Vec<Command> {
        example().to_commands(LogTime(1_801_476_000_000)).expect("checked")
    }

    fn queue(id: &str) -> Written {
        let is = |command: &&Command| {
            matches!(command, Command::Config(ConfigCommand::PutQueue { config, .. })
                if config.id.as_str() == id)
        };
        Written::of(commands().iter().rfind(is).expect("a queue")).expect("an object")
    }

    #[test]
    fn what_is_written_of_a_configuration_reads_as_the_same() {
        for command in commands() {
            let entry = Entry::of(&command).expect("an object");
            let again: Command = match entry {
                Entry::Site(entry) => {
                    let config = entry.to_config().expect("checked");
                    SiteCommand::Put { config, expected: None }.into()
                }
                Entry::Skill(SkillEntry { id, name }) => {
                    ConfigCommand::PutSkill { skill: id.0, name: name.0, expected: None }.into()
                }
                Entry::Calendar(entry) => {
                    let config = super::super::compile(&entry, LogTime(0)).expect("checked");
                    ConfigCommand::PutCalendar { config, expected: None }.into()
                }
                Entry::Queue(entry) => {
                    let config = entry.to_config().expect("checked");
                    ConfigCommand::PutQueue { config, expected: None }.into()
                }
                Entry::Agent(entry) => {
                    let config = entry.to_config().expect("checked");
                    ConfigCommand::PutAgent { config, expected: None }.into()
                }
                Entry::Principal(entry) => ConfigCommand::PutPrincipal {
                    principal: entry.id.0.clone(),
                    roles: entry.roles(),
                    site: entry.site.map(|id| id.0),
                    expected: None,
                }
                .into(),
                Entry::Settings(entry) => {
                    let settings = entry.to_config(LogTime(0)).expect("checked");
                    ConfigCommand::PutSettings { settings, expected: None }.into()
                }
            };
            assert_eq!(again, command);
            assert!(Written::of(&command).is_some());
        }
    }

    #[test]
    fn fields_are_named_as_in_the_file() {
        let fields = queue("billing").fields();
        let value = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("wrap_up"), Some("\"30s\""), "also what the file leaves out");
        assert_eq!(value("target.within"), Some("\"15s\""));
        assert_eq!(value("head_starts.9"), Some("\"strict\""));
        assert_eq!(value("step 1.skills.english"), Some("7"));
        assert_eq!(value("step 2.extra_queues"), Some("[\"general\"]"));
        assert_eq!(
            value("site_policy"),
            Some("{ local-first = { spill_after = \"30s\" } }"),
            "one value, not a table of fields"
        );
        assert_eq!(value("overflow"), Some("{ queue = \"general\" }"));
        assert_eq!(value("id"), None);
    }

    #[test]
    fn programs_get_durations_in_milliseconds() {
        let json = serde_json::to_value(queue("billing")).expect("JSON");
        assert_eq!(json["wrap_up_ms"], 30_000);
        assert_eq!(json["target"]["within_ms"], 15_000);
        assert_eq!(json["head_starts_ms"]["2"], 90_000);
        assert_eq!(json["head_starts_ms"]["9"], "strict");
        assert_eq!(json["step"][1]["after_ms"], 20_000);
        assert_eq!(json["site_policy"]["local-first"]["spill_after_ms"], 30_000);
        assert_eq!(
            (&json["wrap_up"], &json["name"]),
            (&serde_json::Value::Null, &"Billing".into())
        );
    }
}
