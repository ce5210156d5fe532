//! `quorumcall cluster join-token`, `tokens`, `revoke-token`.

use acd::command::{Command, SiteCommand};
use acd::ids::{Seq, SiteId};
use acd::members::survival;
use acd::reply::Reply;
use acd::site::NodeRole;
use acd::text::Label;
use acd::time::Millis;
use clap::Args;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use serde::Serialize;

use super::cluster::get_cluster;
use super::{Options, ReadArgs, parse_reason, parse_role, parse_site, parse_ttl};
use crate::client::{Conversation, Identity, Secret, TOKEN_ADDRESSES_MAX, no_identity};
use crate::failure::Failure;
use crate::output::{Freshness, Printed, Table, ahead, incomplete, left, print, right};

/// Arguments of `quorumcall cluster join-token`.
#[derive(Debug, Args)]
pub struct JoinTokenArgs {
    /// The city of the node; made when it joins, if it is not there.
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    pub site: SiteId,
    /// What the node will be: voter, learner, or witness (votes, and has no agents).
    #[arg(long, value_name = "ROLE", value_parser = parse_role, default_value = "voter")]
    pub role: NodeRole,
    /// For how long the token is good: 1s to 7d.
    #[arg(long, value_name = "DURATION", value_parser = parse_ttl, default_value = "1h")]
    pub ttl: Millis,
    /// Why, for the audit trail: 1 to 200 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<Label>,
}

/// Arguments of `quorumcall cluster revoke-token`.
#[derive(Debug, Args)]
pub struct RevokeTokenArgs {
    /// Its number, as `quorumcall cluster tokens` shows it.
    #[arg(value_name = "TOKEN")]
    pub token: u64,
    /// Why, for the audit trail: 1 to 200 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<Label>,
}

/// A token that was made. Nothing else has the secret.
#[derive(Debug, Serialize)]
struct Issued {
    token: String,
    id: u64,
    site: String,
    role: &'static str,
    expires_ms: u64,
}

impl Printed for Issued {
    /// The token alone, so that it can be taken by a script.
    fn table(&self) -> String {
        format!("{}\n", self.token)
    }
}

fn role_to_stored(role: NodeRole) -> stored::NodeRole {
    match role {
        NodeRole::Voter => stored::NodeRole::Voter,
        NodeRole::Learner => stored::NodeRole::Learner,
        NodeRole::Witness => stored::NodeRole::Witness,
    }
}

/// Makes a token. What people should know besides goes to standard error.
pub(super) fn issue(options: &Options, args: &JoinTokenArgs) -> Result<String, Failure> {
    let path = options.identity_path();
    let identity = Identity::load(&path).map_err(|error| no_identity(&path, &error))?;
    let conversation = Conversation::open(options)?;
    let read = ReadArgs { linearizable: true };
    let cluster = conversation.ask(|client| get_cluster(client, read))?.cluster;
    let cluster = cluster.ok_or_else(|| incomplete("does not describe the cluster"))?;
    let addresses = addresses(&cluster);
    let secret = Secret::draw();
    let command = Command::Site(SiteCommand::IssueToken {
        hash: secret.hash(),
        site: args.site.clone(),
        role: args.role,
        ttl: args.ttl,
    });
    let reason = args.reason.as_ref().map(Label::as_str);
    let committed =
        conversation.ask(|client| async move { client.administer(&command, reason).await })?;
    let Reply::TokenIssued { token, expires } = committed.reply else {
        return Err(incomplete("does not say which token was made"));
    };
    let role = role_to_stored(args.role);
    let issued = Issued {
        token: secret.token(&identity, addresses, args.site.as_str(), role, expires.0),
        id: token.0,
        site: args.site.to_string(),
        role: args.role.word(),
        expires_ms: expires.0,
    };
    eprintln!(
        "token {} lets one {} join at {} in the next {}; it is shown this once",
        token.0,
        issued.role,
        args.site,
        crate::output::duration(args.ttl.0)
    );
    if let Some(why) = advice(&cluster, args) {
        eprintln!("{why}");
    }
    print(&issued, options.output)
}

