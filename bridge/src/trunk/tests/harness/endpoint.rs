//! An endpoint that sends a frame of each of its tracks every 20 ms, and notes what it is handed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, Kind, SeatId, TrackId, Zone};

use crate::net::clock::NodeClock;
use crate::router::{Control, Delivery, Frame, Layer, LayerSet, Leg, Output, Packet, Path, TrackInfo};

/// What an endpoint was handed.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    packets: Arc<Mutex<Vec<(TrackId, Packet, i64)>>>,
    layers: Arc<Mutex<BTreeMap<TrackId, LayerSet>>>,
    key_requests: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn count(&self, seat: u8, kind: Kind) -> usize {
        let track = TrackId { seat: SeatId(seat), kind };
        self.packets.lock().unwrap().iter().filter(|(of, ..)| *of == track).count()
    }

    pub(crate) fn total(&self) -> usize {
        self.packets.lock().unwrap().len()
    }

    /// Every packet that came since the call before: its index, whether it is a key frame's, and its age in microseconds.
    pub(crate) fn take(&self, seat: u8, kind: Kind) -> Vec<(u64, bool, i64)> {
        let track = TrackId { seat: SeatId(seat), kind };
        let packets = std::mem::take(&mut *self.packets.lock().unwrap());
        let wanted = packets.into_iter().filter(|(of, ..)| *of == track);
        wanted.map(|(_, packet, at)| (packet.index, packet.key, at - packet.captured.0)).collect()
    }

    /// The layers that there are of a track.
    pub(crate) fn layers(&self, seat: u8, kind: Kind) -> LayerSet {
        let track = TrackId { seat: SeatId(seat), kind };
        self.layers.lock().unwrap().get(&track).copied().unwrap_or_default()
    }

    /// The layers of the packets that came since the call before.
    pub(crate) fn take_layers(&self, seat: u8, kind: Kind) -> LayerSet {
        let track = TrackId { seat: SeatId(seat), kind };
        let packets = std::mem::take(&mut *self.packets.lock().unwrap());
        let layers = packets.iter().filter(|(of, ..)| *of == track).map(|(_, packet, _)| packet.layer);
        layers.fold(LayerSet::EMPTY, |all, layer| all.union(LayerSet::only(layer)))
    }

    pub(crate) fn key_requests(&self) -> u64 {
        self.key_requests.load(Ordering::SeqCst)
    }
}

/// Sends a frame of every track each 20 ms and notes what it is handed.
pub(super) struct Endpoint {
    tracks: Vec<TrackInfo>,
    key_due: bool,
    next: Instant,
    index: u64,
    outputs: VecDeque<Output>,
    heard: Heard,
    clock: NodeClock,
}

impl Endpoint {
    pub(super) fn new(
        seat: u8,
        zone: &Zone,
        (kinds, layers): (&[Kind], LayerSet),
        (heard, clock): (Heard, NodeClock),
    ) -> Self {
        let info = |kind: &Kind| TrackInfo {
            id: TrackId { seat: SeatId(seat), kind: *kind },
            codec: if kind.is_picture() { Codec::Vp8 } else { Codec::Opus },
            origin: zone.clone(),
            layers: if kind.is_picture() { layers } else { LayerSet::only(Layer(0)) },
            held: false,
        };
        let tracks: Vec<_> = kinds.iter().map(info).collect();
        let announced = tracks.iter().cloned().map(Output::Track);
        let outputs = announced.chain([Output::Connected]).collect();
        Self { tracks, key_due: true, next: Instant::now(), index: 1, outputs, heard, clock }
    }

    fn packets(&self, info: &TrackInfo) -> Vec<Packet> {
        let layers = (0..4).map(Layer).filter(|layer| info.layers.contains(*layer));
        layers.flat_map(|layer| self.frame(info, layer)).collect()
    }

    fn frame(&self, info: &TrackInfo, layer: Layer) -> Vec<Packet> {
        let pieces: u64 = if info.id.kind.is_picture() { 3_u64.pow(u32::from(layer.0) + 1) } else { 1 };
        let packet = |piece| Packet {
            index: self.index * pieces + piece,
            layer,
            media_time: self.index as i64 * 960,
            captured: self.clock.now(),
            frame_start: piece == 0,
            frame_end: piece + 1 == pieces,
            key: self.key_due || pieces == 1,
            generation: 0,
            temporal: Default::default(),
            level: (pieces == 1).then_some(30),
            payload: payload(info.id.kind, piece == 0, self.key_due, self.index),
        };
        (0..pieces).map(packet).collect()
    }
}

/// Something to send that a recorder takes for Opus, or for VP8 with a picture of 320 by 180: the frame's number stands
/// in its last 8 bytes.
fn payload(kind: Kind, first: bool, key: bool, number: u64) -> Bytes {
    let mut bytes = vec![7; if kind.is_picture() { 900 } else { 100 }];
    if kind.is_picture() && first {
        let key_frame: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0];
        let delta_frame: [u8; 10] = [0x11, 0, 0, 7, 7, 7, 7, 7, 7, 7];
        bytes[..10].copy_from_slice(if key { &key_frame } else { &delta_frame });
    }
    let end = bytes.len() - 8;
    bytes[end..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// An endpoint that sends a frame of each kind every 20 ms.
pub(crate) fn endpoint(seat: u8, zone: &Zone, kinds: &[Kind]) -> Box<dyn Leg> {
    Box::new(Endpoint::new(seat, zone, (kinds, LayerSet::only(Layer(0))), (Heard::default(), NodeClock::begin())))
}

impl Leg for Endpoint {
    fn delivery(&self) -> Delivery {
        Delivery::Packets
    }

    fn handle_track(&mut self, _: Instant, info: &TrackInfo) {
        self.heard.layers.lock().unwrap().insert(info.id, info.layers);
    }

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {}

    fn handle_packet(&mut self, _: Instant, track: TrackId, packet: &Packet) {
        let at = self.clock.now().0;
        self.heard.packets.lock().unwrap().push((track, packet.clone(), at));
    }

    fn handle_frame(&mut self, _: Instant, _: TrackId, _: &Frame) {}

    fn handle_control(&mut self, _: Instant, control: Control) {
        if let Control::KeyFrame(..) = control {
            self.heard.key_requests.fetch_add(1, Ordering::SeqCst);
            self.key_due = true;
        }
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + Duration::from_millis(20);
            for info in self.tracks.clone() {
                let packets = self.packets(&info);
                self.outputs.extend(packets.into_iter().map(|packet| Output::Packet(info.id, packet)));
            }
            self.key_due = false;
            self.index += 1;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        LayerSet::ALL
    }
}
