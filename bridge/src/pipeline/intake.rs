//! What a pipeline takes of the tracks that the router hands it: one layer of each, whole frames, and a key frame after a loss.
//! The part that every pipeline's leg has in common.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hearing_config::TrackId;

use crate::router::{Frame, Ladder, Layer, LayerSet, Output, Step, TrackInfo};

/// The tracks of one leg; told the time.
#[derive(Debug)]
pub(crate) struct Intake {
    tracks: BTreeMap<TrackId, Track>,
    look: Instant,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Track {
    ladder: Ladder,
    /// The index that follows the last frame.
    expected: Option<u64>,
    asked: Option<Instant>,
}

impl Intake {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { tracks: BTreeMap::new(), look: now, outputs: VecDeque::new() }
    }

    /// A track comes, or comes in other layers.
    pub(crate) fn begin(&mut self, now: Instant, info: &TrackInfo) {
        let fresh = || Track { ladder: Ladder::new(now, info.layers), expected: None, asked: None };
        self.tracks.entry(info.id).or_insert_with(fresh).ladder.offer(info.layers);
        self.outputs.push_back(Output::Wanted(info.id));
    }

    pub(crate) fn end(&mut self, track: TrackId) {
        self.tracks.remove(&track);
    }

    /// True when the frame is to be taken. Where frames before it are missing a key frame is asked for.
    pub(crate) fn take(&mut self, now: Instant, id: TrackId, frame: &Frame) -> bool {
        let Some(track) = self.tracks.get_mut(&id) else { return false };
        match track.ladder.frame(now, frame.head().layer, frame.head().key) {
            Step::Take => {}
            Step::Switch => track.expected = None,
            Step::Ask => {
                self.ask_for(now, id, frame.head().layer);
                return false;
            }
            Step::Leave => return false,
        }
        let whole = track.expected.is_none_or(|expected| frame.head().index <= expected);
        track.expected = frame.packets.last().map(|last| last.index.saturating_add(1));
        if !whole && !frame.head().key {
            self.ask(now, id);
        }
        true
    }

    /// A key frame of a picture is needed; asked for at most twice a second.
    pub(crate) fn ask(&mut self, now: Instant, id: TrackId) {
        if let Some(layer) = self.tracks.get(&id).map(|track| track.ladder.layer()) {
            self.ask_for(now, id, layer);
        }
    }

    fn ask_for(&mut self, now: Instant, id: TrackId, layer: Layer) {
        let Some(track) = self.tracks.get_mut(&id).filter(|_| id.kind.is_picture()) else { return };
        if track.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK) {
            track.asked = Some(now);
            self.outputs.push_back(Output::KeyFrame(id, layer));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + LOOK;
        let changed = self.tracks.iter_mut().filter_map(|(id, track)| track.ladder.look(now).then_some(*id));
        self.outputs.extend(changed.map(Output::Wanted));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (!self.tracks.is_empty()).then_some(self.look)
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn wanted(&self, track: TrackId) -> LayerSet {
        self.tracks.get(&track).map_or(LayerSet::EMPTY, |track| track.ladder.wanted())
    }
}

/// A key frame is asked for at most so often.
const ASK: Duration = Duration::from_millis(500);
/// How often the layers are looked at.
const LOOK: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use hearing_config::{Codec, Kind, SeatId, Timestamp};

    use super::*;
    use crate::pipeline::convert::Packer;

    fn frames(count: i64) -> Vec<Frame> {
        let mut packer = Packer::new(Codec::Vp8);
        let coded = |n: i64| hearing_proto::child::Coded { stream: 0, pts: 0, key: n == 0, bytes: vec![1; 10].into() };
        (0..count).filter_map(|n| packer.pack(Timestamp(n * 40_000), &coded(n))).collect()
    }

    #[test]
    fn a_key_frame_is_asked_of_the_layer_that_comes_and_not_of_the_one_that_stays_away() {
        let (mut intake, now) = (Intake::new(Instant::now()), Instant::now());
        let id = TrackId { seat: SeatId(1), kind: Kind::Video };
        let layers = LayerSet(0b11);
        intake.begin(now, &TrackInfo { id, codec: Codec::Vp8, origin: "gov".parse().unwrap(), layers, held: false });
        let of = |frame: &Frame, layer: u8| {
            let packet =
                |packet: &crate::router::Packet| crate::router::Packet { layer: Layer(layer), ..packet.clone() };
            Frame { packets: frame.packets.iter().map(packet).collect() }
        };
        let frames = frames(3);
        assert!(intake.take(now, id, &of(&frames[0], 1)));
        let later = now + Duration::from_secs(2);
        intake.handle_timeout(later);
        assert!(!intake.take(later, id, &of(&frames[1], 0)));
        let asked: Vec<_> = std::iter::from_fn(|| intake.poll_output()).collect();
        assert!(asked.contains(&Output::KeyFrame(id, Layer(0))), "{asked:?}");
        assert!(intake.take(later, id, &of(&frames[0], 0)));
    }

    #[test]
    fn after_a_lost_frame_a_key_frame_is_asked_for_once() {
        let (mut intake, now) = (Intake::new(Instant::now()), Instant::now());
        let id = TrackId { seat: SeatId(1), kind: Kind::Video };
        let layers = LayerSet::only(Layer(0));
        intake.begin(now, &TrackInfo { id, codec: Codec::Vp8, origin: "gov".parse().unwrap(), layers, held: false });
        let frames = frames(6);
        for n in [0, 1, 3, 5] {
            assert!(intake.take(now, id, &frames[n]), "{n}");
        }
        let asked = std::iter::from_fn(|| intake.poll_output()).filter(|o| matches!(o, Output::KeyFrame(..))).count();
        assert_eq!(asked, 1);
    }
}
