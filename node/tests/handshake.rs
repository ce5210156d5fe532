//! Who gets a connection to whom.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use acd::ids::{NodeId, PrincipalId};
use node::identity::{
    ALPN, Authority, ClusterId, HandshakeError, Identity, NewKey, SigningRequest, Subject,
    Validity, client_config, join_name, joining_config, node_name, peer_principal, pinned_config,
    serial, server_config, sha256,
};
use node::seams::WallClock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const CLUSTER: ClusterId = ClusterId(0xc0de);
const DAY_MS: u64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;
const VALID: Validity = Validity { not_before_ms: START_MS, not_after_ms: START_MS + 100 * DAY_MS };

#[derive(Default)]
struct Clock(AtomicU64);

impl WallClock for Clock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn clock(now_ms: u64) -> Arc<Clock> {
    Arc::new(Clock(AtomicU64::new(now_ms)))
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn authority() -> Authority {
    Authority::create(CLUSTER, VALID, &mut rng()).unwrap()
}

fn node(authority: &Authority, number: u64) -> Identity {
    authority.issue_to_node(NodeId(number), VALID, &mut rng()).unwrap()
}

/// How a handshake and one byte each way ended for both ends: whom each saw, or why not.
struct Ends {
    client: Result<PrincipalId, HandshakeError>,
    server: Result<PrincipalId, HandshakeError>,
}

async fn meet(client: rustls::ClientConfig, server: &Identity, dialled: u64, now_ms: u64) -> Ends {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = TlsAcceptor::from(server_config(server, clock(now_ms)).unwrap());
    let connector = TlsConnector::from(Arc::new(client));
    let serve = async {
        let mut stream = acceptor.accept(far).await?;
        let (peer, _) = peer_principal(stream.get_ref().1.peer_certificates(), CLUSTER).unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN));
        stream.write_u8(1).await?;
        stream.flush().await?;
        io::Result::Ok(peer)
    };
    let dial = async {
        let mut stream = connector.connect(node_name(CLUSTER, NodeId(dialled)), near).await?;
        stream.read_u8().await?;
        Ok(peer_principal(stream.get_ref().1.peer_certificates(), CLUSTER).unwrap().0)
    };
    let (server, client): (io::Result<_>, io::Result<_>) = tokio::join!(serve, dial);
    Ends {
        client: client.map_err(|error| HandshakeError::of(&error)),
        server: server.map_err(|error| HandshakeError::of(&error)),
    }
}

fn client(identity: &Identity, now_ms: u64) -> rustls::ClientConfig {
    Arc::unwrap_or_clone(client_config(identity, clock(now_ms)).unwrap())
}

#[tokio::test]
async fn two_nodes_of_a_cluster_know_each_other() {
    let authority = authority();
    let (one, two) = (node(&authority, 1), node(&authority, 2));
    let ends = meet(client(&one, START_MS), &two, 2, START_MS).await;
    assert_eq!(ends.client.unwrap().as_str(), "node-2");
    assert_eq!(ends.server.unwrap().as_str(), "node-1");
}

#[tokio::test]
async fn principals_of_any_name_get_in_under_it() {
    let authority = authority();
    let server = node(&authority, 1);
    let long = format!("{}.-", "x".repeat(61));
    for slug in ["anna", "sip.edge_1", "a..b-", "0", "nodes", &long] {
        let principal = PrincipalId::new(slug).unwrap();
        let identity = authority.issue_to(&principal, VALID, &mut rng()).unwrap();
        assert_eq!(identity.principal(), &principal);
        let ends = meet(client(&identity, START_MS), &server, 1, START_MS).await;
        assert_eq!(ends.server, Ok(principal));
    }
}

#[tokio::test]
async fn a_client_of_another_cluster_is_refused() {
    let other = Authority::create(ClusterId(1), VALID, &mut rng()).unwrap();
    let ours = authority();
    // It trusts this cluster, but this cluster does not trust it.
    let stranger = node(&other, 1);
    let mixed = mixed(&ours, &stranger, START_MS);
    let ends = meet(mixed, &node(&ours, 2), 2, START_MS).await;
    assert_eq!(ends.server, Err(HandshakeError::OtherAuthority));
    let refused = ends.client.unwrap_err();
    assert!(refused.to_string().contains("E-PEER-REFUSES"), "{refused}");
    assert!(refused.to_string().contains("another cluster"), "{refused}");
}

