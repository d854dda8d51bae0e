//! A stream's decoder: frames in; pictures, or sound of one channel and 48 kHz out, within the call.

use bytes::Bytes;
use hearing_proto::child::Codec;

pub use crate::chain::Frame;
use crate::chain::{Chain, Piece};
use crate::codec::{Error, coded_caps, decoder};
use crate::sound::RATE;
use crate::sound::g711::Law;
use crate::sound::resample::Resampler;

/// A stream's decoder.
#[derive(Debug)]
pub struct Decoder {
    how: How,
    /// For sound of another rate than ours.
    resampler: Option<(u32, Resampler)>,
}

#[derive(Debug)]
enum How {
    Elements(Chain),
    Law(Law),
}

/// What came out.
#[derive(Debug)]
pub enum Decoded {
    /// A picture.
    Picture(Frame),
    /// Sound, one channel of 48 kHz.
    Sound(Vec<i16>),
}

impl Decoder {
    /// A decoder that is ready.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn new(codec: Codec) -> Result<Self, Error> {
        let how = match codec {
            Codec::Pcma => How::Law(Law::A),
            Codec::Pcmu => How::Law(Law::Mu),
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Opus | Codec::G722 | Codec::Aac => {
                How::Elements(Chain::new(decoder(codec), coded_caps(codec))?)
            }
        };
        Ok(Self { how, resampler: None })
    }

    /// Decodes a frame that belongs at `pts` microseconds, and gives what came of it and of earlier ones.
    pub fn decode(&mut self, pts: i64, bytes: Bytes) -> Vec<(i64, Decoded)> {
        let pieces = match &self.how {
            How::Elements(chain) => chain.push(pts, bytes),
            How::Law(law) => vec![(pts, Piece::Sound { rate: TELEPHONE, samples: law.decode(&bytes) })],
        };
        pieces.into_iter().filter_map(|(pts, piece)| self.finished(pts, piece)).collect()
    }

    fn finished(&mut self, pts: i64, piece: Piece) -> Option<(i64, Decoded)> {
        match piece {
            Piece::Picture(frame) => Some((pts, Decoded::Picture(frame))),
            Piece::Sound { rate, samples } if rate == RATE => Some((pts, Decoded::Sound(samples))),
            Piece::Sound { rate, samples } => {
                if self.resampler.as_ref().is_none_or(|(of, _)| *of != rate) {
                    self.resampler = Some((rate, Resampler::new(rate, RATE)?));
                }
                let (_, resampler) = self.resampler.as_mut()?;
                Some((pts - resampler.delay(), Decoded::Sound(resampler.push(&samples))))
            }
            Piece::Coded(..) => None,
        }
    }
}

/// Samples a second of G.711.
const TELEPHONE: u32 = 8_000;

#[cfg(test)]
mod tests {
    use hearing_proto::child::PictureTarget;

    use super::*;
    use crate::compose::painter::Picture as _;
    use crate::encoder::PictureEncoder;

    #[test]
    fn a_picture_that_changes_its_size_is_decoded_on() {
        gstreamer::init().unwrap();
        for codec in [Codec::Vp8, Codec::H264] {
            let target = PictureTarget { codec, width: 1280, height: 720, kbps: 500, level: None, unit: None };
            let (mut encoder, mut decoder) = (PictureEncoder::new(target), Decoder::new(codec).unwrap());
            let sizes = [(320, 180), (320, 180), (640, 360), (640, 360), (160, 96), (320, 180)];
            for (n, (width, height)) in (0..).zip(sizes) {
                let planes = vec![128; (width * height * 3 / 2) as usize];
                let coded = encoder.raw(n * 40_000, width, height, planes).unwrap();
                let decoded: Vec<_> =
                    coded.into_iter().flat_map(|(pts, _, bytes)| decoder.decode(pts, bytes)).collect();
                let [(_, Decoded::Picture(picture))] = &decoded[..] else { panic!("{codec:?} {n}: {decoded:?}") };
                assert_eq!(picture.size(), (width, height), "{codec:?} {n}");
            }
        }
    }
}
