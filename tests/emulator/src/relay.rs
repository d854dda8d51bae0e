//! A line between UDP endpoints, without privileges: who sends to the near address is served by the far one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::worker::{Line, Order, Work, spawn};
use crate::{Error, Handle, Quality};

/// A UDP relay. Every sender gets a socket of its own towards the far end, as behind a NAT. It ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    handle: Handle,
    near: SocketAddr,
}

impl Relay {
    /// Listens at `near` (port 0: any) and hands on to `far`.
    ///
    /// # Errors
    /// When `near` can't be bound, or the thread can't be started.
    pub fn start(near: SocketAddr, far: SocketAddr, [there, back]: [Quality; 2], seed: u64) -> Result<Self, Error> {
        let (handle, near) = spawn(move |orders| begin(near, far, Line::new(there, back, seed), orders))?;
        Ok(Self { handle, near })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.near
    }

    /// The way to change it while it runs.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// A packet, and whose.
struct Parcel {
    caller: SocketAddr,
    bytes: Vec<u8>,
}

struct Running {
    near: UdpSocket,
    far: SocketAddr,
    line: Line<Parcel>,
    orders: mpsc::Receiver<Order>,
    callers: BTreeMap<SocketAddr, Arc<UdpSocket>>,
    answers: mpsc::Sender<Parcel>,
    answered: mpsc::Receiver<Parcel>,
    readers: JoinSet<()>,
}

async fn begin(
    near: SocketAddr,
    far: SocketAddr,
    line: Line<Parcel>,
    orders: mpsc::Receiver<Order>,
) -> Result<(SocketAddr, Work), Error> {
    let bind = |source| Error::Bind { address: near, source };
    let near = UdpSocket::bind(near).await.map_err(bind)?;
    let address = near.local_addr().map_err(bind)?;
    let (answers, answered) = mpsc::channel(ANSWERS_LIMIT);
    let (callers, readers) = (BTreeMap::new(), JoinSet::new());
    let running = Running { near, far, line, orders, callers, answers, answered, readers };
    Ok((address, Box::pin(running.run())))
}

impl Running {
    async fn run(mut self) {
        let mut buffer = vec![0; LARGEST];
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.line.obey(order),
                    None => return,
                },
                // An answer of ICMP to a packet is none of the line's business.
                Ok((bytes, caller)) = self.near.recv_from(&mut buffer) => {
                    let parcel = Parcel { caller, bytes: buffer[..bytes].to_vec() };
                    self.line.there.push(Instant::now(), bytes + HEADERS, parcel);
                }
                Some(parcel) = self.answered.recv() => {
                    self.line.back.push(Instant::now(), parcel.bytes.len() + HEADERS, parcel);
                }
                () = self.line.ripe() => {}
            }
            self.deliver().await;
        }
    }

    async fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(parcel) = self.line.there.poll(now) {
            if let Some(socket) = self.caller(parcel.caller).await {
                // As on any line: a packet that the next host does not take is lost.
                drop(socket.send(&parcel.bytes).await);
            }
        }
        while let Some(parcel) = self.line.back.poll(now) {
            drop(self.near.send_to(&parcel.bytes, parcel.caller).await);
        }
    }

    async fn caller(&mut self, caller: SocketAddr) -> Option<Arc<UdpSocket>> {
        if let Some(socket) = self.callers.get(&caller) {
            return Some(socket.clone());
        }
        if self.callers.len() >= CALLERS_LIMIT {
            return None;
        }
        let any: SocketAddr = if self.far.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
        let socket = Arc::new(UdpSocket::bind(any).await.ok()?);
        socket.connect(self.far).await.ok()?;
        self.readers.spawn(read(caller, socket.clone(), self.answers.clone()));
        self.callers.insert(caller, socket.clone());
        Some(socket)
    }
}

async fn read(caller: SocketAddr, socket: Arc<UdpSocket>, answers: mpsc::Sender<Parcel>) {
    let mut buffer = vec![0; LARGEST];
    loop {
        if let Ok(bytes) = socket.recv(&mut buffer).await
            && answers.send(Parcel { caller, bytes: buffer[..bytes].to_vec() }).await.is_err()
        {
            return;
        }
    }
}

const LARGEST: usize = 65_536;
/// IPv4 and UDP.
const HEADERS: usize = 28;
const ANSWERS_LIMIT: usize = 1_024;
const CALLERS_LIMIT: usize = 256;