/// A client that believes in an authority that did not issue its own certificate. Built from the
/// files, as an attacker would.
fn mixed(trusted: &Authority, shown: &Identity, now_ms: u64) -> rustls::ClientConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.identity");
    shown.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let own = text.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let key = &text[text.find("-----BEGIN PRIVATE KEY").unwrap()..];
    trusted.save(&path).unwrap();
    let theirs = std::fs::read_to_string(&path).unwrap();
    let theirs = theirs.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    node::identity::write_private(&path, format!("{own}{theirs}{key}").as_bytes()).unwrap();
    client(&Identity::load(&path).unwrap(), now_ms)
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_even_under_the_right_name() {
    let impostor = node(&authority(), 2);
    let one = node(&authority(), 1);
    let ends = meet(client(&one, START_MS), &impostor, 2, START_MS).await;
    assert_eq!(ends.client, Err(HandshakeError::OtherAuthority));
    assert!(matches!(ends.server, Err(HandshakeError::Refused { .. })), "{:?}", ends.server);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let authority = authority();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut bare = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    bare.alpn_protocols = vec![ALPN.to_vec()];
    bare.time_provider = client(&node(&authority, 1), START_MS).time_provider;
    let ends = meet(bare, &node(&authority, 2), 2, START_MS).await;
    assert_eq!(ends.server, Err(HandshakeError::Nameless));
    assert_eq!(ends.client, Err(HandshakeError::Refused { reason: "it got no certificate" }));
}

#[tokio::test]
async fn another_node_than_dialled_is_refused() {
    let authority = authority();
    let ends =
        meet(client(&node(&authority, 1), START_MS), &node(&authority, 3), 2, START_MS).await;
    let error = ends.client.unwrap_err();
    let HandshakeError::OtherName { dialled, shown } = &error else { panic!("{error}") };
    assert!(dialled.starts_with("node-2."), "{dialled}");
    assert!(shown.contains("node-3."), "{shown}");
    assert!(error.to_string().contains("check the addresses of the members"), "{error}");
}

#[tokio::test]
async fn whoever_is_no_node_cannot_serve_as_one() {
    let authority = authority();
    let anna = PrincipalId::new("anna").unwrap();
    let anna = authority.issue_to(&anna, VALID, &mut rng()).unwrap();
    let ends = meet(client(&node(&authority, 1), START_MS), &anna, 2, START_MS).await;
    assert!(ends.client.is_err());
    let two = PrincipalId::new("node-2").unwrap();
    let error = authority.issue_to(&two, VALID, &mut rng()).unwrap_err();
    assert!(error.to_string().contains("E-NAME-RESERVED"), "{error}");
}

#[tokio::test]
async fn certificates_are_judged_by_the_clock_of_the_node() {
    let authority = authority();
    let (one, two) = (node(&authority, 1), node(&authority, 2));
    let late = START_MS + 101 * DAY_MS;
    let ends = meet(client(&one, START_MS), &two, 2, late).await;
    let error = ends.server.unwrap_err();
    assert_eq!(
        error,
        HandshakeError::OutOfDate {
            limit: "2026-04-11T00:00:00Z".into(),
            now: "2026-04-12T00:00:00Z".into(),
            over: true
        }
    );
    assert!(error.to_string().contains("correct the clock"), "{error}");

    let early = START_MS - DAY_MS;
    let ends = meet(client(&one, early), &two, 2, START_MS).await;
    let error = ends.client.unwrap_err();
    assert!(matches!(error, HandshakeError::OutOfDate { over: false, .. }), "{error}");
}

#[tokio::test]
async fn simulated_time_may_begin_in_1970() {
    let valid = Validity { not_before_ms: 0, not_after_ms: 1_000 * DAY_MS };
    let authority = Authority::create(CLUSTER, valid, &mut rng()).unwrap();
    let one = authority.issue_to_node(NodeId(1), valid, &mut rng()).unwrap();
    let two = authority.issue_to_node(NodeId(2), valid, &mut rng()).unwrap();
    let ends = meet(client(&one, 0), &two, 2, 5).await;
    assert!(ends.client.is_ok() && ends.server.is_ok());
}

/// The first message of a client that knows TLS 1.2 only (RFC 5246, section 7.4.1.2): one suite, no
/// compression, groups and signatures, no `supported_versions`.
fn hello_of_tls_1_2() -> Vec<u8> {
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 29][..], // supported_groups: x25519
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 11, 0, 2, 1, 0],            // ec_point_formats: uncompressed
        &[0, 23, 0, 0],                  // extended_master_secret
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut hello = vec![22, 3, 1];
    hello.extend((body.len() as u16 + 4).to_be_bytes());
    hello.extend([1, 0]);
    hello.extend((body.len() as u16).to_be_bytes());
    hello.extend(body);
    hello
}

#[tokio::test]
async fn older_tls_is_refused() {
    let authority = authority();
    let acceptor = TlsAcceptor::from(server_config(&node(&authority, 1), clock(START_MS)).unwrap());
    for first in [hello_of_tls_1_2(), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        near.write_all(&first).await.unwrap();
        let error = acceptor.accept(far).await.err().unwrap();
        let error = HandshakeError::of(&error);
        assert_eq!(error, HandshakeError::OtherProtocol);
        assert!(error.to_string().contains("TLS 1.3"), "{error}");
    }
}