/// Where the node that joins may ask, voters first: they have the authority's key.
fn addresses(cluster: &api::ClusterStatus) -> Vec<String> {
    let (voters, others): (Vec<_>, Vec<_>) = cluster
        .nodes
        .iter()
        .filter(|node| node.member && !node.leaving)
        .partition(|node| node.voter);
    let all = voters.into_iter().chain(others).map(|node| node.address.clone());
    all.take(TOKEN_ADDRESSES_MAX).collect()
}

/// What the cluster will not survive with this node either.
fn advice(cluster: &api::ClusterStatus, args: &JoinTokenArgs) -> Option<String> {
    let voting = cluster.nodes.iter().filter(|node| !node.leaving);
    let voting = voting.filter(|node| node.role() != stored::NodeRole::Learner);
    let mut sites: Vec<SiteId> = voting.filter_map(|node| SiteId::new(&node.site).ok()).collect();
    if args.role.votes() {
        sites.push(args.site.clone());
    }
    Some(survival(&sites).why).filter(|why| !why.is_empty())
}

/// Ends a token.
pub(super) fn revoke(options: &Options, args: &RevokeTokenArgs) -> Result<String, Failure> {
    let command = Command::Site(SiteCommand::RevokeToken { token: Seq(args.token) });
    let reason = args.reason.as_ref().map(Label::as_str);
    let conversation = Conversation::open(options)?;
    conversation.ask(|client| async move { client.administer(&command, reason).await })?;
    print(&Revoked { id: args.token }, options.output)
}

#[derive(Debug, Serialize)]
struct Revoked {
    id: u64,
}

impl Printed for Revoked {
    fn table(&self) -> String {
        format!("token {} is not good any more\n", self.id)
    }
}

/// Lists tokens.
pub(super) fn list(options: &Options, read: ReadArgs) -> Result<String, Failure> {
    let answer = Conversation::open(options)?.ask(|client| get_cluster(client, read))?;
    let freshness = Freshness::of(answer.freshness)?;
    let cluster = answer.cluster.ok_or_else(|| incomplete("does not describe the cluster"))?;
    let tokens = cluster.tokens.iter().map(|token| TokenRow::of(token, freshness.now_ms));
    print(&TokenList { tokens: tokens.collect(), freshness }, options.output)
}

#[derive(Debug, Serialize)]
struct TokenRow {
    id: u64,
    site: String,
    role: &'static str,
    /// open, used, revoked, expired.
    state: &'static str,
    /// The node that joined by it.
    node: Option<u64>,
    issued_ms: u64,
    expires_ms: u64,
}

impl TokenRow {
    fn of(stored: &stored::JoinToken, now_ms: u64) -> Self {
        use stored::join_token::End;
        let (state, node) = match &stored.end {
            Some(End::Used(used)) => ("used", Some(used.node)),
            Some(End::Revoked(_)) => ("revoked", None),
            None if stored.expires_ms <= now_ms => ("expired", None),
            None => ("open", None),
        };
        Self {
            id: stored.id,
            site: stored.site.clone(),
            role: super::words::node_role(stored.role()),
            state,
            node,
            issued_ms: stored.issued_ms,
            expires_ms: stored.expires_ms,
        }
    }
}

#[derive(Debug, Serialize)]
struct TokenList {
    freshness: Freshness,
    tokens: Vec<TokenRow>,
}

impl Printed for TokenList {
    fn table(&self) -> String {
        let mut table = Table::new([
            right("TOKEN"),
            left("SITE"),
            left("ROLE"),
            left("STATE"),
            right("NODE"),
            left("EXPIRES"),
        ]);
        for token in &self.tokens {
            let expires = match token.state {
                "open" => ahead(token.expires_ms, self.freshness.now_ms),
                _ => String::new(),
            };
            table.row([
                token.id.to_string(),
                token.site.clone(),
                token.role.into(),
                token.state.into(),
                token.node.map(|node| node.to_string()).unwrap_or_default(),
                expires,
            ]);
        }
        format!("{}\n{}", table.text("no tokens"), self.freshness.line())
    }
}
