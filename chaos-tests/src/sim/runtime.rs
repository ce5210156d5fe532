//! Tasks and monotonic time of hosts that crash, pause and drift.
//!
//! [`NodeRuntime`] is what a node is generic over. Each task belongs to a life of a host; a
//! thread-local says whose task is being polled, and what it spawns belongs to the same life. A
//! crash ends the life: its tasks are dropped there and then, within that life, so that nothing
//! their destructors do counts for the next one.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use openraft_rt::{AsyncRuntime, Instant, OptionalSend};
use openraft_rt_sim::{SimInstant, SimRuntime, SimSleep};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{entropy, lock, mix};

/// Where each host's monotonic clock starts, at the least: late enough that code may subtract a
/// timeout from now.
const CLOCK_START_NANOS: u64 = 86_400 * 1_000_000_000;

/// Longest wait of blocking work for a thread.
const BLOCKING_DELAY_MAX: Duration = Duration::from_micros(200);

/// Futures of a whole node, unoptimised, are polled on one stack.
const STACK_BYTES: usize = 16 << 20;

const PPM: i128 = 1_000_000;

/// A machine with a clock, tasks and an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The test itself.
    Outside,
    /// A node of the cluster, `node-1`.
    Node(u64),
    /// Somebody who uses the cluster, `client-1`.
    Client(u64),
}

impl Host {
    /// An address of this host.
    pub fn address(self, port: u16) -> String {
        format!("{self}:{port}")
    }

    fn stream(self) -> u64 {
        match self {
            Host::Outside => 0,
            Host::Node(id) => mix(1, id),
            Host::Client(id) => mix(2, id),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Outside => f.write_str("outside"),
            Host::Node(id) => write!(f, "node-{id}"),
            Host::Client(id) => write!(f, "client-{id}"),
        }
    }
}

/// Not the name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no host is called {0:?}")]
pub struct UnknownHost(pub String);

impl FromStr for Host {
    type Err = UnknownHost;

    fn from_str(name: &str) -> Result<Self, UnknownHost> {
        let unknown = || UnknownHost(name.to_owned());
        match name.split_once('-') {
            None if name == "outside" => Ok(Host::Outside),
            Some(("node", id)) => id.parse().map(Host::Node).map_err(|_| unknown()),
            Some(("client", id)) => id.parse().map(Host::Client).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

/// One life of a host, from a start to a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Whose life.
    pub host: Host,
    /// How many crashes came before.
    pub generation: u64,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The machine lost power: what was not synced may be gone.
    Power,
    /// The process was killed: the machine still has what was written.
    Process,
}

type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;
type CrashHook = Arc<dyn Fn(Host, Crash) + Send + Sync>;

/// The hosts of a run. A cheap handle.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    state: Mutex<State>,
}

struct State {
    hosts: BTreeMap<Host, HostState>,
    next_task: u64,
    /// Wakes the test, which fails when a task has panicked.
    main_waker: Option<Waker>,
    panics: Vec<String>,
    crash_hooks: Vec<CrashHook>,
    events: Option<Vec<String>>,
    fingerprint: u64,
    /// What blocking work now running costs beyond its wait for a thread.
    blocking_cost: Duration,
    streams: u64,
    /// The run is over, and nothing runs any more.
    over: bool,
}

struct HostState {
    generation: u64,
    paused: bool,
    tasks: BTreeMap<u64, Arc<Task>>,
    clock: Clock,
    draws: u64,
    crash_waiters: Vec<Waker>,
}

/// A clock that ran from `base_local` at `base_virtual` on, `ppm` fast.
struct Clock {
    base_virtual: u64,
    base_local: u64,
    ppm: i64,
    /// Counts changes of the rate, so that sleeps compute anew when they end.
    version: u64,
    wall_offset_ms: i64,
}

impl Clock {
    fn local(&self, virtual_now: u64) -> u64 {
        let passed = i128::from(virtual_now.saturating_sub(self.base_virtual));
        // A run of 292 years would overflow; and a rate is never below -100 %.
        self.base_local + (passed * (PPM + i128::from(self.ppm)) / PPM) as u64
    }