/// How it ends for somebody without an identity who believes in one authority's certificate.
async fn ask_to_join(
    cluster: ClusterId,
    pinned: &Authority,
    server: &Identity,
) -> Result<(), HandshakeError> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = TlsAcceptor::from(joining_config(server, clock(START_MS)).unwrap());
    let pin = sha256(&[pinned.certificate()]);
    let client = pinned_config(cluster, pin, clock(START_MS)).unwrap();
    let serve = async {
        let mut stream = acceptor.accept(far).await?;
        assert_eq!(stream.get_ref().1.peer_certificates(), None);
        stream.write_u8(1).await?;
        stream.flush().await
    };
    let dial = async {
        let connector = TlsConnector::from(client);
        let mut stream = connector.connect(join_name(cluster), near).await?;
        stream.read_u8().await
    };
    let (_, dialled): (io::Result<_>, io::Result<_>) = tokio::join!(serve, dial);
    dialled.map(drop).map_err(|error| HandshakeError::of(&error))
}

#[tokio::test]
async fn a_pinned_authority_and_no_other() {
    let ours = authority();
    assert_eq!(ask_to_join(CLUSTER, &ours, &node(&ours, 3)).await, Ok(()));
    // Another authority of the same name, as whoever stands between would make it.
    let forged = Authority::create(CLUSTER, VALID, &mut StdRng::seed_from_u64(8)).unwrap();
    let refused = ask_to_join(CLUSTER, &ours, &node(&forged, 3)).await;
    assert_eq!(refused, Err(HandshakeError::OtherAuthority));
    let theirs = ClusterId(1);
    let other = Authority::create(theirs, VALID, &mut rng()).unwrap();
    let refused = ask_to_join(CLUSTER, &ours, &node(&other, 3)).await;
    assert_eq!(refused, Err(HandshakeError::OtherCluster { theirs }));
    // Whoever is no node of the cluster may show the right authority, but is not it.
    let anna = ours.issue_to(&PrincipalId::new("anna").unwrap(), VALID, &mut rng()).unwrap();
    assert!(ask_to_join(CLUSTER, &ours, &anna).await.is_err());
}

#[tokio::test]
async fn a_requested_certificate_opens_what_an_issued_one_does() {
    let authority = authority();
    let key = NewKey::generate().unwrap();
    let request = SigningRequest::parse(&key.request().unwrap()).unwrap();
    let sign = |subject: &Subject| authority.sign(subject, &request, serial(5), VALID).unwrap();
    let nine = Subject::Node(NodeId(9));
    assert_eq!(sign(&nine), sign(&nine), "wherever the key of the authority is");
    let nine = key.identity(sign(&nine), authority.certificate().clone()).unwrap();
    let ends = meet(client(&nine, START_MS), &node(&authority, 2), 2, START_MS).await;
    assert_eq!(ends.server.unwrap().as_str(), "node-9");
    let ends = meet(client(&node(&authority, 2), START_MS), &nine, 9, START_MS).await;
    assert_eq!(ends.client.unwrap().as_str(), "node-9");
    let other = NewKey::generate().unwrap();
    let mixed_up = other.identity(nine.certificate().clone(), authority.certificate().clone());
    assert!(mixed_up.is_err(), "a certificate of another key");
    let node_by_trick = Subject::Client(PrincipalId::new("node-2").unwrap());
    assert!(authority.sign(&node_by_trick, &request, serial(6), VALID).is_err());
}

/// Bytes that both ends send until both are done.
fn handshake_bytes() -> usize {
    let authority = authority();
    let (one, two) = (node(&authority, 1), node(&authority, 2));
    let config = client_config(&one, clock(START_MS)).unwrap();
    let mut client = rustls::ClientConnection::new(config, node_name(CLUSTER, NodeId(2))).unwrap();
    let mut server =
        rustls::ServerConnection::new(server_config(&two, clock(START_MS)).unwrap()).unwrap();
    let mut total = 0;
    while client.is_handshaking() || server.is_handshaking() {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.wants_write() {
            total += client.write_tls(&mut up).unwrap();
        }
        while !up.is_empty() {
            let read = server.read_tls(&mut up.as_slice()).unwrap();
            up.drain(..read);
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            total += server.write_tls(&mut down).unwrap();
        }
        while !down.is_empty() {
            let read = client.read_tls(&mut down.as_slice()).unwrap();
            down.drain(..read);
            client.process_new_packets().unwrap();
        }
    }
    total
}

#[test]
fn a_handshake_has_the_same_length_each_time() {
    let first = handshake_bytes();
    assert!(first > 1_000);
    for _ in 0..8 {
        assert_eq!(handshake_bytes(), first);
    }
}
