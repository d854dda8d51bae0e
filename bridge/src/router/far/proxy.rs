//! What stands on a hearing's router for a session on another worker: hands on what the router hands it, and answers what the
//! session said last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Instant;

use hearing_config::{Kind, TrackId};
use metrics::counter;

use super::super::leg::{Control, Delivery, Leg, Output, Path};
use super::super::packet::{Frame, Layer, LayerSet, Packet};
use super::super::rendition::CodecSet;
use super::super::track::TrackInfo;
use super::super::worker::Bell;
use super::{Item, Shared};

/// Never waits. Where the other worker is slow pictures are given up whole, then sound; one that takes no orders is given up.
pub(super) struct Proxy {
    items: Sender<Item>,
    shared: Arc<Shared>,
    /// Wakes the other worker.
    bell: Arc<Bell>,
    delivery: Delivery,
    /// By kind.
    takes: [CodecSet; Kind::ALL.len()],
    /// Pictures of which something found no room, until their next key frame.
    broken: Vec<(TrackId, Layer)>,
    /// True when something was queued since the bell was rung.
    fresh: bool,
    closed: bool,
    outputs: VecDeque<Output>,
}

impl Proxy {
    pub(super) fn new(
        items: Sender<Item>,
        shared: Arc<Shared>,
        bell: Arc<Bell>,
        (delivery, takes): (Delivery, [CodecSet; Kind::ALL.len()]),
    ) -> Self {
        let (broken, outputs) = (Vec::new(), VecDeque::new());
        Self { items, shared, bell, delivery, takes, broken, fresh: false, closed: false, outputs }
    }

    /// What must not be lost.
    fn order(&mut self, item: Item) {
        if self.depth() < ORDERS {
            self.push(item);
        } else if !self.closed {
            counter!("hearing_far_orders_lost_total").increment(1);
            self.close("the worker of this session stands still");
        }
    }

    fn push(&mut self, item: Item) {
        if self.closed {
            return;
        }
        // Before it is there, so that the other end never counts below nothing.
        self.shared.depth.fetch_add(1, Ordering::SeqCst);
        self.fresh = true;
        if self.items.send(item).is_err() {
            self.close("the worker of this session has ended");
        }
    }

    fn close(&mut self, why: &str) {
        self.closed = true;
        self.outputs.push_back(Output::Closed(why.to_owned()));
    }

    fn depth(&self) -> usize {
        self.shared.depth.load(Ordering::Relaxed)
    }

    /// False when there is no room for it; that is counted.
    fn admits(&mut self, track: TrackId, packet: &Packet) -> bool {
        let picture = track.kind.is_picture();
        let admitted = if picture { self.admits_picture(track, packet) } else { self.depth() < SOUND };
        if !admitted {
            let kind = if picture { "picture" } else { "sound" };
            counter!("hearing_far_packets_lost_total", "kind" => kind).increment(1);
        }
        admitted
    }

    /// A picture that has begun is finished if that can be; of one that was given up nothing follows before a key frame.
    fn admits_picture(&mut self, track: TrackId, packet: &Packet) -> bool {
        let of = (track, packet.layer);
        let broken = self.broken.iter().position(|broken| *broken == of);
        let begins = packet.key && packet.frame_start;
        if broken.is_some() && !begins {
            return false;
        }
        let room = self.depth() < if packet.frame_start { PICTURES } else { BEGUN };
        match (broken, room) {
            (Some(at), true) => _ = self.broken.swap_remove(at),
            (None, true) => {}
            (Some(_), false) => self.outputs.push_back(Output::KeyFrame(track, packet.layer)),
            (None, false) => {
                self.broken.push(of);
                self.outputs.push_back(Output::KeyFrame(track, packet.layer));
            }
        }
        room
    }
}

impl Leg for Proxy {
    fn delivery(&self) -> Delivery {
        self.delivery
    }

    fn takes(&self, kind: Kind) -> CodecSet {
        self.takes[kind as usize]
    }

    fn handle_track(&mut self, _now: Instant, info: &TrackInfo) {
        self.order(Item::Track(info.clone()));
    }

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        // At once, whatever waits in the queue.
        self.shared.revoke(track);
        self.broken.retain(|(broken, _)| *broken != track);
        self.order(Item::TrackEnd(track));
    }

    fn handle_packet(&mut self, _now: Instant, track: TrackId, packet: &Packet) {
        if self.admits(track, packet) {
            self.push(Item::Packet(track, self.shared.grant(track), packet.clone()));
        }
    }

    fn handle_frame(&mut self, _now: Instant, track: TrackId, frame: &Frame) {
        if self.admits(track, frame.head()) {
            self.push(Item::Frame(track, self.shared.grant(track), frame.clone()));
        }
    }

    fn handle_control(&mut self, _now: Instant, control: Control) {
        self.order(Item::Control(control));
    }

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The router asks when its batch is handed over: then the other worker is woken, once for all of it.
    fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && std::mem::take(&mut self.fresh) {
            self.bell.ring();
        }
        output
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.shared.wanted(track)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

/// Items in the queue beyond which no picture begins: a fifth of a second of the eight pictures that a page shows.
pub(super) const PICTURES: usize = 512;
/// Beyond which none goes on: a large key frame that began in time finds room.
const BEGUN: usize = 768;
/// Beyond which there is no sound.
pub(super) const SOUND: usize = 1_024;
/// Beyond which there is nothing: the other worker stands still.
pub(super) const ORDERS: usize = 1_536;
