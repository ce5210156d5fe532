//! TCP as programs see it, between hosts: streams of bytes that are delayed, held back, refused or
//! reset, but never reordered or torn.
//!
//! - A write becomes one segment. It arrives after the link's delay and jitter, and never before
//!   the segment written before it. A lost segment is sent again after [`RETRANSMIT_FIRST`], then
//!   twice that, and so on; everything written after it waits.
//! - A cut link passes nothing: what was on its way is lost and sent again, at the times at which
//!   TCP would have tried since it was first sent. After a long cut that is up to as long again.
//!   What the other direction carries arrives, but its acknowledgements do not: the sender goes on
//!   until its window is full.
//! - Whoever opens a connection over a cut link waits, and tries again after [`CONNECT_RETRY`],
//!   then twice that, and so on. Where nobody listens it is refused.
//! - When a host crashes, its peers see a reset, if it gets through. If not, they learn when they
//!   write and their bytes reach a host that knows nothing of the connection.
//! - A paused host still takes connections into its listeners' backlogs and bytes into its
//!   windows, as its kernel would.
//!
//! Time never depends on a number of bytes: a write is delayed, not a byte. So TLS may use real
//! entropy, and signatures may have any length, and the schedule stays the same. Only a full window
//! counts bytes, and the bytes of a handshake are long gone by then.
//!
//! Unlike TCP, a connection over a dead link never gives up by itself; there is no bandwidth; and
//! acknowledgements take no time of their own.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use node::seams::{Accepted, BoxByteStream, Connector, Listener};
use openraft_rt_sim::SimSleep;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Host, Life, World, lock};

/// The first retransmission of a segment comes after this; each further wait is twice as long.
pub const RETRANSMIT_FIRST: Duration = Duration::from_millis(200);
/// The longest wait between two transmissions of a segment.
pub const RETRANSMIT_MAX: Duration = Duration::from_secs(120);
/// The second attempt to open a connection comes after this; each further wait is twice as long.
pub const CONNECT_RETRY: Duration = Duration::from_secs(1);
/// Bytes on their way or not yet read, in one direction of a connection.
pub const WINDOW_BYTES: usize = 1 << 20;
/// Connections a listener has not yet accepted.
pub const BACKLOG: usize = 128;
/// Longer under way than segments of links without faults.
const LATE: Duration = Duration::from_millis(20);

/// One direction between two hosts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The least time a segment takes.
    pub delay: Duration,
    /// It takes up to this much longer.
    pub jitter: Duration,
    /// How likely a transmission is lost, 0.0 to 1.0 (exclusive).
    pub loss: f64,
}

impl Default for Link {
    /// Two machines in a city.
    fn default() -> Self {
        Self { delay: Duration::from_micros(300), jitter: Duration::from_micros(400), loss: 0.0 }
    }
}

/// The network between all hosts. A cheap handle.
#[derive(Clone)]
pub struct Network {
    net: Arc<Mutex<Net>>,
    world: World,
}

struct Net {
    rng: SmallRng,
    default_link: Link,
    links: BTreeMap<(Host, Host), Link>,
    /// How many cuts are on a link; it passes when there are none.
    cuts: BTreeMap<(Host, Host), u32>,
    listeners: BTreeMap<String, Backlog>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    next_port: u16,
    /// Segments that were long under way.
    late: Vec<Late>,
}

/// A segment that was read long after it was sent.
struct Late {
    from: Host,
    sent_at: Duration,
    read_at: Duration,
}

struct Backlog {
    life: Life,
    queue: VecDeque<Pending>,
    waker: Option<Waker>,
}

/// A connection whose handshake ends at a time.
struct Pending {
    at: Duration,
    connection: u64,
    from: String,
}

/// Two ends, and what is under way between them: `ends[0]` opened it.
struct Connection {
    ends: [End; 2],
    /// `pipes[i]` carries what `ends[i]` writes.
    pipes: [Pipe; 2],
}

struct End {
    life: Life,
    gone: Option<Gone>,
    /// When it learns that there is no connection any more.
    reset_at: Option<Duration>,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Its program closed it.
    Closed,
    /// Its host crashed.
    Crashed,
}

#[derive(Default)]
struct Pipe {
    segments: VecDeque<Segment>,
    /// Bytes in `segments`.
    bytes: usize,
    /// Bytes read over a link whose way back was cut: the writer does not know they are gone.
    unacknowledged: usize,
    /// The writer has said that nothing follows.
    finished: bool,
    /// The reader has seen it.
    ended: bool,
}

