//! A connection to another node that is made when it is needed and again when it is lost.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::http::{HeaderName, HeaderValue, Request, Response};
use hyper_util::rt::TokioIo;
use openraft_rt::AsyncRuntime;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::http2::{Executor, Timer};
use crate::identity::Credentials;
use crate::seams::Connector;

/// Calls that were given up and whose late answers are still known for what they are, on one connection:
/// some 100 KiB. An answer to one that is forgotten is an error of the connection.
const GIVEN_UP_MAX: usize = 1_024;
/// For how long, by the machine's clock, which is not the node's: longer than any answer is late, and
/// longer than any simulation takes, whatever the machine is busy with.
const GIVEN_UP_KEPT: Duration = Duration::from_secs(3_600);

/// Where a channel leads and how it is made.
#[derive(Clone)]
pub struct Dial {
    /// Opens byte streams.
    pub connector: Arc<dyn Connector>,
    /// host:port.
    pub address: String,
    /// Who must be there: the certificate says so.
    pub server_name: ServerName<'static>,
    /// Who we are.
    pub tls: ClientTls,
    /// Sent with every call.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long connecting may take, TLS and HTTP/2 included.
    pub connect_timeout: Duration,
    /// How long a connection may be silent before it is asked, and how long the answer may take;
    /// then it counts as lost.
    pub keep_alive: Duration,
}

/// How a client shows who it is.
#[derive(Clone)]
pub enum ClientTls {
    /// The same way each time.
    Fixed(Arc<rustls::ClientConfig>),
    /// By the identity that the node has when it connects.
    Current(Credentials),
}

impl ClientTls {
    /// What TLS needs.
    pub fn config(&self) -> Arc<rustls::ClientConfig> {
        match self {
            Self::Fixed(config) => config.clone(),
            Self::Current(credentials) => credentials.held().client.clone(),
        }
    }
}

impl From<Arc<rustls::ClientConfig>> for ClientTls {
    fn from(config: Arc<rustls::ClientConfig>) -> Self {
        Self::Fixed(config)
    }
}

/// Why a call could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RpcError {
    /// The connection could not be made.
    #[error("{address} cannot be reached: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The other side does not speak HTTP/2, or no longer does.
    #[error("the connection to {address} is lost: {source}")]
    Http {
        /// Where.
        address: String,
        /// Why.
        source: Arc<hyper::Error>,
    },
}

impl RpcError {
    /// What a call that failed says of its connection, if that was it.
    pub fn of(status: &tonic::Status) -> Option<&Self> {
        let mut source = std::error::Error::source(status);
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            source = error.source();
        }
        None
    }
}

/// A connection to one node, shared by its clones. Calls are multiplexed.
pub struct Channel<RT: AsyncRuntime> {
    shared: Arc<Shared<RT>>,
}

struct Shared<RT: AsyncRuntime> {
    dial: Dial,
    timer: Timer<RT>,
    connection: Mutex<Connection>,
}

type Dialled = Result<SendRequest<Body>, RpcError>;

enum Connection {
    Closed,
    /// Being made. It goes on when the call that began it is given up: a call may be allowed less
    /// time than it takes to connect.
    Dialling(future::Shared<BoxFuture<'static, Dialled>>),
    Open(SendRequest<Body>),
}

impl<RT: AsyncRuntime> Clone for Channel<RT> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<RT: AsyncRuntime> Channel<RT> {
    /// A channel that connects with its first call.
    pub fn new(dial: Dial, timer: Timer<RT>) -> Self {
        let connection = Mutex::new(Connection::Closed);
        Self { shared: Arc::new(Shared { dial, timer, connection }) }
    }

    /// Connects unless it is connected, and waits for nothing: a call that comes later need not wait
    /// for the round trips of TCP, TLS and HTTP/2.
    pub fn connect_ahead(&self) {
        let shared = self.shared.clone();
        drop(RT::spawn(async move {
            // Whether it can be reached is for the call to say that needs it.
            let _ = shared.connection().await;
        }));
    }
}

impl<RT: AsyncRuntime> Shared<RT> {
    async fn connection(self: &Arc<Self>) -> Dialled {
        let dialling = {
            let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            match &*connection {
                Connection::Open(open) if !open.is_closed() => return Ok(open.clone()),
                Connection::Dialling(dialling) => dialling.clone(),
                Connection::Open(_) | Connection::Closed => {
                    let dialling = dial(self.clone()).boxed().shared();
                    drop(RT::spawn(dialling.clone().map(drop)));
                    *connection = Connection::Dialling(dialling.clone());
                    dialling
                }
            }
        };
        dialling.await
    }

    async fn connect(&self) -> Dialled {
        let Dial { connector, address, server_name, tls, keep_alive, .. } = &self.dial;
        let failed =
            |source| RpcError::Connect { address: address.clone(), source: Arc::new(source) };
        let stream = connector.connect(address).await.map_err(failed)?;
        let tls = TlsConnector::from(tls.config());
        let stream = tls.connect(server_name.clone(), stream).await.map_err(failed)?;
        let (sender, connection) = Builder::new(Executor::<RT>::default())
            .timer(self.timer.clone())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .keep_alive_interval(*keep_alive)
            .keep_alive_timeout(*keep_alive)
            .keep_alive_while_idle(true)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_reset_streams(GIVEN_UP_MAX)
            .reset_stream_duration(GIVEN_UP_KEPT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.lost(source))?;
        let address = address.clone();
        drop(RT::spawn(async move {
            // Its calls fail with it; here is only said why.
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "connection lost");
            }
        }));
        Ok(sender)
    }

    fn lost(&self, source: hyper::Error) -> RpcError {
        RpcError::Http { address: self.dial.address.clone(), source: Arc::new(source) }
    }
}

/// Connects, within the time there is for it, and notes the outcome.
async fn dial<RT: AsyncRuntime>(shared: Arc<Shared<RT>>) -> Dialled {
    let timeout = shared.dial.connect_timeout;
    let outcome = match RT::timeout(timeout, shared.connect()).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let words = format!("no answer in {timeout:?}");
            let source = Arc::new(io::Error::new(io::ErrorKind::TimedOut, words));
            Err(RpcError::Connect { address: shared.dial.address.clone(), source })
        }
    };
    let mut connection = shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
    *connection = match &outcome {
        Ok(open) => Connection::Open(open.clone()),
        Err(_) => Connection::Closed,
    };
    outcome
}

/// Bytes in flight on a stream and on a connection: 100 Mbit/s over 80 ms is 1 MB; this is eight
/// times that.
pub(super) const WINDOW_BYTES: u32 = 8 << 20;
/// Bytes of the headers of a call. Ours are about 300.
pub(super) const HEADERS_BYTES_MAX: u32 = 16 << 10;

impl<RT: AsyncRuntime> tower_service::Service<Request<Body>> for Channel<RT> {
    type Response = Response<Incoming>;
    type Error = RpcError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            for (name, value) in &shared.dial.headers {
                request.headers_mut().insert(name, value.clone());
            }
            let mut connection = shared.connection().await?;
            connection.send_request(request).await.map_err(|source| shared.lost(source))
        })
    }
}