    /// The first virtual time at which this clock shows `local`.
    fn virtual_at(&self, local: u64) -> u64 {
        let wanted = i128::from(local.saturating_sub(self.base_local));
        let rate = PPM + i128::from(self.ppm);
        let passed = (wanted * PPM + rate - 1) / rate;
        self.base_virtual.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

struct Task {
    id: u64,
    life: Life,
    /// `None` while it is polled, and once it ended.
    future: Mutex<Option<BoxedTask>>,
    waker: Mutex<Option<Waker>>,
    /// It was woken while its host was paused.
    held: Mutex<bool>,
    panic: Mutex<Option<String>>,
}

/// The world a thread is in, and whose code it runs.
struct Current {
    world: World,
    life: Life,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Makes a life the running one until it is dropped.
struct Entered(Option<Current>);

impl Entered {
    fn new(world: &World, life: Life) -> Self {
        let current = Current { world: world.clone(), life };
        Self(CURRENT.with(|c| c.borrow_mut().replace(current)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let inner = CURRENT.with(|c| std::mem::replace(&mut *c.borrow_mut(), before));
        drop(inner);
    }
}

fn virtual_nanos() -> u64 {
    SimInstant::try_now().map_or(0, |now| {
        // 584 years fit.
        now.elapsed_since_start().as_nanos() as u64
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let state = State {
            hosts: BTreeMap::new(),
            next_task: 0,
            main_waker: None,
            panics: Vec::new(),
            crash_hooks: Vec::new(),
            events: None,
            fingerprint: seed,
            blocking_cost: Duration::ZERO,
            streams: 0,
            over: false,
        };
        Self { shared: Arc::new(Shared { seed, state: Mutex::new(state) }) }
    }

    /// The world this thread runs. Panics outside [`NodeRuntime::block_on`].
    #[track_caller]
    pub fn current() -> Self {
        CURRENT
            .with(|c| c.borrow().as_ref().map(|c| c.world.clone()))
            .expect("this must be called inside a simulation")
    }

    /// Whose code runs now. Panics outside [`NodeRuntime::block_on`].
    #[track_caller]
    pub fn current_life() -> Life {
        CURRENT
            .with(|c| c.borrow().as_ref().map(|c| c.life))
            .expect("this must be called inside a simulation")
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// A stream of random numbers of its own, in the order they are asked for.
    pub fn rng(&self) -> SmallRng {
        let mut state = self.state();
        state.streams += 1;
        SmallRng::seed_from_u64(mix(mix(self.shared.seed, 3), state.streams))
    }

    /// Virtual time since the start of the run: what an observer with a perfect clock sees.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(virtual_nanos())
    }

    /// Waits in virtual time, whatever the clock of the running host does.
    pub fn sleep(&self, duration: Duration) -> SimSleep {
        SimRuntime::sleep(duration)
    }

    /// The life a host is in.
    pub fn life(&self, host: Host) -> Life {
        let generation = self.with_host(host, |h| h.generation);
        Life { host, generation }
    }

    /// The life in which something is done for a host: the running one, if it is the host's, which
    /// may have ended in this very poll; otherwise the one the host is in.
    pub(super) fn life_acting_for(&self, host: Host) -> Life {
        let running = CURRENT.with(|c| c.borrow().as_ref().map(|c| c.life));
        running.filter(|life| life.host == host).unwrap_or_else(|| self.life(host))
    }

    /// Whether a life has not ended.
    pub fn is_alive(&self, life: Life) -> bool {
        self.life(life.host) == life
    }

    /// Runs a future as a task of a host, in the life it is in.
    pub fn spawn_on<F>(&self, host: Host, future: F) -> NodeJoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let _entered = Entered::new(self, self.life(host));
        NodeRuntime::spawn(future)
    }

    /// Runs a closure as the host's code, in the life it is in: what it spawns is the host's.
    pub fn within<T>(&self, host: Host, f: impl FnOnce() -> T) -> T {
        let _entered = Entered::new(self, self.life(host));
        f()
    }

    /// Cuts a host's power: its life ends, its tasks are dropped, connections are reset and what
    /// was not synced may be gone. The host may be started again at once.
    pub fn crash(&self, host: Host) {
        self.end_life(host, Crash::Power);
    }

    /// Kills a host's process: as [`crash`](Self::crash), but everything written is still there.
    pub fn kill(&self, host: Host) {
        self.end_life(host, Crash::Process);
    }

    /// Cuts the power of several hosts before any of them can act on it.
    pub fn power_cut(&self, hosts: &[Host]) {
        for host in hosts {
            self.crash(*host);
        }
    }

    fn end_life(&self, host: Host, crash: Crash) {
        assert_ne!(host, Host::Outside, "the test itself cannot crash");
        self.event(format_args!("{host} ends: {crash:?}"));
        let (life, tasks, waiters) = self.with_host(host, |h| {
            let generation = h.generation;
            h.generation += 1;
            h.paused = false;
            let life = Life { host, generation };
            (life, std::mem::take(&mut h.tasks), std::mem::take(&mut h.crash_waiters))
        });
        for task in tasks.values() {
            self.drop_future(life, task);
        }
        for task in tasks.values() {
            // The runtime below still has the shells of these tasks; polled once more, they end.
            let waker = lock(&task.waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        let hooks = self.state().crash_hooks.clone();
        for hook in hooks {
            hook(host, crash);
        }
        for waiter in waiters {
            waiter.wake();
        }
    }

    /// Drops what is left of a task, within its life. A task being polled is dropped when its poll
    /// returns.
    fn drop_future(&self, life: Life, task: &Task) {
        let future = lock(&task.future).take();
        if let Some(future) = future {
            let _entered = Entered::new(self, life);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
                self.report_panic(task, payload.as_ref());
            }
        }
    }

    /// Waits until a life ends, by whatever crash or trigger.
    pub async fn ended(&self, life: Life) {
        poll_fn(|cx| {
            self.with_host(life.host, |h| {
                if h.generation != life.generation {
                    return Poll::Ready(());
                }
                if !h.crash_waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                    h.crash_waiters.push(cx.waker().clone());
                }
                Poll::Pending
            })
        })
        .await
    }

    /// Stops a host from running anything, as a long garbage collection, a suspended virtual
    /// machine or `SIGSTOP` does. Its clocks go on.
    pub fn pause(&self, host: Host) {
        assert_ne!(host, Host::Outside, "the test itself cannot pause");
        self.event(format_args!("{host} pauses"));
        self.with_host(host, |h| h.paused = true);
    }

    /// Lets a paused host run again. Tasks woken meanwhile run in the order they were spawned.
    pub fn resume(&self, host: Host) {
        self.event(format_args!("{host} resumes"));
        let tasks: Vec<_> = self.with_host(host, |h| {
            h.paused = false;
            h.tasks.values().cloned().collect()
        });
        for task in tasks {
            if std::mem::take(&mut *lock(&task.held)) {
                Self::wake(&task);
            }
        }
    }

    /// Whether a host is paused.
    pub fn is_paused(&self, host: Host) -> bool {
        self.with_host(host, |h| h.paused)
    }

    fn wake(task: &Task) {
        let waker = lock(&task.waker).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Makes a host's clocks run fast by so many parts in a million from now on; slow if negative.
    pub fn set_drift_ppm(&self, host: Host, ppm: i64) {
        assert!(ppm > -1_000_000, "a clock does not run backwards");
        self.event(format_args!("{host} drifts by {ppm} ppm"));
        let now = virtual_nanos();
        let tasks: Vec<_> = self.with_host(host, |h| {
            let local = h.clock.local(now);
            h.clock.base_local = local;
            h.clock.base_virtual = now;
            h.clock.ppm = ppm;
            h.clock.version += 1;
            h.tasks.values().cloned().collect()
        });
        // Sleeps that began at the old rate set their timers anew.
        for task in tasks {
            Self::wake(&task);
        }
    }

    /// Sets a host's wall clock forward, or back if negative. Its monotonic clock does not notice.
    pub fn jump_wall_ms(&self, host: Host, by_ms: i64) {
        self.event(format_args!("wall clock of {host} jumps by {by_ms} ms"));
        self.with_host(host, |h| h.clock.wall_offset_ms += by_ms);
    }

    /// What a host's wall clock shows beyond the date the run began, in milliseconds.
    pub(super) fn wall_elapsed_ms(&self, host: Host) -> i64 {
        let now = virtual_nanos();
        self.with_host(host, |h| {
            let start = clock_start(self.shared.seed, host);
            let local = h.clock.local(now) - start;
            // Nanoseconds of a u64 are milliseconds of an i64 by far.
            (local / 1_000_000) as i64 + h.clock.wall_offset_ms
        })
    }

    /// Notes something that happened, with its virtual time and the host that runs. Equal runs
    /// note equal events.
    pub fn event(&self, what: impl fmt::Display) {
        let host = CURRENT.with(|c| c.borrow().as_ref().map_or(Host::Outside, |c| c.life.host));
        let line = format!("{:>13.6} {host}: {what}", self.now().as_secs_f64());
        let mut state = self.state();
        state.fingerprint = xxh3_64_with_seed(line.as_bytes(), state.fingerprint);
        if let Some(events) = &mut state.events {
            events.push(line);
        }
    }

    /// Keeps events from now on, for [`take_events`](Self::take_events).
    pub fn record_events(&self) {
        self.state().events.get_or_insert_default();
    }

    /// The events kept since the last call.
    pub fn take_events(&self) -> Vec<String> {
        self.state().events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A hash over all events and over which task ran when. Equal runs have equal ones.
    pub fn fingerprint(&self) -> u64 {
        self.state().fingerprint
    }

    /// Calls a function after each end of a life, once its tasks are gone.
    pub(super) fn on_crash(&self, hook: impl Fn(Host, Crash) + Send + Sync + 'static) {
        self.state().crash_hooks.push(Arc::new(hook));
    }

    /// Makes the blocking work now running take longer.
    pub(super) fn charge_blocking(&self, cost: Duration) {
        self.state().blocking_cost += cost;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    fn with_host<T>(&self, host: Host, f: impl FnOnce(&mut HostState) -> T) -> T {
        let seed = self.shared.seed;
        let mut state = self.state();
        let state = state.hosts.entry(host).or_insert_with(|| HostState {
            generation: 0,
            paused: false,
            tasks: BTreeMap::new(),
            clock: Clock {
                base_virtual: 0,
                base_local: clock_start(seed, host),
                ppm: 0,
                version: 0,
                wall_offset_ms: 0,
            },
            draws: 0,
            crash_waiters: Vec::new(),
        });
        f(state)
    }

    fn report_panic(&self, task: &Task, payload: &(dyn Any + Send)) {
        let message = panic_message(payload);
        *lock(&task.panic) = Some(message.clone());
        let waker = {
            let mut state = self.state();
            state.panics.push(format!("a task of {} panicked: {message}", task.life.host));
            state.main_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.shared.seed).finish_non_exhaustive()
    }
}

/// Monotonic clocks of hosts start hours apart, so that an instant of one host means nothing to
/// another, as on real machines.
fn clock_start(seed: u64, host: Host) -> u64 {
    CLOCK_START_NANOS + mix(seed, host.stream()) % (3_600 * 1_000_000_000)
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "with something that is not a text".to_owned()
    }
}

/// What the runtime below polls for a task.
struct Shell {
    world: World,
    task: Arc<Task>,
}

impl Future for Shell {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { world, task } = &*self;
        let life = task.life;
        *lock(&task.waker) = Some(cx.waker().clone());
        let over = world.state().over;
        let (alive, paused) =
            world.with_host(life.host, |h| (h.generation == life.generation, h.paused));
        if over || !alive {
            world.drop_future(life, task);
            return Poll::Ready(());
        }
        if paused {
            *lock(&task.held) = true;
            return Poll::Pending;
        }
        let Some(mut future) = lock(&task.future).take() else { return Poll::Ready(()) };
        {
            let mut state = world.state();
            let step = virtual_nanos() ^ mix(task.id, life.host.stream());
            state.fingerprint = mix(state.fingerprint, step);
        }
        let polled = {
            let _entered = Entered::new(world, life);
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        };
        match polled {
            Ok(Poll::Pending) if world.is_alive(life) => {
                *lock(&task.future) = Some(future);
                return Poll::Pending;
            }
            Ok(_) => {}
            Err(payload) => world.report_panic(task, payload.as_ref()),
        }
        *lock(&task.future) = Some(future);
        world.drop_future(life, task);
        world.with_host(life.host, |h| h.tasks.remove(&task.id));
        Poll::Ready(())
    }
}

/// Runs a test in a world made from a seed, and gives its outcome. Panics if a task of the test
/// panics, whosever it is.
pub fn run<T, F>(seed: u64, test: impl FnOnce(World) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    // A fresh thread, for what threads remember.
    let thread = std::thread::Builder::new().name(format!("seed {seed}")).stack_size(STACK_BYTES);
    let thread = thread.spawn(move || {
        entropy::seed_thread(seed);
        let mut runtime = NodeRuntime::with_seed(seed);
        let world = runtime.world();
        runtime.block_on(async move { test(world).await })
    });
    // A machine that cannot start a thread runs no tests.
    match thread.expect("a thread").join() {
        Ok(outcome) => outcome,
        Err(payload) => resume_unwind(payload),
    }
}

/// A runtime of many hosts in one thread on virtual time.
pub struct NodeRuntime {
    inner: SimRuntime,
    world: World,
}

impl NodeRuntime {
    /// A runtime with everything random taken from a seed.
    pub fn with_seed(seed: u64) -> Self {
        Self { inner: SimRuntime::with_seed(seed), world: World::new(seed) }
    }

    /// Its hosts.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// Keeps what the scheduler does from now on (every spawn, poll, wake and timer), for
    /// [`take_schedule`](Self::take_schedule).
    pub fn record_schedule(&mut self) {
        self.inner.record_trace(true);
    }

    /// What the scheduler did since the last call.
    pub fn take_schedule(&self) -> Vec<String> {
        self.inner.take_trace()
    }
}

impl fmt::Debug for NodeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeRuntime").field("world", &self.world).finish_non_exhaustive()
    }
}

impl Drop for NodeRuntime {
    fn drop(&mut self) {
        // Destructors of tasks read clocks and cancel timers; they do so inside the runtime, and
        // as the lives they belong to. What a destructor spawns is dropped in the next round.
        let world = self.world.clone();
        world.state().over = true;
        self.inner.block_on(async {
            loop {
                let tasks: Vec<_> = {
                    let mut state = world.state();
                    let hosts = state.hosts.values_mut();
                    hosts.flat_map(|h| std::mem::take(&mut h.tasks).into_values()).collect()
                };
                if tasks.is_empty() {
                    break;
                }
                for task in tasks {
                    world.drop_future(task.life, &task);
                }
            }
            let mut state = world.state();
            let kept = (
                std::mem::take(&mut state.crash_hooks),
                state.main_waker.take(),
                state
                    .hosts
                    .values_mut()
                    .map(|h| std::mem::take(&mut h.crash_waiters))
                    .collect::<Vec<_>>(),
            );
            drop(state);
            drop(kept);
        });
    }
}

/// A task's outcome. Dropping it lets the task run on.
pub struct NodeJoinHandle<T> {
    receiver: oneshot::Receiver<T>,
    task: Arc<Task>,
}

/// Why a task has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeJoinError {
    /// It panicked.
    #[error("task panicked: {0}")]
    Panic(String),
    /// Its host crashed.
    #[error("task cancelled: its host crashed")]
    Cancelled,
}

impl<T> Future for NodeJoinHandle<T> {
    type Output = Result<T, NodeJoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.receiver).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(outcome)) => Poll::Ready(Ok(outcome)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(match lock(&self.task.panic).clone() {
                Some(message) => NodeJoinError::Panic(message),
                None => NodeJoinError::Cancelled,
            })),
        }
    }
}

