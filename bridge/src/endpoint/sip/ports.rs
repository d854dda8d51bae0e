//! The pairs of UDP ports for RTP and RTCP.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::UdpSocket;

use crate::net::udp;

/// Hands out pairs of one range, the next one each time, so that a late packet of one call does not meet the next call.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    first: u16,
    pairs: u16,
    next: AtomicU16,
}

/// The two sockets of one m-line.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    /// The even one.
    pub(super) port: u16,
}

impl Ports {
    pub(super) const fn new(ip: IpAddr, (first, last): (u16, u16)) -> Self {
        Self { ip, first, pairs: (last - first).div_ceil(2), next: AtomicU16::new(0) }
    }

    /// Of whatever range the system gives.
    pub(super) const fn any(ip: IpAddr) -> Self {
        Self { ip, first: 0, pairs: 0, next: AtomicU16::new(0) }
    }

    /// The next pair that is free.
    pub(super) async fn pair(&self) -> io::Result<Pair> {
        if self.pairs == 0 {
            return self.given().await;
        }
        for _ in 0..self.pairs {
            let port = self.first + 2 * (self.next.fetch_add(1, Ordering::Relaxed) % self.pairs);
            let bound = (UdpSocket::bind((self.ip, port)).await, UdpSocket::bind((self.ip, port + 1)).await);
            if let (Ok(rtp), Ok(rtcp)) = bound {
                return Pair::new(rtp, rtcp, port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every port of sip.rtp is in use"))
    }

    async fn given(&self) -> io::Result<Pair> {
        for _ in 0..TRIES {
            let rtp = UdpSocket::bind((self.ip, 0)).await?;
            let port = rtp.local_addr()?.port();
            if !port.is_multiple_of(2) {
                continue;
            }
            if let Ok(rtcp) = UdpSocket::bind((self.ip, port + 1)).await {
                return Pair::new(rtp, rtcp, port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no two ports beside each other are free"))
    }
}

impl Pair {
    fn new(rtp: UdpSocket, rtcp: UdpSocket, port: u16) -> io::Result<Self> {
        udp::widen(&rtp)?;
        Ok(Self { rtp, rtcp, port })
    }
}

/// Ports that the system gives until an even one with a free neighbour is among them.
const TRIES: usize = 64;
