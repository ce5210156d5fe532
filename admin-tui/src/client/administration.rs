//! Acts of administration: which method carries which command.

use acd::codec::encode_submission;
use acd::command::{Command, Submission};
use acd::ids::PrincipalId;
use prost::Message;
use proto::api::v1 as api;
use proto::api::v1::administration_client::AdministrationClient;
use proto::stored::v1 as stored;
use proto::stored::v1::submission::Command as Group;
use tonic::Code;

use super::{Client, ClientError, Committed, new_request};

impl Client {
    /// Carries out an act of administration, as whoever this client is. It is repeated, under the
    /// same request, until its outcome is known.
    ///
    /// Only what the Administration service offers can be carried out: commands of sites and
    /// configuration, and what supervisors do with agents and contacts.
    pub async fn administer(
        &self,
        command: Command,
        reason: Option<&str>,
    ) -> Result<Committed, ClientError> {
        let request = Some(new_request());
        let reason = reason.map(str::to_owned);
        match as_stored(command)? {
            Group::Config(command) => {
                let ask = api::ConfigureRequest { request, reason, command: Some(command) };
                let send = |channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).configure(ask).await }
                };
                self.command(send).await
            }
            Group::Site(command) => {
                let ask = api::SteerSiteRequest { request, reason, command: Some(command) };
                let send = |channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_site(ask).await }
                };
                self.command(send).await
            }
            Group::Agent(command) => {
                let ask = api::SteerAgentRequest { request, reason, command: Some(command) };
                let send = |channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_agent(ask).await }
                };
                self.command(send).await
            }
            Group::Contact(command) => {
                let ask = api::SteerContactRequest { request, reason, command: Some(command) };
                let send = |channel| {
                    let ask = ask.clone();
                    async move { AdministrationClient::new(channel).steer_contact(ask).await }
                };
                self.command(send).await
            }
            Group::Cluster(_) | Group::Work(_) => Err(ClientError::Failed {
                code: Code::InvalidArgument,
                message: "this is no act of administration".to_owned(),
            }),
        }
    }
}

/// The command as the contract has it.
fn as_stored(command: Command) -> Result<Group, ClientError> {
    let failed = |message: String| ClientError::Failed { code: Code::Internal, message };
    // Whose it is the node says; here the name is only there because a submission has one.
    let nobody = PrincipalId::new("nobody").map_err(|why| failed(why.to_string()))?;
    let bytes = encode_submission(&Submission::new(nobody, command));
    let decoded = stored::Submission::decode(&*bytes);
    let submission = decoded.map_err(|why| failed(why.to_string()))?;
    submission.command.ok_or_else(|| failed("a command without content".to_owned()))
}
