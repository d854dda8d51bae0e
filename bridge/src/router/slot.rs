//! A leg in its place on a hearing's router, with what the router knows of it.

use std::collections::BTreeMap;
use std::time::Instant;

use hearing_config::{Codec, TrackId};

use super::contained::Contained;
use super::leg::{Leg, LegId, Place};
use super::packet::LayerSet;
use super::track::TrackInfo;

pub(super) struct Slot {
    pub(super) id: LegId,
    pub(super) place: Place,
    pub(super) leg: Contained,
    /// The tracks that it was told it may send, and in which codec.
    pub(super) granted: BTreeMap<TrackId, Codec>,
    /// What a trunk's peer takes.
    pub(super) demands: BTreeMap<TrackId, LayerSet>,
    /// What `poll_timeout` said last.
    pub(super) deadline: Option<Instant>,
    /// True while the leg stands in the list of those to be drained.
    pub(super) dirty: bool,
    pub(super) connected: bool,
}

impl Slot {
    pub(super) fn new(id: LegId, place: Place, leg: Box<dyn Leg>) -> Self {
        let (granted, demands) = (BTreeMap::new(), BTreeMap::new());
        Self { id, place, leg: Contained::new(leg), granted, demands, deadline: None, dirty: false, connected: false }
    }

    /// True when a track is to be told and sent to this leg if the plan allows it. A trunk gets only what its peer demands.
    pub(super) fn asks_for(&self, track: TrackId) -> bool {
        match self.place {
            Place::Seat(_) | Place::Record => true,
            // Decided by who takes the rendition.
            Place::Rendition(..) => false,
            Place::Home | Place::Edge(_) => self.demands.contains_key(&track),
        }
    }

    /// The layers it takes of a track that it may have.
    pub(super) fn wanted(&mut self, track: TrackId) -> LayerSet {
        match self.place {
            Place::Seat(_) | Place::Record | Place::Rendition(..) => self.leg.wanted(track),
            Place::Home | Place::Edge(_) => self.demands.get(&track).copied().unwrap_or_default(),
        }
    }

    /// Tells the leg whether it may send a track; true when that was news to it.
    pub(super) fn grant(&mut self, now: Instant, info: &TrackInfo, may: bool) -> bool {
        let after = may.then_some(info.codec);
        let before = self.granted.get(&info.id).copied();
        if before == after {
            return false;
        }
        if before.is_some() {
            self.granted.remove(&info.id);
            self.leg.handle_track_end(now, info.id);
        }
        if let Some(codec) = after {
            self.granted.insert(info.id, codec);
            self.leg.handle_track(now, info);
        }
        true
    }
}
