//! Makes a test card's picture and sound in real time, as a camera and a microphone would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hearing_proto::child::{
    Codec, Coded, FromChild, Generate, PICTURE, PictureShape, SOUND, SoundTarget, Target, ToChild,
};
use hearing_proto::testcard::tone::{SAMPLE_RATE, Tone};
use hearing_proto::testcard::{self, Mark, Size};

use super::{Counters, Error, encode};
use crate::codec::{Pipeline, Task};
use crate::encoder::{self, SoundEncoder};
use crate::link::{Receiver, Sender};

pub(super) struct Generator {
    picture: Option<Camera>,
    sound: Option<Microphone>,
    counters: Counters,
}

struct Camera {
    pipeline: Arc<Pipeline>,
    shape: PictureShape,
    size: Size,
    seat: u8,
    /// The first frame's number by the wall clock, and how many came since.
    first: u64,
    frame: u64,
}

struct Microphone {
    coder: Coder,
    seat: u8,
    tone: Tone,
    packet: u64,
}

enum Coder {
    Opus(Pipeline),
    /// The codecs of terminals, within the call.
    Other(SoundEncoder),
}

/// What codes the tone.
pub(super) const fn task(codec: Codec) -> Task {
    if matches!(codec, Codec::Opus) {
        return Task::EncodeSound;
    }
    Task::EncodeLive(Target::Sound(SoundTarget { codec, treat: false }))
}

impl Generator {
    pub(super) fn build(what: Generate, sender: &Sender) -> Result<Self, Error> {
        let counters = Counters::default();
        let start = |task, stream| encode(task, stream, sender, &counters);
        let picture = what.picture.map(|shape| {
            let size = Size::new(shape.width, shape.height).ok_or(Error::Job("no such size of picture"))?;
            if !(1..=60).contains(&shape.fps) {
                return Err(Error::Job("no such frame rate"));
            }
            let pipeline = Arc::new(start(Task::EncodePicture(shape), PICTURE)?);
            Ok(Camera { pipeline, shape, size, seat: what.seat, first: 0, frame: 0 })
        });
        let sound = what.sound.map(|codec| {
            let coder = if codec == Codec::Opus {
                Coder::Opus(start(task(codec), SOUND)?)
            } else {
                Coder::Other(SoundEncoder::new(codec)?)
            };
            Ok::<_, Error>(Microphone { coder, seat: what.seat, tone: Tone::starting(what.seat, 0), packet: 0 })
        });
        Ok(Self { picture: picture.transpose()?, sound: sound.transpose()?, counters })
    }

    pub(super) fn run(self, mut receiver: Receiver, sender: &Sender) {
        let camera = self.picture.as_ref().map(|camera| camera.pipeline.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let work = thread::spawn({
            let (stop, sender) = (stop.clone(), sender.clone());
            move || self.generate(&stop, &sender)
        });
        loop {
            match receiver.receive() {
                Ok(Some(ToChild::KeyFrame { stream: PICTURE })) => {
                    let _asked = camera.as_ref().is_some_and(|camera| camera.key_frame());
                }
                Ok(Some(
                    ToChild::KeyFrame { .. }
                    | ToChild::Frame(_)
                    | ToChild::Start { .. }
                    | ToChild::Open(_)
                    | ToChild::Close { .. }
                    | ToChild::Cue { .. }
                    | ToChild::Until { .. },
                )) => {}
                Ok(Some(ToChild::Stop) | None) | Err(_) => break,
            }
        }
        stop.store(true, Ordering::Relaxed);
        if work.join().is_ok() {
            sender.send(&FromChild::Done);
        }
    }

    /// Lays place 0 of both streams on the next full frame of the wall clock; gives the time of it.
    fn begin(&mut self, sender: &Sender) -> Instant {
        let (now, wall) = (Instant::now(), wall_clock());
        let fps = self.picture.as_ref().map_or(1, |camera| camera.shape.fps);
        let first = testcard::frame_at(wall, fps).unwrap_or(0);
        let at = testcard::time_of(first, fps);
        if let Some(camera) = &mut self.picture {
            camera.first = first;
        }
        if let Some(microphone) = &mut self.sound {
            microphone.tone = Tone::starting(microphone.seat, at);
        }
        sender.send(&FromChild::Started { at });
        now + Duration::from_micros(u64::try_from(at - wall).unwrap_or(0))
    }

    fn generate(mut self, stop: &AtomicBool, sender: &Sender) {
        let start = self.begin(sender);
        let mut report = Duration::from_secs(1);
        while !stop.load(Ordering::Relaxed) {
            let picture = self.picture.as_ref().map(Camera::due);
            let sound = self.sound.as_ref().map(Microphone::due);
            let Some(due) = picture.into_iter().chain(sound).min() else { return };
            thread::sleep((start + due).saturating_duration_since(Instant::now()));
            if let Some(camera) = self.picture.as_mut().filter(|_| picture == Some(due)) {
                self.counters.frame_in();
                camera.shoot();
            }
            if let Some(microphone) = self.sound.as_mut().filter(|_| sound == Some(due)) {
                self.counters.frame_in();
                microphone.listen(sender, &self.counters);
            }
            if due >= report {
                sender.send(&self.counters.stats());
                report += Duration::from_secs(1);
            }
        }
    }
}

impl Camera {
    fn due(&self) -> Duration {
        Duration::from_nanos(self.frame.saturating_mul(1_000_000_000) / u64::from(self.shape.fps))
    }

    fn shoot(&mut self) {
        let counter = testcard::counter_of(self.first.saturating_add(self.frame));
        let picture = testcard::draw(self.size, Mark { counter, seat: self.seat });
        self.pipeline.push(micros(self.due()), picture);
        self.frame += 1;
    }
}

impl Microphone {
    /// A packet is there when its last sample is.
    fn due(&self) -> Duration {
        PACKET.saturating_mul(u32::try_from(self.packet + 1).unwrap_or(u32::MAX))
    }

    fn listen(&mut self, sender: &Sender, counters: &Counters) {
        let mut samples = [0; SAMPLES];
        self.tone.fill(&mut samples);
        let at = micros(self.due().saturating_sub(PACKET));
        match &mut self.coder {
            Coder::Opus(pipeline) => {
                pipeline.push(at, encoder::bytes(&samples));
            }
            Coder::Other(encoder) => {
                for (pts, bytes) in encoder.push(at, &samples) {
                    counters.frame_out();
                    sender.send(&FromChild::Frame(Coded { stream: SOUND, pts, key: true, bytes }));
                }
            }
        }
        self.packet += 1;
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

const PACKET: Duration = Duration::from_millis(20);
const SAMPLES: usize = SAMPLE_RATE as usize / 50;
