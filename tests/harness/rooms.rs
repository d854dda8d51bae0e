//! A node and its rooms, each a network namespace: from a room a line leads to the node, and nothing else is reached.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};

use super::netns;

/// The namespaces of a node and of its rooms. Removed when dropped.
pub(crate) struct Rooms {
    /// The node's namespace.
    pub(crate) node: String,
    /// The node's address.
    pub(crate) address: Ipv4Addr,
    count: AtomicU8,
}

/// Where one terminal stands.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its address, the only one there.
    pub(crate) address: Ipv4Addr,
}

impl Rooms {
    /// Makes the namespace `node`, without rooms as yet, for a node that is to have `address`.
    pub(crate) fn of(node: String, address: Ipv4Addr) -> Self {
        netns::add(&node);
        Self { node, address, count: AtomicU8::new(0) }
    }

    /// Those of a node that stands alone, at 10.30.0.1.
    pub(crate) fn alone() -> Self {
        let rooms = Self::of(format!("{}-node", netns::tag()), NODE);
        // Each line carries it; it is there before the first one is.
        netns::ip(&["-n", &rooms.node, "addr", "add", &NODE.to_string(), "dev", "lo"]);
        rooms
    }

    /// Another room. Its address follows those of the others, from .11 on.
    pub(crate) fn add(&self) -> Room {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [a, b, c, _] = self.address.octets();
        let room = Room { namespace: self.namespace(number), address: Ipv4Addr::new(a, b, c, FIRST + number) };
        netns::add(&room.namespace);
        let [near, far] = [self.address, room.address].map(|address| address.to_string());
        netns::line([
            (&self.node, &format!("{ACCESS}{number}"), &[&near, "peer", &far]),
            (&room.namespace, ACCESS, &[&far, "peer", &near]),
        ]);
        room
    }

    fn namespace(&self, number: u8) -> String {
        format!("{}-{number}", self.node)
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        let count = *self.count.get_mut();
        (0..count).for_each(|number| netns::remove(&self.namespace(number)));
        netns::remove(&self.node);
    }
}

impl Room {
    /// A UDP socket there, on a free port.
    pub(crate) fn socket(&self) -> UdpSocket {
        netns::within(&self.namespace, || UdpSocket::bind((self.address, 0)).expect("a port"))
    }
}

/// What the line of a namespace that has but one is called there.
pub(crate) const ACCESS: &str = "access";
const NODE: Ipv4Addr = Ipv4Addr::new(10, 30, 0, 1);
const FIRST: u8 = 11;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_room_reaches_the_node_and_no_other_room_even_if_both_know_the_way() {
        let rooms = Rooms::alone();
        let (room, other) = (rooms.add(), rooms.add());
        let _listeners =
            [(&rooms.node, rooms.address), (&other.namespace, other.address)].map(|(namespace, address)| {
                netns::within(namespace, || TcpListener::bind((address, PORT)).expect("a port"))
            });
        assert!(reaches(&room.namespace, rooms.address) && reaches(&rooms.node, other.address));
        assert!(!reaches(&room.namespace, other.address));
        for (from, to) in [(&room, &other), (&other, &room)] {
            let [there, way] = [to.address, rooms.address].map(|address| address.to_string());
            netns::ip(&["-n", &from.namespace, "route", "add", &there, "via", &way]);
        }
        assert!(!reaches(&room.namespace, other.address));
    }

    fn reaches(namespace: &str, address: Ipv4Addr) -> bool {
        let connect = || TcpStream::connect_timeout(&(address, PORT).into(), Duration::from_millis(500));
        netns::within(namespace, connect).is_ok()
    }

    const PORT: u16 = 5_060;
}
