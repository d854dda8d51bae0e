//! Where the media of a call comes in: from datagrams, or from a connection.

use std::net::SocketAddr;

use hearing_proto::ps::Framer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::socket::{Peer, Socket, accepted, connected};
use crate::net::rtp::Header;

/// Something came in.
#[derive(Debug)]
pub(super) enum Arrived {
    /// An RTP packet, or what is to be one.
    Packet(Vec<u8>),
    /// Nothing more comes.
    Over(String),
}

/// A task that reads until it is dropped.
#[derive(Debug)]
pub(super) struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads what comes from `peer`, marked as `ssrc` where it comes from elsewhere; a full queue loses packets, which is counted.
pub(super) fn read(socket: Socket, peer: Peer, ssrc: u32, out: mpsc::Sender<Arrived>) -> Reader {
    let task = tokio::spawn(async move {
        let why = match socket {
            Socket::Udp(socket) => datagrams(&socket, Latch::new(peer, ssrc), &out).await,
            Socket::Passive(listener) => over(accepted(&listener, &peer).await, &out).await,
            Socket::Active => over(connected(&peer).await, &out).await,
        };
        // Whoever does not listen any more does not want to know.
        let _ = out.send(Arrived::Over(why)).await;
    });
    Reader(task.abort_handle())
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

async fn over(connection: Result<TcpStream, String>, out: &mpsc::Sender<Arrived>) -> String {
    match connection {
        Ok(stream) => stream_of(stream, out).await,
        Err(why) => why,
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
    peer: Peer,
    /// What its packets were to be marked with.
    ssrc: u32,
    on: Option<SocketAddr>,
}

impl Latch {
    const fn new(peer: Peer, ssrc: u32) -> Self {
        Self { peer, ssrc, on: None }
    }

    /// Devices mark packets as they like and send from where they like, but not both: of strangers the mark has to be right.
    fn admits(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        if let Some(on) = self.on {
            return on == from;
        }
        let Some((header, _)) = Header::read(datagram) else {
            // Counted as rubbish of the device when it comes from there.
            return self.peer.known.contains(&from.ip());
        };
        let admits = self.peer.known.contains(&from.ip()) || header.ssrc == self.ssrc;
        if admits {
            self.on = Some(from);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latch() -> Latch {
        Latch::new(Peer { known: vec!["10.0.0.9".parse().unwrap()], told: None }, 7)
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
}
