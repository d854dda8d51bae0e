//! One track at this node: who publishes it, who takes which layers of it, and its counters.

use std::time::{Duration, Instant};

use hearing_config::{HearingId, Kind};

use super::assembler::Assembler;
use super::audibility::Audience;
use super::keyframe::Throttle;
use super::leg::{Delivery, LegId};
use super::packet::{Frame, Layer, LayerSet, Packet};
use super::track::TrackInfo;
use super::worker::TrackReport;

pub(super) struct Stream {
    pub(super) info: TrackInfo,
    pub(super) publisher: LegId,
    /// What the plan in force says of it.
    pub(super) audience: Audience,
    subscribers: Vec<Subscriber>,
    /// What the publisher was last told; `None` before the first time.
    demand: Option<LayerSet>,
    layers: [LayerState; Layer::LIMIT],
    bytes: u64,
    meter: Meter,
}

/// A leg that takes a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) id: LegId,
    /// Its place in the hearing's list of legs.
    pub(super) at: usize,
    pub(super) layers: LayerSet,
    pub(super) delivery: Delivery,
}

/// What a new list of subscribers means for the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// The layers that it has to send now, if it has not been told that already.
    pub(super) demand: Option<LayerSet>,
    /// The layers of which somebody new needs a key frame.
    pub(super) key_frames: LayerSet,
}

impl Stream {
    pub(super) fn new(info: TrackInfo, publisher: LegId) -> Self {
        let layers = std::array::from_fn(|_| LayerState::default());
        let (audience, meter) = (Audience::default(), Meter::default());
        Self { info, publisher, audience, subscribers: Vec::new(), demand: None, layers, bytes: 0, meter }
    }

    pub(super) fn subscribers(&self) -> &[Subscriber] {
        &self.subscribers
    }

    /// Counts a packet that came in; false when its layer does not exist.
    pub(super) fn receive(&mut self, packet: &Packet) -> bool {
        let Some(layer) = self.layers.get_mut(usize::from(packet.layer.0)) else { return false };
        layer.order.count(packet.index);
        if packet.key && packet.frame_start {
            layer.throttle.satisfy();
        }
        self.bytes += packet.payload.len() as u64;
        self.meter.bytes[usize::from(packet.layer.0 & 3)] += packet.payload.len() as u64;
        true
    }

    /// What each layer of a picture takes, kbit/s, 0 when it is silent; once a second.
    pub(super) fn poll_rates(&mut self, now: Instant) -> Option<[u32; Layer::LIMIT]> {
        self.info.id.kind.is_picture().then(|| self.meter.poll(now))?
    }

    /// Replaces the list of subscribers.
    pub(super) fn subscribe(&mut self, subscribers: Vec<Subscriber>) -> Change {
        let key_frames = self.newly_wanted(&subscribers);
        self.subscribers = subscribers;
        let wanted = |s: &Stream, delivery: Option<Delivery>| {
            let takers = s.subscribers.iter().filter(|sub| delivery.is_none_or(|d| d == sub.delivery));
            LayerSet(takers.fold(0, |all, sub| all | sub.layers.0) & s.info.layers.0)
        };
        let (demand, framed) = (wanted(self, None), wanted(self, Some(Delivery::Frames)));
        for (number, layer) in (0..).zip(&mut self.layers) {
            layer.set_framed(self.info.id.kind, framed.contains(Layer(number)));
            if !demand.contains(Layer(number)) {
                layer.order.pause();
            }
        }
        let told = self.demand.replace(demand);
        Change { demand: (told != Some(demand)).then_some(demand), key_frames }
    }

    /// A key frame of `layer` is needed; true when the publisher is to be asked now.
    pub(super) fn request_key(&mut self, now: Instant, layer: Layer) -> bool {
        let layer = self.layers.get_mut(usize::from(layer.0)).filter(|_| self.info.id.kind.is_picture());
        layer.is_some_and(|layer| layer.throttle.request(now))
    }

    /// Puts a packet to its frame, if anybody takes frames of its layer.
    pub(super) fn assemble(&mut self, now: Instant, packet: &Packet) {
        let layer = self.layers.get_mut(usize::from(packet.layer.0));
        if let Some(assembler) = layer.and_then(|layer| layer.assembler.as_mut()) {
            assembler.handle_packet(now, packet);
        }
    }

    /// The next whole frame of any layer.
    pub(super) fn poll_frame(&mut self) -> Option<Frame> {
        self.assemblers().find_map(Assembler::poll_frame)
    }