/// What a host's monotonic clock shows, in nanoseconds. Instants of different hosts cannot be
/// compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeInstant(u64);

impl NodeInstant {
    /// Nanoseconds since the clock's own start.
    pub fn nanos(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for NodeInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

fn nanos(duration: Duration) -> u64 {
    // "Never" is a common duration; 584 years are as good.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for NodeInstant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl AddAssign<Duration> for NodeInstant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for NodeInstant {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.checked_sub(nanos(rhs)).expect("an instant before the clock's start"))
    }
}

impl SubAssign<Duration> for NodeInstant {
    fn sub_assign(&mut self, rhs: Duration) {
        *self = *self - rhs;
    }
}

impl Sub for NodeInstant {
    type Output = Duration;

    /// Zero if the other is later, as with [`std::time::Instant`].
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

impl Instant for NodeInstant {
    #[track_caller]
    fn now() -> Self {
        let host = World::current_life().host;
        let now = virtual_nanos();
        Self(World::current().with_host(host, |h| h.clock.local(now)))
    }
}

/// Ends when the clock of the host that made it shows a deadline.
pub struct NodeSleep {
    world: World,
    host: Host,
    deadline: u64,
    timer: Option<(u64, SimSleep)>,
}

impl Future for NodeSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = virtual_nanos();
            let (local, version, due) = this.world.with_host(this.host, |h| {
                (h.clock.local(now), h.clock.version, h.clock.virtual_at(this.deadline))
            });
            if local >= this.deadline {
                this.timer = None;
                return Poll::Ready(());
            }
            if this.timer.as_ref().is_none_or(|(set_at, _)| *set_at != version) {
                let wait = due.saturating_sub(now).clamp(1, u64::MAX / 4);
                this.timer = Some((version, SimRuntime::sleep(Duration::from_nanos(wait))));
            }
            if let Some((_, timer)) = &mut this.timer {
                match Pin::new(timer).poll(cx) {
                    Poll::Ready(()) => this.timer = None,
                    Poll::Pending => return Poll::Pending,
                }
            }
        }
    }
}

