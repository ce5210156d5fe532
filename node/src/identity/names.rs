//! What a certificate calls its holder.
//!
//! Every certificate names its principal by one URI, in the form of a SPIFFE ID (SPIFFE-ID.md,
//! section 2):
//!
//! ```text
//! spiffe://<cluster, 32 hex digits>.quorumcall.internal/principal/<slug>
//! ```
//!
//! A DNS name would not do: a slug may contain dots, which part labels, and may end in a hyphen,
//! which a label may not. In the path of a URI all characters of a slug stand for themselves, so
//! nothing is escaped and no two principals share a name. SPIFFE has this form for the same reason,
//! and proxies know it.
//!
//! Whoever dials a node must also find a DNS name in its certificate, because that is what TLS
//! compares ([`node_name`]): `node-7.<cluster>.quorumcall.internal`. Clients to whom any node will do
//! look for `nodes.<cluster>.quorumcall.internal`, which all nodes have. Only nodes have such names,
//! and only their certificates may be used by a server.

use std::fmt;
use std::str::FromStr;

use acd::ids::{NodeId, PrincipalId};
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use webpki::EndEntityCert;

use super::IdentityError;

/// Under which all names are; `.internal` is kept for private use (ICANN, 2024).
const DOMAIN: &str = "quorumcall.internal";

/// What the name to join by begins with.
const JOIN: &str = "join.";

/// The number of a cluster, drawn at random when it is founded. Written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hex digits in lower case")]
pub struct NotHex;

/// Parses 32 hex digits. One number has one way to be written, so that texts can be compared.
pub(crate) fn parse_hex(text: &str) -> Result<u128, NotHex> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != 32 || !text.bytes().all(digit) {
        return Err(NotHex);
    }
    u128::from_str_radix(text, 16).map_err(|_| NotHex)
}

impl FromStr for ClusterId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        parse_hex(text).map(Self)
    }
}

/// The principal a node is.
pub(super) fn node_principal(node: NodeId) -> PrincipalId {
    // "node-" and at most 20 digits are a slug.
    PrincipalId::new(&format!("node-{}", node.0)).expect("a slug")
}

/// The node a principal is, if it has the name of one.
pub(crate) fn node_of(principal: &PrincipalId) -> Option<NodeId> {
    let digits = principal.as_str().strip_prefix("node-")?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(NodeId(number))
}

pub(super) fn dns_text(cluster: ClusterId, node: NodeId) -> String {
    format!("node-{}.{cluster}.{DOMAIN}", node.0)
}

/// The name that every node of the cluster has.
pub(super) fn any_node_text(cluster: ClusterId) -> String {
    format!("nodes.{cluster}.{DOMAIN}")
}

/// The name under which whoever has no identity yet may ask for one: of any node, which then shows
/// its authority's certificate, too, and asks for none.
pub fn join_name(cluster: ClusterId) -> ServerName<'static> {
    ServerName::DnsName(DnsName::try_from(join_text(cluster)).expect("a DNS name"))
}

fn join_text(cluster: ClusterId) -> String {
    format!("{JOIN}{cluster}.{DOMAIN}")
}

/// Whether a name is that under which one asks to join some cluster: this one, or another, of which
/// somebody has the wrong address.
pub(crate) fn is_join_name(name: &str) -> bool {
    name.starts_with(JOIN) && name.ends_with(DOMAIN)
}

/// The serial number of a certificate that this cluster's authority issued.
///
/// Refused: [`IdentityError::BadCertificate`], also for a number of more than 16 bytes.
pub(crate) fn serial_of(certificate: &CertificateDer<'_>) -> Result<u128, IdentityError> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| IdentityError::BadCertificate)?;
    let bytes = parsed.serial();
    let mut number = [0; 16];
    let at = number.len().checked_sub(bytes.len()).ok_or(IdentityError::BadCertificate)?;
    number[at..].copy_from_slice(bytes);
    Ok(u128::from_be_bytes(number))
}

/// The name to dial a node by: the handshake fails unless the other end has a certificate of this
/// cluster's authority for exactly this node.
pub fn node_name(cluster: ClusterId, node: NodeId) -> ServerName<'static> {
    // Digits, letters and hyphens between them; the longest label has 32 characters.
    let name = DnsName::try_from(dns_text(cluster, node)).expect("a DNS name");
    ServerName::DnsName(name)
}

