//! Tokens by which nodes join, made here: of the secret the cluster gets the hash only.

use data_encoding::BASE64URL_NOPAD;
use prost::Message;
use proto::api::v1 as api;
use proto::stored::v1 as stored;
use rand::Rng;
use ring::digest::{SHA256, digest};

use super::Identity;

/// What a token begins with: what it is, and its form.
const PREFIX: &str = "qcj1.";
/// Bytes of the check at its end.
const CHECK_BYTES: usize = 4;
/// Addresses in a token.
pub const ADDRESSES_MAX: usize = 5;

/// A secret that nobody else knows.
pub struct Secret([u8; 32]);

impl Secret {
    /// From the system's entropy.
    pub fn draw() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The number by which the cluster knows it: the first 16 bytes of its SHA-256.
    pub fn hash(&self) -> u128 {
        let mut half = [0; 16];
        half.copy_from_slice(&digest(&SHA256, &self.0).as_ref()[..16]);
        u128::from_be_bytes(half)
    }

    /// The text that the node to be is given.
    pub fn token(
        &self,
        identity: &Identity,
        addresses: Vec<String>,
        site: &str,
        role: stored::NodeRole,
        expires_ms: u64,
    ) -> String {
        let cluster = u128::from_str_radix(&identity.cluster, 16).unwrap_or_default();
        let authority = digest(&SHA256, identity.authority_der()).as_ref().to_vec();
        let token = api::JoinToken {
            cluster: cluster.to_be_bytes().to_vec().into(),
            authority: authority.into(),
            secret: self.0.to_vec().into(),
            addresses,
            site: site.to_owned(),
            role: role.into(),
            expires_ms,
        };
        let mut bytes = token.encode_to_vec();
        let check = digest(&SHA256, &bytes);
        bytes.extend(&check.as_ref()[..CHECK_BYTES]);
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADMIN, Node};

    #[test]
    fn nodes_read_what_is_made_here() {
        let cluster = Node::start();
        let identity = Identity::load(&cluster.identity(ADMIN, &[])).expect("an identity");
        let secret = Secret::draw();
        let addresses = vec!["10.0.0.1:7400".to_owned(), "[fd00::1]:7400".to_owned()];
        let role = stored::NodeRole::Witness;
        let text = secret.token(&identity, addresses.clone(), "odesa", role, 9);
        let read = node::joining::Token::parse(&text).expect("a token");
        assert_eq!(read.cluster.to_string(), identity.cluster);
        assert_eq!(read.authority, node::identity::sha256(&[identity.authority_der()]));
        assert_eq!((read.hash(), read.site.as_str()), (secret.hash(), "odesa"));
        assert_eq!(read.addresses, addresses);
    }
}
