//! Ctrl-C and SIGTERM: asked once, told twice.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often somebody wanted this program to end.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (count, counted) = watch::channel(0);
        // Ends with the runtime.
        tokio::spawn(async move {
            loop {
                let more = tokio::select! {
                    more = interrupt.recv() => more,
                    more = terminate.recv() => more,
                };
                if more.is_none() {
                    return;
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(counted))
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        self.times(1).await;
    }

    /// Waits until somebody asks again.
    pub async fn told(&self) {
        self.times(2).await;
    }

    async fn times(&self, wanted: u32) {
        let mut count = self.0.clone();
        if count.wait_for(|count| *count >= wanted).await.is_err() {
            // Nobody listens any more: nobody will ask.
            std::future::pending().await
        }
    }
}
