//! A queue: where contacts of one purpose wait.

use alloc::{sync::Arc, vec::Vec};

use crate::config::{HeadStart, Overflow, QueueConfig, ServiceTarget, SitePolicy, Step};
use crate::digest::Digest;
use crate::ids::{QueueId, Revision, Seq, SiteId};
use crate::metrics::{Block, QueueCounters};
use crate::table::Entity;
use crate::time::LogTime;

/// Closed at once, whatever the calendar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// When it opens again by itself.
    pub until: LogTime,
}

/// What a site has been given so far, by a queue that spreads by shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCredit {
    /// The site.
    pub site: SiteId,
    /// How far it is behind (above zero) or ahead of its share.
    pub credit: i64,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its configuration.
    pub config: Arc<QueueConfig>,
    /// Hash of it, so that counting in a queue does not read all of it.
    pub(crate) config_hash: u64,
    /// Its number.
    pub seq: Seq,
    /// Revision of the configuration and closure.
    pub revision: Revision,
    /// Closed at once.
    pub closure: Option<Closure>,
    /// For [`SitePolicy::Shares`]: by site id.
    pub credits: Vec<SiteCredit>,
    /// For [`SitePolicy::FreeCapacity`]: the site that is used now.
    pub current_site: Option<SiteId>,
    /// Counters.
    pub metrics: Block<QueueCounters>,

    /// Contacts that have not been answered from it. Follows from the contacts: neither hashed
    /// nor stored.
    pub(crate) length: u32,
    /// All contacts that refer to it.
    pub(crate) contacts: u32,
}

impl Queue {
    /// A new queue.
    pub(crate) fn new(config: QueueConfig, seq: Seq) -> Self {
        Self {
            config_hash: config_hash(&config),
            config: Arc::new(config),
            seq,
            revision: Revision(1),
            closure: None,
            credits: Vec::new(),
            current_site: None,
            metrics: Block::default(),
            length: 0,
            contacts: 0,
        }
    }

    /// Replaces the configuration.
    pub(crate) fn set_config(&mut self, config: QueueConfig) {
        if config.site_policy != self.config.site_policy {
            self.credits.clear();
            self.current_site = None;
        }
        self.config_hash = config_hash(&config);
        self.config = Arc::new(config);
        self.revision.0 += 1;
    }

    /// The id.
    pub fn id(&self) -> &QueueId {
        &self.config.id
    }

    /// How many contacts have not been answered from it.
    pub fn length(&self) -> u32 {
        self.length
    }

    pub(crate) fn review(&self) -> Option<LogTime> {
        self.closure.map(|c| c.until)
    }
}

pub(crate) fn config_hash(config: &QueueConfig) -> u64 {
    let mut out = Digest::default();
    let QueueConfig {
        id,
        name,
        channels,
        target: ServiceTarget { percent, within, short_abandon },
        steps,
        head_starts,
        strategy,
        site_policy,
        offer_timeout,
        connect_timeout,
        cool_down,
        wrap_up,
        handle_max,
        preferred_wait,
        length_max,
        wait_max,
        overflow,
        closed,
        calendar,
        auto_answer,
    } = config;
    out.str(id.as_str()).str(name.as_str()).u8(channels.0);
    out.u8(*percent).u64(within.0).u64(short_abandon.0);
    out.list(steps.iter(), |out, step| {
        let Step { after, skills, sites, extra_queues, head_start } = step;
        out.u64(after.0).u64(head_start.0);
        out.list(skills.iter(), |out, r| {
            out.str(r.skill.as_str()).u8(r.level.get());
        });
        out.list(sites.iter(), |out, s| {
            out.str(s.as_str());
        });
        out.list(extra_queues.iter(), |out, q| {
            out.str(q.as_str());
        });
    });
    out.list(head_starts.iter(), |out, (priority, head_start)| {
        out.u8(priority.get());
        match head_start {
            HeadStart::By(ms) => out.u8(0).u64(ms.0),
            HeadStart::Strict => out.u8(1),
        };
    });
    out.u8(*strategy as u8);
    match site_policy {
        SitePolicy::Any => out.u8(0),
        SitePolicy::LocalFirst { spill_after } => out.u8(1).u64(spill_after.0),
        SitePolicy::Shares(shares) => out.u8(2).list(shares.iter(), |out, (site, share)| {
            out.str(site.as_str()).u32(*share);
        }),
        SitePolicy::FreeCapacity { hysteresis } => out.u8(3).u32(*hysteresis),
    };
    for ms in [offer_timeout, connect_timeout, cool_down, wrap_up, handle_max, preferred_wait] {
        out.u64(ms.0);
    }
    out.u32(*length_max).u64(wait_max.0);
    for overflow in [overflow, closed] {
        match overflow {
            Overflow::Reject => out.u8(0),
            Overflow::Queue(queue) => out.u8(1).str(queue.as_str()),
            Overflow::Callback => out.u8(2),
        };
    }
    out.option(calendar.as_ref(), |out, c| {
        out.str(c.as_str());
    });
    out.u8(u8::from(*auto_answer));
    out.finish() as u64
}

impl Entity for Queue {
    type Names<'a> = ();
    const KIND: u8 = 3;

    fn key(&self) -> &str {
        self.config.id.as_str()
    }

    fn digest(&self, (): (), out: &mut Digest) {
        let Self {
            config: _,
            config_hash,
            seq,
            revision,
            closure,
            credits,
            current_site,
            metrics,
            length: _,
            contacts: _,
        } = self;
        out.u64(*config_hash).u64(seq.0).u64(revision.0);
        out.option(*closure, |out, c| {
            out.u64(c.until.0);
        });
        out.list(credits.iter(), |out, c| {
            out.str(c.site.as_str()).i64(c.credit);
        });
        out.option(current_site.as_ref(), |out, s| {
            out.str(s.as_str());
        });
        metrics.digest(out);
    }
}
