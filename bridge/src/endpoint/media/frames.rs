//! Where frames of one source begin and end, and which are key frames.

use bytes::Bytes;
use hearing_config::Codec;
use hearing_proto::payload::{h264, vp8};

use crate::router::Temporal;

/// What is known of a packet's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint) struct Piece {
    pub(in crate::endpoint) frame_start: bool,
    pub(in crate::endpoint) frame_end: bool,
    pub(in crate::endpoint) key: bool,
    pub(in crate::endpoint) generation: u32,
    pub(in crate::endpoint) temporal: Temporal,
    /// The payload as it goes on: without a VP8 descriptor.
    pub(in crate::endpoint) payload: Bytes,
}

/// Watches the frames of one source.
#[derive(Debug)]
pub(in crate::endpoint) struct Frames {
    codec: Codec,
    key_time: Option<i64>,
    parameters: Vec<u8>,
    generation: u32,
    /// (sequence number, time) of the last packets, by the number's remainder.
    recent: [(i64, i64); MEMORY],
}

impl Frames {
    pub(in crate::endpoint) const fn new(codec: Codec) -> Self {
        let nothing = (i64::MIN, i64::MIN);
        Self { codec, key_time: None, parameters: Vec::new(), generation: 0, recent: [nothing; MEMORY] }
    }

    /// Looks at a packet; `None` when its payload is malformed.
    pub(in crate::endpoint) fn look(
        &mut self,
        sequence: i64,
        time: i64,
        marker: bool,
        payload: Bytes,
    ) -> Option<Piece> {
        match self.codec {
            Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 => {
                let temporal = Temporal::default();
                Some(Piece { frame_start: true, frame_end: true, key: true, generation: 0, temporal, payload })
            }
            Codec::Vp8 => self.vp8(time, marker, &payload),
            Codec::H264 => self.h264(sequence, time, marker, payload),
            Codec::H265 | Codec::Aac => None,
        }
    }

    fn vp8(&mut self, time: i64, frame_end: bool, packet: &Bytes) -> Option<Piece> {
        let descriptor = vp8::read(packet)?;
        let payload = packet.slice(descriptor.len..);
        if descriptor.key {
            // Width and height with scaling, after the frame tag and the start code (RFC 6386 section 9.1).
            self.learn(time, payload.get(6..10));
        }
        let (key, generation) = (self.key_time == Some(time), self.generation);
        let temporal = Temporal { id: descriptor.temporal, sync: descriptor.sync };
        Some(Piece { frame_start: descriptor.frame_start, frame_end, key, generation, temporal, payload })
    }

    fn h264(&mut self, sequence: i64, time: i64, frame_end: bool, payload: Bytes) -> Option<Piece> {
        let glance = h264::glance(&payload)?;
        if glance.key {
            // Of the parameter sets the sequence's alone: encoders give pictures new numbers at every key frame.
            self.learn(time, glance.parameters.map(|range| &payload[range]));
        }
        let frame_start = match self.time_of(sequence - 1) {
            Some(before) => before != time,
            None => glance.may_start && !self.recent.iter().any(|(s, t)| *t == time && *s < sequence),
        };
        self.recent[sequence.rem_euclid(MEMORY as i64) as usize] = (sequence, time);
        let (key, generation, temporal) = (self.key_time == Some(time), self.generation, Temporal::default());
        Some(Piece { frame_start, frame_end, key, generation, temporal, payload })
    }

    fn learn(&mut self, time: i64, parameters: Option<&[u8]>) {
        self.key_time = Some(self.key_time.map_or(time, |known| known.max(time)));
        if let Some(parameters) = parameters
            && self.parameters != parameters
        {
            self.generation += u32::from(!self.parameters.is_empty());
            self.parameters = parameters.to_vec();
        }
    }

    fn time_of(&self, sequence: i64) -> Option<i64> {
        let (known, time) = self.recent[sequence.rem_euclid(MEMORY as i64) as usize];
        (known == sequence).then_some(time)
    }
}

const MEMORY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn vp8_packet(start: bool, rest: &[u8]) -> Bytes {
        let mut packet = vec![if start { 0x10 } else { 0 }];
        packet.extend_from_slice(rest);
        packet.into()
    }

    #[test]
    fn a_vp8_key_frame_is_key_to_its_last_packet_and_no_further() {
        let mut frames = Frames::new(Codec::Vp8);
        let head = [0, 0, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0];
        let first = frames.look(1, 90, false, vp8_packet(true, &head)).unwrap();
        let last = frames.look(2, 90, true, vp8_packet(false, &[7])).unwrap();
        let delta = frames.look(3, 180, true, vp8_packet(true, &[1])).unwrap();
        assert_eq!((first.frame_start, first.frame_end, first.key), (true, false, true));
        assert_eq!((last.frame_start, last.frame_end, last.key), (false, true, true));
        assert_eq!((delta.frame_start, delta.frame_end, delta.key), (true, true, false));
        assert_eq!(&first.payload[..], head);
    }

    #[test]
    fn another_picture_size_is_another_generation() {
        let mut frames = Frames::new(Codec::Vp8);
        let mut generation = |time, width| {
            frames
                .look(1, time, true, vp8_packet(true, &[0, 0, 0, 0x9d, 1, 0x2a, width, 1, 180, 0]))
                .unwrap()
                .generation
        };
        assert_eq!([generation(0, 64), generation(1, 64), generation(2, 32)], [0, 0, 1]);
    }

    #[test]
    fn an_h264_frame_begins_where_the_time_changes() {
        let mut frames = Frames::new(Codec::H264);
        let parameters = Bytes::from_static(&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce]);
        let idr = Bytes::from_static(&[0x65, 0x88]);
        let delta = Bytes::from_static(&[0x41, 0x9a]);
        let starts = [
            frames.look(1, 90, false, parameters).unwrap().frame_start,
            frames.look(2, 90, true, idr).unwrap().frame_start,
            frames.look(3, 180, true, delta.clone()).unwrap().frame_start,
            // 4 was lost; 5 is the first slice of another picture.
            frames.look(5, 360, true, delta).unwrap().frame_start,
        ];
        assert_eq!(starts, [true, false, true, true]);
    }

    #[test]
    fn another_sequence_parameter_set_is_another_generation_and_another_picture_set_is_not() {
        let mut frames = Frames::new(Codec::H264);
        let mut generation = |time, sequence, picture| {
            let payload = Bytes::copy_from_slice(&[0x78, 0, 2, 0x67, sequence, 0, 2, 0x68, picture]);
            frames.look(time, time, false, payload).unwrap().generation
        };
        assert_eq!([generation(1, 1, 1), generation(2, 1, 2), generation(3, 2, 3)], [0, 0, 1]);
    }

    #[test]
    fn malformed_payloads_are_refused() {
        assert_eq!(Frames::new(Codec::Vp8).look(1, 1, true, Bytes::from_static(&[0x90])), None);
        assert_eq!(Frames::new(Codec::H264).look(1, 1, true, Bytes::from_static(&[0x7c])), None);
    }
}
