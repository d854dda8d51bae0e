//! What the tests of pipelines share: real children on a real worker, and ends of media that note what they are handed.

use std::sync::Arc;
use std::time::Instant;

use hearing_config::{Codec, HearingId, Kind, Role, SeatId, Timestamp, TrackId};
use hearing_proto::child::{self, Coded, FromChild, Generate, Job, PICTURE, PictureShape, SOUND, Stream};
use hearing_proto::scene::Area;
use hearing_proto::testcard::{self, Luma};
use hearing_signaling::hearing::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::convert::{self, Packer};
use super::{Event, Events, Feed, Life, Program};
use crate::router::{Attach, Command, Place};
use crate::router::{
    CodecSet, Control, Delivery, Frame, Layer, LayerSet, Leg, LegId, Output, Packet, Path, TrackInfo, Worker,
    WorkerHandle,
};

pub(super) fn program() -> Arc<Program> {
    let exe = std::env::current_exe().unwrap();
    let beside = exe.parent().unwrap().with_file_name(super::NAME);
    Arc::new(Program::at(beside).expect("cargo build -p hearing-media comes first"))
}

pub(super) fn hearing() -> HearingId {
    HearingId(Uuid::nil())
}

pub(super) fn track(seat: u8, kind: Kind) -> TrackId {
    TrackId { seat: SeatId(seat), kind }
}

pub(super) fn info(seat: u8, kind: Kind, codec: Codec) -> TrackInfo {
    TrackInfo {
        id: track(seat, kind),
        codec,
        origin: "gov".parse().unwrap(),
        layers: LayerSet::only(Layer(0)),
        held: false,
    }
}

/// `seats` seats in which everybody may see and hear everybody.
pub(super) fn plan(seats: u8) -> MediaPlan {
    let all: SeatSet = (0..seats).map(SeatId).collect();
    let seat = |id: u8| PlannedSeat {
        id: SeatId(id),
        name: format!("seat{id}"),
        role: if id == 0 { Role::Judge } else { Role::Party },
        zone: "gov".parse().unwrap(),
        admitted: true,
        required: Vec::new(),
        terminal: None,
    };
    let row = |id: u8, kind| Row { track: track(id, kind), audience: all, recorded: false };
    MediaPlan {
        revision: 1,
        seats: (0..seats).map(seat).collect(),
        rows: (0..seats).flat_map(|id| [Kind::Audio, Kind::Video].map(|kind| row(id, kind))).collect(),
        record: RecordOrder::Off,
    }
}

/// A test card as the frames of a track.
pub(super) struct Card {
    feed: Feed,
    events: Events,
    kind: Kind,
    zero: Timestamp,
    packer: Packer,
}

impl Card {
    pub(super) fn start(program: &Program, seat: u8, kind: Kind) -> Self {
        let shape = PictureShape { codec: child::Codec::Vp8, width: 640, height: 360, fps: 30, kbps: 500 };
        let (picture, sound) = if kind.is_picture() { (Some(shape), None) } else { (None, Some(child::Codec::Opus)) };
        let (feed, events) = program.spawn(Job::Generate(Generate { seat, picture, sound }), Life::Once).unwrap();
        let codec = if kind.is_picture() { Codec::Vp8 } else { Codec::Opus };
        Self { feed, events, kind, zero: Timestamp(0), packer: Packer::new(codec) }
    }

    pub(super) async fn frame(&mut self) -> Frame {
        loop {
            match self.events.next().await.expect("the card lives") {
                Event::Said(FromChild::Started { at }) => self.zero = Timestamp(at),
                Event::Said(FromChild::Frame(coded)) if coded.stream == stream(self.kind) => {
                    return self.packer.pack(self.zero.plus(coded.pts), &coded).expect("a frame");
                }
                _ => {}
            }
        }
    }

    pub(super) fn key_frame(&self) {
        self.feed.key_frame(PICTURE);
    }

    /// Goes on by itself, as the frames of a track; the feed is what asks for key frames and keeps it going.
    pub(super) fn spawn(self, seat: u8, to: mpsc::UnboundedSender<(TrackId, Frame)>) -> Feed {
        let Self { feed, events, kind, zero, packer } = self;
        let (silent, _) = mpsc::channel(1);
        let mut card = Self { feed: Feed { input: silent, shared: feed.shared.clone() }, events, kind, zero, packer };
        tokio::spawn(async move { while to.send((track(seat, kind), card.frame().await)).is_ok() {} });
        feed
    }
}

pub(super) const fn stream(kind: Kind) -> u16 {
    if kind.is_picture() { PICTURE } else { SOUND }
}

/// Tells what frames show or let hear.
pub(super) struct Eye {
    feed: Feed,
    events: Events,
}

