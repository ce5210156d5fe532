//! What a running centre is configured to be.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use acd::codec::command_from_stored;
use acd::command::Command;
use acd::ids::Revision;
use acd::limits;
use acd::time::LogTime;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use stored::config_command as config;
use tonic::{Response, Status};

use super::object::{Object, object_of};
use crate::cli::{ReadArgs, get_cluster};
use crate::client::{Client, ClientError, reads};
use crate::failure::Failure;
use crate::output::{Freshness, incomplete};

/// As many objects as there can be.
const OBJECTS_MAX: usize = limits::SITES_MAX
    + limits::SKILLS_MAX
    + limits::CALENDARS_MAX
    + limits::QUEUES_MAX
    + limits::AGENTS_MAX
    + limits::PRINCIPALS_MAX
    + 2;

/// A running centre.
pub(super) struct Running {
    /// How current this is.
    pub freshness: Freshness,
    /// The time from which local hours are compiled.
    pub now: LogTime,
    /// What is configured.
    pub objects: BTreeMap<Object, Configured>,
}

/// A configured object: the command that would put it there.
pub(super) struct Configured {
    pub revision: Revision,
    pub put: Command,
}

/// What a cluster says of itself.
pub(super) struct Answers {
    cluster: api::GetClusterResponse,
    objects: Vec<api::ConfiguredObject>,
}

/// Asks for it.
pub(super) async fn ask(client: Client) -> Result<Answers, ClientError> {
    let read = ReadArgs { linearizable: true };
    let cluster = get_cluster(client.clone(), read).await?;
    let objects = client
        .read(|channel| async move {
            let request = api::GetConfigurationRequest {};
            let mut stream = reads(channel).get_configuration(request).await?.into_inner();
            let mut objects = Vec::new();
            while let Some(object) = stream.message().await? {
                if objects.len() >= OBJECTS_MAX {
                    return Err(Status::internal("more objects than a centre can have"));
                }
                objects.push(object);
            }
            Ok(Response::new(objects))
        })
        .await?;
    Ok(Answers { cluster, objects })
}

impl Running {
    /// What the answers mean.
    pub(super) fn of(answers: Answers) -> Result<Self, Failure> {
        use api::configured_object::Object as Wire;
        let mut freshness = None;
        let mut objects = BTreeMap::new();
        for api::ConfiguredObject { revision, object } in answers.objects {
            let command = match object {
                Some(Wire::Freshness(stored)) => {
                    freshness = Some(Freshness::of(Some(stored))?);
                    continue;
                }
                Some(object) => put(object),
                None => None,
            };
            let put = command
                .and_then(|command| command_from_stored(command).ok())
                .ok_or_else(|| incomplete("has an object that this program does not know"))?;
            if let Some(object) = object_of(&put) {
                objects.insert(object, Configured { revision: Revision(revision), put });
            }
        }
        let freshness = freshness.ok_or_else(|| incomplete("does not say how current it is"))?;
        let replay = answers.cluster.cluster.is_some_and(|cluster| cluster.replay);
        let log_time = LogTime(freshness.now_ms);
        let now = if replay { log_time } else { log_time.max(wall_time()) };
        Ok(Self { freshness, now, objects })
    }
}

/// The clock of this machine. Log time alone would not do: it rests while nothing happens.
fn wall_time() -> LogTime {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is wrong, and log time counts.
    wall.map_or(LogTime(0), |wall| LogTime(wall.as_millis() as u64))
}

/// The command that puts an object there. None: it is no object.
fn put(object: api::configured_object::Object) -> Option<stored::AnyCommand> {
    use api::configured_object::Object as Wire;
    let expected = None;
    let command = match object {
        Wire::Freshness(_) => return None,
        Wire::Site(site) => {
            let put = stored::site_command::Put { config: Some(site), expected };
            let command = Some(stored::site_command::Command::Put(put));
            let command = stored::any_command::Command::Site(stored::SiteCommand { command });
            return Some(stored::AnyCommand { command: Some(command) });
        }
        Wire::Skill(api::configured_object::Skill { id: skill, name }) => {
            config::Command::PutSkill(config::PutSkill { skill, name, expected })
        }
        Wire::Calendar(calendar) => {
            config::Command::PutCalendar(config::PutCalendar { config: Some(calendar), expected })
        }
        Wire::Queue(queue) => {
            config::Command::PutQueue(config::PutQueue { config: Some(queue), expected })
        }
        Wire::Agent(agent) => {
            config::Command::PutAgent(config::PutAgent { config: Some(agent), expected })
        }
        Wire::Principal(api::configured_object::Principal { id: principal, roles, site }) => {
            config::Command::PutPrincipal(config::PutPrincipal { principal, roles, site, expected })
        }
        Wire::Settings(settings) => {
            config::Command::PutSettings(config::PutSettings { settings: Some(settings), expected })
        }
    };
    let command = stored::ConfigCommand { command: Some(command) };
    let command = stored::any_command::Command::Config(command);
    Some(stored::AnyCommand { command: Some(command) })
}