struct Segment {
    /// `None`: nothing follows.
    bytes: Option<Vec<u8>>,
    read: usize,
    sent_at: Duration,
    delay: Duration,
    /// `None` while the link is cut.
    arrives_at: Option<Duration>,
}

impl Net {
    fn link(&self, from: Host, to: Host) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or(self.default_link)
    }

    fn is_cut(&self, from: Host, to: Host) -> bool {
        self.cuts.get(&(from, to)).is_some_and(|cuts| *cuts > 0)
    }

    fn delay(&mut self, from: Host, to: Host) -> Duration {
        let Link { delay, jitter, .. } = self.link(from, to);
        if jitter.is_zero() {
            return delay;
        }
        delay + self.rng.random_range(Duration::ZERO..jitter)
    }

    fn is_lost(&mut self, from: Host, to: Host) -> bool {
        let Link { loss, .. } = self.link(from, to);
        loss > 0.0 && self.rng.random_bool(loss.min(0.95))
    }

    /// What a segment takes, retransmissions included.
    fn transit(&mut self, from: Host, to: Host) -> Duration {
        let mut transit = self.delay(from, to);
        let mut wait = RETRANSMIT_FIRST;
        while self.is_lost(from, to) {
            transit += wait;
            wait = (wait * 2).min(RETRANSMIT_MAX);
        }
        transit
    }

    /// Puts a segment behind those of a pipe.
    fn send(&mut self, id: u64, end: usize, bytes: Option<Vec<u8>>, now: Duration) -> Vec<Waker> {
        let Some((from, to)) = self.direction(id, end) else { return Vec::new() };
        let delay = self.transit(from, to);
        let cut = self.is_cut(from, to);
        let Some(connection) = self.connections.get_mut(&id) else { return Vec::new() };
        let pipe = &mut connection.pipes[end];
        let held = pipe.segments.back().is_some_and(|last| last.arrives_at.is_none());
        let after = pipe.segments.back().and_then(|last| last.arrives_at).unwrap_or(now);
        let arrives_at = (!cut && !held).then(|| after.max(now + delay));
        pipe.bytes += bytes.as_ref().map_or(0, Vec::len);
        pipe.finished |= bytes.is_none();
        pipe.segments.push_back(Segment { bytes, read: 0, sent_at: now, delay, arrives_at });
        let mut wakers: Vec<_> = connection.ends[1 - end].read_waker.take().into_iter().collect();
        wakers.extend(self.answer_for_the_gone(id, now));
        wakers
    }

    fn direction(&self, id: u64, end: usize) -> Option<(Host, Host)> {
        let ends = &self.connections.get(&id)?.ends;
        Some((ends[end].life.host, ends[1 - end].life.host))
    }

    /// Where one end is gone and bytes of the other reach it, a reset goes back.
    fn answer_for_the_gone(&mut self, id: u64, now: Duration) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for end in 0..2 {
            let Some((from, to)) = self.direction(id, end) else { return wakers };
            let Some(connection) = self.connections.get(&id) else { return wakers };
            let (here, there) = (&connection.ends[end], &connection.ends[1 - end]);
            let mut with_bytes =
                connection.pipes[end].segments.iter().filter(|s| s.bytes.is_some());
            let reached = with_bytes.find_map(|s| s.arrives_at);
            let (None, None, Some(_), Some(reached)) =
                (here.gone, here.reset_at, there.gone, reached)
            else {
                continue;
            };
            if self.is_cut(to, from) {
                continue;
            }
            let back = self.delay(to, from);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.ends[end].reset_at = Some(reached.max(now) + back);
                wakers.extend(connection.ends[end].wakers());
            }
        }
        wakers
    }

    /// What was on its way over a link just cut has to be sent again.
    fn hold(&mut self, from: Host, to: Host, now: Duration) {
        for connection in self.connections.values_mut() {
            for end in 0..2 {
                if connection.ends[end].life.host != from
                    || connection.ends[1 - end].life.host != to
                {
                    continue;
                }
                let segments = &mut connection.pipes[end].segments;
                if connection.ends[end].gone == Some(Gone::Crashed) {
                    // Nobody is left to send it again.
                    segments.retain(|s| s.arrives_at.is_some_and(|at| at <= now));
                }
                for segment in segments {
                    if segment.arrives_at.is_some_and(|at| at > now) {
                        segment.arrives_at = None;
                    }
                }
                // A reset that was on its way is lost for good.
                let reader = &mut connection.ends[1 - end];
                if reader.reset_at.is_some_and(|at| at > now) {
                    reader.reset_at = None;
                }
            }
        }
    }

    /// Sends what a link just healed has held.
    fn release(&mut self, from: Host, to: Host, now: Duration) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            for end in 0..2 {
                let Some(connection) = self.connections.get_mut(&id) else { continue };
                let (here, there) =
                    (connection.ends[end].life.host, connection.ends[1 - end].life.host);
                if (here, there) == (to, from) {
                    // Acknowledgements pass again.
                    if std::mem::take(&mut connection.pipes[end].unacknowledged) > 0 {
                        wakers.extend(connection.ends[end].write_waker.take());
                    }
                }
                if (here, there) != (from, to) {
                    continue;
                }
                let mut after = now;
                let mut first = true;
                for segment in &mut connection.pipes[end].segments {
                    if let Some(at) = segment.arrives_at {
                        after = after.max(at);
                        continue;
                    }
                    // The first is sent when its timer runs out; its acknowledgement lets the
                    // others follow.
                    let again = if std::mem::take(&mut first) {
                        next_transmission(segment.sent_at, now)
                    } else {
                        after
                    };
                    let at = after.max(again + segment.delay);
                    segment.arrives_at = Some(at);
                    after = at;
                }
                wakers.extend(connection.ends[1 - end].wakers());
            }
            wakers.extend(self.answer_for_the_gone(id, now));
        }
        wakers
    }

    fn forget_if_over(&mut self, id: u64) {
        if self.connections.get(&id).is_some_and(|c| c.ends.iter().all(|e| e.gone.is_some())) {
            self.connections.remove(&id);
        }
    }
}

