//! Payloads as a terminal takes them, and as a node carries them (RFC 6184).

use bytes::Bytes;
use hearing_config::Codec;

use super::sdp::Format;
use crate::router::Frame;

/// What goes into the packets of a frame; `None` when the peer could not take it: without packetization-mode 1 every NAL unit has
/// to fit into a packet (RFC 6184, section 6.2).
pub(super) fn payloads(frame: &Frame, format: &Format) -> Option<Vec<Bytes>> {
    let all = frame.packets.iter().map(|packet| packet.payload.clone());
    if format.codec != Codec::H264 || format.fragments {
        return Some(all.collect());
    }
    let mut units = Vec::new();
    for payload in all {
        match payload.first()? & 0x1f {
            1..=23 => units.push(payload),
            24 => units.extend(apart(&payload)?),
            _ => return None,
        }
    }
    Some(units)
}

/// The NAL units of an aggregation (RFC 6184, section 5.7.1).
fn apart(payload: &Bytes) -> Option<Vec<Bytes>> {
    let (mut units, mut at) = (Vec::new(), 1);
    while at < payload.len() {
        let length = usize::from(u16::from_be_bytes(payload.get(at..at + 2)?.try_into().ok()?));
        payload.get(at + 2..at + 2 + length)?;
        units.push(payload.slice(at + 2..at + 2 + length));
        at += 2 + length;
    }
    Some(units)
}

/// Payloads as large as they may be inside a node: larger NAL units and fragments of them are cut (RFC 6184, section 5.8).
pub(super) fn fit(payload: Bytes, codec: Codec) -> Vec<Bytes> {
    if payload.len() <= PAYLOAD_LIMIT || codec != Codec::H264 {
        return vec![payload];
    }
    let is_fragment = payload[0] & 0x1f == 28;
    let (indicator, kind, edges, body) = if is_fragment {
        (payload[0], payload[1] & 0x1f, payload[1] & 0xc0, payload.slice(2..))
    } else {
        (payload[0] & 0xe0 | 28, payload[0] & 0x1f, 0xc0, payload.slice(1..))
    };
    let parts: Vec<_> = body.chunks(PAYLOAD_LIMIT - 2).collect();
    let last = parts.len().saturating_sub(1);
    let part = |(n, part): (usize, &&[u8])| {
        let start = if n == 0 { edges & 0x80 } else { 0 };
        let end = if n == last { edges & 0x40 } else { 0 };
        Bytes::from([&[indicator, start | end | kind][..], part].concat())
    };
    parts.iter().enumerate().map(part).collect()
}

/// The largest payload inside a node, in bytes.
const PAYLOAD_LIMIT: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_too_large_becomes_fragments_and_a_fragment_smaller_ones() {
        let unit = Bytes::from([&[0x65][..], &[7; 3_000]].concat());
        let parts = fit(unit, Codec::H264);
        let heads: Vec<_> = parts.iter().map(|part| (part[0], part[1])).collect();
        assert_eq!(heads, [(0x7c, 0x85), (0x7c, 0x05), (0x7c, 0x45)]);
        let middle = Bytes::from([&[0x7c, 0x05][..], &[7; 1_400]].concat());
        assert!(fit(middle, Codec::H264).iter().all(|part| part[1] == 0x05 && part.len() <= PAYLOAD_LIMIT));
    }

    #[test]
    fn an_aggregation_is_taken_apart_and_a_broken_one_is_nothing() {
        let both = Bytes::from_static(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]);
        assert_eq!(apart(&both).unwrap(), [Bytes::from_static(&[0x67, 1]), Bytes::from_static(&[0x68])]);
        assert_eq!(apart(&Bytes::from_static(&[0x78, 0, 9, 0x67])), None);
    }
}
