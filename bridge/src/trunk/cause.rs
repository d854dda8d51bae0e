//! Why a trunk is not up: each reason in its own words, and the code by which the other end learns it.

use std::time::Duration;

use hearing_proto::wire;
use quinn::{ConnectionError, VarInt};

use super::convert;
use crate::net::tls::Identity;

/// Why a link was not made, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Nobody answered.
    #[error("{0} does not answer")]
    NoAnswer(Identity),
    /// The address can't be dialled.
    #[error("the address can't be dialled: {0}")]
    Undiallable(String),
    /// The handshake failed at this end's judgement.
    #[error("the peer's certificate is refused: {0}")]
    RefusedPeer(Fault),
    /// The handshake failed at the other end's judgement.
    #[error("the peer refuses this node's certificate: {0}")]
    RefusedByPeer(Fault),
    /// The certificate is good and names another node than the one that was dialled.
    #[error("the certificate names {actual}, expected was {expected}")]
    WrongPeer {
        /// Who it should be.
        expected: Identity,
        /// Who it is.
        actual: Identity,
    },
    /// The certificate is good and names a node that no trunk is configured to.
    #[error("no [[trunk]] is configured to {0}")]
    Stranger(Identity),
    /// The certificate names nobody.
    #[error("{0}")]
    NoIdentity(String),
    /// A hello that is not what the certificate says.
    #[error("the hello names {hello} and the certificate {certificate}")]
    Contradiction {
        /// What the hello says.
        hello: String,
        /// What the certificate says.
        certificate: Identity,
    },
    /// No hello and welcome in time.
    #[error("no hello and welcome within {0:?}")]
    NoGreeting(Duration),
    /// The peer sent what can't be read.
    #[error("control stream: {0}")]
    Wire(wire::Error),
    /// The peer sent what can't be.
    #[error("control stream: {0}")]
    Invalid(&'static str),
    /// The peer sent what it may not send.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// More than a hundred unreadable frames within a second.
    #[error("too many unreadable media frames")]
    BadMedia,
    /// The peer does not read, or this node can't keep up.
    #[error("a control queue is full")]
    Overload,
    /// A hearing's place on the link was lost by a fault of this program.
    #[error("a hearing fell off the link by a fault of this program")]
    LegLost,
    /// Nothing was heard for a second.
    #[error("silence")]
    Silence,
    /// The peer dialled again.
    #[error("superseded by a new connection")]
    Superseded,
    /// The peer's certificate was revoked while the link was up.
    #[error("the peer's certificate was revoked")]
    Revoked,
    /// This node ends.
    #[error("this node ends")]
    Shutdown,
    /// The peer closed it.
    #[error("closed by the peer: {0}")]
    Closed(String),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
}

/// What is wrong with a certificate, by its TLS alert (RFC 8446, section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another authority signed it.
    #[error("it is signed by another authority")]
    OtherAuthority,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// The revocation list names it.
    #[error("it is revoked")]
    Revoked,
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Cause {
    /// The word by which metrics and close frames name it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.entry().1
    }

    /// The application error code of the close frame.
    pub(super) const fn code(&self) -> VarInt {
        VarInt::from_u32(self.entry().0)
    }

    /// Why quinn says that a connection is over or never was.
    pub(super) fn of(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TransportError(error) => match fault(error.code.into(), &error.reason) {
                Some(fault) => Self::RefusedPeer(fault),
                None => Self::Lost(error.to_string()),
            },
            ConnectionError::ConnectionClosed(close) => {
                match fault(close.error_code.into(), &String::from_utf8_lossy(&close.reason)) {
                    Some(fault) => Self::RefusedByPeer(fault),
                    None => Self::Lost(close.to_string()),
                }
            }
            ConnectionError::ApplicationClosed(close) => Self::Closed(
                String::from_utf8_lossy(&close.reason).chars().filter(|c| !c.is_control()).take(200).collect(),
            ),
            other @ (ConnectionError::VersionMismatch
            | ConnectionError::Reset
            | ConnectionError::TimedOut
            | ConnectionError::LocallyClosed
            | ConnectionError::CidsExhausted) => Self::Lost(other.to_string()),
        }
    }

    const fn entry(&self) -> (u32, &'static str) {
        match self {
            Self::Shutdown => (0, "shutdown"),
            Self::WrongPeer { .. } => (1, "wrong_peer"),
            Self::Stranger(_) => (2, "stranger"),
            Self::NoIdentity(_) => (3, "no_identity"),
            Self::Contradiction { .. } => (4, "contradiction"),
            Self::NoGreeting(_) => (5, "no_greeting"),
            Self::Wire(wire::Error::Version(_)) => (6, "version"),
            Self::Wire(_) => (7, "malformed"),
            Self::Invalid(_) => (8, "invalid"),
            Self::Protocol(_) => (9, "protocol"),
            Self::BadMedia => (10, "bad_media"),
            Self::Overload => (11, "overload"),
            Self::Silence => (12, "silence"),
            Self::Superseded => (13, "superseded"),
            Self::Revoked => (14, "revoked"),
            Self::LegLost => (15, "leg_lost"),
            Self::NoAnswer(_) => (20, "no_answer"),
            Self::Undiallable(_) => (21, "undiallable"),
            Self::RefusedPeer(_) => (22, "certificate_refused"),
            Self::RefusedByPeer(_) => (23, "refused_by_peer"),
            Self::Closed(_) => (24, "closed_by_peer"),
            Self::Lost(_) => (25, "lost"),
        }
    }
}

impl From<wire::Error> for Cause {
    fn from(error: wire::Error) -> Self {
        Self::Wire(error)
    }
}

impl From<convert::Invalid> for Cause {
    fn from(convert::Invalid(what): convert::Invalid) -> Self {
        Self::Invalid(what)
    }
}

/// QUIC gives TLS alerts as 0x100 and the alert (RFC 9001, section 4.8).
fn fault(code: u64, reason: &str) -> Option<Fault> {
    match code.checked_sub(0x100)? {
        44 => Some(Fault::Revoked),
        45 => Some(Fault::Expired),
        // 51: an authority of the same name, whose key did not make this signature.
        48 | 51 => Some(Fault::OtherAuthority),
        116 => Some(Fault::Missing),
        alert @ 0..=255 => Some(Fault::Other(format!("TLS alert {alert} {reason}"))),
        _ => None,
    }
}
