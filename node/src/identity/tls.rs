//! Mutual TLS between the holders of identities.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use acd::ids::PrincipalId;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::names::{self, ClusterId};
use super::pin::PinnedAuthority;
use super::{Identity, IdentityError};
use crate::seams::WallClock;

/// What is spoken inside: HTTP/2.
pub const ALPN: &[u8] = b"h2";

/// The time by which certificates are judged: the node's wall clock, which may be simulated.
struct SeamTime(Arc<dyn WallClock>);

impl fmt::Debug for SeamTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeamTime")
    }
}

impl TimeProvider for SeamTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

/// Named here, not by the process: a default of the process would be a global.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(identity: &Identity) -> Result<Arc<RootCertStore>, IdentityError> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.authority().clone())?;
    Ok(Arc::new(roots))
}

/// What a server needs: it shows `identity` and takes clients only with a certificate of the same
/// authority that is valid by `clock`. Who they are, says [`peer_principal`].
pub fn server_config(
    identity: &Identity,
    clock: Arc<dyn WallClock>,
) -> Result<Arc<ServerConfig>, IdentityError> {
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(identity)?, provider.clone())
        .build()
        .map_err(|error| IdentityError::Crypto { reason: error.to_string() })?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(SeamTime(clock)))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![identity.certificate().clone()],
            PrivateKeyDer::Pkcs8(identity.key()),
        )?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// What a server needs for those who come under [`join_name`](super::join_name): it shows `identity`
/// and the authority's certificate, for them to compare, and takes clients without one.
pub fn joining_config(
    identity: &Identity,
    clock: Arc<dyn WallClock>,
) -> Result<Arc<ServerConfig>, IdentityError> {
    let chain = vec![identity.certificate().clone(), identity.authority().clone()];
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(SeamTime(clock)))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(identity.key()))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// What somebody needs who has no identity yet: it shows none, and talks only to a node of a cluster
/// whose authority's certificate has this SHA-256.
pub fn pinned_config(
    cluster: ClusterId,
    authority: [u8; 32],
    clock: Arc<dyn WallClock>,
) -> Result<Arc<ClientConfig>, IdentityError> {
    let verifier = Arc::new(PinnedAuthority { cluster, authority });
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(SeamTime(clock)))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// What a client needs: it shows `identity` and talks only to the node it dials by
/// [`node_name`](super::node_name), with a certificate of the same authority that is valid by
/// `clock`.
pub fn client_config(
    identity: &Identity,
    clock: Arc<dyn WallClock>,
) -> Result<Arc<ClientConfig>, IdentityError> {
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(identity)?, provider.clone())
        .build()
        .map_err(|error| IdentityError::Crypto { reason: error.to_string() })?;
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(SeamTime(clock)))
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(
            vec![identity.certificate().clone()],
            PrivateKeyDer::Pkcs8(identity.key()),
        )?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Who is at the other end, from what `peer_certificates()` of the connection says after its
/// handshake, and the serial number of their certificate.
///
/// Refused: [`IdentityError::NoCertificate`], and what [`principal_of`](super::principal_of)
/// refuses.
pub fn peer_principal(
    certificates: Option<&[CertificateDer<'_>]>,
    cluster: ClusterId,
) -> Result<(PrincipalId, u128), IdentityError> {
    let first = certificates.and_then(<[_]>::first).ok_or(IdentityError::NoCertificate)?;
    Ok((names::principal_of(first, cluster)?, names::serial_of(first)?))
}
