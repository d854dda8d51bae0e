//! Frames in the words of our protocols: the head and payloads with which trunks and spools carry them, and the payload format of a
//! codec.

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use hearing_proto::depacketize::Format;
use hearing_proto::wire::FrameHead;

use super::packet::{Frame, Layer, Packet, Temporal};

/// The head of a frame, as the `number`th of its layer in a flow.
pub(crate) fn head(flow: u32, number: u64, frame: &Frame) -> FrameHead {
    let first = frame.head();
    FrameHead {
        flow,
        layer: first.layer.0,
        number,
        index: first.index,
        media_time: first.media_time,
        captured: first.captured.0,
        key: first.key,
        generation: first.generation,
        temporal: first.temporal.bits(),
        level: first.level.filter(|level| *level < 128),
    }
}

/// The head of a frame that was kept and belongs to no flow; none has the number 0.
pub(crate) fn head_of_kept(frame: &Frame) -> FrameHead {
    head(1, 0, frame)
}

/// The frame of a head and its payloads.
pub(crate) fn frame(head: &FrameHead, payloads: Vec<Bytes>) -> Frame {
    let last = payloads.len().saturating_sub(1);
    let packet = |(at, payload): (usize, Bytes)| Packet {
        index: head.index.saturating_add(at as u64),
        layer: Layer(head.layer),
        media_time: head.media_time,
        captured: Timestamp(head.captured),
        frame_start: at == 0,
        frame_end: at == last,
        key: head.key,
        generation: head.generation,
        temporal: Temporal::from_bits(head.temporal),
        level: head.level,
        payload,
    };
    Frame { packets: payloads.into_iter().enumerate().map(packet).collect() }
}

/// What a codec's payloads carry.
pub(crate) const fn format(codec: Codec) -> Format {
    match codec {
        Codec::Opus => Format::Opus,
        Codec::Pcma => Format::Pcma,
        Codec::Pcmu => Format::Pcmu,
        Codec::G722 => Format::G722,
        Codec::Aac => Format::Aac,
        Codec::Vp8 => Format::Vp8,
        Codec::H264 => Format::H264,
        Codec::H265 => Format::H265,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::packet;
    use super::*;

    #[test]
    fn a_frame_comes_back_from_its_head_and_payloads_as_it_was() {
        let first = Packet {
            layer: Layer(2),
            media_time: 90_000,
            captured: Timestamp(1_800_000_000_000_000),
            frame_end: false,
            key: false,
            generation: 3,
            temporal: Temporal::from_bits(0b110),
            level: Some(42),
            payload: Bytes::from_static(b"begin"),
            ..packet(7)
        };
        let last = Packet {
            index: 8,
            frame_start: false,
            frame_end: true,
            payload: Bytes::from_static(b"end"),
            ..first.clone()
        };
        let whole = Frame { packets: vec![first, last] };
        let head = head(5, 9, &whole);
        assert_eq!((head.flow, head.number), (5, 9));
        assert_eq!(frame(&head, vec![Bytes::from_static(b"begin"), Bytes::from_static(b"end")]), whole);
    }
}