pub(super) fn uri_text(cluster: ClusterId, principal: &PrincipalId) -> String {
    format!("spiffe://{cluster}.{DOMAIN}/principal/{principal}")
}

/// Whom a URI names, and in which cluster.
fn parse_uri(uri: &str) -> Option<(ClusterId, PrincipalId)> {
    let rest = uri.strip_prefix("spiffe://")?;
    let (domain, path) = rest.split_once('/')?;
    let cluster = domain.strip_suffix(DOMAIN)?.strip_suffix('.')?.parse().ok()?;
    let principal = PrincipalId::new(path.strip_prefix("principal/")?).ok()?;
    Some((cluster, principal))
}

/// Whom a certificate names, and in which cluster.
pub(super) fn named_in(
    certificate: &CertificateDer<'_>,
) -> Result<(ClusterId, PrincipalId), IdentityError> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| IdentityError::BadCertificate)?;
    let mut uris = parsed.valid_uri_names();
    // Two names would leave it to each reader which one counts.
    match (uris.next(), uris.next()) {
        (Some(uri), None) => parse_uri(uri).ok_or(IdentityError::NoPrincipal),
        _ => Err(IdentityError::NoPrincipal),
    }
}

/// The principal a certificate names. The certificate must have been verified: this reads names,
/// not signatures.
///
/// Refused: [`IdentityError::BadCertificate`], [`IdentityError::NoPrincipal`] (none, two, or not of
/// this form), [`IdentityError::OtherCluster`].
pub fn principal_of(
    certificate: &CertificateDer<'_>,
    cluster: ClusterId,
) -> Result<PrincipalId, IdentityError> {
    let (theirs, principal) = named_in(certificate)?;
    if theirs != cluster {
        return Err(IdentityError::OtherCluster { ours: cluster, theirs });
    }
    Ok(principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_can_be_named_and_read_back() {
        let cluster = ClusterId(0xfeed);
        let long = format!("{}.", "9".repeat(62));
        for slug in ["a", "0", "a.", "a-", "a_", "a..b", "a.-.b", "node-3", "x.y_z-", &long] {
            let principal = PrincipalId::new(slug).unwrap();
            let uri = uri_text(cluster, &principal);
            assert_eq!(parse_uri(&uri), Some((cluster, principal)), "{uri}");
        }
    }

    #[test]
    fn what_is_not_quite_a_name_names_nobody() {
        let cluster = "0000000000000000000000000000feed";
        for uri in [
            "".to_owned(),
            format!("spiffe://{cluster}.quorumcall.internal/principal/"),
            format!("spiffe://{cluster}.quorumcall.internal/principal/a/b"),
            format!("spiffe://{cluster}.quorumcall.internal/principal/A"),
            format!("spiffe://{cluster}.quorumcall.internal/agent/a"),
            format!("spiffe://{cluster}quorumcall.internal/principal/a"),
            format!("spiffe://{cluster}.quorumcall.internal.evil.example/principal/a"),
            "spiffe://feed.quorumcall.internal/principal/a".to_owned(),
            "spiffe://0000000000000000000000000000FEED.quorumcall.internal/principal/a".to_owned(),
            format!("https://{cluster}.quorumcall.internal/principal/a"),
        ] {
            assert_eq!(parse_uri(&uri), None, "{uri}");
        }
    }

    #[test]
    fn only_canonical_numbers_are_nodes() {
        let node = |slug| node_of(&PrincipalId::new(slug).unwrap());
        assert_eq!(node("node-7"), Some(NodeId(7)));
        for slug in ["node-", "node-07", "node-7a", "node-7.", "node7", "a-node-7"] {
            assert_eq!(node(slug), None, "{slug}");
        }
    }

    #[test]
    fn the_greatest_node_has_a_legal_name() {
        node_name(ClusterId(u128::MAX), NodeId(u64::MAX));
        assert_eq!(node_of(&node_principal(NodeId(u64::MAX))), Some(NodeId(u64::MAX)));
    }
}
