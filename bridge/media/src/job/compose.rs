//! Decodes streams, draws a scene of them and mixes their sound, as fast as it goes: time is what the node says it is.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::child::{Coded, Compose, FromChild, PICTURE, SOUND, STREAM_LIMIT, ToChild};
use hearing_proto::scene::Cue;

use super::{Counters, Error, encode};
use crate::codec::{Film, Pipeline, Task};
use crate::compose::mix::{Mixer, RATE};
use crate::compose::painter::Painter;
use crate::compose::text::Face;
use crate::decoder::{Decoded, Decoder, Frame};
use crate::link::{Receiver, Sender};

pub(super) struct Composer {
    sources: BTreeMap<u16, Source>,
    painter: Painter<Frame>,
    mixer: Mixer,
    picture: Pipeline,
    sound: Pipeline,
    fps: i64,
    /// By tile: its pictures that do not belong yet.
    waiting: Vec<VecDeque<(i64, Frame)>>,
    cues: VecDeque<(i64, Cue)>,
    /// Frames drawn.
    drawn: i64,
    counters: Counters,
}

/// One stream and the tile that shows it.
struct Source {
    decoder: Decoder,
    tile: Option<usize>,
}

impl Composer {
    pub(super) fn build(what: Compose, sender: &Sender) -> Result<Self, Error> {
        if what.streams.len() > STREAM_LIMIT || !(1..=16).contains(&what.threads) {
            return Err(Error::Job("too many streams or threads"));
        }
        let scene = what.scene;
        let film = Film { width: scene.width, height: scene.height, fps: scene.fps, threads: what.threads };
        let (fps, tiles) = (i64::from(scene.fps), scene.tiles.clone());
        let mut sources = BTreeMap::new();
        for stream in what.streams {
            let decoder = Decoder::new(stream.codec)?;
            let tile = tiles.iter().position(|tile| tile.streams.contains(&stream.id));
            sources.insert(stream.id, Source { decoder, tile });
        }
        let painter = Painter::new(scene, Face::load()?).map_err(Error::Job)?;
        let counters = Counters::default();
        let start = |task, stream| encode(task, stream, sender, &counters);
        let (picture, sound) = (start(Task::EncodeFilm(film), PICTURE)?, start(Task::EncodeAac, SOUND)?);
        let waiting = tiles.iter().map(|_| VecDeque::new()).collect();
        let (mixer, cues) = (Mixer::default(), VecDeque::new());
        Ok(Self { sources, painter, mixer, picture, sound, fps, waiting, cues, drawn: 0, counters })
    }

    pub(super) fn run(mut self, mut receiver: Receiver, sender: &Sender) {
        let mut reported = Instant::now();
        loop {
            match receiver.receive() {
                Ok(Some(ToChild::Frame(frame))) => {
                    let due = frame.pts - REORDERED;
                    self.take(frame);
                    self.draw_until(due);
                }
                Ok(Some(ToChild::Cue { at, cue })) => self.cues.push_back((at, cue)),
                Ok(Some(ToChild::Until { at })) => self.draw_until(at),
                Ok(Some(
                    ToChild::KeyFrame { .. } | ToChild::Start { .. } | ToChild::Open(_) | ToChild::Close { .. },
                )) => {}
                Ok(Some(ToChild::Stop)) => break,
                Ok(None) | Err(_) => return,
            }
            self.counters.report(&mut reported, sender);
        }
        self.picture.finish(PATIENCE);
        self.sound.finish(PATIENCE);
        sender.send(&self.counters.stats());
        sender.send(&FromChild::Done);
    }

    fn take(&mut self, frame: Coded) {
        self.counters.frame_in();
        let Some(source) = self.sources.get_mut(&frame.stream) else { return self.counters.frame_lost() };
        let decoded = source.decoder.decode(frame.pts, frame.bytes);
        if decoded.is_empty() {
            self.counters.frame_lost();
        }
        for (pts, decoded) in decoded {
            match (decoded, source.tile) {
                (Decoded::Sound(samples), _) => self.mixer.add(frame.stream, pts, &samples),
                (Decoded::Picture(picture), Some(tile)) => {
                    let waiting = &mut self.waiting[tile];
                    if waiting.len() >= WAITING {
                        waiting.pop_front();
                        self.counters.frame_lost();
                    }
                    waiting.push_back((pts, picture));
                }
                (Decoded::Picture(_), None) => {}
            }
        }
    }

    /// Draws every frame that belongs before `until`, with its sound.
    fn draw_until(&mut self, until: i64) {
        while self.drawn * 1_000_000 / self.fps < until {
            let at = self.drawn * 1_000_000 / self.fps;
            while let Some((at, cue)) = self.cues.pop_front_if(|(due, _)| *due <= at) {
                self.painter.cue(at, cue);
            }
            for (tile, waiting) in self.waiting.iter_mut().enumerate() {
                let mut newest = None;
                while let Some(next) = waiting.pop_front_if(|(pts, _)| *pts <= at) {
                    newest = Some(next);
                }
                if let Some((pts, picture)) = newest {
                    self.painter.show(tile, pts, picture);
                }
            }
            let picture = Bytes::copy_from_slice(self.painter.draw(at));
            self.drawn += 1;
            let sound = self.mixer.take(self.drawn * RATE / self.fps);
            let pushed = self.picture.push(at, picture) && self.sound.push(at, samples(&sound));
            if !pushed {
                self.counters.frame_lost();
            }
        }
    }
}

/// As the AAC encoder wants them: 32-bit floats.
fn samples(sound: &[i16]) -> Vec<u8> {
    sound.iter().flat_map(|sample| (f32::from(*sample) / 32_768.0).to_le_bytes()).collect()
}

/// Decoders may give pictures this much later than their frames came in, in microseconds of the picture.
const REORDERED: i64 = 200_000;
/// Pictures of a tile that may wait: half a second at 60 a second.
const WAITING: usize = 30;
/// How long encoders may take for what is inside them.
const PATIENCE: Duration = Duration::from_secs(60);
