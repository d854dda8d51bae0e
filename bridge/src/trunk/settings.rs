//! What the trunks of a node need to know.

use std::net::SocketAddr;
use std::path::PathBuf;

use hearing_config::{Crossing, Zone};

use crate::net::clock::NodeClock;
use crate::net::tls::Identity;

/// All trunks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node; must be what its certificate says.
    pub own: Identity,
    /// This node's clock, by which media that comes in is dated.
    pub clock: NodeClock,
    /// Where peers dial this node; `None`: nobody does.
    pub listen: Option<SocketAddr>,
    /// The revocation list's file, which is looked at every second.
    pub revoked: PathBuf,
    /// What may pass from zone to zone.
    pub policy: Vec<Crossing>,
    /// Where this node keeps what it has witnessed of the records of others.
    pub witness: PathBuf,
    /// The peers.
    pub peers: Vec<PeerSettings>,
}

/// One trunk.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// Who the peer must be.
    pub identity: Identity,
    /// Where to dial it; `None`: it dials this node.
    pub dial: Option<SocketAddr>,
    /// The origins that it may vouch for.
    pub vouches: Vec<Zone>,
    /// The booked rate, kbit/s.
    pub kbps: u32,
}
