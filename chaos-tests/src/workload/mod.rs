//! The people and machines of a contact centre, as clients of a cluster under test: front ends
//! that put contacts in, desktops that take them, an administrator, a supervisor.
//!
//! They reach the cluster through a [`Door`], whatever is behind it, and run on any runtime. All
//! they decide is drawn from the seed; every call and everything a watch shows is recorded.
//!
//! ```text
//! Floor::open → set_up → serve (parties come and go, misbehave, repeat themselves)
//!            → the faults are taken back → finish (everybody serves until nobody waits)
//! ```

mod client;
mod coverage;
mod desktop;
mod dice;
mod ingress;
mod setup;
mod supervisor;
mod view;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use acd::command::Submission;
use acd::event::Event;
use acd::ids::{NodeId, PrincipalId, SiteId};
use openraft_rt::AsyncRuntime;

use crate::history::{Contacts, Outcome, Recorder, ResumeToken};
use client::Client;
use view::View;

pub use coverage::Coverage;
pub(crate) use dice::Dice;

/// What one reading of a watch yields.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Everything as of the token; the first thing a watch without a token sees.
    Listed {
        /// What to resume with.
        token: ResumeToken,
        /// The live contacts.
        contacts: Contacts,
    },
    /// What happened in one entry.
    Entry {
        /// What to resume with.
        token: ResumeToken,
        /// All of it.
        events: Arc<Vec<Event>>,
    },
    /// What the token points to is gone: list again.
    Compacted,
    /// The connection is gone.
    Ended,
}

/// A watch that was opened. Dropping it closes it.
pub trait Watch: Send + 'static {
    /// The next thing to see. A call that is dropped before it is ready loses nothing.
    fn next(&mut self) -> impl Future<Output = Seen> + Send;
}

/// The way into a cluster under test.
pub trait Door: Send + Sync + 'static {
    /// A watch on a node.
    type Watch: Watch;

    /// Sends a submission to a node and waits for the answer. Whoever calls stops waiting after
    /// [`Plan::patience`]; the outcome is unknown then.
    fn submit(&self, node: u64, submission: Submission) -> impl Future<Output = Outcome> + Send;

    /// Opens a watch on a node; none: it cannot be reached.
    fn watch(
        &self,
        node: u64,
        from: Option<ResumeToken>,
    ) -> impl Future<Output = Option<Self::Watch>> + Send;
}

/// What there is to work with, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that the parties do.
    pub seed: u64,
    /// The nodes that clients may call, with their sites. Sites and nodes exist already: the
    /// cluster is initialised.
    pub nodes: Vec<(NodeId, SiteId)>,
    /// A principal with the roles admin, operator and supervisor.
    pub admin: PrincipalId,
    /// How long the centre is busy.
    pub busy: Duration,
    /// Ms between two arrivals at one front end: at least half of this, at most one and a half.
    pub pace: u64,
    /// How long a client waits for an answer.
    pub patience: Duration,
}

impl Plan {
    /// A busy minute: some 2,000 commands.
    pub fn new(seed: u64, nodes: Vec<(NodeId, SiteId)>, admin: PrincipalId) -> Self {
        let (busy, patience) = (Duration::from_secs(40), Duration::from_secs(2));
        Self { seed, nodes, admin, busy, pace: 550, patience }
    }
}

/// What the parties are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Busy = 0,
    Finishing = 1,
    Over = 2,
}

/// The phase, seen by all.
#[derive(Clone, Debug, Default)]
struct Phases(Arc<AtomicU8>);

impl Phases {
    fn now(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Busy,
            1 => Phase::Finishing,
            _ => Phase::Over,
        }
    }

    fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

/// A contact centre at work.
pub struct Floor<D> {
    plan: Arc<Plan>,
    door: Arc<D>,
    recorder: Recorder,
    phases: Phases,
}

impl<D: Door> Floor<D> {
    /// A floor on which nobody works yet.
    pub fn open(plan: Plan, door: Arc<D>, recorder: Recorder) -> Self {
        Self { plan: Arc::new(plan), door, recorder, phases: Phases::default() }
    }

    fn client(&self, name: &str) -> Client<D> {
        Client::new(name, self.plan.clone(), self.door.clone(), &self.recorder, &self.phases)
    }

    /// Configures the centre.
    ///
    /// # Errors
    ///
    /// Says which command was refused, or never answered.
    pub async fn set_up<RT: AsyncRuntime>(&self) -> Result<(), String> {
        setup::configure::<D, RT>(&mut self.client("administrator")).await
    }

    /// Lets everybody come to work, and lets them work for [`Plan::busy`].
    pub async fn serve<RT: AsyncRuntime>(&self) {
        for (at, (_, site)) in self.plan.nodes.iter().enumerate() {
            let name = format!("edge-{site}");
            // A second node of a site has no front end of its own.
            if self.plan.nodes[..at].iter().any(|(_, earlier)| earlier == site) {
                continue;
            }
            let _detached = RT::spawn(ingress::work::<D, RT>(self.client(&name), at));
        }
        for (number, agent) in setup::agents(&self.plan).into_iter().enumerate() {
            let client = self.client(agent.config.id.as_str());
            let _detached = RT::spawn(desktop::work::<D, RT>(client, agent.node, number % 2 == 0));
        }
        let _detached = RT::spawn(supervisor::work::<D, RT>(self.client("supervisor")));
        RT::sleep(self.plan.busy).await;
    }

    /// Ends the arrivals and serves everybody who is left; whether nobody is left `within` this
    /// time. Nobody asks for anything then; they watch on to the end of the run.
    pub async fn finish<RT: AsyncRuntime>(&self, within: Duration) -> bool {
        self.phases.enter(Phase::Finishing);
        let mut client = self.client("closer");
        setup::reopen::<D, RT>(&mut client).await;
        let until = self.recorder.now() + u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let mut emptied = false;
        while !emptied && self.recorder.now() < until {
            RT::sleep(Duration::from_millis(500)).await;
            let at = client.dice.below(64) as usize;
            let mut view = View::new(&client, "closer", at);
            if view.ready::<RT>(self.plan.patience).await {
                let seen = RT::timeout(self.plan.patience, view.next()).await;
                emptied = matches!(seen, Ok(Seen::Listed { contacts, .. }) if contacts.is_empty());
            }
            view.close();
        }
        self.phases.enter(Phase::Over);
        emptied
    }
}
