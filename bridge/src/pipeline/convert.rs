//! From the router's frames to a child's and back.

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use hearing_proto::child::{self, Coded};
use hearing_proto::depacketize::{self, Framing};
use hearing_proto::packetize;

use crate::router::proto::format;
use crate::router::{Frame, Layer, Packet};

/// How children call a codec.
pub(crate) const fn codec(codec: Codec) -> child::Codec {
    match codec {
        Codec::Opus => child::Codec::Opus,
        Codec::Pcma => child::Codec::Pcma,
        Codec::Pcmu => child::Codec::Pcmu,
        Codec::G722 => child::Codec::G722,
        Codec::Aac => child::Codec::Aac,
        Codec::Vp8 => child::Codec::Vp8,
        Codec::H264 => child::Codec::H264,
        Codec::H265 => child::Codec::H265,
    }
}

/// The places of a child's streams: microseconds since a little before the first frame, for encoders count in small numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeline(Option<i64>);

impl Timeline {
    /// Where what was captured then belongs; frames from before the first get the first place.
    pub(crate) fn place(&mut self, captured: Timestamp) -> i64 {
        let zero = *self.0.get_or_insert(captured.0 - MARGIN);
        (captured.0 - zero).max(0)
    }

    /// When what stands there was captured; `None` before the first frame.
    pub(crate) fn captured(&self, pts: i64) -> Option<Timestamp> {
        self.0.map(|zero| Timestamp(zero + pts))
    }
}

/// A frame as a child takes it; `None` when its payloads make none.
pub(crate) fn coded(of: Codec, stream: u16, pts: i64, frame: &Frame) -> Option<Coded> {
    let payloads = frame.packets.iter().map(|packet| &packet.payload[..]);
    let bytes = depacketize::frame(format(of), Framing::AnnexB, payloads).ok()?;
    Some(Coded { stream, pts, key: frame.head().key, bytes: bytes.into() })
}

/// Makes a child's frames into the router's.
#[derive(Debug)]
pub(crate) struct Packer {
    codec: Codec,
    index: u64,
    /// The loudness of the sound that was last taken in.
    pub(crate) level: Option<u8>,
}

impl Packer {
    pub(crate) const fn new(codec: Codec) -> Self {
        Self { codec, index: 1, level: None }
    }

    /// The frame that was captured then; `None` when it is empty.
    pub(crate) fn pack(&mut self, captured: Timestamp, coded: &Coded) -> Option<Frame> {
        let payloads = packetize::payloads(format(self.codec), &coded.bytes);
        let last = payloads.len().checked_sub(1)?;
        // Ticks of the codec's clock; both factors fit for thousands of years.
        let media_time = captured.0 / 1_000 * i64::from(self.codec.clock_rate()) / 1_000
            + captured.0 % 1_000 * i64::from(self.codec.clock_rate()) / 1_000_000;
        let packet = |(n, payload): (usize, Bytes)| Packet {
            index: self.index + n as u64,
            layer: Layer(0),
            media_time,
            captured,
            frame_start: n == 0,
            frame_end: n == last,
            key: coded.key,
            generation: 0,
            temporal: Default::default(),
            level: self.level,
            payload,
        };
        let packets: Vec<Packet> = payloads.into_iter().enumerate().map(packet).collect();
        self.index += packets.len() as u64;
        Some(Frame { packets })
    }
}

/// One second.
const MARGIN: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_packed_is_unpacked_as_it_was() {
        let stream = [&[0, 0, 0, 1, 0x67, 1, 2, 3][..], &[0, 0, 0, 1, 0x65], &[7; 5_000]].concat();
        let mut packer = Packer::new(Codec::H264);
        let coded_in = Coded { stream: 0, pts: 40, key: true, bytes: stream.into() };
        let frame = packer.pack(Timestamp(2_000_000), &coded_in).unwrap();
        assert!(frame.packets.len() > 4 && frame.packets.iter().all(|packet| packet.payload.len() <= 1_200));
        assert_eq!(frame.head().media_time, 180_000);
        assert_eq!(coded(Codec::H264, 0, 40, &frame), Some(coded_in));
        let next = packer.pack(Timestamp(2_040_000), &Coded { stream: 0, pts: 0, key: false, bytes: vec![1].into() });
        assert_eq!(next.map(|next| next.head().index), None, "one byte is no access unit");
    }

    #[test]
    fn places_and_captures_are_the_same_times() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.captured(0), None);
        let place = timeline.place(Timestamp(50_000_000));
        assert_eq!((place, timeline.captured(place)), (1_000_000, Some(Timestamp(50_000_000))));
        assert_eq!(timeline.place(Timestamp(0)), 0);
    }
}
