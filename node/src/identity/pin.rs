//! Trust in one authority, by the SHA-256 of its certificate.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::ca::authority_cluster;
use super::names::{self, ClusterId};
use super::request::sha256;
use super::tls::provider;

/// The other end has the authority of another cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authority is of cluster {0}")]
pub(super) struct AuthorityOf(pub ClusterId);

/// Takes nodes of a cluster whose authority's certificate has a certain SHA-256, and shows its own.
#[derive(Clone)]
pub(super) struct PinnedAuthority {
    pub cluster: ClusterId,
    pub authority: [u8; 32],
}

impl fmt::Debug for PinnedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedAuthority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |error| Error::InvalidCertificate(error);
        let pinned = intermediates.iter().find(|shown| sha256(&[shown]) == self.authority);
        let shown = intermediates.iter().find_map(authority_cluster);
        if let Some(other) = shown.filter(|cluster| *cluster != self.cluster) {
            let other = OtherError(Arc::new(AuthorityOf(other)));
            return Err(refused(CertificateError::Other(other)));
        }
        let Some(pinned) = pinned else {
            return Err(refused(CertificateError::UnknownIssuer));
        };
        let bad = |error: webpki::Error| match error {
            webpki::Error::CertExpired { time, not_after } => {
                refused(CertificateError::ExpiredContext { time, not_after })
            }
            webpki::Error::CertNotValidYet { time, not_before } => {
                refused(CertificateError::NotValidYetContext { time, not_before })
            }
            webpki::Error::UnknownIssuer => refused(CertificateError::UnknownIssuer),
            _ => refused(CertificateError::BadEncoding),
        };
        let anchor = anchor_from_trusted_cert(pinned).map_err(bad)?;
        let shown = EndEntityCert::try_from(end_entity).map_err(bad)?;
        let algorithms = [webpki::ring::ED25519];
        let server = KeyUsage::server_auth();
        shown
            .verify_for_usage(&algorithms, &[anchor], &[], now, server, None, None)
            .map_err(bad)?;
        // Any node will do: what was dialled stands for all of them.
        let any = DnsName::try_from(names::any_node_text(self.cluster));
        let any = ServerName::DnsName(any.map_err(|_| refused(CertificateError::BadEncoding))?);
        shown.verify_is_valid_for_subject_name(&any).map_err(bad)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
