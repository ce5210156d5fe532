//! The proxy between hosts: what passes, what is swallowed, what is refused.

#![cfg(target_os = "linux")] // Elsewhere loopback has one address, unless somebody gives it more.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chaos_tests::proxy::{BYTES_MAX, Proxy, Wire};
use node::seams::{BoxByteStream, Connector, TcpConnectorFrom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PORT: u16 = 7400;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must come. It is not waited for anything: what is wrong may go unnoticed on a slow
/// machine, and nothing fails there that is right.
const SILENCE: Duration = Duration::from_millis(200);

/// Host A, which dials; host B, which listens; and the front of B.
struct Scene {
    proxy: Proxy,
    a: IpAddr,
    b: IpAddr,
    front: SocketAddr,
    listener: TcpListener,
}

impl Scene {
    /// Each test has hosts of its own.
    async fn new(test: u8) -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = |n| IpAddr::V4(Ipv4Addr::new(127, 64 | high & 31, low, test * 8 + n));
        let (a, b) = (host(1), host(2));
        let listener = TcpListener::bind((b, PORT)).await.expect("a free address");
        let front = SocketAddr::new(host(3), PORT);
        let mut proxy = Proxy::new();
        proxy.front(front, SocketAddr::new(b, PORT)).await.expect("a free address");
        Self { proxy, a, b, front, listener }
    }

    async fn dial(&self) -> BoxByteStream {
        let dial = TcpConnectorFrom { source: self.a }.connect(&self.front.to_string());
        timeout(PATIENCE, dial).await.expect("in time").expect("the front listens")
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        timeout(PATIENCE, self.listener.accept()).await.expect("in time").expect("a connection")
    }

    /// A connection from A to B, over which a byte has come.
    async fn connect(&self) -> (BoxByteStream, TcpStream) {
        let mut dialled = self.dial().await;
        let (mut accepted, from) = self.accept().await;
        assert_eq!(from.ip(), self.a, "B sees who dials");
        dialled.write_all(b"!").await.expect("it is open");
        assert_eq!(hear(&mut accepted, 1).await, b"!");
        (dialled, accepted)
    }
}

async fn hear(stream: &mut (impl AsyncReadExt + Unpin), count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let heard = timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    heard.expect("in time").expect("an open connection");
    bytes
}

async fn hears_nothing(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    timeout(SILENCE, stream.read(&mut [0; 1])).await.is_err()
}

#[tokio::test]
async fn bytes_keep_their_order_and_arrive_after_the_delay_of_their_direction() {
    let scene = Scene::new(0).await;
    let (there, back) = (Duration::from_millis(60), Duration::from_millis(20));
    scene.proxy.delay(scene.a, scene.b, there);
    scene.proxy.delay(scene.b, scene.a, back);
    let dialled = Instant::now();
    let (mut a, mut b) = scene.connect().await;
    assert!(dialled.elapsed() >= back + 2 * there, "the connection takes a round trip");

    let sent = Instant::now();
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8 ^ (n >> 8) as u8).collect();
    a.write_all(&bytes).await.unwrap();
    assert_eq!(hear(&mut b, bytes.len()).await, bytes);
    assert!(sent.elapsed() >= there);

    // Shorter now, and nobody is overtaken.
    a.write_all(&bytes).await.unwrap();
    scene.proxy.delay(scene.a, scene.b, Duration::ZERO);
    a.write_all(b"end").await.unwrap();
    assert_eq!(hear(&mut b, bytes.len()).await, bytes);
    assert_eq!(hear(&mut b, 3).await, b"end");

    let sent = Instant::now();
    b.write_all(b"yes").await.unwrap();
    assert_eq!(hear(&mut a, 3).await, b"yes");
    assert!(sent.elapsed() >= back);
}

#[tokio::test]
async fn an_end_arrives_like_any_byte() {
    let scene = Scene::new(1).await;
    let (mut a, mut b) = scene.connect().await;
    a.write_all(b"bye").await.unwrap();
    a.shutdown().await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, b.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"bye");
    b.write_all(b"well").await.expect("the other half is open");
    drop(b);
    let mut all = Vec::new();
    timeout(PATIENCE, a.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"well");
}

#[tokio::test]
async fn a_black_hole_swallows_bytes_and_ends_and_closes_nothing() {
    let scene = Scene::new(2).await;
    let (mut a, mut b) = scene.connect().await;
    let (gone, mut left) = scene.connect().await;
    for (from, to) in [(scene.a, scene.b), (scene.b, scene.a)] {
        scene.proxy.set(from, to, Wire::BlackHole);
    }
    a.write_all(b"lost").await.expect("nobody is told");
    b.write_all(b"lost").await.expect("nobody is told");
    drop(gone);
    let mut late = scene.dial().await;
    late.write_all(b"lost").await.expect("nobody is told");
    assert!(hears_nothing(&mut b).await, "bytes came through");
    assert!(hears_nothing(&mut left).await, "an end came through");
    assert!(hears_nothing(&mut late).await, "a connection came through");

    // A stream with a hole in it is none; whoever dials anew is heard.
    scene.proxy.heal();
    a.write_all(b"mute").await.unwrap();
    assert!(hears_nothing(&mut b).await);
    assert!(hears_nothing(&mut a).await);
    assert!(hears_nothing(&mut left).await, "it is never told");
    scene.connect().await;
}

#[tokio::test]
async fn a_wire_that_is_cut_one_way_carries_the_other() {
    let scene = Scene::new(3).await;
    let (mut a, mut b) = scene.connect().await;
    scene.proxy.set(scene.a, scene.b, Wire::BlackHole);
    a.write_all(b"lost").await.expect("nobody is told");
    b.write_all(b"heard").await.unwrap();
    assert_eq!(hear(&mut a, 5).await, b"heard");
    assert!(hears_nothing(&mut b).await);
}

#[tokio::test]
async fn who_is_not_there_or_not_let_in_is_refused() {
    let scene = Scene::new(4).await;
    let (mut a, mut b) = scene.connect().await;
    scene.proxy.set(scene.a, scene.b, Wire::Refusing);
    let mut refused = scene.dial().await;
    let end = timeout(PATIENCE, refused.read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(end, Err(_) | Ok(0)));
    // What is open stays so.
    a.write_all(b"on").await.unwrap();
    assert_eq!(hear(&mut b, 2).await, b"on");

    scene.proxy.heal();
    let Scene { proxy, a, front, listener, .. } = scene;
    drop(listener);
    let mut refused = TcpConnectorFrom { source: a }
        .connect(&front.to_string())
        .await
        .expect("the front listens");
    let end = timeout(PATIENCE, refused.read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(end, Err(_) | Ok(0)));
    drop(proxy);
}

#[tokio::test]
async fn who_sends_more_than_may_be_under_way_waits() {
    let scene = Scene::new(5).await;
    let (mut a, _b) = scene.connect().await;
    let piece = vec![0; 1 << 20];
    let mut sent = 0;
    // B reads nothing: besides the proxy's there is the room of the sockets.
    while let Ok(written) = timeout(PATIENCE.min(Duration::from_secs(1)), a.write(&piece)).await {
        sent += written.expect("it is open");
        assert!(sent < 4 * BYTES_MAX as usize, "the proxy takes everything");
    }
}
