//! Endpoints that send at a pace of their own and count what they are handed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_bridge::router::{
    Control, Delivery, Frame, Layer, LayerSet, Leg, Output, Packet, Path, Temporal, TrackInfo,
};
use hearing_config::{Codec, Kind, SeatId, Timestamp, TrackId, Zone};

/// How a picture comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) every: Duration,
    /// Packets of 1,150 bytes in a frame, and in a key frame.
    pub(super) packets: u64,
    pub(super) key_packets: u64,
    /// A key frame comes by itself after so many frames.
    pub(super) period: u64,
    pub(super) sound: bool,
}

impl Shape {
    /// 30 frames a second, 2.15 Mb/s, and sound.
    pub(super) const fn face() -> Self {
        Self { every: Duration::from_micros(33_333), packets: 7, key_packets: 35, period: 60, sound: true }
    }

    /// As fast as one thread makes them.
    pub(super) const fn flood() -> Self {
        Self { every: Duration::from_micros(200), packets: 8, key_packets: 8, period: 500, sound: false }
    }
}

/// Frames that were sent and that came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) came: u64,
    pub(super) in_time: u64,
    pub(super) packets: u64,
    pub(super) sound_sent: u64,
    pub(super) sound_came: u64,
    pub(super) oldest_ms: f64,
}

impl Tally {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            came: self.came + other.came,
            in_time: self.in_time + other.in_time,
            packets: self.packets + other.packets,
            sound_sent: self.sound_sent + other.sound_sent,
            sound_came: self.sound_came + other.sound_came,
            oldest_ms: self.oldest_ms.max(other.oldest_ms),
        }
    }

    pub(super) fn whole_share(&self) -> f64 {
        self.came as f64 / self.sent as f64
    }

    pub(super) fn in_time_share(&self) -> f64 {
        self.in_time as f64 / self.sent as f64
    }

    pub(super) fn sound_share(&self) -> f64 {
        self.sound_came as f64 / self.sound_sent as f64
    }
}

/// What was sent and came of every seat. Frames count by when they were captured, so that what is on its way at the end of a
/// measurement counts neither as sent nor as lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    seats: Arc<Mutex<BTreeMap<SeatId, Tally>>>,
    span: Arc<Mutex<Option<(i64, i64)>>>,
}

impl Counts {
    pub(super) fn of(&self, seat: SeatId) -> Tally {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).get(&seat).copied().unwrap_or_default()
    }

    pub(super) fn clear(&self) {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Only what is captured within `span` from now counts; `None`: everything.
    pub(super) fn only(&self, span: Option<Duration>) {
        let now = Timestamp::now().0;
        let span = span.map(|span| (now, now + span.as_micros() as i64));
        *self.span.lock().unwrap_or_else(PoisonError::into_inner) = span;
        self.clear();
    }

    fn count(&self, track: TrackId, captured: Timestamp, change: impl FnOnce(&mut Tally)) {
        let span = *self.span.lock().unwrap_or_else(PoisonError::into_inner);
        if span.is_none_or(|(from, to)| (from..to).contains(&captured.0)) {
            change(self.seats.lock().unwrap_or_else(PoisonError::into_inner).entry(track.seat).or_default());
        }
    }
}

/// Sends a picture and sound.
pub(super) struct Sender {
    picture: TrackInfo,
    sound: TrackInfo,
    shape: Shape,
    counts: Counts,
    /// True once somebody took the picture: from then on what does not come is missing, whatever the reason.
    taken: bool,
    frames: u64,
    sounds: u64,
    index: u64,
    key_due: bool,
    next: Instant,
    next_sound: Instant,
    outputs: VecDeque<Output>,
}

