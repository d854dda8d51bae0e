//! Sockets for the media of a call, ready before the device is told where they are: a datagram socket, a connection that the device
//! makes, or one that is made to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hearing_config::Gb28181Transport;
use hearing_proto::gb28181::sdp::{self, Media, Transport};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::net::udp;

/// Hands out ports of one range, the next one each time, so that a late packet of one call does not meet the next call.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    first: u16,
    count: u16,
    next: AtomicU16,
}

impl Ports {
    pub(super) const fn new(ip: IpAddr, (first, last): (u16, u16)) -> Self {
        // Even ones: the odd one above is RTCP's for whoever sends it.
        Self { ip, first, count: (last - first).div_ceil(2), next: AtomicU16::new(0) }
    }

    /// A UDP socket.
    pub(super) async fn udp(&self) -> io::Result<UdpSocket> {
        for at in self.turns() {
            if let Ok(socket) = UdpSocket::bind(at).await {
                udp::widen(&socket)?;
                return Ok(socket);
            }
        }
        Err(taken())
    }

    async fn tcp(&self) -> io::Result<TcpListener> {
        for at in self.turns() {
            if let Ok(listener) = TcpListener::bind(at).await {
                return Ok(listener);
            }
        }
        Err(taken())
    }

    fn turns(&self) -> impl Iterator<Item = SocketAddr> {
        (0..self.count).map(|_| {
            let port = self.first + 2 * (self.next.fetch_add(1, Ordering::Relaxed) % self.count);
            SocketAddr::new(self.ip, port)
        })
    }
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "every port of gb28181.rtp is in use")
}

/// What is ready before the device is told of it.
#[derive(Debug)]
pub(super) enum Socket {
    Udp(UdpSocket),
    Passive(TcpListener),
    Active,
}

/// The other end of a call's media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Where the device is for signalling, and where it says that its media is.
    pub(super) known: Vec<IpAddr>,
    /// Where it says that it can be reached.
    pub(super) told: Option<SocketAddr>,
}

impl Peer {
    /// A device that signals from `host` and describes its media.
    pub(super) fn new(host: Option<IpAddr>, media: &Media) -> Self {
        let known: Vec<_> = host.into_iter().chain(media.address).collect();
        let told = media.address.or(host).map(|ip| SocketAddr::new(ip, media.port));
        Self { known, told }
    }
}

impl Socket {
    pub(super) async fn open(ports: &Ports, transport: Gb28181Transport) -> io::Result<Self> {
        Ok(match transport {
            Gb28181Transport::Udp => Self::Udp(ports.udp().await?),
            Gb28181Transport::TcpPassive => Self::Passive(ports.tcp().await?),
            Gb28181Transport::TcpActive => Self::Active,
        })
    }

    /// The port that the device is told; 9 is none (RFC 4145, section 4.1).
    pub(super) fn port(&self) -> u16 {
        let at = match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Passive(listener) => listener.local_addr(),
            Self::Active => return 9,
        };
        at.map_or(9, |at| at.port())
    }
}

/// The connection that the device makes; strangers are counted and turned away.
pub(super) async fn accepted(listener: &TcpListener, peer: &Peer) -> Result<TcpStream, String> {
    loop {
        match listener.accept().await {
            Ok((stream, from)) if peer.known.contains(&from.ip()) => return Ok(stream),
            Ok(_) => metrics::counter!("hearing_gb28181_datagrams_refused_total").increment(1),
            Err(error) => return Err(format!("no connection for media can be taken: {error}")),
        }
    }
}

/// A connection to where the device says that it listens.
pub(super) async fn connected(peer: &Peer) -> Result<TcpStream, String> {
    let at = peer.told.ok_or("it does not say where to connect to")?;
    match timeout(CONNECT_LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("its media cannot be connected to: {error}")),
        Err(_) => Err("its media cannot be connected to: no answer".to_owned()),
    }
}

/// What the device answers, if it fits what it was asked.
pub(super) fn answer(body: &[u8], asked: Gb28181Transport) -> Result<Media, String> {
    fitting(body, asked).map_err(|why| {
        metrics::counter!("hearing_gb28181_sdp_malformed_total").increment(1);
        why.to_owned()
    })
}

fn fitting(body: &[u8], asked: Gb28181Transport) -> Result<Media, &'static str> {
    let media = sdp::read(&String::from_utf8_lossy(body)).ok_or("its answer names no media")?;
    let fits = (media.transport == Transport::Udp) == (asked == Gb28181Transport::Udp);
    match (media.port, fits) {
        (0, _) => Err("it refuses the media"),
        (_, false) => Err("it answers with another transport than was asked for"),
        (_, true) => Ok(media),
    }
}

/// What we are, as descriptions have it.
pub(super) const fn way(transport: Gb28181Transport) -> Transport {
    match transport {
        Gb28181Transport::Udp => Transport::Udp,
        Gb28181Transport::TcpPassive => Transport::TcpPassive,
        Gb28181Transport::TcpActive => Transport::TcpActive,
    }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=video 15060 TCP/RTP/AVP 96\r\na=setup:active\r\ny=0200000001\r\n";

    #[test]
    fn an_answer_that_is_none_refuses_or_has_another_transport_is_told_apart() {
        let refused = |text: &str, asked| answer(text.as_bytes(), asked).unwrap_err();
        assert!(answer(ANSWER.as_bytes(), Gb28181Transport::TcpPassive).is_ok());
        assert!(refused(ANSWER, Gb28181Transport::Udp).contains("another transport"));
        assert!(refused("v=0\r\n", Gb28181Transport::Udp).contains("no media"));
        assert!(refused(&ANSWER.replace("15060", "0"), Gb28181Transport::TcpActive).contains("refuses"));
    }

    #[test]
    fn media_may_come_from_where_the_device_signals_and_from_where_it_says() {
        let ip = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
        let answer = answer(ANSWER.as_bytes(), Gb28181Transport::TcpActive).unwrap();
        let peer = Peer::new(Some(ip("10.0.0.8")), &answer);
        assert_eq!(peer.told, Some("10.0.0.9:15060".parse().unwrap()));
        assert_eq!(peer.known, [ip("10.0.0.8"), ip("10.0.0.9")]);
    }

    #[tokio::test]
    async fn ports_are_taken_in_turn_and_when_all_are_taken_it_is_said_which_key_to_change() {
        let ports = Ports::new("127.77.0.1".parse().unwrap(), (31_000, 31_007));
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(ports.udp().await.unwrap());
        }
        let mut numbers: Vec<_> = taken.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [31_000, 31_002, 31_004, 31_006]);
        assert!(ports.udp().await.unwrap_err().to_string().contains("gb28181.rtp"));
    }
}
