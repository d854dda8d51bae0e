//! A desk as the feed of a terminal: what its leg is handed goes in, one sound and one picture come out.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use async_trait::async_trait;
use hearing_config::{Codec, Kind, Layout, SeatId, TrackId};
use hearing_proto::child::{Loudness, PictureTarget, SoundTarget};
use hearing_proto::scene;
use hearing_signaling::hearing::SeatSound;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::{DeskFeed, FromDesk, Wants};
use crate::pipeline::convert::{self, Packer};
use crate::router::{Control, Feed, FeedInput, FeedOutput, Output, Takes};

pub(super) struct Player {
    seat: SeatId,
    wants: Wants,
    feed: DeskFeed,
    from: mpsc::Receiver<FromDesk>,
    tracks: BTreeSet<TrackId>,
    sound: Packer,
    picture: Packer,
    codecs: (Codec, Codec),
    /// True until a picture came that stands alone.
    dark: bool,
    outputs: VecDeque<FeedOutput>,
}

/// What a terminal gets that takes this; `None` when nothing that it takes can be made. One that takes nothing is measured.
pub(super) fn wants(takes: &Takes, layout: Layout) -> Option<(Wants, (Codec, Codec))> {
    let is_made = |codec: &Codec| codec.is_sound() || matches!(codec, Codec::Vp8 | Codec::H264);
    let first = |codecs: &[Codec]| codecs.iter().copied().find(is_made);
    let (sound, picture) = (first(&takes.sound), first(&takes.picture));
    let to_sound = |codec| SoundTarget { codec: convert::codec(codec), treat: true };
    let (width, height) = size(takes.pixels);
    let to_picture = |codec| PictureTarget {
        codec: convert::codec(codec),
        width,
        height,
        kbps: if takes.kbps == 0 { USUAL_KBPS } else { takes.kbps.min(USUAL_KBPS * 2) },
        level: None,
        unit: takes.single_unit.then_some(UNIT),
    };
    let layout = match layout {
        Layout::Exhibit => scene::Layout::Exhibit,
        Layout::Speaker => scene::Layout::Speaker,
        Layout::JudgeAndSpeaker => scene::Layout::Bench,
        Layout::Equal => scene::Layout::Equal,
    };
    let wants = Wants { sound: sound.map(to_sound), picture: picture.map(to_picture), layout };
    (sound.is_some() || picture.is_some() || *takes == Takes::default())
        .then(|| (wants, (sound.unwrap_or(Codec::Opus), picture.unwrap_or(Codec::H264))))
}

/// The largest picture that a decoder of so many pixels takes; 0: not told.
fn size(pixels: u32) -> (u16, u16) {
    let fits = |(width, height): &(u16, u16)| u32::from(*width) * u32::from(*height) <= pixels;
    let usual = SIZES[0];
    if pixels == 0 { usual } else { SIZES.into_iter().find(fits).unwrap_or(SIZES[SIZES.len() - 1]) }
}

impl Player {
    pub(super) fn new(
        seat: SeatId,
        wants: Wants,
        codecs: (Codec, Codec),
        (feed, from): (DeskFeed, mpsc::Receiver<FromDesk>),
    ) -> Self {
        let (sound, picture) = (Packer::new(codecs.0), Packer::new(codecs.1));
        let (tracks, outputs) = (BTreeSet::new(), VecDeque::new());
        Self { seat, wants, feed, from, tracks, sound, picture, codecs, dark: true, outputs }
    }

    const fn takes(&self, kind: Kind) -> bool {
        if kind.is_picture() { self.wants.picture.is_some() } else { self.wants.sound.is_some() }
    }

