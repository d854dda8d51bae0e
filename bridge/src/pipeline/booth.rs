//! What stands in for a terminal or a device in a rehearsal: the test card and the tone of its seat, and eyes and ears for the composed
//! picture and the mix that it is sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hearing_config::{Codec, Kind, SeatId, Timestamp, TrackId};
use hearing_proto::child::{self, FromChild, Generate, Job, PICTURE, PictureShape, SOUND, Stream};

use super::convert::{self, Packer, Timeline};
use super::{Event, Events, Feed, Life, Program};
use crate::router::{self, FeedInput, FeedOutput, Frame, Layer, Takes};

/// Where it is told what becomes of a terminal.
pub type Tell = Box<dyn FnMut(Told) + Send>;

/// What becomes of a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// What comes of what it is sent: [`FromChild::Seen`], [`FromChild::Heard`] and their like.
    Said(FromChild),
    /// It sent a picture that belongs at this time.
    Sent(Timestamp),
    /// What goes wrong.
    Failed(String),
}

/// What sits in a booth.
#[derive(Debug, Clone, Copy)]
pub struct Sitter {
    /// Its seat.
    pub seat: u8,
    /// Its picture, in H.264.
    pub shape: PictureShape,
    /// False for what has no screen: it only listens.
    pub sees: bool,
}

/// A terminal's seat as a feed of what the terminal sends.
pub struct Booth {
    generator: (Feed, Events),
    survey: (Feed, Events),
    codec: Codec,
    sound: Packer,
    picture: Packer,
    drawing: Timestamp,
    timeline: Timeline,
    asked: Option<Instant>,
    tell: Tell,
    outputs: VecDeque<FeedOutput>,
}

enum From {
    Generator(Event),
    Survey(Event),
}

impl Booth {
    /// `takes` is what both ends agreed on.
    ///
    /// # Errors
    /// In words: they agreed on something else than H.264 with fragments and Opus or A-law, or there is no thread left for a child.
    pub fn start(program: &Program, sitter: Sitter, takes: &Takes, tell: Tell) -> Result<Self, String> {
        let codec = SOUND_CODECS.into_iter().find(|codec| takes.sound.contains(codec));
        let agreed = codec.filter(|_| takes.picture.contains(&PICTURE_CODEC) && !takes.single_unit);
        let codec = agreed.ok_or_else(|| {
            let Takes { sound, picture, .. } = takes;
            format!("the node takes neither Opus nor A-law, or no H.264 in fragments: {sound:?} {picture:?}")
        })?;
        let Sitter { seat, shape, sees } = sitter;
        let generate = Generate { seat, picture: Some(shape), sound: Some(convert::codec(codec)) };
        let picture = sees.then_some((PICTURE, PICTURE_CODEC));
        let streams = picture.into_iter().chain([(SOUND, codec)]);
        let streams = streams.map(|(id, codec)| Stream { id, codec: convert::codec(codec) }).collect();
        let child = |job| program.spawn(job, Life::Once).map_err(|error| error.to_string());
        Ok(Self {
            generator: child(Job::Generate(generate))?,
            survey: child(Job::Survey(streams))?,
            codec,
            sound: Packer::new(codec),
            picture: Packer::new(PICTURE_CODEC),
            drawing: Timestamp(0),
            timeline: Timeline::default(),
            asked: None,
            tell,
            outputs: VecDeque::new(),
        })
    }

    fn generated(&mut self, event: Event) {
        match event {
            Event::Said(FromChild::Started { at }) => self.drawing = Timestamp(at),
            Event::Said(FromChild::Frame(coded)) => self.send(&coded),
            other => self.hear(other),
        }
    }

    fn send(&mut self, coded: &child::Coded) {
        let captured = self.drawing.plus(coded.pts);
        let output = if coded.stream == PICTURE {
            (self.tell)(Told::Sent(captured));
            self.picture.pack(captured, coded).map(|frame| FeedOutput::Picture(PICTURE_CODEC, frame))
        } else {
            self.sound.pack(captured, coded).map(|frame| FeedOutput::Sound(self.codec, frame))
        };
        self.outputs.extend(output);
    }

    fn surveyed(&mut self, event: Event) {
        match event {
            // What was sent until now is lost to it; who has no screen is asked in vain.
            Event::Up => self.ask(),
            other => self.hear(other),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Said(FromChild::Failed { reason, .. }) => (self.tell)(Told::Failed(reason)),
            Event::Said(said) => (self.tell)(Told::Said(said)),
            Event::Down { reason, .. } => (self.tell)(Told::Failed(reason)),
            Event::Up => {}
        }
    }

    fn take(&mut self, is_picture: bool, frame: &Frame) {
        let (codec, stream) = if is_picture { (PICTURE_CODEC, PICTURE) } else { (self.codec, SOUND) };
        let pts = self.timeline.place(frame.head().captured);
        let taken = convert::coded(codec, stream, pts, frame).is_some_and(|coded| self.survey.0.offer(coded));
        if is_picture && !taken {
            self.ask();
        }
    }

    /// Asks for a picture that stands alone, at most once a second.
    fn ask(&mut self) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= AGAIN) {
            self.asked = Some(Instant::now());
            self.outputs.push_back(FeedOutput::KeyFrame(COMPOSED, Layer(0)));
        }
    }
}

#[async_trait]
impl router::Feed for Booth {
    fn handle(&mut self, input: FeedInput) {
        match input {
            FeedInput::Frame(track, frame) => self.take(track.kind.is_picture(), &frame),
            FeedInput::KeyFrame => self.generator.0.key_frame(PICTURE),
            FeedInput::Track(_) | FeedInput::TrackEnd(_) | FeedInput::Protect(_) | FeedInput::Own(..) => {}
        }
    }

    async fn next(&mut self) -> FeedOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            let from = tokio::select! {
                Some(event) = self.generator.1.next() => From::Generator(event),
                Some(event) = self.survey.1.next() => From::Survey(event),
                else => std::future::pending().await,
            };
            match from {
                From::Generator(event) => self.generated(event),
                From::Survey(event) => self.surveyed(event),
            }
        }
    }
}

/// The best first.
const SOUND_CODECS: [Codec; 2] = [Codec::Opus, Codec::Pcma];
const PICTURE_CODEC: Codec = Codec::H264;
/// A terminal has one picture, whoever is in it.
const COMPOSED: TrackId = TrackId { seat: SeatId(0), kind: Kind::Video };
const AGAIN: Duration = Duration::from_secs(1);
