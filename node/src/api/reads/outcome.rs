//! What became of an act of administration.

use acd::codec::reply_to_stored;
use acd::ids::RequestId;
use acd::memory::FirstAnswer;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::answer::{Answer, Committed, Refused};
use tonic::Status;

use super::ReadsService;

impl<RT: AsyncRuntime> ReadsService<RT> {
    pub(super) async fn outcome(
        &self,
        request: api::GetOutcomeRequest,
    ) -> Result<api::GetOutcomeResponse, Status> {
        let id = <[u8; 16]>::try_from(&*request.id)
            .map_err(|_| Status::invalid_argument("a request id has 16 bytes"))?;
        let id = RequestId(u128::from_be_bytes(id));
        let taken = self.take(request.linearizable, |centre| Ok(centre.first_answer(id).map(wire)));
        let (freshness, answer) = taken.await?;
        Ok(api::GetOutcomeResponse { freshness: Some(freshness), answer })
    }
}

fn wire(first: &FirstAnswer) -> api::Answer {
    let answer = match &first.answer {
        Ok(reply) => Answer::Committed(Committed { index: 0, reply: Some(reply_to_stored(reply)) }),
        Err(why) => Answer::Refused(Refused {
            index: 0,
            code: why.code().to_owned(),
            message: why.to_string(),
        }),
    };
    api::Answer { answer: Some(answer) }
}
