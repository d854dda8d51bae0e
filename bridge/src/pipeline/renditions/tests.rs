//! Renditions made by real children on a real worker: they serve who needs them, die, stand still, and come back.

use std::time::Duration;

use hearing_config::{Codec, Kind, SeatId};
use hearing_proto::child::{self, Coded};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::pipeline::testing::{Card, Eye, Taker, attach, hearing, info, kill, program, track, worker};
use crate::router::{CodecSet, Command, Event, Place};

const SPEAKER: u8 = 7;
const TERMINAL: u8 = 3;

/// A hearing in which a browser's track goes to somebody who takes another codec.
struct Scene {
    renditions: Renditions,
    got: mpsc::UnboundedReceiver<Coded>,
    card: Card,
    publisher: LegId,
    taker: LegId,
    worker: WorkerHandle,
    reports: mpsc::Receiver<Event>,
    asked: mpsc::UnboundedReceiver<TrackId>,
    kind: Kind,
}

impl Scene {
    fn open(kind: Kind, takes: Codec) -> Self {
        let (program, (worker, reports)) = (program(), worker(8));
        let card = Card::start(&program, SPEAKER, kind);
        let renditions = Renditions::new(hearing(), worker.clone(), Some(program));
        let ((to, got), (asking, asked)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let publisher = attach(&worker, Place::Home, Taker::asked(CodecSet::ALL, mpsc::unbounded_channel().0, asking));
        let codec = if kind.is_picture() { Codec::Vp8 } else { Codec::Opus };
        let info = info(SPEAKER, kind, codec);
        worker.send(Command::Announce { hearing: hearing(), leg: publisher, info }).unwrap();
        let takes = [takes].into_iter().collect();
        let taker = attach(&worker, Place::Seat(SeatId(TERMINAL)), Taker::new(takes, to));
        Self { renditions, got, card, publisher, taker, worker, reports, asked, kind }
    }

    /// Lets the card go on and renditions be made until something comes to the taker.
    async fn next(&mut self) -> Coded {
        timeout(Duration::from_secs(30), self.arrives()).await.expect("a rendition")
    }

    async fn arrives(&mut self) -> Coded {
        loop {
            tokio::select! {
                coded = self.got.recv() => return coded.expect("the taker lives"),
                frame = self.card.frame() => {
                    let (leg, track) = (self.publisher, track(SPEAKER, self.kind));
                    self.worker.send(Command::Inject { hearing: hearing(), leg, track, frame }).unwrap();
                }
                Some(event) = self.reports.recv() => self.report(event),
                Some(_) = self.asked.recv() => self.card.key_frame(),
            }
        }
    }

    fn report(&mut self, event: Event) {
        if let Event::Rendition { info, codec, wanted } = event {
            self.renditions.tell(info, codec, wanted);
        }
    }

    /// Frames from a key frame on.
    async fn run(&mut self, count: usize) -> Vec<Coded> {
        self.card.key_frame();
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.push(self.next().await);
        }
        frames
    }

    fn child(&self) -> Option<u32> {
        self.renditions.made.values().next().unwrap().child.pid()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_picture_reaches_a_terminal_that_takes_h264_only() {
    let mut scene = Scene::open(Kind::Video, Codec::H264);
    let frames = scene.run(30).await;
    assert!(frames[0].key);
    let delays: Vec<i64> = frames.windows(2).map(|two| two[1].pts - two[0].pts).collect();
    assert!(delays.iter().all(|delay| (33_000..34_000).contains(delay)), "captures keep their times: {delays:?}");
    let eye = Eye::open(&program(), Kind::Video, child::Codec::H264);
    assert_eq!(eye.seats(frames).await, [SPEAKER; 30]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_sound_reaches_a_telephone() {
    let mut scene = Scene::open(Kind::Audio, Codec::Pcma);
    // The card's own first packet is shorter than the others: Opus needs time to begin.
    scene.run(5).await;
    let frames = scene.run(50).await;
    assert!(frames.iter().all(|frame| frame.bytes.len() == 160));
    assert!(frames.windows(2).all(|two| two[1].pts - two[0].pts == 20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_crashes_or_stands_still_is_replaced_and_its_rendition_goes_on() {
    let mut scene = Scene::open(Kind::Video, Codec::H264);
    for signal in [Signal::SEGV, Signal::STOP] {
        let before = scene.run(5).await.last().unwrap().pts;
        let dead = scene.child().unwrap();
        kill(dead, signal);
        // What was on its way from it still arrives; the first of the next child stands alone.
        let anew = loop {
            let frame = scene.next().await;
            if frame.key && scene.child().is_some_and(|child| child != dead) {
                break frame;
            }
        };
        assert!(anew.pts > before, "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendition_that_nobody_takes_any_more_ends_its_child() {
    let mut scene = Scene::open(Kind::Audio, Codec::Pcmu);
    scene.run(5).await;
    let gone = scene.renditions.made.values().next().unwrap().wanted.clone();
    scene.worker.send(Command::Detach { hearing: hearing(), leg: scene.taker }).unwrap();
    let ended = async {
        loop {
            tokio::select! {
                () = gone.closed() => return,
                Some(event) = scene.reports.recv() => scene.report(event),
            }
        }
    };
    timeout(Duration::from_secs(20), ended).await.expect("it ends after its while");
    gone.send_replace(true);
}

#[tokio::test]
async fn without_a_media_child_nothing_is_made_and_nobody_waits() {
    let (worker, _reports) = worker(8);
    let mut renditions = Renditions::new(hearing(), worker, None);
    renditions.tell(info(SPEAKER, Kind::Video, Codec::Vp8), Codec::H264, true);
    assert!(renditions.made.is_empty());
}
