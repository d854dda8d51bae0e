//! One track that a participant sends: its layers, and what is announced of them.

use std::time::{Duration, Instant};

use hearing_config::{Codec, Timestamp, TrackId};

use super::super::sdp::{Accepted, Agreed};
use super::demand::Demand;
use super::keyframes::KeyRequests;
use super::source::{Arrived, Source};
use super::timeline::{Line, SenderClock};
use crate::router::{Layer, LayerSet, Packet};

/// A track.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: TrackId,
    pub(super) mid: String,
    pub(super) agreed: Agreed,
    /// Names of layers, smallest first; empty without simulcast.
    pub(super) rids: Vec<String>,
    pub(super) announced: LayerSet,
    pub(super) demand: Demand,
    layers: [Option<Source>; Layer::LIMIT],
    next: [u64; Layer::LIMIT],
    keys: [KeyRequests; Layer::LIMIT],
    line: Option<(u32, Line)>,
}

impl Track {
    /// The track of an m-line; `None` when the client sends nothing on it.
    pub(super) fn new(id: TrackId, section: &Accepted) -> Option<Self> {
        let inbound = section.inbound.as_ref()?;
        Some(Self {
            id,
            mid: section.mid.clone(),
            agreed: section.codecs.first()?.clone(),
            rids: inbound.rids.clone(),
            announced: LayerSet::EMPTY,
            demand: Demand::new(),
            layers: [const { None }; Layer::LIMIT],
            next: [0; Layer::LIMIT],
            keys: [KeyRequests::default(); Layer::LIMIT],
            line: None,
        })
    }

    pub(super) const fn codec(&self) -> Codec {
        self.agreed.codec
    }

    /// True when lost packets of it can be asked for.
    pub(super) fn repairs(&self) -> bool {
        self.agreed.feedback.iter().any(|feedback| feedback == "nack")
    }

    /// True when the client knows FIR and not PLI.
    pub(super) fn needs_fir(&self) -> bool {
        let knows = |kind: &str| self.agreed.feedback.iter().any(|feedback| feedback == kind);
        !knows("nack pli") && knows("ccm fir")
    }

    pub(super) fn sources_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.layers.iter_mut().flatten()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.layers.iter().flatten()
    }

    pub(super) fn source(&mut self, layer: Layer) -> Option<&mut Source> {
        self.layers[usize::from(layer.0 & 3)].as_mut()
    }

    /// True when the packet with this number was sent by the layer's source and did not come.
    pub(super) fn lacks(&self, (layer, ssrc): (Layer, u32), sequence: u16) -> bool {
        self.layers[usize::from(layer.0 & 3)]
            .as_ref()
            .is_some_and(|source| source.ssrc == ssrc && source.lacks(sequence))
    }

    /// Takes a packet of a layer's source, making the source at its first; the packet to hand on, if there is one.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        wall: Timestamp,
        sender: &SenderClock,
        (layer, ssrc): (Layer, u32),
        packet: Arrived,
    ) -> Result<Option<Packet>, &'static str> {
        let place = usize::from(layer.0 & 3);
        let codec = self.codec();
        if self.layers[place].as_ref().is_none_or(|source| source.ssrc != ssrc) {
            let next = self.layers[place].as_ref().map_or(self.next[place], Source::next_index);
            self.layers[place] = Some(Source::new(ssrc, codec, packet.sequence, next, now));
        }
        let line = self.line.filter(|(of, _)| *of != ssrc).map(|(_, line)| line);
        let Some(source) = self.layers[place].as_mut() else { return Ok(None) };
        let Some(placed) = source.accept(now, wall, sender, packet)? else { return Ok(None) };
        let first = self.line.is_none();
        if first || line.is_some() || self.line.is_some_and(|(of, _)| of == ssrc) {
            source.clock.align(placed.time, placed.captured, line.as_ref());
        }
        if first || self.line.is_some_and(|(of, _)| of == ssrc) {
            self.line = Some((ssrc, source.clock.line(placed.time, placed.captured)));
        }
        if placed.torn {
            self.keys[place].want();
        }
        if placed.piece.key {
            self.keys[place].came();
        }
        Ok(Some(Packet {
            index: placed.index,
            layer,
            media_time: source.clock.media_time(placed.time),
            captured: placed.captured,
            frame_start: placed.piece.frame_start,
            frame_end: placed.piece.frame_end,
            key: placed.piece.key,
            generation: placed.piece.generation,
            temporal: placed.piece.temporal,
            level: None,
            payload: placed.piece.payload,
        }))
    }

    /// The layers that flow now: those heard lately, or all that were when none is.
    pub(super) fn flowing(&self, now: Instant) -> LayerSet {
        let heard = |within: Duration| {
            self.layers.iter().enumerate().fold(LayerSet::EMPTY, |set, (place, source)| match source {
                Some(source) if now.saturating_duration_since(source.last_arrival) < within => {
                    set.union(LayerSet::only(Layer(place as u8)))
                }
                _ => set,
            })
        };
        let lively = heard(STALLED);
        if lively.is_empty() {
            return heard(GONE);
        }
        let resting = if self.rids.is_empty() { 0 } else { self.demand.resting(now).0 & self.announced.0 };
        lively.union(LayerSet(resting))
    }

    /// The layers that the client is to send, once after every change; nothing where it has but one.
    pub(super) fn poll_demand(&mut self, now: Instant) -> Option<LayerSet> {
        let layers = self.rids.len();
        (layers > 1).then(|| self.demand.poll(now))?.map(|active| LayerSet(active.0 & ((1 << layers) - 1)))
    }

    /// When `poll_demand` may have something new.
    pub(super) fn demand_due(&self) -> Option<Instant> {
        (self.rids.len() > 1).then(|| self.demand.due())?
    }

    pub(super) const fn want_key(&mut self, layer: Layer) {
        if self.codec_is_picture() {
            self.keys[(layer.0 & 3) as usize].want();
        }
    }

    const fn codec_is_picture(&self) -> bool {
        self.id.kind.is_picture()
    }

    /// The sources to ask for a key frame now.
    pub(super) fn ask_keys(&mut self, now: Instant, mut ask: impl FnMut(u32)) {
        for (source, keys) in self.layers.iter().zip(&mut self.keys) {
            if let Some(source) = source
                && keys.ask(now)
            {
                ask(source.ssrc);
            }
        }
    }

    /// When a request for a key frame is due next.
    pub(super) fn keys_due(&self, now: Instant) -> Option<Instant> {
        let heard = self.layers.iter().zip(&self.keys).filter(|(source, _)| source.is_some());
        heard.filter_map(|(_, keys)| keys.due()).map(|due| due.unwrap_or(now)).min()
    }
}

/// A layer that is silent for so long while others flow has been switched off by the client.
const STALLED: Duration = Duration::from_millis(1_500);
/// A track that is silent for so long is not sent any more.
pub(super) const GONE: Duration = Duration::from_secs(10);
