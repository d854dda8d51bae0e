//! What is known of a track at this node.

use hearing_config::{Codec, TrackId, Zone};

use super::packet::LayerSet;

/// A track as announced: by the leg that publishes it, or over a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its name in the hearing.
    pub id: TrackId,
    /// How it is coded; a change of codec is a new announcement.
    pub codec: Codec,
    /// The zone where it entered the hearing.
    pub origin: Zone,
    /// The simulcast layers that the publisher sends.
    pub layers: LayerSet,
    /// True while none of them comes because a line between two nodes has no room for it.
    pub held: bool,
}
