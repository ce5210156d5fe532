//! Who answers this leader, and what follows from it for sites and nodes.
//!
//! ```text
//! site    silent: suspect → lost        answers: heard        lost, answers, caught up: caught up
//! node    silent as long as a lost site, with sessions or streams: lost
//! ```
//!
//! Silence is counted in *time heard*: in which a quorum answered this leader. It begins with the
//! term, so whoever was silent before is given time anew. It stands still while this leader is cut
//! off, stopped or giving the lead away: whom nobody could hear is not silent. So of all nodes only a
//! minority is ever silent, and what is written about them can be committed.
//!
//! What is due follows from who answers and what the state says already. A later leader goes on where
//! an earlier one stopped, and nothing is due twice.
//!
//! Cost, a heartbeat: a look at each node and site. Of a node that is lost, every few seconds, one at
//! all agents.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::Centre;
use acd::command::SiteCommand;
use acd::event::SiteState;
use acd::ids::SiteId;

use crate::config::SiteDelays;
use crate::raft::{LeaderId, NodeId};

/// The part of the time to suspicion that counts when a quorum answers again after a silence of its
/// own, and after which its last answer says nothing any more: the others have the rest to answer, too.
const SUSPECT_PARTS: u32 = 2;

/// A node that has applied all but this many entries has caught up: under load as many are on their
/// way to everybody (`batches_in_flight`).
pub(super) const CAUGHT_UP_WITHIN: u64 = 32;

/// What was written and is due all the same, as it was refused or not written at all, is written again
/// after this long, then after twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// At most.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// What a leader found out, the most urgent first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// No node of the site answers for long.
    Lost(SiteId),
    /// A node with sessions or streams does not answer for as long.
    NodeLost(NodeId),
    /// No node of the site answers for a moment.
    Suspect(SiteId),
    /// A silent site answers again before it is lost.
    Heard(SiteId),
    /// A lost site answers, and has what the others have.
    CaughtUp(SiteId),
}

impl Finding {
    /// The command that writes it down.
    pub fn command(&self) -> SiteCommand {
        match self.clone() {
            Self::Lost(site) => SiteCommand::Lost { site },
            Self::NodeLost(node) => SiteCommand::NodeLost { node: acd::ids::NodeId(node) },
            Self::Suspect(site) => SiteCommand::Suspect { site },
            Self::Heard(site) => SiteCommand::Heard { site },
            Self::CaughtUp(site) => SiteCommand::CaughtUp { site },
        }
    }
}

/// What is to be written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What was found.
    pub finding: Finding,
    /// For how long whom it is about has not answered, in time heard.
    pub silent: Duration,
}

/// Keeps who answered when. Moments are durations since some moment before the term.
pub struct RollCall {
    own: NodeId,
    delays: SiteDelays,
    term: Option<Term>,
}

struct Term {
    leader: LeaderId,
    /// When a quorum is last known to have answered.
    quorum: Duration,
    /// Time heard.
    heard: Duration,
    nodes: BTreeMap<NodeId, Answers>,
    written: BTreeMap<Finding, Written>,
}

/// What a node has answered.
#[derive(Clone, Copy)]
struct Answers {
    /// When that was sent that it answered last; none: it answered nothing of this term.
    last: Option<Duration>,
    /// The time heard then, or when counting began.
    heard: Duration,
    /// The time heard when it was last looked whether it has sessions or streams.
    looked: Option<Duration>,
}

/// A finding that was written and is due all the same.
#[derive(Clone, Copy)]
struct Written {
    /// The time heard from which on it is written again.
    again: Duration,
    /// How long it waits then.
    pause: Duration,
}

impl RollCall {
    /// Of the node that may lead.
    pub fn new(own: NodeId, delays: SiteDelays) -> Self {
        Self { own, delays, term: None }
    }

    /// This node does not lead.
    pub fn end(&mut self) {
        self.term = None;
    }

    /// As a leader sees it: when a quorum answered last, and when each member did, learners too.
    pub fn note(
        &mut self,
        leader: LeaderId,
        quorum: Duration,
        answered: impl IntoIterator<Item = (NodeId, Option<Duration>)>,
    ) {
        if self.term.as_ref().is_none_or(|term| term.leader != leader) {
            self.term = None;
        }
        let term = self.term.get_or_insert_with(|| Term::begin(leader, quorum));
        let passed = quorum.saturating_sub(term.quorum);
        term.heard += passed.min(self.delays.suspect / SUSPECT_PARTS);
        term.quorum = term.quorum.max(quorum);
        let before = std::mem::take(&mut term.nodes);
        let heard = term.heard;
        let now = answered.into_iter().map(|(node, last)| {
            let before = before.get(&node).copied();
            let answers = before.unwrap_or(Answers { last: None, heard, looked: None });
            let is_news = last > answers.last;
            (node, if is_news { Answers { last, heard, looked: None } } else { answers })
        });
        term.nodes = now.collect();
    }

    /// For how long a node has not answered this leader, in time heard.
    pub fn silence(&self, node: NodeId) -> Duration {
        self.term.as_ref().map_or(Duration::ZERO, |term| term.silence(node, self.own))
    }

