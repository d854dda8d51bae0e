//! RTCP (RFC 3550, RFC 4585, RFC 5104): compound packets are read in place, one report at a time, and written through `rtc-rtcp`.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hearing_config::Timestamp;
use rtc_rtcp::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};

use super::clock::{compact, compact_span, ntp};

/// One report of a compound packet; those that nobody here needs are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report<'a> {
    /// A sender's time: its NTP clock and what its RTP clock showed then.
    Sender { ssrc: u32, ntp: u64, rtp: u32 },
    /// How a source of ours is received.
    Reception(Reception),
    /// Packets of a source of ours that the peer misses: pairs of a number and a map of the 16 after it.
    Nack { media: u32, pairs: &'a [u8] },
    /// When packets of ours came, by transport-wide number; without the packet's first four bytes.
    Transport(&'a [u8]),
    /// The peer needs a key frame of a source of ours.
    KeyFrame { media: u32 },
    /// A source of the peer ends.
    Goodbye { ssrc: u32 },
}

/// A reception report block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reception {
    pub(super) media: u32,
    /// Lost since the report before, in 1/256.
    pub(super) fraction: u8,
    /// The middle of the NTP time of the sender report seen last; 0 when none was.
    pub(super) last_report: u32,
    /// Since that report came in, in 1/65536 s.
    pub(super) delay: u32,
}

impl Reception {
    /// From its echo of our last sender report (RFC 3550 section 6.4.1); `wall` is now.
    pub(super) fn round_trip(&self, wall: Timestamp) -> Option<Duration> {
        if self.last_report == 0 {
            return None;
        }
        let passed = compact(ntp(wall)).wrapping_sub(self.last_report).wrapping_sub(self.delay);
        let rtt = compact_span(passed);
        (rtt < LONGEST_TRIP).then_some(rtt)
    }
}

/// Calls `each` with the reports of a compound packet; false when it is malformed, after what was read until there.
pub(super) fn read<'a>(mut rest: &'a [u8], mut each: impl FnMut(Report<'a>)) -> bool {
    while !rest.is_empty() {
        let Some(head) = rest.first_chunk::<4>() else { return false };
        let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[0] >> 6 != 2 || rest.len() < len {
            return false;
        }
        one(head[1], head[0] & 0x1f, &rest[4..len], &mut each);
        rest = &rest[len..];
    }
    true
}

