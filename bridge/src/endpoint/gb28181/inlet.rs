//! Where the media of a call comes in: datagrams, a connection that the device makes, or one that is made to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hearing_config::Gb28181Transport;
use hearing_proto::ps::Framer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::net::rtp::Header;
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

/// What is ready before the device is invited.
#[derive(Debug)]
pub(super) enum Inlet {
    Udp(UdpSocket),
    Passive(TcpListener),
    Active,
}

/// Something came in.
#[derive(Debug)]
pub(super) enum Arrived {
    /// An RTP packet, or what is to be one.
    Packet(Vec<u8>),
    /// Nothing more comes.
    Over(String),
}

/// Whose media is taken.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Where the device is for signalling, and where it says that its media comes from.
    pub(super) known: Vec<IpAddr>,
    /// Where it says that it can be connected to.
    pub(super) told: Option<SocketAddr>,
    /// What its packets were to be marked with.
    pub(super) ssrc: u32,
}

/// A task that reads until it is dropped.
#[derive(Debug)]
pub(super) struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inlet {
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

    /// Reads what comes from `source`; a full queue loses packets, which is counted.
    pub(super) fn read(self, source: Source, out: mpsc::Sender<Arrived>) -> Reader {
        let task = tokio::spawn(async move {
            let why = match self {
                Self::Udp(socket) => datagrams(&socket, Latch::new(source), &out).await,
                Self::Passive(listener) => accepted(&listener, &source, &out).await,
                Self::Active => connected(&source, &out).await,
            };
            // Whoever does not listen any more does not want to know.
            let _ = out.send(Arrived::Over(why)).await;
        });
        Reader(task.abort_handle())
    }
}

async fn datagrams(socket: &UdpSocket, mut latch: Latch, out: &mpsc::Sender<Arrived>) -> String {
    let mut buffer = vec![0; 65_536];
    loop {
        // An error tells of a datagram that could not be delivered, and concerns none that comes.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if latch.admits(from, &buffer[..length]) {
            hand(out, &buffer[..length]);
        } else {
            metrics::counter!("hearing_gb28181_datagrams_refused_total").increment(1);
        }
    }
}

async fn accepted(listener: &TcpListener, source: &Source, out: &mpsc::Sender<Arrived>) -> String {
    loop {
        match listener.accept().await {
            Ok((stream, from)) if source.known.contains(&from.ip()) => return stream_of(stream, out).await,
            Ok(_) => metrics::counter!("hearing_gb28181_datagrams_refused_total").increment(1),
            Err(error) => return format!("no connection for media can be taken: {error}"),
        }
    }
}

async fn connected(source: &Source, out: &mpsc::Sender<Arrived>) -> String {
    let Some(at) = source.told else { return "it does not say where to connect to".to_owned() };
    match timeout(CONNECT_LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => stream_of(stream, out).await,
        Ok(Err(error)) => format!("its media cannot be connected to: {error}"),
        Err(_) => "its media cannot be connected to: no answer".to_owned(),
    }
}

async fn stream_of(mut stream: TcpStream, out: &mpsc::Sender<Arrived>) -> String {
    let (mut framer, mut buffer) = (Framer::default(), vec![0; 65_536]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return "it closed the connection of its media".to_owned(),
            Ok(length) => {
                if let Err(error) = framer.feed(&buffer[..length], |packet| hand(out, packet)) {
                    metrics::counter!("hearing_gb28181_rtp_ignored_total").increment(1);
                    return error.to_string();
                }
            }
            Err(error) => return format!("the connection of its media broke: {error}"),
        }
    }
}

fn hand(out: &mpsc::Sender<Arrived>, packet: &[u8]) {
    if out.try_send(Arrived::Packet(packet.to_vec())).is_err() {
        metrics::counter!("hearing_gb28181_datagrams_lost_total").increment(1);
    }
}

/// The first who sends what was asked for stays the only one.
#[derive(Debug)]
struct Latch {
    source: Source,
    on: Option<SocketAddr>,
}

impl Latch {
    const fn new(source: Source) -> Self {
        Self { source, on: None }
    }

    /// Devices mark packets as they like and send from where they like, but not both: of strangers the mark has to be right.
    fn admits(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        if let Some(on) = self.on {
            return on == from;
        }
        let Some((header, _)) = Header::read(datagram) else {
            // Counted as rubbish of the device when it comes from there.
            return self.source.known.contains(&from.ip());
        };
        let admits = self.source.known.contains(&from.ip()) || header.ssrc == self.source.ssrc;
        if admits {
            self.on = Some(from);
        }
        admits
    }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn latch() -> Latch {
        Latch::new(Source { known: vec!["10.0.0.9".parse().unwrap()], told: None, ssrc: 7 })
    }

    fn packet(ssrc: u32) -> Vec<u8> {
        Header { marker: false, payload_type: 96, sequence: 1, timestamp: 0, ssrc }.write(&[0])
    }

    #[test]
    fn media_is_taken_from_the_device_or_with_its_mark_and_then_from_there_alone() {
        let [device, second, stranger] = ["10.0.0.9:1", "10.0.0.9:2", "10.0.0.1:1"].map(|at| at.parse().unwrap());
        let mut by_address = latch();
        assert!(!by_address.admits(stranger, &packet(8)));
        assert!(by_address.admits(device, &packet(8)), "its mark is not looked at");
        assert!(!by_address.admits(stranger, &packet(7)) && !by_address.admits(second, &packet(7)));
        assert!(by_address.admits(device, &packet(9)));
        let mut by_mark = latch();
        assert!(by_mark.admits(stranger, &packet(7)) && !by_mark.admits(device, &packet(7)));
    }

    #[test]
    fn rubbish_latches_nobody_and_counts_only_against_the_device() {
        let [device, stranger] = ["10.0.0.9:1", "10.0.0.1:1"].map(|at| at.parse().unwrap());
        let mut latch = latch();
        assert!(latch.admits(device, b"rubbish") && !latch.admits(stranger, b"rubbish"));
        assert_eq!(latch.on, None);
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
