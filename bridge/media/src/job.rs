//! One job from start to end: walls up, libraries loaded, pipelines built, last wall, then media.

mod compose;
mod decode;
mod generate;
mod mix;
mod pace;
mod stage;
mod survey;
mod transcode;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::child::{Codec, Coded, FromChild, Job, SOUND, Stats, Target, ToChild, VERSION};

use crate::codec::{Film, Output, Pipeline, Task};
use crate::compose::text;
use crate::link::{self, Receiver, Sender};
use crate::{codec, sandbox};

/// Runs the job that the node names on the socket at standard input.
#[must_use]
pub fn run() -> ExitCode {
    let Ok((mut receiver, sender)) = link::open() else { return ExitCode::from(2) };
    match start(&mut receiver, &sender) {
        Ok(running) => {
            running.run(receiver, &sender);
            ExitCode::SUCCESS
        }
        Err(error) => {
            sender.send(&FromChild::Failed { stream: None, reason: error.to_string() });
            ExitCode::FAILURE
        }
    }
}

/// Why a job doesn't start.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sandbox(#[from] sandbox::Broken),
    #[error(transparent)]
    Codec(#[from] codec::Error),
    #[error(transparent)]
    Link(#[from] link::Error),
    #[error("the node speaks version {0} of the child wire, this program {VERSION}: both must come from one build")]
    Version(u16),
    #[error("the node's first message names no job")]
    NoJob,
    #[error(transparent)]
    Font(#[from] text::Missing),
    #[error("the job can't be done: {0}")]
    Job(&'static str),
}

enum Running {
    Generate(generate::Generator),
    Decode(decode::Streams),
    Compose(Box<compose::Composer>),
    Transcode(Box<transcode::Transcoder>),
    Mix(mix::Mixer),
    Stage(Box<stage::Stage>),
}

fn start(receiver: &mut Receiver, sender: &Sender) -> Result<Running, Error> {
    sandbox::enter()?;
    let job = match receiver.receive()? {
        Some(ToChild::Start { version: VERSION, job }) => job,
        Some(ToChild::Start { version, .. }) => return Err(Error::Version(version)),
        Some(
            ToChild::Frame(_)
            | ToChild::KeyFrame { .. }
            | ToChild::Open(_)
            | ToChild::Close { .. }
            | ToChild::Cue { .. }
            | ToChild::Until { .. }
            | ToChild::Stop,
        )
        | None => return Err(Error::NoJob),
    };
    codec::load(&tasks(&job))?;
    let running = match job {
        Job::Generate(what) => Running::Generate(generate::Generator::build(what, sender)?),
        Job::Observe(streams) => Running::Decode(decode::Streams::build(decode::Purpose::Observe, &streams, sender)?),
        Job::Decode(streams) => Running::Decode(decode::Streams::build(decode::Purpose::Decode, &streams, sender)?),
        Job::Survey(streams) => Running::Decode(decode::Streams::build(decode::Purpose::Survey, &streams, sender)?),
        Job::Snapshot(streams) => Running::Decode(decode::Streams::build(decode::Purpose::Snapshot, &streams, sender)?),
        Job::Compose(what) => Running::Compose(Box::new(compose::Composer::build(what, sender)?)),
        Job::Transcode(what) => Running::Transcode(Box::new(transcode::Transcoder::build(what)?)),
        Job::Mix(what) => Running::Mix(mix::Mixer::build(what)?),
        Job::Stage(what) => Running::Stage(Box::new(stage::Stage::build(what)?)),
    };
    sandbox::shut()?;
    sender.send(&FromChild::Ready { version: VERSION });
    Ok(running)
}

fn tasks(job: &Job) -> Vec<Task> {
    match job {
        Job::Generate(what) => {
            let picture = what.picture.map(Task::EncodePicture);
            picture.into_iter().chain(what.sound.map(generate::task)).collect()
        }
        Job::Observe(streams) | Job::Survey(streams) | Job::Decode(streams) => {
            streams.iter().map(|stream| Task::Decode(stream.codec)).collect()
        }
        Job::Snapshot(streams) => streams.iter().map(|stream| Task::Still(stream.codec)).collect(),
        Job::Compose(what) => {
            let (scene, threads) = (&what.scene, what.threads);
            let film = Film { width: scene.width, height: scene.height, fps: scene.fps, threads };
            let decoders = what.streams.iter().map(|stream| Task::Decode(stream.codec));
            decoders.chain([Task::EncodeFilm(film), Task::EncodeAac]).collect()
        }
        Job::Transcode(what) => vec![Task::Decode(what.from), Task::EncodeLive(what.to)],
        Job::Mix(what) => ANY_SOUND.map(Task::Decode).into_iter().chain(what.to.map(mix::task)).collect(),
        Job::Stage(what) => {
            let picture = Task::EncodeLive(Target::Picture(what.to));
            ANY_PICTURE.map(Task::Decode).into_iter().chain([picture]).collect()
        }
    }
}

impl Running {
    fn run(self, receiver: Receiver, sender: &Sender) {
        match self {
            Self::Generate(generator) => generator.run(receiver, sender),
            Self::Decode(streams) => streams.run(receiver, sender),
            Self::Compose(composer) => composer.run(receiver, sender),
            Self::Transcode(transcoder) => transcoder.run(receiver, sender),
            Self::Mix(mixer) => mixer.run(receiver, sender),
            Self::Stage(stage) => stage.run(receiver, sender),
        }
    }
}

/// What is counted, from any thread.
#[derive(Debug, Clone, Default)]
struct Counters(Arc<[AtomicU64; 3]>);

impl Counters {
    fn frame_in(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn frame_out(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }

    fn frame_lost(&self) {
        self.0[2].fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> FromChild {
        let at = |place: usize| self.0[place].load(Ordering::Relaxed);
        FromChild::Stats(Stats { frames_in: at(0), frames_out: at(1), frames_lost: at(2) })
    }

    /// Tells the node, once a second.
    fn report(&self, reported: &mut Instant, sender: &Sender) {
        if reported.elapsed() >= Duration::from_secs(1) {
            sender.send(&self.stats());
            *reported = Instant::now();
        }
    }
}

/// An encoder whose frames go to the node as this stream; of sound each stands alone.
fn encode(task: Task, stream: u16, sender: &Sender, counters: &Counters) -> Result<Pipeline, codec::Error> {
    let (sender, counters) = (sender.clone(), counters.clone());
    Pipeline::start(task, move |output| match output {
        Output::Coded(pts, key, bytes) => {
            counters.frame_out();
            let (key, bytes) = (key || stream == SOUND, Bytes::copy_from_slice(bytes));
            sender.send(&FromChild::Frame(Coded { stream, pts, key, bytes }));
        }
        Output::Failed(reason) => {
            sender.send(&FromChild::Failed { stream: Some(stream), reason });
        }
        Output::Picture(..) | Output::Sound(..) => counters.frame_lost(),
    })
}

/// What may be opened while a live job runs: no library can be loaded any more then.
const ANY_SOUND: [Codec; 5] = [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Aac];
const ANY_PICTURE: [Codec; 3] = [Codec::Vp8, Codec::H264, Codec::H265];
