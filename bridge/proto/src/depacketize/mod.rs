//! From RTP payloads to whole frames.

mod bits;
pub mod framing;
pub mod h264;
pub mod h265;
mod unit;
pub mod vp8;

use crate::ps::Adts;

/// What RTP payloads carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Opus: one packet is one payload (RFC 7587).
    Opus,
    /// G.711 A-law: samples (RFC 3551).
    Pcma,
    /// G.711 mu-law: samples (RFC 3551).
    Pcmu,
    /// G.722: samples (RFC 3551).
    G722,
    /// AAC: a frame behind its ADTS header, in pieces. That is how nodes carry it; RFC 3640 has no such headers.
    Aac,
    /// VP8: pieces of a frame, payload descriptors taken off (RFC 7741).
    Vp8,
    /// H.264: NAL units, aggregations or fragments (RFC 6184, mode 1).
    H264,
    /// H.265: NAL units, aggregations or fragments, without decoding order numbers (RFC 7798).
    H265,
}

/// How NAL units are told apart in an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each behind its length, 4 bytes, big endian: as in Matroska and MP4.
    LengthPrefixed,
    /// Each behind the start code 00 00 00 01 (H.264 annex B).
    AnnexB,
}

/// The whole frame that `payloads` carry, in order and none missing. `framing` matters to codecs made of NAL units only.
///
/// # Errors
/// When the payloads are not what the RFC of the format allows, or make up more than [`FRAME_LIMIT`].
pub fn frame<'a>(
    format: Format,
    framing: Framing,
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Error> {
    match format {
        Format::Opus | Format::Pcma | Format::Pcmu | Format::G722 | Format::Vp8 => concatenate(payloads),
        Format::Aac => concatenate(payloads).and_then(one_block),
        Format::H264 => h264::access_unit(framing, payloads),
        Format::H265 => h265::access_unit(framing, payloads),
    }
}

fn concatenate<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    for payload in payloads {
        data.extend_from_slice(payload);
        if data.len() > FRAME_LIMIT {
            return Err(Error::TooLarge);
        }
    }
    if data.is_empty() { Err(Error::Empty) } else { Ok(data) }
}

/// One header, and behind it one raw data block of the length that it says.
fn one_block(frame: Vec<u8>) -> Result<Vec<u8>, Error> {
    let adts = Adts::read(&frame).filter(|adts| adts.len == frame.len() && frame[6] & 3 == 0);
    adts.map(|_| frame).ok_or(Error::Adts)
}

/// Why payloads make no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No payload at all.
    #[error("the frame carries no payload")]
    Empty,
    /// More than [`FRAME_LIMIT`].
    #[error("the frame is larger than {FRAME_LIMIT} bytes")]
    TooLarge,
    /// A payload ends before its own lengths say so.
    #[error("an RTP payload is cut short")]
    CutShort,
    /// A NAL unit type that the payload format doesn't know.
    #[error("NAL unit type {0} is not allowed in this RTP payload format")]
    NalType(u8),
    /// AAC without a header, or with more or less behind it than one frame.
    #[error("not one AAC frame behind one ADTS header")]
    Adts,
    /// A fragment without its beginning, or another payload before its end.
    #[error("a fragmented NAL unit lacks its beginning or its end")]
    Fragment,
}

/// The most bytes that a frame may have.
pub const FRAME_LIMIT: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vp8_pieces_are_joined_in_order() {
        let joined = frame(Format::Vp8, Framing::AnnexB, [&[1, 2][..], &[3][..]]);
        assert_eq!(joined, Ok(vec![1, 2, 3]));
    }

    #[test]
    fn aac_in_pieces_is_one_frame_and_without_its_header_none() {
        let whole = Adts::wrap([0x11, 0x88], &[7; 1_500]).unwrap();
        let joined = frame(Format::Aac, Framing::AnnexB, whole.chunks(1_200));
        assert_eq!(joined.as_ref(), Ok(&whole));
        for broken in [&whole[7..], &whole[..1_000], &[&whole[..], &[0]].concat()[..]] {
            assert_eq!(frame(Format::Aac, Framing::AnnexB, [broken]), Err(Error::Adts));
        }
    }

    #[test]
    fn a_frame_without_payload_is_refused() {
        assert_eq!(frame(Format::Opus, Framing::AnnexB, [&[][..]]), Err(Error::Empty));
        for format in [Format::H264, Format::H265] {
            assert_eq!(frame(format, Framing::AnnexB, []), Err(Error::Empty));
        }
    }

    proptest! {
        #[test]
        fn random_payloads_never_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6)) {
            for format in [Format::Opus, Format::Pcma, Format::Aac, Format::Vp8, Format::H264, Format::H265] {
                for framing in [Framing::LengthPrefixed, Framing::AnnexB] {
                    let _ = frame(format, framing, payloads.iter().map(Vec::as_slice));
                }
            }
        }
    }
}
