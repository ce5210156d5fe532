//! The configuration of the whole centre.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::catalogue::{CalendarEntry, Skill};
use crate::centre::Centre;
use crate::config::{AgentConfig, Calendar, QueueConfig, Settings, SiteConfig};
use crate::ids::Revision;
use crate::queue::Queue;
use crate::roles::Principal;
use crate::site::Site;
use crate::table::{Entity, Fork, Slot};

/// A configured object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// A site.
    Site(SiteConfig),
    /// A skill.
    Skill(Skill),
    /// Opening hours.
    Calendar(Calendar),
    /// A queue.
    Queue(Arc<QueueConfig>),
    /// The roster entry of an agent.
    Agent(Arc<AgentConfig>),
    /// A principal with roles given by hand.
    Principal(Principal),
    /// The settings of the centre.
    Settings(Settings),
}

/// The configuration as it was at one moment, whatever became of it since.
pub struct Configuration {
    sites: Fork<Site>,
    skills: Fork<Skill>,
    calendars: Fork<CalendarEntry>,
    queues: Fork<Queue>,
    agents: Fork<Agent>,
    principals: Fork<Principal>,
    settings: (Settings, Revision),
}

impl Centre {
    /// The configuration as it is now, between two entries.
    pub fn configuration(&self) -> Configuration {
        Configuration {
            sites: self.sites.fork(),
            skills: self.skills.fork(),
            calendars: self.calendars.fork(),
            queues: self.queues.fork(),
            agents: self.agents.fork(),
            principals: self.principals.fork(),
            settings: (self.settings.clone(), self.settings_revision),
        }
    }
}

impl Configuration {
    /// The objects with their revisions: kind by kind, each after what it refers to, by id.
    ///
    /// Whoever takes their time with them holds no pages that change with every command: of queues
    /// and agents only the configuration is kept.
    pub fn objects(self) -> impl Iterator<Item = (Configured, Revision)> + Send + 'static {
        let Self { sites, skills, calendars, queues, agents, principals, settings } = self;
        let sites = each(&sites, |s| (Configured::Site(s.config.clone()), s.revision));
        let queues = each(&queues, |q| (Configured::Queue(q.config.clone()), q.revision));
        let agents = each(&agents, |a| (Configured::Agent(a.config.clone()), a.revision));
        let skills = later(skills, |s| (Configured::Skill(s.clone()), s.revision));
        let calendars = later(calendars, |c| (Configured::Calendar(c.config.clone()), c.revision));
        let principals = later(principals, |p| (Configured::Principal(p.clone()), p.revision));
        let (settings, revision) = settings;
        sites
            .into_iter()
            .chain(skills)
            .chain(calendars)
            .chain(queues)
            .chain(agents)
            .chain(principals)
            .chain([(Configured::Settings(settings), revision)])
    }
}

type Object = (Configured, Revision);

fn by_id<T: Entity>(table: &Fork<T>) -> Vec<Slot<T>> {
    let mut slots: Vec<_> = table.slots().collect();
    slots.sort_unstable_by(|a, b| table.get(*a).key().cmp(table.get(*b).key()));
    slots
}

/// Each object now: of tables that change all the time.
fn each<T: Entity>(table: &Fork<T>, object: impl Fn(&T) -> Object) -> Vec<Object> {
    by_id(table).into_iter().map(|slot| object(table.get(slot))).collect()
}

/// Each object when it is asked for: of tables that hardly change.
fn later<T: Entity>(table: Fork<T>, object: impl Fn(&T) -> Object) -> impl Iterator<Item = Object> {
    by_id(&table).into_iter().map(move |slot| object(table.get(slot)))
}
