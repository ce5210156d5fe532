//! What somebody who founds a cluster has decided.
//!
//! ```toml
//! cluster = "Three cities"      # the name people see
//! admin = "olena"               # the first operator
//! profile = "metro"             # round trips between the nodes: city 5 ms, metro 20, wan 80
//! replay = false                # true: clients move the cluster's time; for replays and tests
//!
//! [[nodes]]
//! site = "kyiv"
//! address = "kyiv-1.example:7400"   # where others find it
//! listen = "0.0.0.0:7400"           # where it waits for connections; else the address
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use serde::Deserialize;
use toml::Spanned;

use crate::config::{ConfigError, Profile, Source};
use crate::identity::node_of;

/// The most nodes a cluster is founded with. More voters make every write slower and no failure
/// more bearable than two at once; further nodes join as learners.
pub const VOTERS_MAX: usize = 5;

/// What somebody who founds a cluster has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The name people see.
    pub cluster: Label,
    /// The first operator.
    pub admin: PrincipalId,
    /// How far apart the nodes are.
    pub profile: Profile,
    /// Whether clients own log time.
    pub replay: bool,
    /// The nodes: they get the numbers 1, 2, 3 in this order.
    pub nodes: Vec<PlannedNode>,
}

/// A node to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedNode {
    /// Its site.
    pub site: SiteId,
    /// Where others find it: host:port.
    pub address: String,
    /// Where it waits for connections: host:port.
    pub listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cluster: Spanned<String>,
    admin: Spanned<String>,
    profile: Profile,
    #[serde(default)]
    replay: bool,
    nodes: Spanned<Vec<WrittenNode>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNode {
    site: Spanned<String>,
    address: Spanned<String>,
    listen: Option<Spanned<String>>,
}

impl Plan {
    /// Reads a plan.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a plan; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let source = Source { text, path };
        let written: Written = source.read()?;
        let count = written.nodes.as_ref().len();
        if !(1..=VOTERS_MAX).contains(&count) {
            return Err(source.refuse(
                Some(written.nodes.span()),
                "nodes",
                format!("a cluster is founded with 1 to {VOTERS_MAX} nodes, not {count}"),
                "found it with three or five; others can join later",
            ));
        }
        let cluster = source.label("cluster", &written.cluster)?;
        let admin = source.admin(&written.admin)?;
        let mut nodes = Vec::new();
        let mut addresses = BTreeSet::new();
        for node in written.nodes.into_inner() {
            let address = source.address("address", &node.address, false)?;
            if !addresses.insert(address.clone()) {
                return Err(source.refuse(
                    Some(node.address.span()),
                    "address",
                    format!("{address} is the address of another node"),
                    "give each node an address of its own",
                ));
            }
            let listen = match &node.listen {
                Some(listen) => source.address("listen", listen, true)?,
                None => address.clone(),
            };
            nodes.push(PlannedNode { site: source.site(&node.site)?, address, listen });
        }
        Ok(Self { cluster, admin, profile: written.profile, replay: written.replay, nodes })
    }

    /// What the cluster would not survive, in words; none if it survives the loss of any one
    /// site.
    pub fn warnings(&self) -> Vec<String> {
        let mut sites = BTreeMap::new();
        for node in &self.nodes {
            *sites.entry(&node.site).or_insert(0) += 1;
        }
        let total = self.nodes.len();
        let mut warnings: Vec<_> = sites
            .iter()
            .filter(|(_, here)| (total - **here) * 2 <= total)
            .map(|(site, here)| {
                format!(
                    "without {site}, which has {here} of {total} nodes, nobody can decide: \
                     the cluster stands still until {site} is back"
                )
            })
            .collect();
        if total.is_multiple_of(2) {
            warnings.push(format!(
                "{total} nodes survive the loss of no more nodes than {} would; a witness \
                 elsewhere makes them odd",
                total - 1
            ));
        }
        warnings
    }
}

impl Source<'_> {
    pub(super) fn label(
        &self,
        key: &'static str,
        text: &Spanned<String>,
    ) -> Result<Label, ConfigError> {
        Label::new(text.as_ref()).map_err(|error| {
            self.refuse(
                Some(text.span()),
                key,
                error.to_string(),
                "use a name of 1 to 200 bytes without control characters",
            )
        })
    }

    pub(super) fn admin(&self, text: &Spanned<String>) -> Result<PrincipalId, ConfigError> {
        let refuse =
            |what: String, remedy: &str| self.refuse(Some(text.span()), "admin", what, remedy);
        let admin = PrincipalId::new(text.as_ref()).map_err(|error| {
            refuse(
                error.to_string(),
                "use a name of a-z, 0-9, `.`, `_` and `-`, of at most 63 characters",
            )
        })?;
        if node_of(&admin).is_some() {
            return Err(refuse(format!("{admin} is the name of a node"), "use a person's name"));
        }
        Ok(admin)
    }
}
