//! What can be wrong with an identity.

use std::io;
use std::path::PathBuf;

use acd::ids::PrincipalId;

use super::ClusterId;
use crate::explain::{Explain, Explanation};

/// Why an identity cannot be made, kept, read or used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum IdentityError {
    /// A file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "written".
        tried: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// Others than the owner may read or write a file with a key.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is not what it should be. What is in it is not shown: it may be a key.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bytes are no X.509 certificate.
    BadCertificate,
    /// A certificate that names no principal, or several.
    NoPrincipal,
    /// A certificate of another cluster.
    OtherCluster {
        /// This cluster.
        ours: ClusterId,
        /// The one that the certificate names.
        theirs: ClusterId,
    },
    /// A certificate was not signed by the authority beside it.
    NotSigned {
        /// Whose it is.
        principal: PrincipalId,
    },
    /// A certificate is not valid at this time.
    OutOfDate {
        /// Whose it is.
        principal: PrincipalId,
        /// From when, or since when not; RFC 3339.
        limit: String,
        /// What this machine's clock says; RFC 3339.
        now: String,
        /// Whether it is over, or has not begun.
        over: bool,
    },
    /// A name that only nodes have.
    ReservedName {
        /// The name.
        principal: PrincipalId,
    },
    /// A validity that ends before it begins, or beyond year 9999.
    BadValidity,
    /// What asks for a certificate is refused.
    BadRequest {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The cryptographic library refused.
    Crypto {
        /// What it said.
        reason: String,
    },
    /// The other end of a connection showed no certificate.
    NoCertificate,
}

impl Explain for IdentityError {
    fn explain(&self) -> Explanation {
        match self {
            Self::File { path, tried, error } => Explanation::new(
                "E-IDENTITY-FILE",
                format!("{} cannot be {tried}", path.display()),
                error.to_string(),
                "check the path, and that the user of this program owns the file and its folder",
            ),
            Self::Exposed { path, mode } => Explanation::new(
                "E-IDENTITY-EXPOSED",
                format!("{} is not read", path.display()),
                format!("its permissions are {mode:o}, so others could have its key"),
                format!(
                    "chmod 600 {}; if others use this machine, issue a new identity",
                    path.display()
                ),
            ),
            Self::Malformed { path, what } => Explanation::new(
                "E-IDENTITY-MALFORMED",
                format!("{} is not an identity", path.display()),
                *what,
                "restore the file from where it was made, or issue a new identity",
            ),
            Self::BadCertificate => Explanation::new(
                "E-CERTIFICATE-BAD",
                "a certificate cannot be read",
                "it is not an X.509 certificate of version 3",
                "use certificates that this cluster issued",
            ),
            Self::NoPrincipal => Explanation::new(
                "E-CERTIFICATE-NAMELESS",
                "a certificate names nobody",
                "it must have exactly one URI, spiffe://CLUSTER.quorumcall.internal/principal/NAME",
                "use certificates that this cluster issued",
            ),
            Self::OtherCluster { ours, theirs } => Explanation::new(
                "E-OTHER-CLUSTER",
                "a certificate is of another cluster",
                format!("it names cluster {theirs}, and this is {ours}"),
                "use the identity that was issued by this cluster; look for mixed-up folders",
            ),
            Self::NotSigned { principal } => Explanation::new(
                "E-CERTIFICATE-FOREIGN",
                format!("the certificate of {principal} is not of the authority beside it"),
                "the signature or its purpose does not fit",
                "restore the file from where it was made, or issue a new identity",
            ),
            Self::OutOfDate { principal, limit, now, over } => {
                let (state, until) =
                    if *over { ("has expired", "until") } else { ("is not valid yet", "from") };
                Explanation::new(
                    "E-CERTIFICATE-DATE",
                    format!("the certificate of {principal} {state}"),
                    format!("it is valid {until} {limit}, and the clock says {now}"),
                    "correct the clock if it is wrong, else issue a new identity",
                )
            }
            Self::ReservedName { principal } => Explanation::new(
                "E-NAME-RESERVED",
                format!("no identity is issued to {principal}"),
                "node-NUMBER is the name of a node",
                "choose another name",
            ),
            Self::BadValidity => Explanation::new(
                "E-VALIDITY",
                "no certificate is issued",
                "its validity would end before it begins, or after the year 9999",
                "correct the clock or the number of days",
            ),
            Self::BadRequest { what } => Explanation::new(
                "E-SIGNING-REQUEST",
                "a request for a certificate is refused",
                *what,
                "ask again with the program of the cluster's version",
            ),
            Self::Crypto { reason } => Explanation::new(
                "E-CRYPTO",
                "keys or certificates cannot be used",
                reason.clone(),
                "try again; if it stays so, report it with this text",
            ),
            Self::NoCertificate => Explanation::new(
                "E-PEER-NAMELESS",
                "the other end of a connection is refused",
                "it showed no certificate",
                "give it an identity of this cluster",
            ),
        }
    }
}

impl From<rcgen::Error> for IdentityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto { reason: error.to_string() }
    }
}

impl From<rustls::Error> for IdentityError {
    fn from(error: rustls::Error) -> Self {
        Self::Crypto { reason: error.to_string() }
    }
}
