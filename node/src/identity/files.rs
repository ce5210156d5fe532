//! Identities as files: PEM, for their owner only.
//!
//! An identity is its certificate, the authority's certificate and the private key, in this order,
//! in one file, so that the three cannot be mixed up.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acd::ids::{NodeId, PrincipalId};
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use time::OffsetDateTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::IdentityError;
use super::names::{self, ClusterId};

pub(super) const CERTIFICATE: &str = "CERTIFICATE";
pub(super) const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Bytes of the largest file that is read: three parts of at most some 1 KiB each, with room.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who somebody is in a cluster, with the key that proves it.
#[derive(Clone)]
pub struct Identity {
    cluster: ClusterId,
    principal: PrincipalId,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    key: Arc<PrivatePkcs8KeyDer<'static>>,
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("cluster", &self.cluster)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl Identity {
    pub(super) fn from_parts(
        cluster: ClusterId,
        principal: PrincipalId,
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
        key: PrivatePkcs8KeyDer<'static>,
    ) -> Self {
        Self { cluster, principal, certificate, authority, key: Arc::new(key) }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Whom it names.
    pub fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    /// The node it names, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        names::node_of(&self.principal)
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate of the cluster's authority, by which others are judged.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    pub(super) fn key(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone_key()
    }

    /// Checks that others would take it at a time, in milliseconds since 1970.
    ///
    /// Refused: [`IdentityError::NotSigned`], [`IdentityError::OutOfDate`].
    pub fn check(&self, now_ms: u64) -> Result<(), IdentityError> {
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
        self.verify(now)?.map_err(|error| match error {
            webpki::Error::CertExpired { time, not_after } => IdentityError::OutOfDate {
                principal: self.principal.clone(),
                limit: written(not_after),
                now: written(time),
                over: true,
            },
            webpki::Error::CertNotValidYet { time, not_before } => IdentityError::OutOfDate {
                principal: self.principal.clone(),
                limit: written(not_before),
                now: written(time),
                over: false,
            },
            _ => IdentityError::NotSigned { principal: self.principal.clone() },
        })
    }

    /// Until when its certificate is valid: seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadCertificate`].
    pub fn expires_s(&self) -> Result<u64, IdentityError> {
        // The reader of certificates tells the date only of one that is over, and at the end of time
        // all are. It looks at dates before it looks at signatures.
        let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
        match self.verify(end_of_time)? {
            Err(webpki::Error::CertExpired { not_after, .. }) => Ok(not_after.as_secs()),
            Ok(()) | Err(_) => Err(IdentityError::BadCertificate),
        }
    }

    /// What others would say of it at a time.
    fn verify(&self, at: UnixTime) -> Result<Result<(), webpki::Error>, IdentityError> {
        let certificate = EndEntityCert::try_from(&self.certificate)
            .map_err(|_| IdentityError::BadCertificate)?;
        let anchor =
            anchor_from_trusted_cert(&self.authority).map_err(|_| IdentityError::BadCertificate)?;
        let verified = certificate
            .verify_for_usage(
                &[webpki::ring::ED25519],
                &[anchor],
                &[],
                at,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(drop);
        Ok(verified)
    }

    /// Writes it to a file that only its owner may read. Replaces the file.
    pub fn save(&self, path: &Path) -> Result<(), IdentityError> {
        self.save_with_endpoints(path, &[])
    }

    /// The same for somebody who calls nodes, with where they are: a line `endpoint: HOST:PORT` for
    /// each, before the rest, where readers of PEM find nothing.
    pub fn save_with_endpoints(
        &self,
        path: &Path,
        endpoints: &[String],
    ) -> Result<(), IdentityError> {
        let mut text: String =
            endpoints.iter().map(|endpoint| format!("endpoint: {endpoint}\n")).collect();
        text += &to_pem(&[
            (CERTIFICATE, self.certificate.as_ref()),
            (CERTIFICATE, self.authority.as_ref()),
            (PRIVATE_KEY, self.key.secret_pkcs8_der()),
        ]);
        write_private(path, text.as_bytes())
    }

    /// Reads what [`Identity::save`] wrote. Dates and signatures are checked by
    /// [`Identity::check`].
    ///
    /// Refused: a file that cannot be read, that others may read, or that is not an identity.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let malformed = |what| IdentityError::Malformed { path: path.to_owned(), what };
        let mut parts = parse_pem(path, &read_private(path)?)?.into_iter();
        let (
            Some((CERTIFICATE, certificate)),
            Some((CERTIFICATE, authority)),
            Some((PRIVATE_KEY, key)),
            None,
        ) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed(
                "it must have its certificate, the authority's certificate and the private key, \
                 in this order, and nothing else",
            ));
        };
        let (certificate, authority) =
            (CertificateDer::from(certificate), CertificateDer::from(authority));
        let (cluster, principal) = names::named_in(&certificate)
            .map_err(|_| malformed("its certificate cannot be read, or names nobody"))?;
        let key = PrivatePkcs8KeyDer::from(key);
        let pair = KeyPair::try_from(&key).map_err(|_| malformed("its key is of no known kind"))?;
        let holder =
            EndEntityCert::try_from(&certificate).map_err(|_| IdentityError::BadCertificate)?;
        if holder.subject_public_key_info().as_ref() != pair.subject_public_key_info() {
            return Err(malformed("its key does not belong to its certificate"));
        }
        Ok(Self::from_parts(cluster, principal, certificate, authority, key))
    }
}

/// Parts of a PEM file, as (label, bytes).
pub(super) fn to_pem(parts: &[(&str, &[u8])]) -> String {
    let parts: Vec<_> = parts.iter().map(|(label, bytes)| Pem::new(*label, *bytes)).collect();
    pem::encode_many_config(&parts, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The certificates and keys of a PEM file, in their order.
pub(super) fn parse_pem(
    path: &Path,
    text: &[u8],
) -> Result<Vec<(&'static str, Vec<u8>)>, IdentityError> {
    // What the parser says may quote the file.
    let malformed = |what| IdentityError::Malformed { path: path.to_owned(), what };
    let parts = pem::parse_many(text).map_err(|_| malformed("it is no PEM"))?;
    parts
        .into_iter()
        .map(|part| match part.tag() {
            CERTIFICATE => Ok((CERTIFICATE, part.into_contents())),
            PRIVATE_KEY => Ok((PRIVATE_KEY, part.into_contents())),
            _ => Err(malformed("it has parts that are neither certificates nor private keys")),
        })
        .collect()
}

/// Reads a file with a secret, of at most 64 KiB.
///
/// Refused: [`IdentityError::File`], [`IdentityError::Exposed`] when others than its owner may do
/// anything with it.
pub fn read_private(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let failed = |error| IdentityError::File { path: path.to_owned(), tried: "read", error };
    let file = File::open(path).map_err(failed)?;
    // Of the open file, not of the path: what was checked is what is read.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(IdentityError::Malformed { path: path.to_owned(), what: "it is too large" });
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read, durably: after a crash there is the old file or the
/// new one.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    replace(path, bytes).map_err(|error| IdentityError::File {
        path: path.to_owned(),
        tried: "written",
        error,
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    // One that a crash left behind.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Created anew, so that nobody has it open already, and private from the first moment on.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

/// A time as RFC 3339 writes it.
pub(super) fn written(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let Some(at) =
        i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
    else {
        return format!("{seconds} s after 1970");
    };
    let (hour, minute, second) = at.to_hms();
    let month = u8::from(at.month());
    format!("{:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", at.year(), at.day())
}
