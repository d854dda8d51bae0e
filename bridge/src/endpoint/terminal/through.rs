//! A feed that codes nothing: the sound and the picture of whoever speaks, untouched, when they come in a codec that the
//! terminal takes; else the first that can be had.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use hearing_config::{Codec, Kind, SeatId, TrackId};
use tokio::sync::Notify;

use crate::router::{Feed, FeedInput, FeedOutput, Frame, Layer, LayerSet, Takes, TrackInfo, Wishes};

/// Passes one sound and one picture through.
#[derive(Debug)]
pub struct Through {
    takes: Takes,
    tracks: BTreeMap<TrackId, TrackInfo>,
    speaker: Option<SeatId>,
    sound: Option<TrackId>,
    picture: Option<TrackId>,
    /// True until a key frame of the present picture came.
    dark: bool,
    outputs: VecDeque<FeedOutput>,
    news: Arc<Notify>,
}

impl Through {
    /// For a terminal that takes this.
    #[must_use]
    pub fn new(takes: Takes) -> Self {
        Self {
            takes,
            tracks: BTreeMap::new(),
            speaker: None,
            sound: None,
            picture: None,
            dark: true,
            outputs: VecDeque::new(),
            news: Arc::default(),
        }
    }

    fn choose(&mut self) {
        let sound = self.best(&[Kind::Audio], &self.takes.sound, self.sound);
        let picture = self.best(&[Kind::Screen, Kind::Video], &self.takes.picture, self.picture);
        if (sound, picture) == (self.sound, self.picture) {
            return;
        }
        let another = picture.filter(|picture| self.picture != Some(*picture));
        (self.sound, self.picture) = (sound, picture);
        let wishes: Wishes = sound.into_iter().chain(picture).map(|track| (track, self.layer(track).1)).collect();
        self.outputs.push_back(FeedOutput::Wish(wishes));
        if let Some(track) = another {
            self.dark = true;
            self.outputs.push_back(FeedOutput::KeyFrame(track, self.layer(track).0));
        }
    }

    /// An exhibit goes before faces, the speaker before others, and what is shown stays while nobody is better.
    fn best(&self, kinds: &[Kind], takes: &[Codec], present: Option<TrackId>) -> Option<TrackId> {
        let fitting = self.tracks.values().filter(|info| kinds.contains(&info.id.kind) && takes.contains(&info.codec));
        let rank = |id: TrackId| {
            let kind = kinds.iter().position(|kind| *kind == id.kind);
            (kind, self.speaker != Some(id.seat), present != Some(id), id)
        };
        fitting.map(|info| info.id).min_by_key(|id| rank(*id))
    }

    /// The largest layer of a track: a terminal shows nothing else.
    fn layer(&self, track: TrackId) -> (Layer, LayerSet) {
        let layers = self.tracks.get(&track).map_or(LayerSet::only(Layer(0)), |info| info.layers);
        let top = (0..Layer::LIMIT as u8).rev().map(Layer).find(|layer| layers.contains(*layer)).unwrap_or_default();
        (top, LayerSet::only(top))
    }

    fn pass(&mut self, track: TrackId, frame: Frame) {
        let Some(codec) = self.tracks.get(&track).map(|info| info.codec) else { return };
        if self.sound == Some(track) {
            self.outputs.push_back(FeedOutput::Sound(codec, frame));
        } else if self.picture == Some(track) && frame.head().layer == self.layer(track).0 {
            self.dark &= !frame.head().key;
            if !self.dark {
                self.outputs.push_back(FeedOutput::Picture(codec, frame));
            }
        }
    }
}

#[async_trait]
impl Feed for Through {
    fn handle(&mut self, input: FeedInput) {
        match input {
            FeedInput::Track(info) => {
                let layers = self.tracks.insert(info.id, info.clone()).map(|before| before.layers);
                if layers.is_some_and(|layers| layers != info.layers) && self.picture == Some(info.id) {
                    // Its layers changed: it is chosen anew with the layer that it has now.
                    self.picture = None;
                }
                self.choose();
            }
            FeedInput::TrackEnd(track) => {
                self.tracks.remove(&track);
                self.choose();
            }
            FeedInput::Frame(track, frame) => self.pass(track, frame),
            // Nothing is decoded here, so nothing can be measured.
            FeedInput::Own(..) => {}
            FeedInput::Protect(protected) => {
                self.speaker = protected.speaker;
                self.choose();
            }
            FeedInput::KeyFrame => {
                let wanted = self.picture.map(|track| FeedOutput::KeyFrame(track, self.layer(track).0));
                self.outputs.extend(wanted);
            }
        }
        self.news.notify_one();
    }

