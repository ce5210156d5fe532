//! Who may do what: every command with every role.

mod scene;

use acd::channel::Medium;
use acd::config::{Calendar, Settings, SiteConfig};
use acd::ids::{CalendarId, NodeId, OfferToken, Seq, SessionEpoch};
use acd::rejection::Rejection;
use acd::roles::Role::{self, *};
use acd::roles::Roles;
use acd::site::NodeRole;
use acd::text::Address;
use acd::time::{LogTime, Millis};
use scene::*;

const PEOPLE: [Role; 4] = [Viewer, Supervisor, Operator, Admin];

/// One row per command: what it looks like, one of it, and the roles of which one is enough. A
/// command without a row does not compile.
macro_rules! table {
    ($($pattern:pat => $sample:expr => [$($role:expr),*];)*) => {
        fn allowed(command: &Command) -> Vec<Role> {
            match command {
                $($pattern => vec![$($role),*],)*
            }
        }

        fn samples() -> Vec<Command> {
            vec![$($sample.into()),*]
        }
    };
}

use acd::command::{
    AgentCommand as A, ClusterCommand as L, ConfigCommand as G, ContactCommand as K, LeaderChoice,
    SiteCommand as S, WorkCommand as W,
};
use acd::command::{Command, Command as C, Submission};

const TOKEN: OfferToken = OfferToken(1);
const EPOCH: SessionEpoch = SessionEpoch(1);
const NODE: NodeId = NodeId(1);

fn c1() -> acd::ids::ContactId {
    contact("c1")
}
fn lviv() -> acd::ids::SiteId {
    site("lviv")
}
fn anna() -> acd::ids::AgentId {
    agent("anna")
}
fn billing() -> acd::ids::QueueId {
    queue("billing")
}
fn office() -> CalendarId {
    CalendarId::new("office").unwrap()
}
fn at(ms: u64) -> LogTime {
    LogTime(MORNING + ms)
}
fn calendar() -> Calendar {
    Calendar { id: office(), name: label("office"), open: Vec::new(), covers_until: at(1) }
}

