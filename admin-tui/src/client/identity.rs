//! Who this program is to a cluster: a file with a certificate, the authority's certificate and a
//! key, and where the nodes are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use acd::ids::PrincipalId;
use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Bytes of the largest file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What a certificate names its holder by: `spiffe://CLUSTER.quorumcall.internal/principal/NAME`.
const SCHEME: &str = "spiffe://";
const DOMAIN: &str = ".quorumcall.internal";

/// Who this program is to a cluster. Its key is never printed.
pub struct Identity {
    /// The cluster's number: 32 hex digits.
    pub cluster: String,
    /// The principal.
    pub principal: PrincipalId,
    /// Where nodes are: host:port each.
    pub endpoints: Vec<String>,
    pub(super) certificate: String,
    pub(super) authority: String,
    authority_der: Vec<u8>,
    pub(super) key: String,
}

/// Why a file is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read.
    #[error("{error}")]
    File {
        /// What the system says.
        error: io::Error,
    },
    /// Others may read it.
    #[error("others than its owner may read it (mode {mode:o})")]
    Exposed {
        /// Its permissions.
        mode: u32,
    },
    /// It is something else.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

fn malformed(what: &'static str) -> IdentityError {
    IdentityError::Malformed { what }
}

impl Identity {
    /// Reads an identity, as `quorumcall-node found` and `issue` write it.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let file = File::open(path).map_err(|error| IdentityError::File { error })?;
        let metadata = file.metadata().map_err(|error| IdentityError::File { error })?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed { mode });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| IdentityError::File { error })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, IdentityError> {
        // What the parser says may quote the key.
        let parts = pem::parse_many(text).map_err(|_| malformed("it is no PEM"))?;
        let [certificate, authority, key] = &parts[..] else {
            return Err(malformed("it must have two certificates and a private key"));
        };
        let tags = [certificate.tag(), authority.tag(), key.tag()];
        if tags != ["CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"] {
            return Err(malformed(
                "it must have two certificates and a private key, in this order",
            ));
        }
        let (cluster, principal) = holder(certificate.contents())
            .ok_or_else(|| malformed("its certificate cannot be read, or names nobody"))?;
        let endpoints = text.lines().filter_map(|line| line.strip_prefix("endpoint: "));
        let encode = |part: &Pem| {
            pem::encode_config(part, EncodeConfig::new().set_line_ending(LineEnding::LF))
        };
        Ok(Self {
            cluster,
            principal,
            endpoints: endpoints.map(|endpoint| endpoint.trim().to_owned()).collect(),
            certificate: encode(certificate),
            authority: encode(authority),
            authority_der: authority.contents().to_vec(),
            key: encode(key),
        })
    }

    /// The authority's certificate, DER.
    pub fn authority_der(&self) -> &[u8] {
        &self.authority_der
    }

    /// The name that every node of the cluster has in its certificate.
    pub(super) fn any_node(&self) -> String {
        format!("nodes.{}{DOMAIN}", self.cluster)
    }
}

/// The cluster and the principal that a certificate names.
fn holder(certificate: &[u8]) -> Option<(String, PrincipalId)> {
    let certificate = CertificateDer::from(certificate);
    let parsed = EndEntityCert::try_from(&certificate).ok()?;
    let mut names = parsed.valid_uri_names();
    let (Some(name), None) = (names.next(), names.next()) else { return None };
    let (cluster, path) = name.strip_prefix(SCHEME)?.split_once('/')?;
    let cluster = cluster.strip_suffix(DOMAIN)?;
    let principal = PrincipalId::new(path.strip_prefix("principal/")?).ok()?;
    Some((cluster.to_owned(), principal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_identity_is_refused_without_being_quoted() {
        for text in
            ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"]
        {
            let error = Identity::parse(text).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|e| !e.contains("c2Vj") && !e.contains("secret")));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("quorumcall-exposed-{}", std::process::id()));
        std::fs::write(&path, "").expect("a temporary file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mine");
        let refused = Identity::load(&path);
        std::fs::remove_file(&path).expect("mine");
        assert!(matches!(refused, Err(IdentityError::Exposed { mode: 0o644 })));
    }
}
