//! Who is who: a cluster's certificate authority, the identities it gives, and mutual TLS with
//! them.
//!
//! Each cluster has an authority of its own ([`Authority`]), so a certificate of another cluster is
//! worth nothing here. A certificate names exactly one principal of exactly one cluster
//! ([`principal_of`]); what the principal may do is state of the contact centre and not in the
//! certificate, and whether a node is still a member is for those who talk to it to check.
//!
//! - All keys are Ed25519: signatures and keys have one length, so that a handshake between the
//!   same two nodes is the same number of bytes on every run, which a simulation with a modelled
//!   network needs; and there is no random number per signature to get wrong.
//! - All connections are TLS 1.3 with certificates on both sides, without resumption: a resumed
//!   session would outlive the check of the certificate. The one exception is whoever has no
//!   identity yet and asks for one ([`join_name`]): they show none, and may do nothing else.
//! - Nothing here reads a clock. Validity comes from the caller, verification asks the node's
//!   [`WallClock`](crate::seams::WallClock).
//!
//! Cost of a handshake for each end: one signature and two verifications of Ed25519, two
//! multiplications of X25519, and about 1 KiB sent.

mod ca;
mod credentials;
mod error;
mod files;
mod handshake;
mod names;
mod pin;
mod request;
mod tls;

pub use ca::{Authority, Validity, authority_cluster, serial};
pub use credentials::{Credentials, Held};
pub use error::IdentityError;
pub use files::{Identity, read_private, write_private};
pub use handshake::HandshakeError;
pub use names::{ClusterId, join_name, node_name, principal_of};
pub(crate) use names::{is_join_name, node_of, parse_hex};
pub use request::{NewKey, SigningRequest, Subject, fingerprint, sha256};
pub use tls::{ALPN, client_config, joining_config, peer_principal, pinned_config, server_config};
