//! What every gRPC server tells: health and reflection.

use std::collections::BTreeSet;

use futures::stream;
use prost::Message;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_client::HealthClient;
use proto::grpc::health::v1::{HealthCheckRequest, HealthListRequest};
use proto::grpc::reflection::v1::ServerReflectionRequest;
use proto::grpc::reflection::v1::server_reflection_client::ServerReflectionClient;
use proto::grpc::reflection::v1::server_reflection_request::MessageRequest as Question;
use proto::grpc::reflection::v1::server_reflection_response::MessageResponse as Answer;
use tonic::Code;

use crate::centre::*;
use crate::common::*;

const SERVICES: [&str; 12] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "quorumcall.api.v1.Administration",
    "quorumcall.api.v1.Commands",
    "quorumcall.api.v1.Contacts",
    "quorumcall.api.v1.Desktop",
    "quorumcall.api.v1.Ingress",
    "quorumcall.api.v1.Joining",
    "quorumcall.api.v1.Reads",
    "quorumcall.api.v1.Watches",
    "quorumcall.api.v1.Work",
    "quorumcall.peer.v1.Peer",
];

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_while_it_goes_on_and_knows_a_leader() {
    let centre = Centre::open("").await;
    leader(&centre.cluster).await;
    // Whoever has a certificate of the cluster may ask.
    let health = HealthClient::with_origin(centre.channel(2, "probe"), origin());
    let asked = async {
        loop {
            let status = health.clone().check(check("")).await.unwrap().into_inner().status();
            if status == ServingStatus::Serving {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    for service in SERVICES {
        let status = health.clone().check(check(service)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let unknown = health.clone().check(check("quorumcall.api.v1.Sales")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let list = health.clone().list(HealthListRequest {}).await.unwrap().into_inner().statuses;
    let names: BTreeSet<_> = list.keys().map(String::as_str).collect();
    assert_eq!(names, SERVICES.into_iter().chain([""]).collect());

    let request = check("quorumcall.api.v1.Reads");
    let mut watch = health.clone().watch(request).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap().status();
    assert_eq!(first, ServingStatus::Serving);
    let mut unknown = health.clone().watch(check("nothing")).await.unwrap().into_inner();
    let told = unknown.message().await.unwrap().unwrap().status();
    assert_eq!(told, ServingStatus::ServiceUnknown);
    // The node ends.
    centre.cluster.node(2).state().close();
    loop {
        let status = watch.message().await.unwrap().unwrap().status();
        if status == ServingStatus::NotServing {
            break;
        }
    }
    let status = health.clone().check(check("")).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_its_contract() {
    let centre = Centre::open("").await;
    let mut reflection = ServerReflectionClient::with_origin(centre.channel(1, "probe"), origin());
    let ask =
        |question| ServerReflectionRequest { host: "any".into(), message_request: Some(question) };
    let questions = [
        ask(Question::ListServices(String::new())),
        ask(Question::FileContainingSymbol("quorumcall.api.v1.Contacts".into())),
        ask(Question::FileContainingSymbol("quorumcall.api.v1.Reads.GetAgent".into())),
        ask(Question::FileByFilename("quorumcall/stored/v1/contact_command.proto".into())),
        ask(Question::FileContainingSymbol("quorumcall.api.v1.Sales".into())),
        ask(Question::AllExtensionNumbersOfType("quorumcall.api.v1.Answer".into())),
        ServerReflectionRequest { host: "any".into(), message_request: None },
    ];
    let asked = reflection.server_reflection_info(stream::iter(questions.clone())).await.unwrap();
    let mut asked = asked.into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = asked.message().await.unwrap() {
        assert_eq!(answer.valid_host, "any");
        assert_eq!(answer.original_request.as_ref(), Some(&questions[answers.len()]));
        answers.push(answer.message_response.unwrap());
    }
    let Answer::ListServicesResponse(list) = &answers[0] else { panic!("{:?}", answers[0]) };
    let names: BTreeSet<_> = list.service.iter().map(|service| &*service.name).collect();
    assert_eq!(names, SERVICES.into_iter().collect());
    for (answer, name) in answers[1..4].iter().zip([
        "quorumcall/api/v1/contacts.proto",
        "quorumcall/api/v1/reads.proto",
        "quorumcall/stored/v1/contact_command.proto",
    ]) {
        let Answer::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
        let [file] = &*files.file_descriptor_proto else { panic!() };
        assert_eq!(prost_types::FileDescriptorProto::decode(&**file).unwrap().name(), name);
    }
    let Answer::ErrorResponse(error) = &answers[4] else { panic!("{:?}", answers[4]) };
    assert_eq!(error.error_code, Code::NotFound as i32);
    let Answer::AllExtensionNumbersResponse(none) = &answers[5] else { panic!() };
    assert!(none.extension_number.is_empty());
    let Answer::ErrorResponse(error) = &answers[6] else { panic!("{:?}", answers[6]) };
    assert_eq!(error.error_code, Code::InvalidArgument as i32);
}