impl End {
    fn new(life: Life) -> Self {
        Self { life, gone: None, reset_at: None, read_waker: None, write_waker: None }
    }

    fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.read_waker.take().into_iter().chain(self.write_waker.take())
    }
}

/// When a segment first sent at a time is sent again, not before `now`.
fn next_transmission(sent_at: Duration, now: Duration) -> Duration {
    let (mut at, mut wait) = (sent_at, RETRANSMIT_FIRST);
    while at < now {
        at += wait;
        wait = (wait * 2).min(RETRANSMIT_MAX);
    }
    at
}

impl Network {
    /// A network over which every host reaches every other.
    pub fn new(world: &World) -> Self {
        let net = Arc::new(Mutex::new(Net {
            rng: world.rng(),
            default_link: Link::default(),
            links: BTreeMap::new(),
            cuts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_port: 40_000,
            late: Vec::new(),
        }));
        let network = Self { net, world: world.clone() };
        let weak: Weak<_> = Arc::downgrade(&network.net);
        let observer = world.clone();
        world.on_crash(move |host, _| {
            if let Some(net) = weak.upgrade() {
                Self::host_crashed(&net, host, observer.now());
            }
        });
        network
    }

    /// Opens connections from a host.
    pub fn connector(&self, host: Host) -> SimConnector {
        SimConnector { network: self.clone(), host }
    }

    /// Listens on a port of a host, until the listener is dropped or the host crashes.
    pub fn listen(&self, host: Host, port: u16) -> io::Result<SimListener> {
        let life = self.world.life_acting_for(host);
        if !self.world.is_alive(life) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let address = host.address(port);
        let mut net = self.net();
        if net.listeners.get(&address).is_some_and(|other| other.life == life) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let backlog = Backlog { life, queue: VecDeque::new(), waker: None };
        net.listeners.insert(address.clone(), backlog);
        drop(net);
        Ok(SimListener { network: self.clone(), address, life, timer: None })
    }

    /// Sets how links behave that were not set one by one.
    pub fn set_default_link(&self, link: Link) {
        self.net().default_link = link;
    }

    /// Sets how one direction behaves, for what is sent from now on.
    pub fn set_link(&self, from: Host, to: Host, link: Link) {
        self.world.event(format_args!("link {from} to {to}: {link:?}"));
        self.net().links.insert((from, to), link);
    }

