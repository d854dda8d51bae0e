//! The one unit inside a node. No SSRC, payload type, sequence number or header extension gets past an endpoint.

use bytes::Bytes;
use hearing_config::Timestamp;

/// A piece of one frame of one layer of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Place in the order of its layer, without gaps at the origin: a gap means loss. Starts anywhere, never repeats.
    pub index: u64,
    /// The simulcast layer, 0 the smallest.
    pub layer: Layer,
    /// Media time in ticks of the codec's clock, unwrapped, on one time line for all layers of the track.
    pub media_time: i64,
    /// When it was captured, by this node's clock (trunks put it there); sound and picture of a seat share the time line.
    pub captured: Timestamp,
    /// True for the first packet of a frame.
    pub frame_start: bool,
    /// True for the last packet of a frame.
    pub frame_end: bool,
    /// True for every packet of a frame that can be decoded without earlier ones. Sound: always.
    pub key: bool,
    /// Grows when codec parameters (picture size, parameter sets) change.
    pub generation: u32,
    /// Where its frame stands among those that may be left out.
    pub temporal: Temporal,
    /// Loudness of a sound packet, 0 (loudest) to 127 (silence), in -dBov (RFC 6464); `None` when not told.
    pub level: Option<u8>,
    /// The codec's payload. Opus and G.711: the frame. VP8: a piece of the frame without the payload descriptor.
    /// H.264 and H.265: an RTP payload (RFC 6184, RFC 7798): one NAL unit, an aggregation or a fragment. At most 1,200 bytes.
    pub payload: Bytes,
}

/// The packets of one whole frame, in order, none missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// At least one; the first has `frame_start`, the last `frame_end`.
    pub packets: Vec<Packet>,
}

impl Frame {
    /// The first packet, which stands for the frame's layer, times and key flag.
    #[must_use]
    pub fn head(&self) -> &Packet {
        &self.packets[0]
    }

    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.iter().map(|packet| packet.payload.len()).sum()
    }

    /// True when it carries no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A simulcast layer, 0 the smallest, at most 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Layer(pub u8);

impl Layer {
    /// The most layers a track may have.
    pub const LIMIT: usize = 4;
}

/// A temporal layer: frames of higher ones may be left out, and what remains still decodes, at a lower frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Temporal {
    /// 0 for the base, which everything needs; at most 3.
    pub id: u8,
    /// True when the frame needs no earlier one but those of the base: a receiver may begin with its layer here.
    pub sync: bool,
}

impl Temporal {
    /// As one number: the layer, and 4 more where one may begin with it.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.id & 3 | (self.sync as u8) << 2
    }

    /// From one number.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self { id: bits & 3, sync: bits & 4 != 0 }
    }
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerSet(pub u8);

impl LayerSet {
    /// No layer.
    pub const EMPTY: Self = Self(0);
    /// Every layer.
    pub const ALL: Self = Self(0b1111);

    /// Only `layer`.
    #[must_use]
    pub const fn only(layer: Layer) -> Self {
        Self(1 << (layer.0 & 3))
    }

    /// True when `layer` is in the set.
    #[must_use]
    pub const fn contains(self, layer: Layer) -> bool {
        self.0 & (1 << (layer.0 & 3)) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True when no layer is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
