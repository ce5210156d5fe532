//! Acts of administration: which method carries which command.

use acd::codec::command_to_stored;
use acd::command::Command;
use proto::api::v1 as api;
use proto::api::v1::administration_client::AdministrationClient;
use proto::stored::v1::any_command::Command as Group;
use tonic::Code;

use super::{Client, ClientError, Committed, new_request};

impl Client {
    /// Carries out an act of administration, as whoever this client is. It is repeated, under the
    /// same request, until its outcome is known: whoever gets it twice carries it out once.
    ///
    /// Only what the Administration service offers can be carried out: commands of sites and
    /// configuration, and what supervisors do with agents and contacts.
    pub async fn administer(
        &self,
        command: &Command,
        reason: Option<&str>,
    ) -> Result<Committed, ClientError> {
        let request = Some(new_request());
        let reason = reason.map(str::to_owned);
        match command_to_stored(command).command {
            Some(Group::Config(command)) => {
                let ask = api::ConfigureRequest { request, reason, command: Some(command) };
                self.command(|channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).configure(ask).await }
                })
                .await
            }
            Some(Group::Site(command)) => {
                let ask = api::SteerSiteRequest { request, reason, command: Some(command) };
                self.command(|channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_site(ask).await }
                })
                .await
            }
            Some(Group::Agent(command)) => {
                let ask = api::SteerAgentRequest { request, reason, command: Some(command) };
                self.command(|channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_agent(ask).await }
                })
                .await
            }
            Some(Group::Contact(command)) => {
                let ask = api::SteerContactRequest { request, reason, command: Some(command) };
                self.command(|channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_contact(ask).await }
                })
                .await
            }
            Some(Group::Cluster(_) | Group::Work(_)) | None => Err(ClientError::Failed {
                code: Code::InvalidArgument,
                message: "this is no act of administration".into(),
            }),
        }
    }
}