/// A future with a deadline.
pub struct NodeTimeout<F> {
    future: Pin<Box<F>>,
    sleep: NodeSleep,
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

impl<F: Future> Future for NodeTimeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut self.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

impl AsyncRuntime for NodeRuntime {
    type JoinError = NodeJoinError;
    type JoinHandle<T: OptionalSend + 'static> = NodeJoinHandle<T>;
    type Sleep = NodeSleep;
    type Instant = NodeInstant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = NodeTimeout<T>;
    type ThreadLocalRng = SmallRng;

    /// A task of the running life. In a life that ended, as from a destructor, it never runs.
    #[track_caller]
    fn spawn<T>(future: T) -> NodeJoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let world = World::current();
        let life = World::current_life();
        let (sender, receiver) = oneshot::channel();
        let observer = world.clone();
        let future: BoxedTask = Box::pin(async move {
            let outcome = future.await;
            // A task that brought its own host down tells nobody what came after.
            if observer.is_alive(life) {
                // Nobody may wait for it.
                let _ = sender.send(outcome);
            }
        });
        let id = {
            let mut state = world.state();
            state.next_task += 1;
            state.next_task
        };
        let task = Arc::new(Task {
            id,
            life,
            future: Mutex::new(Some(future)),
            waker: Mutex::new(None),
            held: Mutex::new(false),
            panic: Mutex::new(None),
        });
        world.with_host(life.host, |h| {
            if h.generation == life.generation {
                h.tasks.insert(id, task.clone());
            }
        });
        // The runtime below sees the end of the shell only; outcomes go their own way.
        drop(SimRuntime::spawn(Shell { world, task: task.clone() }));
        NodeJoinHandle { receiver, task }
    }

