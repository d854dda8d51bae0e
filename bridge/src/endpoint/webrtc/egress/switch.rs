//! Which layer of a track a subscriber gets: chosen by how large the picture is shown and what the line carries, changed only
//! at key frames. Of a layer, frames that no other needs are left out when its share is smaller than the whole.

use std::time::{Duration, Instant};

use hearing_signaling::http::Size;

use super::share::Portion;
use crate::router::{Layer, LayerSet, Packet};

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes out, in the order of the packets before it.
    Forward,
    /// It goes out and begins another layer.
    Switch,
    /// It does not go out.
    Drop,
    /// It belongs to a frame that is left out of the layer that goes out: nobody must miss it.
    Skip,
}

/// What the line carries of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// Nobody measures the line: loss decides.
    Unknown,
    /// Nothing of it.
    Nothing,
    /// At most this.
    Portion(Portion),
}

/// The choice for one subscriber and track.
#[derive(Debug)]
pub(super) struct LayerSwitch {
    available: LayerSet,
    size: Size,
    current: Option<Layer>,
    /// The index at which the current layer began.
    since: u64,
    share: Share,
    /// The highest temporal layer that goes out now, and the highest that there is.
    passing: u8,
    highest: u8,
    /// The highest layer that the line carries, as far as its loss tells.
    most: u8,
    calm_since: Option<Instant>,
    lossy: u32,
    patience: Duration,
}

impl LayerSwitch {
    pub(super) const fn new() -> Self {
        Self {
            available: LayerSet::EMPTY,
            size: Size::Large,
            current: None,
            since: 0,
            share: Share::Unknown,
            passing: u8::MAX,
            highest: 0,
            most: HIGHEST,
            calm_since: None,
            lossy: 0,
            patience: PATIENCE,
        }
    }

    /// The layers that the publisher sends now.
    pub(super) const fn offer(&mut self, available: LayerSet) {
        self.available = available;
    }

    /// How large the picture is shown.
    pub(super) const fn show(&mut self, size: Size) {
        self.size = size;
        if matches!(size, Size::Off) {
            self.current = None;
        }
    }

    /// What the line carries of the picture from now on; `None`: nothing.
    pub(super) fn give(&mut self, portion: Option<Portion>) {
        self.share = portion.map_or(Share::Nothing, Share::Portion);
        if portion.is_none() {
            self.current = None;
        }
    }

    /// Nobody measures the line: its loss decides.
    pub(super) const fn give_unknown(&mut self) {
        self.share = Share::Unknown;
    }

    /// The layers that the picture could use, by how large it is shown.
    pub(super) fn claims(&self) -> LayerSet {
        let lowest = (0..=HIGHEST).map(Layer).find(|layer| self.available.contains(*layer));
        match self.size {
            Size::Off => LayerSet::EMPTY,
            Size::Small => lowest.map_or(LayerSet::EMPTY, LayerSet::only),
            Size::Large => self.available,
        }
    }

    /// The highest temporal layer that there is.
    pub(super) const fn highest_temporal(&self) -> u8 {
        self.highest
    }

    /// Whatever comes next begins anew.
    pub(super) const fn restart(&mut self) {
        self.current = None;
    }

    /// The layer to be on.
    pub(super) fn target(&self) -> Option<Layer> {
        let most = match self.share {
            Share::Unknown => self.most,
            Share::Nothing => return None,
            Share::Portion(portion) => portion.layer.0,
        };
        let mut layers = (0..=HIGHEST).map(Layer).filter(|layer| self.available.contains(*layer));
        match self.size {
            Size::Off => None,
            Size::Small => layers.next(),
            Size::Large => {
                let lowest = layers.clone().next();
                layers.rfind(|layer| layer.0 <= most).or(lowest)
            }
        }
    }

    /// The layer that a key frame is needed of.
    pub(super) fn needs_key(&self) -> Option<Layer> {
        self.target().filter(|target| self.current != Some(*target))
    }

    /// The layer that goes out.
    pub(super) const fn current(&self) -> Option<Layer> {
        self.current
    }

    /// What the router is to hand over.
    pub(super) fn wanted(&self) -> LayerSet {
        let set = |layer: Option<Layer>| layer.map_or(LayerSet::EMPTY, LayerSet::only);
        set(self.current).union(set(self.target()))
    }

    /// Judges a packet.
    pub(super) fn judge(&mut self, packet: &Packet) -> Verdict {
        if self.current == Some(packet.layer) {
            return match packet.index >= self.since {
                true if self.passes(packet) => Verdict::Forward,
                true => Verdict::Skip,
                false => Verdict::Drop,
            };
        }
        if self.target() == Some(packet.layer) && packet.key && packet.frame_start {
            self.current = Some(packet.layer);
            self.since = packet.index;
            (self.passing, self.highest) = (self.may_pass(), 0);
            return Verdict::Switch;
        }
        Verdict::Drop
    }

    /// True when the packet's frame is not left out. That changes only where a frame begins, and upwards only where one may
    /// begin with the temporal layer.
    fn passes(&mut self, packet: &Packet) -> bool {
        let temporal = packet.temporal;
        self.highest = self.highest.max(temporal.id);
        if packet.frame_start {
            let may = self.may_pass();
            self.passing = match temporal.id {
                0 if packet.key => may,
                id if id <= may && temporal.sync => self.passing.max(id),
                _ => self.passing.min(may),
            };
        }
        temporal.id <= self.passing
    }

