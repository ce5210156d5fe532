//! Administration: what supervisors, operators and administrators do.

use acd::ids::PrincipalId;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::Answer;
use proto::api::v1::administration_server::Administration;
use proto::stored::v1 as stored;
use proto::stored::v1::submission::Command as Group;
use proto::stored::v1::{agent_command, cluster_command, contact_command, site_command};
use tonic::{Request, Response, Status};

use super::intake::{Intake, REQUEST_MISSING, WRONG_METHOD, caller, refused};

/// Changes the contact centre and its cluster.
pub(super) struct AdministrationService<RT: AsyncRuntime>(pub(super) Intake<RT>);

impl<RT: AsyncRuntime> AdministrationService<RT> {
    /// Every act has a request id, so that a repeat gets the first answer instead of happening
    /// twice.
    async fn administer(
        &self,
        principal: PrincipalId,
        request: Option<stored::Request>,
        reason: Option<String>,
        command: Option<Group>,
    ) -> Result<Response<Answer>, Status> {
        let principal = principal.as_str().to_owned();
        if request.is_none() {
            let words =
                "administration carries a request: a random id, and when it was asked first";
            return Ok(refused(REQUEST_MISSING, words));
        }
        let submission = stored::Submission { principal, request, reason, command, session: None };
        Ok(self.0.carry_out(submission).await)
    }
}

/// Refuses a command that another method is for, or only the leader.
fn wrong_method(words: &str) -> Result<Response<Answer>, Status> {
    Ok(refused(WRONG_METHOD, words))
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Administration for AdministrationService<RT> {
    async fn configure(
        &self,
        message: Request<api::ConfigureRequest>,
    ) -> Result<Response<Answer>, Status> {
        let principal = caller(&message)?;
        let api::ConfigureRequest { request, reason, command } = message.into_inner();
        self.administer(principal, request, reason, command.map(Group::Config)).await
    }

    async fn steer_site(
        &self,
        message: Request<api::SteerSiteRequest>,
    ) -> Result<Response<Answer>, Status> {
        use site_command::Command::{
            AddNode, CaughtUp, Heard, Lost, NodeLost, RedeemToken, RemoveNode, Suspect,
        };
        let principal = caller(&message)?;
        let api::SteerSiteRequest { request, reason, command } = message.into_inner();
        let which = command.as_ref().and_then(|command| command.command.as_ref());
        if let Some(NodeLost(_) | Suspect(_) | Heard(_) | Lost(_) | CaughtUp(_)) = which {
            return wrong_method("what is heard of sites and nodes only the leader reports");
        }
        if let Some(AddNode(_) | RedeemToken(_) | RemoveNode(_)) = which {
            return wrong_method("nodes join by tokens, and go when they have been retired");
        }
        self.administer(principal, request, reason, command.map(Group::Site)).await
    }

    async fn steer_agent(
        &self,
        message: Request<api::SteerAgentRequest>,
    ) -> Result<Response<Answer>, Status> {
        use agent_command::Command::{ForceLogOut, SetNotReady, SetReady};
        let principal = caller(&message)?;
        let api::SteerAgentRequest { request, reason, command } = message.into_inner();
        match command.as_ref().and_then(|command| command.command.as_ref()) {
            None | Some(SetReady(_) | SetNotReady(_) | ForceLogOut(_)) => {
                self.administer(principal, request, reason, command.map(Group::Agent)).await
            }
            Some(_) => wrong_method("SteerAgent takes set_ready, set_not_ready and force_log_out"),
        }
    }

    async fn steer_contact(
        &self,
        message: Request<api::SteerContactRequest>,
    ) -> Result<Response<Answer>, Status> {
        use contact_command::Command::{Move, Remove};
        let principal = caller(&message)?;
        let api::SteerContactRequest { request, reason, command } = message.into_inner();
        match command.as_ref().and_then(|command| command.command.as_ref()) {
            None | Some(Move(_) | Remove(_)) => {
                self.administer(principal, request, reason, command.map(Group::Contact)).await
            }
            Some(_) => wrong_method("SteerContact takes move and remove"),
        }
    }

    async fn advance_time(
        &self,
        message: Request<cluster_command::AdvanceTo>,
    ) -> Result<Response<Answer>, Status> {
        let principal = caller(&message)?.as_str().to_owned();
        let command = cluster_command::Command::AdvanceTo(message.into_inner());
        let command = Some(Group::Cluster(stored::ClusterCommand { command: Some(command) }));
        Ok(self.0.carry_out(stored::Submission { principal, command, ..Default::default() }).await)
    }
}
