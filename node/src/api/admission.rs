//! Lets streams be opened at a bounded rate, in the order in which they came.
//!
//! After a city or a node is lost, all its desktops come at once. Each log-in is a command that goes
//! before arrivals, so a rush would push work aside; spread over some seconds nobody notices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft_rt::{AsyncRuntime, Instant as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// How long a stream waits to be opened. 10,000 log-ins take 10 s on one node; three times that is
/// when everybody is to be back.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How many are let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// In a second, once the first have gone ahead.
    pub(super) per_second: u32,
    /// Under way at a time; as many go ahead after a quiet while.
    pub(super) at_once: usize,
    /// That may wait; more are turned away.
    pub(super) waiting_max: usize,
}

/// Log-ins: 10,000 agents in 10 s, a third of the time there is. Of the 100,000 commands a second
/// that a cluster takes these are 1 % per node. As many may wait as there may be connections.
pub(super) const LOG_INS: Rate = Rate { per_second: 1_000, at_once: 64, waiting_max: 16_384 };
/// Front ends: few, and each is a look at all contacts when it goes.
pub(super) const ATTACHMENTS: Rate = Rate { per_second: 100, at_once: 16, waiting_max: 1_024 };

/// Lets streams be opened.
pub(super) struct Admission<RT: AsyncRuntime> {
    rate: Rate,
    /// None are free until the doors open.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// When the next one would be due if all came evenly. A token bucket, seen from the other side
    /// (the generic cell rate algorithm).
    due: Mutex<Option<RT::Instant>>,
}

/// Lets one more in when it is dropped.
pub(super) type Admitted = OwnedSemaphorePermit;

impl<RT: AsyncRuntime> Admission<RT> {
    /// Lets nobody in yet.
    pub(super) fn new(rate: Rate) -> Self {
        let places = Arc::new(Semaphore::new(0));
        Self { rate, places, waiting: AtomicUsize::new(0), due: Mutex::new(None) }
    }

    /// From now on streams are let in; once.
    pub(super) fn open(&self) {
        self.places.add_permits(self.rate.at_once);
    }

    /// From now on nobody is let in, also of those who wait.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// Waits until it is this one's turn.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` if too many wait, if it takes too long, or if the node ends.
    pub(super) async fn enter(&self) -> Result<Admitted, Status> {
        let _waiting = Waiting::take(&self.waiting, self.rate.waiting_max)?;
        let place = RT::timeout(WAIT_MAX, self.places.clone().acquire_owned()).await;
        let place = match place {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(Status::unavailable("this node is ending; try another")),
            Err(_) => {
                let words = "this node could not open the stream in time: it is starting, nobody \
                             leads, or too many come at once; try again in a moment, or another node";
                return Err(Status::unavailable(words));
            }
        };
        // At most `at_once` wait here, so that it takes no more than a second at any sensible rate.
        let delay = self.delay();
        if !delay.is_zero() {
            RT::sleep(delay).await;
        }
        Ok(place)
    }

    /// How long the next one has to wait so that the rate is kept.
    fn delay(&self) -> Duration {
        let interval = Duration::from_secs(1) / self.rate.per_second;
        let ahead = interval * u32::try_from(self.rate.at_once).unwrap_or(u32::MAX);
        let now = RT::Instant::now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = due.map_or(now, |due| due.max(now)) + interval;
        *due = Some(next);
        next.saturating_duration_since(now).saturating_sub(ahead)
    }
}

/// One of those who may wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Result<Self, Status> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let taken = Self(waiting);
        if before >= max {
            let words = format!(
                "{max} streams wait to be opened on this node; try another, or \
                                 again in some seconds"
            );
            return Err(Status::unavailable(words));
        }
        Ok(taken)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use openraft_rt_tokio::TokioRuntime;

    use super::*;

    type TestAdmission = Admission<TokioRuntime>;

    const RATE: Rate = Rate { per_second: 100, at_once: 4, waiting_max: 50 };

    fn open(rate: Rate) -> Arc<TestAdmission> {
        let admission = Arc::new(TestAdmission::new(rate));
        admission.open();
        admission
    }

    /// When each of so many was let in, in ms.
    async fn entered(admission: &Arc<TestAdmission>, count: usize) -> Vec<(usize, u128)> {
        let started = tokio::time::Instant::now();
        let (to, mut entered) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..count {
            let (admission, to) = (admission.clone(), to.clone());
            TokioRuntime::spawn(async move {
                let _place = admission.enter().await.unwrap();
                to.send((number, started.elapsed().as_millis())).unwrap();
            });
        }
        drop(to);
        let mut all = Vec::new();
        while let Some(one) = entered.recv().await {
            all.push(one);
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_rush_is_spread_and_keeps_its_order() {
        let all = entered(&open(RATE), 44).await;
        assert!(all.iter().map(|(number, _)| *number).eq(0..44), "{all:?}");
        assert!(all[..4].iter().all(|(_, ms)| *ms == 0), "some go ahead: {all:?}");
        let (_, last) = all[43];
        assert!((400..=420).contains(&last), "then 100 a second: {all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_are_in_within_a_third_of_thirty_seconds() {
        let all = entered(&open(LOG_INS), 10_000).await;
        let (_, last) = all[9_999];
        assert!((9_800..=11_000).contains(&last), "{last}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_told() {
        let admission = open(RATE);
        let mut places = Vec::new();
        for _ in 0..RATE.at_once {
            places.push(admission.enter().await.unwrap());
        }
        let mut next = std::pin::pin!(admission.enter());
        assert!((&mut next).now_or_never().is_none());
        drop(places.pop());
        assert!(next.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_are_turned_away_with_what_to_do() {
        let admission = Arc::new(TestAdmission::new(RATE));
        let waiting: Vec<_> = (0..RATE.waiting_max)
            .map(|_| {
                let admission = admission.clone();
                TokioRuntime::spawn(async move { admission.enter().await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        let refused = admission.enter().await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        assert!(refused.message().contains("try another"), "{refused}");
        // Before the doors open nobody is let in, and nobody waits for ever.
        for waits in waiting {
            let late = waits.await.unwrap().unwrap_err();
            assert!(late.message().contains("in time"), "{late}");
        }
        admission.open();
        assert!(admission.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_ends_lets_nobody_wait() {
        let admission = Arc::new(TestAdmission::new(RATE));
        let waits = admission.clone();
        let waits = TokioRuntime::spawn(async move { waits.enter().await.map(drop) });
        tokio::task::yield_now().await;
        admission.close();
        let refused = waits.await.unwrap().unwrap_err();
        assert!(refused.message().contains("ending"), "{refused}");
    }
}