table! {
    // The leader, on its own account.
    C::Cluster(L::Tick) => L::Tick => [Node];
    C::Cluster(L::RaiseVersion { .. }) => L::RaiseVersion { to: 9 } => [Admin];
    C::Cluster(L::TransferLeader { .. }) =>
        L::TransferLeader { to: LeaderChoice::Node(NODE), stays: None } => [Operator, Admin];
    C::Cluster(L::TermStarted { .. }) => L::TermStarted { leader: NODE, gap: Millis(0) } => [Node];
    C::Cluster(L::SetTime { .. }) => L::SetTime { to: at(9_999) } => [Node];
    C::Cluster(L::Checkpoint { .. }) => L::Checkpoint { about: 0, votes: vec![] } => [Node];
    C::Cluster(L::AdvanceTo { .. }) => L::AdvanceTo { to: at(9_999) } => [Gateway, Operator, Node];
    // Nobody: it is given once, before there are roles.
    C::Cluster(L::Init { .. }) =>
        L::Init { cluster: label("x"), site: lviv(), admin: principal("x"), replay: false } => [];

    // Front ends, for their customers.
    C::Contact(K::Enqueue(_)) => K::Enqueue(call("c1", "billing")) => [Ingress, Gateway];
    C::Contact(K::HangUp { .. }) => K::HangUp { contact: c1() } => [Ingress, Gateway];
    C::Contact(K::Bridged { .. }) =>
        K::Bridged { contact: c1(), token: TOKEN } => [Ingress, Gateway];
    C::Contact(K::BridgeFailed { .. }) =>
        K::BridgeFailed { contact: c1(), token: TOKEN } => [Ingress, Gateway];
    C::Contact(K::RequestCallback { .. }) =>
        K::RequestCallback { contact: c1(), not_before: None } => [Ingress, Gateway];
    C::Contact(K::SetRecording { .. }) =>
        K::SetRecording { contact: c1(), reference: label("x") } => [Ingress, Gateway];
    C::Contact(K::RecordCsat { .. }) =>
        K::RecordCsat { contact: c1(), score: 5 } => [Ingress, Gateway];
    C::Contact(K::Reattach { .. }) => K::Reattach { contacts: vec![] } => [Ingress, Gateway];
    C::Contact(K::Attach { .. }) =>
        K::Attach { ingress: principal("has-ingress"), node: NODE } => [Node, Ingress, Gateway];
    C::Contact(K::Detach { .. }) =>
        K::Detach { ingress: principal("has-ingress"), node: NODE } => [Node, Ingress, Gateway];
    C::Contact(K::Move { .. }) => K::Move { contact: c1(), to: billing() } => [Supervisor];
    C::Contact(K::Remove { .. }) => K::Remove { contact: c1() } => [Supervisor];

    // Agents, and who speaks for them.
    C::Work(W::Accept { .. }) => W::Accept { contact: c1(), token: TOKEN } => [Agent, Gateway];
    C::Work(W::Decline { .. }) => W::Decline { contact: c1(), token: TOKEN } => [Agent, Gateway];
    C::Work(W::Hold { .. }) => W::Hold { contact: c1(), token: TOKEN } => [Agent, Gateway];
    C::Work(W::Retrieve { .. }) => W::Retrieve { contact: c1(), token: TOKEN } => [Agent, Gateway];
    C::Work(W::End { .. }) => W::End { contact: c1(), token: TOKEN } => [Agent, Gateway];
    C::Work(W::Complete { .. }) =>
        W::Complete { contact: c1(), token: TOKEN, disposition: None, resolved: None }
        => [Agent, Gateway];
    C::Work(W::SetDisposition { .. }) =>
        W::SetDisposition { contact: c1(), token: TOKEN, disposition: label("x"), resolved: true }
        => [Agent, Gateway];
    C::Work(W::Transfer { .. }) =>
        W::Transfer { contact: c1(), token: TOKEN, to: to_agent("anna") } => [Agent, Gateway];
    C::Work(W::Consult { .. }) =>
        W::Consult { contact: c1(), token: TOKEN, consult: contact("x"), to: to_agent("anna") }
        => [Agent, Gateway];
    C::Agent(A::LogIn { .. }) => A::LogIn { agent: anna(), node: NODE } => [Agent, Gateway];
    C::Agent(A::LogOut { .. }) => A::LogOut { agent: anna(), epoch: EPOCH } => [Agent, Gateway];
    C::Agent(A::Ready { .. }) => A::Ready { agent: anna(), epoch: EPOCH } => [Agent, Gateway];
    C::Agent(A::NotReady { .. }) =>
        A::NotReady { agent: anna(), epoch: EPOCH, reason: label("x") } => [Agent, Gateway];
    C::Agent(A::OpenMedium { .. }) =>
        A::OpenMedium { agent: anna(), epoch: EPOCH, medium: Medium::Chat } => [Agent, Gateway];
    C::Agent(A::SessionLost { .. }) => A::SessionLost { agent: anna(), epoch: EPOCH } => [Node];

    // Supervisors: agents and queues.
    C::Agent(A::SetReady { .. }) => A::SetReady { agent: anna() } => [Supervisor];
    C::Agent(A::SetNotReady { .. }) =>
        A::SetNotReady { agent: anna(), reason: label("x") } => [Supervisor];
    C::Agent(A::ForceLogOut { .. }) => A::ForceLogOut { agent: anna() } => [Supervisor];
    C::Config(G::PutQueue { .. }) =>
        G::PutQueue { config: queue_config("q"), expected: None } => [Supervisor];
    C::Config(G::DeleteQueue { .. }) =>
        G::DeleteQueue { queue: billing(), successor: None, expected: None } => [Supervisor];
    C::Config(G::CloseQueue { .. }) =>
        G::CloseQueue { queue: billing(), until: at(60_000), flush: false, expected: None }
        => [Supervisor, Operator];
    C::Config(G::ReopenQueue { .. }) =>
        G::ReopenQueue { queue: billing(), expected: None } => [Supervisor, Operator];
    C::Config(G::PutCalendar { .. }) =>
        G::PutCalendar { config: calendar(), expected: None } => [Supervisor];
    C::Config(G::DeleteCalendar { .. }) =>
        G::DeleteCalendar { calendar: office(), expected: None } => [Supervisor];
    C::Config(G::PutSkill { .. }) =>
        G::PutSkill { skill: skill("x"), name: label("x"), expected: None } => [Supervisor];
    C::Config(G::DeleteSkill { .. }) =>
        G::DeleteSkill { skill: skill("x"), expected: None } => [Supervisor];
    C::Config(G::PutAgent { .. }) =>
        G::PutAgent { config: roster_entry("x", "kyiv", &[]), expected: None } => [Supervisor];
    C::Config(G::DeleteAgent { .. }) =>
        G::DeleteAgent { agent: anna(), expected: None } => [Supervisor];
    C::Config(G::MoveAgent { .. }) => G::MoveAgent {
        agent: anna(), queues: vec![], home_site: None, duration: None, expected: None,
    } => [Supervisor];
    C::Config(G::EndMove { .. }) => G::EndMove { agent: anna(), expected: None } => [Supervisor];

    // Operators: sites, failover, drills. What is observed, nodes say.
    C::Site(S::Put { .. }) => S::Put {
        config: SiteConfig::new(lviv(), label("x")), expected: None,
    } => [Operator, Admin];
    C::Site(S::DeclareLost { .. }) =>
        S::DeclareLost { site: lviv(), expected: None } => [Operator];
    C::Site(S::Drain { .. }) => drain("lviv") => [Operator];
    C::Site(S::CancelDrain { .. }) =>
        S::CancelDrain { site: lviv(), expected: None } => [Operator];
    C::Site(S::Return { .. }) => S::Return { site: lviv(), expected: None } => [Operator];
    C::Site(S::NodeLost { .. }) => S::NodeLost { node: NODE } => [Node];
    C::Site(S::Suspect { .. }) => S::Suspect { site: lviv() } => [Node];
    C::Site(S::Heard { .. }) => S::Heard { site: lviv() } => [Node];
    C::Site(S::Lost { .. }) => S::Lost { site: lviv() } => [Node];
    C::Site(S::CaughtUp { .. }) => S::CaughtUp { site: lviv() } => [Node];

    // Admins: membership and identities.
    C::Site(S::AddNode { .. }) => S::AddNode { site: lviv() } => [Admin];
    C::Site(S::IssueToken { .. }) => S::IssueToken {
        hash: 1, site: lviv(), role: NodeRole::Voter, ttl: Millis::hours(1),
    } => [Admin];
    C::Site(S::RevokeToken { .. }) => S::RevokeToken { token: Seq(1) } => [Admin];
    C::Site(S::SetNodeRole { .. }) => S::SetNodeRole {
        node: NodeId(3), role: NodeRole::Learner, fewer: true, expected: None,
    } => [Admin];
    C::Site(S::RetireNode { .. }) => S::RetireNode {
        node: NodeId(3), fewer: true, expected: None,
    } => [Admin];
    C::Site(S::RedeemToken { .. }) => S::RedeemToken {
        hash: 1, key: 2, incarnation: 3, address: Address::new("lviv:1").unwrap(),
    } => [Node];
    C::Site(S::RemoveNode { .. }) => S::RemoveNode { node: NodeId(3) } => [Node];
    C::Site(S::Delete { .. }) => S::Delete { site: lviv(), expected: None } => [Admin];
    C::Config(G::PutPrincipal { .. }) => G::PutPrincipal {
        principal: principal("x"), roles: Roles::of(&PEOPLE), site: None, expected: None,
    } => [Admin];
    C::Config(G::DeletePrincipal { .. }) =>
        G::DeletePrincipal { principal: principal("desk"), expected: None } => [Admin];
    C::Config(G::PutSettings { .. }) =>
        G::PutSettings { settings: Settings::default(), expected: None } => [Admin];
}