    /// Whether a node answers this leader.
    pub fn answers(&self, node: NodeId) -> bool {
        let term = self.term.as_ref();
        term.is_some_and(|term| term.answers(node, self.own, self.delays.suspect))
    }

    /// What is to be written now, if anything is. It is not due again before it was written, or for a
    /// while.
    ///
    /// `centre` has all that was committed before this term. `behind`: how many entries a node has
    /// not applied, if it is known.
    pub fn due(
        &mut self,
        now: Duration,
        centre: &Centre,
        behind: impl Fn(NodeId) -> Option<u64>,
    ) -> Option<Due> {
        let (own, delays) = (self.own, self.delays);
        let term = self.term.as_mut()?;
        // Nothing waits for a quorum that may be gone, to be committed when it is out of date.
        if now.saturating_sub(term.quorum) > delays.suspect / SUSPECT_PARTS {
            return None;
        }
        let mut sites: BTreeMap<&SiteId, Vec<NodeId>> = BTreeMap::new();
        for (node, site) in centre.nodes() {
            // Whoever is not a member of Raft yet is not expected to answer.
            if node.0 == own || term.nodes.contains_key(&node.0) {
                sites.entry(site).or_default().push(node.0);
            }
        }
        // While the cluster is founded, a node that is not on its list may not write.
        if !sites.values().flatten().any(|node| *node == own) {
            return None;
        }
        let has_caught_up =
            |node| node == own || behind(node).is_some_and(|n| n <= CAUGHT_UP_WITHIN);
        let mut due = BTreeMap::new();
        for (id, nodes) in sites {
            // Nodes are at sites that exist.
            let Some(site) = centre.site(id) else { continue };
            let silence = |node| term.silence(node, own);
            let silent = nodes.iter().map(|node| silence(*node)).min().unwrap_or_default();
            let answers = |node: &&NodeId| term.answers(**node, own, delays.suspect);
            let finding = if site.state == SiteState::Lost {
                let is_back = nodes.iter().filter(answers).any(|node| has_caught_up(*node));
                is_back.then(|| Finding::CaughtUp(id.clone()))
            } else if silent >= delays.lost {
                Some(Finding::Lost(id.clone()))
            } else if silent >= delays.suspect && !site.silent {
                Some(Finding::Suspect(id.clone()))
            } else if site.silent && nodes.iter().any(|node| answers(&node)) {
                Some(Finding::Heard(id.clone()))
            } else {
                None
            };
            // Whoever is lost with the whole site is lost at once.
            let alone = finding.as_ref().is_none_or(|f| !matches!(f, Finding::Lost(_)));
            due.extend(finding.map(|finding| (finding, silent)));
            let lost = nodes.iter().filter(|node| alone && silence(**node) >= delays.lost);
            due.extend(lost.map(|node| (Finding::NodeLost(*node), silence(*node))));
        }
        term.written.retain(|finding, _| due.contains_key(finding));
        due.into_iter().find_map(|(finding, silent)| {
            let is_due = match finding {
                Finding::NodeLost(node) => term.has_connections(node, centre, delays.lost),
                _ => term.may_write(&finding),
            };
            is_due.then_some(Due { finding, silent })
        })
    }
}

impl Term {
    fn begin(leader: LeaderId, quorum: Duration) -> Self {
        let (nodes, written) = (BTreeMap::new(), BTreeMap::new());
        Self { leader, quorum, heard: Duration::ZERO, nodes, written }
    }

    /// For how long a node has not answered, in time heard.
    fn silence(&self, node: NodeId, own: NodeId) -> Duration {
        match self.nodes.get(&node) {
            Some(answers) if node != own => self.heard.saturating_sub(answers.heard),
            _ => Duration::ZERO,
        }
    }

    /// Whether a node answers: not, if nothing of this term yet.
    fn answers(&self, node: NodeId, own: NodeId, suspect: Duration) -> bool {
        let has_answered = self.nodes.get(&node).is_some_and(|answers| answers.last.is_some());
        node == own || (has_answered && self.silence(node, own) < suspect)
    }

    /// Whether what is due is to be written now; then it counts as written.
    fn may_write(&mut self, finding: &Finding) -> bool {
        let pause = match self.written.get(finding) {
            None => AGAIN_AFTER,
            Some(before) if before.again <= self.heard => (2 * before.pause).min(AGAIN_AFTER_MAX),
            Some(_) => return false,
        };
        let written = Written { again: self.heard + pause, pause };
        self.written.insert(finding.clone(), written);
        true
    }

    /// Whether a node that is lost has sessions or streams, looked at now and then: with the last
    /// commands that it passed on, or of somebody who names it by mistake, some come after its loss.
    fn has_connections(&mut self, node: NodeId, centre: &Centre, every: Duration) -> bool {
        let heard = self.heard;
        let Some(answers) = self.nodes.get_mut(&node) else { return false };
        if answers.looked.is_some_and(|looked| heard.saturating_sub(looked) < every) {
            return false;
        }
        answers.looked = Some(heard);
        centre.has_connections(acd::ids::NodeId(node))
    }
}

#[cfg(test)]
mod tests;
