//! Desks with real children: who is shown and heard, who shares a picture, what a dead child costs.

use std::time::Duration;

use hearing_proto::child;
use tokio::time::timeout;

use super::*;
use crate::pipeline::Feed;
use crate::pipeline::testing::{Card, Eye, hearing, info, plan, program, stream, track};

const SEATS: u8 = 8;

fn setting(seat: u8, plans: &watch::Sender<Arc<MediaPlan>>) -> Setting {
    let (heading, plans) = ("(2026)内0291刑初123号".to_owned(), plans.subscribe());
    let (seat, names) = (SeatId(seat), Default::default());
    Setting { hearing: hearing(), seat, plans, names, heading, utc_offset: 28_800 }
}

fn wants() -> Wants {
    let codec = child::Codec::H264;
    let picture = PictureTarget { codec, width: 640, height: 360, kbps: 800, level: None, unit: None };
    let sound = SoundTarget { codec: child::Codec::Opus, treat: false };
    Wants { sound: Some(sound), picture: Some(picture), layout: Layout::Equal }
}

/// A desk, and the cards that it is handed.
struct Court {
    cards: BTreeMap<TrackId, Feed>,
    frames: mpsc::UnboundedReceiver<(TrackId, Frame)>,
    feed: DeskFeed,
    got: mpsc::Receiver<FromDesk>,
}

impl Court {
    fn open(desks: &Desks, setting: Setting, seats: &[(u8, Kind)]) -> Self {
        let (mut feed, got) = desks.open(setting, wants()).unwrap();
        let (to, frames) = mpsc::unbounded_channel();
        let mut cards = BTreeMap::new();
        for (seat, kind) in seats {
            let codec = if kind.is_picture() { Codec::Vp8 } else { Codec::Opus };
            feed.handle_track(Instant::now(), &info(*seat, *kind, codec));
            let card = Card::start(&program(), *seat, *kind).spawn(*seat, to.clone());
            cards.insert(track(*seat, *kind), card);
        }
        Self { cards, frames, feed, got }
    }

    async fn next(&mut self) -> FromDesk {
        timeout(Duration::from_secs(30), self.said()).await.expect("the desk speaks")
    }

    /// What the desk says next, while the cards go on and answer it.
    async fn said(&mut self) -> FromDesk {
        loop {
            tokio::select! {
                said = self.got.recv() => match said.expect("the desk lives") {
                    FromDesk::NeedKey(track) => self.feed.ask(Instant::now(), track),
                    said => return said,
                },
                Some((track, frame)) = self.frames.recv() => self.feed.handle_frame(Instant::now(), track, &frame),
            }
            while let Some(output) = self.feed.poll_output() {
                if let Output::KeyFrame(track, _) = output {
                    self.cards[&track].key_frame(stream(track.kind));
                }
            }
        }
    }

    /// Frames of one kind; pictures begin with the next one that stands alone.
    async fn frames(&mut self, of: Kind, count: usize) -> Vec<Coded> {
        let mut frames = Vec::new();
        self.feed.key_frame();
        while frames.len() < count {
            match self.next().await {
                FromDesk::Frame { kind, coded, .. } if kind == of && (coded.key || !frames.is_empty()) => {
                    frames.push(Coded { stream: stream(of), ..coded });
                }
                _ => {}
            }
        }
        frames
    }

    async fn heard(&mut self, count: usize) -> Vec<u8> {
        let frames = self.frames(Kind::Audio, count).await;
        Eye::open(&program(), Kind::Audio, child::Codec::Opus).seats(frames).await
    }
}

fn share(of: u8, all: &[u8]) -> usize {
    all.iter().filter(|seat| **seat == of).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_hears_everybody_whose_tracks_it_is_handed() {
    let (plans, desks) = (watch::Sender::new(Arc::new(plan(SEATS))), Desks::new(program(), None));
    let mut court = Court::open(&desks, setting(0, &plans), &[(3, Kind::Audio), (5, Kind::Audio)]);
    court.heard(25).await;
    let heard = court.heard(100).await;
    assert!(share(3, &heard) >= 12 && share(5, &heard) >= 12, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_sound_is_measured_and_not_heard() {
    let (plans, desks) = (watch::Sender::new(Arc::new(plan(SEATS))), Desks::new(program(), None));
    let mut court = Court::open(&desks, setting(0, &plans), &[(3, Kind::Audio)]);
    let (to, mut own) = mpsc::unbounded_channel();
    let _card = Card::start(&program(), 6, Kind::Audio).spawn(6, to);
    let mut measured = Vec::new();
    while measured.len() < 2 {
        tokio::select! {
            said = court.next() => if let FromDesk::Loudness(SeatId(0), loudness) = said { measured.push(loudness) },
            Some((_, frame)) = own.recv() => court.feed.handle_own_sound(Codec::Opus, &frame),
        }
    }
    assert!(measured.iter().all(|loudness| loudness.mean < 40), "{measured:?}");
    let heard = court.heard(100).await;
    assert_eq!(share(6, &heard), 0, "{heard:?}");
}
