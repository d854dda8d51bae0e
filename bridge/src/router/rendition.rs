//! Renditions: a track in another codec, for subscribers that cannot take it as it is. One for each track and codec that
//! anybody needs, made by a leg of its own outside the worker; the record and the trunks get the original.

use std::collections::BTreeMap;
use std::time::Instant;

use hearing_config::{Codec, Kind, TrackId};

use super::hearing::Hearing;
use super::leg::{LegId, Place};
use super::packet::{Layer, LayerSet};
use super::stream::{Stream, Subscriber};
use super::track::TrackInfo;
use super::worker::Event;

/// A set of codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecSet(u16);

impl CodecSet {
    /// Every codec.
    pub const ALL: Self = Self(u16::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// With one more.
    #[must_use]
    pub const fn and(self, codec: Codec) -> Self {
        Self(self.0 | 1 << codec as u16)
    }

    /// True when `codec` is in the set.
    #[must_use]
    pub const fn contains(self, codec: Codec) -> bool {
        self.0 & 1 << codec as u16 != 0
    }

    /// How somebody who takes these gets a track of `kind` that comes in `codec`: untouched if that can be, else in the best
    /// codec that a rendition can have; `None` when there is none.
    #[must_use]
    pub fn choose(self, kind: Kind, codec: Codec) -> Option<Codec> {
        if self.contains(codec) {
            return Some(codec);
        }
        let made: &[Codec] = if kind.is_picture() { &PICTURES } else { &SOUNDS };
        made.iter().copied().find(|codec| self.contains(*codec))
    }
}

impl FromIterator<Codec> for CodecSet {
    fn from_iter<I: IntoIterator<Item = Codec>>(codecs: I) -> Self {
        codecs.into_iter().fold(Self::NONE, Self::and)
    }
}

/// Where packets belong: to a track as it came, or to a rendition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) track: TrackId,
    pub(super) rendition: Option<Codec>,
}

/// Who takes a track in which codec.
#[derive(Debug, Default)]
pub(super) struct Takers {
    pub(super) original: Vec<Subscriber>,
    pub(super) renditions: BTreeMap<Codec, Vec<Subscriber>>,
}

/// A track as somebody gets it who takes it in `codec`.
pub(super) fn in_codec(info: &TrackInfo, codec: Codec) -> TrackInfo {
    if info.codec == codec {
        return info.clone();
    }
    TrackInfo { codec, layers: LayerSet::only(Layer(0)), ..info.clone() }
}

impl Hearing {
    pub(super) fn stream_mut(&mut self, flow: Flow) -> Option<&mut Stream> {
        match flow.rendition {
            None => self.streams.get_mut(&flow.track),
            Some(codec) => self.renditions.get_mut(&(flow.track, codec)),
        }
    }

    /// The flow to which what `leg` says of `track` belongs.
    pub(super) fn flow_of(&self, leg: LegId, track: TrackId) -> Option<Flow> {
        if self.streams.get(&track).is_some_and(|stream| stream.publisher == leg) {
            return Some(Flow { track, rendition: None });
        }
        let Place::Rendition(of, codec) = self.legs[self.position(leg)?].place else { return None };
        (of == track).then_some(Flow { track, rendition: Some(codec) })
    }

    /// Renditions begin with their first subscriber and end with their last.
    pub(super) fn render(&mut self, now: Instant, info: &TrackInfo, mut takers: BTreeMap<Codec, Vec<Subscriber>>) {
        let present = self.renditions.keys().filter(|(track, _)| *track == info.id).map(|(_, codec)| *codec);
        for codec in present.collect::<Vec<_>>() {
            match takers.remove(&codec) {
                Some(subscribers) => self.subscribe_rendition(now, info.id, codec, subscribers),
                None => self.end_rendition(info, codec),
            }
        }
        for (codec, subscribers) in takers {
            let publisher = self.maker(info.id, codec).unwrap_or(NOBODY);
            self.renditions.insert((info.id, codec), Stream::new(in_codec(info, codec), publisher));
            self.report(Event::Rendition { info: info.clone(), codec, wanted: true });
            self.subscribe_rendition(now, info.id, codec, subscribers);
        }
    }

    /// The leg that makes a rendition has come, or has gone.
    pub(super) fn set_maker(&mut self, now: Instant, track: TrackId, codec: Codec) {
        let maker = self.maker(track, codec);
        let Some(stream) = self.renditions.get_mut(&(track, codec)) else { return };
        stream.publisher = maker.unwrap_or(NOBODY);
        if let Some(maker) = maker {
            self.ask_key(now, maker, track, Layer(0));
        }
    }

    pub(super) fn request_rendition_key(&mut self, now: Instant, track: TrackId, codec: Codec) {
        let Some(stream) = self.renditions.get_mut(&(track, codec)) else { return };
        if stream.request_key(now, Layer(0)) {
            let maker = stream.publisher;
            self.ask_key(now, maker, track, Layer(0));
        }
    }

    pub(super) fn end_rendition(&mut self, info: &TrackInfo, codec: Codec) {
        if self.renditions.remove(&(info.id, codec)).is_some() {
            self.report(Event::Rendition { info: info.clone(), codec, wanted: false });
        }
    }

    fn subscribe_rendition(&mut self, now: Instant, track: TrackId, codec: Codec, subscribers: Vec<Subscriber>) {
        let Some(stream) = self.renditions.get_mut(&(track, codec)) else { return };
        if !stream.subscribe(subscribers).key_frames.is_empty() {
            self.request_rendition_key(now, track, codec);
        }
    }

    fn maker(&self, track: TrackId, codec: Codec) -> Option<LegId> {
        self.legs.iter().find(|slot| slot.place == Place::Rendition(track, codec)).map(|slot| slot.id)
    }
}

/// What no leg is called.
const NOBODY: LegId = LegId(0);
/// What renditions are made in, the best first.
const PICTURES: [Codec; 2] = [Codec::H264, Codec::Vp8];
const SOUNDS: [Codec; 5] = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu, Codec::Aac];

#[cfg(test)]
mod tests;