/// Somebody with this role only.
fn holder(role: Role) -> &'static str {
    match role {
        Viewer => "has-viewer",
        Supervisor => "has-supervisor",
        Operator => "has-operator",
        Admin => "has-admin",
        Node => "node-2",
        Ingress => "has-ingress",
        Agent => "anna",
        Gateway => "has-gateway",
    }
}

fn scene() -> Scene {
    let mut s = Scene::new();
    s.put_queue(queue_config("billing"));
    s.staff("anna", "kyiv", &[("billing", 1)]);
    for role in [Viewer, Supervisor, Operator, Admin, Ingress, Gateway] {
        s.grant(holder(role), &[role], Some("kyiv"));
    }
    s
}

#[test]
fn every_command_takes_one_of_its_roles() {
    for command in samples() {
        for role in Role::ALL {
            let mut s = scene();
            let outcome = s.try_as(holder(role), command.clone());
            let refused = match outcome {
                Err(Rejection::NotPermitted { .. } | Rejection::AlreadyInitialised) => true,
                Ok(_) | Err(_) => false,
            };
            let may = allowed(&command).contains(&role);
            assert_eq!(!refused, may, "{role:?}: {command:?}");
        }
    }
}

#[test]
fn nobody_in_particular_may_do_nothing() {
    let mut s = scene();
    for command in samples() {
        let refused = s.refused("nobody", command.clone()).code().to_string();
        assert!(["not-permitted", "already-initialised"].contains(&&*refused), "{command:?}");
    }
}

