//! One call, one command: how the services that change something do it.

use acd::codec::submission_from_stored;
use acd::command::Submission;
use acd::ids::PrincipalId;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use tonic::{Request, Response, Status};

use crate::rpc::Caller;
use crate::submit::{Answer, Door, answer_to_wire};

/// Bytes of one message to a service of single calls. The largest command is a calendar of 3,200
/// intervals: 58 KB.
pub(super) const MESSAGE_BYTES_MAX: usize = 256 << 10;

// Codes of what a node refuses by itself; docs/errors.md explains them.

/// Administration came without a request.
pub(super) const REQUEST_MISSING: &str = "request-missing";
/// The command is for another method.
pub(super) const WRONG_METHOD: &str = "wrong-method";

/// Takes commands in for the services of single calls.
pub(super) struct Intake<RT: AsyncRuntime> {
    door: Door<RT>,
}

impl<RT: AsyncRuntime> Clone for Intake<RT> {
    fn clone(&self) -> Self {
        Self { door: self.door.clone() }
    }
}

impl<RT: AsyncRuntime> Intake<RT> {
    pub(super) fn new(door: Door<RT>) -> Self {
        Self { door }
    }

    /// Whether somebody keeps the sessions of its agents apart by itself.
    pub(super) fn is_gateway(&self, principal: &PrincipalId) -> bool {
        self.door.is_gateway(principal)
    }

    /// Waits for what becomes of a command, for [`crate::submit::COMMAND_DEADLINE`] at most.
    pub(super) async fn carry_out(&self, submission: stored::Submission) -> Response<api::Answer> {
        match submission_from_stored(submission) {
            Ok(submission) => self.call(&submission).await,
            Err(refusal) => refused(refusal.code(), refusal.to_string()),
        }
    }

    /// The same for a command that was read already.
    pub(super) async fn call(&self, submission: &Submission) -> Response<api::Answer> {
        Response::new(answer_to_wire(self.door.call(submission).await))
    }
}

/// Refused before it got anywhere.
pub(super) fn refused(code: &str, message: impl Into<String>) -> Response<api::Answer> {
    let (code, message) = (code.to_owned(), message.into());
    Response::new(answer_to_wire(Answer::Refused { index: 0, code, message }))
}

/// Who calls.
pub(super) fn caller<T>(request: &Request<T>) -> Result<PrincipalId, Status> {
    let caller = request.extensions().get::<Caller>();
    // The server puts one into every request.
    caller
        .map(|caller| caller.principal.clone())
        .ok_or_else(|| Status::unauthenticated("no certificate"))
}

/// Implements a service whose methods each wrap their message in a command and submit it: `method:
/// message => the choice it becomes`, all through one method of the type.
macro_rules! commands {
    ($service:ident is $trait:ident through $through:ident {
        $($method:ident: $message:ty => $choice:path,)+
    }) => {
        #[tonic::async_trait]
        impl<RT: openraft_rt::AsyncRuntime> $trait for $service<RT> {
            $(async fn $method(
                &self,
                request: tonic::Request<$message>,
            ) -> Result<tonic::Response<proto::api::v1::Answer>, tonic::Status> {
                self.$through(request, $choice).await
            })+
        }
    };
}
pub(super) use commands;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::SESSION_MISSING;

    #[test]
    fn every_code_is_explained() {
        let reference = include_str!("../../../docs/errors.md");
        for code in [SESSION_MISSING, REQUEST_MISSING, WRONG_METHOD] {
            assert!(reference.contains(&format!("- `{code}`: ")), "{code}");
        }
    }
}
