//! Offer and answer (RFC 8829), over the syntax of `rtc-sdp`.

mod answer;
mod offer;
#[cfg(test)]
mod tests;

use hearing_config::{Codec, Kind, SeatId};

pub(super) use answer::{Local, cname, negotiate, write};
pub(super) use offer::Remote;

/// Why an offer cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SdpError {
    #[error("it is too long")]
    TooLong,
    #[error("{0}")]
    Syntax(String),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("the client must be able to begin DTLS, but offers a=setup:passive")]
    Passive,
    #[error("its m-lines are not bundled onto one transport")]
    NotBundled,
}

/// The ids under which a client's m-line carries header extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extensions {
    pub(super) mid: Option<u8>,
    pub(super) rid: Option<u8>,
    pub(super) repaired_rid: Option<u8>,
    pub(super) level: Option<u8>,
    pub(super) transport: Option<u8>,
}

impl Extensions {
    fn learn(&mut self, id: u8, uri: &str) {
        if let Some((_, slot)) = self.all_mut().into_iter().find(|(known, _)| *known == uri) {
            slot.get_or_insert(id);
        }
    }

    fn all_mut(&mut self) -> [(&'static str, &mut Option<u8>); 5] {
        [
            (MID, &mut self.mid),
            (RID, &mut self.rid),
            (REPAIRED_RID, &mut self.repaired_rid),
            (LEVEL, &mut self.level),
            (TRANSPORT, &mut self.transport),
        ]
    }

    fn all(mut self) -> impl Iterator<Item = (&'static str, u8)> {
        self.all_mut().map(|(uri, id)| (uri, *id)).into_iter().filter_map(|(uri, id)| Some((uri, id?)))
    }
}

/// What became of one m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    /// Answered with port 0.
    Rejected { what: String, protocol: String, format: String, mid: String },
    /// In use.
    Accepted(Accepted),
}

/// An m-line in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) mid: String,
    pub(super) what: String,
    pub(super) protocol: String,
    pub(super) codecs: Vec<Agreed>,
    pub(super) extensions: Extensions,
    /// What the client sends on it.
    pub(super) inbound: Option<Inbound>,
    /// What it receives on it.
    pub(super) outbound: Option<Outbound>,
}

/// A codec under the client's payload types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
    /// The payload type under which sound carries the sound before it (RFC 2198). A client that sends is asked to send so.
    pub(super) red: Option<u8>,
    pub(super) feedback: Vec<String>,
}

impl Agreed {
    /// True when media of this codec comes under the payload type, plain or redundant.
    pub(super) fn carries(&self, payload_type: u8) -> bool {
        self.payload_type == payload_type || self.red == Some(payload_type)
    }
}

/// What a client sends on an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inbound {
    pub(super) kind: Kind,
    /// Smallest layer first; empty without simulcast.
    pub(super) rids: Vec<String>,
    pub(super) sources: Vec<u32>,
    pub(super) repairs: Vec<(u32, u32)>,
}

/// What a client receives on an m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outbound {
    pub(super) seat: SeatId,
    pub(super) kind: Kind,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: u32,
}

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const TRANSPORT: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
