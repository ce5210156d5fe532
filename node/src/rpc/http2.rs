//! What HTTP/2 needs of a runtime: tasks and timers.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use openraft_rt::{AsyncRuntime, Instant as _};

/// Spawns hyper's tasks.
pub struct Executor<RT>(PhantomData<fn() -> RT>);

impl<RT> Default for Executor<RT> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<RT> Clone for Executor<RT> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<RT, F> hyper::rt::Executor<F> for Executor<RT>
where
    RT: AsyncRuntime,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        // Dropping the handle leaves the task running.
        drop(RT::spawn(task));
    }
}

/// Tells hyper the time.
///
/// hyper counts in [`Instant`], a runtime in its own instants; both count from one moment, that of
/// the timer's creation.
pub struct Timer<RT: AsyncRuntime> {
    start: Instant,
    start_there: RT::Instant,
}

impl<RT: AsyncRuntime> Timer<RT> {
    /// A timer that starts now.
    #[expect(clippy::disallowed_methods, reason = "only differences to it are told to anybody")]
    pub fn start() -> Self {
        Self { start: Instant::now(), start_there: RT::Instant::now() }
    }
}

impl<RT: AsyncRuntime> Clone for Timer<RT> {
    fn clone(&self) -> Self {
        Self { start: self.start, start_there: self.start_there }
    }
}

impl<RT: AsyncRuntime> hyper::rt::Timer for Timer<RT> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(Mutex::new(Box::pin(RT::sleep(duration)))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.start + RT::Instant::now().saturating_duration_since(self.start_there)
    }
}

/// The lock is never contended: it makes a future that can be sent one that can be shared, which
/// hyper asks for.
struct Sleep(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl hyper::rt::Sleep for Sleep {}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
