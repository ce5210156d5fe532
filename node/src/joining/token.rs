//! The text by which a node joins.

use std::fmt;

use acd::ids::SiteId;
use data_encoding::BASE64URL_NOPAD;
use prost::Message;
use proto::api::v1 as api;
use proto::stored::v1 as stored;

use super::JoinError;
use crate::config::is_address;
use crate::identity::{ClusterId, fingerprint, sha256};

/// What a token begins with: what it is, and its form.
const PREFIX: &str = "qcj1.";
/// Bytes of the check at its end.
const CHECK_BYTES: usize = 4;
/// Characters of the longest text that is looked at: five addresses of 259 bytes, and the rest.
const TEXT_BYTES_MAX: usize = 4_096;
/// Addresses in a token.
const ADDRESSES_MAX: usize = 5;

/// A token, read. Whether it is good is for the cluster to say.
pub struct Token {
    /// The cluster it is for.
    pub cluster: ClusterId,
    /// SHA-256 of the authority's certificate.
    pub authority: [u8; 32],
    /// Known to this token and to nobody else.
    pub secret: [u8; 32],
    /// Where nodes of the cluster are.
    pub addresses: Vec<String>,
    /// The site of the node that joins by it.
    pub site: SiteId,
}

/// Without the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("cluster", &self.cluster)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Reads what `quorumcall cluster join-token` printed; space around it does not matter.
    ///
    /// # Errors
    ///
    /// [`JoinError::Token`].
    pub fn parse(text: &str) -> Result<Self, JoinError> {
        let refused = |what| JoinError::Token { what };
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(refused("it is too long to be a token"));
        }
        let coded = text.strip_prefix(PREFIX);
        let coded = coded.ok_or_else(|| refused("a token begins with `qcj1.`; this does not"))?;
        let damaged = || refused("it is damaged: perhaps a part of it was left out");
        let bytes = BASE64URL_NOPAD.decode(coded.as_bytes()).map_err(|_| damaged())?;
        let at = bytes.len().checked_sub(CHECK_BYTES).ok_or_else(damaged)?;
        let (message, check) = bytes.split_at(at);
        if sha256(&[message])[..CHECK_BYTES] != *check {
            return Err(damaged());
        }
        // Whole, so whoever made it meant this.
        let meant = api::JoinToken::decode(message).map_err(|_| damaged())?;
        let odd = || refused("it says what this program does not understand");
        let role = stored::NodeRole::try_from(meant.role).unwrap_or_default();
        if role == stored::NodeRole::Unspecified
            || !(1..=ADDRESSES_MAX).contains(&meant.addresses.len())
            || !meant.addresses.iter().all(|address| is_address(address, false))
        {
            return Err(odd());
        }
        Ok(Self {
            cluster: ClusterId(u128::from_be_bytes(fixed(&meant.cluster).ok_or_else(odd)?)),
            authority: fixed(&meant.authority).ok_or_else(odd)?,
            secret: fixed(&meant.secret).ok_or_else(odd)?,
            addresses: meant.addresses,
            site: SiteId::new(&meant.site).map_err(|_| odd())?,
        })
    }

    /// The number by which the cluster knows the secret.
    pub fn hash(&self) -> u128 {
        fingerprint(&[&self.secret])
    }
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl FnOnce(&mut api::JoinToken)) -> String {
        let mut token = api::JoinToken {
            cluster: vec![7; 16].into(),
            authority: vec![8; 32].into(),
            secret: vec![9; 32].into(),
            addresses: vec!["127.0.0.1:7101".into()],
            site: "lviv".into(),
            role: stored::NodeRole::Voter.into(),
            expires_ms: 5,
        };
        change(&mut token);
        let mut bytes = token.encode_to_vec();
        let check = sha256(&[&bytes]);
        bytes.extend(&check[..4]);
        format!("qcj1.{}", BASE64URL_NOPAD.encode(&bytes))
    }

    #[test]
    fn a_token_is_read_as_it_was_made() {
        let token = Token::parse(&format!(" {}\n", text(|_| {}))).unwrap();
        assert_eq!(token.site.as_str(), "lviv");
        assert_eq!((token.secret, token.authority), ([9; 32], [8; 32]));
        assert_eq!(token.hash(), fingerprint(&[&[9; 32]]));
        assert!(!format!("{token:?}").contains('9'), "no secret is shown");
    }

    #[test]
    fn a_part_of_a_token_is_told_from_an_unknown_one() {
        let whole = text(|_| {});
        for cut in 0..whole.len() {
            let error = Token::parse(&whole[..cut]).unwrap_err();
            assert!(error.to_string().contains("E-TOKEN-MALFORMED"), "{error}");
        }
        for at in 5..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(Token::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "at {at}");
        }
        assert!(Token::parse(&"q".repeat(5_000)).is_err());
    }

    #[test]
    fn what_no_cluster_makes_is_refused() {
        let odd: [fn(&mut api::JoinToken); 6] = [
            |token| token.secret = vec![9; 31].into(),
            |token| token.addresses.clear(),
            |token| token.addresses = vec!["a:1".into(); 6],
            |token| token.addresses = vec!["not an address".into()],
            |token| token.site = "Lviv".into(),
            |token| token.role = 0,
        ];
        for change in odd {
            assert!(Token::parse(&text(change)).is_err());
        }
    }
}
