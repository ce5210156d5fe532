//! Takes connections: TLS, who is calling, HTTP/2, the services.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::ids::PrincipalId;
use hyper::body::Incoming;
use hyper::http::Request;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openraft_rt::{AsyncRuntime, Select2};
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower_service::Service as _;

use super::channel::{HEADERS_BYTES_MAX, WINDOW_BYTES};
use super::counted::Counted;
use super::http2::{Executor, Timer};
use super::tally::{Refusal, RpcTally};
use crate::identity::{self, ClusterId};
use crate::seams::{Accepted, BoxByteStream, Listener};
use crate::shutdown::Shutdown;

/// Who is at the other end of a connection, as its certificate says. An extension of every request.
#[derive(Clone, Debug)]
pub struct Caller(pub PrincipalId);

/// Decides, before anything else looks at a call, whether this caller may make it; the text is the
/// path of the method.
pub type Gate = Arc<dyn Fn(&Caller, &str) -> Result<(), Status> + Send + Sync>;

/// Bytes that a client may have on their way to the node: 1 MiB is 100 Mbit/s over 80 ms.
const CLIENT_WINDOW_BYTES: u32 = 1 << 20;
/// Connections at one time: 10,000 agents, their front ends and the peers.
const CONNECTIONS_MAX: u64 = 16_384;
/// Calls at one time on one connection. A gateway with 10,000 sessions opens 40 connections, so that
/// no more than 2.5 % of them wait for the same lost packet.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// How long a caller may take to say who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it is asked for a sign of life, and how long that may
/// take. 10,000 connections are 1,000 questions a second; peers ask more often from their side.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long to wait after the operating system refused to take a connection (out of files, say).
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// What answers calls.
pub struct Server<RT: AsyncRuntime> {
    /// Who may connect.
    pub tls: Arc<rustls::ServerConfig>,
    /// The cluster that certificates must be of.
    pub cluster: ClusterId,
    /// Who may call what.
    pub gate: Gate,
    /// The services.
    pub routes: Routes,
    /// Time for HTTP/2.
    pub timer: Timer<RT>,
    /// Counts connections and calls.
    pub tally: Arc<RpcTally>,
    /// Ends everything.
    pub shutdown: Shutdown,
}

impl<RT: AsyncRuntime> Server<RT> {
    /// Answers calls until the shutdown.
    pub async fn run(self, mut listener: Box<dyn Listener>) {
        let server = Arc::new(self);
        loop {
            let accepted = {
                let shutdown = pin!(server.shutdown.wait());
                match RT::select2(shutdown, listener.accept()).await {
                    Select2::First(()) => return,
                    Select2::Second(accepted) => accepted,
                }
            };
            let Accepted { stream, from } = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    RT::sleep(ACCEPT_BACK_OFF).await;
                    continue;
                }
            };
            let place = Place::take(&server.tally);
            if server.tally.connections.get() > CONNECTIONS_MAX {
                server.tally.refused(Refusal::Full);
                tracing::warn!(%from, open = CONNECTIONS_MAX, "connection refused: too many are open");
                continue;
            }
            let server = server.clone();
            drop(RT::spawn(async move {
                let _place = place;
                let shutdown = server.shutdown.clone();
                let shutdown = pin!(shutdown.wait());
                let serve = pin!(server.serve(stream, &from));
                RT::select2(shutdown, serve).await;
            }));
        }
    }

    async fn serve(&self, stream: BoxByteStream, from: &str) {
        let handshake = TlsAcceptor::from(self.tls.clone()).accept(stream);
        let stream = match RT::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.tally.refused(Refusal::Handshake);
                return tracing::info!(%from, %error, "caller refused");
            }
            Err(_) => {
                self.tally.refused(Refusal::Handshake);
                let error = "it did not say in time who it is";
                return tracing::info!(%from, error, "caller refused");
            }
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let principal = match identity::peer_principal(certificates, self.cluster) {
            Ok(principal) => principal,
            Err(error) => {
                self.tally.refused(Refusal::Stranger);
                return tracing::info!(%from, %error, "caller refused");
            }
        };
        let window = match identity::node_of(&principal) {
            Some(_) => WINDOW_BYTES,
            None => CLIENT_WINDOW_BYTES,
        };
        let caller = Caller(principal);
        let (gate, routes) = (self.gate.clone(), self.routes.clone());
        let tally = self.tally.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut call = tally.begin(request.uri().path());
            let mut request = request.map(Body::new);
            let verdict = gate(&caller, request.uri().path());
            request.extensions_mut().insert(caller.clone());
            let mut routes = routes.clone();
            async move {
                let response = match verdict {
                    // Routes are always ready.
                    Ok(()) => routes.call(request).await?,
                    Err(status) => status.into_http(),
                };
                // An answer that is only a status has it here.
                call.read(response.headers());
                Ok::<_, Infallible>(response.map(|body| Counted::new(body, call)))
            }
        });
        let connection = Builder::new(Executor::<RT>::default())
            .timer(self.timer.clone())
            .initial_stream_window_size(window)
            .initial_connection_window_size(window)
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .max_header_list_size(HEADERS_BYTES_MAX)
            // Nobody reads it, and a clock that is not the node's would change what goes over the wire.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%from, %error, "connection lost");
        }
    }
}

/// One of the connections that may be open.
struct Place(Arc<RpcTally>);

impl Place {
    fn take(tally: &Arc<RpcTally>) -> Self {
        tally.connections.rise();
        Self(tally.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fall();
    }
}
