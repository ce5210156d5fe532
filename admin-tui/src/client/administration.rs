//! Acts of administration: which method carries which command.

use std::sync::{Mutex, PoisonError};

use acd::codec::command_to_stored;
use acd::command::{ClusterCommand, Command, LeaderChoice};
use bytes::Bytes;
use proto::api::v1 as api;
use proto::api::v1::administration_client::AdministrationClient;
use proto::stored::v1 as stored;
use proto::stored::v1::any_command::Command as Group;
use tonic::{Code, Response};

use super::{Client, ClientError, Committed, Outcome, new_request, outcome, reads};

impl Client {
    /// Lets another node lead; who does then, if the node that was asked knows. Repeated until its outcome
    /// is known: whoever gets it twice does what is still to be done.
    pub async fn transfer_leader(
        &self,
        to: &LeaderChoice,
        reason: Option<&str>,
    ) -> Result<(Committed, Option<u64>), ClientError> {
        let command = ClusterCommand::TransferLeader { to: to.clone(), stays: None };
        let Some(Group::Cluster(stored::ClusterCommand {
            command: Some(stored::cluster_command::Command::TransferLeader(wish)),
        })) = command_to_stored(&command.into()).command
        else {
            return Err(no_administration());
        };
        let (request, reason) = (Some(new_request()), reason.map(str::to_owned));
        let ask = api::TransferLeaderRequest { request, reason, to: wish.to };
        let leader = Mutex::new(None);
        let committed = self
            .command(|channel| {
                let (ask, leader) = (ask.clone(), &leader);
                async move {
                    let answer = AdministrationClient::new(channel).transfer_leader(ask).await?;
                    let answer = answer.into_inner();
                    *leader.lock().unwrap_or_else(PoisonError::into_inner) = answer.leader;
                    Ok(Response::new(answer.answer.unwrap_or_default()))
                }
            })
            .await?;
        Ok((committed, leader.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Carries out an act of administration, as whoever this client is, under a request of its own: as
    /// [`administer_as`](Self::administer_as).
    pub async fn administer(
        &self,
        command: &Command,
        reason: Option<&str>,
    ) -> Result<Committed, ClientError> {
        self.administer_as(new_request(), command, reason).await
    }

    /// Carries out an act of administration, as whoever this client is. It is repeated, under the
    /// same request, until its outcome is known: whoever gets it twice carries it out once. At the
    /// deadline it is looked up, once, by its request.
    ///
    /// Only what the Administration service offers can be carried out: commands of sites and
    /// configuration, and what supervisors do with agents and contacts.
    pub async fn administer_as(
        &self,
        request: stored::Request,
        command: &Command,
        reason: Option<&str>,
    ) -> Result<Committed, ClientError> {
        let id = request.id.clone();
        match self.send(request, command, reason).await {
            Err(ClientError::Unknown { last }) => match self.outcome_of(id).await {
                Ok(Some(known)) => known,
                Ok(None) => {
                    let last = format!("{last}; the cluster does not know its request (yet)");
                    Err(ClientError::Unknown { last })
                }
                // What is heard of that changes nothing of what is known.
                Err(_) => Err(ClientError::Unknown { last }),
            },
            known => known,
        }
    }

    /// What became of an act of administration, by the id of its request; none: it has not been
    /// carried out yet, or more than ten minutes ago. The index of the entry is not kept, and 0.
    pub async fn outcome_of(
        &self,
        id: Bytes,
    ) -> Result<Option<Result<Committed, ClientError>>, ClientError> {
        let ask = api::GetOutcomeRequest { linearizable: true, id };
        let told = self
            .read(|channel| {
                let ask = ask.clone();
                async move { reads(channel).get_outcome(ask).await }
            })
            .await?;
        Ok(match told.answer.map(outcome) {
            Some(Outcome::Known(known)) => Some(known),
            Some(Outcome::Open { .. }) | None => None,
        })
    }

    async fn send(
        &self,
        request: stored::Request,
        command: &Command,
        reason: Option<&str>,
    ) -> Result<Committed, ClientError> {
        let request = Some(request);
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
            Some(Group::Cluster(_) | Group::Work(_)) | None => Err(no_administration()),
        }
    }
}

fn no_administration() -> ClientError {
    let message = "this is no act of administration".into();
    ClientError::Failed { code: Code::InvalidArgument, message }
}
