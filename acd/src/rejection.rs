//! Why a command was refused. A refused command changes nothing.

use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::ids::{ContactId, NodeId, Revision};
use crate::roles::Roles;
use crate::time::LogTime;

/// What is true of a contact now, told to whoever thought otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactNow {
    /// It waits (or is scheduled, or stranded).
    Waiting,
    /// It is before an agent under another token.
    WithAgent,
    /// It is closed.
    Closed,
}

impl fmt::Display for ContactNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waits",
            Self::WithAgent => "is with an agent under another token",
            Self::Closed => "is closed",
        })
    }
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The bytes are not a command of a version this program knows.
    #[error("malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// Not a proper id.
    #[error("{text:?} is not a {kind} id")]
    InvalidId {
        /// Of what.
        kind: &'static str,
        /// The start of it.
        text: String,
    },
    /// Not proper text.
    #[error("text must have 1 to 200 bytes and no control characters: {text:?}")]
    InvalidLabel {
        /// The start of it.
        text: String,
    },
    /// Not a proper address of a node.
    #[error("{text:?} is not host:port")]
    InvalidAddress {
        /// The start of it.
        text: String,
    },
    /// Not proper attributes.
    #[error("attributes refused: {what}")]
    InvalidAttributes {
        /// What is wrong.
        what: String,
    },
    /// A number outside its bounds.
    #[error("{what} is {value}, must be {min} to {max}")]
    OutOfRange {
        /// Of what.
        what: &'static str,
        /// The number.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A list names something twice.
    #[error("{what} {id} is named twice")]
    NamedTwice {
        /// Kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A name kept for the product's own use.
    #[error("{name} is reserved: names that start with node- belong to nodes")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// A configuration that contradicts itself.
    #[error("configuration refused: {what}")]
    InvalidConfig {
        /// The rule.
        what: &'static str,
    },
    /// The principal has none of the roles it takes.
    #[error("{principal} may not do this; it takes one of the roles: {needed}")]
    NotPermitted {
        /// Who asked.
        principal: String,
        /// One of these is enough.
        needed: Roles,
    },
    /// The principal acts for somebody else.
    #[error("{principal} may not act for {owner}")]
    NotYours {
        /// Who asked.
        principal: String,
        /// Whose it is.
        owner: String,
    },
    /// The cluster exists already.
    #[error("the cluster has been initialised")]
    AlreadyInitialised,
    /// The cluster does not exist yet.
    #[error("the cluster has not been initialised")]
    NotInitialised,
    /// Something that is named does not exist.
    #[error("there is no {kind} {id}")]
    Unknown {
        /// Kind of thing.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The object is not at the revision the command expects.
    #[error("{id} is at revision {actual}, not {expected}; look again")]
    StaleRevision {
        /// The object.
        id: String,
        /// What the command expects.
        expected: Revision,
        /// What is true; 0: it does not exist.
        actual: Revision,
    },
    /// The object is in use.
    #[error("{id} is used by {by}")]
    InUse {
        /// The object.
        id: String,
        /// What uses it.
        by: String,
    },
    /// A limit on new arrivals.
    #[error("no more than {max} {what}")]
    LimitReached {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// The contact id belongs to another contact.
    #[error("contact id {contact} is another contact's")]
    ContactIdReused {
        /// The id.
        contact: ContactId,
    },
    /// The queue does not take this channel.
    #[error("queue {queue} does not take this channel")]
    ChannelNotTaken {
        /// The queue.
        queue: String,
    },
    /// The contact says no site, and its ingress has none.
    #[error("neither the contact nor its ingress names a site")]
    NoSite,
    /// The token is not that of the contact's present offer.
    #[error("contact {contact}: the offer is over; the contact {now}")]
    StaleToken {
        /// The contact.
        contact: ContactId,
        /// What is true.
        now: ContactNow,
    },
    /// The command does not fit the contact's state.
    #[error("contact {contact} is {state}")]
    WrongState {
        /// The contact.
        contact: ContactId,
        /// Its state.
        state: &'static str,
    },
    /// The session is not the agent's present one.
    #[error("the session of {agent} is over")]
    StaleSession {
        /// The agent.
        agent: String,
    },
    /// The agent has live contacts.
    #[error("{agent} still has contacts")]
    AgentBusy {
        /// The agent.
        agent: String,
    },
    /// The site's state does not allow it.
    #[error("site {site} is {state}")]
    WrongSiteState {
        /// The site.
        site: String,
        /// Its state.
        state: &'static str,
    },
    /// The cluster's version is raised by more than one step.
    #[error("the cluster is at version {now}; it can be raised to {next}, not to {to}")]
    WrongVersion {
        /// The cluster's version.
        now: u32,
        /// The one after it.
        next: u32,
        /// The one asked for.
        to: u32,
    },
    /// The leader does not hand over.
    #[error("the leader stays: {why}")]
    LeaderStays {
        /// Why.
        why: Box<str>,
    },
    /// Time would go back.
    #[error("log time never goes back")]
    TimeGoesBack,
    /// Clients do not own the time of this cluster.
    #[error("this cluster was not initialised for replay; its leader owns log time")]
    NotAReplay,
    /// A command that moves time does not lead its entry: a deadline made in an entry must not
    /// fire in it.
    #[error("a command that moves time must lead its entry")]
    NotFirst,
    /// Nobody made such a token, or it is long over.
    #[error("there is no such token; it may be of another cluster, or long over")]
    TokenUnknown,
    /// The token is over.
    #[error("the token has expired")]
    TokenExpired {
        /// When.
        at: LogTime,
    },
    /// Another node has joined by the token.
    #[error("the token has been used: node {} joined by it", node.0)]
    TokenUsed {
        /// The node.
        node: NodeId,
    },
    /// The token was taken back.
    #[error("the token has been revoked")]
    TokenRevoked,
    /// There is a token with this secret.
    #[error("there is a token with this secret already")]
    TokenKnown,
    /// Another node is found at this address.
    #[error("node {} has this address; retire it first, or choose another", node.0)]
    AddressTaken {
        /// The node.
        node: NodeId,
    },
    /// The node is being retired.
    #[error("node {} is being retired", node.0)]
    NodeLeaving {
        /// The node.
        node: NodeId,
    },
    /// Nobody would vote.
    #[error("nobody would be left to vote")]
    LastVoter,
    /// Fewer nodes would vote.
    #[error("{then} nodes would vote instead of {now}; say that fewer will do if that is meant")]
    FewerVoters {
        /// How many are meant to.
        now: u64,
        /// How many would be.
        then: u64,
    },
    /// The node takes nobody in.
    #[error("node {} takes nobody in: {why}", node.0)]
    WrongNode {
        /// The node.
        node: NodeId,
        /// Why.
        why: &'static str,
    },
    /// The request is older than what is remembered.
    #[error(
        "the request is too old to be told apart from a repeat; look up what is true and ask anew"
    )]
    RequestTooOld,
    /// The request claims to come from the future.
    #[error("the request is issued in the future; check the clock")]
    RequestFromFuture,
    /// The same request id with another command.
    #[error("the request id belongs to another command")]
    RequestReused,
    /// The first answer to this request was a refusal; this is it again.
    #[error("{message}")]
    FirstAnswer {
        /// Its code.
        code: Box<str>,
        /// Its words.
        message: Box<str>,
    },
    /// A snapshot that cannot be read.
    #[error("snapshot refused: {what}")]
    BadSnapshot {
        /// What is wrong.
        what: Box<str>,
    },
}

impl Rejection {
    /// A stable name for programs and for the reference of errors.
    pub fn code(&self) -> &str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::InvalidId { .. } => "invalid-id",
            Self::InvalidLabel { .. } => "invalid-label",
            Self::InvalidAddress { .. } => "invalid-address",
            Self::InvalidAttributes { .. } => "invalid-attributes",
            Self::OutOfRange { .. } => "out-of-range",
            Self::NamedTwice { .. } => "named-twice",
            Self::ReservedName { .. } => "reserved-name",
            Self::InvalidConfig { .. } => "invalid-config",
            Self::NotPermitted { .. } => "not-permitted",
            Self::NotYours { .. } => "not-yours",
            Self::AlreadyInitialised => "already-initialised",
            Self::NotInitialised => "not-initialised",
            Self::Unknown { .. } => "unknown",
            Self::StaleRevision { .. } => "stale-revision",
            Self::InUse { .. } => "in-use",
            Self::LimitReached { .. } => "limit-reached",
            Self::ContactIdReused { .. } => "contact-id-reused",
            Self::ChannelNotTaken { .. } => "channel-not-taken",
            Self::NoSite => "no-site",
            Self::StaleToken { .. } => "stale-token",
            Self::WrongState { .. } => "wrong-state",
            Self::StaleSession { .. } => "stale-session",
            Self::AgentBusy { .. } => "agent-busy",
            Self::WrongSiteState { .. } => "wrong-site-state",
            Self::WrongVersion { .. } => "wrong-version",
            Self::LeaderStays { .. } => "leader-stays",
            Self::TimeGoesBack => "time-goes-back",
            Self::NotAReplay => "not-a-replay",
            Self::NotFirst => "not-first",
            Self::TokenUnknown => "token-unknown",
            Self::TokenExpired { .. } => "token-expired",
            Self::TokenUsed { .. } => "token-used",
            Self::TokenRevoked => "token-revoked",
            Self::TokenKnown => "token-known",
            Self::AddressTaken { .. } => "address-taken",
            Self::NodeLeaving { .. } => "node-leaving",
            Self::LastVoter => "last-voter",
            Self::FewerVoters { .. } => "fewer-voters",
            Self::WrongNode { .. } => "wrong-node",
            Self::RequestTooOld => "request-too-old",
            Self::RequestFromFuture => "request-from-future",
            Self::RequestReused => "request-reused",
            Self::FirstAnswer { code, .. } => code,
            Self::BadSnapshot { .. } => "bad-snapshot",
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// One refusal of each kind, chained: whoever adds a kind is asked by the compiler for the one
    /// that follows it.
    fn after(rejection: &Rejection) -> Option<Rejection> {
        use Rejection as R;
        let contact = || ContactId::new("c-1").expect("printable");
        let text = || String::from("x");
        Some(match rejection {
            R::Malformed { .. } => R::InvalidId { kind: "queue", text: text() },
            R::InvalidId { .. } => R::InvalidLabel { text: text() },
            R::InvalidLabel { .. } => R::InvalidAddress { text: text() },
            R::InvalidAddress { .. } => R::InvalidAttributes { what: text() },
            R::InvalidAttributes { .. } => R::OutOfRange { what: "x", value: 2, min: 0, max: 1 },
            R::OutOfRange { .. } => R::NamedTwice { what: "skill", id: text() },
            R::NamedTwice { .. } => R::ReservedName { name: text() },
            R::ReservedName { .. } => R::InvalidConfig { what: "x" },
            R::InvalidConfig { .. } => R::NotPermitted { principal: text(), needed: Roles::NONE },
            R::NotPermitted { .. } => R::NotYours { principal: text(), owner: text() },
            R::NotYours { .. } => R::AlreadyInitialised,
            R::AlreadyInitialised => R::NotInitialised,
            R::NotInitialised => R::Unknown { kind: "queue", id: text() },
            R::Unknown { .. } => {
                R::StaleRevision { id: text(), expected: Revision(1), actual: Revision(2) }
            }
            R::StaleRevision { .. } => R::InUse { id: text(), by: text() },
            R::InUse { .. } => R::LimitReached { what: "x", max: 1 },
            R::LimitReached { .. } => R::ContactIdReused { contact: contact() },
            R::ContactIdReused { .. } => R::ChannelNotTaken { queue: text() },
            R::ChannelNotTaken { .. } => R::NoSite,
            R::NoSite => R::StaleToken { contact: contact(), now: ContactNow::Closed },
            R::StaleToken { .. } => R::WrongState { contact: contact(), state: "held" },
            R::WrongState { .. } => R::StaleSession { agent: text() },
            R::StaleSession { .. } => R::AgentBusy { agent: text() },
            R::AgentBusy { .. } => R::WrongSiteState { site: text(), state: "lost" },
            R::WrongSiteState { .. } => R::WrongVersion { now: 1, next: 2, to: 3 },
            R::WrongVersion { .. } => R::LeaderStays { why: "x".into() },
            R::LeaderStays { .. } => R::TimeGoesBack,
            R::TimeGoesBack => R::NotAReplay,
            R::NotAReplay => R::NotFirst,
            R::NotFirst => R::TokenUnknown,
            R::TokenUnknown => R::TokenExpired { at: LogTime(1) },
            R::TokenExpired { .. } => R::TokenUsed { node: NodeId(1) },
            R::TokenUsed { .. } => R::TokenRevoked,
            R::TokenRevoked => R::TokenKnown,
            R::TokenKnown => R::AddressTaken { node: NodeId(1) },
            R::AddressTaken { .. } => R::NodeLeaving { node: NodeId(1) },
            R::NodeLeaving { .. } => R::LastVoter,
            R::LastVoter => R::FewerVoters { now: 3, then: 1 },
            R::FewerVoters { .. } => R::WrongNode { node: NodeId(1), why: "x" },
            R::WrongNode { .. } => R::RequestTooOld,
            R::RequestTooOld => R::RequestFromFuture,
            R::RequestFromFuture => R::RequestReused,
            R::RequestReused => R::BadSnapshot { what: "x".into() },
            // The first answer has the code of the refusal that it was.
            R::BadSnapshot { .. } | R::FirstAnswer { .. } => return None,
        })
    }

    #[test]
    fn every_code_has_an_entry_in_the_reference() {
        let reference = include_str!("../../docs/errors.md");
        let heading = |line: &'static str| line.strip_prefix("### `")?.strip_suffix('`');
        // Codes of the daemon's own errors begin with `E-`.
        let entries = reference.lines().filter_map(heading);
        let entries: BTreeSet<&str> = entries.filter(|code| !code.starts_with("E-")).collect();
        let first = Rejection::Malformed { what: "x".into() };
        let all = core::iter::successors(Some(first), after);
        let codes: BTreeSet<String> = all.map(|rejection| rejection.code().into()).collect();
        assert!(
            codes.iter().map(String::as_str).eq(entries.iter().copied()),
            "{codes:?} {entries:?}"
        );
    }
}
