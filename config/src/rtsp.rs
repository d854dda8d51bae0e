//! Cameras of the node's zone that are pulled by RTSP.

use serde::Deserialize;

use crate::raw;

/// How the node pulls cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rtsp {
    /// How media is asked for first; a camera that refuses it is asked for the other.
    pub transport: RtspTransport,
}

/// How a camera's media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RtspTransport {
    /// Within the session's TCP connection: through every firewall, and nothing is lost.
    #[default]
    Tcp,
    /// As datagrams to ports of the node's choice: for a local network.
    Udp,
}

impl Rtsp {
    pub(crate) fn parse(raw: raw::Rtsp) -> Self {
        Self { transport: raw.transport.unwrap_or_default() }
    }
}
