//! The recorder's leg: hands whole frames to the writer's queue, asks for key frames, and counts what is missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId, Kind, Timestamp, TrackId};

use super::GapReason;
use super::backlog::{Backlog, WallClock};
use crate::router::{Control, Delivery, Frame, Ladder, Layer, LayerSet, Leg, Output, Packet, Path, Step, TrackInfo};

/// A frame on its way to the writer.
pub(super) struct Arrived {
    pub(super) hearing: HearingId,
    pub(super) track: TrackId,
    pub(super) codec: Codec,
    /// Grows each time the track comes anew.
    pub(super) stay: u32,
    /// When it arrived, by this node's wall clock.
    pub(super) at: Timestamp,
    /// What is missing right before it.
    pub(super) missing: Option<Missing>,
    pub(super) frame: Frame,
    pub(super) backlog: Arc<Backlog>,
}

/// What did not come to the writer, and the first reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) reason: GapReason,
    pub(super) packets: u64,
    pub(super) frames: u64,
}

impl Missing {
    /// Both together; the first reason stays.
    pub(super) fn and(first: Option<Self>, second: Self) -> Self {
        first.map_or(second, |first| Self {
            reason: first.reason,
            packets: first.packets + second.packets,
            frames: first.frames + second.frames,
        })
    }
}

/// The recorder's leg of one hearing.
pub(super) struct RecordLeg {
    hearing: HearingId,
    clock: WallClock,
    queue: SyncSender<Box<Arrived>>,
    tracks: BTreeMap<TrackId, Track>,
    stays: u32,
    outputs: VecDeque<Output>,
    look: Instant,
}

struct Track {
    codec: Codec,
    stay: u32,
    ladder: Ladder,
    /// The index that follows the last frame of the layer that is being recorded.
    expected: Option<u64>,
    missing: Option<Missing>,
    backlog: Arc<Backlog>,
    /// The layer of which a key frame is needed before the picture is whole (again).
    needs_key: Option<Layer>,
    asked: Option<Instant>,
}

impl RecordLeg {
    /// The stays of its tracks are numbered from `stays` on.
    pub(super) fn new(hearing: HearingId, clock: WallClock, queue: SyncSender<Box<Arrived>>, stays: u32) -> Self {
        let (tracks, outputs) = (BTreeMap::new(), VecDeque::new());
        Self { hearing, clock, queue, tracks, stays, outputs, look: Instant::now() + LOOK }
    }

    fn send(&mut self, now: Instant, id: TrackId, frame: &Frame) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let (at, bytes) = (self.clock.at(now), frame.len());
        let admitted = track.backlog.admit(at, bytes);
        let arrived = Box::new(Arrived {
            hearing: self.hearing,
            track: id,
            codec: track.codec,
            stay: track.stay,
            at,
            missing: track.missing,
            frame: frame.clone(),
            backlog: Arc::clone(&track.backlog),
        });
        if admitted && self.queue.try_send(arrived).is_ok() {
            track.missing = None;
            return;
        }
        if admitted {
            track.backlog.release(at, bytes);
        }
        metrics::counter!("hearing_record_frames_lost_total", "reason" => GapReason::Queue.as_str()).increment(1);
        let missing = Missing { reason: GapReason::Queue, packets: 0, frames: 1 };
        track.missing = Some(Missing::and(track.missing, missing));
        track.need_key();
    }

    fn ask(&mut self, now: Instant) {
        let asked =
            self.tracks.iter_mut().filter_map(|(id, track)| Some(Output::KeyFrame(*id, track.ask(id.kind, now)?)));
        self.outputs.extend(asked);
    }
}

impl Track {
    fn new(now: Instant, info: &TrackInfo, stay: u32) -> Self {
        let ladder = Ladder::new(now, info.layers);
        let needs_key = Some(ladder.layer());
        let (codec, backlog) = (info.codec, Arc::default());
        Self { codec, stay, ladder, expected: None, missing: None, backlog, needs_key, asked: None }
    }

    /// True when the frame goes into the record; packets lost before it are counted.
    fn accept(&mut self, now: Instant, frame: &Frame) -> bool {
        let head = frame.head();
        match self.ladder.frame(now, head.layer, head.key) {
            Step::Take => {}
            Step::Switch => self.expected = None,
            Step::Ask => {
                self.needs_key = Some(head.layer);
                return false;
            }
            Step::Leave => return false,
        }
        let lost = self.expected.map_or(0, |expected| head.index.saturating_sub(expected));
        self.expected = frame.packets.last().map(|last| last.index.saturating_add(1));
        if lost > 0 {
            metrics::counter!("hearing_record_packets_lost_total").increment(lost);
            let missing = Missing { reason: GapReason::Network, packets: lost, frames: 0 };
            self.missing = Some(Missing::and(self.missing, missing));
            self.need_key();
        }
        if head.key {
            self.needs_key = None;
        }
        true
    }

    fn need_key(&mut self) {
        self.needs_key = Some(self.ladder.layer());
    }

    /// The layer to ask a key frame of now, at most every [`ASK`].
    fn ask(&mut self, kind: Kind, now: Instant) -> Option<Layer> {
        if self.backlog.take_want_key() {
            self.need_key();
        }
        let recently = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASK);
        let layer = self.needs_key.filter(|_| kind.is_picture() && !recently)?;
        self.asked = Some(now);
        Some(layer)
    }
}

impl Leg for RecordLeg {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        if let Some(track) = self.tracks.get_mut(&info.id).filter(|track| track.codec == info.codec) {
            track.ladder.offer(info.layers);
        } else {
            self.stays += 1;
            self.tracks.insert(info.id, Track::new(now, info, self.stays));
            self.ask(now);
        }
        self.outputs.push_back(Output::Wanted(info.id));
    }

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        self.tracks.remove(&track);
    }

    fn handle_packet(&mut self, _now: Instant, _track: TrackId, _packet: &Packet) {}

    fn handle_frame(&mut self, now: Instant, id: TrackId, frame: &Frame) {
        if self.tracks.get_mut(&id).is_some_and(|track| track.accept(now, frame)) {
            self.send(now, id, frame);
        }
        self.ask(now);
    }

    fn handle_control(&mut self, _now: Instant, _control: Control) {}

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + LOOK;
        for (id, track) in &mut self.tracks {
            if track.ladder.look(now) {
                self.outputs.push_back(Output::Wanted(*id));
            }
        }
        self.ask(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.look)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.tracks.get(&track).map_or(LayerSet::EMPTY, |track| track.ladder.wanted())
    }
}

/// How often key frames may be asked for.
const ASK: Duration = Duration::from_millis(500);
/// How often the leg looks at its layers and the writer's wishes.
const LOOK: Duration = Duration::from_millis(100);
