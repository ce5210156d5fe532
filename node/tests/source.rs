//! Connections to other nodes come from the address that `source` names.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks")]

use std::net::IpAddr;
use std::time::Duration;

use node::seams::{Connector, TcpConnectorFrom};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(target_os = "linux")] // Elsewhere loopback has one address, unless somebody gives it more.
#[tokio::test]
async fn a_connection_comes_from_the_source() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let source: IpAddr = "127.0.0.77".parse().unwrap();
    let dialled = TcpConnectorFrom { source }.connect(&address);
    let (dialled, accepted) = tokio::join!(timeout(PATIENCE, dialled), listener.accept());
    dialled.unwrap().unwrap();
    assert_eq!(accepted.unwrap().1.ip(), source);
}

#[tokio::test]
async fn an_address_of_another_machine_or_kind_is_refused_with_words() {
    let words = async |source: &str, to: &str| {
        let dial = TcpConnectorFrom { source: source.parse().unwrap() }.connect(to);
        match timeout(PATIENCE, dial).await.expect("in time") {
            Ok(_) => panic!("connected from {source} to {to}"),
            Err(error) => error.to_string(),
        }
    };
    let said = words("192.0.2.1", "127.0.0.1:9").await;
    assert!(said.starts_with("cannot come from 192.0.2.1: "), "{said}");
    let said = words("::1", "127.0.0.1:9").await;
    assert_eq!(said, "127.0.0.1:9 has no address of the kind of ::1");
}
