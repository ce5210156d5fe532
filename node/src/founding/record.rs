//! What all nodes know of the founding of their cluster: `founding.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use acd::command::{ClusterCommand, Command};
use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::text::Label;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::config::{ConfigError, Source};
use crate::identity::{ClusterId, parse_hex};
use crate::raft::Member;

/// What all nodes know of the founding of their cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The cluster.
    pub cluster: ClusterId,
    /// The name people see.
    pub name: Label,
    /// The first operator.
    pub admin: PrincipalId,
    /// Whether clients own log time.
    pub replay: bool,
    /// The nodes that found it, by number from 1 without gaps.
    pub members: Vec<Founder>,
}

/// A node that founds a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// Its number.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// Where others find it: host:port.
    pub address: String,
    /// Which life of its disk is meant.
    pub incarnation: u128,
}

#[derive(Serialize)]
struct ToWrite<'a> {
    cluster: String,
    name: &'a str,
    admin: &'a str,
    replay: bool,
    members: Vec<FounderToWrite<'a>>,
}

#[derive(Serialize)]
struct FounderToWrite<'a> {
    node: u64,
    site: &'a str,
    address: &'a str,
    incarnation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cluster: Spanned<String>,
    name: Spanned<String>,
    admin: Spanned<String>,
    replay: bool,
    members: Vec<WrittenFounder>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFounder {
    node: Spanned<u64>,
    site: Spanned<String>,
    address: Spanned<String>,
    incarnation: Spanned<String>,
}

impl Founding {
    /// The founder with a number.
    pub fn member(&self, node: NodeId) -> Option<&Founder> {
        self.members.iter().find(|member| member.node == node)
    }

    /// The first membership, as Raft is initialised with it.
    pub fn raft_members(&self) -> BTreeMap<u64, Member> {
        self.members
            .iter()
            .map(|member| {
                let Founder { node, site, address, incarnation } = member;
                let (address, site) = (address.clone(), site.to_string());
                (node.0, Member { address, site, incarnation: *incarnation })
            })
            .collect()
    }

    /// The first command of the log. It brings the first site with node 1; the others are added
    /// by the administrator's commands, in their order.
    pub fn init_command(&self) -> Option<Command> {
        let first = self.members.first()?;
        Some(Command::Cluster(ClusterCommand::Init {
            cluster: self.name.clone(),
            site: first.site.clone(),
            admin: self.admin.clone(),
            replay: self.replay,
        }))
    }

    /// As `founding.toml` has it.
    pub fn to_toml(&self) -> String {
        let members = self.members.iter().map(|member| FounderToWrite {
            node: member.node.0,
            site: member.site.as_str(),
            address: &member.address,
            incarnation: format!("{:032x}", member.incarnation),
        });
        let record = ToWrite {
            cluster: self.cluster.to_string(),
            name: self.name.as_str(),
            admin: self.admin.as_str(),
            replay: self.replay,
            members: members.collect(),
        };
        // Strings, numbers and a flag, with the table last: nothing that TOML lacks.
        let text = toml::to_string(&record).expect("TOML");
        format!("# Who founded this cluster. The same on all of its nodes; never changed.\n{text}")
    }

    /// Reads `founding.toml`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Parses the text of `founding.toml`; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        const REMEDY: &str = "restore the file as `quorumcall-node found` wrote it";
        let source = Source { text, path };
        let written: Written = source.read()?;
        let hex = |key, text: &Spanned<String>| {
            parse_hex(text.as_ref())
                .map_err(|error| source.refuse(Some(text.span()), key, error.to_string(), REMEDY))
        };
        let mut members = Vec::new();
        for (expected, member) in (1..).zip(&written.members) {
            if *member.node.as_ref() != expected {
                return Err(source.refuse(
                    Some(member.node.span()),
                    "node",
                    format!("founders are numbered from 1 without gaps; this is {expected}"),
                    REMEDY,
                ));
            }
            members.push(Founder {
                node: NodeId(expected),
                site: source.site(&member.site)?,
                address: source.address("address", &member.address, false)?,
                incarnation: hex("incarnation", &member.incarnation)?,
            });
        }
        if members.is_empty() {
            return Err(source.refuse(None, "members", "there are none", REMEDY));
        }
        Ok(Self {
            cluster: ClusterId(hex("cluster", &written.cluster)?),
            name: source.label("name", &written.name)?,
            admin: source.admin(&written.admin)?,
            replay: written.replay,
            members,
        })
    }
}
