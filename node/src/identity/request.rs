//! What somebody sends who wants a certificate: a public key, signed with the private one that goes
//! with it (PKCS #10, RFC 2986).
//!
//! Only the key is taken from a request. Whom a certificate names, and for how long, is said by
//! whoever issues it.

use acd::ids::{NodeId, PrincipalId};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, KeyPair, PKCS_ED25519, PublicKey,
    PublicKeyData,
};
use ring::digest;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use webpki::EndEntityCert;

use super::{Identity, IdentityError, names};

/// Bytes of the largest request that is read. One with an Ed25519 key has some 150.
const REQUEST_BYTES_MAX: usize = 2_048;

/// The first 16 bytes of the SHA-256 of some parts, one after the other. To find other parts with
/// the same number takes some 2^128 tries.
pub fn fingerprint(parts: &[&[u8]]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(parts)[..16]);
    u128::from_be_bytes(half)
}

/// The SHA-256 of some parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// A private key of which nobody has a certificate yet.
pub struct NewKey(KeyPair);

impl NewKey {
    /// A key from the system's entropy.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Crypto`].
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ED25519)?))
    }

    /// A key that was kept, in PKCS #8.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Crypto`]: it is none.
    pub fn parse(der: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(KeyPair::try_from(der)?))
    }

    /// To keep it: PKCS #8.
    pub fn serialized(&self) -> &[u8] {
        self.0.serialized_der()
    }

    /// The request for a certificate of it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Crypto`].
    pub fn request(&self) -> Result<Vec<u8>, IdentityError> {
        let request = CertificateParams::default().serialize_request(&self.0)?;
        Ok(request.der().to_vec())
    }

    /// The identity that a certificate of it makes.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadCertificate`], [`IdentityError::NoPrincipal`]: the certificate cannot be
    /// read, is of another key, or names nobody.
    pub fn identity(
        &self,
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
    ) -> Result<Identity, IdentityError> {
        let (cluster, principal) = names::named_in(&certificate)?;
        let holder =
            EndEntityCert::try_from(&certificate).map_err(|_| IdentityError::BadCertificate)?;
        if holder.subject_public_key_info().as_ref() != self.0.subject_public_key_info() {
            return Err(IdentityError::BadCertificate);
        }
        let key = PrivatePkcs8KeyDer::from(self.0.serialize_der());
        Ok(Identity::from_parts(cluster, principal, certificate, authority, key))
    }
}

/// A request that was read: its sender has the private key of this public one.
pub struct SigningRequest {
    key: PublicKey,
}

impl SigningRequest {
    /// Reads a request and checks its signature.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadRequest`].
    pub fn parse(der: &[u8]) -> Result<Self, IdentityError> {
        let refused = |what| IdentityError::BadRequest { what };
        if der.len() > REQUEST_BYTES_MAX {
            return Err(refused("it is too large"));
        }
        let request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der));
        let request = request
            .map_err(|_| refused("it cannot be read, or is not signed with the key it is for"))?;
        if PublicKeyData::algorithm(&request.public_key) != &PKCS_ED25519 {
            return Err(refused("its key is not Ed25519"));
        }
        Ok(Self { key: request.public_key })
    }

    /// The number by which the state knows the key.
    pub fn fingerprint(&self) -> u128 {
        fingerprint(&[&self.key.subject_public_key_info()])
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// Whom a certificate is to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A node: a client of its peers, and a server under [`node_name`](super::node_name).
    Node(NodeId),
    /// A person, or a machine that is no node: a client.
    Client(PrincipalId),
}

impl Subject {
    /// Its name.
    pub fn principal(&self) -> PrincipalId {
        match self {
            Self::Node(node) => names::node_principal(*node),
            Self::Client(principal) => principal.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::PKCS_ECDSA_P256_SHA256;

    use super::*;

    #[test]
    fn a_request_is_of_its_key_and_of_no_other() {
        let (one, two) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let request = one.request().unwrap();
        let read = SigningRequest::parse(&request).unwrap();
        let again = NewKey::parse(one.serialized()).unwrap().request().unwrap();
        assert_eq!(read.fingerprint(), SigningRequest::parse(&again).unwrap().fingerprint());
        let other = SigningRequest::parse(&two.request().unwrap()).unwrap();
        assert_ne!(read.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_request_that_is_not_quite_one_is_refused() {
        let request = NewKey::generate().unwrap().request().unwrap();
        for at in 0..request.len() {
            let mut damaged = request.clone();
            damaged[at] ^= 1;
            // Some bits do not count; no request may be read as one for another key.
            if let Ok(read) = SigningRequest::parse(&damaged) {
                let sound = SigningRequest::parse(&request).unwrap();
                assert_eq!(read.fingerprint(), sound.fingerprint(), "byte {at}");
            }
            assert!(SigningRequest::parse(&request[..at]).is_err(), "cut at {at}");
        }
        assert!(SigningRequest::parse(&[0x30; 4_096]).is_err());
        let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let other = CertificateParams::default().serialize_request(&other).unwrap();
        let refused = SigningRequest::parse(other.der()).err().unwrap();
        assert!(refused.to_string().contains("not Ed25519"), "{refused}");
    }
}
