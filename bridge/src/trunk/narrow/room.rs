//! What there is room for, and what of it outlives a link.

use std::collections::BTreeMap;
use std::time::Duration;

use super::PATIENCE;
use crate::router::LayerSet;
use crate::trunk::outbox::Name;

/// What there is room for of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trunk) struct Room {
    /// These layers; none while it is held back.
    pub(in crate::trunk) layers: LayerSet,
    /// What is left out.
    pub(in crate::trunk) lack: Lack,
    /// How long nothing may be shed now before more is tried.
    pub(in crate::trunk) patience: Duration,
}

/// What of a track is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::trunk) struct Lack {
    /// So many of its largest layers; the smallest stays.
    pub(in crate::trunk) layers: usize,
    /// All of it, for now.
    pub(in crate::trunk) held: bool,
}

impl Lack {
    /// The layers that remain.
    pub(in crate::trunk) fn leaves(self, layers: LayerSet) -> LayerSet {
        if self.held { LayerSet::EMPTY } else { fewer(layers, self.layers) }
    }
}

/// What the line to a peer had no room for: it outlives the link, since a line that is too narrow may well be cut by that.
#[derive(Debug, Clone)]
pub(in crate::trunk) struct Narrowed {
    tracks: BTreeMap<Name, Lack>,
    pub(super) patience: Duration,
}

impl Default for Narrowed {
    fn default() -> Self {
        Self { tracks: BTreeMap::new(), patience: PATIENCE }
    }
}

impl Narrowed {
    /// There is room for so much of a track.
    pub(in crate::trunk) fn note(&mut self, name: Name, room: &Room) {
        self.patience = room.patience;
        if room.lack == Lack::default() {
            self.tracks.remove(&name);
        } else {
            self.tracks.insert(name, room.lack);
        }
    }

    /// What is left out of it.
    pub(in crate::trunk) fn of(&self, name: Name) -> Lack {
        self.tracks.get(&name).copied().unwrap_or_default()
    }

    /// Tracks that are over.
    pub(in crate::trunk) fn forget(&mut self, which: impl Fn(&Name) -> bool) {
        self.tracks.retain(|name, _| !which(name));
    }
}

/// Layers without so many of the largest; the smallest stays.
fn fewer(layers: LayerSet, taken_off: usize) -> LayerSet {
    let without = |left: LayerSet, _| {
        let fewer = LayerSet(left.0 & !highest(left).0);
        if fewer.is_empty() { left } else { fewer }
    };
    (0..taken_off).fold(layers, without)
}

pub(super) const fn highest(layers: LayerSet) -> LayerSet {
    LayerSet(if layers.0 == 0 { 0 } else { 1 << (7 - layers.0.leading_zeros()) })
}
