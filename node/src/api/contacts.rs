//! What front ends report of customers, one call at a time.

use openraft_rt::AsyncRuntime;
use proto::api::v1::Answer;
use proto::api::v1::contacts_server::Contacts;
use proto::stored::v1 as stored;
use proto::stored::v1::contact_command as wire;
use proto::stored::v1::contact_command::Command;
use proto::stored::v1::submission::Command as Group;
use tonic::{Request, Response, Status};

use super::intake::{Intake, caller, commands};

/// Puts contacts in and says what customers do.
pub(super) struct ContactsService<RT: AsyncRuntime>(pub(super) Intake<RT>);

impl<RT: AsyncRuntime> ContactsService<RT> {
    async fn submit<M>(
        &self,
        request: Request<M>,
        choice: fn(M) -> Command,
    ) -> Result<Response<Answer>, Status> {
        let principal = caller(&request)?.as_str().to_owned();
        let command = stored::ContactCommand { command: Some(choice(request.into_inner())) };
        let command = Some(Group::Contact(command));
        Ok(self.0.carry_out(stored::Submission { principal, command, ..Default::default() }).await)
    }
}

commands! {
    ContactsService is Contacts through submit {
        enqueue: stored::Enqueue => Command::Enqueue,
        hang_up: wire::HangUp => Command::HangUp,
        bridged: wire::Bridged => Command::Bridged,
        bridge_failed: wire::BridgeFailed => Command::BridgeFailed,
        request_callback: wire::RequestCallback => Command::RequestCallback,
        set_recording: wire::SetRecording => Command::SetRecording,
        record_csat: wire::RecordCsat => Command::RecordCsat,
    }
}