impl Sender {
    pub(super) fn new(seat: SeatId, zone: &Zone, shape: Shape, counts: Counts) -> Self {
        let info = |kind, codec| {
            let layers = LayerSet::only(Layer(0));
            TrackInfo { id: TrackId { seat, kind }, codec, origin: zone.clone(), layers, held: false }
        };
        let (picture, sound) = (info(Kind::Video, Codec::Vp8), info(Kind::Audio, Codec::Opus));
        let outputs = [Output::Track(picture.clone()), Output::Track(sound.clone()), Output::Connected].into();
        // Nobody's frames come at the same moment as all others'.
        let now = Instant::now() + shape.every.mul_f64(f64::from(seat.0) / 16.0);
        Self {
            picture,
            sound,
            shape,
            counts,
            taken: false,
            frames: 0,
            sounds: 0,
            index: 1,
            key_due: true,
            next: now,
            next_sound: now,
            outputs,
        }
    }

    fn send_picture(&mut self) {
        let key = std::mem::take(&mut self.key_due) || self.frames.is_multiple_of(self.shape.period);
        let count = if key { self.shape.key_packets } else { self.shape.packets };
        self.send(self.picture.id, (count, key), PICTURE);
        self.frames += 1;
    }

    fn send(&mut self, track: TrackId, (count, key): (u64, bool), payload: &'static [u8]) {
        let captured = Timestamp::now();
        let sound = !track.kind.is_picture();
        if sound || self.taken {
            self.counts.count(track, captured, |tally| if sound { tally.sound_sent += 1 } else { tally.sent += 1 });
        }
        for piece in 0..count {
            let packet = Packet {
                index: if sound { self.sounds } else { self.index },
                layer: Layer(0),
                media_time: captured.0,
                captured,
                frame_start: piece == 0,
                frame_end: piece + 1 == count,
                key: key || sound,
                generation: 0,
                temporal: Temporal::default(),
                level: None,
                payload: Bytes::from_static(payload),
            };
            if sound {
                self.sounds += 1
            } else {
                self.index += 1
            }
            self.outputs.push_back(Output::Packet(track, packet));
        }
    }
}

impl Leg for Sender {
    fn delivery(&self) -> Delivery {
        Delivery::Packets
    }

    fn handle_track(&mut self, _: Instant, _: &TrackInfo) {}

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {}

    fn handle_packet(&mut self, _: Instant, _: TrackId, _: &Packet) {}

    fn handle_frame(&mut self, _: Instant, _: TrackId, _: &Frame) {}

    fn handle_control(&mut self, _: Instant, control: Control) {
        match control {
            Control::KeyFrame(track, _) if track == self.picture.id => self.key_due = true,
            Control::Demand(track, layers) if track == self.picture.id => self.taken |= !layers.is_empty(),
            Control::KeyFrame(..)
            | Control::Demand(..)
            | Control::Prefer(..)
            | Control::Rates(..)
            | Control::Protect(_) => {}
        }
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        while now >= self.next {
            self.next += self.shape.every;
            self.send_picture();
        }
        while self.shape.sound && now >= self.next_sound {
            self.next_sound += Duration::from_millis(20);
            self.send(self.sound.id, (1, true), &PICTURE[..100]);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(if self.shape.sound { self.next.min(self.next_sound) } else { self.next })
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        LayerSet::EMPTY
    }
}

/// Takes everything and counts it.
pub(super) struct Viewer(pub(super) Counts);

impl Leg for Viewer {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn handle_track(&mut self, _: Instant, _: &TrackInfo) {}

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {}

    fn handle_packet(&mut self, _: Instant, _: TrackId, _: &Packet) {}

    fn handle_frame(&mut self, _: Instant, track: TrackId, frame: &Frame) {
        let captured = frame.head().captured;
        let ms = Timestamp::now().since(captured) as f64 / 1e3;
        self.0.count(track, captured, |tally| {
            if track.kind.is_picture() {
                tally.came += 1;
                tally.in_time += u64::from(ms <= IN_TIME_MS);
                tally.packets += frame.packets.len() as u64;
                tally.oldest_ms = tally.oldest_ms.max(ms);
            } else {
                tally.sound_came += 1;
            }
        });
    }

    fn handle_control(&mut self, _: Instant, _: Control) {}

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        LayerSet::ALL
    }
}

/// What counts as in time.
pub(super) const IN_TIME_MS: f64 = 150.0;
pub(super) static PICTURE: &[u8] = &[7; 1_150];
