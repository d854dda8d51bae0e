//! The least that any program needs: SRTP (AES-128-GCM) over the same packets and the kernel's sending, nothing else.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

use crate::load::{PACKETS_PER_FRAME, VIDEO_PAYLOAD};
use crate::process;

/// CPU microseconds for one packet.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// One call of the kernel for each packet; by round.
    pub(crate) sendto: Vec<f64>,
    /// One call for each frame and receiver (segmentation offload).
    pub(crate) segments: Vec<f64>,
}

pub(crate) fn measure(subscribers: usize, rounds: usize) -> Result<Cost> {
    let sinks = Sinks::open(subscribers)?;
    let mut sender = Sender::new(&sinks.addresses)?;
    let (mut sendto, mut segments) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        sendto.push(sender.round(false)?);
        segments.push(sender.round(true)?);
    }
    Ok(Cost { sendto, segments })
}

struct Sender {
    socket: UdpSocket,
    state: UdpSocketState,
    subscribers: Vec<(SocketAddr, LessSafeKey)>,
    sequence: u64,
    frame: Vec<u8>,
}

impl Sender {
    fn new(addresses: &[SocketAddr]) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        socket.set_nonblocking(false)?;
        let with_key = |(number, address): (usize, &SocketAddr)| {
            let key = UnboundKey::new(&AES_128_GCM, &[number as u8; 16])?;
            Ok((*address, LessSafeKey::new(key)))
        };
        let subscribers = addresses.iter().enumerate().map(with_key).collect::<Result<_>>()?;
        Ok(Self { socket, state, subscribers, sequence: 0, frame: Vec::new() })
    }

    /// CPU microseconds for one packet, over some thousand frames.
    fn round(&mut self, segments: bool) -> Result<f64> {
        let frames = PACKETS / (self.subscribers.len() * PACKETS_PER_FRAME).max(1);
        let before = process::own_thread()?;
        for _ in 0..frames {
            for at in 0..self.subscribers.len() {
                self.protect_frame(at)?;
                self.send(at, segments)?;
            }
            self.sequence += PACKETS_PER_FRAME as u64;
        }
        let used = process::own_thread()? - before;
        let packets = frames * self.subscribers.len() * PACKETS_PER_FRAME;
        Ok(used.as_secs_f64() * 1e6 / packets as f64)
    }

    fn protect_frame(&mut self, at: usize) -> Result<()> {
        self.frame.clear();
        for offset in 0..PACKETS_PER_FRAME as u64 {
            let (start, sequence) = (self.frame.len(), self.sequence + offset);
            self.frame.resize(start + HEADER + VIDEO_PAYLOAD, 0x55);
            self.frame[start + 2..start + 4].copy_from_slice(&(sequence as u16).to_be_bytes());
            let mut nonce = [7; 12];
            nonce[4..].copy_from_slice(&sequence.to_be_bytes());
            let (header, body) = self.frame[start..].split_at_mut(HEADER);
            let key = &self.subscribers[at].1;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body)?;
            self.frame.extend_from_slice(tag.as_ref());
        }
        Ok(())
    }

    fn send(&self, at: usize, segments: bool) -> Result<()> {
        let (destination, size) = (self.subscribers[at].0, self.frame.len() / PACKETS_PER_FRAME);
        if segments {
            let segment_size = Some(size);
            let transmit = Transmit { destination, ecn: None, contents: &self.frame, segment_size, src_ip: None };
            self.state.try_send(UdpSockRef::from(&self.socket), &transmit)?;
        } else {
            for packet in self.frame.chunks(size) {
                self.socket.send_to(packet, destination)?;
            }
        }
        Ok(())
    }
}

/// Receivers that throw everything away in a thread of their own.
struct Sinks {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
}

impl Sinks {
    fn open(count: usize) -> Result<Self> {
        let sockets = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while !stopped.load(Ordering::Relaxed) {
                for socket in &sockets {
                    while socket.recv(&mut buffer).is_ok() {}
                }
                thread::yield_now();
            }
        });
        Ok(Self { addresses, stop })
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

const HEADER: usize = 12;
/// In one round.
const PACKETS: usize = 300_000;
