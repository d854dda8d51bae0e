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
    /// The file in which this node keeps which hearings of others it has carried.
    pub former: PathBuf,
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
    /// Other lines to it: where to dial there, and their booked rate, kbit/s. One line carries at a time.
    pub others: Vec<(SocketAddr, u32)>,
    /// The origins that it may vouch for.
    pub vouches: Vec<Zone>,
    /// The booked rate, kbit/s.
    pub kbps: u32,
}

impl PeerSettings {
    /// True when this node dials the peer.
    #[must_use]
    pub const fn dials(&self) -> bool {
        self.dial.is_some()
    }

    /// Every line to the peer: where to dial, and its booked rate.
    pub fn lines(&self) -> impl Iterator<Item = (SocketAddr, u32)> {
        self.dial.map(|dial| (dial, self.kbps)).into_iter().chain(self.others.iter().copied())
    }
}
