//! Desks with real children: who is shown and heard, who shares a picture, what a dead child costs.

use std::time::Duration;

use hearing_proto::child;
use hearing_proto::scene::{Area, Scene, Tile, Words};
use rustix::process::Signal;
use tokio::time::timeout;

use super::*;
use crate::pipeline::Feed;
use crate::pipeline::testing::{Card, Eye, hearing, info, kill, plan, program, stream, tile, track};

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

/// Only `seats` may be seen by everybody else.
fn seen(seats: &[u8]) -> MediaPlan {
    let mut plan = plan(SEATS);
    plan.rows.retain(|row| !row.track.kind.is_picture() || seats.contains(&row.track.seat.0));
    plan
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
        Self::open_for(desks, setting, wants(), seats)
    }

    fn open_for(desks: &Desks, setting: Setting, wants: Wants, seats: &[(u8, Kind)]) -> Self {
        let (mut feed, got) = desks.open(setting, wants).unwrap();
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

    async fn shown(&mut self, count: usize) -> Vec<u8> {
        let frames = self.frames(Kind::Video, count).await;
        tile(&program(), frames, only_tile()).await
    }

    /// Waits until a second of pictures shows a seat.
    async fn sees(&mut self, seat: u8) {
        for _ in 0..10 {
            if share(seat, &self.shown(25).await) >= 20 {
                return;
            }
        }
        panic!("seat {seat} is not shown");
    }

    async fn heard(&mut self, count: usize) -> Vec<u8> {
        let frames = self.frames(Kind::Audio, count).await;
        Eye::open(&program(), Kind::Audio, child::Codec::Opus).seats(frames).await
    }
}

/// Where the card stands in a picture of one seat.
fn only_tile() -> Area {
    let tile = Tile { name: Words { zh: String::new(), en: String::new() }, streams: Vec::new() };
    let (heading, tiles) = (String::new(), vec![tile]);
    let scene =
        Scene { width: 640, height: 360, fps: 25, layout: Layout::Equal, heading, utc_offset: 0, emblem: None, tiles };
    scene.places(0)[0].fit(640, 360)
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
async fn a_terminal_without_fragments_gets_units_that_fit_and_no_larger_a_picture_than_its_level() {
    let (plans, desks) = (watch::Sender::new(Arc::new(seen(&[3]))), Desks::new(program(), None));
    // Packetization-mode 0, and level 1.3 as of a terminal that takes CIF.
    let (picture, pixels) = (vec![Codec::H264], 396 * 256);
    let takes = Takes { picture, single_unit: true, pixels, kbps: 384, ..Takes::default() };
    let (wants, _) = feed::wants(&takes, hearing_config::Layout::Exhibit).unwrap();
    let mut court = Court::open_for(&desks, setting(0, &plans), wants, &[(3, Kind::Video)]);
    let frames = court.frames(Kind::Video, 25).await;
    let (decoder, mut decoded) =
        program().spawn(child::Job::Decode(vec![only_stream()]), crate::pipeline::Life::Once).unwrap();
    for frame in frames {
        let payloads = hearing_proto::packetize::payloads(hearing_proto::depacketize::Format::H264, &frame.bytes);
        assert!(payloads.iter().all(|payload| payload[0] & 0x1f != 28), "no unit had to be cut");
        decoder.give(frame).await.unwrap();
    }
    decoder.stop().await.unwrap();
    let size = loop {
        let event = decoded.next().await.expect("a picture is decoded");
        if let crate::pipeline::Event::Said(child::FromChild::Picture { width, height, .. }) = event {
            break (width, height);
        }
    };
    assert_eq!(size, (320, 180));
}

fn only_stream() -> child::Stream {
    child::Stream { id: child::PICTURE, codec: child::Codec::H264 }
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

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_measured_and_sent_nothing() {
    let (plans, desks) = (watch::Sender::new(Arc::new(plan(SEATS))), Desks::new(program(), None));
    let (wants, _) = feed::wants(&Takes::default(), hearing_config::Layout::Equal).unwrap();
    let mut court = Court::open_for(&desks, setting(0, &plans), wants, &[]);
    let (to, mut own) = mpsc::unbounded_channel();
    let _card = Card::start(&program(), 6, Kind::Audio).spawn(6, to);
    let mut measured = Vec::new();
    while measured.len() < 3 {
        tokio::select! {
            said = court.next() => match said {
                FromDesk::Loudness(SeatId(0), loudness) => measured.push(loudness),
                other => panic!("{other:?}"),
            },
            Some((_, frame)) = own.recv() => court.feed.handle_own_sound(Codec::Opus, &frame),
        }
    }
    assert!(measured.iter().all(|loudness| loudness.mean < 40 && loudness.echo == 0), "{measured:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_plan_no_longer_lets_it_see_is_gone_with_the_next_picture() {
    let (plans, desks) = (watch::Sender::new(Arc::new(seen(&[3]))), Desks::new(program(), None));
    let mut court = Court::open(&desks, setting(0, &plans), &[(3, Kind::Video)]);
    court.sees(3).await;
    plans.send_replace(Arc::new(seen(&[])));
    // What was drawn before the plan came is still on its way; the next picture that stands alone is of another stage.
    court.frames(Kind::Video, 25).await;
    assert_eq!(share(3, &court.shown(25).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn desks_that_may_see_the_same_share_a_picture_and_whoever_stays_feeds_it() {
    let (plans, desks) = (watch::Sender::new(Arc::new(seen(&[3]))), Desks::new(program(), None));
    let mut first = Court::open(&desks, setting(0, &plans), &[(3, Kind::Video)]);
    let mut second = Court::open(&desks, setting(1, &plans), &[(3, Kind::Video)]);
    first.sees(3).await;
    assert!(share(3, &second.shown(25).await) >= 20);
    assert_eq!(desks.stages.pids().len(), 1, "one process draws for both");
    drop(first);
    second.sees(3).await;
    assert_eq!(desks.stages.pids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painter_that_crashes_or_stands_still_costs_its_picture_only_until_the_next_one_draws() {
    let (plans, desks) = (watch::Sender::new(Arc::new(seen(&[3]))), Desks::new(program(), None));
    let mut court = Court::open(&desks, setting(0, &plans), &[(3, Kind::Video), (5, Kind::Audio)]);
    for signal in [Signal::SEGV, Signal::STOP] {
        court.sees(3).await;
        kill(desks.stages.pids()[0], signal);
        let (mut sounds, mut last) = (Vec::new(), None);
        loop {
            match court.next().await {
                FromDesk::Restarted => break,
                FromDesk::Frame { kind: Kind::Audio, captured, .. } => sounds.push(captured.0),
                FromDesk::Frame { kind: Kind::Video, .. } => last = Some(sounds.len()),
                _ => {}
            }
        }
        assert!(sounds.windows(2).all(|two| two[1] - two[0] == 20_000), "{signal:?}: sound goes on");
        assert!(signal != Signal::STOP || sounds.len() - last.unwrap_or(0) > 60, "a picture stood still for a while");
    }
    court.sees(3).await;
}