    /// How many frames were given up since the last call, and the layers of which a key frame is to be asked for now: who takes
    /// frames can't mend what refers to a lost one.
    pub(super) fn take_skipped(&mut self, now: Instant) -> (u64, LayerSet) {
        let (mut skipped, mut due) = (0, LayerSet::EMPTY);
        for number in 0..Layer::LIMIT as u8 {
            let Some(assembler) = self.layers[usize::from(number)].assembler.as_mut() else { continue };
            let (lost, broken) = (assembler.take_skipped(), assembler.needs_key());
            skipped += lost;
            if lost > 0 && broken && self.request_key(now, Layer(number)) {
                due = due.union(LayerSet::only(Layer(number)));
            }
        }
        (skipped, due)
    }

    /// Gives up frames that waited too long; the layers of which a key frame is to be asked for now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> LayerSet {
        self.assemblers().for_each(|assembler| assembler.handle_timeout(now));
        let mut due = LayerSet::EMPTY;
        for (number, layer) in (0..).zip(&mut self.layers) {
            if layer.throttle.handle_timeout(now) {
                due = due.union(LayerSet::only(Layer(number)));
            }
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let of_layer = |layer: &LayerState| {
            let assembler = layer.assembler.as_ref().and_then(Assembler::poll_timeout);
            assembler.into_iter().chain(layer.throttle.poll_timeout()).min()
        };
        self.layers.iter().filter_map(of_layer).min()
    }

    pub(super) fn report(&self, hearing: HearingId) -> TrackReport {
        TrackReport {
            hearing,
            info: self.info.clone(),
            packets: self.layers.iter().map(|layer| layer.order.received).sum(),
            bytes: self.bytes,
            lost: self.layers.iter().map(|layer| layer.order.lost()).sum(),
            subscribers: u32::try_from(self.subscribers.len()).unwrap_or(u32::MAX),
        }
    }

    fn newly_wanted(&self, subscribers: &[Subscriber]) -> LayerSet {
        let before = |id| self.subscribers.iter().find(|sub| sub.id == id).map_or(LayerSet::EMPTY, |sub| sub.layers);
        let fresh = subscribers.iter().map(|sub| sub.layers.0 & !before(sub.id).0);
        LayerSet(fresh.fold(0, |all, layers| all | layers) & self.info.layers.0)
    }

    fn assemblers(&mut self) -> impl Iterator<Item = &mut Assembler> {
        self.layers.iter_mut().filter_map(|layer| layer.assembler.as_mut())
    }
}

/// Measures what layers take.
#[derive(Debug, Default)]
struct Meter {
    since: Option<Instant>,
    bytes: [u64; Layer::LIMIT],
    kbps: [u32; Layer::LIMIT],
}

impl Meter {
    fn poll(&mut self, now: Instant) -> Option<[u32; Layer::LIMIT]> {
        let passed = now.saturating_duration_since(*self.since.get_or_insert(now));
        if passed < METERED {
            return None;
        }
        for (kbps, bytes) in self.kbps.iter_mut().zip(&mut self.bytes) {
            let measured = (std::mem::take(bytes) * 8 / passed.as_millis().max(1) as u64) as u32;
            *kbps = if *kbps == 0 || measured == 0 { measured } else { (*kbps * 2 + measured) / 3 };
        }
        self.since = Some(now);
        Some(self.kbps)
    }
}

const METERED: Duration = Duration::from_secs(1);

#[derive(Default)]
struct LayerState {
    order: Order,
    throttle: Throttle,
    /// There while anybody takes frames.
    assembler: Option<Assembler>,
}

impl LayerState {
    fn set_framed(&mut self, kind: Kind, framed: bool) {
        if framed {
            self.assembler.get_or_insert_with(|| Assembler::new(kind));
        } else {
            self.assembler = None;
        }
    }
}

/// Counts the gaps in the order of one layer.
#[derive(Debug, Default)]
struct Order {
    received: u64,
    /// Lost before the present stretch.
    lost_before: u64,
    stretch: Option<Stretch>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u64,
    last: u64,
    received: u64,
}

impl Order {
    const fn count(&mut self, index: u64) {
        self.received += 1;
        match &mut self.stretch {
            Some(stretch) => {
                stretch.received += 1;
                if index < stretch.first {
                    stretch.first = index;
                }
                if index > stretch.last {
                    stretch.last = index;
                }
            }
            None => self.stretch = Some(Stretch { first: index, last: index, received: 1 }),
        }
    }

    const fn lost(&self) -> u64 {
        match self.stretch {
            Some(s) => self.lost_before + (s.last - s.first + 1).saturating_sub(s.received),
            None => self.lost_before,
        }
    }

    /// Nobody takes the layer: what does not come now is not lost.
    const fn pause(&mut self) {
        self.lost_before = self.lost();
        self.stretch = None;
    }
}
