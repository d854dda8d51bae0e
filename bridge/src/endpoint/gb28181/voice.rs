//! Where what is said to a device goes out: in datagrams with reports beside them (RTCP), or over a connection that the device makes or
//! that is made to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::flow::{Flow, broke};
use super::socket::{Peer, Socket, accepted, connected};
use super::speech::Speech;
use crate::net::clock::NodeClock;
use crate::net::tcp;
use crate::router::Frame;

/// The way to a device's ear.
pub(super) struct Voice {
    way: Way,
    speech: Speech,
    clock: NodeClock,
}

enum Way {
    Datagrams(Datagrams),
    Connection(Connection),
}

struct Datagrams {
    rtp: UdpSocket,
    /// At the port above, where that is free: then the device is told our clock.
    rtcp: Option<UdpSocket>,
    to: SocketAddr,
}

struct Connection {
    stream: TcpStream,
    flow: Flow,
    /// For what the device says, which is not listened to.
    buffer: Vec<u8>,
}

impl Voice {
    /// Waits until there is a way.
    ///
    /// # Errors
    /// In words: the device does not say where it listens, can't be connected to, or does not connect in time.
    pub(super) async fn open(socket: Socket, peer: &Peer, speech: Speech, clock: NodeClock) -> Result<Self, String> {
        let way = match socket {
            Socket::Udp(rtp) => {
                let to = peer.told.ok_or("it does not say where it listens")?;
                Way::Datagrams(Datagrams::new(rtp, to).await)
            }
            Socket::Passive(listener) => {
                let made = awaited(accepted(&listener, peer), CONNECTED_LIMIT).await?;
                Way::Connection(Connection::new(made)?)
            }
            Socket::Active => Way::Connection(Connection::new(connected(peer).await?)?),
        };
        Ok(Self { way, speech, clock })
    }

    /// Says something; what the device does not take in time is left out, and counted.
    ///
    /// # Errors
    /// In words, when there is no way any more.
    pub(super) fn say(&mut self, frame: &Frame, now: Instant) -> Result<(), String> {
        for packet in self.speech.packets(frame) {
            match &mut self.way {
                Way::Datagrams(datagrams) => sent(datagrams.rtp.try_send_to(&packet, datagrams.to).is_ok()),
                Way::Connection(connection) => connection.say(now, &packet)?,
            }
        }
        Ok(())
    }

    /// Tells the device our clock. Over a connection it is not told: a report would need another one (RFC 4571, section 2).
    pub(super) fn report(&self) {
        let Way::Datagrams(datagrams) = &self.way else { return };
        if let Some(report) = self.speech.report(self.clock.now()) {
            datagrams.report(&report);
        }
    }

    /// Until there is no way any more; why. Never, by datagrams. Cancelling it loses nothing.
    pub(super) async fn over(&mut self) -> String {
        match &mut self.way {
            Way::Datagrams(_) => std::future::pending().await,
            Way::Connection(connection) => connection.over().await,
        }
    }
}

impl Datagrams {
    async fn new(rtp: UdpSocket, to: SocketAddr) -> Self {
        let above = |at: SocketAddr| Some(SocketAddr::new(at.ip(), at.port().checked_add(1)?));
        let rtcp = match rtp.local_addr().ok().and_then(above) {
            Some(at) => UdpSocket::bind(at).await.ok(),
            None => None,
        };
        Self { rtp, rtcp, to }
    }

