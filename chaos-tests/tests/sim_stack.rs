//! HTTP/2 over TLS over the simulated network: the stack nodes speak, under faults, gives the same
//! run for the same seed although its keys are new each time.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chaos_tests::sim::faults::{Subject, inject, plan_of};
use chaos_tests::sim::{Host, Network, NodeInstant, NodeRuntime, SimDisk, SimLog, World, run};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2 as client;
use hyper::rt::{Executor, Sleep, Timer};
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use node::seams::{BoxByteStream, Connector, Listener};
use openraft_rt::{AsyncRuntime, Instant as _};
use rand::RngExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PORT: u16 = 7101;
const WINDOW: Duration = Duration::from_secs(15);
const NODES: [u64; 3] = [1, 2, 3];
/// One name for all nodes: who is who is not what is tested.
const NAME: &str = "node";

type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy)]
struct Tasks;

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(NodeRuntime::spawn(future));
    }
}

#[derive(Clone, Copy)]
struct Clock;

struct ClockSleep(<NodeRuntime as AsyncRuntime>::Sleep);

impl Future for ClockSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Sleep for ClockSleep {}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(ClockSleep(NodeRuntime::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    /// The host's clock, counted from some instant of this machine: there is no other way to make
    /// an `Instant`.
    fn now(&self) -> Instant {
        static BASE: OnceLock<Instant> = OnceLock::new();
        *BASE.get_or_init(Instant::now) + Duration::from_nanos(NodeInstant::now().nanos())
    }
}

struct OneFrame(Option<Bytes>);

impl Body for OneFrame {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, AnyError> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// New keys, a new authority.
fn tls() -> Result<(TlsAcceptor, TlsConnector), AnyError> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, &issuer)?;
    let chain = vec![certificate.der().clone()];
    let key = || PrivateKeyDer::try_from(key.serialize_der());

    let mut roots = RootCertStore::empty();
    roots.add(authority_certificate.der().clone())?;
    let roots = Arc::new(roots);
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
    let serving = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key()?)?;
    let asking = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key()?)?;
    Ok((TlsAcceptor::from(Arc::new(serving)), TlsConnector::from(Arc::new(asking))))
}

struct Cluster {
    world: World,
    network: Network,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    log: SimLog,
}

impl Cluster {
    async fn serve(network: Network, acceptor: TlsAcceptor, node: u64) {
        let mut listener = network.listen(Host::Node(node), PORT).expect("a port of its own");
        while let Ok(accepted) = listener.accept().await {
            let acceptor = acceptor.clone();
            drop(NodeRuntime::spawn(async move {
                // A peer that fails to connect tries again.
                let Ok(stream) = acceptor.accept(accepted.stream).await else { return };
                let connection = server::Builder::new(Tasks)
                    .timer(Clock)
                    .keep_alive_interval(Duration::from_secs(1))
                    .keep_alive_timeout(Duration::from_secs(2))
                    // The time of this machine would change the length of what is written.
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                drop(connection.await);
            }));
        }
    }