    /// When something was last read that a host had sent by some time, and that was long under way:
    /// a host that is gone may be heard of for a while.
    pub fn last_heard(&self, from: Host, sent_by: Duration) -> Option<Duration> {
        let net = self.net();
        let late = net.late.iter().filter(|late| late.from == from && late.sent_at <= sent_by);
        late.map(|late| late.read_at).max()
    }

    /// Makes one direction behave by the default again.
    pub fn reset_link(&self, from: Host, to: Host) {
        self.world.event(format_args!("link {from} to {to}: as by default"));
        self.net().links.remove(&(from, to));
    }

    /// Cuts one direction. Cuts add up: each needs a [`heal`](Self::heal) of its own.
    pub fn cut(&self, from: Host, to: Host) {
        self.world.event(format_args!("cut {from} to {to}"));
        let now = self.world.now();
        let mut net = self.net();
        let cuts = net.cuts.entry((from, to)).or_insert(0);
        *cuts += 1;
        if *cuts == 1 {
            net.hold(from, to, now);
        }
    }

    /// Takes one cut off a direction.
    pub fn heal(&self, from: Host, to: Host) {
        self.world.event(format_args!("heal {from} to {to}"));
        let now = self.world.now();
        let mut net = self.net();
        let Some(cuts) = net.cuts.get_mut(&(from, to)) else { return };
        *cuts -= 1;
        if *cuts > 0 {
            return;
        }
        net.cuts.remove(&(from, to));
        let wakers = net.release(from, to, now);
        drop(net);
        wake(wakers);
    }

    /// Cuts both directions between hosts of different groups.
    pub fn partition(&self, groups: &[&[Host]]) {
        for_each_across(groups, |from, to| self.cut(from, to));
    }

    /// Takes off what [`partition`](Self::partition) of the same groups cut.
    pub fn heal_partition(&self, groups: &[&[Host]]) {
        for_each_across(groups, |from, to| self.heal(from, to));
    }

    /// Takes off all cuts.
    pub fn heal_all(&self) {
        loop {
            let cut = self.net().cuts.keys().next().copied();
            let Some((from, to)) = cut else { break };
            self.heal(from, to);
        }
    }

    /// Whether a direction is cut.
    pub fn is_cut(&self, from: Host, to: Host) -> bool {
        self.net().is_cut(from, to)
    }

    /// Resets all connections between two hosts, as a box in between does that forgot about them.
    pub fn reset(&self, one: Host, other: Host) {
        self.world.event(format_args!("reset between {one} and {other}"));
        let now = self.world.now();
        let mut wakers = Vec::new();
        for connection in self.net().connections.values_mut() {
            let hosts = [connection.ends[0].life.host, connection.ends[1].life.host];
            if hosts == [one, other] || hosts == [other, one] {
                for end in &mut connection.ends {
                    end.reset_at = Some(now);
                    wakers.extend(end.wakers());
                }
            }
        }
        wake(wakers);
    }

    /// How many connections there are of which at least one end is open.
    pub fn connections(&self) -> usize {
        self.net().connections.len()
    }

    fn net(&self) -> MutexGuard<'_, Net> {
        lock(&self.net)
    }

    fn host_crashed(net: &Mutex<Net>, host: Host, now: Duration) {
        let mut wakers = Vec::new();
        let mut net = lock(net);
        net.listeners.retain(|_, backlog| backlog.life.host != host);
        let ids: Vec<_> = net.connections.keys().copied().collect();
        for id in ids {
            for end in 0..2 {
                let Some((here, there)) = net.direction(id, end) else { continue };
                if here != host {
                    continue;
                }
                let back = net.delay(here, there);
                let cut = net.is_cut(here, there);
                let Some(connection) = net.connections.get_mut(&id) else { continue };
                if connection.ends[end].gone == Some(Gone::Crashed) {
                    continue;
                }
                connection.ends[end].gone = Some(Gone::Crashed);
                // Nobody is left to send again what has not arrived.
                let pipe = &mut connection.pipes[end];
                pipe.segments.retain(|s| s.arrives_at.is_some());
                let peer = &mut connection.ends[1 - end];
                if !cut && peer.gone.is_none() && peer.reset_at.is_none() {
                    peer.reset_at = Some(now + back);
                }
                wakers.extend(peer.wakers());
            }
            net.forget_if_over(id);
        }
        drop(net);
        wake(wakers);
    }
}