    const fn may_pass(&self) -> u8 {
        match self.share {
            Share::Portion(portion) if portion.temporal < self.highest => portion.temporal,
            Share::Unknown | Share::Nothing | Share::Portion(_) => u8::MAX,
        }
    }

    /// Without an estimate of the line: the client reported that `loss` of the packets, 0.0 to 1.0, did not come.
    pub(super) fn report(&mut self, now: Instant, loss: f32) {
        if loss > TOO_MUCH {
            self.calm_since = None;
            self.lossy += 1;
            if self.lossy >= REPORTS
                && let Some(current) = self.current
            {
                self.lossy = 0;
                self.most = current.0.saturating_sub(1);
                self.patience = (self.patience * 2).min(MOST_PATIENCE);
            }
            return;
        }
        self.lossy = 0;
        if loss > LITTLE {
            self.calm_since = None;
            return;
        }
        let calm = now.saturating_duration_since(*self.calm_since.get_or_insert(now));
        if calm >= self.patience && self.most < HIGHEST {
            self.most += 1;
            self.calm_since = None;
        }
    }
}

const HIGHEST: u8 = Layer::LIMIT as u8 - 1;
/// Loss at which a lower layer is better.
const TOO_MUCH: f32 = 0.10;
/// Loss at which a higher layer may be tried.
const LITTLE: f32 = 0.02;
/// Reports in a row that show too much loss before it counts.
const REPORTS: u32 = 2;
/// How long a line must be calm before more is tried; doubled by every failure.
const PATIENCE: Duration = Duration::from_secs(4);
const MOST_PATIENCE: Duration = Duration::from_secs(64);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_config::Timestamp;

    use super::*;

    fn packet(layer: u8, index: u64, key: bool) -> Packet {
        Packet {
            index,
            layer: Layer(layer),
            media_time: 0,
            captured: Timestamp(0),
            frame_start: true,
            frame_end: true,
            key,
            generation: 0,
            temporal: Default::default(),
            level: None,
            payload: Bytes::from_static(b"x"),
        }
    }

    fn on_three_layers() -> LayerSwitch {
        let mut switch = LayerSwitch::new();
        switch.offer(LayerSet(0b111));
        assert_eq!(switch.judge(&packet(2, 10, true)), Verdict::Switch);
        switch
    }

    #[test]
    fn a_large_picture_gets_the_highest_layer_and_begins_at_a_key_frame() {
        let mut switch = LayerSwitch::new();
        switch.offer(LayerSet(0b111));
        assert_eq!(switch.needs_key(), Some(Layer(2)));
        assert_eq!(switch.judge(&packet(2, 9, false)), Verdict::Drop);
        assert_eq!(switch.judge(&packet(0, 5, true)), Verdict::Drop);
        assert_eq!(switch.judge(&packet(2, 10, true)), Verdict::Switch);
        assert_eq!(switch.judge(&packet(2, 11, false)), Verdict::Forward);
        assert_eq!(switch.judge(&packet(2, 9, false)), Verdict::Drop);
        assert_eq!((switch.needs_key(), switch.wanted()), (None, LayerSet(0b100)));
    }

    #[test]
    fn the_old_layer_goes_on_until_the_new_one_has_a_key_frame() {
        let mut switch = on_three_layers();
        switch.show(Size::Small);
        assert_eq!((switch.needs_key(), switch.wanted()), (Some(Layer(0)), LayerSet(0b101)));
        assert_eq!(switch.judge(&packet(0, 70, false)), Verdict::Drop);
        assert_eq!(switch.judge(&packet(2, 11, false)), Verdict::Forward);
        assert_eq!(switch.judge(&packet(0, 71, true)), Verdict::Switch);
        assert_eq!(switch.judge(&packet(2, 12, true)), Verdict::Drop);
        assert_eq!(switch.wanted(), LayerSet(0b001));
    }

    #[test]
    fn a_hidden_picture_gets_nothing() {
        let mut switch = on_three_layers();
        switch.show(Size::Off);
        assert_eq!((switch.wanted(), switch.needs_key()), (LayerSet::EMPTY, None));
        assert_eq!(switch.judge(&packet(2, 11, true)), Verdict::Drop);
    }

    #[test]
    fn a_layer_that_the_publisher_stopped_is_left() {
        let mut switch = on_three_layers();
        switch.offer(LayerSet(0b011));
        assert_eq!(switch.needs_key(), Some(Layer(1)));
        assert_eq!(switch.judge(&packet(1, 3, true)), Verdict::Switch);
    }

    #[test]
    fn lasting_loss_leads_down_and_a_calm_line_up_again_with_growing_patience() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut switch = on_three_layers();
        switch.report(at(0), 0.3);
        assert_eq!(switch.target(), Some(Layer(2)), "one report is chance");
        switch.report(at(1), 0.3);
        assert_eq!(switch.target(), Some(Layer(1)));
        let up = (2..).find(|second| {
            switch.report(at(*second), 0.0);
            switch.target() == Some(Layer(2))
        });
        assert_eq!(up, Some(10));
        switch.report(at(11), 0.3);
        switch.report(at(12), 0.3);
        let again = (13..).find(|second| {
            switch.report(at(*second), 0.0);
            switch.target() == Some(Layer(2))
        });
        assert_eq!(again, Some(29));
    }
}