    /// To the port above the one for sound (RFC 3550, section 11).
    fn report(&self, report: &[u8]) {
        if let (Some(rtcp), Some(port)) = (&self.rtcp, self.to.port().checked_add(1)) {
            sent(rtcp.try_send_to(report, SocketAddr::new(self.to.ip(), port)).is_ok());
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Result<Self, String> {
        let prepared = tcp::prepare(&stream);
        // What the kernel holds can no longer be left out, and is heard late.
        let set = prepared.and_then(|()| SockRef::from(&stream).set_send_buffer_size(KERNEL_BUFFER));
        set.map_err(|error| broke(&error))?;
        Ok(Self { stream, flow: Flow::new(Instant::now()), buffer: vec![0; 4_096] })
    }

    fn say(&mut self, now: Instant, packet: &[u8]) -> Result<(), String> {
        let said = self.flow.say(now, packet, |bytes| self.stream.try_write(bytes))?;
        if !said {
            metrics::counter!("hearing_gb28181_sound_left_out_total").increment(1);
        }
        Ok(())
    }

    async fn over(&mut self) -> String {
        loop {
            match self.stream.read(&mut self.buffer).await {
                Ok(0) => return "it closed the connection of its sound".to_owned(),
                Ok(_) => {}
                Err(error) => return broke(&error),
            }
        }
    }
}

/// A connection that the device makes, if it makes it in time.
async fn awaited(made: impl Future<Output = Result<TcpStream, String>>, limit: Duration) -> Result<TcpStream, String> {
    let late = |_| format!("it does not connect within {} s for what it is told", limit.as_secs());
    timeout(limit, made).await.map_err(late)?
}

fn sent(is_sent: bool) {
    if !is_sent {
        metrics::counter!("hearing_gb28181_datagrams_unsent_total").increment(1);
    }
}

/// From the answer to the device's connection.
const CONNECTED_LIMIT: Duration = Duration::from_secs(15);
/// A second of sound.
const KERNEL_BUFFER: usize = 8 * 1_024;

#[cfg(test)]
mod tests {
    use hearing_config::{Gb28181Transport, Timestamp};

    use super::super::socket::Ports;
    use super::*;
    use crate::net::frames::Frames;
    use crate::net::rtp::Header;
    use crate::router::{Layer, Packet, Temporal};

    fn frame() -> Frame {
        let packet = Packet {
            index: 0,
            layer: Layer(0),
            media_time: 0,
            captured: Timestamp(0),
            frame_start: true,
            frame_end: true,
            key: true,
            generation: 0,
            temporal: Temporal::default(),
            level: None,
            payload: vec![0xd5; 160].into(),
        };
        Frame { packets: vec![packet] }
    }

    fn peer(ip: &str, port: u16) -> Peer {
        let ip = ip.parse().unwrap();
        Peer { known: vec![ip], told: Some(SocketAddr::new(ip, port)) }
    }

    async fn listening(node: &str) -> (Socket, SocketAddr) {
        let ports = Ports::new(node.parse().unwrap(), (31_000, 31_099));
        let socket = Socket::open(&ports, Gb28181Transport::TcpPassive).await.unwrap();
        let at = SocketAddr::new(node.parse().unwrap(), socket.port());
        (socket, at)
    }

    async fn connect(from: &str, to: SocketAddr) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        socket.connect(to).await.unwrap()
    }

    #[tokio::test]
    async fn a_device_that_connects_hears_and_a_stranger_who_connects_before_it_does_not() {
        let (socket, at) = listening("127.77.1.1").await;
        let mut stranger = connect("127.77.1.3", at).await;
        let mut device = connect("127.77.1.2", at).await;
        let speech = Speech::new(8, 7);
        let mut voice = Voice::open(socket, &peer("127.77.1.2", 9), speech, NodeClock::begin()).await.unwrap();
        voice.say(&frame(), Instant::now()).unwrap();
        assert_eq!(stranger.read(&mut [0; 8]).await.unwrap(), 0, "it was turned away");
        let mut framed = [0; 174];
        device.read_exact(&mut framed).await.unwrap();
        let mut heard = Vec::new();
        Frames::default().feed(&framed, |packet| heard.push(packet.to_vec())).unwrap();
        let (header, place) = Header::read(&heard[0]).unwrap();
        assert_eq!((header.payload_type, header.ssrc, place.len()), (8, 7, 160));
        drop(device);
        assert!(voice.over().await.contains("closed the connection"));
    }

    #[tokio::test]
    async fn a_device_that_has_not_connected_when_its_time_is_up_is_given_up() {
        let (Socket::Passive(listener), at) = listening("127.77.1.4").await else { panic!("it listens") };
        let _stranger = connect("127.77.1.3", at).await;
        let made = awaited(accepted(&listener, &peer("127.77.1.2", 9)), Duration::ZERO).await;
        assert!(made.err().unwrap().contains("does not connect within"));
    }

    #[tokio::test]
    async fn a_device_that_does_not_read_holds_up_nothing_and_is_given_up_after_five_seconds() {
        let listener = tokio::net::TcpListener::bind("127.77.1.5:0").await.unwrap();
        let peer = peer("127.77.1.5", listener.local_addr().unwrap().port());
        let mut voice = Voice::open(Socket::Active, &peer, Speech::new(8, 7), NodeClock::begin()).await.unwrap();
        let (_deaf, _) = listener.accept().await.unwrap();
        let (start, frame) = (Instant::now(), frame());
        // More than both kernels hold.
        for _ in 0..100_000 {
            voice.say(&frame, start).unwrap();
        }
        let ended = voice.say(&frame, start + Duration::from_secs(5));
        assert!(ended.unwrap_err().contains("no sound for 5 s"));
    }
}
