//! The configuration of the whole centre.

use acd::board::{Configuration, Configured};
use acd::codec::{
    agent_config_to_stored, calendar_to_stored, queue_config_to_stored, roles_to_stored,
    settings_to_stored, site_config_to_stored,
};
use acd::ids::Revision;
use futures::stream::{self, BoxStream};
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::configured_object::{Object, Principal, Skill};
use tonic::Status;

use super::ReadsService;

impl<RT: AsyncRuntime> ReadsService<RT> {
    /// The objects are made one at a time, as the client takes them: one that does not costs what
    /// this node shares with the state, the configuration as it was.
    pub(super) async fn configuration(
        &self,
    ) -> Result<BoxStream<'static, Result<api::ConfiguredObject, Status>>, Status> {
        let taken = self.take(true, |centre| Ok(centre.configuration()));
        let (freshness, configuration) = taken.await?;
        let objects = RT::spawn_blocking(move || Configuration::objects(configuration)).await;
        let objects = objects.map_err(|error| Status::internal(error.to_string()))?;
        let first =
            api::ConfiguredObject { revision: 0, object: Some(Object::Freshness(freshness)) };
        let all = std::iter::once(first).chain(objects.map(to_wire));
        Ok(Box::pin(stream::iter(all.map(Ok))))
    }
}

fn to_wire((object, revision): (Configured, Revision)) -> api::ConfiguredObject {
    let object = match object {
        Configured::Site(config) => Object::Site(site_config_to_stored(&config)),
        Configured::Skill(skill) => Object::Skill(Skill {
            id: skill.id.as_str().to_owned(),
            name: skill.name.as_str().to_owned(),
        }),
        Configured::Calendar(config) => Object::Calendar(calendar_to_stored(&config)),
        Configured::Queue(config) => Object::Queue(queue_config_to_stored(&config)),
        Configured::Agent(config) => Object::Agent(agent_config_to_stored(&config)),
        Configured::Principal(principal) => Object::Principal(Principal {
            id: principal.id.as_str().to_owned(),
            roles: roles_to_stored(&principal.roles),
            site: principal.site.map(|site| site.as_str().to_owned()),
        }),
        Configured::Settings(settings) => Object::Settings(settings_to_stored(&settings)),
    };
    api::ConfiguredObject { revision: revision.0, object: Some(object) }
}
