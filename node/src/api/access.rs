//! Who may call what: one table, asked for every call before a service sees it.
//!
//! Roles are state of the contact centre, looked up in this node's copy. Where the copy has no role
//! for somebody, because the cluster is not initialised or the grant has not got here, they may not.
//! What a method does is authorised once more, finer, where it is applied: the table is the
//! outermost door, not the only one.

use acd::ids::PrincipalId;
use acd::roles::Role::{self, Admin, Agent, Gateway, Ingress, Operator, Supervisor, Viewer};
use acd::roles::Roles;
use futures::future::BoxFuture;
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::identity::node_of;
use crate::peers::DISMISSED;
use crate::replica::State;
use crate::rpc::{Caller, Gate};

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Whoever has no identity yet. They may call nothing else.
    Nameless,
    /// Whoever has a certificate of the cluster.
    Anybody,
    /// Nodes. Whether one is a member, with the disk it joined with, the service checks for each
    /// call: a cluster that is not initialised has members already.
    Nodes,
    /// Whoever has one of these roles.
    AnyOf(&'static [Role]),
}

const FRONT_ENDS: Rule = Rule::AnyOf(&[Ingress, Gateway]);
const DESKTOPS: Rule = Rule::AnyOf(&[Agent, Gateway]);
const READERS: Rule = Rule::AnyOf(&[Viewer, Supervisor, Operator, Admin, Gateway]);
/// What people did is for people to see.
const AUDITORS: Rule = Rule::AnyOf(&[Viewer, Supervisor, Operator, Admin]);
const SUPERVISORS: Rule = Rule::AnyOf(&[Supervisor]);

