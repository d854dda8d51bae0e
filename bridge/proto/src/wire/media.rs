//! One frame of media as it stands in one datagram or one unidirectional stream: a head in postcard, then every packet's
//! payload after its length (big-endian u16).

use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};

use super::codec::Error;

/// The most bytes that one frame may have on the wire.
pub const MAX_FRAME: usize = 1 << 20;

/// The most packets that one frame may have.
pub const MAX_PACKETS: usize = 1_024;

/// The most bytes that one packet's payload may have.
pub const MAX_PAYLOAD: usize = 1_400;

/// What is known of a frame besides its payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHead {
    /// The number that `TrackUp` gave to the track.
    pub flow: u32,
    /// The simulcast layer, 0 to 3.
    pub layer: u8,
    /// Counts the frames of this flow and layer that were sent over this connection, from 0: a gap means that one is late or lost.
    pub number: u64,
    /// The first packet's place in the order of its layer; the others follow without a gap.
    pub index: u64,
    /// Media time in ticks of the codec's clock.
    pub media_time: i64,
    /// When it was captured, microseconds since 1970, by the clock of the node where it entered.
    pub captured: i64,
    /// True when it can be decoded without earlier frames.
    pub key: bool,
    /// The generation of the codec's parameters.
    pub generation: u32,
    /// The temporal layer, 0 to 3, and 4 more when a receiver may begin with it here.
    pub temporal: u8,
    /// Loudness, 0 to 127 in -dBov.
    pub level: Option<u8>,
}

/// The frame as it is sent. Fails when it has no packet, or more or larger ones than it may have.
pub fn encode_frame(head: &FrameHead, payloads: &[Bytes]) -> Result<Bytes, Error> {
    check_count(payloads.len())?;
    let total: usize = payloads.iter().map(|payload| payload.len() + 2).sum();
    let mut out = Vec::with_capacity(total + 64);
    out = postcard::to_extend(head, out).map_err(|_| Error::Frame("head"))?;
    for payload in payloads {
        let length = u16::try_from(payload.len()).map_err(|_| Error::Frame("payload too large"))?;
        check_payload(payload.len())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
    }
    if out.len() > MAX_FRAME { Err(Error::Frame("frame too large")) } else { Ok(out.into()) }
}

/// The frame that a peer sent. The payloads share `bytes`.
pub fn decode_frame(bytes: &Bytes) -> Result<(FrameHead, Vec<Bytes>), Error> {
    if bytes.len() > MAX_FRAME {
        return Err(Error::Frame("frame too large"));
    }
    let (head, rest) = postcard::take_from_bytes::<FrameHead>(bytes).map_err(|_| Error::Frame("head"))?;
    check_head(&head)?;
    let payloads = split(bytes.slice(bytes.len() - rest.len()..))?;
    check_count(payloads.len())?;
    match head.index.checked_add(payloads.len() as u64) {
        Some(_) => Ok((head, payloads)),
        None => Err(Error::Frame("index")),
    }
}

fn split(mut rest: Bytes) -> Result<Vec<Bytes>, Error> {
    let mut payloads = Vec::new();
    while !rest.is_empty() && payloads.len() <= MAX_PACKETS {
        if rest.len() < 2 {
            return Err(Error::Frame("length cut off"));
        }
        let length = usize::from(rest.get_u16());
        check_payload(length)?;
        if rest.len() < length {
            return Err(Error::Frame("payload cut off"));
        }
        payloads.push(rest.split_to(length));
    }
    Ok(payloads)
}

const fn check_head(head: &FrameHead) -> Result<(), Error> {
    match (head.layer, head.temporal, head.level) {
        (4.., ..) => Err(Error::Frame("layer")),
        (_, 8.., _) => Err(Error::Frame("temporal layer")),
        (.., Some(128..)) => Err(Error::Frame("level")),
        (0..4, 0..8, _) => Ok(()),
    }
}

const fn check_count(packets: usize) -> Result<(), Error> {
    match packets {
        0 => Err(Error::Frame("no packet")),
        1..=MAX_PACKETS => Ok(()),
        _ => Err(Error::Frame("too many packets")),
    }
}

const fn check_payload(bytes: usize) -> Result<(), Error> {
    match bytes {
        0 => Err(Error::Frame("empty payload")),
        1..=MAX_PAYLOAD => Ok(()),
        _ => Err(Error::Frame("payload too large")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: FrameHead = FrameHead {
        flow: 300,
        layer: 1,
        number: 9,
        index: 1 << 40,
        media_time: -90_000,
        captured: 1_763_892_000_000_000,
        key: true,
        generation: 2,
        temporal: 5,
        level: Some(30),
    };

    #[test]
    fn a_sound_packet_of_1150_bytes_and_its_head_fit_a_datagram_of_1200() {
        let frame = encode_frame(&HEAD, &[Bytes::from(vec![7; 1_150])]).unwrap();
        assert!(frame.len() <= 1_200, "{}", frame.len());
    }

    #[test]
    fn frames_without_packets_or_with_too_large_ones_are_not_sent() {
        assert_eq!(encode_frame(&HEAD, &[]), Err(Error::Frame("no packet")));
        assert_eq!(encode_frame(&HEAD, &[Bytes::new()]), Err(Error::Frame("empty payload")));
        let large = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
        assert_eq!(encode_frame(&HEAD, &[large]), Err(Error::Frame("payload too large")));
    }

    #[test]
    fn a_fifth_layer_and_a_level_out_of_range_are_refused() {
        let layer = encode_frame(&FrameHead { layer: 4, ..HEAD }, &[Bytes::from_static(b"x")]).unwrap();
        assert_eq!(decode_frame(&layer), Err(Error::Frame("layer")));
        let level = encode_frame(&FrameHead { level: Some(128), ..HEAD }, &[Bytes::from_static(b"x")]).unwrap();
        assert_eq!(decode_frame(&level), Err(Error::Frame("level")));
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused() {
        let whole = encode_frame(&HEAD, &[Bytes::from_static(b"abc"), Bytes::from_static(b"defg")]).unwrap();
        let first_end = whole.len() - 6;
        for end in (0..whole.len()).filter(|end| *end != first_end) {
            assert!(decode_frame(&whole.slice(..end)).is_err(), "cut at {end}");
        }
    }

    fn any_head() -> impl Strategy<Value = FrameHead> {
        let numbers = (any::<u32>(), 0..4u8, any::<u64>(), 0..u64::MAX / 2, any::<i64>(), any::<i64>());
        (numbers, any::<bool>(), any::<u32>(), 0..8u8, proptest::option::of(0..128u8)).prop_map(
            |((flow, layer, number, index, media_time, captured), key, generation, temporal, level)| FrameHead {
                flow,
                layer,
                number,
                index,
                media_time,
                captured,
                key,
                generation,
                temporal,
                level,
            },
        )
    }

    proptest! {
        #[test]
        fn every_frame_comes_out_as_it_went_in(
            head in any_head(),
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..MAX_PAYLOAD), 1..20),
        ) {
            let payloads: Vec<Bytes> = payloads.into_iter().map(Bytes::from).collect();
            let wire = encode_frame(&head, &payloads).unwrap();
            prop_assert_eq!(decode_frame(&wire), Ok((head, payloads)));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
            let _ = decode_frame(&bytes.into());
        }
    }
}