#[test]
fn the_refusal_names_the_roles_it_takes() {
    let mut s = scene();
    let needed = Roles::of(&[Operator]);
    let refused = Rejection::NotPermitted { principal: "has-admin".into(), needed };
    assert_eq!(s.refused("has-admin", drain("lviv")), refused);
}

// -- Roles are state ------------------------------------------------------------------------------

#[test]
fn a_role_revoked_in_one_command_is_gone_for_the_next() {
    let mut s = scene();
    let delete = G::DeletePrincipal { principal: principal("has-operator"), expected: None };
    let answers = s.entry(vec![
        Submission::new(principal("olena"), delete.into()),
        Submission::new(principal("has-operator"), drain("lviv").into()),
    ]);
    assert_eq!(answers[1].as_ref().unwrap_err().code(), "not-permitted");
    assert_eq!(s.site_state("lviv"), "active");
}

#[test]
fn an_agent_who_leaves_the_roster_is_nobody() {
    let mut s = scene();
    s.log_out("anna");
    s.must("olena", G::DeleteAgent { agent: anna(), expected: None });
    let log_in = A::LogIn { agent: anna(), node: NODE };
    assert_eq!(s.refused("anna", log_in).code(), "not-permitted");
}

#[test]
fn machines_get_their_roles_from_membership_and_roster_only() {
    let mut s = scene();
    for role in [Node, Agent] {
        let roles = Roles::of(&[role]);
        let (principal, site) = (principal("petro"), None);
        let put = G::PutPrincipal { principal, roles, site, expected: None };
        assert_eq!(s.refused("olena", put).code(), "invalid-config");
    }
    let (principal, roles) = (principal("node-9"), Roles::of(&[Admin]));
    let put = G::PutPrincipal { principal, roles, site: None, expected: None };
    assert_eq!(s.refused("olena", put).code(), "reserved-name");
}

#[test]
fn a_node_is_called_by_its_number_as_it_is_written() {
    let mut s = scene();
    for other in ["node-01", "node-9", "node-", "node-1x"] {
        assert_eq!(s.refused(other, L::Tick).code(), "not-permitted", "{other}");
    }
}

#[test]
fn the_first_operator_has_every_role_that_people_have() {
    let s = Scene::new();
    assert_eq!(s.centre.roles_of(&principal("olena")), Roles::of(&PEOPLE));
}
