//! Raw UDP: what a packet costs, and which frames come whole over the same line with the same load.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hearing_emulator::{Quality, Relay};

use super::load::{IN_TIME_MS, PICTURE, Shape};
use crate::process;

/// CPU microseconds for one packet.
pub(super) struct Cost {
    pub(super) send: f64,
    pub(super) receive: f64,
}

/// One call of the kernel for each packet.
pub(super) fn sendto() -> Result<Cost> {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let to = far.local_addr()?;
    far.set_read_timeout(Some(Duration::from_millis(300)))?;
    let receiver = thread::spawn(move || -> Result<(Duration, u64)> {
        let (mut buffer, mut count) = ([0; 2_048], 0);
        let before = process::own_thread()?;
        while far.recv(&mut buffer).is_ok() {
            count += 1;
        }
        Ok((process::own_thread()? - before, count))
    });
    let before = process::own_thread()?;
    for _ in 0..PACKETS {
        near.send_to(PICTURE, to)?;
    }
    let sent = process::own_thread()? - before;
    let (received, count) = receiver.join().map_err(|_| anyhow::anyhow!("the receiver"))??;
    let micros = |cpu: Duration, packets: u64| cpu.as_secs_f64() * 1e6 / packets.max(1) as f64;
    Ok(Cost { send: micros(sent, PACKETS), receive: micros(received, count) })
}

/// The share of frames of eight faces that came whole within 150 ms.
pub(super) fn frames(quality: Quality, span: Duration) -> Result<f64> {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let relay = Relay::start("127.0.0.1:0".parse()?, far.local_addr()?, [quality; 2], 1)?;
    far.set_read_timeout(Some(Duration::from_secs(1)))?;
    let began = Instant::now();
    let receiver = thread::spawn(move || receive(&far, began));
    let shape = Shape::face();
    let mut sent = 0_u64;
    for n in 0.. {
        let due = began + shape.every.mul_f64(f64::from(n) / 8.0);
        if due > began + span {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let key = (n / 8) % (shape.period as u32) == 0;
        let count = if key { shape.key_packets } else { shape.packets };
        for piece in 0..count {
            let mut packet = PICTURE.to_vec();
            packet[..4].copy_from_slice(&n.to_be_bytes());
            packet[4..8].copy_from_slice(&(began.elapsed().as_micros() as u32).to_be_bytes());
            packet[8] = count as u8;
            packet[9] = piece as u8;
            near.send_to(&packet, relay.address())?;
        }
        sent += 1;
    }
    let came = receiver.join().map_err(|_| anyhow::anyhow!("the receiver"))?;
    Ok(came as f64 / sent as f64)
}

/// Frames whose last packet came in time, until nothing comes any more.
fn receive(far: &UdpSocket, began: Instant) -> u64 {
    let (mut buffer, mut frames, mut whole) = ([0; 2_048], BTreeMap::<u32, u8>::new(), 0);
    while let Ok(bytes) = far.recv(&mut buffer) {
        let [a, b, c, d, e, f, g, h, count, ..] = buffer[..bytes] else { continue };
        let (number, sent) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let age = began.elapsed().as_secs_f64() * 1e3 - f64::from(sent) / 1e3;
        let pieces = frames.entry(number).or_default();
        *pieces += 1;
        whole += u64::from(*pieces == count && age <= IN_TIME_MS);
    }
    whole
}

const PACKETS: u64 = 500_000;
