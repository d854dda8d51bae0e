//! Frames from a receiver's RTP packets. Pure.

use bytes::Bytes;
use hearing_config::Codec;
use hearing_proto::child::{self, Coded};
use hearing_proto::payload::vp8;

/// Joins the packets of one stream; frames of which a packet is missing are dropped.
#[derive(Debug)]
pub(super) struct Assembly {
    stream: u16,
    codec: child::Codec,
    next: Option<u16>,
    time: Option<(u32, i64)>,
    frame: Vec<u8>,
    whole: bool,
}

/// What of an RTP packet matters here.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: &'a [u8],
}

impl Assembly {
    pub(super) const fn new(stream: u16, codec: child::Codec) -> Self {
        Self { stream, codec, next: None, time: None, frame: Vec::new(), whole: false }
    }

    /// The frame that this packet completes.
    pub(super) fn push(&mut self, piece: &Piece<'_>) -> Option<Coded> {
        let gap = self.next.is_some_and(|next| next != piece.sequence);
        if gap && self.is_old(piece.sequence) {
            return None;
        }
        self.next = Some(piece.sequence.wrapping_add(1));
        let pts = self.place(piece.timestamp);
        match self.codec {
            child::Codec::Opus => Some(self.coded(pts, true, Bytes::copy_from_slice(piece.payload))),
            child::Codec::Vp8 => self.vp8(piece, pts, gap),
            child::Codec::H264
            | child::Codec::H265
            | child::Codec::Pcma
            | child::Codec::Pcmu
            | child::Codec::G722
            | child::Codec::Aac => None,
        }
    }

    fn vp8(&mut self, piece: &Piece<'_>, pts: i64, gap: bool) -> Option<Coded> {
        let head = vp8::read(piece.payload)?;
        if head.frame_start {
            self.frame.clear();
            self.whole = true;
        } else if gap {
            self.whole = false;
        }
        self.frame.extend_from_slice(piece.payload.get(head.len..)?);
        if !piece.marker || !std::mem::take(&mut self.whole) {
            return None;
        }
        let frame = std::mem::take(&mut self.frame);
        // RFC 6386, section 9.1: the lowest bit of the first byte is 0 for key frames.
        let key = frame.first().is_some_and(|byte| byte & 1 == 0);
        Some(self.coded(pts, key, frame.into()))
    }

    /// A late or repeated packet, not one after a loss.
    fn is_old(&self, sequence: u16) -> bool {
        self.next.is_some_and(|next| sequence.wrapping_sub(next) > u16::MAX / 2)
    }

    /// The timestamp as microseconds from the stream's first packet.
    fn place(&mut self, timestamp: u32) -> i64 {
        let rate = match self.codec {
            child::Codec::Opus => Codec::Opus.clock_rate(),
            child::Codec::Vp8 => Codec::Vp8.clock_rate(),
            child::Codec::H264 | child::Codec::H265 => Codec::H264.clock_rate(),
            child::Codec::Pcma | child::Codec::Pcmu | child::Codec::G722 => Codec::Pcma.clock_rate(),
            // Clocks of AAC are its sampling rate.
            child::Codec::Aac => Codec::Opus.clock_rate(),
        };
        let (last, ticks) = self.time.unwrap_or((timestamp, 0));
        let ticks = ticks + i64::from(timestamp.wrapping_sub(last).cast_signed());
        self.time = Some((timestamp, ticks));
        ticks.saturating_mul(1_000_000) / i64::from(rate)
    }

    fn coded(&self, pts: i64, key: bool, bytes: Bytes) -> Coded {
        Coded { stream: self.stream, pts, key, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u8 = 0x10;

    fn push(
        assembly: &mut Assembly,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) -> Option<(i64, Vec<u8>)> {
        let frame = assembly.push(&Piece { sequence, timestamp, marker, payload });
        frame.map(|frame| (frame.pts, frame.bytes.to_vec()))
    }

    #[test]
    fn packets_become_frames_and_times_survive_a_wrap() {
        let mut vp8 = Assembly::new(0, child::Codec::Vp8);
        assert_eq!(push(&mut vp8, u16::MAX, u32::MAX - 8_999, false, &[START, 1, 2]), None);
        assert_eq!(push(&mut vp8, 0, u32::MAX - 8_999, true, &[0, 3]), Some((0, vec![1, 2, 3])));
        assert_eq!(push(&mut vp8, 1, 0, true, &[START, 4]), Some((100_000, vec![4])));
    }

    #[test]
    fn a_frame_with_a_missing_packet_is_dropped_and_the_next_is_whole() {
        let mut vp8 = Assembly::new(0, child::Codec::Vp8);
        push(&mut vp8, 1, 0, false, &[START, 1]);
        assert_eq!(push(&mut vp8, 3, 0, true, &[0, 3]), None);
        assert_eq!(push(&mut vp8, 4, 9_000, true, &[START, 4]), Some((100_000, vec![4])));
    }

    #[test]
    fn late_and_repeated_packets_change_nothing() {
        let mut opus = Assembly::new(0, child::Codec::Opus);
        assert_eq!(push(&mut opus, 7, 0, false, &[7]), Some((0, vec![7])));
        assert_eq!(push(&mut opus, 7, 0, false, &[7]), None);
        assert_eq!(push(&mut opus, 8, 960, false, &[8]), Some((20_000, vec![8])));
    }
}