    #[track_caller]
    fn sleep(duration: Duration) -> NodeSleep {
        Self::sleep_until(NodeInstant::now() + duration)
    }

    #[track_caller]
    fn sleep_until(deadline: NodeInstant) -> NodeSleep {
        let host = World::current_life().host;
        NodeSleep { world: World::current(), host, deadline: deadline.0, timer: None }
    }

    #[track_caller]
    fn timeout<R, F>(duration: Duration, future: F) -> NodeTimeout<F>
    where
        F: Future<Output = R> + OptionalSend,
    {
        NodeTimeout { future: Box::pin(future), sleep: Self::sleep(duration) }
    }

    #[track_caller]
    fn timeout_at<R, F>(deadline: NodeInstant, future: F) -> NodeTimeout<F>
    where
        F: Future<Output = R> + OptionalSend,
    {
        NodeTimeout { future: Box::pin(future), sleep: Self::sleep_until(deadline) }
    }

    fn is_panic(join_error: &NodeJoinError) -> bool {
        matches!(join_error, NodeJoinError::Panic(_))
    }

    /// Numbers from the running host's own stream, so that what one host draws does not depend on
    /// how often others did.
    #[track_caller]
    fn thread_rng() -> SmallRng {
        let world = World::current();
        let host = World::current_life().host;
        let draw = world.with_host(host, |h| {
            h.draws += 1;
            h.draws
        });
        SmallRng::seed_from_u64(mix(mix(world.seed(), host.stream()), draw))
    }

