//! A line between two network namespaces that carries everything (UDP, TCP, ICMP) without changing an address: an Ethernet
//! device at either end, as a pair of veths would be.

use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

use crate::worker::{Line, Order, Work, spawn};
use crate::{Error, Handle, Quality};

/// One end: `NAMESPACE/DEVICE/ADDRESS/PREFIX`, such as `court/access/10.30.0.1/24`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The namespace.
    pub namespace: String,
    /// The device's name in it.
    pub device: String,
    /// Its address and the length of its prefix.
    pub address: String,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(namespace), Some(device), Some(address)) if address.contains('/') => {
                Ok(Self { namespace, device, address })
            }
            _ => Err(format!("{text:?} is no NAMESPACE/DEVICE/ADDRESS/PREFIX, such as court/access/10.30.0.1/24")),
        }
    }
}

/// A line between two namespaces; its devices go when it is dropped. Needs root.
#[derive(Debug)]
pub struct Wire {
    handle: Handle,
}

impl Wire {
    /// Puts a device into each namespace.
    ///
    /// # Errors
    /// When a device can't be made, moved or given its address, or the thread can't be started.
    pub fn lay(near: Side, far: Side, [there, back]: [Quality; 2], seed: u64) -> Result<Self, Error> {
        let (handle, ()) =
            spawn(move |orders| std::future::ready(begin(&[near, far], Line::new(there, back, seed), orders)))?;
        Ok(Self { handle })
    }

    /// The way to change it while it runs.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }
}

type Packet = Vec<u8>;

fn begin([near, far]: &[Side; 2], line: Line<Packet>, orders: mpsc::Receiver<Order>) -> Result<((), Work), Error> {
    let (near, far) = (device(near)?, device(far)?);
    Ok(((), Box::pin(run(near, far, line, orders))))
}

/// Made here, then moved: a device stays open when it changes its namespace.
fn device(side: &Side) -> Result<AsyncDevice, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("em{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let failed = |source| Error::Device { name: name.clone(), source };
    let device = DeviceBuilder::new().name(&name).layer(Layer::L2).build_async().map_err(failed)?;
    let Side { namespace, device: called, address } = side;
    ip(&["link", "set", &name, "down"])?;
    ip(&["link", "set", &name, "netns", namespace, "name", called])?;
    ip(&["-n", namespace, "addr", "add", address, "dev", called])?;
    ip(&["-n", namespace, "link", "set", called, "up"])?;
    Ok(device)
}

fn ip(arguments: &[&str]) -> Result<(), Error> {
    let refused = |said: String| Error::Ip { command: arguments.join(" "), said };
    let output = Command::new("ip").args(arguments).output().map_err(|error| refused(error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(refused(String::from_utf8_lossy(&output.stderr).into_owned())) }
}

async fn run(near: AsyncDevice, far: AsyncDevice, mut line: Line<Packet>, mut orders: mpsc::Receiver<Order>) {
    let (mut from_near, mut from_far) = (vec![0; LARGEST], vec![0; LARGEST]);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => line.obey(order),
                None => return,
            },
            Ok(bytes) = near.recv(&mut from_near) => {
                let packet = &from_near[..bytes];
                if is_address_resolution(packet) {
                    drop(far.send(packet).await);
                } else {
                    line.there.push(Instant::now(), bytes, packet.to_vec());
                }
            }
            Ok(bytes) = far.recv(&mut from_far) => {
                let packet = &from_far[..bytes];
                if is_address_resolution(packet) {
                    drop(near.send(packet).await);
                } else {
                    line.back.push(Instant::now(), bytes, packet.to_vec());
                }
            }
            () = line.ripe() => {}
        }
        let now = Instant::now();
        // As on any line: what the next host does not take is lost.
        while let Some(packet) = line.there.poll(now) {
            drop(far.send(&packet).await);
        }
        while let Some(packet) = line.back.poll(now) {
            drop(near.send(&packet).await);
        }
    }
}

/// Two hosts that are neighbours only in the test have to find each other whatever the line does.
fn is_address_resolution(packet: &[u8]) -> bool {
    packet.get(12..14) == Some(&[0x08, 0x06])
}

const LARGEST: usize = 65_536;
