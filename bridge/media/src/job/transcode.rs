//! Codes one stream anew, frame by frame within the call: nothing waits, and what comes out belongs where what went in did.

use std::time::{Duration, Instant};

use hearing_proto::child::{Coded, FromChild, PICTURE, SOUND, Target, ToChild, Transcode};

use super::{Counters, Error};
use crate::chain::{Chain, Piece};
use crate::codec::SOUND_CAPS;
use crate::decoder::{Decoded, Decoder};
use crate::encoder::{PictureEncoder, SoundEncoder, TREATMENT, bytes};
use crate::link::{Receiver, Sender};

pub(super) struct Transcoder {
    what: Transcode,
    decoder: Decoder,
    encoder: Encoder,
    counters: Counters,
    hunger: Hunger,
}

enum Encoder {
    Sound { treatment: Option<Chain>, encoder: SoundEncoder },
    Picture(PictureEncoder),
}

impl Transcoder {
    pub(super) fn build(what: Transcode) -> Result<Self, Error> {
        let decoder = Decoder::new(what.from)?;
        let encoder = match what.to {
            Target::Sound(to) if !what.from.is_picture() => {
                let treatment = to.treat.then(|| Chain::new(TREATMENT, SOUND_CAPS)).transpose()?;
                Encoder::Sound { treatment, encoder: SoundEncoder::new(to.codec)? }
            }
            Target::Picture(to) if what.from.is_picture() && is_possible(to) => {
                Encoder::Picture(PictureEncoder::new(to))
            }
            Target::Sound(_) | Target::Picture(_) => return Err(Error::Job("no such target")),
        };
        Ok(Self { what, decoder, encoder, counters: Counters::default(), hunger: Hunger::default() })
    }

    pub(super) fn run(mut self, mut receiver: Receiver, sender: &Sender) {
        let mut reported = Instant::now();
        loop {
            match receiver.receive() {
                Ok(Some(ToChild::Frame(frame))) => self.take(frame, sender),
                Ok(Some(ToChild::KeyFrame { .. })) => self.key_frame(),
                Ok(Some(
                    ToChild::Start { .. }
                    | ToChild::Open(_)
                    | ToChild::Close { .. }
                    | ToChild::Cue { .. }
                    | ToChild::Until { .. },
                )) => {}
                Ok(Some(ToChild::Stop)) => break,
                Ok(None) | Err(_) => return,
            }
            self.counters.report(&mut reported, sender);
        }
        sender.send(&self.counters.stats());
        sender.send(&FromChild::Done);
    }

    fn key_frame(&self) {
        if let Encoder::Picture(encoder) = &self.encoder {
            // Before its first picture an encoder needs not be asked.
            let _asked = encoder.key_frame();
        }
    }

    fn take(&mut self, frame: Coded, sender: &Sender) {
        self.counters.frame_in();
        for (pts, concealed) in self.decoder.conceal(frame.pts) {
            self.code(pts, concealed, sender);
        }
        let decoded = self.decoder.decode(frame.pts, frame.bytes);
        if decoded.is_empty() {
            self.counters.frame_lost();
        }
        if self.hunger.feed(Instant::now(), !decoded.is_empty()) && self.what.from.is_picture() {
            sender.send(&FromChild::NeedKey { stream: frame.stream });
        }
        for (pts, decoded) in decoded {
            self.code(pts, decoded, sender);
        }
    }

    fn code(&mut self, pts: i64, decoded: Decoded, sender: &Sender) {
        let send = |stream, pts, key, bytes| {
            sender.send(&FromChild::Frame(Coded { stream, pts, key, bytes }));
            self.counters.frame_out();
        };
        match (&mut self.encoder, decoded) {
            (Encoder::Sound { treatment, encoder }, Decoded::Sound(samples)) => {
                for (pts, samples) in treated(treatment.as_ref(), pts, samples) {
                    encoder.push(pts, &samples).into_iter().for_each(|(pts, packet)| send(SOUND, pts, true, packet));
                }
            }
            (Encoder::Picture(encoder), Decoded::Picture(picture)) => match encoder.push(pts, picture) {
                Ok(coded) => coded.into_iter().for_each(|(pts, key, bytes)| send(PICTURE, pts, key, bytes)),
                Err(error) => {
                    self.counters.frame_lost();
                    sender.send(&FromChild::Failed { stream: Some(PICTURE), reason: error.to_string() });
                }
            },
            (Encoder::Sound { .. }, Decoded::Picture(_)) | (Encoder::Picture(_), Decoded::Sound(_)) => {
                self.counters.frame_lost();
            }
        }
    }
}

/// Sound after its treatment, which holds back what does not fill 10 ms.
pub(super) fn treated(treatment: Option<&Chain>, pts: i64, samples: Vec<i16>) -> Vec<(i64, Vec<i16>)> {
    let Some(chain) = treatment else { return vec![(pts, samples)] };
    let pieces = chain.push(pts, bytes(&samples)).into_iter();
    pieces
        .filter_map(|(pts, piece)| if let Piece::Sound { samples, .. } = piece { Some((pts, samples)) } else { None })
        .collect()
}

pub(super) fn is_possible(to: hearing_proto::child::PictureTarget) -> bool {
    let even = to.width.is_multiple_of(2) && to.height.is_multiple_of(2);
    even && (16..=3840).contains(&to.width) && (16..=2160).contains(&to.height)
}

/// Notices that a decoder gives nothing.
#[derive(Debug, Default)]
pub(super) struct Hunger {
    empty: u8,
    asked: Option<Instant>,
}

impl Hunger {
    /// True when a key frame is to be asked for: nothing came of several frames, and nobody was asked just now.
    pub(super) fn feed(&mut self, now: Instant, came: bool) -> bool {
        self.empty = if came { 0 } else { self.empty.saturating_add(1) };
        let recently = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < SPACING);
        let ask = self.empty >= PATIENCE && !recently;
        if ask {
            self.asked = Some(now);
        }
        ask
    }
}

/// Frames of which nothing comes before a key frame is asked for.
const PATIENCE: u8 = 3;
const SPACING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_gives_nothing_asks_twice_a_second_until_it_does() {
        let (mut hunger, now) = (Hunger::default(), Instant::now());
        let asked: Vec<bool> = (0..20).map(|n| hunger.feed(now + Duration::from_millis(n * 40), false)).collect();
        assert_eq!(asked.iter().filter(|asked| **asked).count(), 2);
        assert!(asked[2], "at the third frame");
        assert!(!hunger.feed(now + Duration::from_secs(9), true));
    }
}
