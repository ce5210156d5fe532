//! The contract with front ends, desktops and operators (`proto/quorumcall/api/v1`), as services of
//! a node.
//!
//! ```text
//!                    ┌─ access: the method's roles, asked of this node's copy of the state ─┐
//!  client ─TLS─▶ rpc ┤                                                                      ▼
//!   who: certificate └─ refused: PERMISSION_DENIED                                       a service
//!
//!  Contacts, Work, Administration ─▶ intake ─▶ Door ─▶ … the log … ─▶ Answer, when it is applied
//!  Commands                       ─▶ many in flight, the same way (crate::submit)
//!  Desktop.Session ─┐                        ┌─▶ Door, with the fence of the session
//!  Ingress.Attach  ─┴─ admission ─ exchange ─┤
//!                                            └◀─ hub ◀─ ring of events, state
//!  Reads                          ─▶ this node's state: a view, a fork, a page, how old it is
//!  Watches                        ─▶ the ring of events, from a token on
//!  grpc.health, grpc.reflection   ─▶ whether it serves, and what
//! ```
//!
//! - A status of gRPC says what became of a call: who calls, and whether the message could be read.
//!   What became of a command is an answer: committed, refused, unavailable or unknown.
//! - Nothing is told before it is committed, and nobody is told anything of a command but the one
//!   who sent it and those who watch.
//! - Whoever does not read what is told costs one message a call: streams are made as they are
//!   taken, and no queue stands between the state and the connection. Sessions and streams of front
//!   ends have queues, which are bounded: whoever lets them fill up is cut off.
//! - **A session is as long as its stream.** Opening one waits for its turn (`admission`), logs the
//!   agent in, and takes the session's place in the `hub`, which tells it what is true of its agent
//!   from then on. The stream is driven by whoever sends its messages; idle, a session is a few
//!   hundred bytes of ours. When it breaks, the `reaper` reports it, for as long as it takes. When
//!   the node itself breaks, its leader notices, or the node when it starts again: it reports itself
//!   as lost before it lets anybody in.
//! - A session that was opened by a log-in among [`commands`](crate::submit), without a stream, is
//!   left alone while the node lives; whoever opened it ends it.

mod access;
mod administration;
mod admission;
mod contacts;
mod contract;
mod desk;
mod desktop;
mod exchange;
mod health;
mod hub;
mod ingress;
mod intake;
mod outbox;
mod reads;
mod reaper;
mod reflection;
mod streams;
mod watches;
mod work;

use std::marker::PhantomData;
use std::sync::Arc;

use openraft_rt::AsyncRuntime;
use proto::api::v1::administration_server::AdministrationServer;
use proto::api::v1::contacts_server::ContactsServer;
use proto::api::v1::reads_server::ReadsServer;
use proto::api::v1::watches_server::WatchesServer;
use proto::api::v1::work_server::WorkServer;
use proto::grpc::health::v1::health_server::HealthServer;
use proto::grpc::reflection::v1::server_reflection_server::ServerReflectionServer;
use tonic::service::Routes;

pub use access::{Access, Rule, rule};
pub use contract::{Contract, contract};
pub use desktop::DesktopService;
pub use ingress::IngressService;
pub use streams::{Streams, VitalTask};
pub use work::SESSION;

use self::administration::AdministrationService;
use self::contacts::ContactsService;
use self::health::HealthService;
use self::intake::{Intake, MESSAGE_BYTES_MAX};
use self::reads::ReadsService;
use self::reflection::ReflectionService;
use self::watches::WatchesService;
use self::work::WorkService;
use crate::node::Node;
use crate::storage::records::RecordStore;

/// The services of the contract.
pub struct Api<RT: AsyncRuntime> {
    node: Node<RT>,
    records: Arc<RecordStore>,
    streams: Streams<RT>,
}

impl<RT: AsyncRuntime> Api<RT> {
    /// The services of a node.
    pub fn new(node: Node<RT>, records: Arc<RecordStore>, streams: Streams<RT>) -> Self {
        Self { node, records, streams }
    }

    /// Adds the services to others. Who may call them is for the [`Access`] before all of them.
    pub fn add_to(self, routes: Routes) -> Routes {
        let Self { node, records, streams } = self;
        let intake = Intake::new(node.door().clone());
        let state = node.state().clone();
        let contacts = ContactsService(intake.clone());
        let work = WorkService { intake: intake.clone() };
        let lead = node.lead().clone();
        let administration = AdministrationService { intake, lead, state: state.clone() };
        let watches = WatchesService::<RT> { state, runtime: PhantomData };
        let reads = ReadsService::new(node.clone(), records);
        let bytes_max = MESSAGE_BYTES_MAX;
        routes
            .add_service(streams.desktop())
            .add_service(streams.ingress())
            .add_service(ContactsServer::new(contacts).max_decoding_message_size(bytes_max))
            .add_service(WorkServer::new(work).max_decoding_message_size(bytes_max))
            .add_service(
                AdministrationServer::new(administration).max_decoding_message_size(bytes_max),
            )
            .add_service(ReadsServer::new(reads).max_decoding_message_size(bytes_max))
            .add_service(WatchesServer::new(watches).max_decoding_message_size(bytes_max))
            .add_service(
                HealthServer::new(HealthService(node)).max_decoding_message_size(bytes_max),
            )
            .add_service(
                ServerReflectionServer::new(ReflectionService).max_decoding_message_size(bytes_max),
            )
    }
}
