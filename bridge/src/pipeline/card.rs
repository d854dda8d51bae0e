//! The test picture and the tone of a trial call, made in what a terminal takes, and eyes and ears for what it sends.

use std::collections::VecDeque;

use async_trait::async_trait;
use hearing_config::{Codec, Timestamp};
use hearing_proto::child::{
    self, FromChild, Generate, Input, Job, Mix, PICTURE, Part, PictureShape, PictureTarget, SOUND, SoundTarget, Stream,
    Target, ToChild, Transcode,
};

use super::convert::{self, Packer, Timeline};
use super::{Error, Event, Events, Feed, Life, Program};
use crate::router::{self, FeedInput, FeedOutput, Frame, Takes, Watcher};

type Child = (Feed, Events);

/// A test card as the feed of a terminal.
pub struct Card {
    /// None for a camera, which is only looked at.
    generator: Option<Child>,
    /// Cuts pictures for a terminal that takes no fragments.
    cutter: Option<Child>,
    /// Brings the tone into the terminal's codec, and measures what the terminal says.
    mixer: Option<Child>,
    observer: Option<Child>,
    codecs: (Option<Codec>, Option<Codec>),
    sound: Packer,
    picture: Packer,
    zeros: [Timestamp; 2],
    timeline: Timeline,
    watcher: Watcher,
    outputs: VecDeque<FeedOutput>,
}

/// What its children are started for, besides the one that looks.
struct Jobs {
    generate: Option<Generate>,
    cut: Option<Transcode>,
    mix: Option<SoundTarget>,
}

enum From {
    Generator(Event),
    Cutter(Event),
    Mixer(Event),
    Observer(Event),
}

impl Card {
    /// For a terminal that takes this; what it sends is told to `watcher`.
    ///
    /// # Errors
    /// There is no thread left for a child.
    pub fn start(program: &Program, takes: &Takes, watcher: Watcher) -> Result<Self, Error> {
        let made = |codec: &Codec| codec.is_sound() || matches!(codec, Codec::Vp8 | Codec::H264);
        let first = |codecs: &[Codec]| codecs.iter().copied().find(made);
        let (sound, picture) = (first(&takes.sound), first(&takes.picture));
        let shape = picture.map(|codec| shape(codec, takes));
        let to = |codec| SoundTarget { codec: convert::codec(codec), treat: false };
        let jobs = Jobs {
            generate: Some(Generate { seat: SEAT, picture: shape, sound: sound.map(|_| child::Codec::Opus) }),
            cut: shape.filter(|_| takes.single_unit).map(unit),
            mix: sound.map(to),
        };
        Self::of(program, jobs, (sound, picture), watcher)
    }

