//! Administration: what supervisors, operators and administrators do.

use std::time::Duration;

use acd::codec::submission_from_stored;
use acd::command::{ClusterCommand, Command, LeaderChoice, SiteCommand, Submission};
use acd::event::SiteState;
use acd::ids::PrincipalId;
use acd::roles;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::Answer;
use proto::api::v1::administration_server::Administration;
use proto::stored::v1 as stored;
use proto::stored::v1::submission::Command as Group;
use proto::stored::v1::{agent_command, cluster_command, contact_command, site_command};
use tonic::{Request, Response, Status};

use super::intake::{Intake, REQUEST_MISSING, WRONG_METHOD, caller, refused};
use crate::leader::Lead;
use crate::replica::State;

/// How long a drain waits for the lead to leave the site first.
const LEAD_LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// Changes the contact centre and its cluster.
pub(super) struct AdministrationService<RT: AsyncRuntime> {
    /// Takes commands.
    pub intake: Intake<RT>,
    /// Who leads.
    pub lead: Lead<RT>,
    /// The state.
    pub state: State,
}

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
            return Ok(refused(REQUEST_MISSING, REQUEST_WORDS));
        }
        let submission = stored::Submission { principal, request, reason, command, session: None };
        match submission_from_stored(submission) {
            Ok(submission) => {
                self.lead_leaves(&submission).await;
                Ok(self.intake.call(&submission).await)
            }
            Err(refusal) => Ok(refused(refusal.code(), refusal.to_string())),
        }
    }

    /// Before a site is drained that has the leader, another site gets it, if one can: whoever finishes
    /// its work should not decide for all meanwhile. The drain does not depend on it. If the lead stays,
    /// the audit trail says why, and it moves once somebody can have it.
    async fn lead_leaves(&self, drain: &Submission) {
        let Some(to) = self.must_leave(drain) else { return };
        let command = ClusterCommand::TransferLeader { to, stays: None }.into();
        // It is not the same act as the drain, and harmless to repeat.
        let wish = Submission { request: None, command, ..drain.clone() };
        match RT::timeout(LEAD_LEAVES_WITHIN, self.lead.transfer(wish)).await {
            Ok(transferred) => {
                tracing::info!(?transferred, "the lead leaves before a site is drained")
            }
            Err(_) => {
                tracing::warn!("the lead does not leave in time: a site is drained that has it")
            }
        }
    }

    /// Where the lead should go before a command is carried out, if it is a drain of the leader's site
    /// that will not be refused for what is known here.
    fn must_leave(&self, drain: &Submission) -> Option<LeaderChoice> {
        let Command::Site(SiteCommand::Drain { site: id, expected, .. }) = &drain.command else {
            return None;
        };
        let leader = self.lead.leader()?;
        let view = self.state.view();
        let centre = view.centre();
        let is_there = |(node, site): (acd::ids::NodeId, _)| node.0 == leader && site == id;
        let site = centre.site(id)?;
        let is_due = centre.nodes().any(is_there)
            && centre.roles_of(&drain.principal).any_of(roles::needed(&drain.command))
            && expected.is_none_or(|expected| expected == site.revision)
            && !matches!(site.state, SiteState::Lost | SiteState::Draining | SiteState::Drained);
        is_due.then(|| LeaderChoice::NotSite(id.clone()))
    }
}

const REQUEST_WORDS: &str =
    "administration carries a request: a random id, and when it was asked first";

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

    async fn transfer_leader(
        &self,
        message: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderResponse>, Status> {
        let principal = caller(&message)?.as_str().to_owned();
        let api::TransferLeaderRequest { request, reason, to } = message.into_inner();
        let refused = |refusal: Response<Answer>| {
            let answer = Some(refusal.into_inner());
            Ok(Response::new(api::TransferLeaderResponse { answer, leader: None }))
        };
        if request.is_none() {
            return refused(super::intake::refused(REQUEST_MISSING, REQUEST_WORDS));
        }
        let wish = cluster_command::TransferLeader { to, stays: None };
        let command = Some(cluster_command::Command::TransferLeader(wish));
        let command = Some(Group::Cluster(stored::ClusterCommand { command }));
        let submission = stored::Submission { principal, request, reason, command, session: None };
        match submission_from_stored(submission) {
            Ok(wish) => Ok(Response::new(self.lead.transfer(wish).await.to_wire())),
            Err(why) => refused(super::intake::refused(why.code(), why.to_string())),
        }
    }

    async fn advance_time(
        &self,
        message: Request<cluster_command::AdvanceTo>,
    ) -> Result<Response<Answer>, Status> {
        let principal = caller(&message)?.as_str().to_owned();
        let command = cluster_command::Command::AdvanceTo(message.into_inner());
        let command = Some(Group::Cluster(stored::ClusterCommand { command: Some(command) }));
        Ok(self
            .intake
            .carry_out(stored::Submission { principal, command, ..Default::default() })
            .await)
    }
}