    async fn next(&mut self) -> FeedOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_config::Timestamp;

    use super::*;
    use crate::router::{Packet, Protected, Temporal};

    fn track(seat: u8, kind: Kind) -> TrackId {
        TrackId { seat: SeatId(seat), kind }
    }

    fn comes(feed: &mut Through, seat: u8, kind: Kind, codec: Codec) {
        let (id, origin) = (track(seat, kind), "gov".parse().unwrap());
        feed.handle(FeedInput::Track(TrackInfo { id, codec, origin, layers: LayerSet(0b11), held: false }));
    }

    fn speaks(feed: &mut Through, seat: u8) {
        feed.handle(FeedInput::Protect(Protected { speaker: Some(SeatId(seat)), ..Protected::default() }));
    }

    fn frame(layer: u8, key: bool) -> Frame {
        let packet = Packet {
            index: 1,
            layer: Layer(layer),
            media_time: 0,
            captured: Timestamp(0),
            frame_start: true,
            frame_end: true,
            key,
            generation: 0,
            temporal: Temporal::default(),
            level: None,
            payload: Bytes::from_static(&[0x65]),
        };
        Frame { packets: vec![packet] }
    }

    fn drained(feed: &mut Through) -> Vec<FeedOutput> {
        feed.outputs.drain(..).collect()
    }

    fn terminal() -> Through {
        Through::new(Takes { sound: vec![Codec::Opus], picture: vec![Codec::H264], ..Takes::default() })
    }

    #[test]
    fn whoever_speaks_is_heard_and_seen_and_a_picture_begins_with_its_key_frame() {
        let mut feed = terminal();
        comes(&mut feed, 1, Kind::Video, Codec::H264);
        comes(&mut feed, 2, Kind::Video, Codec::H264);
        drained(&mut feed);
        speaks(&mut feed, 2);
        let wish = FeedOutput::Wish([(track(2, Kind::Video), LayerSet::only(Layer(1)))].into());
        assert_eq!(drained(&mut feed), [wish, FeedOutput::KeyFrame(track(2, Kind::Video), Layer(1))]);
        for (layer, key) in [(1, false), (0, true), (1, true), (1, false)] {
            feed.handle(FeedInput::Frame(track(2, Kind::Video), frame(layer, key)));
        }
        feed.handle(FeedInput::Frame(track(1, Kind::Video), frame(1, true)));
        let picture = |key| FeedOutput::Picture(Codec::H264, frame(1, key));
        assert_eq!(drained(&mut feed), [picture(true), picture(false)]);
    }

    #[test]
    fn what_the_terminal_cannot_decode_is_not_wished_for() {
        let mut feed = terminal();
        comes(&mut feed, 1, Kind::Video, Codec::Vp8);
        comes(&mut feed, 1, Kind::Audio, Codec::Pcma);
        assert_eq!(drained(&mut feed), []);
        comes(&mut feed, 2, Kind::Audio, Codec::Opus);
        speaks(&mut feed, 1);
        let wishes = [(track(2, Kind::Audio), LayerSet::only(Layer(1)))].into();
        assert_eq!(drained(&mut feed), [FeedOutput::Wish(wishes)]);
    }

    #[test]
    fn an_exhibit_goes_before_faces_and_the_face_comes_back_when_it_ends() {
        let mut feed = terminal();
        comes(&mut feed, 1, Kind::Video, Codec::H264);
        comes(&mut feed, 3, Kind::Screen, Codec::H264);
        assert_eq!(feed.picture, Some(track(3, Kind::Screen)));
        feed.handle(FeedInput::TrackEnd(track(3, Kind::Screen)));
        assert_eq!(feed.picture, Some(track(1, Kind::Video)));
    }
}
