//! Real packets over real lines.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use hearing_emulator::{Quality, Relay, Side, Wire};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const ANY: &str = "127.0.0.1:0";

fn quality(text: &str) -> [Quality; 2] {
    [text.parse().expect("a quality"); 2]
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(ANY).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    socket
}

fn echo(at: &UdpSocket) -> SocketAddr {
    let mut buffer = [0; 2_048];
    let (bytes, from) = at.recv_from(&mut buffer).expect("a packet");
    at.send_to(&buffer[..bytes], from).expect("an answer");
    from
}

#[test]
fn two_callers_get_their_own_answers_after_twice_the_delay() {
    let far = socket();
    let relay =
        Relay::start(ANY.parse().expect("an address"), far.local_addr().expect("one"), quality("delay=20ms"), 1);
    let relay = relay.expect("a relay");
    let (first, second) = (socket(), socket());
    let began = Instant::now();
    first.send_to(b"first", relay.address()).expect("sent");
    second.send_to(b"second", relay.address()).expect("sent");
    assert_ne!(echo(&far), echo(&far), "each caller has an address of its own");
    for (socket, text) in [(&first, &b"first"[..]), (&second, &b"second"[..])] {
        let mut buffer = [0; 64];
        let (bytes, _) = socket.recv_from(&mut buffer).expect("an answer");
        assert_eq!(&buffer[..bytes], text);
    }
    assert!(began.elapsed() >= Duration::from_millis(40));
    let [there, back] = relay.handle().counts();
    assert_eq!((there.delivered, back.delivered), (2, 2));
}

#[test]
fn a_cut_line_passes_nothing_and_a_repaired_one_everything() {
    let far = socket();
    let relay = Relay::start(ANY.parse().expect("an address"), far.local_addr().expect("one"), quality("good"), 1);
    let (relay, near) = (relay.expect("a relay"), socket());
    relay.handle().cut();
    near.send_to(b"lost", relay.address()).expect("sent");
    while relay.handle().counts()[0].cut == 0 {
        std::thread::yield_now();
    }
    relay.handle().repair();
    near.send_to(b"there", relay.address()).expect("sent");
    let mut buffer = [0; 64];
    let (bytes, _) = far.recv_from(&mut buffer).expect("a packet");
    assert_eq!(&buffer[..bytes], b"there");
}

/// Needs root and /dev/net/tun, like every test with namespaces.
#[test]
fn a_wire_between_two_namespaces_carries_tcp_whole_though_it_loses_packets() {
    let names = Namespaces::up();
    let side = |namespace: &str, address: &str| Side {
        namespace: namespace.to_owned(),
        device: "line".to_owned(),
        address: address.to_owned(),
    };
    let (near, far) = (side(&names.0[0], "10.99.0.1/24"), side(&names.0[1], "10.99.0.2/24"));
    let wire = Wire::lay(near, far, quality("delay=10ms,loss=3%"), 1).expect("a wire");
    let listener = names.within(1, || TcpListener::bind("10.99.0.2:9").expect("a listener"));
    let mut stream = names.within(0, || TcpStream::connect("10.99.0.2:9").expect("a connection"));
    let (mut sink, _) = listener.accept().expect("a caller");
    let sender = std::thread::spawn(move || stream.write_all(&vec![7; 300_000]).expect("sent"));
    let mut got = Vec::new();
    sink.read_to_end(&mut got).expect("received");
    sender.join().expect("the sender");
    assert!(got.len() == 300_000 && got.iter().all(|byte| *byte == 7));
    let [there, back] = wire.handle().counts();
    assert!(there.lost > 0 && there.delivered > 200 && back.delivered > 10, "{there:?} {back:?}");
}

struct Namespaces([String; 2]);

impl Namespaces {
    fn up() -> Self {
        let names = ["a", "b"].map(|letter| format!("em{}{letter}", std::process::id()));
        for name in &names {
            assert!(Command::new("ip").args(["netns", "add", name]).status().expect("ip").success(), "needs root");
        }
        Self(names)
    }

    /// A socket stays where it was made.
    fn within<T: Send>(&self, at: usize, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let namespace = File::open(format!("/run/netns/{}", self.0[at])).expect("a namespace");
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network).expect("needs root");
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("the thread"))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}
