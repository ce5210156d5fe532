//! What the services look like, for tools that have no .proto files at hand.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use proto::grpc::reflection::v1::server_reflection_request::MessageRequest as Question;
use proto::grpc::reflection::v1::server_reflection_response::MessageResponse as Answer;
use proto::grpc::reflection::v1::server_reflection_server::ServerReflection;
use proto::grpc::reflection::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tonic::{Code, Request, Response, Status, Streaming};

use super::contract::contract;

/// Tells the contract.
pub(super) struct ReflectionService;

#[tonic::async_trait]
impl ServerReflection for ReflectionService {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        // A question is read when there is room for its answer.
        let answers = stream::unfold(request.into_inner(), |mut questions| async move {
            let question = questions.message().await.transpose()?;
            Some((question.map(answer), questions))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn answer(question: ServerReflectionRequest) -> ServerReflectionResponse {
    let file = |file: Option<&Bytes>, name: &str| match file {
        Some(file) => {
            let file_descriptor_proto = vec![file.clone()];
            Answer::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
        }
        None => error(Code::NotFound, format!("there is no {name} here")),
    };
    let message = match &question.message_request {
        Some(Question::FileByFilename(name)) => file(contract().file(name), name),
        Some(Question::FileContainingSymbol(name)) => file(contract().file_of(name), name),
        Some(Question::FileContainingExtension(_)) => {
            error(Code::NotFound, "there are no extensions here".to_owned())
        }
        Some(Question::AllExtensionNumbersOfType(name)) => match contract().file_of(name) {
            Some(_) => Answer::AllExtensionNumbersResponse(ExtensionNumberResponse {
                base_type_name: name.clone(),
                extension_number: Vec::new(),
            }),
            None => error(Code::NotFound, format!("there is no {name} here")),
        },
        Some(Question::ListServices(_)) => {
            let services = contract().services().iter();
            let service = services.map(|name| ServiceResponse { name: name.clone() }).collect();
            Answer::ListServicesResponse(ListServiceResponse { service })
        }
        None => error(Code::InvalidArgument, "a question asks for something".to_owned()),
    };
    ServerReflectionResponse {
        valid_host: question.host.clone(),
        original_request: Some(question),
        message_response: Some(message),
    }
}

fn error(code: Code, error_message: String) -> Answer {
    Answer::ErrorResponse(ErrorResponse { error_code: code as i32, error_message })
}
