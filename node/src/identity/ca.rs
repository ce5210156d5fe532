//! The authority of a cluster.

use std::fmt;
use std::path::Path;

use acd::ids::{NodeId, PrincipalId};
use rand::{Rng, RngExt};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use webpki::anchor_from_trusted_cert;

use super::files::{CERTIFICATE, PRIVATE_KEY, parse_pem, read_private, to_pem, write_private};
use super::names::{self, ClusterId};
use super::request::{NewKey, SigningRequest, Subject};
use super::{Identity, IdentityError};

/// What the name of an authority begins with; the cluster's number follows.
const AUTHORITY: &str = "Quorumcall ";
/// Digits of a cluster's number.
const CLUSTER_DIGITS: usize = 32;

/// From when until when a certificate is valid, in milliseconds since 1970-01-01T00:00:00Z.
/// Certificates know seconds: fractions are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before_ms: u64,
    /// The last moment; up to the year 9999.
    pub not_after_ms: u64,
}

impl Validity {
    fn bounds(self) -> Result<(OffsetDateTime, OffsetDateTime), IdentityError> {
        let at = |ms: u64| {
            i64::try_from(ms / 1_000)
                .ok()
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
                .ok_or(IdentityError::BadValidity)
        };
        let (from, until) = (at(self.not_before_ms)?, at(self.not_after_ms)?);
        if from < until { Ok((from, until)) } else { Err(IdentityError::BadValidity) }
    }
}

/// The certificate authority of a cluster: its certificate and its key. Whoever has the key can
/// be anybody in the cluster.
pub struct Authority {
    cluster: ClusterId,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes the authority of a cluster. Keys come from the system's entropy; `rng` only draws the
    /// serial number.
    pub fn create(
        cluster: ClusterId,
        validity: Validity,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = authority_params(cluster);
        (params.not_before, params.not_after) = validity.bounds()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial(rng.random()).to_be_bytes()));
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { cluster, certificate, issuer: Issuer::new(params, key) })
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The certificate, which everybody may have.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Issues an identity to a node: a client of its peers, and a server under
    /// [`node_name`](super::node_name).
    pub fn issue_to_node(
        &self,
        node: NodeId,
        validity: Validity,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Identity, IdentityError> {
        self.issue(&Subject::Node(node), validity, rng)
    }

    /// Issues an identity to a person or a machine that is no node: a client.
    ///
    /// Refused: [`IdentityError::ReservedName`] for names that begin with `node-`.
    pub fn issue_to(
        &self,
        principal: &PrincipalId,
        validity: Validity,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Identity, IdentityError> {
        self.issue(&Subject::Client(principal.clone()), validity, rng)
    }

    /// With a key that is made here.
    fn issue(
        &self,
        subject: &Subject,
        validity: Validity,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Identity, IdentityError> {
        let key = NewKey::generate()?;
        let request = SigningRequest::parse(&key.request()?)?;
        let certificate = self.sign(subject, &request, serial(rng.random()), validity)?;
        key.identity(certificate, self.certificate.clone())
    }

    /// Signs a certificate. The same arguments give the same one, byte for byte, wherever the
    /// authority's key is.
    ///
    /// Refused: [`IdentityError::ReservedName`] as in [`Authority::issue_to`],
    /// [`IdentityError::BadValidity`].
    pub fn sign(
        &self,
        subject: &Subject,
        request: &SigningRequest,
        serial: u128,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IdentityError> {
        let principal = subject.principal();
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = validity.bounds()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial.to_be_bytes()));
        params.distinguished_name = common_name(principal.as_str());
        params.subject_alt_names =
            vec![SanType::URI(ascii(names::uri_text(self.cluster, &principal)))];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        match subject {
            Subject::Client(principal) if principal.as_str().starts_with("node-") => {
                return Err(IdentityError::ReservedName { principal: principal.clone() });
            }
            Subject::Client(_) => {}
            Subject::Node(node) => {
                for name in
                    [names::dns_text(self.cluster, *node), names::any_node_text(self.cluster)]
                {
                    params.subject_alt_names.push(SanType::DnsName(ascii(name)));
                }
                params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            }
        }
        Ok(params.signed_by(request.key(), &self.issuer)?.der().clone())
    }

    /// Writes certificate and key to one file that only its owner may read. Replaces it.
    pub fn save(&self, path: &Path) -> Result<(), IdentityError> {
        write_private(path, self.to_pem().as_bytes())
    }

    /// Certificate and key, as a file has them: a secret.
    pub fn to_pem(&self) -> String {
        to_pem(&[
            (CERTIFICATE, self.certificate.as_ref()),
            (PRIVATE_KEY, self.issuer.key().serialized_der()),
        ])
    }

    /// Reads what [`Authority::save`] wrote.
    ///
    /// Refused: a file that cannot be read, that others may read, or that is not the certificate
    /// and the key of a cluster's authority.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        Self::from_pem(path, &read_private(path)?)
    }

    /// Reads what [`Authority::to_pem`] wrote; `path` is for messages.
    ///
    /// Refused: what is not the certificate and the key of a cluster's authority.
    pub fn from_pem(path: &Path, text: &[u8]) -> Result<Self, IdentityError> {
        let malformed = |what| IdentityError::Malformed { path: path.to_owned(), what };
        let mut parts = parse_pem(path, text)?.into_iter();
        let (Some((CERTIFICATE, certificate)), Some((PRIVATE_KEY, key)), None) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed(
                "an authority is one certificate and one private key, in this order",
            ));
        };
        let certificate = CertificateDer::from(certificate);
        let key = KeyPair::try_from(key).map_err(|_| malformed("its key is of no known kind"))?;
        let anchor = anchor_from_trusted_cert(&certificate)
            .map_err(|_| malformed("its certificate cannot be read"))?;
        // The trust anchor's fields come without their outer tags; what they end with is enough.
        if !key.subject_public_key_info().ends_with(anchor.subject_public_key_info.as_ref()) {
            return Err(malformed("its key does not belong to its certificate"));
        }
        let cluster = cluster_of(anchor.subject.as_ref());
        let cluster = cluster.ok_or_else(|| malformed("it is no cluster's authority"))?;
        Ok(Self { cluster, certificate, issuer: Issuer::new(authority_params(cluster), key) })
    }
}

/// The cluster of which a certificate is the authority's, if it is one. Nothing is verified.
pub fn authority_cluster(certificate: &CertificateDer<'_>) -> Option<ClusterId> {
    cluster_of(anchor_from_trusted_cert(certificate).ok()?.subject.as_ref())
}

fn authority_name(cluster: ClusterId) -> String {
    format!("{AUTHORITY}{cluster}")
}

/// The cluster of an authority, from its encoded name, which ends with the text of it.
fn cluster_of(subject: &[u8]) -> Option<ClusterId> {
    let at = subject.len().checked_sub(CLUSTER_DIGITS)?;
    let (before, digits) = subject.split_at(at);
    let digits = before.ends_with(AUTHORITY.as_bytes()).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What the authority of a cluster is, except for its dates and its serial number: the same each
/// time, so that a stored one need not be parsed to issue with it.
fn authority_params(cluster: ClusterId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&authority_name(cluster));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn ascii(text: String) -> Ia5String {
    // Slugs, digits and fixed words.
    Ia5String::try_from(text).expect("ASCII")
}

/// A serial number made of any number: 16 bytes whose first one is 0x40–0x7f: positive, and as long
/// as any other (RFC 5280, section 4.1.2.2, allows up to 20).
pub fn serial(number: u128) -> u128 {
    number & !(0xc0 << 120) | 0x40 << 120
}
