//! What agents do with contacts, one call at a time.

use openraft_rt::AsyncRuntime;
use proto::api::v1::Answer;
use proto::api::v1::work_server::Work;
use proto::stored::v1 as stored;
use proto::stored::v1::submission::Command as Group;
use proto::stored::v1::work_command as wire;
use proto::stored::v1::work_command::Command;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::intake::{Intake, caller, commands, refused};
use crate::submit::SESSION_MISSING;

/// The metadata in which an agent names the session: its epoch, in decimal digits.
pub const SESSION: &str = "quorumcall-session";

/// Takes, handles and finishes contacts.
pub(super) struct WorkService<RT: AsyncRuntime> {
    pub(super) intake: Intake<RT>,
}

impl<RT: AsyncRuntime> WorkService<RT> {
    async fn submit<M>(
        &self,
        request: Request<M>,
        choice: fn(M) -> Command,
    ) -> Result<Response<Answer>, Status> {
        let principal = caller(&request)?;
        let session = match session(request.metadata()) {
            Ok(session) => session,
            Err(words) => return Ok(refused("malformed", words)),
        };
        if session.is_none() && !self.intake.is_gateway(&principal) {
            let words = format!(
                "an agent says from which session it acts: the metadata {SESSION} is missing"
            );
            return Ok(refused(SESSION_MISSING, words));
        }
        let command = stored::WorkCommand { command: Some(choice(request.into_inner())) };
        let submission = stored::Submission {
            principal: principal.as_str().to_owned(),
            session,
            command: Some(Group::Work(command)),
            ..Default::default()
        };
        Ok(self.intake.carry_out(submission).await)
    }
}

fn session(metadata: &MetadataMap) -> Result<Option<u64>, String> {
    let Some(value) = metadata.get(SESSION) else { return Ok(None) };
    let epoch = value.to_str().ok().and_then(|digits| digits.parse().ok());
    epoch.map(Some).ok_or_else(|| {
        format!("malformed: {SESSION} must be the epoch of a session in decimal digits")
    })
}

commands! {
    WorkService is Work through submit {
        accept: wire::Accept => Command::Accept,
        decline: wire::Decline => Command::Decline,
        hold: wire::Hold => Command::Hold,
        retrieve: wire::Retrieve => Command::Retrieve,
        end: wire::End => Command::End,
        complete: wire::Complete => Command::Complete,
        set_disposition: wire::SetDisposition => Command::SetDisposition,
        transfer: wire::Transfer => Command::Transfer,
        consult: wire::Consult => Command::Consult,
    }
}