/// Every method there is.
const RULES: &[(&str, Rule)] = &[
    ("/grpc.health.v1.Health/Check", Rule::Anybody),
    ("/grpc.health.v1.Health/List", Rule::Anybody),
    ("/grpc.health.v1.Health/Watch", Rule::Anybody),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Rule::Anybody),
    ("/quorumcall.api.v1.Administration/Configure", Rule::AnyOf(&[Supervisor, Operator, Admin])),
    ("/quorumcall.api.v1.Administration/SteerSite", Rule::AnyOf(&[Operator, Admin])),
    ("/quorumcall.api.v1.Administration/SteerAgent", SUPERVISORS),
    ("/quorumcall.api.v1.Administration/SteerContact", SUPERVISORS),
    ("/quorumcall.api.v1.Administration/TransferLeader", Rule::AnyOf(&[Operator, Admin])),
    ("/quorumcall.api.v1.Administration/AdvanceTime", Rule::AnyOf(&[Operator, Gateway])),
    // Each command says what it takes.
    ("/quorumcall.api.v1.Commands/Submit", Rule::Anybody),
    ("/quorumcall.api.v1.Contacts/Enqueue", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/HangUp", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/Bridged", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/BridgeFailed", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/RequestCallback", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/SetRecording", FRONT_ENDS),
    ("/quorumcall.api.v1.Contacts/RecordCsat", FRONT_ENDS),
    ("/quorumcall.api.v1.Desktop/Session", DESKTOPS),
    ("/quorumcall.api.v1.Ingress/Attach", FRONT_ENDS),
    ("/quorumcall.api.v1.Joining/Join", Rule::Nameless),
    ("/quorumcall.api.v1.Reads/GetCluster", READERS),
    ("/quorumcall.api.v1.Reads/ListAudit", AUDITORS),
    ("/quorumcall.api.v1.Reads/ListQueues", READERS),
    ("/quorumcall.api.v1.Reads/ListAgents", READERS),
    ("/quorumcall.api.v1.Reads/GetAgent", READERS),
    ("/quorumcall.api.v1.Reads/ListContacts", READERS),
    ("/quorumcall.api.v1.Reads/GetContact", READERS),
    ("/quorumcall.api.v1.Reads/ExplainContact", READERS),
    ("/quorumcall.api.v1.Reads/GetConfiguration", READERS),
    ("/quorumcall.api.v1.Reads/GetSiteImpact", READERS),
    ("/quorumcall.api.v1.Reads/GetOutcome", READERS),
    ("/quorumcall.api.v1.Watches/Watch", READERS),
    ("/quorumcall.api.v1.Work/Accept", DESKTOPS),
    ("/quorumcall.api.v1.Work/Decline", DESKTOPS),
    ("/quorumcall.api.v1.Work/Hold", DESKTOPS),
    ("/quorumcall.api.v1.Work/Retrieve", DESKTOPS),
    ("/quorumcall.api.v1.Work/End", DESKTOPS),
    ("/quorumcall.api.v1.Work/Complete", DESKTOPS),
    ("/quorumcall.api.v1.Work/SetDisposition", DESKTOPS),
    ("/quorumcall.api.v1.Work/Transfer", DESKTOPS),
    ("/quorumcall.api.v1.Work/Consult", DESKTOPS),
    ("/quorumcall.peer.v1.Peer/Append", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/Vote", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/PreVote", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/TransferLeader", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/InstallSnapshot", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/FetchAuthority", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/FetchRecords", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/Members", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/ReadIndex", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/HandOver", Rule::Nodes),
    ("/quorumcall.peer.v1.Peer/Probe", Rule::Nodes),
];

/// The rule for a method, by its path; none: there is no such method.
pub fn rule(path: &str) -> Option<Rule> {
    RULES.iter().find(|(known, _)| *known == path).map(|(_, rule)| *rule)
}

/// The gate of a node.
pub struct Access {
    /// Who has which role, and who is a member.
    pub state: State,
}

impl Gate for Access {
    fn admits(&self, caller: &Caller) -> Result<(), String> {
        let Some(acd::ids::NodeId(node)) = node_of(&caller.principal) else { return Ok(()) };
        let view = self.state.view();
        let centre = view.centre();
        // Whom this replica cannot know yet, each call is asked who it is. Numbers only rise, so one that
        // was given and is not there was removed, whoever else may still know it.
        let may_be_new = node > centre.last_node();
        if may_be_new || centre.node(acd::ids::NodeId(node)).is_some() {
            return Ok(());
        }
        Err(format!("node {node} was removed from the cluster"))
    }

    fn allows(&self, caller: Option<&Caller>, path: &str) -> Result<(), Status> {
        let rule = rule(path);
        let rule = rule.ok_or_else(|| Status::unimplemented(format!("there is no {path} here")))?;
        let refused = |why| Status::permission_denied(format!("{path} {why}"));
        if let Some(Err(why)) = caller.map(|caller| self.admits(caller)) {
            let mut status = Status::permission_denied(why);
            status.metadata_mut().insert(DISMISSED, MetadataValue::from_static("1"));
            return Err(status);
        }
        match (rule, caller) {
            (Rule::Nameless, _) => Ok(()),
            (_, None) => Err(Status::unauthenticated(format!("{path} takes a certificate"))),
            (_, Some(Caller { principal, .. })) => {
                check(rule, principal, || self.state.view().centre().roles_of(principal))
                    .map_err(refused)
            }
        }
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.state.admissions_changed()
    }
}

/// Whether somebody may still do what began as a call of this method.
pub(super) fn may_go_on(state: &State, principal: &PrincipalId, path: &str) -> Result<(), String> {
    let rule = rule(path).ok_or_else(|| format!("there is no {path} here"))?;
    check(rule, principal, || state.view().centre().roles_of(principal))
}

/// Checks a caller against a rule; what it takes, and what the caller has, if that is not enough.
fn check(rule: Rule, who: &PrincipalId, roles: impl FnOnce() -> Roles) -> Result<(), String> {
    let (needed, held) = match rule {
        Rule::Nameless | Rule::Anybody => return Ok(()),
        Rule::Nodes if node_of(who).is_some() => return Ok(()),
        Rule::Nodes => return Err(format!("is for nodes; {who} is not a node")),
        Rule::AnyOf(needed) => (Roles::of(needed), roles()),
    };
    if held.any_of(needed) {
        return Ok(());
    }
    let plural = if needed.iter().count() > 1 { "one of the roles" } else { "the role" };
    let held =
        if held.is_empty() { "none that this node knows of".into() } else { held.to_string() };
    Err(format!("takes {plural} {needed}; {who} has {held}"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::contract::contract;

    /// Who may call what, as it was meant: each method with the roles of which one is enough. A node
    /// has the role `node`.
    const MEANT: &str = "
        /grpc.health.v1.Health/Check                               anybody
        /grpc.health.v1.Health/List                                anybody
        /grpc.health.v1.Health/Watch                               anybody
        /grpc.reflection.v1.ServerReflection/ServerReflectionInfo  anybody
        /quorumcall.api.v1.Administration/AdvanceTime              operator gateway
        /quorumcall.api.v1.Administration/Configure                supervisor operator admin
        /quorumcall.api.v1.Administration/SteerAgent               supervisor
        /quorumcall.api.v1.Administration/SteerContact             supervisor
        /quorumcall.api.v1.Administration/SteerSite                operator admin
        /quorumcall.api.v1.Administration/TransferLeader           operator admin
        /quorumcall.api.v1.Commands/Submit                         anybody
        /quorumcall.api.v1.Contacts/BridgeFailed                   ingress gateway
        /quorumcall.api.v1.Contacts/Bridged                        ingress gateway
        /quorumcall.api.v1.Contacts/Enqueue                        ingress gateway
        /quorumcall.api.v1.Contacts/HangUp                         ingress gateway
        /quorumcall.api.v1.Contacts/RecordCsat                     ingress gateway
        /quorumcall.api.v1.Contacts/RequestCallback                ingress gateway
        /quorumcall.api.v1.Contacts/SetRecording                   ingress gateway
        /quorumcall.api.v1.Desktop/Session                         agent gateway
        /quorumcall.api.v1.Ingress/Attach                          ingress gateway
        /quorumcall.api.v1.Joining/Join                            anybody
        /quorumcall.api.v1.Reads/ExplainContact                    viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetAgent                          viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetCluster                        viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetConfiguration                  viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetContact                        viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetOutcome                        viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/GetSiteImpact                     viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/ListAudit                         viewer supervisor operator admin
        /quorumcall.api.v1.Reads/ListAgents                        viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/ListContacts                      viewer supervisor operator admin gateway
        /quorumcall.api.v1.Reads/ListQueues                        viewer supervisor operator admin gateway
        /quorumcall.api.v1.Watches/Watch                           viewer supervisor operator admin gateway
        /quorumcall.api.v1.Work/Accept                             agent gateway
        /quorumcall.api.v1.Work/Complete                           agent gateway
        /quorumcall.api.v1.Work/Consult                            agent gateway
        /quorumcall.api.v1.Work/Decline                            agent gateway
        /quorumcall.api.v1.Work/End                                agent gateway
        /quorumcall.api.v1.Work/Hold                               agent gateway
        /quorumcall.api.v1.Work/Retrieve                           agent gateway
        /quorumcall.api.v1.Work/SetDisposition                     agent gateway
        /quorumcall.api.v1.Work/Transfer                           agent gateway
        /quorumcall.peer.v1.Peer/Append                            node
        /quorumcall.peer.v1.Peer/FetchAuthority                    node
        /quorumcall.peer.v1.Peer/FetchRecords                      node
        /quorumcall.peer.v1.Peer/HandOver                          node
        /quorumcall.peer.v1.Peer/InstallSnapshot                   node
        /quorumcall.peer.v1.Peer/Members                           node
        /quorumcall.peer.v1.Peer/PreVote                           node
        /quorumcall.peer.v1.Peer/Probe                             node
        /quorumcall.peer.v1.Peer/ReadIndex                         node
        /quorumcall.peer.v1.Peer/TransferLeader                    node
        /quorumcall.peer.v1.Peer/Vote                              node
    ";

    fn meant() -> BTreeMap<&'static str, Vec<&'static str>> {
        let lines = MEANT.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.collect()))
        });
        lines.collect()
    }

    #[test]
    fn every_method_is_for_the_roles_it_was_meant_for_and_no_others() {
        let meant = meant();
        for method in contract().methods() {
            let needed = meant.get(&**method).unwrap_or_else(|| panic!("{method} is for nobody"));
            let rule = rule(method).unwrap_or_else(|| panic!("{method} has no rule"));
            let mut callers: Vec<_> = Role::ALL.iter().map(|role| Some(*role)).collect();
            callers.push(None);
            for role in callers {
                let who = if role == Some(Role::Node) { "node-7" } else { "petro" };
                let who = PrincipalId::new(who).unwrap();
                let roles = role.map_or(Roles::NONE, |role| Roles::of(&[role]));
                let may = needed.iter().any(|word| {
                    *word == "anybody" || role.is_some_and(|role| role.word() == *word)
                });
                let verdict = check(rule, &who, || roles);
                assert_eq!(verdict.is_ok(), may, "{method}, {role:?}: {verdict:?}");
            }
        }
    }

    #[test]
    fn every_rule_is_about_a_method_and_each_has_one() {
        let methods: BTreeSet<_> = contract().methods().iter().map(|m| &**m).collect();
        let ruled: BTreeSet<_> = RULES.iter().map(|(path, _)| *path).collect();
        assert_eq!(ruled.len(), RULES.len(), "a method has two rules");
        assert_eq!(ruled, methods);
        assert_eq!(rule("/quorumcall.api.v1.Contacts/Steal"), None);
    }

    #[test]
    fn whoever_is_refused_is_told_what_it_takes_and_what_they_have() {
        let petro = PrincipalId::new("petro").unwrap();
        let refused = |rule, roles: &[Role]| check(rule, &petro, || Roles::of(roles)).unwrap_err();
        assert_eq!(
            refused(FRONT_ENDS, &[Viewer, Agent]),
            "takes one of the roles ingress, gateway; petro has viewer, agent"
        );
        assert_eq!(
            refused(SUPERVISORS, &[]),
            "takes the role supervisor; petro has none that this node knows of"
        );
        assert_eq!(refused(Rule::Nodes, &[Role::Node]), "is for nodes; petro is not a node");
    }
}
