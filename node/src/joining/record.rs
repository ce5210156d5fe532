//! Whom a node was told of when it joined: `joined.toml`. It counts until the node's log says more.

use std::collections::BTreeMap;
use std::path::Path;

use acd::ids::NodeId;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::config::{ConfigError, Source};
use crate::identity::{ClusterId, parse_hex};
use crate::raft::Member;

/// In the folder of a node that has joined.
pub const JOINED_FILE: &str = "joined.toml";

/// Whom a node was told of when it joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedRecord {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Which life of its disk it joined with.
    pub incarnation: u128,
    /// The members there were, by number.
    pub members: Vec<(u64, Member)>,
}

#[derive(Serialize)]
struct ToWrite<'a> {
    cluster: String,
    node: u64,
    incarnation: String,
    members: Vec<MemberToWrite<'a>>,
}

#[derive(Serialize)]
struct MemberToWrite<'a> {
    node: u64,
    site: &'a str,
    address: &'a str,
    incarnation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cluster: Spanned<String>,
    node: u64,
    incarnation: Spanned<String>,
    members: Vec<WrittenMember>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMember {
    node: u64,
    site: Spanned<String>,
    address: Spanned<String>,
    incarnation: Spanned<String>,
}

impl JoinedRecord {
    /// The members, as Raft knows them.
    pub fn raft_members(&self) -> BTreeMap<u64, Member> {
        self.members.iter().cloned().collect()
    }

    /// As `joined.toml` has it.
    pub fn to_toml(&self) -> String {
        let members = self.members.iter().map(|(node, member)| MemberToWrite {
            node: *node,
            site: &member.site,
            address: &member.address,
            incarnation: format!("{:032x}", member.incarnation),
        });
        let record = ToWrite {
            cluster: self.cluster.to_string(),
            node: self.node.0,
            incarnation: format!("{:032x}", self.incarnation),
            members: members.collect(),
        };
        // Strings and numbers, with the table last: nothing that TOML lacks.
        let text = toml::to_string(&record).expect("TOML");
        format!("# Whom this node was told of when it joined. Its log knows more by now.\n{text}")
    }

    /// Reads `joined.toml`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Parses the text of `joined.toml`; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        const REMEDY: &str = "restore the file as `quorumcall-node join` wrote it";
        let source = Source { text, path };
        let written: Written = source.read()?;
        let hex = |key, text: &Spanned<String>| {
            parse_hex(text.as_ref())
                .map_err(|error| source.refuse(Some(text.span()), key, error.to_string(), REMEDY))
        };
        let mut members = Vec::new();
        for member in &written.members {
            let site = source.site(&member.site)?.to_string();
            let address = source.address("address", &member.address, false)?;
            let incarnation = hex("incarnation", &member.incarnation)?;
            members.push((member.node, Member { address, site, incarnation }));
        }
        Ok(Self {
            cluster: ClusterId(hex("cluster", &written.cluster)?),
            node: NodeId(written.node),
            incarnation: hex("incarnation", &written.incarnation)?,
            members,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_read_back() {
        let member = |n: u128| Member {
            address: format!("10.0.0.{n}:7101"),
            site: "kyiv".to_owned(),
            incarnation: n,
        };
        let record = JoinedRecord {
            cluster: ClusterId(0xfeed),
            node: NodeId(4),
            incarnation: 0xabc,
            members: vec![(1, member(1)), (3, member(3))],
        };
        let read = JoinedRecord::parse(&record.to_toml(), Path::new("joined.toml")).unwrap();
        assert_eq!(read, record);
        let broken = record.to_toml().replace("10.0.0.3:7101", "nowhere");
        let error = JoinedRecord::parse(&broken, Path::new("joined.toml")).unwrap_err();
        assert!(error.to_string().contains("E-CONFIG-VALUE"), "{error}");
    }
}
