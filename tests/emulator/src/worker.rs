//! A line that runs in a thread of its own, so that it serves tests with and without a runtime.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc as reply;
use std::thread;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::{Counts, Direction, Quality};

/// Why a line can't be laid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address can't be bound.
    #[error("line: {address} can't be bound: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The thread or its runtime can't be started.
    #[error("line: its thread can't be started: {0}")]
    Thread(io::Error),
    /// A device can't be made; it needs root and /dev/net/tun.
    #[error("line: device {name}: {source} (it needs root and /dev/net/tun)")]
    Device {
        /// Which.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// iproute2 refused.
    #[error("line: ip {command}: {said}")]
    Ip {
        /// What was tried.
        command: String,
        /// What it said.
        said: String,
    },
}

/// What can be done to a line while it runs; what was ordered holds when the call returns. The line ends when the last handle is
/// dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
}

impl Handle {
    /// Both directions are so from now on.
    pub fn set(&self, quality: Quality) {
        self.set_each(quality, quality);
    }

    /// Each direction its own: towards the far end, and back.
    pub fn set_each(&self, there: Quality, back: Quality) {
        self.obeyed(Order::Set(Box::new([there, back])));
    }

    /// Nothing passes any more, and what is on its way is gone.
    pub fn cut(&self) {
        self.obeyed(Order::Cut(true));
    }

    /// As it was before the cut.
    pub fn repair(&self) {
        self.obeyed(Order::Cut(false));
    }

    /// What became of the packets towards the far end and of those back; nothing when the line is gone.
    #[must_use]
    pub fn counts(&self) -> [Counts; 2] {
        let (sender, counts) = reply::sync_channel(1);
        self.order(Order::Count(sender));
        counts.recv().unwrap_or_default()
    }

    /// Orders are taken in turn, so once the counts are there the order before has been obeyed.
    fn obeyed(&self, order: Order) {
        self.order(order);
        let _ = self.counts();
    }

    /// A line that is gone takes no orders, and needs none.
    fn order(&self, order: Order) {
        drop(self.orders.try_send(order));
    }
}

/// What a running line is told.
pub(crate) enum Order {
    /// Towards the far end, and back.
    Set(Box<[Quality; 2]>),
    Cut(bool),
    Count(reply::SyncSender<[Counts; 2]>),
}

/// What a line's thread does until nobody holds its handle any more.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Both directions.
pub(crate) struct Line<T> {
    pub(crate) there: Direction<T>,
    pub(crate) back: Direction<T>,
}

impl<T> Line<T> {
    /// `seed` decides every chance, differently in each direction.
    pub(crate) fn new(there: Quality, back: Quality, seed: u64) -> Self {
        Self { there: Direction::new(there, seed), back: Direction::new(back, !seed) }
    }

    pub(crate) fn obey(&mut self, order: Order) {
        match order {
            Order::Set(qualities) => {
                let [there, back] = *qualities;
                self.there.set(there);
                self.back.set(back);
            }
            Order::Cut(cut) => {
                self.there.set(Quality { cut, ..self.there.quality() });
                self.back.set(Quality { cut, ..self.back.quality() });
            }
            // Whoever asked may be gone.
            Order::Count(counts) => drop(counts.send([self.there.counts(), self.back.counts()])),
        }
    }

    /// Comes back when a packet arrives, which may be never.
    pub(crate) async fn ripe(&self) {
        let next = [self.there.poll_timeout(), self.back.poll_timeout()].into_iter().flatten().min();
        match next {
            Some(at) if at > Instant::now() => sleep_until(at.into()).await,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Runs what `begin` makes in a thread of its own; comes back when it is ready, or has failed to be.
pub(crate) fn spawn<R, F>(begin: impl FnOnce(mpsc::Receiver<Order>) -> F + Send + 'static) -> Result<(Handle, R), Error>
where
    R: Send + 'static,
    F: Future<Output = Result<(R, Work), Error>>,
{
    let (orders, received) = mpsc::channel(ORDERS_LIMIT);
    let (sender, ready) = reply::sync_channel(1);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    let work = move || {
        runtime.block_on(async move {
            match begin(received).await {
                Ok((result, run)) => {
                    drop(sender.send(Ok(result)));
                    run.await;
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        });
    };
    thread::Builder::new().name("line".to_owned()).spawn(work).map_err(Error::Thread)?;
    let gone = || Error::Thread(io::Error::other("the thread is gone"));
    ready.recv().map_err(|_| gone())?.map(|result| (Handle { orders }, result))
}

const ORDERS_LIMIT: usize = 64;
