//! Tracks and who takes them: computed when a plan, leg, track or demand changes, never per packet.

use std::time::Instant;

use hearing_config::{Kind, TrackId};

use super::audibility::Audience;
use super::hearing::Hearing;
use super::leg::{Control, LegId, Place};
use super::packet::{Layer, LayerSet};
use super::rendition::{Takers, in_codec};
use super::slot::Slot;
use super::stream::{Stream, Subscriber};
use super::track::TrackInfo;
use super::worker::Event;

impl Hearing {
    /// A trunk's peer publishes a track; the gate has let it in.
    pub(super) fn announce(&mut self, now: Instant, leg: LegId, info: TrackInfo) {
        match self.position(leg).map(|at| &self.legs[at].place) {
            Some(Place::Home | Place::Edge(_)) => self.begin_stream(now, leg, info),
            Some(Place::Seat(_) | Place::Record | Place::Rendition(..)) | None => self.tally.stray_commands += 1,
        }
    }

    /// `leg` no longer publishes `track`.
    pub(super) fn unpublish(&mut self, now: Instant, leg: LegId, track: TrackId) {
        if self.streams.get(&track).is_some_and(|stream| stream.publisher == leg) {
            self.end_stream(now, track);
        } else {
            self.tally.stray_commands += 1;
        }
    }

    /// What a trunk's peer takes of a track from here.
    pub(super) fn demand(&mut self, now: Instant, leg: LegId, track: TrackId, layers: LayerSet) {
        let Some(at) = self.position(leg) else {
            self.tally.stray_commands += 1;
            return;
        };
        let demands = &mut self.legs[at].demands;
        if layers.is_empty() {
            demands.remove(&track);
        } else {
            demands.insert(track, layers);
        }
        self.refresh(now, track);
    }

    /// Somebody needs a key frame: asks the publisher, unless it was asked just now.
    pub(super) fn request_key(&mut self, now: Instant, track: TrackId, layer: Layer) {
        let Some(stream) = self.streams.get_mut(&track) else {
            self.tally.stray_commands += 1;
            return;
        };
        if stream.request_key(now, layer) {
            let publisher = stream.publisher;
            self.ask_key(now, publisher, track, layer);
        }
    }

    /// A track begins, or goes on in another way.
    pub(super) fn begin_stream(&mut self, now: Instant, publisher: LegId, info: TrackInfo) {
        let track = info.id;
        match self.streams.get_mut(&track) {
            Some(s) if s.publisher == publisher && s.info.codec == info.codec && s.info.origin == info.origin => {
                s.info = info.clone();
                self.tell_again(now, &info);
            }
            Some(_) => {
                self.end_stream(now, track);
                self.streams.insert(track, Stream::new(info.clone(), publisher));
            }
            None => {
                self.streams.insert(track, Stream::new(info.clone(), publisher));
            }
        }
        self.report(Event::TrackUp(info));
        self.refresh(now, track);
    }

    pub(super) fn end_stream(&mut self, now: Instant, track: TrackId) {
        let Some(stream) = self.streams.remove(&track) else { return };
        self.render(now, &stream.info, Default::default());
        for at in 0..self.legs.len() {
            if self.legs[at].grant(now, &stream.info, false) {
                self.mark(self.legs[at].id);
            }
        }
        if track.kind == Kind::Audio {
            self.speakers.remove(track.seat);
        }
        self.report(Event::TrackDown(track));
    }

    pub(super) fn refresh_all(&mut self, now: Instant) {
        for track in self.streams.keys().copied().collect::<Vec<_>>() {
            self.refresh(now, track);
        }
    }

    /// Computes anew who takes a track, and tells legs and publisher what that changes for them.
    pub(super) fn refresh(&mut self, now: Instant, track: TrackId) {
        let Some(stream) = self.streams.get_mut(&track) else { return };
        let plan = self.plan.as_deref();
        stream.audience = Audience::of(plan, track);
        if self.drain.contains(track) {
            stream.audience = stream.audience.draining();
        }
        let (mut takers, mut told) = (Takers::default(), Vec::new());
        let own = stream.info.codec;
        for (at, slot) in self.legs.iter_mut().enumerate() {
            if matches!(slot.place, Place::Rendition(..)) {
                continue;
            }
            let hears = || stream.audience.contains(plan, &self.zone, &slot.place);
            let may = slot.id != stream.publisher && slot.asks_for(track) && hears();
            // Whoever takes it in no way is told of the original, as the board is of its codec.
            let codec = slot.leg.takes(track.kind).choose(track.kind, own).unwrap_or(own);
            let list = if codec == own { &mut takers.original } else { takers.renditions.entry(codec).or_default() };
            subscribe(now, (at, slot), &in_codec(&stream.info, codec), may, list, &mut told);
        }
        takers.renditions.retain(|_, list| !list.is_empty());
        for (at, slot) in self.legs.iter_mut().enumerate() {
            if let Place::Rendition(of, codec) = slot.place {
                let may = of == track && takers.renditions.contains_key(&codec);
                subscribe(now, (at, slot), &stream.info, may, &mut takers.original, &mut told);
            }
        }
        if track.kind == Kind::Audio && !stream.audience.is_heard() {
            self.speakers.remove(track.seat);
        }
        told.into_iter().for_each(|id| self.mark(id));
        self.resubscribe(now, track, takers);
    }

    fn resubscribe(&mut self, now: Instant, track: TrackId, takers: Takers) {
        let Some(stream) = self.streams.get_mut(&track) else { return };
        let info = stream.info.clone();
        let change = stream.subscribe(takers.original);
        let publisher = stream.publisher;
        if let (Some(demand), Some(at)) = (change.demand, self.position(publisher)) {
            self.control(now, at, Control::Demand(track, demand));
        }
        for layer in layers(change.key_frames) {
            self.request_key(now, track, layer);
        }
        self.render(now, &info, takers.renditions);
    }

    /// Tells those who have the track how it is sent now.
    fn tell_again(&mut self, now: Instant, info: &TrackInfo) {
        for at in 0..self.legs.len() {
            if self.legs[at].granted.get(&info.id) == Some(&info.codec) {
                self.legs[at].leg.handle_track(now, info);
                self.mark(self.legs[at].id);
            }
        }
    }

    pub(super) fn ask_key(&mut self, now: Instant, publisher: LegId, track: TrackId, layer: Layer) {
        if let Some(at) = self.position(publisher) {
            self.tally.key_requests += 1;
            self.control(now, at, Control::KeyFrame(track, layer));
        }
    }
}

/// Tells a leg whether it may have a track, and puts it on the list of those who take it.
fn subscribe(
    now: Instant,
    (at, slot): (usize, &mut Slot),
    info: &TrackInfo,
    may: bool,
    list: &mut Vec<Subscriber>,
    told: &mut Vec<LegId>,
) {
    if slot.grant(now, info, may) {
        told.push(slot.id);
    }
    let layers = if may { slot.wanted(info.id) } else { LayerSet::EMPTY };
    if !layers.is_empty() {
        list.push(Subscriber { id: slot.id, at, layers, delivery: slot.leg.delivery() });
    }
    if slot.leg.has_news() {
        told.push(slot.id);
    }
}

/// The layers of a set, the smallest first.
pub(super) fn layers(set: LayerSet) -> impl Iterator<Item = Layer> {
    (0..Layer::LIMIT as u8).map(Layer).filter(move |layer| set.contains(*layer))
}