/// The sequence numbers of a NACK's pairs.
pub(super) fn missing(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.chunks_exact(4).flat_map(|pair| {
        let first = u16::from_be_bytes([pair[0], pair[1]]);
        let map = u16::from_be_bytes([pair[2], pair[3]]);
        let after = (0..16).filter(move |bit| map >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
        std::iter::once(first).chain(after)
    })
}

fn one<'a>(kind: u8, count: u8, body: &'a [u8], each: &mut impl FnMut(Report<'a>)) {
    match (kind, count) {
        (SENDER, _) => {
            if let (Some(ssrc), Some(high), Some(low), Some(rtp)) =
                (u32_at(body, 0), u32_at(body, 4), u32_at(body, 8), u32_at(body, 12))
            {
                each(Report::Sender { ssrc, ntp: u64::from(high) << 32 | u64::from(low), rtp });
                receptions(count, body.get(24..).unwrap_or_default(), each);
            }
        }
        (RECEIVER, _) => receptions(count, body.get(4..).unwrap_or_default(), each),
        (GOODBYE, _) => {
            (0..usize::from(count)).map_while(|n| u32_at(body, 4 * n)).for_each(|ssrc| each(Report::Goodbye { ssrc }));
        }
        (TRANSPORT_FEEDBACK, NACK) => {
            if let (Some(media), Some(pairs)) = (u32_at(body, 4), body.get(8..)) {
                each(Report::Nack { media, pairs });
            }
        }
        (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => each(Report::Transport(body)),
        (PAYLOAD_FEEDBACK, PLI) => {
            if let Some(media) = u32_at(body, 4) {
                each(Report::KeyFrame { media });
            }
        }
        (PAYLOAD_FEEDBACK, FIR) => {
            let entries = body.get(8..).unwrap_or_default().chunks_exact(8);
            entries.filter_map(|entry| u32_at(entry, 0)).for_each(|media| each(Report::KeyFrame { media }));
        }
        _ => {}
    }
}

fn receptions<'a>(count: u8, blocks: &[u8], each: &mut impl FnMut(Report<'a>)) {
    for block in blocks.chunks_exact(24).take(usize::from(count)) {
        if let (Some(media), Some(last_report), Some(delay)) = (u32_at(block, 0), u32_at(block, 16), u32_at(block, 20))
        {
            each(Report::Reception(Reception { media, fraction: block[4], last_report, delay }));
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// A request to send `missing` again.
pub(super) fn nack(sender_ssrc: u32, media_ssrc: u32, missing: &[u16]) -> Box<dyn Packet> {
    Box::new(TransportLayerNack { sender_ssrc, media_ssrc, nacks: nack_pairs_from_sequence_numbers(missing) })
}

/// A request for a key frame.
pub(super) fn key_frame(sender_ssrc: u32, media_ssrc: u32, fir: Option<u8>) -> Box<dyn Packet> {
    match fir {
        None => Box::new(PictureLossIndication { sender_ssrc, media_ssrc }),
        Some(sequence_number) => Box::new(FullIntraRequest {
            sender_ssrc,
            media_ssrc: 0,
            fir: vec![FirEntry { ssrc: media_ssrc, sequence_number }],
        }),
    }
}

/// The canonical name of a source.
pub(super) fn cname(source: u32, name: String) -> Box<dyn Packet> {
    let item = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: Bytes::from(name) };
    Box::new(SourceDescription { chunks: vec![SourceDescriptionChunk { source, items: vec![item] }] })
}

/// One compound packet; `None` when it cannot be written, which only too many reports can cause.
pub(super) fn write(packets: &[Box<dyn Packet>]) -> Option<BytesMut> {
    rtc_rtcp::packet::marshal(packets).ok()
}

/// A longer one is an echo of something else.
const LONGEST_TRIP: Duration = Duration::from_secs(10);
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc_rtcp::reception_report::ReceptionReport;
    use rtc_rtcp::sender_report::SenderReport;

    use super::*;

    fn all(bytes: &[u8]) -> (Vec<Report<'_>>, bool) {
        let mut reports = Vec::new();
        let whole = read(bytes, |report| reports.push(report));
        (reports, whole)
    }

    #[test]
    fn a_compound_packet_is_read_report_by_report() {
        let block =
            ReceptionReport { ssrc: 9, fraction_lost: 64, last_sender_report: 5, delay: 6, ..Default::default() };
        let sender = SenderReport { ssrc: 1, ntp_time: 77, rtp_time: 8, reports: vec![block], ..Default::default() };
        let bytes = write(&[
            Box::new(sender),
            cname(1, "seat1".to_owned()),
            nack(1, 2, &[10, 12, 40]),
            key_frame(1, 3, None),
            key_frame(1, 4, Some(7)),
        ]);
        let bytes = bytes.unwrap();
        let (reports, whole) = all(&bytes);
        assert!(whole);
        assert_eq!(reports[0], Report::Sender { ssrc: 1, ntp: 77, rtp: 8 });
        let reception = Reception { media: 9, fraction: 64, last_report: 5, delay: 6 };
        assert_eq!(reports[1], Report::Reception(reception));
        let Report::Nack { media: 2, pairs } = reports[2] else { panic!("{reports:?}") };
        assert_eq!(missing(pairs).collect::<Vec<_>>(), [10, 12, 40]);
        assert_eq!(reports[3..], [Report::KeyFrame { media: 3 }, Report::KeyFrame { media: 4 }]);
    }

    #[test]
    fn what_comes_before_a_malformed_report_is_used() {
        let mut bytes = write(&[key_frame(1, 3, None)]).unwrap();
        bytes.extend_from_slice(&[0x80, 200, 0, 9]);
        assert_eq!(all(&bytes), (vec![Report::KeyFrame { media: 3 }], false));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 200_u8..208) {
            if bytes.len() > 4 {
                let words = ((bytes.len() - 4) / 4) as u16;
                bytes[0] = bytes[0] & 0x3f | 0x80;
                bytes[1] = kind;
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
            }
            for report in all(&bytes).0 {
                if let Report::Nack { pairs, .. } = report {
                    prop_assert!(missing(pairs).count() <= bytes.len() * 5);
                }
            }
        }
    }
}