    fn said(&mut self, said: FromDesk) {
        match said {
            FromDesk::Frame { kind, captured, coded } if kind.is_picture() => {
                self.dark &= !coded.key;
                let frame = if self.dark { None } else { self.picture.pack(captured, &coded) };
                self.outputs.extend(frame.map(|frame| FeedOutput::Picture(self.codecs.1, frame)));
            }
            FromDesk::Frame { captured, coded, .. } => {
                let frame = self.sound.pack(captured, &coded);
                self.outputs.extend(frame.map(|frame| FeedOutput::Sound(self.codecs.0, frame)));
            }
            FromDesk::NeedKey(track) => self.feed.ask(Instant::now(), track),
            FromDesk::Restarted => {
                // The next process begins with a picture that stands alone.
                self.dark = true;
                self.outputs.push_back(FeedOutput::Restarted);
            }
            FromDesk::Loudness(seat, Loudness { peak, mean, clipped, echo }) if seat == self.seat => {
                self.outputs.push_back(FeedOutput::Loudness(SeatSound { peak, mean, clipped, echo }));
            }
            // Each terminal is measured at its own desk.
            FromDesk::Loudness(..) => {}
        }
    }

    fn drain(&mut self) {
        let mut wishes = false;
        while let Some(output) = self.feed.poll_output() {
            match output {
                Output::KeyFrame(track, layer) => self.outputs.push_back(FeedOutput::KeyFrame(track, layer)),
                _ => wishes = true,
            }
        }
        if wishes {
            let wished = self.tracks.iter().map(|track| (*track, self.feed.wanted(*track))).collect();
            self.outputs.push_back(FeedOutput::Wish(wished));
        }
    }
}

#[async_trait]
impl Feed for Player {
    fn handle(&mut self, input: FeedInput) {
        let now = Instant::now();
        match input {
            FeedInput::Track(info) if self.takes(info.id.kind) => {
                self.tracks.insert(info.id);
                self.feed.handle_track(now, &info);
            }
            FeedInput::Track(_) => {}
            FeedInput::TrackEnd(track) => {
                self.tracks.remove(&track);
                self.feed.handle_track_end(track);
            }
            FeedInput::Frame(track, frame) => self.feed.handle_frame(now, track, &frame),
            FeedInput::Protect(protected) => self.feed.handle_control(Control::Protect(protected)),
            FeedInput::KeyFrame => self.feed.key_frame(),
            FeedInput::Own(codec, frame) => self.feed.handle_own_sound(codec, &frame),
        }
        self.drain();
    }

    async fn next(&mut self) -> FeedOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            let look = self.feed.poll_timeout();
            let alarm = async move {
                match look {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                said = self.from.recv() => match said {
                    Some(said) => self.said(said),
                    // The desk has ended: nothing comes any more.
                    None => std::future::pending().await,
                },
                () = alarm => self.feed.handle_timeout(Instant::now()),
            }
            self.drain();
        }
    }
}

const USUAL_KBPS: u32 = 1_500;
/// With the headers of RTP, SRTP, UDP and IP below 1,300 bytes.
const UNIT: u16 = 1_180;
/// What composed pictures are made in, the usual one first.
const SIZES: [(u16, u16); 4] = [(1280, 720), (1024, 576), (640, 360), (320, 180)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_the_first_codec_that_can_be_made_and_no_more_pixels_than_it_decodes() {
        let takes = Takes {
            sound: vec![Codec::Pcma, Codec::Opus],
            picture: vec![Codec::H265, Codec::H264],
            single_unit: true,
            pixels: 396 * 256,
            kbps: 384,
        };
        let (wants, codecs) = wants(&takes, Layout::JudgeAndSpeaker).unwrap();
        let picture = wants.picture.unwrap();
        assert_eq!((codecs, wants.layout), ((Codec::Pcma, Codec::H264), scene::Layout::Bench));
        assert_eq!((picture.width, picture.height, picture.kbps, picture.unit), (320, 180, 384, Some(UNIT)));
    }

    #[test]
    fn who_takes_nothing_that_can_be_made_gets_no_desk_and_who_takes_nothing_is_measured() {
        let (nothing, _) = wants(&Takes::default(), Layout::Equal).unwrap();
        assert_eq!((nothing.sound, nothing.picture), (None, None));
        assert!(wants(&Takes { picture: vec![Codec::H265], ..Takes::default() }, Layout::Equal).is_none());
    }
}
