//! What an edge kept of the media that entered there, fetched by home after a cut. A stream of its own that begins with a
//! zero byte (no frame does: no flow has the number 0), then a head in postcard, then every frame after its length
//! (big-endian u32).

use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};

use super::codec::Error;
use super::media::{FrameHead, decode_frame};
use super::value::{Codec, HearingId, TrackId};

/// The most bytes that one answer may have.
pub const MAX_LATE: usize = 2 << 20;

/// The most frames that one answer may have.
pub const MAX_LATE_FRAMES: usize = 4_096;

/// Home asks for what was captured of a track from `from` on and before `to`, in microseconds since 1970 by the edge's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Stands in the answer.
    pub id: u32,
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The first moment.
    pub from: i64,
    /// The moment after the last.
    pub to: i64,
}

/// Home has everything of a track that was captured before `through` in its record, by the edge's clock, or does not want
/// it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The moment.
    pub through: i64,
}

/// What stands before the frames of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateHead {
    /// The question's.
    pub id: u32,
    /// How the frames are coded; `None` when there are none.
    pub codec: Option<Codec>,
    /// Everything that is there and was captured before this is in the answer.
    pub upto: i64,
    /// False when the gate or the edge has nothing to do with the question.
    pub served: bool,
}

/// An answer to a [`Fetch`]; the frames are those of [`encode_frame`](super::encode_frame).
///
/// # Errors
/// When it is too large.
pub fn encode_late(head: &LateHead, frames: &[Bytes]) -> Result<Bytes, Error> {
    let mut out = postcard::to_extend(head, vec![0]).map_err(|_| Error::Frame("late head"))?;
    for frame in frames {
        out.extend_from_slice(&u32::try_from(frame.len()).map_err(|_| Error::Frame("late frame"))?.to_be_bytes());
        out.extend_from_slice(frame);
    }
    if out.len() > MAX_LATE || frames.len() > MAX_LATE_FRAMES {
        Err(Error::Frame("late too large"))
    } else {
        Ok(out.into())
    }
}

/// True when a stream holds such an answer and not a frame.
#[must_use]
pub fn is_late(stream: &[u8]) -> bool {
    stream.first() == Some(&0)
}

/// A frame's head and its payloads.
pub type Decoded = (FrameHead, Vec<Bytes>);

/// What a peer answered. The payloads share `bytes`.
///
/// # Errors
/// When it can't be read, or is too large.
pub fn decode_late(bytes: &Bytes) -> Result<(LateHead, Vec<Decoded>), Error> {
    if bytes.len() > MAX_LATE || !is_late(bytes) {
        return Err(Error::Frame("late"));
    }
    let (head, rest) = postcard::take_from_bytes::<LateHead>(&bytes[1..]).map_err(|_| Error::Frame("late head"))?;
    let mut rest = bytes.slice(bytes.len() - rest.len()..);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        if rest.len() < 4 || frames.len() == MAX_LATE_FRAMES {
            return Err(Error::Frame("late frames"));
        }
        let length = rest.get_u32() as usize;
        if rest.len() < length {
            return Err(Error::Frame("late frame cut off"));
        }
        frames.push(decode_frame(&rest.split_to(length))?);
    }
    Ok((head, frames))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::encode_frame;

    const LATE: LateHead = LateHead { id: 7, codec: Some(Codec::Vp8), upto: 1_763_892_000_000_000, served: true };

    fn frame(number: u64) -> Bytes {
        let head = FrameHead {
            flow: 1,
            layer: 0,
            number,
            index: number * 2,
            media_time: 0,
            captured: 1_763_892_000_000_000,
            key: false,
            generation: 0,
            temporal: 0,
            level: None,
        };
        encode_frame(&head, &[Bytes::from_static(b"ab"), Bytes::from_static(b"c")]).unwrap()
    }

    #[test]
    fn every_answer_comes_out_as_it_went_in_and_is_told_from_a_frame() {
        for count in [0, 1, 3] {
            let frames: Vec<Bytes> = (0..count).map(frame).collect();
            let bytes = encode_late(&LATE, &frames).unwrap();
            assert!(is_late(&bytes) && frames.iter().all(|frame| !is_late(frame)));
            let (head, decoded) = decode_late(&bytes).unwrap();
            assert_eq!(head, LATE);
            let numbers: Vec<u64> = decoded.iter().map(|(head, _)| head.number).collect();
            assert!(numbers.into_iter().eq(0..count));
        }
    }

    #[test]
    fn too_much_is_not_sent_and_not_taken() {
        let many = vec![frame(0); MAX_LATE_FRAMES + 1];
        assert_eq!(encode_late(&LATE, &many), Err(Error::Frame("late too large")));
        assert!(decode_late(&Bytes::from(vec![0; MAX_LATE + 1])).is_err());
    }

    #[test]
    fn an_answer_cut_within_a_frame_is_refused() {
        let whole = encode_late(&LATE, &[frame(0)]).unwrap();
        let head = encode_late(&LATE, &[]).unwrap().len();
        for end in (0..whole.len()).filter(|end| *end != head) {
            assert!(decode_late(&whole.slice(..end)).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = decode_late(&[&[0], &bytes[..]].concat().into());
        }
    }
}
