//! Takes connections: TLS, who is calling, HTTP/2, the services.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use acd::ids::PrincipalId;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::http::Request;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openraft_rt::{AsyncRuntime, Select2};
use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower_service::Service as _;

use super::channel::{HEADERS_BYTES_MAX, WINDOW_BYTES};
use super::counted::Counted;
use super::http2::{Executor, Timer};
use super::tally::{Refusal, RpcTally};
use crate::identity::{self, ClusterId, Credentials};
use crate::seams::{Accepted, BoxByteStream, Listener};
use crate::shutdown::Shutdown;

/// Who is at the other end of a connection, as its certificate says. An extension of every request
/// of somebody who has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: PrincipalId,
    /// The serial number of the certificate.
    pub serial: u128,
}

/// Decides who may connect, and, before anything else looks at a call, whether they may make it.
pub trait Gate: Send + Sync + 'static {
    /// Whether somebody may have a connection.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    fn admits(&self, caller: &Caller) -> Result<(), String>;

    /// Whether somebody, or nobody in particular, may call the method with this path.
    ///
    /// # Errors
    ///
    /// What they are told.
    fn allows(&self, caller: Option<&Caller>, path: &str) -> Result<(), Status>;

    /// Ready when it may be that somebody is no longer admitted, from the moment this is called.
    fn changed(&self) -> BoxFuture<'static, ()>;
}

/// Bytes that a client may have on their way to the node: 1 MiB is 100 Mbit/s over 80 ms.
const CLIENT_WINDOW_BYTES: u32 = 1 << 20;
/// Connections at one time: 10,000 agents, their front ends and the peers.
const CONNECTIONS_MAX: u64 = 16_384;
/// Calls at one time on one connection. A gateway with 10,000 sessions opens 40 connections, so that
/// no more than 2.5 % of them wait for the same lost packet.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// Connections at one time of callers who have no identity yet. Cities join one after the other.
const NAMELESS_MAX: u64 = 16;
/// Calls at one time on such a connection, …
const BRIEF_STREAMS_MAX: u32 = 2;
/// … bytes on their way, …
const BRIEF_WINDOW_BYTES: u32 = 64 << 10;
/// … and how long it may last: a leader is found and asked, or it is tried again.
const BRIEF_TIME: Duration = Duration::from_secs(30);
/// How long a caller may take to say who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it is asked for a sign of life, and how long that may
/// take. 10,000 connections are 1,000 questions a second; peers ask more often from their side.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long to wait after the operating system refused to take a connection (out of files, say).
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// What answers calls.
pub struct Server<RT: AsyncRuntime> {
    /// Who this node is.
    pub credentials: Credentials,
    /// The cluster that certificates must be of.
    pub cluster: ClusterId,
    /// Who may connect, and call what.
    pub gate: Arc<dyn Gate>,
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
        let (stream, is_nameless) =
            match RT::timeout(HANDSHAKE_TIMEOUT, self.shake_hands(stream)).await {
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
        if is_nameless {
            let _place = NamelessPlace::take(&self.tally);
            if self.tally.nameless.get() > NAMELESS_MAX {
                self.tally.refused(Refusal::Full);
                return tracing::info!(%from, "caller without an identity refused: too many");
            }
            return self.serve_briefly(stream, None, from).await;
        }
        let certificates = stream.get_ref().1.peer_certificates();
        let caller = match identity::peer_principal(certificates, self.cluster) {
            Ok((principal, serial)) => Caller { principal, serial },
            Err(error) => {
                self.tally.refused(Refusal::Stranger);
                return tracing::info!(%from, %error, "caller refused");
            }
        };
        let window = match identity::node_of(&caller.principal) {
            Some(_) => WINDOW_BYTES,
            None => CLIENT_WINDOW_BYTES,
        };
        // Before it is asked: what changes meanwhile is not missed.
        let mut changed = self.gate.changed();
        if let Err(why) = self.gate.admits(&caller) {
            self.tally.refused(Refusal::Dismissed);
            tracing::info!(%from, caller = %caller.principal, why, "caller refused");
            // Its first calls are told why, and no more.
            return self.serve_briefly(stream, Some(caller), from).await;
        }
        let (gate, whom) = (self.gate.clone(), caller.clone());
        let dismissed = async move {
            loop {
                changed.await;
                changed = gate.changed();
                if let Err(why) = gate.admits(&whom) {
                    return why;
                }
            }
        };
        let limits = Limits { window, streams: STREAMS_PER_CONNECTION_MAX };
        let connection = pin!(self.answer(stream, Some(caller.clone()), limits, from));
        if let Select2::First(why) = RT::select2(pin!(dismissed), connection).await {
            tracing::info!(%from, caller = %caller.principal, why, "connection ended");
        }
    }

    /// Shakes hands; whether the caller comes without an identity, which it says by the name it asks
    /// for.
    async fn shake_hands(
        &self,
        stream: BoxByteStream,
    ) -> io::Result<(TlsStream<BoxByteStream>, bool)> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let is_nameless = start.client_hello().server_name().is_some_and(identity::is_join_name);
        let held = self.credentials.held();
        let config = if is_nameless { &held.joining } else { &held.server };
        Ok((start.into_stream(config.clone()).await?, is_nameless))
    }

    /// Answers somebody who has no identity yet, for as long as it takes to get one; or somebody who
    /// is not admitted, for as long as it takes to say so.
    async fn serve_briefly(
        &self,
        stream: TlsStream<BoxByteStream>,
        caller: Option<Caller>,
        from: &str,
    ) {
        let limits = Limits { window: BRIEF_WINDOW_BYTES, streams: BRIEF_STREAMS_MAX };
        let answered = self.answer(stream, caller, limits, from);
        if RT::timeout(BRIEF_TIME, answered).await.is_err() {
            tracing::debug!(%from, "the time of a brief connection is over");
        }
    }

    async fn answer(
        &self,
        stream: TlsStream<BoxByteStream>,
        caller: Option<Caller>,
        limits: Limits,
        from: &str,
    ) {
        let (gate, routes) = (self.gate.clone(), self.routes.clone());
        let tally = self.tally.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut call = tally.begin(request.uri().path());
            let mut request = request.map(Body::new);
            let verdict = gate.allows(caller.as_ref(), request.uri().path());
            if let Some(caller) = &caller {
                request.extensions_mut().insert(caller.clone());
            }
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
            .initial_stream_window_size(limits.window)
            .initial_connection_window_size(limits.window)
            .max_concurrent_streams(limits.streams)
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

/// What one connection may have under way.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes.
    window: u32,
    /// Calls.
    streams: u32,
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

/// One of the connections that callers without an identity may have.
struct NamelessPlace(Arc<RpcTally>);

impl NamelessPlace {
    fn take(tally: &Arc<RpcTally>) -> Self {
        tally.nameless.rise();
        Self(tally.clone())
    }
}

impl Drop for NamelessPlace {
    fn drop(&mut self) {
        self.0.nameless.fall();
    }
}
