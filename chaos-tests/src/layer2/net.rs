//! Where everybody is on loopback, and the wires between them.
//!
//! ```text
//! 127.a.b.N         node N: listens here, dials others from here
//! 127.a.b.(50+N)    its front at the proxy: the address that everybody knows it by
//! 127.a.b.(100+C)   the clients of city C dial from here
//! ```
//! `a.b` is made of this program's process id, so that two runs at a time do not meet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::proxy::{Proxy, Wire};

/// The cities.
pub const CITIES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
/// The city of each node, node 1 first: two, two and one, so that no city is a majority, and any one
/// may be lost.
pub const NODES: [usize; 5] = [0, 1, 2, 0, 1];
/// Where nodes and fronts listen.
const PORT: u16 = 7400;

/// The numbers of the nodes.
pub fn nodes() -> std::ops::RangeInclusive<u64> {
    1..=NODES.len() as u64
}

/// The city of a node.
pub fn city_of(node: u64) -> usize {
    NODES[node as usize - 1]
}

/// The nodes of a city.
pub fn nodes_of(city: usize) -> Vec<u64> {
    nodes().filter(|node| city_of(*node) == city).collect()
}

fn host(last: u64) -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.96 to 127.127: tests with other needs stay below.
    IpAddr::V4(Ipv4Addr::new(127, 96 | high & 31, low, last as u8))
}

/// A node's own address.
pub fn node_at(node: u64) -> SocketAddr {
    SocketAddr::new(host(node), PORT)
}

/// The address that everybody knows a node by.
pub fn front_of(node: u64) -> SocketAddr {
    SocketAddr::new(host(50 + node), PORT)
}

/// Where clients of a city are.
pub fn clients_of(city: usize) -> IpAddr {
    host(100 + city as u64)
}

/// All hosts of a city.
fn hosts_of(city: usize) -> Vec<IpAddr> {
    let mut hosts: Vec<_> = nodes_of(city).into_iter().map(|node| node_at(node).ip()).collect();
    hosts.push(clients_of(city));
    hosts
}

/// The wires between the cities.
pub struct Net {
    proxy: Proxy,
}

impl Net {
    /// All wires whole, with this round trip between any two cities.
    ///
    /// # Errors
    ///
    /// If an address is taken, or this machine has no more than one on loopback.
    pub async fn lay(round_trip: Duration) -> io::Result<Self> {
        let mut proxy = Proxy::new();
        for node in nodes() {
            proxy.front(front_of(node), node_at(node)).await?;
        }
        let net = Self { proxy };
        for city in 0..CITIES.len() {
            net.each_wire(city, |from, to| {
                net.proxy.delay(from, to, round_trip / 2);
                net.proxy.delay(to, from, round_trip / 2);
            });
        }
        Ok(net)
    }

    /// Each pair of a host of the city and one of another.
    fn each_wire(&self, city: usize, mut each: impl FnMut(IpAddr, IpAddr)) {
        for inside in hosts_of(city) {
            for other in (0..CITIES.len()).filter(|other| *other != city) {
                for outside in hosts_of(other) {
                    each(inside, outside);
                }
            }
        }
    }

    /// Nothing of the city reaches the others.
    pub fn mute(&self, city: usize) {
        self.each_wire(city, |inside, outside| {
            self.proxy.set(inside, outside, Wire::BlackHole);
        });
    }

    /// Nothing of the others reaches the city.
    pub fn deafen(&self, city: usize) {
        self.each_wire(city, |inside, outside| {
            self.proxy.set(outside, inside, Wire::BlackHole);
        });
    }

    /// Both.
    pub fn cut_off(&self, city: usize) {
        self.mute(city);
        self.deafen(city);
    }

    /// All wires are whole again.
    pub fn heal(&self) {
        self.proxy.heal();
    }
}
