//! A stream's decoder: frames in; pictures, or sound of one channel and 48 kHz out, within the call.

use bytes::Bytes;
use hearing_proto::child::Codec;

pub use crate::chain::Frame;
use crate::chain::{Chain, Piece};
use crate::codec::{CONCEALER, Error, TELEPHONE_CAPS, coded_caps, decoder};
use crate::encoder::bytes;
use crate::sound::RATE;
use crate::sound::g711::Law;
use crate::sound::resample::Resampler;

/// A stream's decoder.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    how: How,
    /// Where the last sound ended.
    next: Option<i64>,
    /// For sound of another rate than ours.
    resampler: Option<(u32, Resampler)>,
}

#[derive(Debug)]
enum How {
    Elements(Chain),
    /// G.711, and what fills its holes.
    Law(Law, Chain),
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
            Codec::Pcma => How::Law(Law::A, Chain::new(CONCEALER, TELEPHONE_CAPS)?),
            Codec::Pcmu => How::Law(Law::Mu, Chain::new(CONCEALER, TELEPHONE_CAPS)?),
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Opus | Codec::G722 | Codec::Aac => {
                How::Elements(Chain::new(decoder(codec), coded_caps(codec))?)
            }
        };
        Ok(Self { codec, how, next: None, resampler: None })
    }

    /// What stands in for sound that was lost between the last frame and the one that belongs at `pts`, where little is missing: what
    /// the codec guesses (Opus, RFC 6716, section 4.4), or the last pitch once more (G.711, as ANSI T1.521 has it, and G.722). AAC has
    /// nothing. For ears only: never for a record.
    pub fn conceal(&mut self, pts: i64) -> Vec<(i64, Decoded)> {
        let (Some(chain), Some(next)) = (self.concealer(), self.next) else { return Vec::new() };
        if !(LEAST_HOLE..=LARGEST_HOLE).contains(&(pts - next)) {
            return Vec::new();
        }
        let pieces = chain.gap(next, pts - next);
        pieces.into_iter().filter_map(|(pts, piece)| self.finished(pts, piece)).collect()
    }

    /// Decodes a frame that belongs at `pts` microseconds, and gives what came of it and of earlier ones.
    pub fn decode(&mut self, pts: i64, coded: Bytes) -> Vec<(i64, Decoded)> {
        let pieces = match &self.how {
            How::Elements(chain) => chain.push(pts, coded),
            How::Law(law, chain) => chain.push(pts, bytes(&law.decode(&coded))),
        };
        pieces.into_iter().filter_map(|(pts, piece)| self.finished(pts, piece)).collect()
    }

    const fn concealer(&self) -> Option<&Chain> {
        match (&self.how, self.codec) {
            (How::Law(_, chain), _) | (How::Elements(chain), Codec::Opus | Codec::G722) => Some(chain),
            (How::Elements(_), _) => None,
        }
    }

    fn finished(&mut self, pts: i64, piece: Piece) -> Option<(i64, Decoded)> {
        if let Piece::Sound { rate, samples } = &piece {
            self.next = Some(pts + samples.len() as i64 * 1_000_000 / i64::from(*rate));
        }
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

/// Holes that are filled: from half a packet of the shortest usual length to three of 20 ms, in microseconds.
const LEAST_HOLE: i64 = 5_000;
const LARGEST_HOLE: i64 = 60_000;

#[cfg(test)]
mod tests {
    use hearing_proto::child::PictureTarget;

    use super::*;
    use crate::compose::painter::Picture as _;
    use crate::encoder::{PictureEncoder, SoundEncoder};
    use crate::sound::RATE;

    #[test]
    fn a_lost_packet_is_heard_as_what_came_before_it_and_a_long_hole_is_left_alone() {
        gstreamer::init().unwrap();
        let tone = |n: usize| ((n as f64 * 440.0 * std::f64::consts::TAU / f64::from(RATE)).sin() * 8_000.0) as i16;
        let samples: Vec<i16> = (0..96_000).map(tone).collect();
        let loudest = |pieces: Vec<(i64, Decoded)>| {
            let samples = pieces.into_iter().flat_map(|(_, piece)| match piece {
                Decoded::Sound(samples) => samples,
                Decoded::Picture(_) => Vec::new(),
            });
            let all: Vec<i16> = samples.collect();
            (all.len(), all.iter().copied().max().unwrap_or(0))
        };
        for codec in [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::G722] {
            let packets = SoundEncoder::new(codec).unwrap().push(1_000_000, &samples);
            let mut decoder = Decoder::new(codec).unwrap();
            for (pts, packet) in &packets[..40] {
                decoder.decode(*pts, packet.clone());
            }
            let (count, peak) = loudest(decoder.conceal(packets[41].0));
            assert!((900..=1_000).contains(&count) && peak > 4_000, "{codec:?}: {count} samples up to {peak}");
            decoder.decode(packets[41].0, packets[41].1.clone());
            assert_eq!(loudest(decoder.conceal(packets[42].0)), (0, 0), "{codec:?}: nothing is missing");
            assert_eq!(loudest(decoder.conceal(packets[60].0)), (0, 0), "{codec:?}: too much is missing");
        }
    }

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
