//! Sessions that live on another worker than their hearing's router. The router has a `Proxy` in the session's place; the
//! session is a guest in the other worker's `Annex`. One bounded queue leads to the session; what it says goes back by
//! [`Command::Say`].

mod annex;
mod guest;
mod proxy;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use hearing_config::{Kind, SeatId, TrackId};

use super::contained::Contained;
use super::leg::Control;
use super::packet::{Frame, LayerSet, Packet};
use super::track::TrackInfo;
use super::worker::{Attach, Command, Full, WorkerHandle};

pub(super) use annex::Annex;
use guest::Guest;
use proxy::Proxy;

/// Hangs a leg on its hearing's router at `owner`. Its session, with its datagrams and timers, lives on the worker `at`, which may be the same.
///
/// # Errors
/// [`Full`] when one of them takes no more commands; then the leg is nowhere.
pub fn attach(attach: Attach, owner: &WorkerHandle, at: &WorkerHandle) -> Result<(), Full> {
    if at.is(owner) {
        return owner.send(Command::Attach(attach));
    }
    let (attach, lodge) = split(attach, owner, at);
    // The session first: what is not taken here never was there for the router.
    at.send(Command::Lodge(lodge))?;
    owner.send(Command::Attach(attach))
}

/// A session of a hearing that another worker owns, to be taken in.
pub struct Lodge {
    /// The local ICE user fragment by which its first datagrams are known.
    pub(super) ufrag: Option<String>,
    pub(super) guest: Box<Guest>,
}

/// The router's end of a leg, and the session's.
fn split(attach: Attach, owner: &WorkerHandle, at: &WorkerHandle) -> (Attach, Lodge) {
    let Attach { hearing, id, place, ufrag, leg } = attach;
    // Bounded by `Shared::depth`, so that pictures can be refused before sound is, and sound before orders.
    let ((items, queue), shared) = (channel(), Arc::new(Shared::default()));
    let mut leg = Contained::new(leg);
    let takes = Kind::ALL.map(|kind| leg.takes(kind));
    let proxy = Proxy::new(items, Arc::clone(&shared), at.bell(), (leg.delivery(), takes));
    let guest = Guest::new((hearing, id), leg, (queue, shared), owner.clone());
    (Attach { hearing, id, place, ufrag: None, leg: Box::new(proxy) }, Lodge { ufrag, guest: Box::new(guest) })
}

/// What the router hands to a session elsewhere.
enum Item {
    Track(TrackInfo),
    TrackEnd(TrackId),
    /// With the number of the grant under which it may be sent.
    Packet(TrackId, u32, Packet),
    Frame(TrackId, u32, Frame),
    Control(Control),
}

/// What both ends know at once, without a lock and without waiting for the queue.
struct Shared {
    /// Items in the queue; the proxy adds none beyond its limits.
    depth: AtomicUsize,
    /// True when the router has let the session go: not a packet more.
    over: AtomicBool,
    /// By track: the layers that the session wants.
    wanted: [AtomicU8; TRACKS],
    /// By track: how often it was taken away. What was queued before is never sent.
    revoked: [AtomicU32; TRACKS],
}

impl Shared {
    fn wanted(&self, track: TrackId) -> LayerSet {
        LayerSet(self.wanted.get(place(track)).map_or(0, |layers| layers.load(Ordering::Acquire)))
    }

    /// True when that is news.
    fn want(&self, track: TrackId, layers: LayerSet) -> bool {
        self.wanted.get(place(track)).is_some_and(|wanted| wanted.swap(layers.0, Ordering::AcqRel) != layers.0)
    }

    /// The number of the grant in force.
    fn grant(&self, track: TrackId) -> u32 {
        self.revoked.get(place(track)).map_or(0, |times| times.load(Ordering::Acquire))
    }

    fn revoke(&self, track: TrackId) {
        self.revoked.get(place(track)).iter().for_each(|times| _ = times.fetch_add(1, Ordering::AcqRel));
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            depth: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            wanted: std::array::from_fn(|_| AtomicU8::new(0)),
            revoked: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

/// Beyond the table for a seat that cannot be: nothing of it is wanted.
const fn place(track: TrackId) -> usize {
    track.seat.0 as usize * Kind::ALL.len() + track.kind as usize
}

const TRACKS: usize = SeatId::LIMIT * Kind::ALL.len();