    async fn ask(world: World, network: Network, connector: TlsConnector, from: u64, to: u64) {
        let address = Host::Node(to).address(PORT);
        loop {
            let stream = network.connector(Host::Node(from)).connect(&address);
            let asked = async { ask_over(&world, &connector, stream.await?, to).await };
            if let Err(error) = asked.await {
                world.event(format_args!("to node-{to}: {error}"));
            }
            NodeRuntime::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<OneFrame>, AnyError> {
    let mut bytes = read(request.into_body()).await?;
    bytes.reverse();
    // Work takes its time, so that answers overtake each other.
    let takes = NodeRuntime::thread_rng().random_range(0..3_000);
    NodeRuntime::sleep(Duration::from_micros(takes)).await;
    Ok(Response::new(OneFrame(Some(bytes.into()))))
}

/// Asks until something fails, which it always says.
async fn ask_over(
    world: &World,
    connector: &TlsConnector,
    stream: BoxByteStream,
    to: u64,
) -> Result<(), AnyError> {
    let limit = Duration::from_secs(2);
    let name = ServerName::try_from(NAME)?;
    let stream = NodeRuntime::timeout(limit, connector.connect(name, stream)).await??;
    let (mut sender, connection) = client::Builder::new(Tasks)
        .timer(Clock)
        .keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    drop(NodeRuntime::spawn(connection));
    world.event(format_args!("to node-{to}: connected"));
    loop {
        let length = NodeRuntime::thread_rng().random_range(1..20_000_usize);
        let bytes: Vec<_> = (0..length).map(|i| i as u8).collect();
        let request = Request::post("https://node/ask").body(OneFrame(Some(bytes.into())))?;
        let answered = async { read(sender.send_request(request).await?.into_body()).await };
        let answer = NodeRuntime::timeout(limit, answered).await??;
        assert_eq!(answer.len(), length);
        assert!(answer.iter().rev().enumerate().all(|(i, byte)| *byte == i as u8));
        world.event(format_args!("to node-{to}: {length} bytes answered"));
        NodeRuntime::sleep(Duration::from_millis(20)).await;
    }
}

impl Subject for Cluster {
    async fn start(&self, node: u64) {
        let Self { world, network, acceptor, connector, .. } = self;
        let host = Host::Node(node);
        drop(world.spawn_on(host, Self::serve(network.clone(), acceptor.clone(), node)));
        for to in NODES.into_iter().filter(|to| *to != node) {
            let asking = Self::ask(world.clone(), network.clone(), connector.clone(), node, to);
            drop(world.spawn_on(host, asking));
        }
    }

    async fn transfer_leader(&self, _: u64) {}

    async fn snapshot(&self, _: u64) {}

    fn log(&self, _: u64) -> SimLog {
        self.log.clone()
    }

    fn disk(&self, _: u64) -> Option<SimDisk> {
        None
    }
}

struct Run {
    events: Vec<String>,
    fingerprint: u64,
    answered_at_the_end: usize,
}

fn run_under_faults(seed: u64) -> Run {
    run(seed, move |world| async move {
        world.record_events();
        let (acceptor, connector) = tls().expect("certificates");
        let network = Network::new(&world);
        let log = SimLog::new(&world, Host::Node(1));
        let cluster = Cluster { world: world.clone(), network, acceptor, connector, log };
        let cluster = Arc::new(cluster);
        for node in NODES {
            cluster.start(node).await;
        }
        let names = [
            "crash",
            "kill",
            "pause",
            "partition",
            "one_way_cut",
            "deaf",
            "mute",
            "slow_link",
            "loss",
            "drift",
        ];
        let plan = plan_of(&names, seed, WINDOW, &NODES);
        inject(&world, &cluster.network, &NODES, &cluster, plan).await;
        // Retransmissions may have become rare meanwhile, and keep-alive cuts them short.
        NodeRuntime::sleep(Duration::from_secs(5)).await;
        let mut events = world.take_events();
        NodeRuntime::sleep(Duration::from_secs(2)).await;
        let last = world.take_events();
        let answered_at_the_end = last.iter().filter(|event| event.contains("answered")).count();
        events.extend(last);
        Run { events, fingerprint: world.fingerprint(), answered_at_the_end }
    })
}

#[test]
fn tls_and_http2_under_faults_give_the_same_run_for_the_same_seed() {
    for seed in 0..2 {
        let (one, two) = (run_under_faults(seed), run_under_faults(seed));
        for (one, two) in one.events.iter().zip(&two.events) {
            assert_eq!(one, two, "seed {seed}");
        }
        assert_eq!(one.events.len(), two.events.len(), "seed {seed}");
        assert_eq!(one.fingerprint, two.fingerprint, "seed {seed}");
        assert!(one.events.len() > 1_000, "seed {seed}: {}", one.events.len());
        assert!(one.answered_at_the_end > 300, "seed {seed}: {}", one.answered_at_the_end);
    }
}