fn for_each_across(groups: &[&[Host]], mut f: impl FnMut(Host, Host)) {
    for (i, group) in groups.iter().enumerate() {
        for other in groups.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
            for from in group.iter() {
                for to in other.iter() {
                    f(*from, *to);
                }
            }
        }
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// Opens connections from a host.
#[derive(Clone)]
pub struct SimConnector {
    network: Network,
    host: Host,
}

impl Connector for SimConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxByteStream>> {
        let Self { network, host } = self.clone();
        let life = network.world.life_acting_for(host);
        let address = address.to_owned();
        Box::pin(async move {
            let stream = network.connect(life, &address).await?;
            Ok(Box::new(stream) as BoxByteStream)
        })
    }
}

impl Network {
    async fn connect(&self, life: Life, address: &str) -> io::Result<SimStream> {
        let from = life.host;
        let to: Host = address
            .split_once(':')
            .and_then(|(host, _)| host.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
        let port = {
            let mut net = self.net();
            net.next_port = net.next_port.checked_add(1).unwrap_or(40_000);
            net.next_port
        };
        let mut retry = CONNECT_RETRY;
        loop {
            let (lost, there) = {
                let mut net = self.net();
                (net.is_cut(from, to) || net.is_lost(from, to), net.delay(from, to))
            };
            if !lost {
                self.world.sleep(there).await;
                let (answered, back) = {
                    let mut net = self.net();
                    let lost = net.is_cut(to, from) || net.is_lost(to, from);
                    let full = net
                        .listeners
                        .get(address)
                        .is_some_and(|backlog| backlog.queue.len() >= BACKLOG);
                    (!lost && !full, net.delay(to, from))
                };
                if answered {
                    let refused = !self.net().listeners.contains_key(address);
                    self.world.sleep(back).await;
                    if refused {
                        self.world.event(format_args!("{address} refuses {from}"));
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    return self.establish(life, address, from.address(port));
                }
            }
            self.world.sleep(retry).await;
            retry = (retry * 2).min(RETRANSMIT_MAX);
        }
    }

    fn establish(&self, life: Life, address: &str, from: String) -> io::Result<SimStream> {
        let now = self.world.now();
        if !self.world.is_alive(life) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut net = self.net();
        let Some(backlog) = net.listeners.get(address) else {
            // It stopped listening within this round trip.
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        let listening = backlog.life;
        let last_leg = net.transit(life.host, listening.host);
        net.next_connection += 1;
        let connection = net.next_connection;
        let ends = [End::new(life), End::new(listening)];
        let pipes = [Pipe::default(), Pipe::default()];
        net.connections.insert(connection, Connection { ends, pipes });
        let mut waker = None;
        if let Some(backlog) = net.listeners.get_mut(address) {
            backlog.queue.push_back(Pending { at: now + last_leg, connection, from });
            waker = backlog.waker.take();
        }
        drop(net);
        self.world.event(format_args!("connection {connection} from {} to {address}", life.host));
        wake(waker.into_iter().collect());
        Ok(SimStream::new(self, connection, 0, life))
    }
}

/// Takes the connections to one address.
pub struct SimListener {
    network: Network,
    address: String,
    life: Life,
    timer: Option<SimSleep>,
}

impl SimListener {
    /// The address it listens on.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(poll_fn(move |cx| self.poll_accept(cx)))
    }
}

impl SimListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let world = &self.network.world;
        loop {
            let now = world.now();
            let due = {
                let mut net = self.network.net();
                let backlog = net.listeners.get_mut(&self.address);
                let Some(backlog) = backlog.filter(|b| b.life == self.life) else {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                };
                // Handshakes end in the order of their last leg.
                let earliest = backlog.queue.iter().enumerate().min_by_key(|(_, p)| p.at);
                let Some((place, at)) = earliest.map(|(place, p)| (place, p.at)) else {
                    backlog.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                if at <= now
                    && let Some(pending) = backlog.queue.remove(place)
                {
                    drop(net);
                    let Pending { connection, from, .. } = pending;
                    let stream = SimStream::new(&self.network, connection, 1, self.life);
                    return Poll::Ready(Ok(Accepted { stream: Box::new(stream), from }));
                }
                backlog.waker = Some(cx.waker().clone());
                at
            };
            let mut timer = world.sleep(due.saturating_sub(now));
            let polled = Pin::new(&mut timer).poll(cx);
            self.timer = Some(timer);
            if polled.is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut net = self.network.net();
        let Some(backlog) = net.listeners.get(&self.address) else { return };
        if backlog.life != self.life || !self.network.world.is_alive(self.life) {
            return;
        }
        let queue = net.listeners.remove(&self.address).map(|b| b.queue).unwrap_or_default();
        drop(net);
        for Pending { connection, .. } in queue {
            // Not accepted, and dropped with the socket.
            drop(SimStream::new(&self.network, connection, 1, self.life));
        }
    }
}

/// One end of a connection.
struct SimStream {
    network: Network,
    connection: u64,
    end: usize,
    life: Life,
    read_timer: Option<(Duration, SimSleep)>,
    write_timer: Option<(Duration, SimSleep)>,
}

impl SimStream {
    fn new(network: &Network, connection: u64, end: usize, life: Life) -> Self {
        let network = network.clone();
        Self { network, connection, end, life, read_timer: None, write_timer: None }
    }
}

fn wait_until(
    world: &World,
    timer: &mut Option<(Duration, SimSleep)>,
    due: Option<Duration>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(due) = due else {
        *timer = None;
        return Poll::Pending;
    };
    if timer.as_ref().is_none_or(|(at, _)| *at != due) {
        *timer = Some((due, world.sleep(due.saturating_sub(world.now()))));
    }
    match timer {
        Some((_, sleep)) => Pin::new(sleep).poll(cx),
        None => Poll::Pending,
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let now = this.network.world.now();
            let due = {
                let mut net = this.network.net();
                let way = net.direction(this.connection, this.end);
                let ack_cut = way.is_some_and(|(here, there)| net.is_cut(here, there));
                let Some(connection) = net.connections.get_mut(&this.connection) else {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                };
                if connection.ends[this.end].gone.is_some() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                let pipe = &mut connection.pipes[1 - this.end];
                let before = buffer.filled().len();
                let mut sent_at = None;
                while buffer.remaining() > 0
                    && let Some(segment) = pipe.segments.front_mut()
                    && segment.arrives_at.is_some_and(|at| at <= now)
                {
                    let Some(bytes) = &segment.bytes else {
                        pipe.ended = true;
                        pipe.segments.pop_front();
                        break;
                    };
                    let unread = &bytes[segment.read..];
                    let taken = unread.len().min(buffer.remaining());
                    buffer.put_slice(&unread[..taken]);
                    segment.read += taken;
                    sent_at = Some(segment.sent_at);
                    pipe.bytes -= taken;
                    if ack_cut {
                        pipe.unacknowledged += taken;
                    }
                    if segment.read == bytes.len() {
                        pipe.segments.pop_front();
                    }
                }
                let taken = buffer.filled().len() - before;
                if taken > 0 {
                    let writer = connection.ends[1 - this.end].write_waker.take();
                    if let (Some((_, from)), Some(sent_at)) = (way, sent_at)
                        && now > sent_at + LATE
                    {
                        net.late.push(Late { from, sent_at, read_at: now });
                    }
                    drop(net);
                    if !ack_cut && let Some(writer) = writer {
                        writer.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
                if pipe.ended {
                    return Poll::Ready(Ok(()));
                }
                let reset_at = connection.ends[this.end].reset_at;
                if reset_at.is_some_and(|at| at <= now) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                let arrival = pipe.segments.front().and_then(|segment| segment.arrives_at);
                connection.ends[this.end].read_waker = Some(cx.waker().clone());
                [arrival, reset_at].into_iter().flatten().min()
            };
            if wait_until(&this.network.world, &mut this.read_timer, due, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let now = this.network.world.now();
            let due = {
                let mut net = this.network.net();
                let Some(connection) = net.connections.get_mut(&this.connection) else {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                };
                let end = &mut connection.ends[this.end];
                let pipe = &connection.pipes[this.end];
                if end.gone.is_some() || pipe.finished {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                if end.reset_at.is_some_and(|at| at <= now) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                let room = WINDOW_BYTES.saturating_sub(pipe.bytes + pipe.unacknowledged);
                let taken = room.min(bytes.len());
                if taken > 0 || bytes.is_empty() {
                    let wakers = if taken > 0 {
                        net.send(this.connection, this.end, Some(bytes[..taken].to_vec()), now)
                    } else {
                        Vec::new()
                    };
                    drop(net);
                    wake(wakers);
                    return Poll::Ready(Ok(taken));
                }
                end.write_waker = Some(cx.waker().clone());
                end.reset_at
            };
            if wait_until(&this.network.world, &mut this.write_timer, due, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.network.world.now();
        let mut net = self.network.net();
        let finished =
            net.connections.get(&self.connection).is_none_or(|c| c.pipes[self.end].finished);
        let wakers =
            if finished { Vec::new() } else { net.send(self.connection, self.end, None, now) };
        drop(net);
        wake(wakers);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        if !self.network.world.is_alive(self.life) {
            // The crash has its own word for the peer.
            return;
        }
        let now = self.network.world.now();
        let mut net = self.network.net();
        let Some(connection) = net.connections.get_mut(&self.connection) else { return };
        if connection.ends[self.end].gone.is_some() {
            return;
        }
        let finished = connection.pipes[self.end].finished;
        let mut wakers = Vec::new();
        if !finished {
            wakers = net.send(self.connection, self.end, None, now);
        }
        if let Some(connection) = net.connections.get_mut(&self.connection) {
            connection.ends[self.end].gone = Some(Gone::Closed);
        }
        wakers.extend(net.answer_for_the_gone(self.connection, now));
        net.forget_if_over(self.connection);
        drop(net);
        wake(wakers);
    }
}

#[cfg(test)]
mod tests {
    use openraft_rt::AsyncRuntime;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::sim::{NodeRuntime, run};

    const A: Host = Host::Node(1);
    const B: Host = Host::Node(2);
    const SECOND: Duration = Duration::from_secs(1);

    async fn connect(network: &Network, from: Host, to: &str) -> io::Result<BoxByteStream> {
        network.connector(from).connect(to).await
    }

    /// A connection from A to B, both ends held by the test.
    async fn pair(network: &Network) -> (BoxByteStream, BoxByteStream) {
        let mut listener = network.listen(B, 7101).expect("a free port");
        let opened = connect(network, A, "node-2:7101").await.expect("connected");
        let accepted = listener.accept().await.expect("accepted");
        assert!(accepted.from.starts_with("node-1:"));
        (opened, accepted.stream)
    }

    async fn within<F: Future + Send>(limit: Duration, f: F) -> Option<F::Output> {
        NodeRuntime::timeout(limit, f).await.ok()
    }

    #[test]
    fn bytes_arrive_in_order_after_the_delay_and_an_end_after_them() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            let began = world.now();
            for byte in 0..100 {
                a.write_all(&[byte]).await.expect("written");
            }
            a.shutdown().await.expect("shut");
            let mut seen = Vec::new();
            b.read_to_end(&mut seen).await.expect("read");
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
            let link = Link::default();
            let took = world.now() - began;
            assert!(took >= link.delay && took <= link.delay + link.jitter, "{took:?}");
            // The other half is still open.
            b.write_all(b"x").await.expect("written");
            assert_eq!(a.read_u8().await.expect("read"), b'x');
            drop((a, b));
            assert_eq!(network.connections(), 0);
        });
    }

    #[test]
    fn a_lost_segment_delays_all_that_follows_it() {
        run(3, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            let lossy = Link { loss: 0.3, ..Link::default() };
            network.set_link(A, B, lossy);
            let began = world.now();
            for byte in 0..20 {
                a.write_all(&[byte]).await.expect("written");
            }
            let mut seen = [0; 20];
            b.read_exact(&mut seen).await.expect("read");
            assert!(seen.is_sorted());
            assert!(world.now() - began >= RETRANSMIT_FIRST);
        });
    }

    #[test]
    fn a_one_way_cut_lets_the_other_direction_pass() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            network.cut(A, B);
            a.write_all(b"a").await.expect("written");
            b.write_all(b"b").await.expect("written");
            assert_eq!(a.read_u8().await.expect("read"), b'b');
            assert!(within(10 * SECOND, b.read_u8()).await.is_none());
            network.heal(A, B);
            let healed = world.now();
            assert_eq!(b.read_u8().await.expect("read"), b'a');
            // Retransmissions had become rare.
            let late = world.now() - healed;
            assert!(late > SECOND && late < 10 * SECOND, "{late:?}");
        });
    }