    /// For a camera that sends a sound and a picture so coded: eyes and ears alone.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn watch(program: &Program, codecs: (Option<Codec>, Option<Codec>), watcher: Watcher) -> Result<Self, Error> {
        let mix = codecs.0.map(|_| SoundTarget { codec: child::Codec::Opus, treat: false });
        Self::of(program, Jobs { generate: None, cut: None, mix }, codecs, watcher)
    }

    fn of(
        program: &Program,
        jobs: Jobs,
        (sound, picture): (Option<Codec>, Option<Codec>),
        watcher: Watcher,
    ) -> Result<Self, Error> {
        let observe = |codec| Job::Observe(vec![Stream { id: PICTURE, codec: convert::codec(codec) }]);
        let child = |job: Option<Job>| job.map(|job| program.spawn(job, Life::Once)).transpose();
        Ok(Self {
            generator: child(jobs.generate.map(Job::Generate))?,
            cutter: child(jobs.cut.map(Job::Transcode))?,
            mixer: child(jobs.mix.map(|to| Job::Mix(Mix { to: Some(to) })))?,
            observer: child(picture.map(observe))?,
            codecs: (sound, picture),
            sound: Packer::new(sound.unwrap_or(Codec::Opus)),
            picture: Packer::new(picture.unwrap_or(Codec::H264)),
            zeros: [Timestamp(0); 2],
            timeline: Timeline::default(),
            watcher,
            outputs: VecDeque::new(),
        })
    }

    fn generated(&mut self, event: Event) {
        match event {
            Event::Said(FromChild::Started { at }) => self.zeros[0] = Timestamp(at),
            Event::Said(FromChild::Frame(coded)) if coded.stream == SOUND => {
                // What does not fit is counted by the feed.
                let frame = child::Coded { stream: TONE, ..coded };
                self.mixer.iter().for_each(|(mixer, _)| _ = mixer.offer(frame.clone()));
            }
            Event::Said(FromChild::Frame(coded)) => match &self.cutter {
                Some((cutter, _)) => _ = cutter.offer(coded),
                None => self.show(&coded),
            },
            Event::Up | Event::Said(_) | Event::Down { .. } => {}
        }
    }

    fn show(&mut self, coded: &child::Coded) {
        let Some(codec) = self.codecs.1 else { return };
        let frame = self.picture.pack(self.zeros[0].plus(coded.pts), coded);
        self.outputs.extend(frame.map(|frame| FeedOutput::Picture(codec, frame)));
    }

    fn mixed(&mut self, event: Event) {
        let (Some(codec), Some((mixer, _))) = (self.codecs.0, &self.mixer) else { return };
        match event {
            Event::Up => {
                let tone = Stream { id: TONE, codec: child::Codec::Opus };
                let own = Stream { id: OWN, codec: convert::codec(codec) };
                mixer.tell(ToChild::Open(Input { stream: tone, part: Part::Plain }));
                mixer.tell(ToChild::Open(Input { stream: own, part: Part::Measured }));
            }
            Event::Said(FromChild::Started { at }) => self.zeros[1] = Timestamp(at),
            Event::Said(FromChild::Frame(_)) if self.generator.is_none() => {}
            Event::Said(FromChild::Frame(coded)) => {
                let frame = self.sound.pack(self.zeros[1].plus(coded.pts), &coded);
                self.outputs.extend(frame.map(|frame| FeedOutput::Sound(codec, frame)));
            }
            Event::Said(FromChild::Loudness { stream: OWN, loudness }) => self.watcher.heard(loudness.mean),
            Event::Said(_) | Event::Down { .. } => {}
        }
    }

    fn take(&mut self, is_picture: bool, frame: &Frame) {
        let pts = self.timeline.place(frame.head().captured);
        let (codec, stream, to) =
            if is_picture { (self.codecs.1, PICTURE, &self.observer) } else { (self.codecs.0, OWN, &self.mixer) };
        let coded = codec.and_then(|codec| convert::coded(codec, stream, pts, frame));
        if let (Some(coded), Some((child, _))) = (coded, to) {
            child.offer(coded);
        }
    }
}

#[async_trait]
impl router::Feed for Card {
    fn handle(&mut self, input: FeedInput) {
        match input {
            FeedInput::Frame(track, frame) => self.take(track.kind.is_picture(), &frame),
            FeedInput::KeyFrame => match &self.cutter {
                Some((cutter, _)) => cutter.key_frame(PICTURE),
                None => self.generator.iter().for_each(|(generator, _)| generator.key_frame(PICTURE)),
            },
            FeedInput::Track(_) | FeedInput::TrackEnd(_) | FeedInput::Protect(_) | FeedInput::Own(..) => {}
        }
    }

    async fn next(&mut self) -> FeedOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            let from = tokio::select! {
                event = said(&mut self.generator) => From::Generator(event),
                event = said(&mut self.cutter) => From::Cutter(event),
                event = said(&mut self.mixer) => From::Mixer(event),
                event = said(&mut self.observer) => From::Observer(event),
            };
            match from {
                From::Generator(event) => self.generated(event),
                From::Cutter(Event::Said(FromChild::Frame(coded))) => self.show(&coded),
                From::Mixer(event) => self.mixed(event),
                From::Observer(Event::Said(FromChild::Seen { .. } | FromChild::Unread { .. })) => self.watcher.saw(),
                From::Cutter(_) | From::Observer(_) => {}
            }
        }
    }
}

/// What a child says; pending when there is none, or none any more.
async fn said(child: &mut Option<Child>) -> Event {
    match child {
        Some((_, events)) => match events.next().await {
            Some(event) => event,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn shape(codec: Codec, takes: &Takes) -> PictureShape {
    let small = takes.pixels != 0 && takes.pixels < 640 * 360;
    let (width, height) = if small { (320, 180) } else { (640, 360) };
    let kbps = if takes.kbps == 0 { KBPS } else { takes.kbps.min(KBPS) };
    PictureShape { codec: convert::codec(codec), width, height, fps: 25, kbps }
}

const fn unit(shape: PictureShape) -> Transcode {
    let PictureShape { codec, width, height, kbps, .. } = shape;
    let to = Target::Picture(PictureTarget { codec, width, height, kbps, level: None, unit: Some(UNIT) });
    Transcode { from: codec, to }
}

/// The seat whose card is drawn and whose tone sounds.
const SEAT: u8 = 0;
/// The mixer's streams.
const TONE: u16 = 1;
const OWN: u16 = 2;
const KBPS: u32 = 600;
/// As a desk cuts them.
const UNIT: u16 = 1_180;
