//! Draws a scene live: one thread takes and decodes what comes, another draws the newest picture of each tile at its own pace.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hearing_proto::child::{self, Coded, FromChild, Input, PICTURE, STREAM_LIMIT, ToChild};
use hearing_proto::scene::{Cue, Tile};

use super::pace::{Pace, wall_clock};
use super::transcode::{Hunger, is_possible};
use super::{Counters, Error};
use crate::compose::painter::Painter;
use crate::compose::text::Face;
use crate::decoder::{Decoded, Decoder, Frame};
use crate::encoder::PictureEncoder;
use crate::link::{Receiver, Sender};

pub(super) struct Stage {
    painter: Painter<Frame>,
    encoder: PictureEncoder,
    size: (u32, u32),
    fps: u8,
    tiles: Vec<Tile>,
    waiting: Arc<Waiting>,
    counters: Counters,
}

/// What the thread that draws takes with the next picture.
#[derive(Default)]
struct Waiting {
    pictures: Mutex<BTreeMap<usize, Frame>>,
    cues: Mutex<Vec<Cue>>,
    key: AtomicBool,
}

/// Decodes.
struct Intake {
    inputs: BTreeMap<u16, Source>,
    tiles: Vec<Tile>,
    waiting: Arc<Waiting>,
    counters: Counters,
}

struct Source {
    decoder: Decoder,
    tile: usize,
    hunger: Hunger,
}

impl Stage {
    pub(super) fn build(what: child::Stage) -> Result<Self, Error> {
        if !is_possible(what.to) {
            return Err(Error::Job("no such picture"));
        }
        let size = (u32::from(what.scene.width), u32::from(what.scene.height));
        let (fps, tiles) = (what.scene.fps, what.scene.tiles.clone());
        let painter = Painter::new(what.scene, Face::load()?).map_err(Error::Job)?;
        let encoder = PictureEncoder::new(what.to);
        Ok(Self { painter, encoder, size, fps, tiles, waiting: Arc::default(), counters: Counters::default() })
    }

    pub(super) fn run(self, mut receiver: Receiver, sender: &Sender) {
        let stop = Arc::new(AtomicBool::new(false));
        let (waiting, counters) = (self.waiting.clone(), self.counters.clone());
        let mut intake = Intake { inputs: BTreeMap::new(), tiles: self.tiles.clone(), waiting, counters };
        let work = thread::spawn({
            let (stop, sender) = (stop.clone(), sender.clone());
            move || self.draw(&stop, &sender)
        });
        while let Ok(Some(message)) = receiver.receive() {
            if message == ToChild::Stop {
                break;
            }
            intake.take(message, sender);
        }
        stop.store(true, Ordering::Relaxed);
        if work.join().is_ok() {
            sender.send(&FromChild::Done);
        }
    }

    fn draw(mut self, stop: &AtomicBool, sender: &Sender) {
        let fps = u32::from(self.fps.max(1));
        let mut pace = Pace::new(Instant::now(), Duration::from_secs(1) / fps);
        let wall = wall_clock();
        self.painter.cue(0, Cue::Clock(wall));
        sender.send(&FromChild::Started { at: wall });
        while !stop.load(Ordering::Relaxed) {
            let (step, skipped) = pace.wait();
            (0..skipped).for_each(|_| self.counters.frame_lost());
            let at = i64::from(step) * 1_000_000 / i64::from(fps);
            self.take(at);
            let picture = self.painter.draw(at).to_vec();
            match self.encoder.raw(at, self.size.0, self.size.1, picture) {
                Ok(coded) => coded.into_iter().for_each(|(pts, key, bytes)| {
                    self.counters.frame_out();
                    sender.send(&FromChild::Frame(Coded { stream: PICTURE, pts, key, bytes }));
                }),
                Err(error) => {
                    sender.send(&FromChild::Failed { stream: Some(PICTURE), reason: error.to_string() });
                    return;
                }
            }
            if step % fps == fps - 1 {
                sender.send(&self.counters.stats());
            }
        }
    }

    fn take(&mut self, at: i64) {
        let cues = std::mem::take(&mut *self.waiting.cues.lock().unwrap_or_else(PoisonError::into_inner));
        cues.into_iter().for_each(|cue| self.painter.cue(at, cue));
        let pictures = std::mem::take(&mut *self.waiting.pictures.lock().unwrap_or_else(PoisonError::into_inner));
        pictures.into_iter().for_each(|(tile, picture)| self.painter.show(tile, at, picture));
        if self.waiting.key.swap(false, Ordering::Relaxed) {
            // Before its first picture an encoder needs not be asked.
            let _asked = self.encoder.key_frame();
        }
    }
}

impl Intake {
    fn take(&mut self, message: ToChild, sender: &Sender) {
        match message {
            ToChild::Frame(frame) => self.decode(frame, sender),
            ToChild::Open(input) => self.open(input, sender),
            ToChild::Close { stream } => drop(self.inputs.remove(&stream)),
            ToChild::Cue { cue, .. } => {
                let mut cues = self.waiting.cues.lock().unwrap_or_else(PoisonError::into_inner);
                if cues.len() < CUES {
                    cues.push(cue);
                }
            }
            ToChild::KeyFrame { .. } => self.waiting.key.store(true, Ordering::Relaxed),
            ToChild::Start { .. } | ToChild::Until { .. } | ToChild::Stop => {}
        }
    }

    fn open(&mut self, input: Input, sender: &Sender) {
        let stream = input.stream.id;
        let refused = |reason| {
            sender.send(&FromChild::Failed { stream: Some(stream), reason });
        };
        let tile = self.tiles.iter().position(|tile| tile.streams.contains(&stream));
        match (tile, Decoder::new(input.stream.codec)) {
            (Some(tile), Ok(decoder)) if input.stream.codec.is_picture() && self.inputs.len() < STREAM_LIMIT => {
                self.inputs.insert(stream, Source { decoder, tile, hunger: Hunger::default() });
                sender.send(&FromChild::NeedKey { stream });
            }
            (_, Err(error)) => refused(error.to_string()),
            (_, Ok(_)) => refused("no tile shows this stream".to_owned()),
        }
    }

    fn decode(&mut self, frame: Coded, sender: &Sender) {
        self.counters.frame_in();
        let Some(source) = self.inputs.get_mut(&frame.stream) else { return self.counters.frame_lost() };
        let decoded = source.decoder.decode(frame.pts, frame.bytes);
        if decoded.is_empty() {
            self.counters.frame_lost();
        }
        if source.hunger.feed(Instant::now(), !decoded.is_empty()) {
            sender.send(&FromChild::NeedKey { stream: frame.stream });
        }
        for (_, decoded) in decoded {
            if let Decoded::Picture(picture) = decoded {
                let mut pictures = self.waiting.pictures.lock().unwrap_or_else(PoisonError::into_inner);
                pictures.insert(source.tile, picture);
            }
        }
    }
}

/// Changes that may wait for the next picture.
const CUES: usize = 64;
