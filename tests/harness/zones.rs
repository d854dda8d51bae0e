//! Isolated networks: per zone one namespace for the node and one for its clients; only trunk links join the nodes.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::LinkNameSpaceType;

/// The three zones of a test, each with its own networks. Removed when dropped.
pub(crate) struct Zones {
    tag: String,
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
    /// Makes the six namespaces and their links.
    pub(crate) fn up() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("hb{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let zones = Self { tag };
        for zone in ALL {
            zones.add_zone(zone);
        }
        for zone in [INTERNET, GOV] {
            zones.add_link(zone);
        }
        zones
    }

    /// The namespace of a zone's node.
    pub(crate) fn node(&self, zone: Zone) -> String {
        format!("{}-{}n", self.tag, zone.letter)
    }

    /// The namespace of a zone's clients.
    pub(crate) fn client(&self, zone: Zone) -> String {
        format!("{}-{}c", self.tag, zone.letter)
    }

    /// A command that runs in `namespace`.
    pub(crate) fn command(namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    /// Moves the calling thread into `namespace`; sockets that it opens from now on are there.
    pub(crate) fn enter(namespace: &str) {
        let file = std::fs::File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("tests run as root");
    }

    fn add_zone(&self, zone: Zone) {
        let (node, client) = (self.node(zone), self.client(zone));
        ip(&["netns", "add", &node]);
        ip(&["netns", "add", &client]);
        for namespace in [&node, &client] {
            without_ipv6(namespace);
        }
        ip(&["link", "add", "access", "netns", &node, "type", "veth", "peer", "name", "access", "netns", &client]);
        for (namespace, address) in [(&node, zone.address), (&client, zone.client)] {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", "access"]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
            ip(&["-n", namespace, "link", "set", "access", "up"]);
        }
    }

    fn add_link(&self, zone: Zone) {
        let (home, edge) = (self.node(TRIPARTITE), self.node(zone));
        let (home_address, edge_address) = zone.link.expect("edges have a trunk link");
        let home_side = format!("{TRUNK}-{}", zone.letter);
        ip(&["link", "add", &home_side, "netns", &home, "type", "veth", "peer", "name", TRUNK, "netns", &edge]);
        for (namespace, side, address) in [(&home, home_side.as_str(), home_address), (&edge, TRUNK, edge_address)] {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/30"), "dev", side]);
            ip(&["-n", namespace, "link", "set", side, "up"]);
        }
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        for zone in ALL {
            for namespace in [self.node(zone), self.client(zone)] {
                // Nothing is to be done about a namespace that does not go away; the next run uses other names.
                let _ = Command::new("ip").args(["netns", "del", &namespace]).output();
            }
        }
    }
}

/// An IPv6 address that comes up by itself seconds later is a change of network to a browser, which then drops what it loads.
fn without_ipv6(namespace: &str) {
    let script =
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
    ip(&["netns", "exec", namespace, "sh", "-c", script]);
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed by scripts/setup");
    assert!(
        output.status.success(),
        "ip {} failed (namespaces need root): {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The edge's end of its trunk link; the home's end has the zone's letter behind it.
pub(crate) const TRUNK: &str = "trunk";