    // Channels and the mutex as they are: they wake in the order of waiting and know no runtime.
    type Mpsc = <SimRuntime as AsyncRuntime>::Mpsc;
    type Watch = <SimRuntime as AsyncRuntime>::Watch;
    type Oneshot = <SimRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::Mutex<T>;

    /// A runtime of seed 0, whatever the number of threads: there is one.
    fn new(_threads: usize) -> Self {
        Self::with_seed(0)
    }

    /// Runs a future as the code outside all nodes. Panics as soon as any task has panicked.
    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        let world = self.world.clone();
        let outside = world.life(Host::Outside);
        let mut future = Box::pin(future);
        self.inner.block_on(poll_fn(|cx| {
            world.state().main_waker = Some(cx.waker().clone());
            let polled = {
                let _entered = Entered::new(&world, outside);
                future.as_mut().poll(cx)
            };
            let panics = std::mem::take(&mut world.state().panics);
            assert!(panics.is_empty(), "{}", panics.join("\n"));
            polled
        }))
    }

    /// Runs the work in one go, after a wait for a thread; what [`SimDisk`](super::SimDisk) says it
    /// cost is waited for before its outcome is told.
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let wait = Self::thread_rng().random_range(Duration::ZERO..BLOCKING_DELAY_MAX);
        let task = Self::spawn(async move {
            Self::sleep(wait).await;
            let world = World::current();
            world.state().blocking_cost = Duration::ZERO;
            let outcome = f();
            let cost = std::mem::take(&mut world.state().blocking_cost);
            if !cost.is_zero() {
                Self::sleep(cost).await;
            }
            outcome
        });
        async move { task.await.map_err(io::Error::other) }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicU64, Ordering};

    use node::seams::WallClock;

    use super::*;
    use crate::sim::SimWallClock;
    use crate::sim::clock::START_MS;

    const NODE: Host = Host::Node(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// Counts what ran, 100 times a second.
    fn ticking(counter: &Arc<AtomicU64>) -> impl Future<Output = ()> + Send + use<> {
        let counter = counter.clone();
        async move {
            loop {
                NodeRuntime::sleep(Duration::from_millis(10)).await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_crashed_node_runs_nothing() {
        run(1, |world| async move {
            let counter = Arc::new(AtomicU64::new(0));
            let other = Arc::new(AtomicU64::new(0));
            let task = world.spawn_on(NODE, ticking(&counter));
            // What a task spawns dies with it.
            let inner = ticking(&counter);
            world.spawn_on(NODE, async move { drop(NodeRuntime::spawn(inner)) });
            world.spawn_on(Host::Node(2), ticking(&other));
            world.sleep(SECOND).await;
            world.crash(NODE);
            let at_crash = counter.load(Ordering::Relaxed);
            assert_eq!(task.await, Err(NodeJoinError::Cancelled));
            world.sleep(SECOND).await;
            assert!(at_crash >= 190);
            assert_eq!(counter.load(Ordering::Relaxed), at_crash);
            assert!(other.load(Ordering::Relaxed) >= 190);
        });
    }

    #[test]
    fn a_crash_drops_what_its_tasks_hold_at_once_and_in_the_life_that_ends() {
        struct Witness(Arc<Mutex<Vec<(Life, bool)>>>);
        impl Drop for Witness {
            fn drop(&mut self) {
                let life = World::current_life();
                let alive = World::current().is_alive(life);
                lock(&self.0).push((life, alive));
                // A task spawned by a destructor never runs.
                drop(NodeRuntime::spawn(async { panic!("runs after the crash") }));
            }
        }
        run(1, |world| async move {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let witness = Witness(seen.clone());
            let life = world.life(NODE);
            world.spawn_on(NODE, async move {
                let _witness = witness;
                std::future::pending::<()>().await;
            });
            world.sleep(SECOND).await;
            world.crash(NODE);
            assert_eq!(*lock(&seen), [(life, false)]);
            world.sleep(SECOND).await;
        });
    }

    #[test]
    fn a_node_may_crash_itself_and_somebody_may_wait_for_it() {
        run(1, |world| async move {
            let life = world.life(NODE);
            let inner = world.clone();
            let task = world.spawn_on(NODE, async move {
                NodeRuntime::sleep(SECOND).await;
                inner.crash(NODE);
                std::future::pending::<()>().await;
            });
            world.ended(life).await;
            assert_eq!(world.now(), SECOND);
            assert_eq!(task.await, Err(NodeJoinError::Cancelled));
            assert_eq!(world.spawn_on(NODE, async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn a_paused_node_resumes_where_it_was() {
        run(1, |world| async move {
            let counter = Arc::new(AtomicU64::new(0));
            world.spawn_on(NODE, ticking(&counter));
            world.sleep(SECOND).await;
            world.pause(NODE);
            let at_pause = counter.load(Ordering::Relaxed);
            world.sleep(10 * SECOND).await;
            assert_eq!(counter.load(Ordering::Relaxed), at_pause);
            world.resume(NODE);
            world.sleep(SECOND).await;
            // One late tick, then at the old pace: a pause is not made up for.
            let since = counter.load(Ordering::Relaxed) - at_pause;
            assert!((98..=101).contains(&since), "{since}");
        });
    }

    #[test]
    fn the_clock_of_a_paused_node_goes_on() {
        run(1, |world| async move {
            let before = world.within(NODE, NodeInstant::now);
            world.pause(NODE);
            world.sleep(10 * SECOND).await;
            world.resume(NODE);
            assert_eq!(world.within(NODE, NodeInstant::now) - before, 10 * SECOND);
        });
    }

    #[test]
    fn drift_shows_in_sleeps_instants_and_wall_time() {
        run(1, |world| async move {
            let wall = SimWallClock::new(&world, NODE);
            assert_eq!(wall.now_ms(), START_MS);
            world.set_drift_ppm(NODE, 100_000);
            let task = world.spawn_on(NODE, async {
                let began = NodeInstant::now();
                NodeRuntime::sleep(11 * SECOND).await;
                NodeInstant::now() - began
            });
            assert_eq!(task.await, Ok(11 * SECOND));
            assert_eq!(world.now(), 10 * SECOND);
            assert_eq!(wall.now_ms(), START_MS + 11_000);
        });
    }

    #[test]
    fn a_change_of_drift_moves_sleeps_under_way() {
        run(1, |world| async move {
            let sleeper = world.within(NODE, || NodeRuntime::sleep(10 * SECOND));
            let task = world.spawn_on(NODE, sleeper);
            world.sleep(5 * SECOND).await;
            world.set_drift_ppm(NODE, 1_000_000);
            task.await.expect("no crash");
            assert_eq!(world.now(), Duration::from_millis(7_500));
        });
    }

    #[test]
    fn a_wall_clock_jumps_and_the_monotonic_one_does_not_notice() {
        run(1, |world| async move {
            let wall = SimWallClock::new(&world, NODE);
            let before = world.within(NODE, NodeInstant::now);
            world.jump_wall_ms(NODE, -3_600_000);
            assert_eq!(wall.now_ms(), START_MS - 3_600_000);
            assert_eq!(world.within(NODE, NodeInstant::now), before);
            assert_eq!(SimWallClock::new(&world, Host::Node(2)).now_ms(), START_MS);
        });
    }

    #[test]
    fn blocking_work_runs_after_a_moment_and_takes_what_it_cost() {
        run(1, |world| async move {
            let inner = world.clone();
            let work = move || {
                inner.charge_blocking(SECOND);
                7
            };
            let task = world.spawn_on(NODE, async { NodeRuntime::spawn_blocking(work).await });
            assert_eq!(task.await.expect("no crash").expect("no panic"), 7);
            assert!(world.now() >= SECOND && world.now() < SECOND + BLOCKING_DELAY_MAX);
        });
    }

    #[test]
    fn a_panic_of_any_task_fails_the_run() {
        let outcome = catch_unwind(|| {
            run(1, |world| async move {
                world.spawn_on(NODE, async { panic!("a bug") });
                world.sleep(SECOND).await;
            });
        });
        let payload = outcome.expect_err("the run fails");
        let message = panic_message(payload.as_ref());
        assert!(message.contains("node-1") && message.contains("a bug"), "{message}");
    }

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_one_another() {
        let fingerprint = |seed| {
            run(seed, |world| async move {
                for node in 1..=3 {
                    world.spawn_on(Host::Node(node), async move {
                        loop {
                            let wait = NodeRuntime::thread_rng().random_range(1..50);
                            NodeRuntime::sleep(Duration::from_millis(wait)).await;
                            World::current().event("tick");
                        }
                    });
                }
                world.sleep(SECOND).await;
                world.crash(NODE);
                world.sleep(SECOND).await;
                world.fingerprint()
            })
        };
        assert_eq!(fingerprint(1), fingerprint(1));
        assert_ne!(fingerprint(1), fingerprint(2));
    }
}
