//! Why a handshake failed, in words.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::ClusterId;
use super::files::written;
use super::pin::AuthorityOf;
use crate::explain::{Explain, Explanation};

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explain().line())]
pub enum HandshakeError {
    /// The other end showed no certificate.
    Nameless,
    /// The certificate of the other end is of another authority.
    OtherAuthority,
    /// Whoever answered is of another cluster.
    OtherCluster {
        /// Which one.
        theirs: ClusterId,
    },
    /// Somebody else answered than was dialled.
    OtherName {
        /// Who was dialled.
        dialled: String,
        /// The names that were shown.
        shown: String,
    },
    /// The certificate of the other end is not valid at this time.
    OutOfDate {
        /// Until when, or from when, it is valid; RFC 3339, if known.
        limit: String,
        /// What the clock of this node says; RFC 3339, if known.
        now: String,
        /// Whether it is over, or has not begun.
        over: bool,
    },
    /// The other end does not speak TLS 1.3, or no TLS at all.
    OtherProtocol,
    /// The other end refused this one.
    Refused {
        /// Its reason.
        reason: &'static str,
    },
    /// The connection broke, or something rarer.
    Broken {
        /// What was said about it.
        reason: String,
    },
}

impl HandshakeError {
    /// Finds the reason in what a TLS stream returned, in its handshake or, on the client, in its
    /// first read: a server judges the client after the client is done (RFC 8446, section 4.6.2).
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::of_tls(inner),
            None => Self::Broken { reason: error.to_string() },
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::Nameless,
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::PeerIncompatible(_) | Error::InvalidMessage(_) => Self::OtherProtocol,
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            other => Self::Broken { reason: other.to_string() },
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        let unknown = || "an unknown time".to_owned();
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::OtherAuthority
            }
            CertificateError::NotValidForNameContext { expected, presented } => Self::OtherName {
                dialled: expected.to_str().into_owned(),
                shown: if presented.is_empty() {
                    "no server".to_owned()
                } else {
                    presented.join(", ")
                },
            },
            CertificateError::ExpiredContext { time, not_after } => {
                Self::OutOfDate { limit: written(*not_after), now: written(*time), over: true }
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::OutOfDate { limit: written(*not_before), now: written(*time), over: false }
            }
            CertificateError::Expired => {
                Self::OutOfDate { limit: unknown(), now: unknown(), over: true }
            }
            CertificateError::NotValidYet => {
                Self::OutOfDate { limit: unknown(), now: unknown(), over: false }
            }
            CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
                Some(AuthorityOf(theirs)) => Self::OtherCluster { theirs: *theirs },
                None => Self::Broken { reason: other.to_string() },
            },
            other => Self::Broken { reason: other.to_string() },
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        let reason = match alert {
            AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                "it takes this certificate for one of another cluster"
            }
            AlertDescription::CertificateExpired => "by its clock this certificate has expired",
            AlertDescription::CertificateRequired => "it got no certificate",
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied => "it does not take this certificate",
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
                "it does not speak TLS 1.3"
            }
            AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2",
            other => return Self::Broken { reason: format!("the other end said {other:?}") },
        };
        Self::Refused { reason }
    }
}

impl Explain for HandshakeError {
    fn explain(&self) -> Explanation {
        let what = "the other end of a connection is refused";
        match self {
            Self::Nameless => Explanation::new(
                "E-PEER-NAMELESS",
                what,
                "it showed no certificate",
                "give it an identity of this cluster",
            ),
            Self::OtherAuthority => Explanation::new(
                "E-PEER-FOREIGN",
                what,
                "its certificate is not of this cluster's authority",
                "check its address, and give it an identity of this cluster",
            ),
            Self::OtherCluster { theirs } => Explanation::new(
                "E-PEER-CLUSTER",
                what,
                format!("it is of cluster {theirs}"),
                "check its address",
            ),
            Self::OtherName { dialled, shown } => Explanation::new(
                "E-PEER-OTHER",
                what,
                format!("{dialled} was dialled and {shown} answered"),
                "check the addresses of the members; look for mixed-up folders",
            ),
            Self::OutOfDate { limit, now, over } => Explanation::new(
                "E-PEER-DATE",
                what,
                format!(
                    "its certificate is valid {} {limit}, and the clock here says {now}",
                    if *over { "until" } else { "from" }
                ),
                "correct the clock that is wrong, else issue it a new identity",
            ),
            Self::OtherProtocol => Explanation::new(
                "E-PEER-PROTOCOL",
                what,
                "it does not speak TLS 1.3",
                "check what connects to this address; clients must speak TLS 1.3",
            ),
            Self::Refused { reason } => Explanation::new(
                "E-PEER-REFUSES",
                "the other end refuses the connection",
                *reason,
                "look at the log of the other end, and check clocks, addresses and identities",
            ),
            Self::Broken { reason } => Explanation::new(
                "E-PEER-BROKEN",
                "a connection broke in its handshake",
                reason.clone(),
                "look at the log of the other end and at the network between them",
            ),
        }
    }
}
