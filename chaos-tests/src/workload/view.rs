//! A watch that is opened again, on another node if it must be, where it was.

use std::sync::Arc;
use std::time::Duration;

use openraft_rt::AsyncRuntime;

use super::client::Client;
use super::{Door, Seen, Watch};
use crate::history::{Recorder, ResumeToken};

/// How soon a watch is opened again by somebody who only watches.
const REOPEN_AFTER: Duration = Duration::from_millis(200);

/// A watch that goes on.
pub(crate) struct View<D: Door> {
    name: String,
    door: Arc<D>,
    recorder: Recorder,
    nodes: Vec<u64>,
    /// Position of the node it is on, or will be on.
    pub(crate) at: usize,
    token: Option<ResumeToken>,
    open: Option<D::Watch>,
}

impl<D: Door> View<D> {
    pub(crate) fn new(client: &Client<D>, name: &str, at: usize) -> Self {
        Self {
            name: name.to_owned(),
            door: client.door.clone(),
            recorder: client.recorder.clone(),
            nodes: client.plan.nodes.iter().map(|(node, _)| node.0).collect(),
            at,
            token: None,
            open: None,
        }
    }

    /// Goes on at another node.
    pub(crate) fn move_to(&mut self, at: usize) {
        (self.at, self.open) = (at, None);
    }

    /// Opens the watch if it is not open; otherwise it is on the next node then.
    pub(crate) async fn ready<RT: AsyncRuntime>(&mut self, patience: Duration) -> bool {
        if self.open.is_some() {
            return true;
        }
        let node = self.nodes[self.at % self.nodes.len()];
        self.recorder.watch_asked(&self.name, node, self.token);
        let opening = self.door.watch(node, self.token);
        self.open = RT::timeout(patience, opening).await.ok().flatten();
        if self.open.is_none() {
            self.end();
        }
        self.open.is_some()
    }

    /// Sees what there is to see for as long as there is anything.
    pub(crate) async fn follow<RT: AsyncRuntime>(mut self, patience: Duration) {
        loop {
            if self.ready::<RT>(patience).await {
                let _recorded = self.next().await;
            } else {
                RT::sleep(REOPEN_AFTER).await;
            }
        }
    }

    /// Wants to see no more.
    pub(crate) fn close(self) {
        self.recorder.watch_closed(&self.name);
    }

    fn end(&mut self) {
        self.recorder.watch_ended(&self.name);
        (self.at, self.open) = (self.at + 1, None);
    }

    /// The next thing to see. After [`Seen::Ended`] it is on the next node; then, and after
    /// [`Seen::Compacted`], it is to be opened again.
    pub(crate) async fn next(&mut self) -> Seen {
        let seen = match &mut self.open {
            Some(watch) => watch.next().await,
            None => return Seen::Ended,
        };
        match &seen {
            Seen::Listed { token, contacts } => {
                self.recorder.watch_listed(&self.name, *token, contacts.clone());
                self.token = Some(*token);
            }
            Seen::Entry { token, events } => {
                self.recorder.watch_entry(&self.name, *token, events);
                self.token = Some(*token);
            }
            Seen::Compacted => {
                self.recorder.watch_compacted(&self.name);
                (self.token, self.open) = (None, None);
            }
            Seen::Ended => self.end(),
        }
        seen
    }
}
