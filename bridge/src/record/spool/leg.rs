//! The spool's leg: takes of every track that entered here what a recorder would, and hands it to the thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId, TrackId, Zone};

use super::Item;
use crate::router::{Control, Delivery, Frame, Ladder, Layer, LayerSet, Leg, Output, Packet, Path, Step, TrackInfo};

/// Never blocks; what does not fit is counted.
pub(super) struct SpoolLeg {
    hearing: HearingId,
    zone: Zone,
    queue: SyncSender<Box<Item>>,
    tracks: BTreeMap<TrackId, Track>,
    outputs: VecDeque<Output>,
    look: Instant,
}

struct Track {
    codec: Codec,
    ladder: Ladder,
    asked: Option<Instant>,
}

impl SpoolLeg {
    pub(super) fn new(hearing: HearingId, zone: Zone, queue: SyncSender<Box<Item>>) -> Self {
        let (tracks, outputs) = (BTreeMap::new(), VecDeque::new());
        Self { hearing, zone, queue, tracks, outputs, look: Instant::now() + LOOK }
    }

    fn ask(&mut self, now: Instant, id: TrackId, layer: Layer) {
        let Some(track) = self.tracks.get_mut(&id).filter(|_| id.kind.is_picture()) else { return };
        if track.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK) {
            track.asked = Some(now);
            self.outputs.push_back(Output::KeyFrame(id, layer));
        }
    }
}

impl Leg for SpoolLeg {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    /// What came over a trunk is kept where it entered.
    fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        if info.origin != self.zone {
            return;
        }
        if let Some(track) = self.tracks.get_mut(&info.id).filter(|track| track.codec == info.codec) {
            track.ladder.offer(info.layers);
        } else {
            let ladder = Ladder::new(now, info.layers);
            self.tracks.insert(info.id, Track { codec: info.codec, ladder, asked: None });
        }
        self.outputs.push_back(Output::Wanted(info.id));
    }

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        self.tracks.remove(&track);
    }

    fn handle_packet(&mut self, _now: Instant, _track: TrackId, _packet: &Packet) {}

    fn handle_frame(&mut self, now: Instant, id: TrackId, frame: &Frame) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let head = frame.head();
        match track.ladder.frame(now, head.layer, head.key) {
            Step::Take | Step::Switch => {
                let item = Item { hearing: self.hearing, track: id, codec: track.codec, frame: frame.clone() };
                if self.queue.try_send(Box::new(item)).is_err() {
                    metrics::counter!("hearing_spool_frames_lost_total", "reason" => "queue").increment(1);
                }
            }
            Step::Ask => self.ask(now, id, head.layer),
            Step::Leave => {}
        }
    }

    fn handle_control(&mut self, _now: Instant, _control: Control) {}

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + LOOK;
        let changed = self.tracks.iter_mut().filter_map(|(id, track)| track.ladder.look(now).then_some(*id));
        self.outputs.extend(changed.map(Output::Wanted));
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

/// A key frame is asked for at most so often.
const ASK: Duration = Duration::from_secs(1);
/// How often the layers are looked at.
const LOOK: Duration = Duration::from_millis(250);
