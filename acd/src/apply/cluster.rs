//! What the leader writes on its own account: time, gaps, checkpoints.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Outcome;
use crate::centre::Centre;
use crate::command::{CheckpointVote, ClusterCommand, LeaderChoice};
use crate::config::SiteConfig;
use crate::event::{Event, ObjectKind};
use crate::ids::{PrincipalId, Revision, SiteId};
use crate::limits;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::roles::{Principal, Role, Roles};
use crate::site::{NodeRole, Site};
use crate::text::Label;
use crate::time::{Clocks, LogTime, Millis};

impl Centre {
    pub(crate) fn cluster_command(&mut self, command: ClusterCommand) -> Outcome {
        match command {
            ClusterCommand::Init { cluster, site, admin, replay } => {
                self.init(cluster, site, admin, replay)
            }
            ClusterCommand::Tick => Ok(self.time()),
            ClusterCommand::TermStarted { leader, gap } => {
                self.require_first()?;
                self.find_node(leader)?;
                if !mutated!(self, DeadlineInGap) {
                    self.add_gap(gap);
                }
                self.fire_due();
                self.events.push(Event::TermStarted { leader, gap });
                Ok(self.time())
            }
            ClusterCommand::SetTime { to } => {
                self.require_first()?;
                let from = self.move_time(to)?;
                // Nobody waited while the clock was being put right.
                self.add_gap(to.since(from));
                self.fire_due();
                self.events.push(Event::TimeSet { from, to });
                Ok(self.time())
            }
            ClusterCommand::AdvanceTo { to } => {
                self.require_first()?;
                if !self.replay {
                    return Err(Rejection::NotAReplay);
                }
                self.move_time(to)?;
                self.fire_due();
                Ok(self.time())
            }
            ClusterCommand::Checkpoint { about, votes } => self.take_checkpoint(about, &votes),
            ClusterCommand::RaiseVersion { to } => self.raise_version(to),
            ClusterCommand::TransferLeader { to, stays } => self.transfer_leader(&to, stays),
        }
    }

    /// Whether a program knows the version must not decide what the state is: it is the same on
    /// all replicas, and one that cannot go on from here says so.
    fn raise_version(&mut self, to: u32) -> Outcome {
        let now = self.version;
        let next = now.saturating_add(1);
        if to != next {
            return Err(Rejection::WrongVersion { now, next, to });
        }
        self.version = to;
        self.events.push(Event::VersionRaised { to });
        if to > limits::CLUSTER_VERSION_MAX {
            self.events.push(Event::VersionUnknown { to });
        }
        Ok(Reply::Done)
    }

    /// For the audit trail, which has every act of administration with what came of it.
    fn transfer_leader(&self, to: &LeaderChoice, stays: Option<Label>) -> Outcome {
        match to {
            LeaderChoice::Node(node) | LeaderChoice::NotNode(node) => {
                self.find_node(*node)?;
            }
            LeaderChoice::Site(site) | LeaderChoice::NotSite(site) => {
                self.find_site(site)?;
            }
        }
        match stays {
            None => Ok(Reply::Done),
            Some(why) => Err(Rejection::LeaderStays { why: why.as_str().into() }),
        }
    }

    fn init(&mut self, cluster: Label, site: SiteId, admin: PrincipalId, replay: bool) -> Outcome {
        if admin.as_str().starts_with("node-") {
            return Err(Rejection::ReservedName { name: admin.as_str().into() });
        }
        self.cluster = Some(cluster);
        self.version = 1;
        self.replay = replay;
        if replay {
            // The log that is replayed may be older than the stamp of this entry.
            self.clocks = Clocks::default();
        }
        let name = Label::new(site.as_str())?;
        let seq = self.next_seq();
        let slot = self.sites.insert(Site::new(SiteConfig::new(site, name), seq));
        self.create_node(slot, NodeRole::Voter, None);
        let roles = Roles::of(&[Role::Viewer, Role::Supervisor, Role::Operator, Role::Admin]);
        let revision = Revision(1);
        self.events.push(Event::Config {
            kind: ObjectKind::Principal,
            id: admin.as_str().into(),
            revision: Some(revision),
        });
        self.principals.insert(Principal { id: admin, roles, site: None, revision });
        Ok(Reply::Done)
    }

    fn time(&self) -> Reply {
        Reply::Time { now: self.clocks.now, next_deadline: self.next_deadline() }
    }

    /// Time moves before anything of the entry happens, so that no deadline fires in the entry
    /// that made it.
    fn require_first(&self) -> Result<(), Rejection> {
        if self.entry.commands == 0 { Ok(()) } else { Err(Rejection::NotFirst) }
    }

    fn move_time(&mut self, to: LogTime) -> Result<LogTime, Rejection> {
        let from = self.clocks.now;
        if to < from {
            return Err(Rejection::TimeGoesBack);
        }
        if to.0 > limits::STAMP_MAX {
            let max = limits::STAMP_MAX;
            return Err(Rejection::OutOfRange { what: "log time", value: to.0, min: 0, max });
        }
        self.clocks.now = to;
        self.forget_old();
        Ok(from)
    }

    /// Deadlines on the attended clock move by the gap. Not beyond now: that clock never goes
    /// back.
    fn add_gap(&mut self, gap: Millis) {
        let since_last = self.clocks.now.since(self.entry.previous);
        self.clocks.gaps.0 = self.clocks.gaps.0.saturating_add(gap.0.min(since_last.0));
    }

    /// Keeps this replica's hash, and judges the hashes reported of the last checkpoint.
    fn take_checkpoint(&mut self, about: u64, votes: &[CheckpointVote]) -> Outcome {
        if votes.len() > limits::CHECKPOINT_VOTES_MAX {
            let max = limits::CHECKPOINT_VOTES_MAX as u64;
            return Err(Rejection::LimitReached { what: "votes of a checkpoint", max });
        }
        if let Some((index, own)) = self.checkpoint.filter(|(index, _)| *index == about) {
            let mut counts: BTreeMap<u128, usize> = BTreeMap::new();
            let members = unique_voters(votes).filter(|v| self.nodes.contains_key(&v.node));
            for vote in members {
                *counts.entry(vote.hash).or_default() += 1;
            }
            // Only a majority of the members judges. Of replicas that differ without one nobody
            // can tell who is right: the next checkpoint may, with the votes that are missing.
            let quorum = self.nodes.len() / 2 + 1;
            let majority = counts.iter().find(|(_, n)| **n >= quorum).map(|(hash, _)| *hash);
            if let Some(majority) = majority.filter(|majority| *majority != own) {
                self.events.push(Event::Diverged { index, own, majority });
            }
        }
        // What this entry changed so far counts.
        self.settle();
        self.hash_changed();
        let hash = self.state_hash();
        let index = self.entry.index;
        self.checkpoint = Some((index, hash));
        self.events.push(Event::Checkpoint { index, hash });
        Ok(Reply::Checkpoint { hash })
    }
}

/// One vote a node, the first.
fn unique_voters(votes: &[CheckpointVote]) -> impl Iterator<Item = &CheckpointVote> {
    let first = |(at, vote): &(usize, &CheckpointVote)| {
        let earlier: Vec<_> = votes[..*at].iter().map(|v| v.node).collect();
        !earlier.contains(&vote.node)
    };
    votes.iter().enumerate().filter(first).map(|(_, vote)| vote)
}
