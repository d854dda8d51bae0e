//! Isolated networks: per zone one namespace for the node, one for its browsers and one for each terminal; only trunk links join the nodes.

use super::netns;
use super::rooms::{ACCESS, Room, Rooms};

/// The three zones of a test, each with its own networks. Removed when dropped.
pub(crate) struct Zones {
    /// Of each zone's node, in the order of [`ALL`].
    rooms: [Rooms; 3],
}

/// One zone's addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zone {
    /// The zone's name, as in the configuration.
    pub(crate) name: &'static str,
    /// The node's id.
    pub(crate) node: &'static str,
    /// The node's address towards its clients.
    pub(crate) address: &'static str,
    /// The clients' address.
    pub(crate) client: &'static str,
    /// The home's and this node's address on the trunk link; the home has none of its own.
    pub(crate) link: Option<(&'static str, &'static str)>,
    letter: char,
}

/// Edge in the internet.
pub(crate) const INTERNET: Zone = Zone {
    name: "internet",
    node: "internet-edge",
    address: "203.0.113.1",
    client: "203.0.113.2",
    link: Some(("172.16.1.1", "172.16.1.2")),
    letter: 'i',
};
/// Edge in the government private network.
pub(crate) const GOV: Zone = Zone {
    name: "gov",
    node: "gov-edge",
    address: "10.20.0.1",
    client: "10.20.0.2",
    link: Some(("172.16.2.1", "172.16.2.2")),
    letter: 'g',
};
/// The home.
pub(crate) const TRIPARTITE: Zone =
    Zone { name: "tripartite", node: "court", address: "10.30.0.1", client: "10.30.0.2", link: None, letter: 't' };
/// All zones, the home last.
pub(crate) const ALL: [Zone; 3] = [INTERNET, GOV, TRIPARTITE];

impl Zones {
    /// Makes the namespaces of nodes and clients, and their links.
    pub(crate) fn up() -> Self {
        let tag = netns::tag();
        let rooms =
            |zone: Zone| Rooms::of(format!("{tag}-{}n", zone.letter), zone.address.parse().expect("an address"));
        let zones = Self { rooms: ALL.map(rooms) };
        for zone in ALL {
            zones.add_client(zone);
        }
        for zone in [INTERNET, GOV] {
            zones.add_link(zone);
        }
        zones
    }

    /// The namespace of a zone's node.
    pub(crate) fn node(&self, zone: Zone) -> String {
        self.rooms(zone).node.clone()
    }

    /// The namespace of a zone's clients.
    pub(crate) fn client(&self, zone: Zone) -> String {
        format!("{}-c", self.rooms(zone).node)
    }

    /// A terminal's own namespace in a zone.
    pub(crate) fn room(&self, zone: Zone) -> Room {
        self.rooms(zone).add()
    }

    fn rooms(&self, zone: Zone) -> &Rooms {
        let mut of = ALL.iter().zip(&self.rooms);
        of.find_map(|(one, rooms)| (one.name == zone.name).then_some(rooms)).expect("a zone has a node")
    }

    fn add_client(&self, zone: Zone) {
        let client = self.client(zone);
        netns::add(&client);
        let [near, far] = [zone.address, zone.client].map(|address| format!("{address}/24"));
        netns::line([(&self.node(zone), ACCESS, &[&near]), (&client, ACCESS, &[&far])]);
    }

    fn add_link(&self, zone: Zone) {
        let (home, edge) = zone.link.expect("edges have a trunk link");
        let [home, edge] = [home, edge].map(|address| format!("{address}/30"));
        let home_side = format!("{TRUNK}-{}", zone.letter);
        netns::line([(&self.node(TRIPARTITE), &home_side, &[&home]), (&self.node(zone), TRUNK, &[&edge])]);
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        ALL.iter().for_each(|zone| netns::remove(&self.client(*zone)));
    }
}

/// The edge's end of its trunk link; the home's end has the zone's letter behind it.
pub(crate) const TRUNK: &str = "trunk";