    #[test]
    fn a_partition_passes_no_end_of_a_connection() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (a, mut b) = pair(&network).await;
            network.partition(&[&[A], &[B]]);
            drop(a);
            let mut rest = Vec::new();
            assert!(within(60 * SECOND, b.read_to_end(&mut rest)).await.is_none());
            network.heal_partition(&[&[A], &[B]]);
            assert_eq!(b.read_to_end(&mut rest).await.expect("read"), 0);
        });
    }

    #[test]
    fn cuts_add_up() {
        run(1, |world| async move {
            let network = Network::new(&world);
            network.cut(A, B);
            network.partition(&[&[A], &[B]]);
            network.heal(A, B);
            assert!(network.is_cut(A, B) && network.is_cut(B, A));
            network.heal_all();
            assert!(!network.is_cut(A, B) && !network.is_cut(B, A));
        });
    }

    #[test]
    fn opening_over_a_cut_link_hangs_and_succeeds_after_it_heals() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let _listener = network.listen(B, 7101).expect("a free port");
            network.cut(B, A);
            let opening = connect(&network, A, "node-2:7101");
            assert!(within(10 * SECOND, opening).await.is_none());
            let opening = connect(&network, A, "node-2:7101");
            let healer = network.clone();
            let after = world.clone();
            world.spawn_on(Host::Outside, async move {
                after.sleep(2 * SECOND).await;
                healer.heal(B, A);
            });
            let began = world.now();
            assert!(opening.await.is_ok());
            assert!(world.now() - began >= 3 * SECOND);
        });
    }

    #[test]
    fn nobody_listens_on_a_crashed_host_until_it_starts_again() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let mut old = network.listen(B, 7101).expect("a free port");
            world.crash(B);
            let refused = connect(&network, A, "node-2:7101").await.err().map(|e| e.kind());
            assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
            assert!(old.accept().await.is_err());
            let _new = network.listen(B, 7101).expect("free after the crash");
            drop(old);
            assert!(connect(&network, A, "node-2:7101").await.is_ok());
        });
    }

    #[test]
    fn a_crash_resets_connections_of_those_it_can_reach() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, b) = pair(&network).await;
            world.crash(B);
            let error = a.read_u8().await.expect_err("reset");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(a.write_all(b"x").await.is_err());
            drop(b);
        });
    }

    #[test]
    fn a_reset_from_between_breaks_both_ends() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            network.reset(B, A);
            assert!(a.read_u8().await.is_err());
            assert!(b.write_all(b"x").await.is_err());
        });
    }

    #[test]
    fn who_cannot_be_told_of_a_crash_learns_when_it_writes_after_the_heal() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, _b) = pair(&network).await;
            network.partition(&[&[A], &[B]]);
            world.crash(B);
            assert!(within(10 * SECOND, a.read_u8()).await.is_none());
            network.heal_all();
            assert!(within(10 * SECOND, a.read_u8()).await.is_none());
            a.write_all(b"x").await.expect("buffered");
            let error = a.read_u8().await.expect_err("reset");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }

    #[test]
    fn a_full_window_holds_the_writer_back() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            let bytes = vec![7; WINDOW_BYTES + 1];
            assert!(within(10 * SECOND, a.write_all(&bytes)).await.is_none());
            let mut seen = vec![0; WINDOW_BYTES];
            b.read_exact(&mut seen).await.expect("read");
            assert!(within(SECOND, a.write_all(b"more")).await.is_some());
        });
    }

    #[test]
    fn without_acknowledgements_a_writer_stops_at_its_window() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let (mut a, mut b) = pair(&network).await;
            network.cut(B, A);
            a.write_all(&vec![7; WINDOW_BYTES]).await.expect("written");
            let mut seen = vec![0; WINDOW_BYTES];
            b.read_exact(&mut seen).await.expect("read");
            assert!(within(10 * SECOND, a.write_all(b"more")).await.is_none());
            network.heal(B, A);
            assert!(within(SECOND, a.write_all(b"more")).await.is_some());
        });
    }

    #[test]
    fn a_paused_host_takes_connections_up_to_its_backlog() {
        run(1, |world| async move {
            let network = Network::new(&world);
            let mut listener = network.listen(B, 7101).expect("a free port");
            world.pause(B);
            let mut open = Vec::new();
            for _ in 0..BACKLOG {
                open.push(connect(&network, A, "node-2:7101").await.expect("connected"));
            }
            let more = connect(&network, A, "node-2:7101");
            assert!(within(10 * SECOND, more).await.is_none());
            world.resume(B);
            for _ in 0..BACKLOG {
                listener.accept().await.expect("accepted");
            }
            assert!(connect(&network, A, "node-2:7101").await.is_ok());
        });
    }
}
