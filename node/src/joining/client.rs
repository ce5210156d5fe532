//! Asks a cluster to become a member.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use acd::ids::{NodeId, SiteId};
use hyper::Uri;
use openraft_rt::{AsyncRuntime, Instant as _};
use proto::api::v1 as api;
use proto::api::v1::join_response::Result as Outcome;
use proto::api::v1::joining_client::JoiningClient;
use rustls::pki_types::CertificateDer;
use tonic::Status;

use super::token::fixed;
use super::{JoinError, Joined, Pending, Token};
use crate::config::{Timing, is_address};
use crate::identity::{HandshakeError, join_name, pinned_config};
use crate::raft::{Member, NodeId as Number};
use crate::rpc::{Channel, Dial, RpcError, Timer};
use crate::seams::{Connector, WallClock};

/// How long one node may take to answer: it asks the leader, and writes.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before all are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long to go on in all: a cluster that lost a city has a leader again within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Addresses that are asked, those that nodes named included.
const ADDRESSES_MAX: usize = 16;
/// Members that an answer may name.
const MEMBERS_MAX: usize = 1_024;

/// Asks the nodes that a token names, and those that they name, until one can say. `address` is where
/// others will find the node that joins.
///
/// # Errors
///
/// [`JoinError::Refused`]: the cluster will not have it, and knows nothing of it.
/// [`JoinError::NoAnswer`]: it may be a member by now; ask again as the same one.
/// [`JoinError::OtherAuthority`], [`JoinError::OtherCluster`]: it is not the cluster of the token.
pub async fn ask<RT: AsyncRuntime>(
    connector: Arc<dyn Connector>,
    clock: Arc<dyn WallClock>,
    token: &Token,
    pending: &Pending,
    address: &str,
) -> Result<Joined, JoinError> {
    let tls = pinned_config(token.cluster, token.authority, clock)?;
    let timer = Timer::<RT>::start();
    let request = api::JoinRequest {
        cluster: token.cluster.0.to_be_bytes().to_vec().into(),
        secret: token.secret.to_vec().into(),
        signing_request: pending.key.request()?.into(),
        address: address.to_owned(),
        incarnation: pending.incarnation.to_be_bytes().to_vec().into(),
        rules: acd::limits::CLUSTER_VERSION_MAX,
    };
    let channel = |address: &str| {
        let dial = Dial {
            connector: connector.clone(),
            address: address.to_owned(),
            server_name: join_name(token.cluster),
            tls: tls.clone().into(),
            headers: Vec::new(),
            connect_timeout: ASK_TIMEOUT,
            keep_alive: ASK_TIMEOUT,
        };
        Channel::<RT>::new(dial, timer.clone())
    };
    let give_up = RT::Instant::now() + PATIENCE;
    let mut known: Vec<String> = token.addresses.clone();
    let mut said: Vec<(String, String)> = Vec::new();
    loop {
        let mut strangers = Vec::new();
        let mut round: VecDeque<String> = known.iter().cloned().collect();
        while let Some(next) = round.pop_front() {
            if RT::Instant::now() >= give_up && !said.is_empty() {
                break;
            }
            let origin = Uri::from_static("https://quorumcall");
            let mut node = JoiningClient::with_origin(channel(&next), origin);
            let answer = RT::timeout(ASK_TIMEOUT, node.join(request.clone())).await;
            let words = match answer {
                Err(_) => "no answer in time".to_owned(),
                Ok(Err(status)) => match stranger(&status, &next) {
                    Some(stranger) => {
                        let words = stranger.to_string();
                        strangers.push(stranger);
                        words
                    }
                    None => status.message().to_owned(),
                },
                Ok(Ok(response)) => match response.into_inner().result {
                    Some(Outcome::Joined(joined)) => return read(joined),
                    Some(Outcome::Refused(api::JoinRefused { code, message })) => {
                        return Err(JoinError::Refused { code, message });
                    }
                    Some(Outcome::Elsewhere(api::JoinElsewhere { addresses, why })) => {
                        for address in addresses.into_iter().rev() {
                            let is_new = !known.contains(&address);
                            if is_new && known.len() < ADDRESSES_MAX && is_address(&address, false)
                            {
                                known.push(address.clone());
                                round.push_front(address);
                            }
                        }
                        why
                    }
                    None => "its answer is empty".to_owned(),
                },
            };
            said.retain(|(who, _)| *who != next);
            said.push((next, words));
        }
        // Whom else to believe, if all that answer are somebody else?
        if strangers.len() == known.len()
            && let Some(first) = strangers.into_iter().next()
        {
            return Err(first);
        }
        if RT::Instant::now() >= give_up {
            let said = said.into_iter().map(|(who, words)| format!("{who}: {words}")).collect();
            return Err(JoinError::NoAnswer { said });
        }
        RT::sleep(ASK_AGAIN).await;
    }
}

/// Whether a call failed because whoever is there is not of the token's cluster.
fn stranger(status: &Status, address: &str) -> Option<JoinError> {
    let Some(RpcError::Connect { source, .. }) = RpcError::of(status) else { return None };
    let address = address.to_owned();
    match HandshakeError::of(source) {
        HandshakeError::OtherAuthority => Some(JoinError::OtherAuthority { address }),
        HandshakeError::OtherCluster { theirs } => {
            Some(JoinError::OtherCluster { address, theirs })
        }
        _ => None,
    }
}

fn read(joined: api::Joined) -> Result<Joined, JoinError> {
    let odd = |what| JoinError::Answer { what };
    let api::Joined { node, site, role: _, certificate, authority, timing, members } = joined;
    let timing = timing.ok_or_else(|| odd("it names no times for Raft"))?;
    let timing = Timing {
        rtt_ms: timing.rtt_ms,
        heartbeat_ms: timing.heartbeat_ms,
        election_ms: (timing.election_min_ms, timing.election_max_ms),
    };
    if members.is_empty() || members.len() > MEMBERS_MAX {
        return Err(odd("it names no members, or too many"));
    }
    let members = members.into_iter().map(|member| {
        let incarnation = fixed(&member.incarnation).map(u128::from_be_bytes);
        let incarnation = incarnation.ok_or_else(|| odd("a member's disk is not named"))?;
        let is_usual = is_address(&member.address, false) && SiteId::new(&member.site).is_ok();
        if !is_usual {
            return Err(odd("a member has no proper address or site"));
        }
        let (address, site) = (member.address, member.site);
        Ok((member.node as Number, Member { address, site, incarnation }))
    });
    Ok(Joined {
        node: NodeId(node),
        site: SiteId::new(&site).map_err(|_| odd("its site has no proper name"))?,
        certificate: CertificateDer::from(certificate.to_vec()),
        authority: CertificateDer::from(authority.to_vec()),
        timing: timing.check().map_err(|_| odd("no leader could be with the times it names"))?,
        members: members.collect::<Result<_, _>>()?,
    })
}
