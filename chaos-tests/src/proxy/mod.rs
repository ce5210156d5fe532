//! The wires between the hosts of a cluster of real processes: a TCP relay in user space that delays,
//! swallows and refuses, in each direction by itself.
//!
//! ```text
//!            front of B, the address that others know
//!  A ── dials ──▶ ┌───────┐   wire A→B: bytes leave `delay` after they came    ┌───┐
//!  (127.x.y.1)    │ relay │ ─────────────────────────────────────────────────▶ │ B │
//!                 └───────┘ ◀───────────────────────────────────────────────── └───┘
//!                             wire B→A
//! ```
//! A host is an IP address. Each host has a [front](Proxy::front), and whoever dials it is known by the
//! address that the connection comes from (`source` in `node.toml`): no host has to know that there is
//! a proxy. Between two hosts there are two wires, however many connections run over them and whoever
//! opened those.
//!
//! What is faithful, and what is not:
//! - Order is kept; bandwidth is not limited; what is under way is bounded ([`BYTES_MAX`]).
//! - A connection takes a round trip to be opened. Delays are rounded up to the millisecond of tokio's
//!   clock.
//! - A [black hole](Wire::BlackHole) swallows bytes and ends: nothing is closed, and nobody is told. TCP
//!   would send again what was lost once the hole is gone, late; here a connection that lost bytes
//!   stays mute in that direction, for a stream with a hole in it is none. Whoever wants to go on
//!   must find out and dial anew.

mod relay;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use relay::{relay, swallow};

/// Bytes under way in one direction of one connection, with what it costs to keep them: at a delay of
/// 40 ms 400 MB/s. Whoever sends more waits.
pub const BYTES_MAX: u32 = 16 << 20;
/// Connections to one front at a time. A node has three to each of four others, a client one.
const CONNECTIONS_MAX: usize = 4_096;
/// How long to wait after a connection could not be taken, for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What becomes of bytes on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// They arrive.
    Open,
    /// They are swallowed, and so is every end.
    BlackHole,
    /// They arrive, but nobody who dials over it is let in.
    Refusing,
}

/// The state of a wire, packed so that it is read without a lock for each piece of bytes: the delay in
/// microseconds, and the kind in the two lowest bits.
#[derive(Debug, Default)]
struct State(AtomicU64);

impl State {
    fn load(&self) -> (Wire, Duration) {
        let packed = self.0.load(Ordering::Acquire);
        let wire = match packed & 3 {
            0 => Wire::Open,
            1 => Wire::BlackHole,
            _ => Wire::Refusing,
        };
        (wire, Duration::from_micros(packed >> 2))
    }

    fn store(&self, (wire, delay): (Wire, Duration)) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX >> 2);
        self.0.store(micros << 2 | wire as u64, Ordering::Release);
    }

    fn wire(&self) -> Wire {
        self.load().0
    }

    fn delay(&self) -> Duration {
        self.load().1
    }
}

/// Wires by their ends: from, to.
type ByEnds = BTreeMap<(IpAddr, IpAddr), Arc<State>>;

/// The wires between all hosts. Clones share them.
#[derive(Clone, Debug, Default)]
struct Wires(Arc<Mutex<ByEnds>>);

impl Wires {
    fn between(&self, from: IpAddr, to: IpAddr) -> Arc<State> {
        // What is in it is whole after every statement.
        let mut wires = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wires.entry((from, to)).or_default().clone()
    }
}

/// A proxy. What it relays ends when it is dropped.
#[derive(Debug, Default)]
pub struct Proxy {
    wires: Wires,
    fronts: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy without a front; all wires are open and without delay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes connections at `front` for the host that listens at `host`.
    ///
    /// # Errors
    ///
    /// If nobody can listen there.
    pub async fn front(&mut self, front: SocketAddr, host: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(front).await?;
        self.fronts.push(tokio::spawn(serve(listener, host, self.wires.clone())));
        Ok(())
    }

    /// Bytes from one host to another take so long from now on; what is under way is not overtaken.
    pub fn delay(&self, from: IpAddr, to: IpAddr, delay: Duration) {
        let state = self.wires.between(from, to);
        state.store((state.wire(), delay));
    }

    /// What becomes of bytes from one host to another from now on.
    pub fn set(&self, from: IpAddr, to: IpAddr, wire: Wire) {
        let state = self.wires.between(from, to);
        state.store((wire, state.delay()));
    }

    /// Opens all wires again. Delays stay.
    pub fn heal(&self) {
        let wires = self.wires.0.lock().unwrap_or_else(PoisonError::into_inner);
        for state in wires.values() {
            state.store((Wire::Open, state.delay()));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for front in &self.fronts {
            front.abort();
        }
    }
}

/// Takes connections, for good.
async fn serve(listener: TcpListener, host: SocketAddr, wires: Wires) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, from)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if connections.len() >= CONNECTIONS_MAX {
            refuse(stream);
            continue;
        }
        let there = wires.between(from.ip(), host.ip());
        let back = wires.between(host.ip(), from.ip());
        connections.spawn(connect(stream, from.ip(), host, there, back));
    }
}

/// Goes on to the host, as the network does, and relays.
async fn connect(
    dialler: TcpStream,
    from: IpAddr,
    host: SocketAddr,
    there: Arc<State>,
    back: Arc<State>,
) {
    if there.wire() == Wire::Refusing {
        return refuse(dialler);
    }
    if there.wire() == Wire::BlackHole || back.wire() == Wire::BlackHole {
        return swallow(dialler).await;
    }
    let opened = Instant::now() + there.delay() + back.delay();
    let Ok(stream) = dial(from, host).await else {
        tokio::time::sleep_until(opened).await;
        return refuse(dialler);
    };
    // Nothing is to be waited for but what is delayed. Should it fail, it is only slower.
    let _ = dialler.set_nodelay(true);
    let _ = stream.set_nodelay(true);
    relay(dialler, stream, there, back, opened).await;
}

/// Dials a host from the address that is dialled from, so that the host sees whom it talks to.
async fn dial(from: IpAddr, host: SocketAddr) -> io::Result<TcpStream> {
    let socket = if from.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(host).await
}

/// Closes a connection as a port does at which nobody listens.
fn refuse(stream: TcpStream) {
    // Without it the end is a common one, which is as good.
    let _ = stream.set_zero_linger();
}