impl Eye {
    pub(super) fn open(program: &Program, kind: Kind, codec: child::Codec) -> Self {
        let streams = vec![Stream { id: stream(kind), codec }];
        let (feed, events) = program.spawn(Job::Observe(streams), Life::Once).unwrap();
        Self { feed, events }
    }

    /// The seats that these frames show or let hear, each once for every picture or tenth of a second.
    pub(super) async fn seats(mut self, frames: Vec<Coded>) -> Vec<u8> {
        for frame in frames {
            self.feed.give(frame).await.unwrap();
        }
        self.feed.stop().await.unwrap();
        let mut seats = Vec::new();
        while let Some(event) = self.events.next().await {
            match event {
                Event::Said(FromChild::Seen { seat, .. }) => seats.push(seat),
                Event::Said(FromChild::Heard { seats: heard, .. }) => seats.extend(heard),
                _ => {}
            }
        }
        seats
    }
}

/// The seats that one place of composed pictures shows, of those whose card can be read there.
pub(super) async fn tile(program: &Program, frames: Vec<Coded>, area: Area) -> Vec<u8> {
    let streams = vec![Stream { id: PICTURE, codec: child::Codec::H264 }];
    let (feed, mut events) = program.spawn(Job::Decode(streams), Life::Once).unwrap();
    // Pictures come back while frames go in: what waits between both is bounded.
    let giving = async {
        for frame in frames {
            feed.give(frame).await.unwrap();
        }
        feed.stop().await.unwrap();
    };
    let reading = async {
        let mut seats = Vec::new();
        while let Some(event) = events.next().await {
            if let Event::Said(FromChild::Picture { width, height, i420, .. }) = event {
                let stride = usize::from(width);
                let start = usize::from(area.y) * stride + usize::from(area.x);
                let pixels = &i420[start..stride * usize::from(height)];
                let luma = Luma { pixels, stride, width: area.width.into(), height: area.height.into() };
                seats.extend(testcard::read(luma).map(|mark| mark.seat));
            }
        }
        seats
    };
    tokio::join!(giving, reading).1
}

/// A leg that takes some codecs, and hands on what it is handed and what is asked of it.
pub(super) struct Taker {
    takes: CodecSet,
    codec: Codec,
    to: mpsc::UnboundedSender<Coded>,
    asked: mpsc::UnboundedSender<TrackId>,
}

impl Taker {
    pub(super) fn new(takes: CodecSet, to: mpsc::UnboundedSender<Coded>) -> Box<Self> {
        Self::asked(takes, to, mpsc::unbounded_channel().0)
    }

    /// One that tells of which tracks it was asked for a key frame.
    pub(super) fn asked(
        takes: CodecSet,
        to: mpsc::UnboundedSender<Coded>,
        asked: mpsc::UnboundedSender<TrackId>,
    ) -> Box<Self> {
        Box::new(Self { takes, codec: Codec::Opus, to, asked })
    }
}

impl Leg for Taker {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn takes(&self, _: Kind) -> CodecSet {
        self.takes
    }

    fn handle_track(&mut self, _: Instant, info: &TrackInfo) {
        self.codec = info.codec;
    }

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {}

    fn handle_packet(&mut self, _: Instant, _: TrackId, _: &Packet) {}

    fn handle_frame(&mut self, _: Instant, track: TrackId, frame: &Frame) {
        let coded = convert::coded(self.codec, stream(track.kind), frame.head().captured.0, frame);
        coded.into_iter().for_each(|coded| drop(self.to.send(coded)));
    }

    fn handle_control(&mut self, _: Instant, control: Control) {
        if let Control::KeyFrame(track, _) = control {
            // Some tests do not look.
            let _ = self.asked.send(track);
        }
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        LayerSet::ALL
    }
}

/// A worker with one hearing on it, and what its router reports.
pub(super) fn worker(seats: u8) -> (WorkerHandle, mpsc::Receiver<crate::router::Event>) {
    let worker = Worker::spawn("127.0.0.1:0".parse().unwrap(), 0).unwrap();
    let (events, reports) = mpsc::channel(256);
    worker.send(Command::Open { hearing: hearing(), zone: "gov".parse().unwrap(), events }).unwrap();
    worker.send(Command::Plan { hearing: hearing(), plan: Arc::new(plan(seats)) }).unwrap();
    (worker, reports)
}

pub(super) fn attach(worker: &WorkerHandle, place: Place, leg: Box<dyn Leg>) -> LegId {
    let id = LegId::fresh();
    worker.send(Command::Attach(Attach { hearing: hearing(), id, place, ufrag: None, leg })).unwrap();
    id
}

/// Does to a process what a fault in it would do. Rust's own handler of SIGSEGV takes the first one that is sent from outside for a
/// fault that will come again, and goes on: so it is sent until the process is gone.
pub(super) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
    while signal == Signal::SEGV && kill_process(pid, signal).is_ok() {
        std::thread::yield_now();
    }
}
