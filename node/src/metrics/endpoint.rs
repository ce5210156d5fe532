//! Where scrapes come in: HTTP/1.1 without TLS, `GET /metrics`, nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use openraft_rt_tokio::TokioRuntime;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::sources::Sources;
use crate::rpc::Timer;

/// The one path.
const PATH: &str = "/metrics";
/// Connections at one time: some servers of Prometheus and somebody with curl. Each may have an answer
/// before it that it does not read: some 100 KB with 50 queues, 15 MB at the limits of the centre.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of the head of a request; also what is written at once.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Lines of it.
const HEADERS_MAX: usize = 64;
/// How long it may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be open, from the first byte of the request to the last of the answer.
/// Prometheus itself waits for 10 s, unless told.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// Scrapes begin at least this far apart, so that whoever asks without pause has a tenth of a core of
/// 100,000 contacts, and no more.
const SCRAPE_EVERY: Duration = Duration::from_millis(100);
/// How long to wait after the operating system refused to take a connection (out of files, say).
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// OpenMetrics 1.0, for who asks for it.
    OpenMetrics,
    /// The text format of Prometheus, for everybody else.
    Prometheus,
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        match accepts.into_iter().any(|accept| accept.contains("application/openmetrics-text")) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A socket that waits for scrapes.
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoint {
    /// Listens on an address, host:port.
    ///
    /// # Errors
    ///
    /// The address is in use, or not one of this machine, or not to be had by this user.
    pub async fn bind(listen: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was chosen if it was 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers scrapes until it is dropped.
    pub async fn serve(self, sources: Sources) {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        let scraper = Scraper { registry: Arc::new(registry), last: Arc::default() };
        let timer = Timer::<TokioRuntime>::start();
        // Dropped with this, and its connections with it.
        let mut connections = JoinSet::new();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection for metrics");
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            if connections.len() >= CONNECTIONS_MAX {
                let open = connections.len();
                tracing::debug!(open, "connection for metrics refused: too many are open");
                continue;
            }
            let (scraper, timer) = (scraper.clone(), timer.clone());
            connections.spawn(async move {
                let answer = scraper.answer_one(stream, timer);
                if tokio::time::timeout(CONNECTION_TIMEOUT, answer).await.is_err() {
                    tracing::debug!("connection for metrics ended: it took too long");
                }
            });
        }
    }
}

/// Answers requests. Clones take turns.
#[derive(Clone)]
struct Scraper {
    registry: Arc<Registry>,
    /// When the last scrape began; held while one goes on.
    last: Arc<Mutex<Option<Instant>>>,
}

impl Scraper {
    /// Answers the one request of a connection.
    async fn answer_one(self, stream: TcpStream, timer: Timer<TokioRuntime>) {
        let service = service_fn(|request: Request<Incoming>| async {
            Ok::<_, Infallible>(self.answer(request).await)
        });
        let connection = Builder::new()
            .timer(timer)
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection for metrics broke");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<String> {
        if request.uri().path() != PATH {
            return refusal(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
        }
        if request.method() != Method::GET {
            let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "metrics are got by GET\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return refused;
        }
        let format = Format::of(request.headers());
        let Some(text) = self.scrape(format).await else {
            let words = "the metrics could not be written\n";
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, words);
        };
        let mut response = Response::new(text);
        let content_type = HeaderValue::from_static(format.content_type());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// None: the daemon is ending.
    async fn scrape(&self, format: Format) -> Option<String> {
        let mut last = self.last.clone().lock_owned().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + SCRAPE_EVERY).await;
        }
        *last = Some(Instant::now());
        let registry = self.registry.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let written = match format {
                Format::OpenMetrics => text::encode(&mut text, &registry),
                Format::Prometheus => prometheus_text::encode(&mut text, &registry),
            };
            // Whoever waits goes on when this is done, also if nobody is there any more to take it.
            drop(last);
            written.map(|()| text)
        });
        // A string takes everything, and a panic would end the process.
        written.await.ok()?.ok()
    }
}

fn refusal(status: StatusCode, words: &str) -> Response<String> {
    let mut response = Response::new(words.to_owned());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_openmetrics_gets_it() {
        let format = |accept: &'static str| {
            Format::of(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]))
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3";
        assert_eq!(format(prometheus), Format::OpenMetrics);
        assert_eq!(format("text/html, */*"), Format::Prometheus);
        assert_eq!(Format::of(&HeaderMap::new()), Format::Prometheus);
    }
}
