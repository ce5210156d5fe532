//! Lets nodes join, for whoever has a good token.

use std::sync::Arc;
use std::time::Duration;

use acd::Centre;
use acd::codec::node_role_to_stored;
use acd::command::{SiteCommand, Submission};
use acd::ids::{NodeId, PrincipalId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::text::Address;
use acd::time::LogTime;
use openraft_rt::AsyncRuntime;
use proto::api::v1 as api;
use proto::api::v1::join_response::Result as Outcome;
use proto::api::v1::joining_server::Joining;
use tonic::{Request, Response, Status};

use super::token::fixed;
use crate::config::{Timing, is_address};
use crate::identity::{
    Authority, ClusterId, SigningRequest, Subject, Validity, fingerprint, serial,
};
use crate::node::Node;
use crate::raft::stored::member_to_stored;
use crate::seams::Keeper;
use crate::submit::{Answer, COMMAND_DEADLINE};

/// Bytes of one message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// From when on a certificate counts: other machines' clocks differ.
const SKEW: Duration = Duration::from_secs(3_600);
/// How long a node's certificate is valid: ten years, as those that are made when a cluster is founded.
/// What ends a node is that it is no member any more.
const LIFETIME: Duration = Duration::from_secs(3_650 * 86_400);

/// Lets nodes join.
pub struct JoiningService<RT: AsyncRuntime> {
    /// The node that is asked.
    pub node: Node<RT>,
    /// Where the authority's key may be.
    pub keeper: Arc<dyn Keeper>,
    /// The principal it writes as.
    pub principal: PrincipalId,
    /// Raft's times, which all nodes share.
    pub timing: Timing,
}

/// What a joiner says of itself, checked as far as its form goes.
struct Joiner {
    hash: u128,
    request: SigningRequest,
    address: Address,
    incarnation: u128,
}

fn refusal(code: &str, message: impl Into<String>) -> api::JoinRefused {
    api::JoinRefused { code: code.to_owned(), message: message.into() }
}

/// What the state says of a token, without touching it: the refusals of `RedeemToken`.
fn judge(centre: &Centre, joiner: &Joiner, now: LogTime) -> Result<(), Rejection> {
    let token = centre.tokens().find(|token| token.hash == joiner.hash);
    let token = token.ok_or(Rejection::TokenUnknown)?;
    match token.may_redeem(joiner.request.fingerprint(), joiner.incarnation, now)? {
        Some(node) if centre.node(node).is_none() => Err(Rejection::TokenUsed { node }),
        Some(_) | None => Ok(()),
    }
}

impl<RT: AsyncRuntime> JoiningService<RT> {
    async fn answer(&self, request: api::JoinRequest) -> Outcome {
        let joiner = match self.read(request) {
            Ok(joiner) => joiner,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let keeper = self.keeper.clone();
        let kept = RT::spawn_blocking(move || keeper.authority()).await;
        let Ok(kept) = kept else { return self.elsewhere("this node ends") };
        let authority = match kept {
            Ok(Some(authority)) => authority,
            Ok(None) => {
                let why = "this node does not have the key of the cluster's authority";
                return self.elsewhere(why);
            }
            Err(error) => {
                tracing::error!(%error, "the key of the authority cannot be read");
                return self.elsewhere("the key of the authority cannot be read here");
            }
        };
        // A bad token makes no entry: whether it is one is looked up first, in what is committed.
        let members = self.node.directory().all();
        let verdict = match self.node.catch_up().await {
            // A founder's number is not for somebody else.
            Ok(view) if members.iter().any(|(node, _)| *node > view.centre().last_node()) => {
                return self.elsewhere("the cluster is being founded");
            }
            Ok(view) => judge(view.centre(), &joiner, self.node.now()),
            Err(error) => return self.elsewhere(&error.to_string()),
        };
        if let Err(rejection) = verdict {
            tracing::info!(%rejection, address = %joiner.address.as_str(), "a node may not join");
            return Outcome::Refused(refusal(rejection.code(), rejection.to_string()));
        }
        if let Some(taken) = self.holder_of(&joiner) {
            return taken;
        }
        let command = SiteCommand::RedeemToken {
            hash: joiner.hash,
            key: joiner.request.fingerprint(),
            incarnation: joiner.incarnation,
            address: joiner.address.clone(),
        };
        let redeem = Submission::new(self.principal.clone(), command.into());
        match self.node.call(&redeem).await {
            Answer::Committed { reply: Reply::NodeAdded { node }, index } => {
                // What is told is read from this replica.
                let applied = self.node.state().wait_applied(index);
                if !matches!(RT::timeout(COMMAND_DEADLINE, applied).await, Ok(Ok(()))) {
                    return self.elsewhere("this node ends");
                }
                self.welcome(&authority, node, &joiner)
            }
            Answer::Committed { .. } => self.elsewhere("the cluster's answer makes no sense"),
            Answer::Refused { code, message, .. } => Outcome::Refused(refusal(&code, message)),
            Answer::Unavailable { message, .. } | Answer::Unknown { message } => {
                self.elsewhere(&message)
            }
        }
    }

    fn read(&self, request: api::JoinRequest) -> Result<Joiner, api::JoinRefused> {
        let api::JoinRequest { cluster, secret, signing_request, address, incarnation, rules } =
            request;
        let own = self.node.directory().own().cluster;
        if fixed(&cluster).map(u128::from_be_bytes) != Some(own) {
            let words = format!("the token is for another cluster than {}", ClusterId(own));
            return Err(refusal("join-other-cluster", words));
        }
        let odd = |words: &str| refusal("join-malformed", words);
        let secret: [u8; 32] =
            fixed(&secret).ok_or_else(|| odd("the secret is not of 32 bytes"))?;
        let incarnation = fixed(&incarnation).map(u128::from_be_bytes);
        let incarnation = incarnation.ok_or_else(|| odd("the disk is not named by 16 bytes"))?;
        let request = SigningRequest::parse(&signing_request)
            .map_err(|error| odd(&format!("its certificate: {error}")))?;
        let address = Some(address).filter(|address| is_address(address, false));
        let address = address.and_then(|address| Address::new(&address).ok());
        let address = address.ok_or_else(|| odd("its address is not host:port"))?;
        let version = self.node.state().view().centre().version();
        if rules < version {
            let words = format!(
                "the cluster goes by version {version} of the rules, and the node knows them up to \
                 {rules}: install the cluster's program"
            );
            return Err(refusal("join-too-old", words));
        }
        Ok(Joiner { hash: fingerprint(&[&secret]), request, address, incarnation })
    }

    /// The state knows no addresses of founders; the membership does.
    fn holder_of(&self, joiner: &Joiner) -> Option<Outcome> {
        let view = self.node.state().view();
        let leaving = |node| view.centre().node(NodeId(node)).is_none_or(|known| known.leaving);
        let mut all = self.node.directory().all().into_iter();
        let (node, _) = all.find(|(node, member)| {
            member.address == joiner.address.as_str()
                && member.incarnation != joiner.incarnation
                && !leaving(*node)
        })?;
        let taken = Rejection::AddressTaken { node: NodeId(node) };
        Some(Outcome::Refused(refusal(taken.code(), taken.to_string())))
    }

    /// What a new member is told.
    fn welcome(&self, authority: &Authority, node: NodeId, joiner: &Joiner) -> Outcome {
        let now_ms = self.node.wall_ms();
        let validity = Validity {
            not_before_ms: now_ms.saturating_sub(SKEW.as_millis() as u64),
            not_after_ms: now_ms + LIFETIME.as_millis() as u64,
        };
        // Another date, another certificate, another number.
        let number = serial(fingerprint(&[
            &joiner.hash.to_be_bytes(),
            &joiner.request.fingerprint().to_be_bytes(),
            &(validity.not_after_ms / 1_000).to_be_bytes(),
        ]));
        let signed = authority.sign(&Subject::Node(node), &joiner.request, number, validity);
        let certificate = match signed {
            Ok(certificate) => certificate,
            Err(error) => {
                tracing::error!(%error, "no certificate can be signed");
                return self.elsewhere("no certificate can be signed here");
            }
        };
        let view = self.node.state().view();
        let Some((known, site)) = view.centre().members().find(|(known, _)| known.id == node)
        else {
            return self.elsewhere("the node was removed in the same moment");
        };
        let Timing { rtt_ms, heartbeat_ms, election_ms: (shortest, longest) } = self.timing;
        let members = self.node.directory().all();
        Outcome::Joined(api::Joined {
            node: node.0,
            site: site.to_string(),
            role: node_role_to_stored(&known.role),
            certificate: certificate.to_vec().into(),
            authority: authority.certificate().to_vec().into(),
            timing: Some(api::RaftTiming {
                rtt_ms,
                heartbeat_ms,
                election_min_ms: shortest,
                election_max_ms: longest,
            }),
            members: members.iter().map(|(n, member)| member_to_stored(*n, member)).collect(),
        })
    }

    /// Who else may be asked: voters first, for they have the authority's key.
    fn elsewhere(&self, why: &str) -> Outcome {
        let voters: Vec<_> = self.node.raft().voter_ids().collect();
        let (mut first, others): (Vec<_>, Vec<_>) =
            self.node.directory().others().into_iter().partition(|(n, _)| voters.contains(n));
        first.extend(others);
        let addresses = first.into_iter().map(|(_, member)| member.address).take(5).collect();
        Outcome::Elsewhere(api::JoinElsewhere { addresses, why: why.to_owned() })
    }
}

#[tonic::async_trait]
impl<RT: AsyncRuntime> Joining for JoiningService<RT> {
    async fn join(
        &self,
        request: Request<api::JoinRequest>,
    ) -> Result<Response<api::JoinResponse>, Status> {
        let result = Some(self.answer(request.into_inner()).await);
        Ok(Response::new(api::JoinResponse { result }))
    }
}
