//! The links to nodes of other zones.

use std::net::SocketAddr;

use crate::error::Fault;
use crate::raw;
use crate::read::{address, number, page, repeated, required};
use crate::value::NodeId;
use crate::zone::Zone;

/// All trunks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunks {
    /// UDP address on which peers that dial are awaited.
    pub listen: Option<SocketAddr>,
    /// The lines to peers; at most one peer in each zone, with one line or several.
    pub peers: Vec<Trunk>,
}

/// One trunk, from this node's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// The peer, as in its certificate.
    pub peer: NodeId,
    /// The peer's zone, as in its certificate.
    pub zone: Zone,
    /// Where to dial it; `None`: it dials us.
    pub dial: Option<SocketAddr>,
    /// The origin zones of tracks that the peer may hand on; its own zone unless the file says otherwise.
    pub vouches: Vec<Zone>,
    /// The peer's page address without a trailing slash, for the links of seats in its zone.
    pub web: Option<String>,
    /// The line's booked rate in kbit/s.
    pub kbps: u32,
}

impl Trunks {
    pub(crate) fn parse(listen: raw::Trunks, peers: Vec<raw::Trunk>) -> Result<Self, Fault> {
        let listen = listen.listen.map(|text| address(Some(text), "trunks.listen")).transpose()?;
        let peers: Vec<Trunk> =
            peers.into_iter().enumerate().map(|(n, raw)| Trunk::parse(raw, n)).collect::<Result<_, _>>()?;
        if let Some(n) = peers.iter().position(|trunk| trunk.dial.is_none()).filter(|_| listen.is_none()) {
            let remedy = "write dial = \"IP:PORT\", or [trunks] listen = \"IP:PORT\" for a peer that dials this node";
            return Err(Fault::new(format!("trunk[{n}].dial"), "is missing, and this node does not listen", remedy));
        }
        Ok(Self { listen, peers })
    }

    /// The trunk to the node of a zone.
    #[must_use]
    pub fn to(&self, zone: &Zone) -> Option<&Trunk> {
        self.peers.iter().find(|trunk| trunk.zone == *zone)
    }

    pub(crate) fn check_against(&self, own: &NodeId, zone: &Zone) -> Result<(), Fault> {
        for (n, trunk) in self.peers.iter().enumerate() {
            self.peers[..n].iter().try_for_each(|above| trunk.check_beside(n, above))?;
        }
        self.peers.iter().enumerate().try_for_each(|(n, trunk)| trunk.check_against(n, own, zone))
    }
}

impl Trunk {
    fn parse(raw: raw::Trunk, n: usize) -> Result<Self, Fault> {
        let key = |name: &str| format!("trunk[{n}].{name}");
        let peer = required(raw.peer, &key("peer"), "name the peer's node.id, such as \"gov-edge\"")?;
        let zone = required(raw.zone, &key("zone"), "name the peer's zone, such as \"gov\"")?;
        let vouches = raw.vouches.unwrap_or_else(|| vec![zone.clone()]);
        if let Some(n) = repeated(&vouches) {
            return Err(Fault::new(key(&format!("vouches[{n}]")), "stands there twice", "remove one of the two"));
        }
        Ok(Self {
            peer,
            dial: raw.dial.map(|text| address(Some(text), &key("dial"))).transpose()?,
            web: raw.web.map(|text| page(&text, &key("web"))).transpose()?,
            kbps: number(raw.kbps.unwrap_or(20_000), (256, 10_000_000), &key("kbps"))?,
            zone,
            vouches,
        })
    }

    /// A peer may be dialled over several lines; then all of them say the same of it.
    fn check_beside(&self, n: usize, above: &Self) -> Result<(), Fault> {
        if (&self.peer, &self.zone) == (&above.peer, &above.zone) {
            return self.check_line(n, above);
        }
        if self.peer == above.peer {
            let problem = format!("a trunk to {} in zone {} stands above already", self.peer, above.zone);
            return Err(Fault::new(format!("trunk[{n}].peer"), problem, "keep one zone for each peer"));
        }
        if self.zone == above.zone {
            let problem = format!("a trunk to zone {} stands above already", self.zone);
            return Err(Fault::new(format!("trunk[{n}].zone"), problem, "keep one peer for each zone"));
        }
        Ok(())
    }

    fn check_line(&self, n: usize, above: &Self) -> Result<(), Fault> {
        let second = format!("a trunk to {} stands above already", self.peer);
        if self.dial.is_none() || above.dial.is_none() || self.dial == above.dial {
            let remedy = "keep one [[trunk]] for each peer, or give each line to it its own dial";
            return Err(Fault::new(format!("trunk[{n}].dial"), second, remedy));
        }
        if self.vouches != above.vouches || self.web.is_some() && self.web != above.web {
            let problem = format!("{second} and says otherwise");
            let remedy = "write the same vouches and web for every line to a peer";
            return Err(Fault::new(format!("trunk[{n}].vouches"), problem, remedy));
        }
        Ok(())
    }

    fn check_against(&self, n: usize, own: &NodeId, zone: &Zone) -> Result<(), Fault> {
        if self.peer == *own {
            let problem = format!("{own} is this node itself");
            return Err(Fault::new(format!("trunk[{n}].peer"), problem, "name the node at the other end"));
        }
        if self.zone == *zone {
            let problem = format!("{zone} is this node's own zone");
            return Err(Fault::new(
                format!("trunk[{n}].zone"),
                problem,
                "trunks join different zones; correct the zone",
            ));
        }
        match self.vouches.iter().position(|origin| origin == zone) {
            Some(m) => Err(Fault::new(
                format!("trunk[{n}].vouches[{m}]"),
                format!("{zone} is this node's own zone, for whose tracks no peer can vouch"),
                "remove it",
            )),
            None => Ok(()),
        }
    }
}
